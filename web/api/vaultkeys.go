package api

import (
	"context"
	"time"

	"cardea/auth"
	"cardea/nvr"
	"cardea/store"
	"cardea/web/caller"
)

// Holder is somebody who can open a vault.
type Holder struct {
	User   string  `json:"user"`
	Name   string  `json:"name"`
	Grants []Grant `json:"grants" nullable:"false"`
}

// keeping adds to the vaults what an owner has to know: who can open each, and which cameras are sealed to it.
func (a *API) keeping(ctx context.Context, vaults []Vault) error {
	cameras, err := a.nvr.Cameras(ctx)
	if err != nil {
		return err
	}
	who := caller.From(ctx)
	var holders map[string][]Holder
	if who.Role >= caller.Owner {
		if holders, err = a.holders(ctx); err != nil {
			return err
		}
	}
	for i := range vaults {
		vaults[i].Cameras, vaults[i].Holders = []string{}, holders[vaults[i].ID]
		for _, c := range cameras {
			if c.Camera.Vault.String() == vaults[i].ID && who.Sees(c.Camera.ID) {
				vaults[i].Cameras = append(vaults[i].Cameras, c.Camera.ID.String())
			}
		}
	}
	return nil
}

// holders lists who has grants, by vault.
func (a *API) holders(ctx context.Context) (map[string][]Holder, error) {
	grants, err := a.nvr.AllGrants(ctx)
	if err != nil {
		return nil, err
	}
	names, err := a.userNames(ctx)
	if err != nil {
		return nil, err
	}
	all := map[string][]Holder{}
	for _, g := range grants {
		in := all[g.Vault.String()]
		at := -1
		for i, h := range in {
			if h.User == g.User.String() {
				at = i
			}
		}
		if at < 0 {
			at, in = len(in), append(in, Holder{User: g.User.String(), Name: names[g.User]})
		}
		in[at].Grants = append(in[at].Grants, grant(g))
		all[g.Vault.String()] = in
	}
	return all, nil
}

func (a *API) userNames(ctx context.Context) (map[store.ID]string, error) {
	users, err := a.auth.Users(ctx)
	if err != nil {
		return nil, err
	}
	names := map[store.ID]string{}
	for _, u := range users {
		names[u.ID] = u.Name
	}
	return names, nil
}

// oneVault is the vault as it is listed.
func (a *API) oneVault(ctx context.Context, id store.ID) (Vault, error) {
	all, err := a.vaults(ctx)
	if err != nil {
		return Vault{}, err
	}
	for _, v := range all {
		if v.ID == id.String() {
			return v, nil
		}
	}
	return Vault{}, store.Errorf(store.NotFound, "there is no vault %s", id)
}

// ChangeVaultRequest changes a vault; what is left out stays.
type ChangeVaultRequest struct {
	ByID
	Body struct {
		Name    *string `json:"name,omitempty" maxLength:"400"`
		Default bool    `json:"default,omitempty" doc:"Seal the clips of cameras without a vault of their own to this one"`
	}
}

// ChangeVault answers PATCH /api/vaults/{id}.
func (a *API) ChangeVault(ctx context.Context, in *ChangeVaultRequest) (*Body[Vault], error) {
	id, err := store.ParseID(in.ID)
	if err != nil {
		return nil, err
	}
	if _, err := a.nvr.ChangeVault(ctx, actor(ctx), id, nvr.VaultChange{Name: in.Body.Name, Default: in.Body.Default}); err != nil {
		return nil, err
	}
	v, err := a.oneVault(ctx, id)
	return answer(v), err
}

// SealedGrant is a vault's identity sealed to somebody's personal key.
type SealedGrant struct {
	User      string `json:"user" doc:"ULID" maxLength:"26"`
	Recipient string `json:"recipient" maxLength:"8192" doc:"The personal key that it is sealed to"`
	Wrapped   []byte `json:"wrapped" maxLength:"65536" doc:"Base64 of an age file of the identity line"`
}

// NewKey is a key pair for a vault that was made in the browser.
type NewKey struct {
	Recipient string        `json:"recipient" maxLength:"8192"`
	Wrapped   []byte        `json:"wrapped,omitempty" maxLength:"65536" doc:"Base64 of an age file of the identity line, wrapped by the caller's vault passphrase"`
	KitTested bool          `json:"kit_tested" doc:"The recovery kit was shown to open the vault"`
	Grants    []SealedGrant `json:"grants,omitempty" maxItems:"200" doc:"For other people"`
	User      string        `json:"user,omitempty" maxLength:"26" doc:"Whom it is wrapped for, where the console brings it"`
}

func (k *NewKey) vault(ctx context.Context) (nvr.NewVault, error) {
	if !k.KitTested {
		return nvr.NewVault{}, errKit()
	}
	user, err := wrappedFor(ctx, k.User)
	if err != nil {
		return nvr.NewVault{}, err
	}
	v := nvr.NewVault{Recipient: k.Recipient, Wrapped: k.Wrapped, User: user}
	for _, g := range k.Grants {
		user, err := store.ParseID(g.User)
		if err != nil {
			return nvr.NewVault{}, err
		}
		v.Grants = append(v.Grants, nvr.SealedGrant{User: user, Recipient: g.Recipient, Wrapped: g.Wrapped})
	}
	return v, nil
}

// wrappedFor is whom an identity is wrapped for: the caller, or somebody that the console names.
func wrappedFor(ctx context.Context, user string) (store.ID, error) {
	id, err := optionalID(user)
	if err == nil && id != (store.ID{}) && caller.From(ctx).Role != caller.Console {
		err = store.Errorf(store.Invalid, "only the console names whom a vault is wrapped for")
	}
	return id, err
}

func errKit() *store.Error {
	return store.Errorf(store.Invalid, "the recovery kit has to be tested before the vault is used: without it a forgotten passphrase loses every clip")
}

// RotateRequest renews a vault's key.
type RotateRequest struct {
	ByID
	Body NewKey
}

// Named is somebody.
type Named struct {
	User string `json:"user"`
	Name string `json:"name"`
}

// Rotated is a vault with a new key.
type Rotated struct {
	Vault   Vault   `json:"vault"`
	LeftOut []Named `json:"left_out" nullable:"false" doc:"Who could open the old key and cannot open the new one"`
}

// Rotate answers POST /api/vaults/{id}/rotate.
func (a *API) Rotate(ctx context.Context, in *RotateRequest) (*Body[Rotated], error) {
	id, err := store.ParseID(in.ID)
	if err != nil {
		return nil, err
	}
	key, err := in.Body.vault(ctx)
	if err != nil {
		return nil, err
	}
	made, out, err := a.nvr.RotateVault(ctx, actor(ctx), id, key)
	if err != nil {
		return nil, err
	}
	names, err := a.userNames(ctx)
	if err != nil {
		return nil, err
	}
	v, err := a.oneVault(ctx, made.ID)
	if err != nil {
		return nil, err
	}
	return answer(Rotated{v, list(out, func(id store.ID) Named { return Named{id.String(), names[id]} })}), nil
}

// RevokeHolderRequest takes a vault from somebody.
type RevokeHolderRequest struct {
	ByID
	Body struct {
		User   string  `json:"user" doc:"ULID" maxLength:"26"`
		Rotate *NewKey `json:"rotate,omitempty" doc:"The new key, without which what is recorded from now on is not safe from that person"`
	}
}

// Revoked says what is left to do after a vault was taken from somebody.
type Revoked struct {
	RotationNeeded bool   `json:"rotation_needed" doc:"The person may have kept the identity, and clips are still sealed to it"`
	Vault          *Vault `json:"vault" doc:"The vault with its new key; null without rotate"`
}

// RevokeHolder answers POST /api/vaults/{id}/revoke.
func (a *API) RevokeHolder(ctx context.Context, in *RevokeHolderRequest) (*Body[Revoked], error) {
	id, err := store.ParseID(in.ID)
	if err != nil {
		return nil, err
	}
	user, err := store.ParseID(in.Body.User)
	if err != nil {
		return nil, err
	}
	var key *nvr.NewVault
	if in.Body.Rotate != nil {
		v, err := in.Body.Rotate.vault(ctx)
		if err != nil {
			return nil, err
		}
		key = &v
	}
	made, err := a.nvr.RevokeHolder(ctx, actor(ctx), id, user, key)
	if err != nil {
		return nil, err
	}
	if key != nil {
		id = made.ID
	}
	v, err := a.oneVault(ctx, id)
	if err != nil {
		return nil, err
	}
	out := Revoked{RotationNeeded: v.RotationNeeded}
	if key != nil {
		out.Vault = &v
	}
	return answer(out), nil
}

// OpenVaultRequest hands an identity to the box.
type OpenVaultRequest struct {
	ByID
	Body struct {
		Identity string `json:"identity" maxLength:"8192" doc:"The AGE-SECRET-KEY line"`
	}
}

// OpenVault answers POST /api/vaults/{id}/open.
func (a *API) OpenVault(ctx context.Context, in *OpenVaultRequest) (*Body[Vault], error) {
	id, err := store.ParseID(in.ID)
	if err != nil {
		return nil, err
	}
	if err := a.nvr.VaultIdentity(ctx, id, in.Body.Identity); err != nil {
		return nil, err
	}
	v, err := a.oneVault(ctx, id)
	if err != nil {
		return nil, err
	}
	err = a.auth.Approved(ctx, actor(ctx), auth.ActVaultOpen, v.ID, "let the box open the vault "+v.Name, func() error {
		_, err := a.nvr.OpenVault(ctx, actor(ctx), id, in.Body.Identity)
		return err
	})
	if err != nil {
		return nil, err
	}
	v.Open = true
	return answer(v), nil
}

// SealVault answers POST /api/vaults/{id}/seal.
func (a *API) SealVault(ctx context.Context, in *ByID) (*Body[Vault], error) {
	id, err := store.ParseID(in.ID)
	if err != nil {
		return nil, err
	}
	if _, err := a.nvr.SealVault(ctx, actor(ctx), id); err != nil {
		return nil, err
	}
	v, err := a.oneVault(ctx, id)
	return answer(v), err
}

// PersonalKey is what owners seal vaults to for somebody.
type PersonalKey struct {
	User      string    `json:"user"`
	Name      string    `json:"name"`
	Role      string    `json:"role"`
	Recipient string    `json:"recipient"`
	Wrapped   []byte    `json:"wrapped,omitempty" doc:"Base64 of the private half, wrapped by the vault passphrase; only one's own"`
	Created   time.Time `json:"created"`
}

func personalKey(k store.UserKey) PersonalKey {
	return PersonalKey{k.User.String(), k.Name, k.Role, k.Recipient, k.Wrapped, k.Created}
}

// PersonalKey answers GET /api/account/key.
func (a *API) PersonalKey(ctx context.Context, _ *None) (*Body[PersonalKey], error) {
	k, err := a.nvr.UserKey(ctx, actor(ctx))
	if err != nil {
		return nil, err
	}
	return answer(personalKey(k)), nil
}

// PutPersonalKeyRequest brings a personal key made in the browser.
type PutPersonalKeyRequest struct {
	Body struct {
		Recipient string `json:"recipient" maxLength:"8192"`
		Wrapped   []byte `json:"wrapped" maxLength:"65536" doc:"Base64 of an age file of the private half, wrapped by the vault passphrase"`
	}
}

// PutPersonalKey answers PUT /api/account/key.
func (a *API) PutPersonalKey(ctx context.Context, in *PutPersonalKeyRequest) (*Body[PersonalKey], error) {
	k, err := a.nvr.PutUserKey(ctx, actor(ctx), in.Body.Recipient, in.Body.Wrapped)
	if err != nil {
		return nil, err
	}
	return answer(personalKey(k)), nil
}

// PersonalKeys answers GET /api/keys.
func (a *API) PersonalKeys(ctx context.Context, _ *None) (*Body[[]PersonalKey], error) {
	all, err := a.nvr.UserKeys(ctx)
	if err != nil {
		return nil, err
	}
	return answer(list(all, personalKey)), nil
}
