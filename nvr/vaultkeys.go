package nvr

import (
	"context"

	"cardea/store"
	"cardea/store/vault"
)

// vaultName is what the log calls a vault; its id where there is none.
func (n *NVR) vaultName(ctx context.Context, id store.ID) string {
	v, err := n.db.Vault(ctx, id)
	if id == (store.ID{}) || err != nil {
		return id.String()
	}
	return v.Name
}

// forWhom says for the log that something is done to somebody else.
func (n *NVR) forWhom(ctx context.Context, actor store.Actor, user store.ID) string {
	if user == actor.User {
		return ""
	}
	u, err := n.db.User(ctx, user)
	if err != nil {
		return " for " + user.String()
	}
	return " for " + u.Name
}

// VaultChange is the input of ChangeVault; nil leaves a field as it is.
type VaultChange struct {
	Name *string
	// Default, when true, seals the clips of cameras without a vault of their own to this one from now on.
	Default bool
}

// ChangeVault renames a vault or makes it the default.
func (n *NVR) ChangeVault(ctx context.Context, actor store.Actor, id store.ID, c VaultChange) (store.Vault, error) {
	v, err := n.existing(ctx, id)
	if err != nil {
		return store.Vault{}, err
	}
	detail := ""
	if c.Name != nil {
		detail = "name"
	}
	if c.Default {
		detail += " default"
	}
	n.change.Lock()
	defer n.change.Unlock()
	if err := n.note(ctx, actor, "vault.change", store.Access{Object: v.Name, Detail: detail}); err != nil {
		return store.Vault{}, err
	}
	if c.Name != nil {
		if err := n.db.RenameVault(ctx, id, *c.Name); err != nil {
			return store.Vault{}, err
		}
	}
	if c.Default {
		if err := n.db.SetDefaultVault(ctx, id); err != nil {
			return store.Vault{}, err
		}
		if err := n.refresh(ctx); err != nil {
			return store.Vault{}, err
		}
	}
	return n.db.Vault(ctx, id)
}

// existing gives a vault by its ID; the zero ID is nobody's.
func (n *NVR) existing(ctx context.Context, id store.ID) (store.Vault, error) {
	if id == (store.ID{}) {
		return store.Vault{}, store.Errorf(store.NotFound, "there is no vault %s", id)
	}
	return n.db.Vault(ctx, id)
}

// RotateVault puts a new key in the place of a vault's: clips from now on are sealed to it, older ones stay with the old key.
// leftOut are the people who had a grant and have none of the new key.
func (n *NVR) RotateVault(ctx context.Context, actor store.Actor, id store.ID, v NewVault) (made store.Vault, leftOut []store.ID, err error) {
	old, err := n.existing(ctx, id)
	if err != nil {
		return store.Vault{}, nil, err
	}
	recipient, grants, err := n.newKey(ctx, actor, v)
	if err != nil {
		return store.Vault{}, nil, err
	}
	if len(grants) == 0 {
		return store.Vault{}, nil, store.Errorf(store.Invalid, "nobody could open the new key: wrap it for at least one person")
	}
	n.change.Lock()
	defer n.change.Unlock()
	if err := n.note(ctx, actor, "vault.rotate", store.Access{Object: old.Name, Detail: string(recipient.Type())}); err != nil {
		return store.Vault{}, nil, err
	}
	made, err = n.db.RotateVault(ctx, id, store.Vault{Name: v.Name, Type: string(recipient.Type()), Recipient: recipient.String()}, grants...)
	if err != nil {
		return store.Vault{}, nil, err
	}
	for _, r := range n.all() {
		r.mu.Lock()
		if r.row.Vault == id {
			r.row.Vault = made.ID
		}
		r.mu.Unlock()
	}
	if err := n.refresh(ctx); err != nil {
		return store.Vault{}, nil, err
	}
	n.log.InfoContext(ctx, "vault renewed", "by", actor.Name, "old", id.String(), "vault", made.ID.String())
	leftOut, err = n.leftOut(ctx, id, made.ID)
	return made, leftOut, err
}

// leftOut lists who has a grant of one vault and none of the other.
func (n *NVR) leftOut(ctx context.Context, had, has store.ID) ([]store.ID, error) {
	var users []store.ID
	before, err := n.db.Grants(ctx, had, store.ID{})
	if err != nil {
		return nil, err
	}
	after, err := n.db.Grants(ctx, has, store.ID{})
	if err != nil {
		return nil, err
	}
	in := map[store.ID]bool{}
	for _, g := range after {
		in[g.User] = true
	}
	for _, g := range before {
		if !in[g.User] {
			users, in[g.User] = append(users, g.User), true
		}
	}
	return users, nil
}

// RevokeHolder takes a vault, and the keys before it, from somebody. What they kept they keep: clips from now on are safe from them
// only under another key, so renew brings it, or the vault says that it needs one (store.Vault.Stale). made is the zero Vault without.
func (n *NVR) RevokeHolder(ctx context.Context, actor store.Actor, id, user store.ID, renew *NewVault) (made store.Vault, err error) {
	v, err := n.existing(ctx, id)
	if err != nil {
		return store.Vault{}, err
	}
	if renew != nil {
		for _, g := range renew.Grants {
			if g.User == user {
				return store.Vault{}, store.Errorf(store.Invalid, "the person who is to lose the vault is among those who are granted its new key")
			}
		}
		if !v.Retired.IsZero() {
			return store.Vault{}, store.Errorf(store.Conflict, "this key was renewed already; revoke the vault that took its place")
		}
		if _, _, err := n.newKey(ctx, actor, *renew); err != nil {
			return store.Vault{}, err
		}
	}
	if err := n.note(ctx, actor, "vault.revoke", store.Access{Object: v.Name, Detail: n.forWhom(ctx, actor, user)}); err != nil {
		return store.Vault{}, err
	}
	count, err := n.db.RevokeHolder(ctx, id, user)
	if err != nil {
		return store.Vault{}, err
	}
	n.log.InfoContext(ctx, "vault taken from a person", "by", actor.Name, "vault", id.String(), "user", user.String(), "grants", count)
	if renew == nil {
		return store.Vault{}, nil
	}
	made, _, err = n.RotateVault(ctx, actor, id, *renew)
	return made, err
}

// UserKey gives the actor's own personal key, private half wrapped. NotFound.
func (n *NVR) UserKey(ctx context.Context, actor store.Actor) (store.UserKey, error) {
	if actor.User == (store.ID{}) {
		return store.UserKey{}, store.Errorf(store.NotFound, "the console has no personal key")
	}
	keys, err := n.db.UserKeys(ctx, actor.User)
	if err == nil && len(keys) == 0 {
		err = store.Errorf(store.NotFound, "you have no personal key yet")
	}
	if err != nil {
		return store.UserKey{}, err
	}
	return keys[0], nil
}

// UserKeys lists the public halves of everybody's personal keys.
func (n *NVR) UserKeys(ctx context.Context) ([]store.UserKey, error) {
	keys, err := n.db.UserKeys(ctx, store.ID{})
	for i := range keys {
		keys[i].Wrapped = nil
	}
	return keys, err
}

// PutUserKey stores the actor's personal key: a new one, or the same under another passphrase.
func (n *NVR) PutUserKey(ctx context.Context, actor store.Actor, recipient string, wrapped []byte) (store.UserKey, error) {
	key, err := vault.ParseRecipient(recipient)
	if err != nil {
		return store.UserKey{}, store.Errorf(store.Invalid, "the public half of the key is no age recipient; it begins with age1")
	}
	if err := vault.Wrapped(wrapped); err != nil {
		return store.UserKey{}, store.Errorf(store.Invalid, "%s", err.Error())
	}
	if err := n.note(ctx, actor, "key.change", store.Access{Object: actor.Name}); err != nil {
		return store.UserKey{}, err
	}
	return n.db.PutUserKey(ctx, store.UserKey{User: actor.User, Recipient: key.String(), Wrapped: wrapped})
}

// SetPasskeyKey lets a passkey of the actor open their personal key: sealed is its private half, sealed in the browser with a key that only the
// passkey derives. nil takes that back, and with it the grants that the passkey opens; it goes on to sign in.
func (n *NVR) SetPasskeyKey(ctx context.Context, actor store.Actor, id store.ID, sealed []byte) error {
	switch {
	case len(sealed) > maxWrapped:
		return store.Errorf(store.Invalid, "a wrapped key has at most 64 KiB")
	case vault.Bare(sealed):
		return store.Errorf(store.Invalid, "this is a personal key itself; it must never be stored here unwrapped")
	}
	detail := "personal key"
	if sealed == nil {
		detail = "taken back"
	}
	if err := n.note(ctx, actor, "key.passkey", store.Access{Object: actor.Name, Detail: detail}); err != nil {
		return err
	}
	if sealed == nil {
		return n.db.SilencePasskey(ctx, actor.User, id)
	}
	return n.db.SetPasskeyPersonal(ctx, actor.User, id, sealed)
}
