package nvr

import (
	"cmp"
	"context"
	"strings"

	"cardea/store"
	"cardea/store/vault"
)

// roleConsole is the role of a command on the machine itself.
const roleConsole = "console"

// maxWrapped bounds a wrapped identity that is no age file, such as one for a device.
const maxWrapped = 64 << 10

// Vaults lists the vaults.
func (n *NVR) Vaults(ctx context.Context) ([]store.Vault, error) { return n.db.Vaults(ctx) }

// CreateVault stores a vault's public half and the wrapped identity. Recording begins at once where it waited for a vault.
func (n *NVR) CreateVault(ctx context.Context, actor store.Actor, v NewVault) (store.Vault, error) {
	recipient, grants, err := n.newKey(ctx, actor, v)
	if err != nil {
		return store.Vault{}, err
	}
	n.change.Lock()
	defer n.change.Unlock()
	if err := n.note(ctx, actor, "vault.create", store.Access{Object: v.Name, Detail: string(recipient.Type())}); err != nil {
		return store.Vault{}, err
	}
	made, err := n.db.CreateVault(ctx, store.Vault{Name: v.Name, Type: string(recipient.Type()), Recipient: recipient.String()}, grants...)
	if err != nil {
		return store.Vault{}, err
	}
	n.log.InfoContext(ctx, "vault created", "by", actor.Name, "vault", made.ID.String(), "type", made.Type)
	if err := n.refresh(ctx); err != nil {
		return store.Vault{}, err
	}
	n.lookForVault(ctx)
	return made, nil
}

// newKey checks a key pair that somebody brings, and makes grants of what it was wrapped for.
func (n *NVR) newKey(ctx context.Context, actor store.Actor, v NewVault) (vault.Recipient, []store.Grant, error) {
	recipient, err := vault.ParseRecipient(v.Recipient)
	if err != nil {
		return recipient, nil, store.Errorf(store.Invalid, "the vault's recipient is no age recipient; it begins with age1")
	}
	if v.Type != "" && string(recipient.Type()) != v.Type {
		return recipient, nil, store.Errorf(store.Invalid, "the recipient is of type %s, not %.20q", recipient.Type(), v.Type)
	}
	var grants []store.Grant
	if len(v.Wrapped) > 0 {
		if err := vault.Wrapped(v.Wrapped); err != nil {
			return recipient, nil, store.Errorf(store.Invalid, "%s", err.Error())
		}
		grants = append(grants, store.Grant{User: cmp.Or(v.User, actor.User), Kind: "passphrase", Wrapped: v.Wrapped})
	}
	for _, g := range v.Grants {
		if err := n.sealedTo(ctx, g.User, g.Recipient, g.Wrapped); err != nil {
			return recipient, nil, err
		}
		grants = append(grants, store.Grant{User: g.User, Kind: "sealed", Wrapped: g.Wrapped})
	}
	return recipient, grants, nil
}

// sealedTo checks a grant that was sealed to the personal key of a user, as far as that shows from outside.
func (n *NVR) sealedTo(ctx context.Context, user store.ID, recipient string, wrapped []byte) error {
	if err := vault.SealedGrant(wrapped); err != nil {
		return store.Errorf(store.Invalid, "%s", err.Error())
	}
	keys, err := n.db.UserKeys(ctx, user)
	if err != nil {
		return err
	}
	if user == (store.ID{}) || len(keys) == 0 {
		return store.Errorf(store.Conflict, "this person has no personal key yet; it is made when they sign in")
	}
	if keys[0].Recipient != recipient {
		return store.Errorf(store.Conflict, "%s has another personal key by now; compare its fingerprint and grant again", keys[0].Name)
	}
	return nil
}

// noVault is the alarm of cameras without a vault.
const noVault = "no-vault"

// lookForVault raises an alarm while cameras wait for a vault.
func (n *NVR) lookForVault(ctx context.Context) {
	_, err := n.db.Vault(ctx, store.ID{})
	missing := store.ErrorCode(err) == store.NotFound && len(n.all()) > 0
	n.alarm(noVault, "There is no vault yet, so nothing is recorded: nobody could open it. Create one.", missing)
}

// Grants lists the actor's grants to a vault, of all vaults for the zero ID.
func (n *NVR) Grants(ctx context.Context, actor store.Actor, vault store.ID) ([]store.Grant, error) {
	if actor.User == (store.ID{}) {
		return nil, nil // the console has none
	}
	return n.db.Grants(ctx, vault, actor.User)
}

// AllGrants lists the grants in force of everybody, without what is wrapped.
func (n *NVR) AllGrants(ctx context.Context) ([]store.Grant, error) {
	all, err := n.db.Grants(ctx, store.ID{}, store.ID{})
	for i := range all {
		all[i].Wrapped = nil
	}
	return all, err
}

// AddGrant stores another wrapped identity: of the actor, or, sealed to the personal key of somebody else, for them.
func (n *NVR) AddGrant(ctx context.Context, actor store.Actor, id store.ID, g NewGrant) (store.Grant, error) {
	user := cmp.Or(g.User, actor.User)
	if user != actor.User && (g.Kind != "sealed" || actor.Role != store.RoleOwner && actor.Role != roleConsole) {
		return store.Grant{}, store.Errorf(store.Denied, "an owner may grant a vault to somebody else, sealed to that person's key")
	}
	switch {
	case g.Kind == "sealed":
		if err := n.sealedTo(ctx, user, g.Recipient, g.Wrapped); err != nil {
			return store.Grant{}, err
		}
	case len(g.Wrapped) > maxWrapped:
		return store.Grant{}, store.Errorf(store.Invalid, "a wrapped identity has at most 64 KiB")
	case g.Kind == "passphrase":
		if err := vault.Wrapped(g.Wrapped); err != nil {
			return store.Grant{}, store.Errorf(store.Invalid, "%s", err.Error())
		}
	case vault.Bare(g.Wrapped):
		return store.Grant{}, store.Errorf(store.Invalid, "this is the vault's identity itself; it must never be stored here unwrapped")
	}
	if err := n.note(ctx, actor, "grant.add", store.Access{Object: n.vaultName(ctx, id), Detail: strings.TrimSpace(g.Kind + " " + g.Label + n.forWhom(ctx, actor, user))}); err != nil {
		return store.Grant{}, err
	}
	made, err := n.db.AddGrant(ctx, store.Grant{Vault: id, User: user, Kind: g.Kind, Passkey: g.Passkey, Label: g.Label, Wrapped: g.Wrapped})
	if err == nil {
		n.log.InfoContext(ctx, "grant added", "by", actor.Name, "vault", id.String(), "kind", g.Kind, "label", g.Label)
	}
	return made, err
}

// RevokeGrant takes back a grant of the actor, or of anybody for an owner or the console.
func (n *NVR) RevokeGrant(ctx context.Context, actor store.Actor, id, grant store.ID) error {
	user := actor.User
	if actor.Role == store.RoleOwner || actor.Role == roleConsole {
		user = store.ID{}
	}
	grants, err := n.db.Grants(ctx, id, user)
	if err != nil {
		return err
	}
	for _, g := range grants {
		if g.ID == grant {
			n.log.InfoContext(ctx, "grant revoked", "by", actor.Name, "vault", g.Vault.String(), "grant", grant.String())
			if err := n.note(ctx, actor, "grant.revoke", store.Access{Object: n.vaultName(ctx, g.Vault), Detail: strings.TrimSpace(g.Kind + " " + g.Label + n.forWhom(ctx, actor, g.User))}); err != nil {
				return err
			}
			return n.db.RevokeGrant(ctx, grant)
		}
	}
	return store.Errorf(store.NotFound, "there is no grant %s", grant)
}
