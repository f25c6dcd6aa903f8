package tls

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"cardea/auth/ca"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is a Server with an authority and a listener on loopback that says hello.
type site struct {
	*Server
	t         *testing.T
	authority *ca.Web
	dir       string
	addr      string

	mu    sync.Mutex
	names []string
}

func (s *site) setNames(names ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names = names
}

func (s *site) config() Config {
	return Config{
		Issuer: s.authority, Dir: filepath.Join(s.dir, "certmagic"), Name: "cardea.local", Every: 5 * time.Millisecond,
		Log: slog.New(slog.DiscardHandler),
		Names: func() []string {
			s.mu.Lock()
			defer s.mu.Unlock()
			return slices.Clone(s.names)
		},
	}
}

func newSite(t *testing.T, change ...func(*Config)) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir()}
	s.setNames("cardea.local", "localhost", "127.0.0.1")
	var err error
	if s.authority, err = ca.OpenWeb(ca.Config{Dir: s.dir, Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	cfg := s.config()
	for _, f := range change {
		f(&cfg)
	}
	if s.Server, err = Open(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = inner.Addr().String()
	ln := s.Listener(inner)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") })}
	done := make(chan error, 1)
	go func() { done <- server.Serve(ln) }()
	t.Cleanup(func() {
		server.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
		s.Close()
	})
	return s
}

// dial makes one handshake and an HTTP request over it.
func (s *site) dial(cfg *tls.Config) (tls.ConnectionState, error) {
	if cfg.RootCAs == nil {
		cfg.RootCAs = x509.NewCertPool()
		cfg.RootCAs.AppendCertsFromPEM(s.authority.RootPEM())
	}
	conn, err := tls.Dial("tcp", s.addr, cfg)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "hello" {
		return tls.ConnectionState{}, fmt.Errorf("got %q: %w", body, err)
	}
	return conn.ConnectionState(), nil
}

// TestHandshakes is attack cases 7 and 57 of docs/attacks.md: nothing but TLS 1.3, and no HTTP/2 within it.
func TestHandshakes(t *testing.T) {
	s := newSite(t)
	state, err := s.dial(&tls.Config{ServerName: "cardea.local", NextProtos: []string{"h2", "http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	if state.Version != tls.VersionTLS13 || state.NegotiatedProtocol != "http/1.1" {
		t.Errorf("%x %q", state.Version, state.NegotiatedProtocol)
	}
	if _, err := s.dial(&tls.Config{ServerName: "127.0.0.1"}); err != nil { // sends no server name
		t.Errorf("without a server name: %v", err)
	}
	if _, err := s.dial(&tls.Config{}); err != nil {
		t.Errorf("by address: %v", err)
	}
	other := &tls.Config{ServerName: "nas.fritz.box", InsecureSkipVerify: true, VerifyConnection: func(c tls.ConnectionState) error {
		return c.PeerCertificates[0].VerifyHostname("cardea.local")
	}}
	if _, err := s.dial(other); err != nil {
		t.Errorf("under another name: %v", err)
	}
	if _, err := s.dial(&tls.Config{ServerName: "cardea.local", MaxVersion: tls.VersionTLS12}); err == nil || !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("TLS 1.2: %v", err)
	}
	if _, err := s.dial(&tls.Config{ServerName: "cardea.local", NextProtos: []string{"acme-tls/1"}}); err == nil {
		t.Error("an ACME challenge was answered")
	}
	if _, err := s.dial(&tls.Config{ServerName: "cardea.local", RootCAs: x509.NewCertPool()}); err == nil {
		t.Error("trusted without the root")
	}
}

// TestNamesChange: a new address is in the certificate without a restart, the key stays, and the old certificate is gone.
func TestNamesChange(t *testing.T) {
	s := newSite(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	before, err := s.dial(&tls.Config{ServerName: "cardea.local"})
	if err != nil {
		t.Fatal(err)
	}
	s.setNames("192.168.7.7", "cardea.local", "127.0.0.1", "example.com")
	var after tls.ConnectionState
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if after, err = s.dial(&tls.Config{ServerName: "192.168.7.7"}); err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
	old, fresh := before.PeerCertificates[0], after.PeerCertificates[0]
	if !bytes.Equal(old.RawSubjectPublicKeyInfo, fresh.RawSubjectPublicKeyInfo) {
		t.Error("the key changed")
	}
	if fresh.Subject.CommonName != "cardea.local" || fresh.VerifyHostname("example.com") == nil || fresh.VerifyHostname("localhost") == nil {
		t.Errorf("names %v %v", fresh.DNSNames, fresh.IPAddresses)
	}
	if n := len(s.cache.AllMatchingCertificates("cardea.local")); n != 1 {
		t.Errorf("%d certificates are kept", n)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	// The same names in another order, or one that cannot be certified, make no new one.
	now := s.Fingerprint()
	s.setNames("example.com", "127.0.0.1", "cardea.local", "192.168.7.7")
	if err := s.refresh(t.Context()); err != nil || s.Fingerprint() != now {
		t.Errorf("renewed for nothing: %v", err)
	}
}

func TestRestart(t *testing.T) {
	s := newSite(t)
	again, err := Open(t.Context(), s.config())
	if err != nil {
		t.Fatal(err)
	}
	if again.Fingerprint() != s.Fingerprint() || len(s.Fingerprint()) != 64 {
		t.Error("another certificate after a restart")
	}
	again.Close()

	cfg := s.config()
	cfg.Now = func() time.Time { return time.Now().Add(61 * 24 * time.Hour) } // two thirds of ninety days
	if again, err = Open(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	aged := again.Fingerprint()
	if aged == s.Fingerprint() {
		t.Error("an old certificate was kept")
	}
	if err := again.refresh(t.Context()); err != nil || again.Fingerprint() != aged {
		t.Errorf("renewed again at once: %v", err)
	}
	again.Close()

	if cfg.Issuer, err = ca.OpenWeb(ca.Config{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	if again, err = Open(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if again.Fingerprint() == aged {
		t.Error("the certificate of another authority was kept")
	}
	again.Close()

	err = filepath.WalkDir(cfg.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// refuser is an issuer that does not sign.
type refuser struct{}

func (refuser) Issue(crypto.PublicKey, []string) ([]byte, error) { return nil, errors.New("no") }
func (refuser) ID() string                                       { return "refuser" }

func TestOpenFails(t *testing.T) {
	s := newSite(t)
	for name, change := range map[string]func(*Config){
		"empty":   func(c *Config) { *c = Config{} },
		"issuer":  func(c *Config) { c.Issuer = refuser{} },
		"name":    func(c *Config) { c.Name = "example.com" },
		"storage": func(c *Config) { c.Dir = filepath.Join(s.dir, "web-ca.pem", "x") },
	} {
		cfg := s.config()
		change(&cfg)
		if again, err := Open(t.Context(), cfg); err == nil {
			t.Errorf("%s: opened", name)
			again.Close()
		}
	}
}

// TestSilentClients: who connects and says nothing, or half a hello, holds up nobody and is thrown out.
// Attack cases 53 and 55 of docs/attacks.md.
func TestSilentClients(t *testing.T) {
	s := newSite(t, func(c *Config) { c.Handshake = 200 * time.Millisecond })
	var silent []net.Conn
	for i := range 30 {
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.Write([][]byte{nil, {recordHandshake}, {recordHandshake, 3, 1, 2}, []byte("GET / HT")}[i%4])
		silent = append(silent, conn)
	}
	for end := time.Now().Add(time.Minute); ; {
		if _, err := s.dial(&tls.Config{ServerName: "cardea.local"}); err == nil {
			break
		} else if time.Now().After(end) { // a loaded machine may need several tries within so short a limit
			t.Fatal(err)
		}
	}
	for i, conn := range silent {
		conn.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := io.Copy(io.Discard, conn); err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d is still there", i)
		}
	}
}

// TestCloseWhileShaking: closing does not wait for clients that never finish.
func TestCloseWhileShaking(t *testing.T) {
	s := newSite(t, func(c *Config) { c.Handshake = time.Hour })
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln := s.Listener(inner)
	conn, err := net.Dial("tcp", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.Write([]byte{recordHandshake})
	if err := ln.Close(); err != nil {
		t.Error(err)
	}
	if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

// TestPlainHTTP is attack case 41 of docs/attacks.md.
func TestPlainHTTP(t *testing.T) {
	s := newSite(t)
	for request, want := range map[string]string{
		"GET /live?x=1 HTTP/1.1\r\nHost: cardea.local:8443\r\n\r\n":       "308 https://cardea.local:8443/live?x=1",
		"HEAD / HTTP/1.0\r\nHost: 192.168.1.4\r\n\r\n":                    "308 https://192.168.1.4/",
		"GET / HTTP/1.1\r\nHost: [fd00::1]:8443\r\n\r\n":                  "308 https://[fd00::1]:8443/",
		"GET //evil.example/ HTTP/1.1\r\nHost: cardea.local\r\n\r\n":      "308 https://cardea.local//evil.example/",
		"GET http://evil.example/ HTTP/1.1\r\nHost: cardea.local\r\n\r\n": "400",
		"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n":                             "400",
		"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n":                             "400",
		"GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n":                         "400",
		"GET / HTTP/1.1\r\nHost: \r\n\r\n":                                "400",
		"GET /%0d%0aX:1 HTTP/1.1\r\nHost: a\r\n\r\n":                      "308 https://a/%0d%0aX:1",
		"POST /api/session HTTP/1.1\r\nHost: a\r\n\r\n":                   "400",
		"SSH-2.0-OpenSSH\r\n\r\n":                                         "",
		"\x00\x01\x02":                                                    "",
	} {
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(time.Minute))
		io.WriteString(conn, request)
		resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: request[:strings.IndexAny(request+" ", " \x01")]})
		got := ""
		if err == nil {
			got = strings.TrimSpace(resp.Status[:3] + " " + resp.Header.Get("Location"))
			if body, _ := io.ReadAll(resp.Body); !strings.HasPrefix(request, "HEAD") && !bytes.Contains(body, []byte("HTTPS")) {
				t.Errorf("%q: says %q", request, body)
			}
		}
		if conn.Close(); got != want && want != "" || want == "" && strings.Contains(got, "evil") || err != nil && want != "" {
			t.Errorf("%q: got %q, want %q (%v)", request, got, want, err)
		}
	}
}

func FuzzSecureURL(f *testing.F) {
	f.Add("cardea.local:8443", "/a?b=c")
	f.Add("[::1]:1", "//x")
	f.Add("a\r\nb", "/%0d%0a")
	f.Fuzz(func(t *testing.T, host, target string) {
		req, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n")))
		if err != nil {
			return
		}
		got, ok := secureURL(req)
		if ok && (!strings.HasPrefix(got, "https://") || strings.ContainsAny(got, " \r\n\t")) {
			t.Fatalf("%q %q: %q", host, target, got)
		}
	})
}
