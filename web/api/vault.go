package api

import (
	"context"
	"time"

	"cardea/nvr"
	"cardea/store"
	"cardea/web/caller"
)

// Vault is a key pair that clips are sealed to; the NVR knows the public half.
type Vault struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Type      string    `json:"type" enum:"hybrid,x25519"`
	Recipient string    `json:"recipient" doc:"age recipient"`
	Default   bool      `json:"default"`
	Created   time.Time `json:"created"`
	Grants    []Grant   `json:"grants" nullable:"false" doc:"The caller's own"`

	Retired        *time.Time `json:"retired" doc:"Takes no new clips since; null while it does"`
	Successor      *string    `json:"successor" doc:"The vault with the key that took its place"`
	Open           bool       `json:"open" doc:"The box itself can open its clips"`
	RotationNeeded bool       `json:"rotation_needed" doc:"Somebody who could open it lost that, and may have kept the identity: renew its key"`
	Cameras        []string   `json:"cameras" nullable:"false" doc:"Those whose clips are sealed to it by name"`
	Holders        []Holder   `json:"holders,omitempty" doc:"Who can open it; for owners"`
}

// Grant is the vault's identity, wrapped for one person or one device of theirs.
type Grant struct {
	ID      string    `json:"id"`
	User    string    `json:"user"`
	Kind    string    `json:"kind" enum:"passphrase,passkey,device,sealed"`
	Passkey *string   `json:"passkey,omitempty" doc:"Which passkey opens it, for that kind"`
	Label   string    `json:"label"`
	Created time.Time `json:"created"`
	Wrapped []byte    `json:"wrapped,omitempty" doc:"Base64, only among the caller's own grants"`
}

func grant(g store.Grant) Grant {
	return Grant{ID: g.ID.String(), User: g.User.String(), Kind: g.Kind, Passkey: idOrNull(g.Passkey), Label: g.Label, Created: g.Created}
}

func ownGrant(g store.Grant) Grant {
	shown := grant(g)
	shown.Wrapped = g.Wrapped
	return shown
}

// vaults lists the vaults with the grants that the caller holds.
func (a *API) vaults(ctx context.Context) ([]Vault, error) {
	all, err := a.nvr.Vaults(ctx)
	if err != nil {
		return nil, err
	}
	shown := list(all, vault)
	if err := a.keeping(ctx, shown); err != nil {
		return nil, err
	}
	if caller.From(ctx).UserID == (store.ID{}) {
		return shown, nil
	}
	for i, v := range all {
		grants, err := a.nvr.Grants(ctx, actor(ctx), v.ID)
		if err != nil {
			return nil, err
		}
		shown[i].Grants = list(grants, grant)
	}
	return shown, nil
}

func vault(v store.Vault) Vault {
	return Vault{
		ID: v.ID.String(), Name: v.Name, Type: v.Type, Recipient: v.Recipient, Default: v.Default, Created: v.Created, Grants: []Grant{},
		Retired: orNull(v.Retired), Successor: idOrNull(v.Successor), Open: v.BoxGrant != nil, RotationNeeded: v.Stale, Cameras: []string{},
	}
}

// Vaults answers GET /api/vaults.
func (a *API) Vaults(ctx context.Context, _ *None) (*Body[[]Vault], error) {
	all, err := a.vaults(ctx)
	if err != nil {
		return nil, err
	}
	return answer(all), nil
}

// NewVaultRequest brings a vault that was made in the browser.
type NewVaultRequest struct {
	Body struct {
		Name      string `json:"name" maxLength:"400"`
		Type      string `json:"type" enum:"hybrid,x25519"`
		Recipient string `json:"recipient" maxLength:"8192"`
		Wrapped   []byte `json:"wrapped" maxLength:"65536" doc:"Base64 of an age file of the identity line, wrapped by the vault passphrase"`
		KitTested bool   `json:"kit_tested" doc:"The recovery kit was shown to open the vault"`
		User      string `json:"user,omitempty" maxLength:"26" doc:"Whom it is wrapped for, where the console brings it"`
	}
}

// NewVault answers POST /api/vaults.
func (a *API) NewVault(ctx context.Context, in *NewVaultRequest) (*Body[Vault], error) {
	b := in.Body
	if !b.KitTested {
		return nil, errKit()
	}
	user, err := wrappedFor(ctx, b.User)
	if err != nil {
		return nil, err
	}
	v, err := a.nvr.CreateVault(ctx, actor(ctx), nvr.NewVault{Name: b.Name, Type: b.Type, Recipient: b.Recipient, Wrapped: b.Wrapped, User: user})
	if err != nil {
		return nil, err
	}
	return answer(vault(v)), nil
}

// Grants answers GET /api/vaults/{id}/grants: those of the person who asks, with the wrapped identity.
func (a *API) Grants(ctx context.Context, in *ByID) (*Body[[]Grant], error) {
	id, err := store.ParseID(in.ID)
	if err != nil {
		return nil, err
	}
	all, err := a.nvr.Grants(ctx, actor(ctx), id)
	if err != nil {
		return nil, err
	}
	return answer(list(all, ownGrant)), nil
}

// NewGrantRequest enrols a device of the person who asks.
type NewGrantRequest struct {
	ByID
	Body struct {
		Kind      string `json:"kind" enum:"passphrase,passkey,device,sealed"`
		Label     string `json:"label,omitempty" maxLength:"400"`
		Wrapped   []byte `json:"wrapped" maxLength:"65536" doc:"Base64"`
		Passkey   string `json:"passkey,omitempty" maxLength:"26" doc:"Which passkey of the caller opens it; passkey only"`
		User      string `json:"user,omitempty" maxLength:"26" doc:"For whom, when an owner grants it to somebody else; sealed only"`
		Recipient string `json:"recipient,omitempty" maxLength:"8192" doc:"The personal key that it is sealed to; sealed only"`
	}
}

// NewGrant answers POST /api/vaults/{id}/grants.
func (a *API) NewGrant(ctx context.Context, in *NewGrantRequest) (*Body[Grant], error) {
	id, err := store.ParseID(in.ID)
	if err != nil {
		return nil, err
	}
	user, err := optionalID(in.Body.User)
	if err != nil {
		return nil, err
	}
	passkey, err := optionalID(in.Body.Passkey)
	if err != nil {
		return nil, err
	}
	g, err := a.nvr.AddGrant(ctx, actor(ctx), id, nvr.NewGrant{
		Kind: in.Body.Kind, Label: in.Body.Label, Wrapped: in.Body.Wrapped, Passkey: passkey, User: user, Recipient: in.Body.Recipient,
	})
	if err != nil {
		return nil, err
	}
	return answer(ownGrant(g)), nil
}

// RevokeGrantRequest names a grant.
type RevokeGrantRequest struct {
	ByID
	Grant string `path:"grant" maxLength:"26"`
}

// RevokeGrant answers DELETE /api/vaults/{id}/grants/{grant}.
func (a *API) RevokeGrant(ctx context.Context, in *RevokeGrantRequest) (*None, error) {
	id, err := store.ParseID(in.ID)
	if err != nil {
		return nil, err
	}
	g, err := store.ParseID(in.Grant)
	if err != nil {
		return nil, err
	}
	return nil, a.nvr.RevokeGrant(ctx, actor(ctx), id, g)
}
