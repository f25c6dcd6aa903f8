package store

import (
	"context"
	"time"
)

// Session is a signed-in browser.
type Session struct {
	IDHash   []byte // SHA-256 of the cookie's value
	User     ID
	Created  time.Time
	LastSeen time.Time
	Expires  time.Time
	Addr     string // IP address at sign-in
	Agent    string // User-Agent at sign-in; cut to 200 bytes
}

const sessionColumns = `SELECT s.id_hash, u.id, s.created, s.last_seen, s.expires, s.addr, s.agent FROM session s JOIN user u ON u.no = s.user_no `

func scanSession(row scanner) (s Session, err error) {
	return s, row.Scan(&s.IDHash, &s.User, instant{&s.Created}, instant{&s.LastSeen}, instant{&s.Expires}, &s.Addr, &s.Agent)
}

func addSession(t *tx, s *Session) error {
	if len(s.IDHash) != 32 || s.Expires.IsZero() {
		return Errorf(Invalid, "a session needs the hash of its secret and an end")
	}
	user, err := userNo(t, s.User)
	if err != nil {
		return err
	}
	if s.Created.IsZero() {
		s.Created = t.db.now()
	}
	if s.LastSeen.IsZero() {
		s.LastSeen = s.Created
	}
	_, err = t.exec(`INSERT INTO session (id_hash, user_no, created, last_seen, expires, addr, agent) VALUES (?, ?, ?, ?, ?, ?, substr(?, 1, 200))`,
		s.IDHash, user, micros(s.Created), micros(s.LastSeen), micros(s.Expires), s.Addr, s.Agent)
	return err
}

// SignInTOTP spends a TOTP step and starts the session in one transaction, so that no code works twice, not even in two requests
// at once. A step that is not later than the last one is Denied. s.User says who.
func (db *DB) SignInTOTP(ctx context.Context, s Session, step int64) error {
	return db.write(ctx, func(t *tx) error {
		err := t.change(Errorf(Denied, "this code was used already; wait for the next one"),
			`UPDATE user SET totp_last_step = ?1 WHERE id = ?2 AND disabled = 0 AND totp_last_step < ?1`, step, s.User)
		if err != nil {
			return err
		}
		return addSession(t, &s)
	})
}

// SignInRecovery spends a recovery code (SHA-256 hash) and starts the session in one transaction. A code that is unknown or
// spent is Denied.
func (db *DB) SignInRecovery(ctx context.Context, s Session, hash []byte) error {
	return db.write(ctx, func(t *tx) error {
		err := t.change(Errorf(Denied, "this recovery code is not valid or was used already"),
			`UPDATE recovery_code SET used = ? WHERE hash = ? AND used IS NULL AND user_no = (SELECT no FROM user WHERE id = ? AND disabled = 0)`,
			micros(db.now()), hash, s.User)
		if err != nil {
			return err
		}
		return addSession(t, &s)
	})
}

// Session finds a session that has not expired, with its user, who is not disabled. NotFound.
func (db *DB) Session(ctx context.Context, idHash []byte) (s Session, u User, err error) {
	missing := Errorf(NotFound, "the session has ended; sign in again")
	err = db.read(ctx, func(t *tx) error {
		sessions, err := list(t, scanSession, sessionColumns+`WHERE s.id_hash = ? AND s.expires > ? AND u.disabled = 0`, idHash, micros(db.now()))
		if err != nil {
			return err
		}
		if len(sessions) == 0 {
			return missing
		}
		s = sessions[0]
		users, err := list(t, scanUser, userColumns+`WHERE id = ?`, s.User)
		if err == nil && len(users) == 1 {
			u = users[0]
		}
		return err
	})
	return s, u, err
}

// Sessions lists the sessions of a user that have not expired, the latest first.
func (db *DB) Sessions(ctx context.Context, user ID) (all []Session, err error) {
	err = db.read(ctx, func(t *tx) error {
		all, err = list(t, scanSession, sessionColumns+`WHERE u.id = ? AND s.expires > ? ORDER BY s.created DESC`, user, micros(db.now()))
		return err
	})
	return all, err
}

// TouchSession notes that a session was used, and when it ends now. A session that is gone is no error. Call it rarely: it writes.
func (db *DB) TouchSession(ctx context.Context, idHash []byte, seen, expires time.Time) error {
	return db.write(ctx, func(t *tx) error {
		_, err := t.exec(`UPDATE session SET last_seen = ?, expires = ? WHERE id_hash = ?`, micros(seen), micros(expires), idHash)
		return err
	})
}

// EndSession signs a browser out. A session that is gone is no error.
func (db *DB) EndSession(ctx context.Context, idHash []byte) error {
	return db.write(ctx, func(t *tx) error {
		_, err := t.exec(`DELETE FROM session WHERE id_hash = ?`, idHash)
		return err
	})
}

// EndSessions signs a user out everywhere except in the session given (nil = everywhere).
func (db *DB) EndSessions(ctx context.Context, user ID, except []byte) error {
	if except == nil {
		except = []byte{}
	}
	return db.write(ctx, func(t *tx) error {
		_, err := t.exec(`DELETE FROM session WHERE user_no = (SELECT no FROM user WHERE id = ?) AND id_hash <> ?`, user, except)
		return err
	})
}

// Throttle says how often something failed in a row, and until when no further attempt is looked at.
type Throttle struct {
	Key   string
	Fails int
	Until time.Time
	Last  time.Time
}

func throttle(t *tx, key string) (Throttle, error) {
	found := Throttle{Key: key}
	err := t.one(nil, `SELECT fails, until, last FROM throttle WHERE key = ?`, []any{key}, &found.Fails, instant{&found.Until}, instant{&found.Last})
	return found, err
}

// Throttle gives the state of key; one that never failed has zero fields.
func (db *DB) Throttle(ctx context.Context, key string) (found Throttle, err error) {
	err = db.read(ctx, func(t *tx) error {
		found, err = throttle(t, key)
		return err
	})
	return found, err
}

// AddFailure counts a failure of key now; wait says, from the number of failures, how long the next attempt has to wait.
func (db *DB) AddFailure(ctx context.Context, key string, wait func(fails int) time.Duration) (found Throttle, err error) {
	err = db.write(ctx, func(t *tx) error {
		if found, err = throttle(t, key); err != nil {
			return err
		}
		now := db.now()
		found.Fails++
		found.Until, found.Last = fromMicros(micros(now.Add(wait(found.Fails)))), fromMicros(micros(now))
		_, err = t.exec(`INSERT INTO throttle (key, fails, until, last) VALUES (?1, ?2, ?3, ?4)
			ON CONFLICT (key) DO UPDATE SET fails = ?2, until = ?3, last = ?4`, key, found.Fails, micros(found.Until), micros(found.Last))
		return err
	})
	return found, err
}

// ClearFailures forgets the failures of key.
func (db *DB) ClearFailures(ctx context.Context, key string) error {
	return db.write(ctx, func(t *tx) error {
		_, err := t.exec(`DELETE FROM throttle WHERE key = ?`, key)
		return err
	})
}

// Prune forgets expired sessions, and failures whose last one was before the time given.
func (db *DB) Prune(ctx context.Context, before time.Time) error {
	return db.write(ctx, func(t *tx) error {
		if _, err := t.exec(`DELETE FROM session WHERE expires <= ?`, micros(db.now())); err != nil {
			return err
		}
		_, err := t.exec(`DELETE FROM throttle WHERE last < ?1 AND until < ?2`, micros(before), micros(db.now()))
		return err
	})
}

// Claim is the one-time token of the first run.
type Claim struct {
	TokenHash []byte // SHA-256 of the token
	Expires   time.Time
}

// PutClaim replaces the claim token. When an account exists it is a Conflict: there is nothing to claim.
func (db *DB) PutClaim(ctx context.Context, claim Claim) error {
	if len(claim.TokenHash) != 32 || claim.Expires.IsZero() {
		return Errorf(Invalid, "a claim needs the hash of its token and an end")
	}
	return db.write(ctx, func(t *tx) error {
		if err := unclaimed(t); err != nil {
			return err
		}
		_, err := t.exec(`INSERT INTO claim (one, token_hash, expires) VALUES (1, ?1, ?2)
			ON CONFLICT (one) DO UPDATE SET token_hash = ?1, expires = ?2`, claim.TokenHash, micros(claim.Expires))
		return err
	})
}

// Claim gives the claim token in force, or NotFound.
func (db *DB) Claim(ctx context.Context) (claim Claim, err error) {
	err = db.read(ctx, func(t *tx) error {
		return t.one(Errorf(NotFound, "there is no claim token in force; run `cardea claim` for a new one"),
			`SELECT token_hash, expires FROM claim WHERE expires > ?`, []any{micros(db.now())}, &claim.TokenHash, instant{&claim.Expires})
	})
	return claim, err
}

// Claimed reports whether an account exists.
func (db *DB) Claimed(ctx context.Context) (claimed bool, err error) {
	err = db.read(ctx, func(t *tx) error {
		return t.one(nil, `SELECT EXISTS (SELECT 1 FROM user)`, nil, &claimed)
	})
	return claimed, err
}
