package web

import (
	"context"
	"os"
	"testing"
	"time"

	"cardea/auth"
	"cardea/store"
	"cardea/store/vault"
	"cardea/web/api"
	"cardea/web/caller"
)

// Storage, health and safety as each role reads them.
func TestStatePages(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := context.Background()
	cookies := f.signIn()
	owner, member, viewer := cookies[caller.Owner], cookies[caller.Member], cookies[caller.Viewer]
	text, err := os.ReadFile("../store/vault/testdata/x25519.identity")
	check(t, err)
	identity, err := vault.ParseIdentity(string(text))
	check(t, err)
	v, err := f.db.CreateVault(ctx, store.Vault{Name: "Home", Type: "x25519", Recipient: identity.Recipient().String()})
	check(t, err)
	var door, yard api.Camera
	f.send("POST", "/api/cameras", owner, map[string]string{"name": "Door", "url": "rtsp://127.0.0.1:9/door"}).json(t, &door)
	f.send("POST", "/api/cameras", owner, map[string]string{"name": "Yard", "url": "rtsp://127.0.0.1:9/yard"}).json(t, &yard)
	doorID, err := store.ParseID(door.ID)
	check(t, err)
	hidden, _ := f.join("Hid", auth.Member, auth.SeesOnly(doorID))

	var s api.Storage
	f.send("GET", "/api/storage", owner, nil).json(t, &s)
	if len(s.Cameras) != 2 || yard.ID == "" || s.Rules.Days != 30 || s.Rules.MinFree == 0 || s.Disk.State != "ok" || s.Disk.Total == 0 || s.Index == 0 || s.Next != nil || s.Days != nil || s.Hardware.State == "" {
		t.Errorf("storage %+v", s)
	}
	f.send("GET", "/api/storage", hidden, nil).json(t, &s)
	if len(s.Cameras) != 1 || s.Cameras[0].Name != "Door" {
		t.Errorf("storage of who sees one camera: %+v", s.Cameras)
	}

	var h api.Health
	f.send("GET", "/api/health", member, nil).json(t, &h)
	if h.Box == nil || h.Box.CPUs == 0 || h.Box.Memory == 0 || h.Box.Clock == "" || h.Box.Certificate == nil || h.Box.Certificate.Before(time.Now()) {
		t.Errorf("health %+v", h.Box)
	}
	active := map[string]bool{}
	for _, l := range h.Box.Layers {
		active[l.ID] = l.Active
	}
	if !active["tls13"] || !active["sealed"] {
		t.Errorf("layers %v", active)
	}
	check(t, f.db.SetBoxGrant(ctx, v.ID, []byte("sealed")))
	f.send("GET", "/api/health", member, nil).json(t, &h)
	for _, l := range h.Box.Layers {
		if l.ID == "sealed" && l.Active {
			t.Error("an open vault is told as sealed")
		}
	}
	check(t, f.db.SetBoxGrant(ctx, v.ID, nil))
	h = api.Health{}
	if f.send("GET", "/api/health", viewer, nil).json(t, &h); h.Box != nil {
		t.Errorf("a viewer reads of the box: %+v", h.Box)
	}

	var states []api.CameraCondition
	eventually(t, "a camera that is missed", func() bool {
		f.unlimited()
		f.send("GET", "/api/health/cameras", viewer, nil).json(t, &states)
		return len(states) == 2 && states[0].Bars[len(states[0].Bars)-1].Down > 0
	})
	if s := states[0]; len(s.Bars) != 48 || s.Name != "Door" || s.Phase != "waiting" || s.Recording.Active || s.Detail == "" || s.Bars[0].Up+s.Bars[0].Down+s.Bars[0].Off != 0 {
		t.Errorf("the camera is %+v", s)
	}
	f.send("GET", "/api/health/cameras", hidden, nil).json(t, &states)
	if len(states) != 1 || states[0].Camera != door.ID {
		t.Errorf("cameras of who sees one: %+v", states)
	}

	verdicts := func() map[string]api.Check {
		t.Helper()
		var all []api.Check
		f.send("GET", "/api/safety", owner, nil).json(t, &all)
		out := map[string]api.Check{}
		for _, c := range all {
			out[c.ID] = c
		}
		return out
	}
	got := verdicts()
	if len(got) < 20 || got["plain"].State != "bad" || len(got["plain"].Cameras) != 2 || got["owners"].State != "advise" || got["kit"].State != "good" || got["kit"].At == nil || got["allow-list"].Number != 0 {
		t.Errorf("safety %+v", got)
	}
	check(t, f.db.PutSettings(ctx, map[string]string{"kit.tested." + v.ID.String(): "1000000000"}))
	if got := verdicts()["kit"]; got.State != "advise" || got.At.Year() != 2001 {
		t.Errorf("an old kit: %+v", got)
	}
	if got := f.send("POST", "/api/vaults/"+v.ID.String()+"/kit-tested", owner, map[string]any{}); got.status != 204 {
		t.Fatalf("kit tested: %d %s", got.status, got.body)
	}
	if got := verdicts()["kit"]; got.State != "good" {
		t.Errorf("a kit that was just tested: %+v", got)
	}
	f.send("POST", "/api/vaults/"+door.ID+"/kit-tested", owner, map[string]any{}).detail(t, 404)
}
