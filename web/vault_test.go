package web

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"cardea/auth"
	"cardea/store"
	"cardea/store/vault"
	"cardea/web/api"
)

// TestVaultOpensByTwo puts the opening of a vault under the approval of a second owner.
func TestVaultOpensByTwo(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	owner, _, identity := f.withCamera()
	second, _ := f.join("Olga", auth.Owner, auth.SeesAll())
	var vaults []api.Vault
	f.send("GET", "/api/vaults", owner, nil).json(t, &vaults)
	if len(vaults) != 1 || vaults[0].Open || vaults[0].RotationNeeded || len(vaults[0].Holders) != 1 || vaults[0].Holders[0].Name != "Ona" {
		t.Fatalf("vaults %+v", vaults)
	}
	if got := f.send("PUT", "/api/access", owner, map[string]any{"approvals": []string{"vault.open"}}); got.status != 200 {
		t.Fatalf("switch on: %d %s", got.status, got.body)
	}
	open := func() reply {
		return f.send("POST", "/api/vaults/"+vaults[0].ID+"/open", owner, map[string]string{"identity": identity.Secret()})
	}
	another, err := vault.GenerateX25519()
	check(t, err)
	f.send("POST", "/api/vaults/"+vaults[0].ID+"/open", owner, map[string]string{"identity": another.Secret()}).detail(t, 422)
	var p struct {
		Type   string
		Errors []struct{ Value string }
	}
	got := open()
	if got.json(t, &p); got.status != 403 || p.Type != "approval-required" {
		t.Fatalf("alone: %d %s", got.status, got.body)
	}
	if strings.Contains(string(got.body), identity.Secret()) {
		t.Error("the answer repeats the identity")
	}
	if got := f.send("POST", "/api/approvals/"+p.Errors[0].Value, second, map[string]bool{"approve": true}); got.status != 200 {
		t.Fatalf("approve: %d %s", got.status, got.body)
	}
	var opened api.Vault
	if got := open(); got.status != 200 {
		t.Fatalf("by two: %d %s", got.status, got.body)
	} else if got.json(t, &opened); !opened.Open {
		t.Errorf("vault %+v", opened)
	}
	if got := f.send("POST", "/api/vaults/"+vaults[0].ID+"/seal", owner, nil); got.status != 200 {
		t.Errorf("seal: %d %s", got.status, got.body)
	}
	open().detail(t, 403) // an approval is good once
}

// TestHandingOutHidden: whoever does not see a camera can neither share its clips, nor make evidence or a link of them.
func TestHandingOutHidden(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	owner, door, _ := f.withCamera()
	var clips []api.Clip
	eventually(t, "a clip", func() bool {
		f.send("GET", "/api/clips?camera="+door.ID, owner, nil).json(t, &clips)
		return len(clips) > 0 && clips[0].Bytes > 50_000
	})
	off := "off"
	if got := f.send("PATCH", "/api/cameras/"+door.ID, owner, map[string]string{"mode": off}); got.status != 200 {
		t.Fatalf("switch off: %d %s", got.status, got.body)
	}
	eventually(t, "the end of the clip", func() bool {
		f.send("GET", "/api/clips?camera="+door.ID, owner, nil).json(t, &clips)
		return !clips[0].Open
	})
	blind, _ := f.join("Mia", auth.Member, auth.SeesOnly())
	sees, _ := f.join("Max", auth.Member, auth.SeesAll())
	share := map[string]any{"clips": []string{clips[0].ID}, "expires": time.Now().Add(time.Hour), "keys": make([]byte, 60)}
	evidence := map[string]any{"clips": []string{clips[0].ID}}
	link := map[string]any{"path": "/api/clips/" + clips[0].ID + "/data"}
	var made api.Share
	for route, body := range map[string]any{"/api/shares": share, "/api/links": link, "/api/evidence": evidence} {
		f.send("POST", route, blind, body).detail(t, 404)
		var got reply
		eventually(t, route+" by a member who sees the camera", func() bool {
			got = f.send("POST", route, sees, body)
			return got.status != 409 // the log is signed within seconds
		})
		if got.status != 201 {
			t.Errorf("%s: %d %s", route, got.status, got.body)
		}
		if route == "/api/shares" {
			got.json(t, &made)
		}
	}
	// Each member has their own links; an owner has all.
	for cookie, want := range map[string]int{blind: 0, sees: 1, owner: 1} {
		var list []api.Share
		f.send("GET", "/api/shares", cookie, nil).json(t, &list)
		if len(list) != want {
			t.Errorf("%d links, want %d", len(list), want)
		}
	}
	f.send("DELETE", "/api/shares/"+made.ID, blind, nil).detail(t, 404)
	if got := f.send("DELETE", "/api/shares/"+made.ID, owner, nil); got.status != 204 {
		t.Errorf("an owner takes it back: %d %s", got.status, got.body)
	}
}

// TestPersonalKeys: the box takes wrapped keys only, and shows each person their own.
func TestPersonalKeys(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.signIn()
	cookie, _ := f.join("Mia", auth.Member, auth.SeesAll())
	wrapped, err := os.ReadFile("../store/vault/testdata/x25519.wrapped.age")
	check(t, err)
	key, err := vault.GenerateX25519()
	check(t, err)
	put := func(wrapped []byte) reply {
		return f.send("PUT", "/api/account/key", cookie, map[string]any{"recipient": key.Recipient().String(), "wrapped": wrapped})
	}
	put([]byte(key.Secret())).detail(t, 422)
	sealed, err := vault.SealIdentity(key, key.Recipient())
	check(t, err)
	put(sealed).detail(t, 422)
	if got := put(wrapped); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	var mine api.PersonalKey
	f.send("GET", "/api/account/key", cookie, nil).json(t, &mine)
	if mine.Name != "Mia" || string(mine.Wrapped) != string(wrapped) {
		t.Errorf("key %+v", mine)
	}
	records, err := f.db.LogRecords(t.Context(), store.LogQuery{Log: store.LogAccess, Action: "key.change"})
	check(t, err)
	text, err := json.Marshal(records)
	check(t, err)
	if len(records) != 1 || strings.Contains(string(text), key.Secret()) {
		t.Errorf("log %s", text)
	}
}
