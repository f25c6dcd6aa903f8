package web

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/valyala/fasthttp/fasthttputil"

	"cardea/auth"
	"cardea/auth/ca"
	"cardea/nvr"
	"cardea/nvr/webrtc"
	"cardea/store"
	"cardea/store/vault"
	"cardea/web/api"
	"cardea/web/caller"
	"cardea/web/console"
)

const testPassword = "seven grey herons over Lund 4"

// fixture is a server on a real store, reachable by TCP without TLS and by a pipe that counts as the admin socket.
type fixture struct {
	t       *testing.T
	dir     string
	tunnel  *tunnelEnd
	direct  string // base while requests go through the tunnel
	server  *Server
	people  *auth.People
	db      *store.DB
	base    string // http://127.0.0.1:PORT
	console *console.Client
	seeds   map[string]string // base32 TOTP secret by name

	transport *http.Transport
}

func newFixture(t *testing.T, edit ...func(*auth.Config)) *fixture {
	t.Helper()
	ctx := context.Background()
	log := slog.New(slog.NewTextHandler(testWriter{t}, nil))
	dir := t.TempDir()
	db, err := store.Open(ctx, store.Config{Dir: dir})
	check(t, err)
	t.Cleanup(func() { check(t, db.Close()) })
	key, err := vault.LoadBoxKey(filepath.Join(dir, "keys", "box.key"))
	check(t, err)
	root, err := db.OpenRoot(ctx, "")
	check(t, err)
	t.Cleanup(func() { check(t, root.Close()) })
	recorder, err := nvr.Open(ctx, nvr.Config{DB: db, Clips: root, Dir: dir, BoxKey: key, Log: log})
	check(t, err)
	accounts := auth.Config{DB: db, Seal: key, Log: log, Name: "cardea.local", Hash: auth.Argon2{MemoryKiB: 64, Passes: 1, Lanes: 1}}
	for _, e := range edit {
		e(&accounts)
	}
	people, err := auth.New(accounts)
	check(t, err)
	authority, err := ca.OpenWeb(ca.Config{Dir: filepath.Join(dir, "keys"), Log: log})
	check(t, err)
	f := &fixture{t: t, dir: dir, people: people, db: db, seeds: map[string]string{}, transport: &http.Transport{DisableCompression: true}}
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	check(t, err)
	media := webrtc.New(udp)
	t.Cleanup(func() { check(t, media.Close()) })
	f.server = New(Config{
		NVR: recorder, Auth: people, CA: authority, WebRTC: media, Names: []string{"cardea.local", "nvr.example.org"}, Log: log, Version: "test",
		BaseURL: func() string { return "https://127.0.0.1:8443" }, ClipsPrefix: "clips/",
		App: fstest.MapFS{
			"index.html":               {Data: []byte("<!doctype html>app")},
			"index.html.br":            {Data: []byte("brotli")},
			"assets/main-1a2b3c.js":    {Data: []byte("let a = 1")},
			"assets/main-1a2b3c.js.gz": {Data: []byte("gzip")},
			"sw.js":                    {Data: []byte("// worker")},
		},
	})
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	pipe := fasthttputil.NewInmemoryListener()
	run, stop := context.WithCancel(ctx)
	done := make(chan error, 2)
	go func() { done <- recorder.Run(run) }()
	f.tunnel = &tunnelEnd{Listener: listen(t)}
	go func() {
		done <- f.server.Run(run, []net.Listener{Limit(tcp), Limit(f.tunnel)}, []net.Listener{console.Mark(pipe)})
	}()
	t.Cleanup(func() {
		stop()
		f.transport.CloseIdleConnections()
		check(t, <-done)
		check(t, <-done)
	})
	f.base = "http://" + tcp.Addr().String()
	f.console = console.NewClient(func(context.Context) (net.Conn, error) { return pipe.Dial() })
	t.Cleanup(f.console.Close)
	return f
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(b []byte) (int, error) {
	if w.t.Context().Err() == nil {
		w.t.Log(strings.TrimSpace(string(b)))
	}
	return len(b), nil
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// reply is an answer read to its end.
type reply struct {
	status int
	header http.Header
	body   []byte
	cookie *http.Cookie
}

// send makes a request as a browser on the same site would. cookie may be empty.
func (f *fixture) send(method, path, cookie string, body any, edit ...func(*http.Request)) reply {
	f.t.Helper()
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		check(f.t, err)
		r = bytes.NewReader(b)
	}
	req, err := http.NewRequest(method, f.base+path, r)
	check(f.t, err)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Origin", strings.Replace(f.base, "http:", "https:", 1))
	if cookie != "" {
		req.Header.Set("Cookie", api.SessionCookie+"="+cookie)
	}
	for _, e := range edit {
		e(req)
	}
	resp, err := f.transport.RoundTrip(req)
	check(f.t, err)
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	check(f.t, err)
	out := reply{status: resp.StatusCode, header: resp.Header, body: got}
	for _, c := range resp.Cookies() {
		if c.Name == api.SessionCookie {
			out.cookie = c
		}
	}
	return out
}

func (r reply) json(t *testing.T, into any) {
	t.Helper()
	if err := json.Unmarshal(r.body, into); err != nil {
		t.Fatalf("%d %s: %v", r.status, r.body, err)
	}
}

// detail is that of a problem document; it fails the test for anything else.
func (r reply) detail(t *testing.T, status int) string {
	t.Helper()
	var p struct {
		Status              int
		Title, Detail, Code string
	}
	if r.status != status || !strings.HasPrefix(r.header.Get("Content-Type"), "application/problem+json") {
		t.Fatalf("answer %d %s %s, want a problem %d", r.status, r.header.Get("Content-Type"), r.body, status)
	}
	r.json(t, &p)
	if p.Status != status || p.Title == "" || p.Detail == "" {
		t.Fatalf("problem %s", r.body)
	}
	if p.Code == "" {
		t.Errorf("%q has no code: no screen can say it in another language", p.Detail)
	}
	return p.Detail
}

// people makes an account of each role and signs it in; it returns the cookies by role.
func (f *fixture) signIn() map[caller.Role]string {
	f.t.Helper()
	ctx := context.Background()
	_, e, err := f.people.CreateOwner(ctx, "Ona", testPassword)
	check(f.t, err)
	f.seeds["Ona"] = e.TOTPSecret
	cookies := map[caller.Role]string{caller.Anyone: ""}
	for name, role := range map[string]auth.Role{"Mem": auth.Member, "Vie": auth.Viewer} {
		_, e, err := f.people.Add(ctx, name, testPassword, role)
		check(f.t, err)
		f.seeds[name] = e.TOTPSecret
	}
	for name, role := range map[string]caller.Role{"Ona": caller.Owner, "Mem": caller.Member, "Vie": caller.Viewer} {
		got := f.send("POST", "/api/session", "", map[string]string{"name": name, "password": testPassword, "totp": totp(f.t, f.seeds[name], time.Now())})
		if got.status != 201 || got.cookie == nil {
			f.t.Fatalf("sign in %s: %d %s", name, got.status, got.body)
		}
		cookies[role] = got.cookie.Value
	}
	return cookies
}

// totp is RFC 6238 with SHA-1, 6 digits and 30 s.
func totp(t *testing.T, secret string, now time.Time) string {
	t.Helper()
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
	check(t, err)
	mac := hmac.New(sha1.New, key)
	check(t, binary.Write(mac, binary.BigEndian, now.Unix()/30))
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 15
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[at:])&0x7fffffff%1000000)
}

// TestSetUpAndSignIn is attack case 31 of docs/attacks.md.
func TestSetUpAndSignIn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var state api.Setup
	f.send("GET", "/api/setup", "", nil).json(t, &state)
	if state.Claimed || !state.LAN || state.Name != "cardea.local" {
		t.Fatalf("state %+v", state)
	}
	// Nothing else works yet.
	if d := f.send("POST", "/api/session", "", map[string]string{"name": "x", "password": "y", "totp": "1"}).detail(t, 409); !strings.Contains(d, "cardea claim") {
		t.Errorf("detail %q", d)
	}
	f.send("GET", "/api/cameras", "", nil).detail(t, 401)

	var claim api.Claim
	check(t, f.console.Do(context.Background(), "POST", "/api/console/claim", nil, &claim))
	u, err := url.Parse(claim.URL)
	check(t, err)
	if u.Path != "/claim" || u.Fragment == "" || u.RawQuery != "" {
		t.Fatalf("claim URL %s", claim.URL)
	}
	f.send("POST", "/api/setup", "", map[string]string{"token": "wrong", "name": "Ona", "password": testPassword}).detail(t, 401)
	begin := f.send("POST", "/api/setup", "", map[string]string{"token": u.Fragment, "name": "Ona", "password": testPassword})
	var e api.Enrolment
	begin.json(t, &e)
	if len(e.RecoveryCodes) != 10 || !strings.HasPrefix(e.TOTPURI, "otpauth://totp/") {
		t.Fatalf("enrolment %s", begin.body)
	}
	f.send("POST", "/api/setup/verify", "", map[string]string{"token": u.Fragment, "totp": "000000"}).detail(t, 401)
	end := f.send("POST", "/api/setup/verify", "", map[string]string{"token": u.Fragment, "totp": totp(t, e.TOTPSecret, time.Now())})
	if end.status != 201 || end.cookie == nil {
		t.Fatalf("verify: %d %s", end.status, end.body)
	}
	c := end.cookie
	if !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" || c.MaxAge <= 0 {
		t.Errorf("cookie %s", end.header.Get("Set-Cookie"))
	}
	// The token is spent.
	f.send("POST", "/api/setup", "", map[string]string{"token": u.Fragment, "name": "Eve", "password": testPassword}).detail(t, 409)

	var who api.WhoAmI
	f.send("GET", "/api/session", c.Value, nil).json(t, &who)
	if who.User.Name != "Ona" || who.User.Role != "owner" || who.Vaults == nil {
		t.Errorf("who am I: %+v", who)
	}
	// A recovery code stands in for the app, once; the old session of the browser ends with the new one.
	again := f.send("POST", "/api/session", c.Value, map[string]string{"name": "ona", "password": testPassword, "totp": e.RecoveryCodes[0]})
	var s api.Session
	again.json(t, &s)
	if again.status != 201 || !s.RecoveryCodeUsed || again.cookie.Value == c.Value {
		t.Fatalf("recovery: %d %s", again.status, again.body)
	}
	f.send("GET", "/api/session", c.Value, nil).detail(t, 401)
	out := f.send("DELETE", "/api/session", again.cookie.Value, nil)
	if out.status != 204 || out.cookie == nil || out.cookie.MaxAge >= 0 {
		t.Errorf("sign out: %d %v", out.status, out.cookie)
	}
	f.send("GET", "/api/session", again.cookie.Value, nil).detail(t, 401)
}

func TestThrottleSaysWhen(t *testing.T) {
	t.Parallel()
	at := time.Now() // and no later: a busy machine would wait out the first delay
	f := newFixture(t, func(c *auth.Config) { c.Now = func() time.Time { return at } })
	f.signIn()
	wrong := map[string]string{"name": "Ona", "password": "not the password 5", "totp": "123456"}
	for range 4 {
		f.send("POST", "/api/session", "", wrong).detail(t, 401)
	}
	got := f.send("POST", "/api/session", "", wrong)
	got.detail(t, 429)
	if got.header.Get("Retry-After") == "" {
		t.Error("429 without Retry-After")
	}
}

// TestSecretInThePath: a password that a camera wants in its path is never shown, and survives an edit of the rest.
func TestSecretInThePath(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	cookie := f.signIn()[caller.Owner]
	const address = "rtsp://127.0.0.1:1/user=admin&password=s3cret&channel=1.sdp"
	var camera api.Camera
	added := f.send("POST", "/api/cameras", cookie, map[string]string{"name": "Old", "url": address, "mode": "off"})
	added.json(t, &camera)
	changed := f.send("PATCH", "/api/cameras/"+camera.ID, cookie, map[string]string{"name": "Older", "url": camera.URL})
	listed := f.send("GET", "/api/cameras", cookie, nil)
	for what, r := range map[string]reply{"added": added, "changed": changed, "listed": listed} {
		if r.status >= 300 || bytes.Contains(r.body, []byte("s3cret")) {
			t.Errorf("%s: %d %s", what, r.status, r.body)
		}
	}
	id, err := store.ParseID(camera.ID)
	check(t, err)
	row, err := f.db.Camera(context.Background(), id)
	check(t, err)
	if row.URL != address || row.Name != "Older" {
		t.Errorf("stored %q %q", row.Name, row.URL)
	}
}

func TestInputIsNotEchoed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	got := f.send("POST", "/api/session", "", map[string]any{"name": "Ona", "password": 12345678, "totp": "1", "extra": "sesame"})
	got.detail(t, 422)
	if bytes.Contains(got.body, []byte("12345678")) || bytes.Contains(got.body, []byte("sesame")) {
		t.Errorf("the answer holds what was sent: %s", got.body)
	}
}
