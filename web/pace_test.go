package web

import (
	"testing"

	"cardea/auth"
	"cardea/store"
	"cardea/web/caller"
)

// TestPaceOutlivesRestart: what was asked too often stays refused when the rates in memory begin afresh, and only that.
func TestPaceOutlivesRestart(t *testing.T) {
	t.Parallel()
	clock := &later{}
	f := newFixture(t, clock.into)
	owner := f.signIn()[caller.Owner]
	open := func() reply {
		f.unlimited()
		return f.send("POST", "/api/s/"+(store.ID{1}).String()+"/views", "", map[string]any{})
	}
	var last reply
	for range 1000 {
		if last = open(); last.status == 429 {
			break
		}
	}
	if last.detail(t, 429); last.header.Get("Retry-After") == "" {
		t.Error("429 without Retry-After")
	}
	f.send("GET", "/api/session", owner, nil).json(t, &struct{}{})
	f.send("POST", "/api/session", "", map[string]string{"name": "Nobody", "password": "x", "totp": "1"}).detail(t, 401)
}

// TestSensitiveRoutesHaveAPace keeps the list of docs/security.md true.
func TestSensitiveRoutesHaveAPace(t *testing.T) {
	t.Parallel()
	want := map[string]auth.Paced{
		"/api/session": auth.PacedSignIn, "/api/session/begin": auth.PacedSignIn, "/api/session/passkey": auth.PacedSignIn,
		"/api/session/passkey/begin": auth.PacedSignIn, "/api/session/step-up": auth.PacedStepUp, "/api/invitations": auth.PacedInvitation,
		"/api/invite": auth.PacedInvitation, "/api/invite/begin": auth.PacedInvitation, "/api/invite/verify": auth.PacedInvitation,
		"/api/pairings": auth.PacedPairing, "/api/s/{id}/views": auth.PacedLink,
	}
	for _, r := range newFixture(t).server.routes() {
		if act := want[r.path]; r.method == "POST" && act != r.handler.act {
			t.Errorf("%s %s has the pace %q, want %q", r.method, r.path, r.handler.act, act)
		}
	}
}
