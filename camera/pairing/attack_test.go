package pairing_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"errors"
	"io"
	"math/big"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
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

// The variables that make this test program a camera that dies.
const (
	dieDir = "CARDEA_TEST_CAMERA"
	dieAt  = "CARDEA_TEST_DIE_AT"
)

// deadly kills the process, as a power cut would, before or after the n-th write to any connection.
type deadly struct {
	net.Conn
	writes *int
	mu     *sync.Mutex
	at     int
}

func (d deadly) Write(p []byte) (int, error) {
	d.mu.Lock()
	*d.writes++
	n := *d.writes
	d.mu.Unlock()
	if n == d.at {
		syscall.Kill(os.Getpid(), syscall.SIGKILL) //nolint:errcheck // it does not return
	}
	return d.Conn.Write(p)
}

type deadlyListener struct {
	net.Listener
	writes int
	mu     sync.Mutex
	at     int
}

func (l *deadlyListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return deadly{c, &l.writes, &l.mu, l.at}, nil
}

// TestDeadlyCamera is not a test: TestAttack17Killed runs it as a process.
func TestDeadlyCamera(t *testing.T) {
	if os.Getenv(dieDir) == "" {
		t.Skip("runs as a process of TestAttack17Killed")
	}
	at, err := strconv.Atoi(os.Getenv(dieAt))
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c, err := pairing.OpenCamera(pairing.CameraConfig{
		Dir: os.Getenv(dieDir), Now: func() time.Time { return today },
		OnCode: func(code pairing.Code) {
			if code.Digits != "" {
				os.Stdout.WriteString("\ncamera " + ln.Addr().String() + " " + code.Digits + "\n")
			}
		},
	}, &deadlyListener{Listener: ln, at: at})
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Run(t.Context())
}

// TestAttack17Killed: the camera is killed before each of its messages. A minute later it is either paired, and the box knows
// it, or new.
func TestAttack17Killed(t *testing.T) {
	t.Parallel()
	finished := false
	for at := 1; at < 40 && !finished; at++ {
		clk := newClock(today)
		b := newBox(t, clk)
		dir := t.TempDir()
		cmd := exec.Command(os.Args[0], "-test.run=^TestDeadlyCamera$", "-test.v")
		cmd.Env = append(os.Environ(), dieDir+"="+dir, dieAt+"="+strconv.Itoa(at))
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		address, code := shown(t, out)
		// The box's part in small: what is pending is forgotten after a minute, what it began to activate it asks after.
		var pending, activating *pairing.Device
		d, err := b.Pair(context.Background(), address, code, "01A", func(d pairing.Device) error {
			pending = &d
			return nil
		})
		if err == nil {
			activating = &d
			r, err := b.Sync(context.Background(), address, d, true)
			finished = err == nil && r.Active
		}
		cmd.Process.Kill() //nolint:errcheck // it may be dead
		io.Copy(io.Discard, out)
		cmd.Wait() //nolint:errcheck // it was killed
		if pending == nil && activating != nil {
			t.Fatalf("write %d: activated what was never pending", at)
		}

		clk.add(pairing.Undo)
		c := startCamera(t, dir, clk)
		waitUntil(t, func() bool { return c.Paired() || c.code(t, "").Digits != "" })
		active := false
		if activating != nil {
			r, err := b.Sync(context.Background(), c.addr, *activating, true)
			active = err == nil && r.Active
		}
		if c.Paired() != active {
			t.Errorf("write %d: the camera is paired: %v; the box thinks: %v", at, c.Paired(), active)
		}
		c.stop()
	}
	if !finished {
		t.Error("the camera never lived to the end")
	}
}

// shown reads address and code from what the process prints.
func shown(t *testing.T, out io.Reader) (address, code string) {
	t.Helper()
	var text []byte
	for {
		buf := make([]byte, 512)
		n, err := out.Read(buf)
		text = append(text, buf[:n]...)
		if _, rest, ok := strings.Cut(string(text), "\ncamera "); ok {
			if line, _, ok := strings.Cut(rest, "\n"); ok {
				address, code, _ = strings.Cut(line, " ")
				return address, code
			}
		}
		if err != nil {
			t.Fatalf("the camera shows no code: %s", text)
		}
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
