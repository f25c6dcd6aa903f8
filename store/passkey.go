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
	PRF        bool   // can derive a key for a vault
	Personal   []byte // private half of the user's personal key, sealed with a key that it derives; nil = it cannot open that
	Created    time.Time
	LastUsed   time.Time // zero = never
}

const passkeyColumns = `SELECT p.id, u.id, p.credential, p.record, p.name, p.prf, p.personal, p.created, p.last_used FROM passkey p JOIN user u ON u.no = p.user_no `

func scanPasskey(row scanner) (k Passkey, err error) {
	var record string
	err = row.Scan(&k.ID, &k.User, &k.Credential, &record, &k.Name, &k.PRF, &k.Personal, instant{&k.Created}, instant{&k.LastUsed})
	k.Record = []byte(record)
	return k, err
}

// AddPasskey stores a credential; ID and Created are filled in where they are zero. One that is known already is a Conflict.
func (db *DB) AddPasskey(ctx context.Context, k Passkey) (Passkey, error) {
	if err := db.fillIn(&k.ID, &k.Created); err != nil {
		return k, err
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

const ownPasskey = `id = ? AND user_no = (SELECT no FROM user WHERE id = ?)`

// SetPasskeyPersonal stores what lets a passkey of a user open their personal key. NotFound.
func (db *DB) SetPasskeyPersonal(ctx context.Context, user, id ID, sealed []byte) error {
	return db.write(ctx, func(t *tx) error {
		return t.change(errNoPasskey(), `UPDATE passkey SET personal = ? WHERE `+ownPasskey, sealed, id, user)
	})
}

// SilencePasskey takes back everything that a passkey of a user opens; the passkey stays. NotFound.
func (db *DB) SilencePasskey(ctx context.Context, user, id ID) error {
	return db.write(ctx, func(t *tx) error { return silencePasskey(t, user, id) })
}

func silencePasskey(t *tx, user, id ID) error {
	_, err := t.exec(`UPDATE vault_grant SET revoked = ?, wrapped = zeroblob(0) WHERE revoked IS NULL AND passkey_no = (SELECT no FROM passkey WHERE `+ownPasskey+`)`,
		micros(t.db.now()), id, user)
	if err != nil {
		return err
	}
	return t.change(errNoPasskey(), `UPDATE passkey SET personal = NULL WHERE `+ownPasskey, id, user)
}

// DeletePasskey removes a credential of a user, and takes back what it opens. NotFound.
func (db *DB) DeletePasskey(ctx context.Context, user, id ID) error {
	return db.write(ctx, func(t *tx) error {
		if err := silencePasskey(t, user, id); err != nil {
			return err
		}
		return t.change(errNoPasskey(), `DELETE FROM passkey WHERE `+ownPasskey, id, user)
	})
}

func errNoPasskey() *Error { return Errorf(NotFound, "there is no such passkey") }
