package store

import (
	"context"
	"time"
)

// Passkey is a WebAuthn credential of a user.
type Passkey struct {
	ID         ID
	User       ID
	Credential []byte // credential id, as the authenticator names it
	Record     []byte // JSON; opaque here
	Name       string
	PRF        bool // can derive a key for a vault
	Created    time.Time
	LastUsed   time.Time // zero = never
}

const passkeyColumns = `SELECT p.id, u.id, p.credential, p.record, p.name, p.prf, p.created, p.last_used FROM passkey p JOIN user u ON u.no = p.user_no `

func scanPasskey(row scanner) (k Passkey, err error) {
	var record string
	err = row.Scan(&k.ID, &k.User, &k.Credential, &record, &k.Name, &k.PRF, instant{&k.Created}, instant{&k.LastUsed})
	k.Record = []byte(record)
	return k, err
}

// AddPasskey stores a credential; ID and Created are filled in where they are zero. One that is known already is a Conflict.
func (db *DB) AddPasskey(ctx context.Context, k Passkey) (Passkey, error) {
	if k.Created.IsZero() {
		k.Created = db.now()
	}
	if k.ID == (ID{}) {
		id, err := db.NewID(k.Created)
		if err != nil {
			return k, err
		}
		k.ID = id
	}
	return k, db.write(ctx, func(t *tx) error {
		user, err := userNo(t, k.User)
		if err != nil {
			return err
		}
		_, err = t.exec(`INSERT INTO passkey (id, user_no, credential, record, name, prf, created) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			k.ID, user, k.Credential, string(k.Record), k.Name, k.PRF, micros(k.Created))
		if duplicate(err) {
			return Errorf(Conflict, "this passkey is known already")
		}
		return err
	})
}

// Passkeys lists the credentials of a user, the latest first.
func (db *DB) Passkeys(ctx context.Context, user ID) (all []Passkey, err error) {
	err = db.read(ctx, func(t *tx) error {
		all, err = list(t, scanPasskey, passkeyColumns+`WHERE u.id = ? ORDER BY p.created DESC`, user)
		return err
	})
	return all, err
}

// UsePasskey stores what a sign-in changed of a credential. NotFound where it was deleted in the meantime.
func (db *DB) UsePasskey(ctx context.Context, id ID, record []byte, used time.Time) error {
	return db.write(ctx, func(t *tx) error {
		return t.change(errNoPasskey(), `UPDATE passkey SET record = ?, last_used = ? WHERE id = ?`, string(record), micros(used), id)
	})
}

// DeletePasskey removes a credential of a user. NotFound.
func (db *DB) DeletePasskey(ctx context.Context, user, id ID) error {
	return db.write(ctx, func(t *tx) error {
		return t.change(errNoPasskey(), `DELETE FROM passkey WHERE id = ? AND user_no = (SELECT no FROM user WHERE id = ?)`, id, user)
	})
}

func errNoPasskey() *Error { return Errorf(NotFound, "there is no such passkey") }
