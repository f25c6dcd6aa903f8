package store_test

import (
	"bytes"
	"testing"
	"time"

	"cardea/store"
)

// TestRotation is attack case 78 of docs/attacks.md.
func TestRotation(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	db, ctx := h.DB, t.Context()
	ok(t, db.CreateUser(ctx, account("Ann", store.RoleOwner), nil, nil, nil))
	ok(t, db.CreateUser(ctx, account("Bob", store.RoleViewer), nil, nil, nil))
	ann, bob := must[store.User](t)(db.UserByName(ctx, "Ann")), must[store.User](t)(db.UserByName(ctx, "Bob"))
	garden := must[store.Vault](t)(db.CreateVault(ctx, store.Vault{Name: "Garden", Type: "x25519", Recipient: "age1g"}))
	camera := must[store.Camera](t)(db.UpdateCamera(ctx, h.camera.ID, func(c *store.Camera) error { c.Vault = garden.ID; return nil }))
	grant := func(user store.User, kind string) store.Grant {
		return must[store.Grant](t)(db.AddGrant(ctx, store.Grant{Vault: garden.ID, User: user.ID, Kind: kind, Wrapped: []byte("w")}))
	}
	vaultNow := func() store.Vault { return must[store.Vault](t)(db.Vault(ctx, garden.ID)) }
	grant(ann, "passphrase")
	device := grant(bob, "device")
	grant(bob, "passphrase")

	ok(t, db.RevokeGrant(ctx, device.ID))
	if vaultNow().Stale {
		t.Error("stale although Bob has another grant")
	}
	next := must[store.Vault](t)(db.RotateVault(ctx, garden.ID, store.Vault{Type: "hybrid", Recipient: "age1pq1g2"},
		store.Grant{User: ann.ID, Kind: "passphrase", Wrapped: []byte("w2")}))
	old := vaultNow()
	if next.Name != "Garden" || next.Default || old.Retired.IsZero() || old.Successor != next.ID || old.Stale {
		t.Errorf("old %+v, next %+v", old, next)
	}
	if camera = must[store.Camera](t)(db.Camera(ctx, camera.ID)); camera.Vault != next.ID {
		t.Errorf("the camera is sealed to %v", camera.Vault)
	}
	_, err := db.RotateVault(ctx, garden.ID, store.Vault{Type: "hybrid", Recipient: "age1pq1g3"})
	wantCode(t, err, store.Conflict)
	_, err = db.UpdateCamera(ctx, camera.ID, func(c *store.Camera) error { c.Vault = garden.ID; return nil })
	wantCode(t, err, store.Conflict)
	wantCode(t, db.SetDefaultVault(ctx, garden.ID), store.NotFound)

	// Revoking a person reaches back to the keys before.
	if n := must[int](t)(db.RevokeHolder(ctx, next.ID, bob.ID)); n != 1 {
		t.Errorf("%d grants were revoked", n)
	}
	if left := must[[]store.Grant](t)(db.Grants(ctx, store.ID{}, bob.ID)); len(left) != 0 {
		t.Errorf("Bob has %+v", left)
	}
	if v := must[store.Vault](t)(db.Vault(ctx, next.ID)); v.Stale {
		t.Error("stale although Bob never had a grant to it")
	}

	// An account that goes takes its grants, and what it may have kept is remembered.
	must[store.Grant](t)(db.AddGrant(ctx, store.Grant{Vault: next.ID, User: bob.ID, Kind: "sealed", Wrapped: []byte("w")}))
	ok(t, db.DeleteUser(ctx, bob.ID))
	if v := must[store.Vault](t)(db.Vault(ctx, next.ID)); !v.Stale {
		t.Error("not stale although somebody with a grant is gone")
	}

	ok(t, db.SetBoxGrant(ctx, next.ID, []byte("sealed")))
	if v := must[store.Vault](t)(db.Vault(ctx, next.ID)); string(v.BoxGrant) != "sealed" {
		t.Errorf("box grant %q", v.BoxGrant)
	}
	ok(t, db.SetBoxGrant(ctx, next.ID, nil))
	if v := must[store.Vault](t)(db.Vault(ctx, next.ID)); v.BoxGrant != nil {
		t.Errorf("box grant %q", v.BoxGrant)
	}
}

func TestUserKeys(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	db, ctx := h.DB, t.Context()
	ok(t, db.CreateUser(ctx, account("Ann", store.RoleOwner), nil, nil, nil))
	ann := must[store.User](t)(db.UserByName(ctx, "Ann"))
	first := must[store.UserKey](t)(db.PutUserKey(ctx, store.UserKey{User: ann.ID, Recipient: "age1a", Wrapped: []byte("1")}))
	must[store.Grant](t)(db.AddGrant(ctx, store.Grant{Vault: h.vault.ID, User: ann.ID, Kind: "sealed", Wrapped: []byte("w")}))
	again := must[store.UserKey](t)(db.PutUserKey(ctx, store.UserKey{User: ann.ID, Recipient: "age1a", Wrapped: []byte("2")}))
	if !again.Created.Equal(first.Created) || string(again.Wrapped) != "2" || again.Name != "Ann" {
		t.Errorf("after a new passphrase %+v", again)
	}
	if left := must[[]store.Grant](t)(db.Grants(ctx, h.vault.ID, ann.ID)); len(left) != 1 {
		t.Errorf("a new passphrase costs a grant: %+v", left)
	}
	must[store.UserKey](t)(db.PutUserKey(ctx, store.UserKey{User: ann.ID, Recipient: "age1b", Wrapped: []byte("3")}))
	if left := must[[]store.Grant](t)(db.Grants(ctx, h.vault.ID, ann.ID)); len(left) != 0 {
		t.Errorf("a grant to a lost key stays: %+v", left)
	}
}

func TestShares(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	db, ctx := h.DB, t.Context()
	ok(t, db.CreateUser(ctx, account("Ann", store.RoleOwner), nil, nil, nil))
	ann := must[store.User](t)(db.UserByName(ctx, "Ann"))
	h.record(t, noon, 60)
	h.record(t, noon.Add(time.Minute), 60)
	clips := must[[]store.Clip](t)(db.Clips(ctx, store.ClipQuery{Camera: h.camera.ID}))
	add := func(s store.Share, ids ...store.ID) (store.Share, error) {
		s.User, s.Camera, s.Keys = ann.ID, h.camera.ID, []byte("sealed")
		return db.AddShare(ctx, s, ids)
	}
	_, err := add(store.Share{Expires: noon.Add(time.Hour)}, store.ID{1})
	wantCode(t, err, store.NotFound)
	if all := must[[]store.Share](t)(db.Shares(ctx, store.ID{})); len(all) != 0 {
		t.Errorf("a refused share is there: %+v", all)
	}
	share := must[store.Share](t)(add(store.Share{Expires: noon.Add(time.Hour), MaxViews: 2, Note: "look"}, clips[0].ID))
	if share.UserName != "Ann" || share.CameraName != h.camera.Name || share.Clips != 1 || share.Over(noon) != "" {
		t.Errorf("share %+v", share)
	}
	for clip, want := range map[store.ID]bool{clips[0].ID: true, clips[1].ID: false} {
		if got := must[bool](t)(db.ShareHas(ctx, share.ID, clip)); got != want {
			t.Errorf("clip %s is in the share: %v", clip, got)
		}
	}
	if shown := must[[]store.Clip](t)(db.ShareClips(ctx, share.ID)); len(shown) != 1 || len(shown[0].Parts) != 60 {
		t.Errorf("clips %+v", shown)
	}
	if won := race(func(int) error { return db.ViewShare(ctx, share.ID) }); won != 2 {
		t.Errorf("%d views were given, want 2", won)
	}
	if s := must[store.Share](t)(db.Share(ctx, share.ID)); s.Over(noon) != "used" || s.Views != 2 || s.LastView.IsZero() {
		t.Errorf("share %+v", s)
	}
	second := must[store.Share](t)(add(store.Share{Expires: noon.Add(2 * time.Hour)}, clips[0].ID, clips[1].ID))
	ok(t, db.RevokeShare(ctx, second.ID))
	wantCode(t, db.RevokeShare(ctx, second.ID), store.NotFound)
	wantCode(t, db.ViewShare(ctx, second.ID), store.NotFound)
	if s := must[store.Share](t)(db.Share(ctx, second.ID)); len(s.Keys) != 0 || s.Over(noon) != "revoked" {
		t.Errorf("share %+v", s)
	}
	ok(t, db.PurgeShares(ctx, noon.Add(90*time.Minute), noon.Add(-time.Hour)))
	if s := must[store.Share](t)(db.Share(ctx, share.ID)); len(s.Keys) != 0 {
		t.Errorf("an expired share keeps %q", s.Keys)
	}
	ok(t, db.PurgeShares(ctx, noon.Add(90*time.Minute), noon.Add(90*time.Minute)))
	if all := must[[]store.Share](t)(db.Shares(ctx, ann.ID)); len(all) != 1 || all[0].ID != second.ID {
		t.Errorf("shares %+v", all)
	}
	if !bytes.Equal(share.Keys, []byte("sealed")) {
		t.Errorf("keys %q", share.Keys)
	}
}
