package web

import (
	"context"
	"database/sql"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"cardea/auth"
	"cardea/store"
	"cardea/web/api"
	"cardea/web/caller"
)

// later is a clock that a test moves forward.
type later struct{ by atomic.Int64 }

func (l *later) now() time.Time       { return time.Now().Add(time.Duration(l.by.Load())) }
func (l *later) pass(d time.Duration) { l.by.Add(int64(d)) }
func (l *later) into(c *auth.Config)  { c.Now = l.now }

// join makes an account that sees what sight says and signs it in.
func (f *fixture) join(name string, role auth.Role, sight auth.Sight) (cookie string, id store.ID) {
	f.t.Helper()
	ctx := context.Background()
	u, e, err := f.people.Add(ctx, name, testPassword, role)
	check(f.t, err)
	_, err = f.people.Change(ctx, store.Actor{Name: "console", Role: "console"}, u.ID, auth.UserChange{Sight: &sight})
	check(f.t, err)
	f.seeds[name] = e.TOTPSecret
	in := f.send("POST", "/api/session", "", map[string]string{"name": name, "password": testPassword, "totp": totp(f.t, e.TOTPSecret, time.Now())})
	if in.status != 201 {
		f.t.Fatalf("sign in %s: %d %s", name, in.status, in.body)
	}
	return in.cookie.Value, u.ID
}

func (f *fixture) unlimited() {
	f.server.limiter, f.server.limits = newLimiter(f.server.cfg.Now), newLimits(f.server.cfg.Now)
}

// TestHiddenCamera is attack case 45, generated from the route table: who does not see a camera gets 404 for it, its clips and its
// events, on every route there is, and finds no trace of them in any list.
func TestHiddenCamera(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	owner, door, _ := f.withCamera()
	var clips []api.Clip
	eventually(t, "a clip", func() bool {
		f.send("GET", "/api/clips?camera="+door.ID, owner, nil).json(t, &clips)
		return len(clips) > 0
	})
	doorID, err := store.ParseID(door.ID)
	check(t, err)
	event, err := f.db.AddEvent(t.Context(), store.Event{Camera: doorID, Kind: "motion", Start: time.Now(), Source: "test"})
	check(t, err)
	garden, err := f.db.CreateCamera(t.Context(), store.NewCamera("Garden", "rtsp://127.0.0.1:9/main"))
	check(t, err)
	seen, err := f.db.AddEvent(t.Context(), store.Event{Camera: garden.ID, Kind: "motion", Start: time.Now(), Source: "test"})
	check(t, err)
	hidden := []string{door.ID, clips[0].ID, event.ID.String(), `"Door"`}

	viewer, _ := f.join("Vie", auth.Viewer, auth.SeesOnly(garden.ID))
	member, _ := f.join("Mem", auth.Member, auth.SeesOnly(garden.ID))
	span := "&from=" + url.QueryEscape(time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)) + "&to=" + url.QueryEscape(time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	tried := 0
	for _, r := range f.server.routes() {
		if r.role == caller.Anyone || r.role > caller.Member || r.path == "/*" || r.path == "/api/live" || r.method == "DELETE" && strings.HasPrefix(r.path, "/api/session") {
			continue
		}
		for cookie, role := range map[string]caller.Role{viewer: caller.Viewer, member: caller.Member} {
			for _, id := range []string{door.ID, clips[0].ID, event.ID.String()} {
				for _, query := range []string{"?camera=" + door.ID + span, ""} {
					f.unlimited()
					path := strings.NewReplacer("{id}", id, "{grant}", id, "{log}", "access", "*", "0/000").Replace(r.path)
					var body any
					if r.method != "GET" && r.method != "DELETE" {
						body = map[string]any{"seconds": 5, "camera": door.ID, "cameras": []string{door.ID}, "clip": id, "clips": []string{id}}
					}
					got := f.send(r.method, path+query, cookie, body)
					tried++
					if got.status >= 300 || strings.TrimSpace(string(got.body)) == "[]" {
						continue
					}
					if strings.Contains(r.path, "{id}") && r.method != "DELETE" {
						t.Errorf("%s %s as %s: %d %.200s", r.method, path+query, role, got.status, got.body)
					}
					for _, h := range hidden {
						if strings.Contains(string(got.body), h) {
							t.Errorf("%s %s as %s tells of %s: %.300s", r.method, path+query, role, h, got.body)
						}
					}
				}
			}
		}
	}
	if tried < 100 {
		t.Errorf("only %d requests", tried)
	}
	for _, path := range []string{
		"/api/cameras/" + door.ID, "/api/cameras/" + door.ID + "/health", "/api/timeline?camera=" + door.ID + span, "/api/clips?camera=" + door.ID,
		"/api/lanes?camera=" + door.ID + span, "/api/playback?camera=" + door.ID + "&at=2026-01-01T00:00:00Z",
		"/api/clips/" + clips[0].ID, "/api/clips/" + clips[0].ID + "/data", "/api/events?camera=" + door.ID,
	} {
		f.unlimited()
		f.send("GET", path, viewer, nil).detail(t, 404)
		if got := f.send("GET", path, owner, nil); got.status != 200 {
			t.Errorf("%s as owner: %d", path, got.status)
		}
	}
	f.send("POST", "/api/cameras/"+door.ID+"/record", member, map[string]int{"seconds": 5}).detail(t, 404)
	// What they do see is there.
	if got := f.send("GET", "/api/events", viewer, nil); !strings.Contains(string(got.body), seen.ID.String()) {
		t.Errorf("events %s", got.body)
	}
	client, err := f.live(viewer)
	check(t, err)
	defer client.conn.Close()
	client.say(map[string]any{"type": "subscribe", "id": 1, "camera": door.ID})
	notice, _, _, _, _, err := client.next()
	if err != nil || notice["type"] != "error" || !strings.Contains(notice["detail"].(string), "no camera") {
		t.Errorf("live: %v %v", notice, err)
	}
}

// TestSightEndsAtOnce: taking a camera away ends sessions and open sockets.
// Attack case 30 of docs/attacks.md.
func TestSightEndsAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	owner := f.signIn()[caller.Owner]
	cookie, id := f.join("Eve", auth.Viewer, auth.SeesAll())
	client, err := f.live(cookie)
	check(t, err)
	defer client.conn.Close()
	if got := f.send("PATCH", "/api/users/"+id.String(), owner, map[string]any{"cameras": []string{}}); got.status != 200 {
		t.Fatalf("change: %d %s", got.status, got.body)
	}
	f.send("GET", "/api/cameras", cookie, nil).detail(t, 401)
	if _, _, _, _, _, err := client.next(); !websocket.IsCloseError(err, websocket.ClosePolicyViolation) {
		t.Errorf("the socket stays: %v", err)
	}
}

// unproved is what owners change without a fresh proof: it takes nothing away, gives nobody anything, and is undone as it was done.
var unproved = map[string]bool{
	"POST /api/discovery/scan": true, "POST /api/probe": true, "POST /api/cameras/{id}/probe": true, "POST /api/cameras": true, "PATCH /api/cameras/{id}": true, "POST /api/cameras/{id}/sub-codec": true,
	"PUT /api/cameras/{id}/imaging": true, "PUT /api/groups": true, "PATCH /api/vaults/{id}": true, "POST /api/vaults/{id}/kit-tested": true,
	// These take rights back.
	"POST /api/vaults/{id}/seal": true, "DELETE /api/users/{id}/sessions": true, "DELETE /api/invitations/{id}": true,
}

// TestStepUp is attack case 33: deletion, pairing, revocation, people and rules need a fresh proof; the session gets another id by it.
func TestStepUp(t *testing.T) {
	t.Parallel()
	clock := &later{}
	f := newFixture(t, clock.into)
	cookies := f.signIn()
	owner := cookies[caller.Owner]
	clock.pass(6 * time.Minute)
	id := "01JABCDEFGHJKMNPQRSTVWXYZ0"
	guarded := map[string]bool{}
	for _, r := range f.server.routes() {
		if !r.handler.stepUp {
			if act := r.method + " " + r.path; r.role == caller.Owner && r.method != http.MethodGet && !unproved[act] {
				t.Errorf("%s asks for no proof, and nobody has said why", act)
			}
			continue
		}
		guarded[r.method+" "+r.path] = true
		f.unlimited()
		path := strings.NewReplacer("{id}", id, "{grant}", id).Replace(r.path)
		var p struct{ Type string }
		got := f.send(r.method, path, owner, map[string]any{})
		got.detail(t, 403)
		if got.json(t, &p); p.Type != "step-up-required" {
			t.Errorf("%s %s: %s", r.method, path, got.body)
		}
	}
	for _, act := range []string{
		"DELETE /api/cameras/{id}", "POST /api/pairings", "POST /api/cameras/{id}/revoke", "POST /api/ca/devices", "DELETE /api/users/{id}", "PATCH /api/users/{id}",
		"POST /api/invitations", "PUT /api/access", "POST /api/approvals/{id}", "POST /api/vaults", "DELETE /api/vaults/{id}/grants/{grant}",
		"POST /api/tokens", "POST /api/account/password", "POST /api/account/totp", "POST /api/passkeys/begin", "POST /api/passkeys",
	} {
		if !guarded[act] {
			t.Errorf("%s asks for no proof", act)
		}
	}
	f.send("POST", "/api/session/step-up", owner, map[string]string{"totp": "000000"}).detail(t, 401)
	f.send("POST", "/api/session/step-up", owner, map[string]string{"password": "not the password 5"}).detail(t, 401)
	code := totp(t, f.seeds["Ona"], clock.now())
	up := f.send("POST", "/api/session/step-up", owner, map[string]string{"totp": code})
	if up.status != 200 || up.cookie == nil || up.cookie.Value == owner {
		t.Fatalf("step up: %d %s", up.status, up.body)
	}
	f.send("GET", "/api/session", owner, nil).detail(t, 401) // the old id is dead
	owner = up.cookie.Value
	if got := f.send("POST", "/api/session/step-up", owner, map[string]string{"totp": code}); got.status != 401 {
		t.Errorf("a code worked twice: %d", got.status)
	}
	f.send("DELETE", "/api/cameras/"+id, owner, nil).detail(t, 404) // goes on to the act
	clock.pass(6 * time.Minute)
	f.send("DELETE", "/api/cameras/"+id, owner, nil).detail(t, 403)
	if up = f.send("POST", "/api/session/step-up", owner, map[string]string{"password": testPassword}); up.status != 200 {
		t.Errorf("by password: %d %s", up.status, up.body)
	}
}

// TestSocketOutlivesStepUp: a new id for the session does not interrupt who watches.
func TestSocketOutlivesStepUp(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	owner := f.signIn()[caller.Owner]
	client, err := f.live(owner)
	check(t, err)
	defer client.conn.Close()
	up := f.send("POST", "/api/session/step-up", owner, map[string]string{"password": testPassword})
	if up.status != 200 {
		t.Fatalf("step up: %d %s", up.status, up.body)
	}
	time.Sleep(2 * sessionLook)
	client.say(map[string]any{"type": "nonsense", "id": 1})
	if _, _, _, _, _, err := client.next(); err != nil {
		t.Errorf("the socket ended: %v", err)
	}
	// Attack case 30: it ends with the session.
	if out := f.send("DELETE", "/api/session", up.cookie.Value, nil); out.status != 204 {
		t.Fatalf("sign out: %d", out.status)
	}
	if _, _, _, _, _, err := client.next(); !websocket.IsCloseError(err, websocket.ClosePolicyViolation) {
		t.Errorf("the socket stays: %v", err)
	}
}

// sessionLook is how often playback looks at the session behind a socket.
const sessionLook = time.Second

// TestTokens: what each scope opens, and that a token is nothing else.
func TestTokens(t *testing.T) {
	t.Parallel()
	clock := &later{}
	f := newFixture(t, clock.into)
	cookies := f.signIn()
	make := func(cookie string, scopes ...string) (api.NewToken, func(*http.Request)) {
		t.Helper()
		got := f.send("POST", "/api/tokens", cookie, map[string]any{"name": "Home", "scopes": scopes, "days": 30})
		var made api.NewToken
		if got.json(t, &made); got.status != 201 || !strings.HasPrefix(made.Secret, "cardea_") {
			t.Fatalf("token: %d %s", got.status, got.body)
		}
		return made, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+made.Secret); r.Header.Del("Origin") }
	}
	owner := cookies[caller.Owner]
	read, asRead := make(owner, "read")
	_, asMedia := make(owner, "media")
	_, asControl := make(owner, "control")
	_, asAdmin := make(owner, "admin")
	_, asViewer := make(cookies[caller.Viewer], "admin")
	id := "01JABCDEFGHJKMNPQRSTVWXYZ0"
	clock.pass(time.Hour) // nothing that a token does may hang on the session that made it
	for _, try := range []struct {
		as           func(*http.Request)
		method, path string
		want         int
	}{
		{asRead, "GET", "/api/cameras", 200}, {asRead, "GET", "/api/clips/" + id + "/data", 403}, {asRead, "POST", "/api/cameras/" + id + "/record", 403}, {asRead, "GET", "/api/users", 403},
		{asMedia, "GET", "/api/clips/" + id + "/data", 404}, {asMedia, "GET", "/api/cameras", 403},
		{asControl, "POST", "/api/cameras/" + id + "/record", 404}, {asControl, "DELETE", "/api/cameras/" + id, 403}, {asControl, "GET", "/api/cameras", 403},
		{asAdmin, "GET", "/api/cameras", 200}, {asAdmin, "GET", "/api/users", 200}, {asAdmin, "DELETE", "/api/cameras/" + id, 404}, {asAdmin, "GET", "/api/clips/" + id + "/data", 404},
		{asAdmin, "POST", "/api/tokens", 403}, {asAdmin, "GET", "/api/sessions", 403}, {asAdmin, "POST", "/api/account/password", 403}, {asAdmin, "POST", "/api/console/claim", 403},
		{asViewer, "GET", "/api/cameras", 200}, {asViewer, "GET", "/api/users", 403},
	} {
		f.unlimited()
		var body any
		if try.method == "POST" {
			body = map[string]any{"seconds": 5}
		}
		// An owner's cookie beside it changes nothing.
		if got := f.send(try.method, try.path, owner, body, try.as); got.status != try.want {
			t.Errorf("%s %s: %d %s, want %d", try.method, try.path, got.status, got.body, try.want)
		}
	}
	if got := f.send("DELETE", "/api/tokens/"+read.ID, cookies[caller.Viewer], nil); got.status != 404 {
		t.Errorf("a viewer revoked the owner's token: %d", got.status)
	}
	if got := f.send("DELETE", "/api/tokens/"+read.ID, owner, nil); got.status != 204 {
		t.Fatalf("revoke: %d %s", got.status, got.body)
	}
	f.send("GET", "/api/cameras", "", nil, asRead).detail(t, 401)
	for _, text := range []string{"", "cardea_", read.Secret + "x", strings.ToUpper(read.Secret), strings.TrimPrefix(read.Secret, "cardea_")} {
		f.send("GET", "/api/cameras", owner, nil, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+text) }).detail(t, 401)
	}
	clock.pass(31 * 24 * time.Hour)
	f.send("GET", "/api/cameras", "", nil, asAdmin).detail(t, 401)
}

// TestInvitation goes from the owner's click to the first sign-in of the person.
func TestInvitation(t *testing.T) {
	t.Parallel()
	clock := &later{}
	f := newFixture(t, clock.into)
	owner := f.signIn()[caller.Owner]
	garden, err := f.db.CreateCamera(t.Context(), store.NewCamera("Garden", "rtsp://127.0.0.1:9/main"))
	check(t, err)
	invite := func(name string) string {
		t.Helper()
		var v api.NewInvitation
		got := f.send("POST", "/api/invitations", owner, map[string]any{"name": name, "role": "viewer", "cameras": []string{garden.ID.String()}})
		if got.json(t, &v); got.status != 201 || !strings.HasPrefix(v.URL, "https://127.0.0.1:8443/invite#") {
			t.Fatalf("invite: %d %s", got.status, got.body)
		}
		return v.URL[strings.IndexByte(v.URL, '#')+1:]
	}
	token := invite("Eve")
	f.send("POST", "/api/invitations", owner, map[string]any{"name": "eve", "role": "viewer"}).detail(t, 409)
	f.send("POST", "/api/invite", "", map[string]string{"token": "wrong"}).detail(t, 401)
	var what api.Invited
	f.send("POST", "/api/invite", "", map[string]string{"token": token}).json(t, &what)
	if what.Name != "Eve" || what.Role != "viewer" {
		t.Errorf("invited %+v", what)
	}
	f.send("POST", "/api/invite/verify", "", map[string]string{"token": token, "totp": "123456"}).detail(t, 409)
	f.send("POST", "/api/invite/begin", "", map[string]string{"token": token, "password": "password1234"}).detail(t, 422)
	var e api.Enrolment
	f.send("POST", "/api/invite/begin", "", map[string]string{"token": token, "password": testPassword}).json(t, &e)
	f.send("POST", "/api/invite/verify", "", map[string]string{"token": token, "totp": "000000"}).detail(t, 401)
	in := f.send("POST", "/api/invite/verify", "", map[string]string{"token": token, "totp": totp(t, e.TOTPSecret, clock.now())})
	if in.status != 201 || in.cookie == nil {
		t.Fatalf("verify: %d %s", in.status, in.body)
	}
	var me api.WhoAmI
	f.send("GET", "/api/session", in.cookie.Value, nil).json(t, &me)
	if me.User.Name != "Eve" || me.User.Role != "viewer" || me.Cameras == nil || !slices.Equal(*me.Cameras, []string{garden.ID.String()}) {
		t.Errorf("me %+v", me)
	}
	f.send("POST", "/api/invite/begin", "", map[string]string{"token": token, "password": testPassword}).detail(t, 401) // spent
	late := invite("Tom")
	clock.pass(25 * time.Hour)
	f.send("POST", "/api/invite", "", map[string]string{"token": late}).detail(t, 401)
}

// TestAllowList: administration from some addresses only, the way back, and that headers do not help (attack case 44).
func TestAllowList(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	cookies := f.signIn()
	owner := cookies[caller.Owner]
	elsewhere := map[string]any{"admin_addresses": []string{"192.0.2.0/24"}}
	f.send("PUT", "/api/access", owner, map[string]any{"admin_addresses": []string{"nonsense"}}).detail(t, 422)
	if d := f.send("PUT", "/api/access", owner, elsewhere).detail(t, 409); !strings.Contains(d, "allow-list clear") {
		t.Errorf("detail %q", d)
	}
	if got := f.send("PUT", "/api/access", owner, map[string]any{"admin_addresses": []string{"127.0.0.0/8"}}); got.status != 200 {
		t.Fatalf("own network: %d %s", got.status, got.body)
	}
	if got := f.send("GET", "/api/users", owner, nil); got.status != 200 {
		t.Errorf("from an address of the list: %d", got.status)
	}
	elsewhere["confirm"] = true
	if got := f.send("PUT", "/api/access", owner, elsewhere); got.status != 200 {
		t.Fatalf("confirmed: %d %s", got.status, got.body)
	}
	for _, header := range []string{"", "X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Client-IP", "True-Client-IP"} {
		got := f.send("GET", "/api/users", owner, nil, func(r *http.Request) {
			if header != "" {
				r.Header.Set(header, "192.0.2.1")
			}
		})
		got.detail(t, 403)
	}
	if got := f.send("GET", "/api/cameras", owner, nil); got.status != 200 {
		t.Errorf("watching needs no list: %d", got.status)
	}
	check(t, f.console.Do(context.Background(), "PUT", "/api/access", map[string]any{"admin_addresses": []string{}}, nil))
	if got := f.send("GET", "/api/users", owner, nil); got.status != 200 {
		t.Errorf("after the console opened it: %d", got.status)
	}
}

// TestApprovals: two owners for one act, both names in the access log.
func TestApprovals(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	cookies := f.signIn()
	owner := cookies[caller.Owner]
	two := map[string]any{"approvals": []string{"user.remove", "log.purge"}}
	f.send("PUT", "/api/access", owner, two).detail(t, 409) // there is nobody who could approve
	second, _ := f.join("Olga", auth.Owner, auth.SeesAll())
	_, victim := f.join("Eve", auth.Viewer, auth.SeesAll())
	if got := f.send("PUT", "/api/access", owner, two); got.status != 200 {
		t.Fatalf("switch on: %d %s", got.status, got.body)
	}
	ask := func(method, path string, body any) string {
		t.Helper()
		var p struct {
			Type   string
			Errors []struct{ Location, Value string }
		}
		got := f.send(method, path, owner, body)
		got.detail(t, 403)
		if got.json(t, &p); p.Type != "approval-required" || len(p.Errors) != 1 || p.Errors[0].Location != "approval" || p.Errors[0].Value == "" {
			t.Fatalf("%s %s: %s", method, path, got.body)
		}
		return p.Errors[0].Value
	}
	path := "/api/users/" + victim.String()
	request := ask("DELETE", path, nil)
	if again := ask("DELETE", path, nil); again != request {
		t.Error("asking twice makes two requests")
	}
	// The ways around: an owner of one's own making, and the rule itself.
	ask("POST", "/api/invitations", map[string]any{"name": "Puppet", "role": "owner"})
	ask("PATCH", path, map[string]any{"role": "owner"})
	ask("PUT", "/api/access", map[string]any{"approvals": []string{}})
	// Keeping the logs for a shorter time erases; for a longer time it does not.
	ask("PATCH", "/api/settings", map[string]any{"log_days": 2})
	if got := f.send("PATCH", "/api/settings", owner, map[string]any{"log_days": 60}); got.status != 200 {
		t.Errorf("keep longer: %d %s", got.status, got.body)
	}
	yes := map[string]bool{"approve": true}
	f.send("POST", "/api/approvals/"+request, owner, yes).detail(t, 403)                  // one's own
	f.send("POST", "/api/approvals/"+request, cookies[caller.Member], yes).detail(t, 403) // no owner
	f.send("POST", "/api/approvals/"+victim.String(), second, yes).detail(t, 404)         // no request
	if got := f.send("POST", "/api/approvals/"+request, second, yes); got.status != 200 {
		t.Fatalf("approve: %d %s", got.status, got.body)
	}
	f.send("POST", "/api/approvals/"+request, second, yes).detail(t, 409) // decided
	// An act that fails does not use its approval up.
	index, err := sql.Open("sqlite3", filepath.Join(f.dir, "cardea.db")+"?_busy_timeout=5000")
	check(t, err)
	t.Cleanup(func() { index.Close() })
	_, err = index.Exec(`CREATE TRIGGER blocked BEFORE DELETE ON user BEGIN SELECT RAISE(ABORT, 'blocked'); END`)
	check(t, err)
	f.send("DELETE", path, owner, nil).detail(t, 422) // what the index says of a trigger
	_, err = index.Exec(`DROP TRIGGER blocked`)
	check(t, err)
	if got := f.send("DELETE", path, owner, nil); got.status != 204 {
		t.Fatalf("remove: %d %s", got.status, got.body)
	}
	var records []api.LogEntry
	f.send("GET", "/api/log", owner, nil).json(t, &records)
	both := slices.ContainsFunc(records, func(r api.LogEntry) bool {
		return r.Action == "approval.use" && r.Name == "Ona" && strings.Contains(r.Detail, "Olga")
	})
	if !both {
		t.Errorf("the log does not have both names: %+v", records)
	}
}
