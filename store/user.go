package store

import (
	"context"
	"encoding/hex"
	"strings"
	"time"
)

// Roles, as stored. What each may do is for auth to say.
const (
	RoleOwner  = "owner"
	RoleMember = "member"
	RoleViewer = "viewer"
)

// Actor is who does something, for records of it.
type Actor struct {
	User ID     // zero = nobody signed in: the command line, or Cardea itself
	Name string // sign-in name, or "console", "cardea"
	Role string
	Addr string // IP address, "" = on the box
}

// User is a person who may sign in.
type User struct {
	ID           ID
	Name         string // unique, ignoring case
	Role         string
	PasswordHash string // Argon2id in PHC form
	TOTPSecret   []byte // sealed; opaque here
	TOTPLastStep int64
	Disabled     bool
	Created      time.Time
	Restricted   bool // sees Cameras only; false = sees all
	Cameras      []ID // in no order; meaningful where Restricted
}

const userColumns = `SELECT id, name, role, password_hash, totp_secret, totp_last_step, disabled, created, restricted,
	(SELECT coalesce(group_concat(hex(c.id), ' '), '') FROM user_camera uc JOIN camera c ON c.no = uc.camera_no WHERE uc.user_no = user.no) FROM user `

func scanUser(row scanner) (u User, err error) {
	var cameras string
	err = row.Scan(&u.ID, &u.Name, &u.Role, &u.PasswordHash, &u.TOTPSecret, &u.TOTPLastStep, &u.Disabled, instant{&u.Created}, &u.Restricted, &cameras)
	for word := range strings.FieldsSeq(cameras) {
		var id ID
		if _, err := hex.Decode(id[:], []byte(word)); err != nil {
			return u, err
		}
		u.Cameras = append(u.Cameras, id)
	}
	return u, err
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

// CreateUser stores an account with its recovery codes (hashes) and, when not nil, its first session, in one transaction. A
// zero ID or Created is filled in. A name that is taken is a Conflict. With a claim (hash of the one-time token) the account has
// to be the first one and the token in force, else Conflict, and the token is spent. Every account ends the time of claiming.
func (db *DB) CreateUser(ctx context.Context, user User, recovery [][]byte, claim []byte, session *Session) error {
	if err := checkName("user", user.Name); err != nil {
		return err
	}
	if user.PasswordHash == "" || (user.Role != RoleOwner && user.Role != RoleMember && user.Role != RoleViewer) {
		return Errorf(Invalid, "a user needs a password and is owner, member or viewer")
	}
	if err := db.fillIn(&user.ID, &user.Created); err != nil {
		return err
	}
	return db.write(ctx, func(t *tx) error {
		if claim != nil {
			if err := unclaimed(t); err != nil {
				return err
			}
			err := t.change(Errorf(Conflict, "this claim link is not valid any more; run `cardea claim` for a new one"),
				`DELETE FROM claim WHERE token_hash = ? AND expires > ?`, claim, micros(db.now()))
			if err != nil {
				return err
			}
		}
		// However the account came to be, a token that is still out there is worth nothing from now on.
		if _, err := t.exec(`DELETE FROM claim`); err != nil {
			return err
		}
		return addUser(t, &user, recovery, session)
	})
}

func addUser(t *tx, user *User, recovery [][]byte, session *Session) error {
	_, err := t.exec(`INSERT INTO user (id, name, role, password_hash, totp_secret, totp_last_step, disabled, created, restricted)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		user.ID, user.Name, user.Role, user.PasswordHash, blob(user.TOTPSecret), user.TOTPLastStep, user.Disabled, micros(user.Created), user.Restricted)
	if duplicate(err) {
		return takenName("user", user.Name)
	}
	if err != nil {
		return err
	}
	if err := putCameras(t, user.ID, user.Cameras); err != nil {
		return err
	}
	if err := putRecovery(t, user.ID, recovery); err != nil || session == nil {
		return err
	}
	return addSession(t, session)
}

// putCameras replaces the cameras that a restricted user sees. Unknown ones are NotFound.
func putCameras(t *tx, user ID, cameras []ID) error {
	if _, err := t.exec(`DELETE FROM user_camera WHERE user_no = (SELECT no FROM user WHERE id = ?)`, user); err != nil {
		return err
	}
	for _, camera := range cameras {
		no, err := cameraNo(t, camera)
		if err != nil {
			return err
		}
		_, err = t.exec(`INSERT OR IGNORE INTO user_camera (user_no, camera_no) VALUES ((SELECT no FROM user WHERE id = ?), ?)`, user, no)
		if err != nil {
			return err
		}
	}
	return nil
}

// UserChange says what to change of an account; nil leaves a field alone.
type UserChange struct {
	Role     *string
	Disabled *bool
	// Sees replaces what the user sees: all cameras, or those listed.
	Sees *struct {
		All     bool
		Cameras []ID
	}
}

// ChangeUser changes an account and signs it out everywhere, in one transaction. Losing the last owner is a Conflict. NotFound.
func (db *DB) ChangeUser(ctx context.Context, id ID, c UserChange) error {
	return db.write(ctx, func(t *tx) error {
		if _, err := userNo(t, id); err != nil {
			return err
		}
		if c.Role != nil {
			if _, err := t.exec(`UPDATE user SET role = ? WHERE id = ?`, *c.Role, id); err != nil {
				return err
			}
		}
		if c.Disabled != nil {
			if _, err := t.exec(`UPDATE user SET disabled = ? WHERE id = ?`, *c.Disabled, id); err != nil {
				return err
			}
		}
		if c.Sees != nil {
			if _, err := t.exec(`UPDATE user SET restricted = ? WHERE id = ?`, !c.Sees.All, id); err != nil {
				return err
			}
			if err := putCameras(t, id, c.Sees.Cameras); err != nil {
				return err
			}
		}
		if err := endSessions(t, id); err != nil {
			return err
		}
		return ownerLeft(t)
	})
}

// SetRecovery replaces all recovery codes (hashes) of a user. NotFound.
func (db *DB) SetRecovery(ctx context.Context, id ID, recovery [][]byte) error {
	return db.write(ctx, func(t *tx) error {
		no, err := userNo(t, id)
		if err != nil {
			return err
		}
		if _, err := t.exec(`DELETE FROM recovery_code WHERE user_no = ?`, no); err != nil {
			return err
		}
		return putRecovery(t, id, recovery)
	})
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

// SetPassword replaces the password of a user and signs them out everywhere, in one transaction. NotFound.
func (db *DB) SetPassword(ctx context.Context, id ID, hash string) error {
	return db.write(ctx, func(t *tx) error {
		if err := t.change(noUser(), `UPDATE user SET password_hash = ? WHERE id = ?`, hash, id); err != nil {
			return err
		}
		return endSessions(t, id)
	})
}

// SetTOTP replaces the TOTP seed (sealed), its last accepted step and all recovery codes (hashes) of a user and signs them out
// everywhere, in one transaction. NotFound.
func (db *DB) SetTOTP(ctx context.Context, id ID, sealed []byte, lastStep int64, recovery [][]byte) error {
	return db.write(ctx, func(t *tx) error {
		err := t.change(noUser(), `UPDATE user SET totp_secret = ?, totp_last_step = ? WHERE id = ?`, blob(sealed), lastStep, id)
		if err != nil {
			return err
		}
		if _, err := t.exec(`DELETE FROM recovery_code WHERE user_no = (SELECT no FROM user WHERE id = ?)`, id); err != nil {
			return err
		}
		if err := putRecovery(t, id, recovery); err != nil {
			return err
		}
		return endSessions(t, id)
	})
}

func endSessions(t *tx, user ID) error {
	_, err := t.exec(`DELETE FROM session WHERE user_no = (SELECT no FROM user WHERE id = ?)`, user)
	return err
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

func putRecovery(t *tx, user ID, hashes [][]byte) error {
	for _, hash := range hashes {
		_, err := t.exec(`INSERT INTO recovery_code (user_no, hash) VALUES ((SELECT no FROM user WHERE id = ?), ?)`, user, hash)
		if err != nil {
			return err
		}
	}
	return nil
}

// RecoveryLeft counts the recovery codes of a user that are still good.
func (db *DB) RecoveryLeft(ctx context.Context, user ID) (left int, err error) {
	err = db.read(ctx, func(t *tx) error {
		return t.one(nil, `SELECT count(*) FROM recovery_code WHERE used IS NULL AND user_no = (SELECT no FROM user WHERE id = ?)`, []any{user}, &left)
	})
	return left, err
}
