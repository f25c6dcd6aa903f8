package web

import (
	"net/http"
	"strings"
	"testing"
)

// TestPasswordAndPasskey: the begin step tells nothing to who has the password wrong, and neither factor opens a session alone.
func TestPasswordAndPasskey(t *testing.T) {
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
