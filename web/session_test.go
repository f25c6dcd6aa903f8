package web

import (
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"cardea/web/api"
	"cardea/web/caller"
)

// TestCSRF is attack cases 36 to 38 and 42: what another site's page can send changes nothing.
func TestCSRF(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	cookies := f.signIn()
	owner := cookies[caller.Owner]
	host := strings.TrimPrefix(f.base, "http://")
	for name, edit := range map[string]func(*http.Request){
		"another site":   func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") },
		"null":           func(r *http.Request) { r.Header.Set("Origin", "null") },
		"none":           func(r *http.Request) { r.Header.Del("Origin") },
		"sub-domain":     func(r *http.Request) { r.Header.Set("Origin", "https://sub."+host) },
		"plain http":     func(r *http.Request) { r.Header.Set("Origin", "http://"+host) },
		"another port":   func(r *http.Request) { r.Header.Set("Origin", "https://127.0.0.1:1") },
		"same site only": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") },
		"text form": func(r *http.Request) {
			r.Header.Set("Origin", "https://evil.example")
			r.Header.Set("Content-Type", "text/plain")
		},
	} {
		for _, r := range f.server.routes() {
			if r.method == http.MethodGet {
				continue
			}
			f.unlimited()
			path := strings.NewReplacer("{id}", "01JABCDEFGHJKMNPQRSTVWXYZ0", "{grant}", "01JABCDEFGHJKMNPQRSTVWXYZ0").Replace(r.path)
			if got := f.send(r.method, path, owner, map[string]any{}, edit); got.status != 403 {
				t.Errorf("%s: %s %s: %d", name, r.method, path, got.status)
			}
		}
	}
	// A method that hides in a header or a query is not looked for.
	f.unlimited()
	for _, header := range []string{"X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"} {
		got := f.send("GET", "/api/session?_method=DELETE", owner, nil, func(r *http.Request) { r.Header.Set(header, "DELETE") })
		if got.status != 200 {
			t.Errorf("%s: %d", header, got.status)
		}
	}
	pre := f.send("OPTIONS", "/api/session", "", nil, func(r *http.Request) {
		r.Header.Set("Origin", "https://evil.example")
		r.Header.Set("Access-Control-Request-Method", "DELETE")
	})
	if pre.header.Get("Access-Control-Allow-Origin") != "" || pre.header.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("preflight: %v", pre.header)
	}
	if got := f.send("GET", "/api/session", owner, nil); got.status != 200 {
		t.Errorf("something worked after all: %d", got.status)
	}
	for _, origin := range []string{"https://evil.example", "null", ""} {
		dialer := websocket.Dialer{}
		header := http.Header{"Cookie": {api.SessionCookie + "=" + owner}}
		if origin != "" {
			header.Set("Origin", origin)
		}
		_, resp, err := dialer.Dial("ws"+strings.TrimPrefix(f.base, "http")+"/api/live", header)
		if err == nil || resp == nil || resp.StatusCode != 403 {
			t.Errorf("WebSocket from %q: %v", origin, err)
		}
	}
	f.send("GET", "/api/session", owner, nil, func(r *http.Request) { r.Host = "evil.example" }).detail(t, 421)
}

// TestGetChangesNothing walks every GET route as an owner; the index is the same afterwards but for logs and sessions.
// Attack case 36 of docs/attacks.md.
func TestGetChangesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	owner := f.signIn()[caller.Owner]
	settings, err := f.db.Settings(t.Context())
	check(t, err)
	for _, r := range f.server.routes() {
		if r.method == http.MethodGet && r.path != "/api/live" {
			f.unlimited()
			f.send("GET", strings.NewReplacer("{id}", "01JABCDEFGHJKMNPQRSTVWXYZ0", "{log}", "access", "*", "x").Replace(r.path), owner, nil)
		}
	}
	after, err := f.db.Settings(t.Context())
	check(t, err)
	users, err := f.people.Users(t.Context())
	check(t, err)
	if len(users) != 3 || len(after) < len(settings) {
		t.Errorf("%d users, %d settings of %d", len(users), len(after), len(settings))
	}
	for k, v := range settings {
		if after[k] != v && !strings.HasPrefix(k, "clock.") {
			t.Errorf("setting %s was %q and is %q", k, v, after[k])
		}
	}
}

// TestFixation is attack case 29: an id that was there before the sign-in is not the session's.
func TestFixation(t *testing.T) {
	t.Parallel()
	clock := &later{}
	f := newFixture(t, clock.into)
	f.signIn()
	clock.pass(time.Minute)
	preset := strings.Repeat("A", 43)
	in := f.send("POST", "/api/session", preset, map[string]string{"name": "Ona", "password": testPassword, "totp": totp(t, f.seeds["Ona"], clock.now())})
	if in.status != 201 || in.cookie.Value == preset {
		t.Fatalf("sign in: %d %s", in.status, in.body)
	}
	f.send("GET", "/api/session", preset, nil).detail(t, 401)
}

// TestFactorChange is attack case 30: other sessions die with the factor they came by.
func TestFactorChange(t *testing.T) {
	t.Parallel()
	clock := &later{}
	f := newFixture(t, clock.into)
	first := f.signIn()[caller.Owner]
	clock.pass(time.Minute)
	again := f.send("POST", "/api/session", "", map[string]string{"name": "Ona", "password": testPassword, "totp": totp(t, f.seeds["Ona"], clock.now())})
	second := again.cookie.Value
	changed := f.send("POST", "/api/account/password", second, map[string]string{"password": "eleven brown owls over Oslo 5"})
	if changed.status != 204 || changed.cookie == nil {
		t.Fatalf("password: %d %s", changed.status, changed.body)
	}
	f.send("GET", "/api/session", first, nil).detail(t, 401)
	f.send("GET", "/api/session", second, nil).detail(t, 401)
	third := changed.cookie.Value
	var e api.Enrolment
	f.send("POST", "/api/account/totp", third, nil).json(t, &e)
	f.send("POST", "/api/account/totp/verify", third, map[string]string{"totp": "000000"}).detail(t, 422)
	done := f.send("POST", "/api/account/totp/verify", third, map[string]string{"totp": totp(t, e.TOTPSecret, clock.now())})
	if done.status != 204 || done.cookie == nil {
		t.Fatalf("authenticator: %d %s", done.status, done.body)
	}
	f.send("GET", "/api/session", third, nil).detail(t, 401)
	var codes api.RecoveryCodes
	f.send("POST", "/api/account/recovery-codes", done.cookie.Value, nil).json(t, &codes)
	if len(codes.RecoveryCodes) != 10 || codes.RecoveryCodes[0] == e.RecoveryCodes[0] {
		t.Errorf("codes %+v", codes)
	}
	stale := map[string]string{"name": "Ona", "password": "eleven brown owls over Oslo 5", "totp": e.RecoveryCodes[0]}
	f.send("POST", "/api/session", "", stale).detail(t, 401)
	stale["totp"] = codes.RecoveryCodes[0]
	if got := f.send("POST", "/api/session", "", stale); got.status != 201 {
		t.Errorf("recovery: %d %s", got.status, got.body)
	}
	stale["totp"] = codes.RecoveryCodes[0]
	f.send("POST", "/api/session", "", stale).detail(t, 401) // attack case 32
}

// TestSessionsListed: a person sees and ends their sessions, and nobody else's.
func TestSessionsListed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	cookies := f.signIn()
	var mine, others []api.DeviceSession
	f.send("GET", "/api/sessions", cookies[caller.Viewer], nil).json(t, &mine)
	f.send("GET", "/api/sessions", cookies[caller.Owner], nil).json(t, &others)
	if len(mine) != 1 || !mine[0].Current || len(others) != 1 {
		t.Fatalf("sessions %+v %+v", mine, others)
	}
	f.send("DELETE", "/api/sessions/"+others[0].ID, cookies[caller.Viewer], nil).detail(t, 404)
	if got := f.send("DELETE", "/api/sessions/"+mine[0].ID, cookies[caller.Viewer], nil); got.status != 204 {
		t.Errorf("end: %d %s", got.status, got.body)
	}
	f.send("GET", "/api/session", cookies[caller.Viewer], nil).detail(t, 401)
}

// TestCodeRaced is attack case 23 over HTTP: one code, fifty sign-ins at once, one session.
func TestCodeRaced(t *testing.T) {
	t.Parallel()
	clock := &later{}
	f := newFixture(t, clock.into)
	f.signIn()
	clock.pass(time.Minute)
	body := map[string]string{"name": "Ona", "password": testPassword, "totp": totp(t, f.seeds["Ona"], clock.now())}
	var wins atomic.Int32
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			if f.send("POST", "/api/session", "", body).status == 201 {
				wins.Add(1)
			}
		})
	}
	group.Wait()
	if wins.Load() != 1 {
		t.Errorf("%d of 50 got in", wins.Load())
	}
}

// TestRates: an account, a device, and one caller on one route have a rate of their own; a stranger's writes are slow.
func TestRates(t *testing.T) {
	t.Parallel()
	limits := newLimits(func() time.Time { return time.Unix(1, 0) })
	key := routeKey{route: "POST /api/session", network: netip.MustParsePrefix("2001:db8::/64")}
	n := 0
	for limits.stranger.take(key) == 0 {
		n++
	}
	if n != strangerBurst {
		t.Errorf("%d writes of a stranger", n)
	}
	key.network = netip.MustParsePrefix("2001:db8:1::/64")
	if limits.stranger.take(key) != 0 {
		t.Error("one network stops another")
	}
}
