package web

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"cardea/auth/softkey"
	"cardea/web/caller"
)

// TestPasswordAndPasskey: the begin step tells nothing to who has the password wrong, and neither factor opens a session alone.
func TestPasswordAndPasskey(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.signIn()
	named := func(r *http.Request) {
		r.Host = "cardea.local"
		r.Header.Set("Origin", "https://cardea.local")
	}
	begin := func(name, password string) reply {
		return f.send("POST", "/api/session/begin", "", map[string]string{"name": name, "password": password}, named)
	}
	wrong := begin("Ona", "not the password 5").detail(t, 401)
	if unknown := begin("Nobody", testPassword).detail(t, 401); unknown != wrong {
		t.Errorf("%q, and of an unknown name %q", wrong, unknown)
	}
	if none := begin("Ona", testPassword).detail(t, 409); !strings.Contains(none, "no passkey") {
		t.Errorf("said %q", none)
	}
	f.send("POST", "/api/session/begin", "", map[string]string{"name": "Ona", "password": testPassword}).detail(t, 409) // by its address
	f.send("POST", "/api/session", "", map[string]string{"name": "Ona", "password": testPassword}, named).detail(t, 401)
	f.send("POST", "/api/session", "", map[string]any{
		"name": "Ona", "password": testPassword, "passkey": map[string]any{"ceremony": "x", "credential": map[string]any{}},
	}, named).detail(t, 401)
}

// TestPasskeyOverHTTP enrols an authenticator, and signs in by it: alone, behind name and password, and as a fresh proof for a sensitive act. An
// answer is good once, and only for who and what it was asked for.
func TestPasskeyOverHTTP(t *testing.T) {
	t.Parallel()
	clock := &later{}
	f := newFixture(t, clock.into)
	owner := f.signIn()[caller.Owner]
	named := func(r *http.Request) {
		r.Host = "cardea.local"
		r.Header.Set("Origin", "https://cardea.local")
	}
	send := func(path, cookie string, body any) reply {
		t.Helper()
		return f.send("POST", path, cookie, body, named)
	}
	key, err := softkey.New("https://cardea.local")
	check(t, err)
	type begun struct {
		Ceremony string
		Options  json.RawMessage
	}
	begin := func(path, cookie string, body any) (b begun) {
		t.Helper()
		got := send(path, cookie, body)
		if got.status != 200 {
			t.Fatalf("%s: %d %s", path, got.status, got.body)
		}
		got.json(t, &b)
		return b
	}
	get := func(b begun) map[string]any {
		answer, err := key.Get(b.Options)
		check(t, err)
		return map[string]any{"ceremony": b.Ceremony, "credential": answer}
	}
	b := begin("/api/passkeys/begin", owner, nil)
	made, err := key.Create(b.Options)
	check(t, err)
	enrol := map[string]any{"ceremony": b.Ceremony, "credential": made, "name": "Phone"}
	if got := send("/api/passkeys", owner, enrol); got.status != 201 {
		t.Fatalf("enrol: %d %s", got.status, got.body)
	}
	if got := send("/api/passkeys", owner, enrol); got.status < 400 {
		t.Errorf("enrolled again: %d", got.status)
	}

	password := map[string]any{"name": "Ona", "password": testPassword}
	both := func(passkey map[string]any) map[string]any {
		return map[string]any{"name": "Ona", "password": testPassword, "passkey": passkey}
	}
	answer := get(begin("/api/session/begin", "", password))
	wrong := both(answer)
	wrong["password"] = "not the password 5"
	send("/api/session", "", wrong).detail(t, 401)          // the right key, the wrong password
	send("/api/session/passkey", "", answer).detail(t, 401) // alone, what was asked for as a second factor
	answer = get(begin("/api/session/begin", "", password))
	in := send("/api/session", "", both(answer))
	if in.status != 201 || in.cookie == nil {
		t.Fatalf("password and passkey: %d %s", in.status, in.body)
	}
	send("/api/session", "", both(answer)).detail(t, 401) // played again

	answer = get(begin("/api/session/passkey/begin", "", nil))
	alone := send("/api/session/passkey", "", answer)
	if alone.status != 201 || alone.cookie == nil {
		t.Fatalf("passkey alone: %d %s", alone.status, alone.body)
	}
	send("/api/session/passkey", "", answer).detail(t, 401)

	clock.pass(10 * time.Minute)
	invite := map[string]any{"name": "Guest", "role": "viewer"}
	send("/api/invitations", alone.cookie.Value, invite).detail(t, 403)
	up := send("/api/session/step-up", alone.cookie.Value, map[string]any{"passkey": get(begin("/api/session/passkey/begin", "", nil))})
	if up.status != 200 || up.cookie == nil || up.cookie.Value == alone.cookie.Value {
		t.Fatalf("step-up: %d %s", up.status, up.body)
	}
	if got := send("/api/invitations", up.cookie.Value, invite); got.status >= 300 {
		t.Errorf("after a proof: %d %s", got.status, got.body)
	}
	key.Origin = "https://cardea.local.evil.example" // a site in the middle
	send("/api/session/passkey", "", get(begin("/api/session/passkey/begin", "", nil))).detail(t, 401)
}
