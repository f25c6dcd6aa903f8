package store_test

import (
	"testing"

	"cardea/store"
)

// TestPasskeyGrants holds that what a passkey opens ends with it.
func TestPasskeyGrants(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	db, ctx := h.DB, t.Context()
	ok(t, db.CreateUser(ctx, account("Ann", store.RoleOwner), nil, nil, nil))
	ok(t, db.CreateUser(ctx, account("Bob", store.RoleViewer), nil, nil, nil))
	ann, bob := must[store.User](t)(db.UserByName(ctx, "Ann")), must[store.User](t)(db.UserByName(ctx, "Bob"))
	phone := must[store.Passkey](t)(db.AddPasskey(ctx, store.Passkey{User: ann.ID, Credential: hash(1), Record: []byte(`{}`), Name: "Phone", PRF: true}))
	laptop := must[store.Passkey](t)(db.AddPasskey(ctx, store.Passkey{User: ann.ID, Credential: hash(2), Record: []byte(`{}`), Name: "Laptop", PRF: true}))
	garden := must[store.Vault](t)(db.CreateVault(ctx, store.Vault{Name: "Garden", Type: "x25519", Recipient: "age1g"},
		store.Grant{User: ann.ID, Kind: "passphrase", Wrapped: []byte("w")}))
	add := func(user store.User, key store.Passkey, wrapped string) (store.Grant, error) {
		return db.AddGrant(ctx, store.Grant{Vault: garden.ID, User: user.ID, Kind: "passkey", Passkey: key.ID, Label: key.Name, Wrapped: []byte(wrapped)})
	}
	_, err := add(bob, phone, "w1")
	wantCode(t, err, store.NotFound)
	_, err = add(ann, store.Passkey{}, "w1")
	wantCode(t, err, store.NotFound)
	wantCode(t, db.SetPasskeyPersonal(ctx, bob.ID, phone.ID, []byte("p")), store.NotFound)

	must[store.Grant](t)(add(ann, phone, "w1"))
	must[store.Grant](t)(add(ann, phone, "w2")) // takes the place of the first
	must[store.Grant](t)(add(ann, laptop, "w3"))
	held := func() (all []string) {
		for _, g := range must[[]store.Grant](t)(db.Grants(ctx, garden.ID, ann.ID)) {
			if g.Kind == "passkey" {
				all = append(all, string(g.Wrapped))
			}
		}
		return all
	}
	if got := held(); len(got) != 2 || got[0] != "w2" || got[1] != "w3" {
		t.Fatalf("passkeys open %q", got)
	}

	// Another personal key makes what passkeys kept of the old one worthless; the same one under another passphrase does not.
	must[store.UserKey](t)(db.PutUserKey(ctx, store.UserKey{User: ann.ID, Recipient: "age1a", Wrapped: []byte("k")}))
	ok(t, db.SetPasskeyPersonal(ctx, ann.ID, phone.ID, []byte("p")))
	personal := func() (n int) {
		for _, k := range must[[]store.Passkey](t)(db.Passkeys(ctx, ann.ID)) {
			if k.Personal != nil {
				n++
			}
		}
		return n
	}
	must[store.UserKey](t)(db.PutUserKey(ctx, store.UserKey{User: ann.ID, Recipient: "age1a", Wrapped: []byte("k2")}))
	if personal() != 1 {
		t.Error("a new passphrase took the personal key from the passkey")
	}
	must[store.UserKey](t)(db.PutUserKey(ctx, store.UserKey{User: ann.ID, Recipient: "age1b", Wrapped: []byte("k3")}))
	if personal() != 0 {
		t.Error("a passkey keeps a personal key that is none any more")
	}

	ok(t, db.SilencePasskey(ctx, ann.ID, laptop.ID))
	wantCode(t, db.SilencePasskey(ctx, bob.ID, phone.ID), store.NotFound)
	if got := held(); len(got) != 1 || got[0] != "w2" {
		t.Errorf("passkeys open %q", got)
	}
	wantCode(t, db.DeletePasskey(ctx, bob.ID, phone.ID), store.NotFound)
	ok(t, db.DeletePasskey(ctx, ann.ID, phone.ID))
	if got := held(); len(got) != 0 {
		t.Errorf("passkeys open %q", got)
	}
	if must[store.Vault](t)(db.Vault(ctx, garden.ID)).Stale {
		t.Error("stale although Ann has another grant")
	}
}
