package store

import (
	"context"
	"time"
)

// Role says what a person may do.
type Role string

// The roles.
const (
	RoleOwner  Role = "owner"
	RoleMember Role = "member"
	RoleViewer Role = "viewer"
)

// Actor is who does something, for records of it.
type Actor struct {
	User ID     // zero = nobody signed in: the command line, or Cardea itself
	Name string // sign-in name, or "console", "cardea"
	Role Role
	Addr string // IP address, "" = on the box
}

// User is a person who may sign in.
type User struct {
	ID           ID
	Name         string // unique, ignoring case
	Role         Role
	PasswordHash string // Argon2id in PHC form
	TOTPSecret   []byte // sealed; opaque here
	TOTPLastStep int64
	Disabled     bool
	Created      time.Time
}

const userColumns = `SELECT id, name, role, password_hash, totp_secret, totp_last_step, disabled, created FROM user `

func scanUser(row scanner) (u User, err error) {
	return u, row.Scan(&u.ID, &u.Name, &u.Role, &u.PasswordHash, &u.TOTPSecret, &u.TOTPLastStep, &u.Disabled, instant{&u.Created})
}

func noUser() error { return Errorf(NotFound, "there is no such user") }

func userNo(t *tx, id ID) (no int64, err error) {
	return no, t.one(noUser(), `SELECT no FROM user WHERE id = ?`, []any{id}, &no)
}

func (db *DB) user(ctx context.Context, query string, arg any) (u User, err error) {
	err = db.read(ctx, func(t *tx) error {
		found, err := list(t, scanUser, query, arg)
		if err == nil && len(found) == 0 {
			err = noUser()
		}
		if err == nil {
			u = found[0]
		}
		return err
	})
	return u, err
}

// User gives one user. NotFound.
func (db *DB) User(ctx context.Context, id ID) (User, error) {
	return db.user(ctx, userColumns+`WHERE id = ?`, id)
}

// UserByName finds a user by sign-in name, ignoring the case of ASCII letters. NotFound.
func (db *DB) UserByName(ctx context.Context, name string) (User, error) {
	return db.user(ctx, userColumns+`WHERE name = ?`, name)
}

// Users lists all users, the first account first.
func (db *DB) Users(ctx context.Context) (all []User, err error) {
	err = db.read(ctx, func(t *tx) error {
		all, err = list(t, scanUser, userColumns+`ORDER BY no`)
		return err
	})
	return all, err
}

// NewAccount is everything an account consists of at its beginning.
type NewAccount struct {
	User     User     // ID and Created are filled in
	Recovery [][]byte // SHA-256 hashes of the recovery codes
	Session  *Session // first session, stored too when not nil; its User is filled in
	// ClaimHash, when not nil, is the SHA-256 of the one-time claim token: the account is the first one and the token is
	// spent in the same transaction. A wrong or expired token is Denied, a box that has an account a Conflict.
	ClaimHash []byte
	// First demands that there is no account yet, without a token (set-up at the console). Otherwise Conflict.
	First bool
}

// CreateUser stores an account in one transaction. A name that is taken is a Conflict.
func (db *DB) CreateUser(ctx context.Context, account NewAccount) (User, error) {
	user := account.User
	if err := checkName("user", user.Name); err != nil {
		return User{}, err
	}
	if user.PasswordHash == "" || (user.Role != RoleOwner && user.Role != RoleMember && user.Role != RoleViewer) {
		return User{}, Errorf(Invalid, "a user needs a password and is owner, member or viewer")
	}
	id, err := db.NewID(db.now())
	if err != nil {
		return User{}, err
	}
	user.ID, user.Created = id, fromMicros(micros(db.now()))
	err = db.write(ctx, func(t *tx) error {
		if account.ClaimHash != nil || account.First {
			if err := unclaimed(t); err != nil {
				return err
			}
		}
		if account.ClaimHash != nil {
			err := t.change(Errorf(Denied, "this claim link is not valid (any more); run `cardea claim` for a new one"),
				`DELETE FROM claim WHERE token_hash = ? AND expires > ?`, account.ClaimHash, micros(db.now()))
			if err != nil {
				return err
			}
		}
		// Whichever way the first account came to be, a token still out there is worth nothing from now on.
		if _, err := t.exec(`DELETE FROM claim`); err != nil {
			return err
		}
		_, err := t.exec(`INSERT INTO user (id, name, role, password_hash, totp_secret, totp_last_step, disabled, created)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
			user.ID, user.Name, user.Role, user.PasswordHash, blob(user.TOTPSecret), user.TOTPLastStep, user.Disabled, micros(user.Created))
		if duplicate(err) {
			return takenName("user", user.Name)
		}
		if err != nil {
			return err
		}
		if err := putRecovery(t, user.ID, account.Recovery); err != nil {
			return err
		}
		if account.Session == nil {
			return nil
		}
		account.Session.User = user.ID
		return addSession(t, account.Session)
	})
	if err != nil {
		return User{}, err
	}
	return user, nil
}

func unclaimed(t *tx) error {
	var users int
	if err := t.one(nil, `SELECT count(*) FROM user`, nil, &users); err != nil {
		return err
	}
	if users > 0 {
		return Errorf(Conflict, "this Cardea has an owner already; sign in instead")
	}
	return nil
}

// UpdateUser lets edit change a user (name, role, password, TOTP, disabled) in one transaction. ID and Created stay. With
// signOut all sessions of the user end in the same transaction. The last owner who can sign in stays one: Conflict.
func (db *DB) UpdateUser(ctx context.Context, id ID, signOut bool, edit func(*User) error) (user User, err error) {
	err = db.write(ctx, func(t *tx) error {
		found, err := list(t, scanUser, userColumns+`WHERE id = ?`, id)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return noUser()
		}
		user = found[0]
		if err := edit(&user); err != nil {
			return err
		}
		if err := checkName("user", user.Name); err != nil {
			return err
		}
		_, err = t.exec(`UPDATE user SET name = ?, role = ?, password_hash = ?, totp_secret = ?, totp_last_step = ?, disabled = ? WHERE id = ?`,
			user.Name, user.Role, user.PasswordHash, blob(user.TOTPSecret), user.TOTPLastStep, user.Disabled, id)
		if duplicate(err) {
			return takenName("user", user.Name)
		}
		if err != nil {
			return err
		}
		if signOut || user.Disabled {
			if _, err := t.exec(`DELETE FROM session WHERE user_no = (SELECT no FROM user WHERE id = ?)`, id); err != nil {
				return err
			}
		}
		return ownerLeft(t)
	})
	return user, err
}

// DeleteUser removes an account with its sessions, recovery codes and grants. The last owner is a Conflict.
func (db *DB) DeleteUser(ctx context.Context, id ID) error {
	return db.write(ctx, func(t *tx) error {
		if err := t.change(noUser(), `DELETE FROM user WHERE id = ?`, id); err != nil {
			return err
		}
		return ownerLeft(t)
	})
}

func ownerLeft(t *tx) error {
	var owners int
	if err := t.one(nil, `SELECT count(*) FROM user WHERE role = 'owner' AND disabled = 0`, nil, &owners); err != nil {
		return err
	}
	if owners == 0 {
		return Errorf(Conflict, "this is the last owner; make somebody else an owner first")
	}
	return nil
}

// ReplaceRecovery forgets the recovery codes of a user and stores new ones (SHA-256 hashes).
func (db *DB) ReplaceRecovery(ctx context.Context, user ID, hashes [][]byte) error {
	return db.write(ctx, func(t *tx) error {
		no, err := userNo(t, user)
		if err != nil {
			return err
		}
		if _, err := t.exec(`DELETE FROM recovery_code WHERE user_no = ?`, no); err != nil {
			return err
		}
		return putRecovery(t, user, hashes)
	})
}

func putRecovery(t *tx, user ID, hashes [][]byte) error {
	for _, hash := range hashes {
		_, err := t.exec(`INSERT INTO recovery_code (user_no, hash) VALUES ((SELECT no FROM user WHERE id = ?), ?)`, user, hash)
		if err != nil {
			return err
		}
	}
	return nil
}

// RecoveryCode is a one-time code that stands in for TOTP.
type RecoveryCode struct {
	Hash []byte    // SHA-256 of the code
	Used time.Time // zero = still good
}

// RecoveryCodes lists the codes of a user.
func (db *DB) RecoveryCodes(ctx context.Context, user ID) (all []RecoveryCode, err error) {
	err = db.read(ctx, func(t *tx) error {
		all, err = list(t, func(row scanner) (c RecoveryCode, err error) {
			return c, row.Scan(&c.Hash, instant{&c.Used})
		}, `SELECT hash, used FROM recovery_code WHERE user_no = (SELECT no FROM user WHERE id = ?)`, user)
		return err
	})
	return all, err
}
