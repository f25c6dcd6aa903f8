package pairing_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"

	"cardea/camera/pairing"
)

// serveAs answers one connection with a certificate, as a rogue at the camera's address would.
func serveAs(t *testing.T, cfg *tls.Config) (address string) {
	t.Helper()
	ln, err := tls.Listen("tcp", "127.0.0.1:0", cfg)
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
			conn.SetDeadline(time.Now().Add(10 * time.Second))
			got, _ := io.ReadAll(conn)
			conn.Close()
			if len(got) > 0 {
				t.Errorf("the rogue was sent %q", got)
			}
		}
	})
	return ln.Addr().String()
}

// TestAttacks1to9Rogues: whoever is at the camera's address without being the camera is refused in the handshake, and hears
// nothing from the box.
func TestAttacks1to9Rogues(t *testing.T) {
	t.Parallel()
	clk := newClock(today)
	b, other := newBox(t, clk), newBox(t, clk)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	certified := func(b *box, id string, at time.Time) tls.Certificate {
		before := clk.Now()
		clk.mu.Lock()
		clk.at = at
		clk.mu.Unlock()
		der, err := b.Issuer.Certify(id, key.Public())
		clk.mu.Lock()
		clk.at = before
		clk.mu.Unlock()
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
	}
	good := certified(b, "01A", today)
	d := pairing.Device{ID: "01A", SPKI: pairing.SPKI(good.Leaf), Leaf: good.Leaf.Raw}
	named := func(c *x509.Certificate) { c.URIs, c.DNSNames = good.Leaf.URIs, good.Leaf.DNSNames }
	weak, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	rogueCA := forged(t, func(c *x509.Certificate) { c.IsCA, c.KeyUsage, c.ExtKeyUsage = true, x509.KeyUsageCertSign, nil }, nil)
	chained := good
	chained.Certificate = append([][]byte{good.Certificate[0]}, rogueCA.Certificate[0])

	for name, cert := range map[string]tls.Certificate{
		"01 own key":                    forged(t, named, nil),
		"02 another CA, same names":     forgedFor(t, key, named, &rogueCA),
		"02 another NVR":                certified(other, "01A", today),
		"03 the camera of another":      certified(b, "01B", today),
		"04 expired":                    certified(b, "01A", today.Add(-31*24*time.Hour)),
		"05 not yet":                    certified(b, "01A", today.Add(48*time.Hour)),
		"08 self-signed, its own key":   forgedFor(t, key, named, nil),
		"08 RSA":                        forgedFor(t, weak, named, nil),
		"08 CA:TRUE":                    forgedFor(t, key, func(c *x509.Certificate) { named(c); c.IsCA = true }, nil),
		"08 no extended key usage":      forgedFor(t, key, func(c *x509.Certificate) { named(c); c.ExtKeyUsage = nil }, nil),
		"08 a chain in place of a leaf": chained,
		"08 half a megabyte": forgedFor(t, key, func(c *x509.Certificate) {
			named(c)
			c.ExtraExtensions = []pkix.Extension{{Id: []int{1, 2, 3, 4}, Value: make([]byte, 512<<10)}}
		}, nil),
	} {
		t.Run(name, func(t *testing.T) {
			address := serveAs(t, &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS13})
			if conn, err := tls.Dial("tcp", address, b.TLS(d, false)); err == nil {
				conn.Close()
				t.Error("accepted")
			}
		})
	}
	t.Run("07 TLS 1.2", func(t *testing.T) {
		address := serveAs(t, &tls.Config{Certificates: []tls.Certificate{good}, MaxVersion: tls.VersionTLS12})
		if conn, err := tls.Dial("tcp", address, b.TLS(d, false)); err == nil {
			conn.Close()
			t.Error("accepted")
		}
	})
	t.Run("the camera itself", func(t *testing.T) {
		address := serveAs(t, &tls.Config{Certificates: []tls.Certificate{good}, ClientAuth: tls.RequireAnyClientCert})
		conn, err := tls.Dial("tcp", address, b.TLS(d, false))
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
	})
}

// TestAttack09Clients: the camera lets nobody but its NVR to the pictures, and nobody at all before it is paired.
// Attack case 63 of docs/attacks.md.
func TestAttack09Clients(t *testing.T) {
	t.Parallel()
	clk := newClock(today)
	b, other := newBox(t, clk), newBox(t, clk)
	c := startCamera(t, t.TempDir(), clk)
	refused := func(name string, cfg *tls.Config) {
		t.Helper()
		cfg.InsecureSkipVerify = true
		conn, err := tls.Dial("tcp", c.addr, cfg)
		if err != nil {
			return
		}
		defer conn.Close()
		// In TLS 1.3 the refusal comes with the first byte.
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		conn.Write([]byte("OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n")) //nolint:errcheck // the answer tells
		if n, err := conn.Read(make([]byte, 1)); err == nil || n > 0 {
			t.Errorf("%s is let in", name)
		} else if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s is kept waiting", name)
		}
	}
	c.code(t, "")
	refused("anybody before pairing", &tls.Config{Certificates: []tls.Certificate{forged(t, nil, nil)}})
	d := b.paired(t, c, "01A")
	refused("nobody in particular", &tls.Config{})
	refused("a stranger", &tls.Config{Certificates: []tls.Certificate{forged(t, nil, nil)}})
	refused("the box with TLS 1.2", &tls.Config{GetClientCertificate: b.Issuer.ClientCertificate, MaxVersion: tls.VersionTLS12})
	refused("another box", &tls.Config{GetClientCertificate: other.Issuer.ClientCertificate})
	refused("another box that renews", &tls.Config{GetClientCertificate: other.Issuer.ClientCertificate, NextProtos: []string{pairing.ProtoRenew}})
	refused("another protocol", &tls.Config{GetClientCertificate: b.Issuer.ClientCertificate, NextProtos: []string{"h2"}})
	named := forged(t, func(cert *x509.Certificate) {
		u, err := url.Parse(pairing.NVRURI(b.Issuer.NVR()))
		if err != nil {
			t.Fatal(err)
		}
		cert.URIs = []*url.URL{u}
	}, nil)
	refused("who calls himself the box", &tls.Config{Certificates: []tls.Certificate{named}})
	if err := b.media(c, d); err != nil {
		t.Error(err)
	}
}

// TestHeldConnections: connections that are opened and not used, from one address, are few and do not keep others out for longer than a
// handshake may take.
func TestHeldConnections(t *testing.T) {
	t.Parallel()
	clk := newClock(today)
	b := newBox(t, clk)
	c := startCamera(t, t.TempDir(), clk)
	d := b.paired(t, c, "01A")
	var held []net.Conn
	for range 200 {
		conn, err := net.Dial("tcp", c.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		held = append(held, conn)
	}
	closed := 0
	for _, conn := range held {
		conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if _, err := conn.Read(make([]byte, 1)); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			closed++
		}
		if closed == 180 {
			break
		}
	}
	if closed < 180 {
		t.Errorf("only %d of 200 were closed at once", closed)
	}
	waitUntil(t, func() bool {
		_, err := b.Sync(context.Background(), c.addr, d, false)
		return err == nil
	})
}
