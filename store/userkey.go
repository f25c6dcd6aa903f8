package store

import (
	"context"
	"time"
)

// UserKey is the personal key of a person: what owners seal vaults to.
type UserKey struct {
	User      ID
	Name      string // of the account
	Role      string // of the account
	Recipient string // age recipient
	Wrapped   []byte // the private half, an age file locked by a passphrase
	Created   time.Time
}

func scanUserKey(row scanner) (k UserKey, err error) {
	return k, row.Scan(&k.User, &k.Name, &k.Role, &k.Recipient, &k.Wrapped, instant{&k.Created})
}

// UserKeys lists the personal keys of one user, or of all for the zero ID, by name.
func (db *DB) UserKeys(ctx context.Context, user ID) (all []UserKey, err error) {
	err = db.read(ctx, func(t *tx) error {
		all, err = list(t, scanUserKey, `SELECT u.id, u.name, u.role, k.recipient, k.wrapped, k.created FROM user_key k JOIN user u ON u.no = k.user_no
			WHERE ?1 OR u.id = ?2 ORDER BY u.name`, user == (ID{}), user)
		return err
	})
	return all, err
}

// PutUserKey stores the personal key of k.User. The same recipient with another wrapping is a new passphrase; another recipient is a new
// key, and what was sealed to the old one, which nobody can open any more, goes: grants, and what passkeys opened it with.
func (db *DB) PutUserKey(ctx context.Context, k UserKey) (UserKey, error) {
	err := db.write(ctx, func(t *tx) error {
		no, err := userNo(t, k.User)
		if err != nil {
			return err
		}
		_, err = t.exec(`UPDATE vault_grant SET revoked = ?, wrapped = zeroblob(0) WHERE revoked IS NULL AND kind = 'sealed' AND user_no = ?
			AND NOT EXISTS (SELECT 1 FROM user_key WHERE user_no = ? AND recipient = ?)`, micros(db.now()), no, no, k.Recipient)
		if err != nil {
			return err
		}
		_, err = t.exec(`UPDATE passkey SET personal = NULL WHERE user_no = ?1 AND NOT EXISTS (SELECT 1 FROM user_key WHERE user_no = ?1 AND recipient = ?2)`, no, k.Recipient)
		if err != nil {
			return err
		}
		_, err = t.exec(`INSERT INTO user_key (user_no, recipient, wrapped, created) VALUES (?, ?, ?, ?) ON CONFLICT (user_no) DO UPDATE SET
			created = CASE WHEN recipient = excluded.recipient THEN created ELSE excluded.created END, recipient = excluded.recipient, wrapped = excluded.wrapped`,
			no, k.Recipient, k.Wrapped, micros(db.now()))
		if duplicate(err) {
			return Errorf(Conflict, "this key is that of another person")
		}
		return err
	})
	if err != nil {
		return UserKey{}, err
	}
	all, err := db.UserKeys(ctx, k.User)
	if err == nil && len(all) == 0 {
		return UserKey{}, noUser()
	}
	if err != nil {
		return UserKey{}, err
	}
	return all[0], nil
}
