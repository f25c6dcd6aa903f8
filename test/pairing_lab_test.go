package test

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
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cardea/auth/ca"
	"cardea/camera/pairing"
	"cardea/test/box"
	"cardea/test/lab"
)

// pairingLab is three hosts: an NVR, a camera that it is to pair with, and an attacker on the same network.
type pairingLab struct {
	t                     *testing.T
	nvr, camera, attacker *lab.Host
	b                     *box.Box
	serve, agent          *lab.Process
	dir                   string // of the camera
}

func newPairingLab(t *testing.T) *pairingLab {
	t.Helper()
	l := lab.New(t)
	p := &pairingLab{t: t, nvr: l.Host("nvr"), camera: l.Host("camera"), attacker: l.Host("attacker"), dir: filepath.Join(t.TempDir(), "front")}
	var err error
	if p.b, err = box.New(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	p.start(0)
	p.agent = agentOn(t, p.camera, p.b.Binary, p.dir, "Front")
	return p
}

// start starts the NVR with a clock that is off by so much.
func (p *pairingLab) start(off time.Duration) {
	p.t.Helper()
	p.serve = p.nvr.StartWithClock(off, p.b.Binary, "serve", "--data", p.b.Dir, "--listen", ":8443")
	p.serve.WaitOutput(p.t, "Certificate")
}

// code is the one that the camera shows now.
func (p *pairingLab) code() string {
	p.t.Helper()
	return codeOf(p.t, p.agent)
}

// codeOf is the newest that an agent shows.
func codeOf(t *testing.T, agent *lab.Process) (code string) {
	t.Helper()
	waitFor(t, "an activation code", func() bool {
		all := codeLine.FindAllStringSubmatch(agent.Output(), -1)
		if len(all) > 0 {
			code = all[len(all)-1][1]
		}
		return code != ""
	})
	return code
}

// pair has a box pair with what is at host.
func (p *pairingLab) pair(on *lab.Host, data, host, code string, more ...string) error {
	_, err := on.Exec(p.b.Binary, append([]string{"cameras", "pair", host, "--code", code, "--data", data}, more...)...)
	return err
}

// reset makes the camera new.
func (p *pairingLab) reset() {
	p.t.Helper()
	p.agent.Stop()
	if out, err := p.camera.Exec(p.b.Binary, "camera", "--data", p.dir, "--reset"); err != nil {
		p.t.Fatalf("%v\n%s", err, out)
	}
	p.agent = agentOn(p.t, p.camera, p.b.Binary, p.dir, "Front")
}

// pairReset pairs it as the camera that it was.
func (p *pairingLab) pairReset() {
	p.t.Helper()
	if err := p.pair(p.nvr, p.b.Dir, p.camera.Addr().String(), p.code(), "--camera", "Front"); err != nil {
		p.t.Fatal(err)
	}
	waitFor(p.t, "pictures again", func() bool { return p.state() == "streaming" })
}

func (p *pairingLab) state() string {
	p.t.Helper()
	cameras, err := p.b.Cameras()
	if err != nil {
		p.t.Fatal(err)
	}
	if len(cameras) != 1 {
		return fmt.Sprintf("%d cameras", len(cameras))
	}
	return cameras[0].State
}

// cameraHealth is what the NVR says of the line to a camera.
type cameraHealth struct {
	Phase         string `json:"phase"`
	Reconnects    int    `json:"reconnects"`
	ClockOffsetMS int64  `json:"clock_offset_ms"`
}

// healthOf is that of the camera of a name; empty where there is none.
func (p *pairingLab) healthOf(name string) (h cameraHealth) {
	p.t.Helper()
	cameras, err := p.b.Cameras()
	if err != nil {
		p.t.Fatal(err)
	}
	for _, c := range cameras {
		if c.Name == name {
			p.get("/api/cameras/"+c.ID+"/health", &h)
		}
	}
	return h
}

// cameraMemory is what the camera remembers of its pairing.
type cameraMemory struct {
	Identity struct {
		Device    string
		Key, Leaf []byte
		Bundle    uint64
	}
}

func (p *pairingLab) memory() (m cameraMemory) {
	p.t.Helper()
	if err := json.Unmarshal([]byte(readAll(p.t, filepath.Join(p.dir, "pairing.json"))), &m); err != nil {
		p.t.Fatal(err)
	}
	return m
}

// certificate is the one that the camera shows.
func (p *pairingLab) certificate() *x509.Certificate {
	p.t.Helper()
	leaf, err := x509.ParseCertificate(p.memory().Identity.Leaf)
	if err != nil {
		p.t.Fatal(err)
	}
	return leaf
}

// ended waits until nothing of the camera is recorded any more.
func (p *pairingLab) ended() {
	p.t.Helper()
	waitFor(p.t, "the end of the recording", func() bool {
		clips, err := p.b.Recordings("")
		if err != nil {
			p.t.Fatal(err)
		}
		return !slices.ContainsFunc(clips, func(c box.Clip) bool { return c.Open })
	})
}

// doubts is how often people were told, and the access log was, that a camera is kept away from.
func (p *pairingLab) doubts() (n [2]int) {
	p.t.Helper()
	var acts []struct{ Action string }
	p.get("/api/log?action=camera.isolate", &acts)
	return [2]int{strings.Count(p.events("camera.identity"), `"isolated"`), len(acts)}
}

// told waits until both have grown, and there is an alarm.
func (p *pairingLab) told(before [2]int) {
	p.t.Helper()
	waitFor(p.t, "an event, a record and an alarm", func() bool {
		now := p.doubts()
		var health struct{ Alarms []struct{ Code string } }
		p.get("/api/health", &health)
		return now[0] > before[0] && now[1] > before[1] && len(health.Alarms) > 0
	})
}

// get asks the NVR by its socket.
func (p *pairingLab) get(path string, v any) {
	p.t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(p.b.Dir, "cardea.sock"))
	}}}
	resp, err := client.Get("http://cardea" + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(v); err != nil || resp.StatusCode != http.StatusOK {
		p.t.Fatalf("%s: %s %v", path, resp.Status, err)
	}
}

// events are those of a kind, in JSON.
func (p *pairingLab) events(kind string) string {
	p.t.Helper()
	out, err := p.b.Run("events", "list", "--kind", kind, "--json")
	if err != nil {
		p.t.Fatal(err)
	}
	return string(out)
}

func (p *pairingLab) accept() {
	p.t.Helper()
	if _, err := p.b.Run("cameras", "accept", "Front"); err != nil {
		p.t.Fatal(err)
	}
}

// selfSigned is a certificate of the attacker's making, for key or a new one, by an authority or by itself.
func selfSigned(t *testing.T, key crypto.Signer, by *tls.Certificate, edit func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	if key == nil {
		made, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		key = made
	}
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, BasicConstraintsValid: true,
	}
	if edit != nil {
		edit(cert)
	}
	parent, signer := cert, key
	if by != nil {
		parent, signer = by.Leaf, by.PrivateKey.(crypto.Signer)
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// listen opens the port of cameras on the attacker's host.
func (p *pairingLab) listen() net.Listener {
	p.t.Helper()
	var ln net.Listener
	err := p.attacker.Do(func() (err error) {
		ln, err = net.Listen("tcp", ":8322")
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { ln.Close() })
	return ln
}

// TestAttacks13to16InTheLab has the attacker meddle with a pairing (attack cases 13, 14, 15 and 16) from a host of his own: he stands in between, guesses
// codes, plays a recorded pairing again, and uses a code that is spent. He gets nothing, and nothing of it stays.
func TestAttacks13to16InTheLab(t *testing.T) {
	p := newPairingLab(t)
	camera := p.camera.Addr().String() + ":8322"
	thief, err := box.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	dial := func(config *tls.Config) (conn net.Conn, err error) {
		err = p.attacker.Do(func() error {
			conn, err = net.DialTimeout("tcp", camera, 5*time.Second)
			return err
		})
		if err == nil && config != nil {
			conn = tls.Client(conn, config)
		}
		return conn, err
	}
	untouched := func(t *testing.T) {
		t.Helper()
		if cameras, err := p.b.Cameras(); err != nil || len(cameras) != 0 {
			t.Errorf("the NVR has %+v, %v", cameras, err)
		}
		if strings.Contains(readAll(t, filepath.Join(p.dir, "pairing.json")), `"device"`) {
			t.Error("the camera is paired")
		}
	}

	// One port of the attacker's serves what each case wants.
	var serve atomic.Pointer[func(net.Conn)]
	ln := p.listen()
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go (*serve.Load())(conn)
		}
	}()
	both := func(a, b net.Conn, seen io.Writer) {
		defer a.Close()
		defer b.Close()
		go io.Copy(a, b)                  //nolint:errcheck // it ends with the connection
		io.Copy(b, io.TeeReader(a, seen)) //nolint:errcheck // as above
	}

	t.Run("15 middle", func(t *testing.T) {
		own := selfSigned(t, nil, nil, nil)
		config := &tls.Config{Certificates: []tls.Certificate{own}, NextProtos: []string{pairing.ProtoPair}, InsecureSkipVerify: true, ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS13}
		relay := func(conn net.Conn) {
			far, err := dial(config)
			if err != nil {
				conn.Close()
				return
			}
			both(tls.Server(conn, config), far, io.Discard)
		}
		serve.Store(&relay)
		if err := p.pair(p.nvr, p.b.Dir, p.attacker.Addr().String(), p.code()); err == nil {
			t.Error("paired through a middle")
		}
		untouched(t)
	})
	t.Run("14 guesses", func(t *testing.T) {
		for i := range 6 {
			if err := p.pair(p.attacker, thief.Dir, camera, fmt.Sprintf("%04d 5678", i)); err == nil {
				t.Error("a guess was right")
			}
		}
		if !strings.Contains(p.agent.Output(), "too many attempts") {
			t.Errorf("the camera does not slow guesses down:\n%s", p.agent.Output())
		}
		untouched(t)
	})
	t.Run("16 replay", func(t *testing.T) {
		record := &output{}
		tap := func(conn net.Conn) {
			if far, err := dial(nil); err == nil {
				both(conn, far, record)
			}
		}
		serve.Store(&tap)
		waitFor(t, "a pairing over a wire that only listens", func() bool {
			return p.pair(p.nvr, p.b.Dir, p.attacker.Addr().String(), p.code()) == nil
		})
		waitFor(t, "the first picture", func() bool { return p.state() == "streaming" })
		if _, err := p.b.Run("cameras", "remove", "Front"); err != nil {
			t.Fatal(err)
		}
		p.agent.Stop()
		if out, err := p.camera.Exec(p.b.Binary, "camera", "--data", p.dir, "--reset"); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		p.agent = agentOn(t, p.camera, p.b.Binary, p.dir, "Front")
		p.code() // it listens
		conn, err := dial(nil)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Write([]byte(record.String())); err != nil {
			t.Log(err) // it may hang up at any byte
		}
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		_, _ = io.Copy(io.Discard, conn)
		untouched(t)
	})
	t.Run("13 spent code", func(t *testing.T) {
		var code string
		waitFor(t, "the owner's own pairing", func() bool {
			code = p.code()
			return p.pair(p.nvr, p.b.Dir, camera, code) == nil
		})
		waitFor(t, "the first picture", func() bool { return p.state() == "streaming" })
		if err := p.pair(p.attacker, thief.Dir, camera, code); err == nil {
			t.Error("a spent code was taken")
		}
		if p.state() != "streaming" {
			t.Errorf("the camera is %s", p.state())
		}
	})
}

// TestAttacks02to22InTheLab has the attacker take the address of a paired camera, and its key too, stolen from its disk. He shows one certificate after
// another (attack cases 2, 4, 5, 7 and 8), and knocks at the camera without one (case 9). Then the camera is reset (22), misses a change of the authority (20), and is
// revoked in mid-stream (6).
func TestAttacks02to22InTheLab(t *testing.T) {
	p := newPairingLab(t)
	if err := p.pair(p.nvr, p.b.Dir, p.camera.Addr().String(), p.code()); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the first picture", func() bool { return p.state() == "streaming" })

	t.Run("09 no certificate", func(t *testing.T) {
		stranger := selfSigned(t, nil, nil, nil)
		for name, config := range map[string]*tls.Config{
			"none": {}, "a stranger's": {Certificates: []tls.Certificate{stranger}}, "TLS 1.2": {MaxVersion: tls.VersionTLS12, Certificates: []tls.Certificate{stranger}},
		} {
			config.InsecureSkipVerify = true
			var conn net.Conn
			err := p.attacker.Do(func() (err error) {
				conn, err = net.DialTimeout("tcp", p.camera.Addr().String()+":8322", 5*time.Second)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			secure := tls.Client(conn, config)
			_ = secure.SetDeadline(time.Now().Add(10 * time.Second))
			_, _ = secure.Write([]byte("OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"))
			if n, err := secure.Read(make([]byte, 1)); n > 0 || err == nil || os.IsTimeout(err) {
				t.Errorf("%s: %d bytes, %v", name, n, err)
			}
			conn.Close()
		}
	})

	// What the attacker took from the camera's disk.
	memory, good := p.memory(), p.certificate()
	stolen, err := pairing.FileKeys{}.Open(memory.Identity.Key)
	if err != nil {
		t.Fatal(err)
	}
	// What the NVR itself would have issued at another time: no attacker has that, but certificates do run out.
	issued := func(at time.Time) tls.Certificate {
		t.Helper()
		authority, err := ca.OpenDevice(ca.Config{Dir: filepath.Join(p.b.Dir, "keys"), Now: func() time.Time { return at }})
		if err != nil {
			t.Fatal(err)
		}
		der, err := authority.Certify(memory.Identity.Device, stolen.Public())
		if err != nil {
			t.Fatal(err)
		}
		return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: stolen}
	}
	weak, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	named := func(c *x509.Certificate) { c.URIs, c.DNSNames = good.URIs, good.DNSNames }
	rogueCA := selfSigned(t, nil, nil, func(c *x509.Certificate) {
		c.IsCA, c.KeyUsage, c.ExtKeyUsage, c.Subject = true, x509.KeyUsageCertSign, nil, good.Issuer
	})
	chain := tls.Certificate{Certificate: [][]byte{memory.Identity.Leaf}, PrivateKey: stolen}
	for range 10 {
		chain.Certificate = append(chain.Certificate, rogueCA.Certificate[0])
	}

	p.agent.Stop()
	p.camera.Down()
	p.attacker.IP("addr", "add", p.camera.Addr().String()+"/24", "dev", "eth0")
	p.nvr.IP("neigh", "flush", "all")
	var mu sync.Mutex
	var show tls.Certificate
	version, heard, shaken := uint16(tls.VersionTLS13), "", 0
	ln := p.listen()
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				mu.Lock()
				config := &tls.Config{Certificates: []tls.Certificate{show}, ClientAuth: tls.RequireAnyClientCert, MaxVersion: version}
				mu.Unlock()
				secure := tls.Server(conn, config)
				_ = secure.SetDeadline(time.Now().Add(3 * time.Second))
				said := make([]byte, 100)
				n, _ := secure.Read(said) // handshake included
				mu.Lock()
				defer mu.Unlock()
				shaken++
				heard += string(said[:n])
			}()
		}
	}()
	for _, c := range []struct {
		name string
		cert tls.Certificate
		old  bool
		calm bool // refused without a doubt of who it is: the NVR may be willing to renew it, or it never came as far as showing a certificate
	}{
		{name: "02 another authority of the same name", cert: selfSigned(t, stolen, &rogueCA, named)},
		{name: "02 its own authority", cert: selfSigned(t, stolen, nil, named)},
		{name: "04 run out", cert: issued(time.Now().Add(-60 * 24 * time.Hour)), calm: true},
		{name: "05 not yet", cert: issued(time.Now().Add(10 * 24 * time.Hour)), calm: true},
		{name: "07 TLS 1.2", cert: chain, old: true},
		{name: "08 RSA", cert: selfSigned(t, weak, &rogueCA, named)},
		{name: "08 an authority as a camera", cert: selfSigned(t, stolen, &rogueCA, func(c *x509.Certificate) { named(c); c.IsCA = true })},
		{name: "08 no extended key usage", cert: selfSigned(t, stolen, &rogueCA, func(c *x509.Certificate) { named(c); c.ExtKeyUsage = nil })},
		{name: "08 half a megabyte", calm: true, cert: selfSigned(t, stolen, &rogueCA, func(c *x509.Certificate) {
			named(c)
			c.ExtraExtensions = []pkix.Extension{{Id: []int{1, 2, 3, 4}, Value: make([]byte, 512<<10)}}
		})},
		{name: "08 a chain of ten", cert: chain},
	} {
		t.Run(c.name, func(t *testing.T) {
			mu.Lock()
			show, version, shaken, heard = c.cert, tls.VersionTLS13, 0, ""
			if c.old {
				version = tls.VersionTLS12
			}
			mu.Unlock()
			doubts := p.doubts()
			if p.state() == "isolated" {
				p.accept()
			}
			waitFor(t, "the refusal", func() bool {
				mu.Lock()
				defer mu.Unlock()
				return shaken > 0 && p.state() != "streaming" && p.state() != "connecting"
			})
			p.ended()
			if !c.calm {
				waitFor(t, "the quarantine", func() bool { return p.state() == "isolated" })
				p.told(doubts)
			}
			mu.Lock()
			defer mu.Unlock()
			// A camera with the right key may have its certificate renewed (README of camera/pairing), so it is told the time; nothing else.
			if heard != "" && !strings.Contains(heard, `{"type":"sync","time":`) || strings.Contains(heard, "RTSP") {
				t.Errorf("the NVR said %q to the attacker", heard)
			}
		})
	}
	ln.Close()
	p.attacker.IP("addr", "del", p.camera.Addr().String()+"/24", "dev", "eth0")
	p.nvr.IP("neigh", "flush", "all")
	p.camera.Up()
	p.agent = agentOn(t, p.camera, p.b.Binary, p.dir, "Front")
	if p.state() == "isolated" {
		p.accept()
	}
	waitFor(t, "the camera itself", func() bool { return p.state() == "streaming" })

	t.Run("22 reset", func(t *testing.T) {
		p.reset()
		waitFor(t, "the doubt", func() bool { s := p.state(); return s == "isolated" || s == "doubted" })
		p.pairReset()
	})
	t.Run("20 authority replaced", func(t *testing.T) {
		p.agent.Stop()
		waitFor(t, "the camera to be away", func() bool { return p.state() != "streaming" })
		if out, err := p.b.Run("ca", "roll"); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		p.agent = agentOn(t, p.camera, p.b.Binary, p.dir, "Front")
		waitFor(t, "pictures under the new authority", func() bool { return p.state() == "streaming" })
		// Away until the old one is forgotten, which only a person can force, it is not taken back without one.
		p.agent.Stop()
		waitFor(t, "the camera to be away", func() bool { return p.state() != "streaming" })
		waitFor(t, "the authority to be replaced", func() bool { _, err := p.b.Run("ca", "roll"); return err == nil })
		for range 2 {
			if out, err := p.b.Run("ca", "roll", "--force"); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		}
		p.agent = agentOn(t, p.camera, p.b.Binary, p.dir, "Front")
		waitFor(t, "the doubt", func() bool { return p.state() == "isolated" })
		p.reset()
		p.pairReset()
	})
	t.Run("06 revoked", func(t *testing.T) {
		if _, err := p.b.Run("cameras", "revoke", "Front"); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "the end of the stream", func() bool { return p.state() == "doubted" })
		p.ended()
	})
}
