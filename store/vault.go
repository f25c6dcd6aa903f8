package store

import (
	"context"
	"slices"
	"time"
)

// Vault is a key pair that clips are sealed to; the store knows the public half.
type Vault struct {
	ID        ID
	Name      string
	Type      string // "hybrid" or "x25519"
	Recipient string // age recipient
	Created   time.Time
	Retired   time.Time // zero = takes new clips
	Default   bool
	Successor ID     // the vault that took its place; zero = none
	Stale     bool   // somebody who could open it lost their last grant
	BoxGrant  []byte // its identity sealed with the box key; nil = the box cannot open it
}

// Grant is a vault's identity wrapped for one person. The store cannot open it.
type Grant struct {
	ID      ID
	Vault   ID
	User    ID
	Kind    string // "passphrase", "passkey", "device", or "sealed" to the personal key
	Passkey ID     // which passkey opens it, for that kind
	Label   string
	Wrapped []byte
	Created time.Time
	Revoked time.Time // zero = in force
}

const vaultColumns = `SELECT id, name, type, recipient, created, retired, preferred,
	coalesce((SELECT s.id FROM vault s WHERE s.no = vault.successor_no), zeroblob(16)), stale, box_grant FROM vault `

func scanVault(row scanner) (v Vault, err error) {
	return v, row.Scan(&v.ID, &v.Name, &v.Type, &v.Recipient, instant{&v.Created}, instant{&v.Retired}, &v.Default, &v.Successor, &v.Stale, &v.BoxGrant)
}

func vaultNo(t *tx, id ID) (no int64, err error) {
	return no, t.one(Errorf(NotFound, "there is no vault %s", id), `SELECT no FROM vault WHERE id = ?`, []any{id}, &no)
}

// vaultNoOrNull is for columns where NULL means the default vault. A retired vault takes nothing new.
func vaultNoOrNull(t *tx, id ID) (any, error) {
	if id == (ID{}) {
		return nil, nil
	}
	no, err := vaultNo(t, id)
	if err != nil {
		return nil, err
	}
	return no, t.one(Errorf(Conflict, "the vault is retired and takes no new clips; choose the one that took its place"),
		`SELECT no FROM vault WHERE no = ? AND retired IS NULL`, []any{no}, &no)
}

// Vaults lists all vaults, the oldest first.
func (db *DB) Vaults(ctx context.Context) (all []Vault, err error) {
	err = db.read(ctx, func(t *tx) error {
		all, err = list(t, scanVault, vaultColumns+`ORDER BY no`)
		return err
	})
	return all, err
}

// Vault gives one vault; the zero ID gives the default one. NotFound.
func (db *DB) Vault(ctx context.Context, id ID) (v Vault, err error) {
	err = db.read(ctx, func(t *tx) error {
		found, err := list(t, scanVault, vaultColumns+`WHERE id = ?1 OR (?2 AND preferred = 1)`, id, id == (ID{}))
		if err != nil {
			return err
		}
		if len(found) == 0 && id == (ID{}) {
			return Errorf(NotFound, "there is no vault yet")
		}
		if len(found) == 0 {
			return Errorf(NotFound, "there is no vault %s", id)
		}
		v = found[0]
		return nil
	})
	return v, err
}

// CreateVault stores a new vault together with the first grants to it. The first vault becomes the default; a later one only
// when v.Default says so. A recipient that is there already is a Conflict.
func (db *DB) CreateVault(ctx context.Context, v Vault, grants ...Grant) (Vault, error) {
	if err := checkName("vault", v.Name); err != nil {
		return Vault{}, err
	}
	if (v.Type != "hybrid" && v.Type != "x25519") || v.Recipient == "" {
		return Vault{}, Errorf(Invalid, "a vault needs a recipient and is of type hybrid or x25519")
	}
	err := db.write(ctx, func(t *tx) error {
		var others int
		if err := t.one(nil, `SELECT count(*) FROM vault WHERE preferred = 1`, nil, &others); err != nil {
			return err
		}
		v.Default = v.Default || others == 0
		return insertVault(t, &v, grants)
	})
	if err != nil {
		return Vault{}, err
	}
	return v, nil
}

// insertVault stores v under a new ID, with grants to it.
func insertVault(t *tx, v *Vault, grants []Grant) (err error) {
	if v.ID, err = t.db.NewID(t.db.now()); err != nil {
		return err
	}
	v.Created, v.Retired, v.Successor, v.Stale, v.BoxGrant = fromMicros(micros(t.db.now())), time.Time{}, ID{}, false, nil
	if v.Default {
		if _, err := t.exec(`UPDATE vault SET preferred = 0 WHERE preferred = 1`); err != nil {
			return err
		}
	}
	_, err = t.exec(`INSERT INTO vault (id, name, type, recipient, created, preferred) VALUES (?, ?, ?, ?, ?, ?)`,
		v.ID, v.Name, v.Type, v.Recipient, micros(v.Created), v.Default)
	if duplicate(err) {
		return Errorf(Conflict, "there is a vault with this recipient already")
	}
	if err != nil {
		return err
	}
	for _, grant := range grants {
		grant.Vault = v.ID
		if _, err := addGrant(t, grant); err != nil {
			return err
		}
	}
	return nil
}

// RotateVault retires a vault and puts a new key in its place, in one transaction: the name, the cameras and being the default go
// over. v gives type and recipient, and a name where it is to be another one. NotFound; Conflict when it is retired already.
func (db *DB) RotateVault(ctx context.Context, id ID, v Vault, grants ...Grant) (Vault, error) {
	if (v.Type != "hybrid" && v.Type != "x25519") || v.Recipient == "" {
		return Vault{}, Errorf(Invalid, "a vault needs a recipient and is of type hybrid or x25519")
	}
	err := db.write(ctx, func(t *tx) error {
		no, err := vaultNo(t, id)
		if err != nil {
			return err
		}
		old, err := list(t, scanVault, vaultColumns+`WHERE no = ?`, no)
		if err != nil {
			return err
		}
		if !old[0].Retired.IsZero() {
			return Errorf(Conflict, "this key was renewed already; renew the one that took its place")
		}
		if v.Name == "" {
			v.Name = old[0].Name
		}
		if err := checkName("vault", v.Name); err != nil {
			return err
		}
		v.Default = old[0].Default
		if err := insertVault(t, &v, grants); err != nil {
			return err
		}
		next, err := vaultNo(t, v.ID)
		if err != nil {
			return err
		}
		if _, err := t.exec(`UPDATE vault SET retired = ?, successor_no = ?, preferred = 0, stale = 0 WHERE no = ?`, micros(db.now()), next, no); err != nil {
			return err
		}
		_, err = t.exec(`UPDATE camera SET vault_no = ? WHERE vault_no = ?`, next, no)
		return err
	})
	if err != nil {
		return Vault{}, err
	}
	return v, nil
}

// RenameVault gives a vault another name.
func (db *DB) RenameVault(ctx context.Context, id ID, name string) error {
	if err := checkName("vault", name); err != nil {
		return err
	}
	return db.write(ctx, func(t *tx) error {
		return t.change(Errorf(NotFound, "there is no vault %s", id), `UPDATE vault SET name = ? WHERE id = ?`, name, id)
	})
}

// SetBoxGrant stores a vault's identity as the box sealed it, or forgets it for nil.
func (db *DB) SetBoxGrant(ctx context.Context, id ID, sealed []byte) error {
	return db.write(ctx, func(t *tx) error {
		return t.change(Errorf(NotFound, "there is no vault %s", id), `UPDATE vault SET box_grant = ? WHERE id = ?`, blob(sealed), id)
	})
}

// SetDefaultVault makes a vault that is not retired the one that new clips are sealed to.
func (db *DB) SetDefaultVault(ctx context.Context, id ID) error {
	return db.write(ctx, func(t *tx) error {
		if _, err := t.exec(`UPDATE vault SET preferred = 0 WHERE preferred = 1`); err != nil {
			return err
		}
		return t.change(Errorf(NotFound, "there is no vault %s in use", id),
			`UPDATE vault SET preferred = 1 WHERE id = ? AND retired IS NULL`, id)
	})
}

const grantColumns = `SELECT g.id, v.id, u.id, g.kind, coalesce((SELECT p.id FROM passkey p WHERE p.no = g.passkey_no), zeroblob(16)), g.label, g.wrapped,
	g.created, g.revoked FROM vault_grant g JOIN vault v ON v.no = g.vault_no JOIN user u ON u.no = g.user_no `

func scanGrant(row scanner) (g Grant, err error) {
	return g, row.Scan(&g.ID, &g.Vault, &g.User, &g.Kind, &g.Passkey, &g.Label, &g.Wrapped, instant{&g.Created}, instant{&g.Revoked})
}

// Grants lists the grants in force, of one vault and one user; a zero ID means all.
func (db *DB) Grants(ctx context.Context, vault, user ID) (all []Grant, err error) {
	err = db.read(ctx, func(t *tx) error {
		all, err = list(t, scanGrant, grantColumns+`WHERE g.revoked IS NULL AND (?1 OR v.id = ?2) AND (?3 OR u.id = ?4) ORDER BY g.no`,
			vault == (ID{}), vault, user == (ID{}), user)
		return err
	})
	return all, err
}

// AddGrant stores a wrapped identity and gives it back with ID and Created. One that a passkey opens takes the place of the one before;
// NotFound where the passkey is not that of the user.
func (db *DB) AddGrant(ctx context.Context, grant Grant) (Grant, error) {
	err := db.write(ctx, func(t *tx) (err error) {
		grant, err = addGrant(t, grant)
		return err
	})
	return grant, err
}

func addGrant(t *tx, grant Grant) (Grant, error) {
	if len(grant.Wrapped) == 0 || !slices.Contains([]string{"passphrase", "passkey", "device", "sealed"}, grant.Kind) {
		return Grant{}, Errorf(Invalid, "a grant needs a wrapped identity and is of kind passphrase, passkey, device or sealed")
	}
	vault, err := vaultNo(t, grant.Vault)
	if err != nil {
		return Grant{}, err
	}
	user, err := userNo(t, grant.User)
	if err != nil {
		return Grant{}, err
	}
	if grant.ID, err = t.db.NewID(t.db.now()); err != nil {
		return Grant{}, err
	}
	grant.Created, grant.Revoked = fromMicros(micros(t.db.now())), time.Time{}
	var passkey any // NULL where none opens it
	if grant.Kind == "passkey" {
		var no int64
		if err := t.one(errNoPasskey(), `SELECT no FROM passkey WHERE id = ? AND user_no = ?`, []any{grant.Passkey, user}, &no); err != nil {
			return grant, err
		}
		passkey = no
	}
	_, err = t.exec(`INSERT INTO vault_grant (id, vault_no, user_no, kind, passkey_no, label, wrapped, created) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		grant.ID, vault, user, grant.Kind, passkey, grant.Label, grant.Wrapped, micros(grant.Created))
	if err != nil || passkey == nil {
		return grant, err
	}
	_, err = t.exec(`UPDATE vault_grant SET revoked = ?, wrapped = zeroblob(0) WHERE revoked IS NULL AND vault_no = ? AND passkey_no = ? AND id <> ?`,
		micros(grant.Created), vault, passkey, grant.ID)
	return grant, err
}

// RevokeGrant takes a grant back and forgets the wrapped identity. NotFound when it is not in force.
func (db *DB) RevokeGrant(ctx context.Context, id ID) error {
	return db.write(ctx, func(t *tx) error {
		return t.change(Errorf(NotFound, "there is no grant %s in force", id),
			`UPDATE vault_grant SET revoked = ?, wrapped = zeroblob(0) WHERE id = ? AND revoked IS NULL`, micros(db.now()), id)
	})
}

// RevokeHolder takes back every grant of a user to a vault and to the ones whose place it took, and says how many there were.
func (db *DB) RevokeHolder(ctx context.Context, vault, user ID) (n int, err error) {
	err = db.write(ctx, func(t *tx) error {
		if _, err := vaultNo(t, vault); err != nil {
			return err
		}
		no, err := userNo(t, user)
		if err != nil {
			return err
		}
		result, err := t.exec(`WITH RECURSIVE line (no) AS (SELECT no FROM vault WHERE id = ? UNION SELECT v.no FROM vault v JOIN line ON v.successor_no = line.no)
			UPDATE vault_grant SET revoked = ?, wrapped = zeroblob(0) WHERE revoked IS NULL AND user_no = ? AND vault_no IN line`, vault, micros(db.now()), no)
		if err != nil {
			return err
		}
		changed, err := result.RowsAffected()
		n = int(changed)
		return err
	})
	return n, err
}
