package web

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// TestEveryAnswerIsSecured is attack cases 39 and 40 of docs/attacks.md.
func TestEveryAnswerIsSecured(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, path := range []string{"/", "/assets/main-1a2b3c.js", "/api/setup", "/api/cameras", "/api/nothing", "/ca.crt", "/nothing.js"} {
		h := f.send("GET", path, "", nil).header
		for name, part := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; script-src 'self'", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin", "Permissions-Policy": "geolocation=()",
		} {
			if !strings.Contains(h.Get(name), part) {
				t.Errorf("%s: %s is %q", path, name, h.Get(name))
			}
		}
		for _, name := range []string{"Strict-Transport-Security", "Server", "Access-Control-Allow-Origin"} {
			if h.Get(name) != "" {
				t.Errorf("%s: %s is %q", path, name, h.Get(name))
			}
		}
	}
}

// TestHost is attack case 42 of docs/attacks.md.
func TestHost(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for host, ok := range map[string]bool{
		"cardea.local": true, "CARDEA.local.": true, "nvr.example.org:8443": true, "localhost": true, "192.0.2.7": true, "[fe80::1]:8443": true,
		"evil.example": false, "cardea.local.evil.example": false, "127.0.0.1.evil.example": false, "xcardea.local": false,
	} {
		got := f.send("GET", "/api/setup", "", nil, func(r *http.Request) { r.Host = host })
		if ok && got.status != 200 || !ok && got.status != 421 {
			t.Errorf("Host %s: %d", host, got.status)
		}
	}
}

// TestOrigin is attack case 38 of docs/attacks.md.
func TestOrigin(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	own := strings.Replace(f.base, "http:", "https:", 1)
	for origin, ok := range map[string]bool{
		own: true, "": false, "null": false, f.base: false, "https://evil.example": false, own + "0": false, "https://evil.example#" + own: false,
	} {
		got := f.send("POST", "/api/session", "", map[string]string{"name": "a", "password": "b", "totp": "c"}, func(r *http.Request) {
			r.Header.Set("Origin", origin)
			if origin == "" {
				r.Header.Del("Origin")
			}
		})
		if ok != (got.status == 409) || !ok && got.status != 403 {
			t.Errorf("Origin %q: %d %s", origin, got.status, got.body)
		}
	}
	cross := f.send("DELETE", "/api/session", "", nil, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") })
	cross.detail(t, 403)
	// The WebSocket is a GET and needs the Origin all the same.
	ws := f.send("GET", "/api/live", "", nil, func(r *http.Request) {
		r.Header.Set("Upgrade", "websocket")
		r.Header.Set("Connection", "Upgrade")
		r.Header.Set("Origin", "https://evil.example")
	})
	ws.detail(t, 403)
}

// TestForwardedHeadersMeanNothing is attack case 44 of docs/attacks.md.
func TestForwardedHeadersMeanNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	got := f.send("GET", "/api/setup", "", nil, func(r *http.Request) {
		r.Header.Set("X-Forwarded-For", "203.0.113.9")
		r.Header.Set("X-Forwarded-Host", "evil.example")
		r.Header.Set("Forwarded", "for=203.0.113.9")
	})
	if got.status != 200 || !strings.Contains(string(got.body), `"lan":true`) {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// TestLimiter is attack case 26 of docs/attacks.md.
func TestLimiter(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	l := newLimiter(func() time.Time { return now })
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	for range addressBurst {
		if _, ok := l.allow(a); !ok {
			t.Fatal("refused within the burst")
		}
	}
	if wait, ok := l.allow(a); ok || wait <= 0 {
		t.Fatal("the burst has no end")
	}
	if _, ok := l.allow(b); !ok {
		t.Error("one address stops another")
	}
	now = now.Add(time.Second)
	if _, ok := l.allow(a); !ok {
		t.Error("no pardon after a second")
	}
	// A flood from many addresses does not grow the table.
	for i := range 3 * keysKept {
		l.allow(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}))
	}
	if n := len(l.young) + len(l.old); n > keysKept {
		t.Errorf("%d buckets", n)
	}
	if network(netip.MustParseAddr("2001:db8::1")) != network(netip.MustParseAddr("2001:db8::2")) {
		t.Error("the addresses of one IPv6 network count apart")
	}
}

func TestApp(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, c := range []struct {
		path, encoding                 string
		status                         int
		kind, body, sent, cacheControl string
	}{
		{"/", "", 200, "text/html", "<!doctype html>app", "", "no-cache"},
		{"/", "gzip, br", 200, "text/html", "brotli", "br", "no-cache"},
		{"/", "br;q=0", 200, "text/html", "<!doctype html>app", "", "no-cache"},
		{"/timeline", "", 200, "text/html", "<!doctype html>app", "", "no-cache"},
		{"/cameras/01J", "", 200, "text/html", "<!doctype html>app", "", "no-cache"},
		{"/assets/main-1a2b3c.js", "gzip", 200, "text/javascript", "gzip", "gzip", "public, max-age=31536000, immutable"},
		{"/sw.js", "", 200, "text/javascript", "// worker", "", "no-cache"},
		{"/assets/other.js", "", 404, "application/problem+json", "", "", "no-store"},
		{"/api/nothing", "", 404, "application/problem+json", "", "", "no-store"},
		{"/../../etc/passwd.txt", "", 404, "application/problem+json", "", "", "no-store"},
		{"/%2e%2e/%2e%2e/etc/passwd.txt", "", 404, "application/problem+json", "", "", "no-store"},
	} {
		got := f.send("GET", c.path, "", nil, func(r *http.Request) { r.Header.Set("Accept-Encoding", c.encoding) })
		if got.status != c.status || !strings.HasPrefix(got.header.Get("Content-Type"), c.kind) || c.body != "" && string(got.body) != c.body ||
			got.header.Get("Content-Encoding") != c.sent || got.header.Get("Cache-Control") != c.cacheControl {
			t.Errorf("%s (%s): %d %v %q", c.path, c.encoding, got.status, got.header, got.body)
		}
	}
	head := f.send("HEAD", "/", "", nil)
	if head.status != 200 || len(head.body) != 0 {
		t.Errorf("HEAD /: %d %q", head.status, head.body)
	}
	f.send("POST", "/live", "", nil).detail(t, 405)
}

func TestAuthorityDownloads(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for path, kind := range map[string]string{
		"/ca.crt": "application/x-x509-ca-cert", "/ca.pem": "application/x-pem-file", "/ca.mobileconfig": "application/x-apple-aspen-config",
	} {
		got := f.send("GET", path, "", nil)
		if got.status != 200 || got.header.Get("Content-Type") != kind || len(got.body) == 0 {
			t.Errorf("%s: %d %s", path, got.status, got.header.Get("Content-Type"))
		}
	}
}

// FuzzOwnHost: a Host that passes is an address or one of the names, whatever is put around it.
func FuzzOwnHost(f *testing.F) {
	for _, host := range []string{"cardea.local:8443", "[::1]:1", "evil.example", "cardea.local.", "[cardea.local]", "127.0.0.1.", "::1", "a:b:c"} {
		f.Add(host)
	}
	s := &Server{cfg: Config{Names: []string{"cardea.local"}}}
	f.Fuzz(func(t *testing.T, host string) {
		if !s.ownHost(host) {
			return
		}
		lower := strings.ToLower(host)
		if strings.Contains(lower, "cardea.local") || strings.Contains(lower, "localhost") {
			return
		}
		if i := strings.LastIndexByte(lower, ':'); i >= 0 {
			lower = lower[:i] // what may be a port
		}
		if strings.Trim(lower, "0123456789abcdef.:[]") != "" {
			t.Fatalf("%q passes", host)
		}
	})
}
