package store

import (
	"context"
	"strings"
	"time"
)

// Token is a key for programs.
type Token struct {
	ID       ID
	User     ID
	UserName string
	Name     string
	Hash     []byte // SHA-256 of the secret
	Scopes   []string
	Created  time.Time
	Expires  time.Time
	LastUsed time.Time // coarse; zero = never
}

const tokenColumns = `SELECT k.id, u.id, u.name, k.name, k.hash, k.scopes, k.created, k.expires, k.last_used FROM api_token k JOIN user u ON u.no = k.user_no `

func scanToken(row scanner) (k Token, err error) {
	var scopes string
	err = row.Scan(&k.ID, &k.User, &k.UserName, &k.Name, &k.Hash, &scopes, instant{&k.Created}, instant{&k.Expires}, instant{&k.LastUsed})
	k.Scopes = strings.Fields(scopes)
	return k, err
}

// AddToken stores a token; ID and Created are filled in where they are zero.
func (db *DB) AddToken(ctx context.Context, k Token) (Token, error) {
	if len(k.Hash) != 32 || k.Expires.IsZero() || len(k.Scopes) == 0 {
		return k, Errorf(Invalid, "a token needs the hash of its secret, scopes and an end")
	}
	if err := db.fillIn(&k.ID, &k.Created); err != nil {
		return k, err
	}
	return k, db.write(ctx, func(t *tx) error {
		user, err := userNo(t, k.User)
		if err != nil {
			return err
		}
		_, err = t.exec(`INSERT INTO api_token (id, user_no, name, hash, scopes, created, expires) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			k.ID, user, k.Name, k.Hash, strings.Join(k.Scopes, " "), micros(k.Created), micros(k.Expires))
		return err
	})
}

// TokenByHash finds a token and its user. Whether it has expired is for the caller to see. NotFound.
func (db *DB) TokenByHash(ctx context.Context, hash []byte) (k Token, u User, err error) {
	err = db.read(ctx, func(t *tx) error {
		found, err := list(t, scanToken, tokenColumns+`WHERE k.hash = ?`, hash)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return errNoToken()
		}
		k = found[0]
		users, err := list(t, scanUser, userColumns+`WHERE id = ?`, k.User)
		if err == nil && len(users) == 1 {
			u = users[0]
		}
		return err
	})
	return k, u, err
}

// Tokens lists the tokens of a user, or of everybody for the zero ID, the latest first; expired ones too.
func (db *DB) Tokens(ctx context.Context, user ID) (all []Token, err error) {
	err = db.read(ctx, func(t *tx) error {
		all, err = list(t, scanToken, tokenColumns+`WHERE ?1 OR u.id = ?2 ORDER BY k.created DESC`, user == ID{}, user)
		return err
	})
	return all, err
}

// TouchToken notes that a token was used. Call it rarely: it writes.
func (db *DB) TouchToken(ctx context.Context, id ID, used time.Time) error {
	_, err := db.take(ctx, `UPDATE api_token SET last_used = ? WHERE id = ?`, micros(used), id)
	return err
}

// DeleteToken revokes a token. NotFound.
func (db *DB) DeleteToken(ctx context.Context, id ID) error {
	return db.write(ctx, func(t *tx) error { return t.change(errNoToken(), `DELETE FROM api_token WHERE id = ?`, id) })
}

func errNoToken() *Error { return Errorf(NotFound, "there is no such token; it may have been revoked") }
