package store

import (
	"context"
	"strings"
	"time"
)

// Invitation is an account that waits for its person.
type Invitation struct {
	ID         ID
	TokenHash  []byte // SHA-256 of the token in the link
	Name, Role string
	Restricted bool // as in User
	Cameras    []ID
	Inviter    string // name of who invited
	Created    time.Time
	Expires    time.Time
}

const invitationColumns = `SELECT id, token_hash, name, role, restricted, cameras, inviter, created, expires FROM invitation `

func scanInvitation(row scanner) (v Invitation, err error) {
	var cameras string
	err = row.Scan(&v.ID, &v.TokenHash, &v.Name, &v.Role, &v.Restricted, &cameras, &v.Inviter, instant{&v.Created}, instant{&v.Expires})
	for word := range strings.FieldsSeq(cameras) {
		id, err := ParseID(word)
		if err != nil {
			return v, err
		}
		v.Cameras = append(v.Cameras, id)
	}
	return v, err
}

// AddInvitation stores an invitation; ID and Created are filled in where they are zero. A name that somebody has, or that is invited
// already, is a Conflict; invitations that have run out make room first.
func (db *DB) AddInvitation(ctx context.Context, v Invitation) (Invitation, error) {
	if err := checkName("user", v.Name); err != nil {
		return v, err
	}
	if err := db.fillIn(&v.ID, &v.Created); err != nil {
		return v, err
	}
	var cameras []string
	for _, id := range v.Cameras {
		cameras = append(cameras, id.String())
	}
	return v, db.write(ctx, func(t *tx) error {
		if _, err := t.exec(`DELETE FROM invitation WHERE expires <= ?`, micros(db.now())); err != nil {
			return err
		}
		for _, id := range v.Cameras {
			if _, err := cameraNo(t, id); err != nil {
				return err
			}
		}
		var taken int
		if err := t.one(nil, `SELECT count(*) FROM user WHERE name = ?`, []any{v.Name}, &taken); err != nil {
			return err
		}
		if taken > 0 {
			return takenName("user", v.Name)
		}
		_, err := t.exec(`INSERT INTO invitation (id, token_hash, name, role, restricted, cameras, inviter, created, expires) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			v.ID, v.TokenHash, v.Name, v.Role, v.Restricted, strings.Join(cameras, " "), v.Inviter, micros(v.Created), micros(v.Expires))
		if duplicate(err) {
			return takenName("user", v.Name)
		}
		return err
	})
}

// Invitations lists those that have not run out by now, the latest first.
func (db *DB) Invitations(ctx context.Context, now time.Time) (all []Invitation, err error) {
	err = db.read(ctx, func(t *tx) error {
		all, err = list(t, scanInvitation, invitationColumns+`WHERE expires > ? ORDER BY created DESC`, micros(now))
		return err
	})
	return all, err
}

// InvitationByHash finds an invitation, expired or not. NotFound.
func (db *DB) InvitationByHash(ctx context.Context, hash []byte) (v Invitation, err error) {
	err = db.read(ctx, func(t *tx) error {
		found, err := list(t, scanInvitation, invitationColumns+`WHERE token_hash = ?`, hash)
		if err == nil && len(found) == 0 {
			err = errNoInvitation()
		}
		if err == nil {
			v = found[0]
		}
		return err
	})
	return v, err
}

// DeleteInvitation takes an invitation back. NotFound.
func (db *DB) DeleteInvitation(ctx context.Context, id ID) error {
	return db.write(ctx, func(t *tx) error { return t.change(errNoInvitation(), `DELETE FROM invitation WHERE id = ?`, id) })
}

// AcceptInvitation uses an invitation up and makes its account with a first session, in one transaction: raced, one wins and the
// others get NotFound. Cameras that are gone by now are left out.
func (db *DB) AcceptInvitation(ctx context.Context, tokenHash []byte, user User, recovery [][]byte, session Session) error {
	return db.write(ctx, func(t *tx) error {
		err := t.change(errNoInvitation(), `DELETE FROM invitation WHERE token_hash = ? AND expires > ?`, tokenHash, micros(db.now()))
		if err != nil {
			return err
		}
		var there []ID
		for _, id := range user.Cameras {
			if _, err := cameraNo(t, id); err == nil {
				there = append(there, id)
			}
		}
		user.Cameras = there
		return addUser(t, &user, recovery, &session)
	})
}

func errNoInvitation() *Error {
	return Errorf(NotFound, "this invitation is not valid any more; ask an owner for a new one")
}
