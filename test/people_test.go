package test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cardea/test/box"
)

// page talks to a box over TLS as the web app does, and trusts its authority and nothing else.
type page struct {
	t      *testing.T
	base   string
	client http.Client
}

func openPage(t *testing.T, b *box.Box) *page {
	t.Helper()
	log, err := os.ReadFile(b.LogFile)
	if err != nil {
		t.Fatal(err)
	}
	all := regexp.MustCompile(`Address:\s+(https://127\.0\.0\.1:\d+)`).FindAllSubmatch(log, -1)
	if len(all) == 0 {
		t.Fatalf("no address in\n%s", log)
	}
	w := &page{t: t, base: string(all[len(all)-1][1])} // the last life of the process
	roots := x509.NewCertPool()
	first := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // how a person gets the root
	resp, err := first.Get(w.base + "/ca.pem")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	root, err := io.ReadAll(resp.Body)
	if err != nil || !roots.AppendCertsFromPEM(root) {
		t.Fatalf("no root: %v", err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, MaxConnsPerHost: 8}
	w.client.Transport = transport
	t.Cleanup(transport.CloseIdleConnections)
	return w
}

// send gives status, body and the session that came back, if one did.
func (w *page) send(method, path, session string, body any, edit ...func(*http.Request)) (int, []byte, *http.Response) {
	w.t.Helper()
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			w.t.Fatal(err)
		}
		r = bytes.NewReader(b)
	}
	req, err := http.NewRequest(method, w.base+path, r)
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Origin", w.base)
	if session != "" {
		req.Header.Set("Cookie", "__Host-session="+session)
	}
	for _, e := range edit {
		e(req)
	}
	resp, err := w.client.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, got, resp
}

func (w *page) want(status int, method, path, session string, body any, edit ...func(*http.Request)) []byte {
	w.t.Helper()
	got, text, _ := w.send(method, path, session, body, edit...)
	if got != status {
		w.t.Fatalf("%s %s: %d %s, want %d", method, path, got, text, status)
	}
	return text
}

// totpNow is RFC 6238 for an otpauth URI: SHA-1, 6 digits, 30 s.
func totpNow(t *testing.T, uri string) string {
	t.Helper()
	u, err := url.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(u.Query().Get("secret"))
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha1.New, key)
	_ = binary.Write(mac, binary.BigEndian, time.Now().Unix()/30)
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 15
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[at:])&0x7fffffff%1000000)
}

// TestPeople has an owner, a viewer, a program and somebody invited use one box, and the console take things back.
func TestPeople(t *testing.T) {
	dir := t.TempDir()
	b, err := box.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Serve(); err != nil {
		t.Fatal(err)
	}
	w := openPage(t, b)
	run := func(args ...string) string {
		t.Helper()
		out, err := b.Run(args...)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}

	// Attack cases 29 and 31: the id is new, and the cookie cannot be read by a script, sent by another site or set by a sub-domain.
	sign := map[string]string{"name": "Anna", "password": box.Password, "totp": totpNow(t, b.Setup.TOTPURI)}
	status, text, resp := w.send("POST", "/api/session", strings.Repeat("A", 43), sign)
	if status != 201 {
		t.Fatalf("sign in: %d %s", status, text)
	}
	set := resp.Header.Values("Set-Cookie")
	if len(set) != 1 || !strings.HasPrefix(set[0], "__Host-session=") || strings.Contains(set[0], "Domain") {
		t.Fatalf("cookies %q", set)
	}
	for _, attribute := range []string{"Path=/", "Secure", "HttpOnly", "SameSite=Strict"} {
		if !strings.Contains(set[0], attribute) {
			t.Errorf("the cookie has no %s: %s", attribute, set[0])
		}
	}
	anna := resp.Cookies()[0].Value
	// Attack case 40: no page can frame this one.
	if resp.Header.Get("X-Frame-Options") != "DENY" || !strings.Contains(resp.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
		t.Errorf("headers %v", resp.Header)
	}

	// A viewer made on the console. Attack case 23: their code is raced by fifty sign-ins at once, one gets in.
	password := filepath.Join(dir, "viewer.password")
	if err := os.WriteFile(password, []byte("seven grey herons over Lund 4"), 0o600); err != nil {
		t.Fatal(err)
	}
	var enrolled struct {
		TOTPURI string `json:"totp_uri"`
	}
	if err := json.Unmarshal([]byte(run("users", "add", "Vie", "--role", "viewer", "--password-file", password)), &enrolled); err != nil {
		t.Fatal(err)
	}
	race := map[string]string{"name": "Vie", "password": "seven grey herons over Lund 4", "totp": totpNow(t, enrolled.TOTPURI)}
	var wins atomic.Int32
	var vie atomic.Value
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			status, _, resp := w.send("POST", "/api/session", "", race)
			if status == 201 {
				wins.Add(1)
				vie.Store(resp.Cookies()[0].Value)
			}
		})
	}
	group.Wait()
	if wins.Load() != 1 {
		t.Fatalf("%d of 50 sign-ins with one code got in", wins.Load())
	}
	viewer := vie.Load().(string)
	w.want(200, "GET", "/api/cameras", viewer, nil)
	w.want(403, "GET", "/api/users", viewer, nil)

	// Somebody is invited by a link.
	link := run("users", "add", "Tom", "--role", "member")
	_, token, ok := strings.Cut(link, "/invite#")
	if !ok {
		t.Fatalf("link %q", link)
	}
	if what := w.want(200, "POST", "/api/invite", "", map[string]string{"token": token}); !strings.Contains(string(what), `"Tom"`) {
		t.Errorf("invitation %s", what)
	}

	// A program reads, and does nothing else, until its token is revoked.
	secret := run("users", "tokens", "add", "Anna", "--name", "Home Assistant", "--scope", "read")
	bearer := func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+secret); r.Header.Del("Origin") }
	w.want(200, "GET", "/api/cameras", "", nil, bearer)
	w.want(403, "GET", "/api/users", "", nil, bearer)
	var tokens []struct{ ID, Name string }
	if err := b.JSON(&tokens, "users", "tokens", "list"); err != nil || len(tokens) != 1 || tokens[0].Name != "Home Assistant" {
		t.Fatalf("tokens %+v %v", tokens, err)
	}
	run("users", "tokens", "revoke", tokens[0].ID)
	w.want(401, "GET", "/api/cameras", "", nil, bearer)

	// The list of addresses shuts the owner out; what a header claims does not help (attack case 44), the console does.
	run("users", "allow-list", "set", "192.0.2.0/24")
	w.want(403, "GET", "/api/users", anna, nil)
	w.want(403, "GET", "/api/users", anna, nil, func(r *http.Request) { r.Header.Set("X-Forwarded-For", "192.0.2.1") })
	run("users", "allow-list", "clear")
	w.want(200, "GET", "/api/users", anna, nil)

	// Guesses are slowed down, and pulling the plug forgives none of them.
	wrong := map[string]string{"name": "Anna", "password": "not the password 5", "totp": "123456"}
	waitFor(t, "a delay after wrong guesses", func() bool {
		status, _, _ := w.send("POST", "/api/session", "", wrong)
		return status == 429
	})
	if err := b.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := b.Serve(); err != nil {
		t.Fatal(err)
	}
	w = openPage(t, b)
	var rows []struct{ Name, Role string }
	if err := b.JSON(&rows, "users", "list"); err != nil || len(rows) != 2 {
		t.Fatalf("users %+v %v", rows, err)
	}
	w.want(200, "GET", "/api/cameras", viewer, nil) // sessions outlive a restart

	// The console removes the viewer: the session is dead at once; owners find it in the log and among the events, others do not.
	run("users", "remove", "Vie")
	w.want(401, "GET", "/api/cameras", viewer, nil)
	log := string(w.want(200, "GET", "/api/log", anna, nil))
	for _, part := range []string{`"user.remove"`, `"console"`, `"token.add"`, `"rules.change"`, `"user.invite"`} {
		if !strings.Contains(log, part) {
			t.Errorf("the access log has no %s", part)
		}
	}
	if events := string(w.want(200, "GET", "/api/events?kind=system", anna, nil)); !strings.Contains(events, "The account Vie was removed on the console.") {
		t.Errorf("events %s", events)
	}
	if err := b.Stop(); err != nil {
		t.Error(err)
	}
}
