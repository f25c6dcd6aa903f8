package pairing_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"io"
	"math/big"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"cardea/camera/pairing"
)

// middle ends both TLS connections and passes frames on; touch may change or keep them. n counts the frames of a connection.
func middle(t *testing.T, camera string, touch func(n int, frame []byte) []byte) (address string) {
	t.Helper()
	cert := forged(t, nil, nil)
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{cert}, NextProtos: []string{pairing.ProtoPair}, ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS13,
	})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				far, err := tls.Dial("tcp", camera, &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{pairing.ProtoPair}, InsecureSkipVerify: true})
				if err != nil {
					return
				}
				defer far.Close()
				var mu sync.Mutex
				n := 0
				pass := func(from, to net.Conn) {
					defer from.Close()
					defer to.Close()
					for {
						var head [4]byte
						if _, err := io.ReadFull(from, head[:]); err != nil {
							return
						}
						frame := make([]byte, min(binary.BigEndian.Uint32(head[:]), 1<<16))
						if _, err := io.ReadFull(from, frame); err != nil {
							return
						}
						mu.Lock()
						frame = touch(n, frame)
						n++
						mu.Unlock()
						if _, err := to.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(frame))), frame...)); err != nil {
							return
						}
					}
				}
				var both sync.WaitGroup
				both.Go(func() { pass(conn, far) })
				both.Go(func() { pass(far, conn) })
				both.Wait()
			})
		}
	})
	return ln.Addr().String()
}

// forged makes a certificate that is nobody's; edit changes the template, by signs it.
func forged(t *testing.T, edit func(*x509.Certificate), by *tls.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return forgedFor(t, key, edit, by)
}

func forgedFor(t *testing.T, key crypto.Signer, edit func(*x509.Certificate), by *tls.Certificate) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: today.Add(-time.Hour), NotAfter: today.Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	if edit != nil {
		edit(template)
	}
	parent, signer := template, key
	if by != nil {
		parent, signer = by.Leaf, by.PrivateKey.(crypto.Signer)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// TestAttack15Middle: who stands in between and changes nothing, or any message, gets nothing, and nothing stays.
func TestAttack15Middle(t *testing.T) {
	t.Parallel()
	clk := newClock(today)
	b := newBox(t, clk)
	c := startCamera(t, t.TempDir(), clk)
	for n := -1; n < 5; n++ {
		address := middle(t, c.addr, func(i int, frame []byte) []byte {
			if i != n {
				return frame
			}
			text := string(frame) // the first value in base64 gets another first letter
			if at := strings.Index(text, `=","`); at > 0 {
				flip := byte('A')
				if frame[at-1] == flip {
					flip = 'B'
				}
				frame[at-3] = flip
			}
			return frame
		})
		_, err := b.Pair(context.Background(), address, c.code(t, "").Digits, "01A", func(pairing.Device) error {
			t.Error("the box would keep this device")
			return nil
		})
		if err == nil {
			t.Errorf("frame %d changed: paired", n)
		}
		if c.remembers(t) || c.Paired() {
			t.Fatalf("frame %d changed: the camera keeps something", n)
		}
		clk.add(pairing.CodeLife) // a new code, and the delay after failures is over
		c.code(t, "")
	}
	waitUntil(t, func() bool { return c.alerted() > 0 })
}

// TestAttack16Replay: what a box sent in a pairing is of no use a second time.
func TestAttack16Replay(t *testing.T) {
	t.Parallel()
	clk := newClock(today)
	b := newBox(t, clk)
	c := startCamera(t, t.TempDir(), clk)
	// A middle sees the frames of a run that fails for it; it is the most that an attacker can record in the clear.
	var mu sync.Mutex
	var recorded [][]byte
	address := middle(t, c.addr, func(n int, frame []byte) []byte {
		mu.Lock()
		defer mu.Unlock()
		recorded = append(recorded, frame)
		return frame
	})
	if _, err := b.Pair(context.Background(), address, c.code(t, "").Digits, "01A", fine); err == nil {
		t.Fatal("paired")
	}
	conn, err := tls.Dial("tcp", c.addr, &tls.Config{
		Certificates: []tls.Certificate{forged(t, nil, nil)}, NextProtos: []string{pairing.ProtoPair}, InsecureSkipVerify: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	mu.Lock()
	defer mu.Unlock()
	for _, frame := range recorded {
		if _, err := conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(frame))), frame...)); err != nil {
			break
		}
	}
	answer, _ := io.ReadAll(conn)
	if strings.Contains(string(answer), "csr") || c.remembers(t) {
		t.Errorf("the camera goes on: %q", answer)
	}
}

// TestRace: two boxes with the right code at the same time are one pairing.
func TestRace(t *testing.T) {
	t.Parallel()
	clk := newClock(today)
	c := startCamera(t, t.TempDir(), clk)
	code := c.code(t, "")
	var wg sync.WaitGroup
	won := make(chan string, 2)
	for _, id := range []string{"01A", "01B"} {
		b := newBox(t, clk)
		wg.Go(func() {
			if _, err := b.Pair(context.Background(), c.addr, code.Digits, id, fine); err == nil {
				won <- id
			}
		})
	}
	wg.Wait()
	close(won)
	var ids []string
	for id := range won {
		ids = append(ids, id)
	}
	if len(ids) != 1 || !c.remembers(t) {
		t.Errorf("paired as %v", ids)
	}
}

// hostile asks for everything in its request.
type hostile struct{ crypto.Signer }

// TestAttack18Request: whatever a camera asks for, it gets its own name and nothing else.
func TestAttack18Request(t *testing.T) {
	t.Parallel()
	clk := newClock(today)
	b := newBox(t, clk)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	evil, err := url.Parse("urn:nvr:" + b.Issuer.NVR() + ":nvr")
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: "bank.example"}, DNSNames: []string{"bank.example"}, URIs: []*url.URL{evil}, IPAddresses: []net.IP{{1, 2, 3, 4}},
		ExtraExtensions: []pkix.Extension{{Id: []int{2, 5, 29, 19}, Critical: true, Value: []byte{0x30, 3, 1, 1, 0xff}}},
	}, hostile{key})
	if err != nil {
		t.Fatal(err)
	}
	request, err := x509.ParseCertificateRequest(der)
	if err != nil {
		t.Fatal(err)
	}
	issued, err := b.Issuer.Certify("01A", request.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(issued)
	if err != nil {
		t.Fatal(err)
	}
	if leaf.IsCA || leaf.Subject.CommonName != "" || len(leaf.IPAddresses) != 0 || len(leaf.URIs) != 1 || leaf.URIs[0].String() != pairing.CameraURI(b.Issuer.NVR(), "01A") ||
		len(leaf.DNSNames) != 1 || leaf.DNSNames[0] != "cam-01A.internal" {
		t.Errorf("%v %v %v", leaf.URIs, leaf.DNSNames, leaf.Subject)
	}
}

func waitUntil(t *testing.T, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !f(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it never happened")
		}
	}
}
