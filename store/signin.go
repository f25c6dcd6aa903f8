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
	Addr     string    // IP address at sign-in
	Agent    string    // User-Agent at sign-in; cut to 200 bytes
	SID      []byte    // names the session in lists; stays when IDHash is replaced
	Verified time.Time // when the person last proved to be who they are; zero = the sign-in
}

const sessionColumns = `SELECT s.id_hash, u.id, s.created, s.last_seen, s.expires, s.addr, s.agent, s.sid, s.verified FROM session s JOIN user u ON u.no = s.user_no `

func scanSession(row scanner) (s Session, err error) {
	return s, row.Scan(&s.IDHash, &s.User, instant{&s.Created}, instant{&s.LastSeen}, instant{&s.Expires}, &s.Addr, &s.Agent, &s.SID, instant{&s.Verified})
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
	if s.Verified.IsZero() {
		s.Verified = s.Created
	}
	if len(s.SID) == 0 {
		s.SID = s.IDHash[:10]
	}
	_, err = t.exec(`INSERT INTO session (id_hash, user_no, created, last_seen, expires, addr, agent, sid, verified) VALUES (?, ?, ?, ?, ?, ?, substr(?, 1, 200), ?, ?)`,
		s.IDHash, user, micros(s.Created), micros(s.LastSeen), micros(s.Expires), s.Addr, s.Agent, s.SID, micros(s.Verified))
	return err
}

// Factor is a second factor that is used up by what it proves. At most one of its fields is set; none is right where nothing
// has to be used up.
type Factor struct {
	Step     int64  // TOTP step, which has to be later than the last one
	Recovery []byte // hash of a recovery code
}

func (f Factor) use(t *tx, user ID) error {
	switch {
	case f.Recovery != nil:
		return t.change(Errorf(Denied, "this recovery code is not valid or was used already"), `UPDATE recovery_code SET used = ?
			WHERE hash = ? AND used IS NULL AND user_no = (SELECT no FROM user WHERE id = ? AND disabled = 0)`,
			micros(t.db.now()), f.Recovery, user)
	case f.Step != 0:
		return t.change(Errorf(Denied, "this code was used already; wait for the next one"),
			`UPDATE user SET totp_last_step = ?1 WHERE id = ?2 AND disabled = 0 AND totp_last_step < ?1`, f.Step, user)
	}
	return nil
}

// RenewSession gives a session another secret because its person has just proved, with the factor, who they are. Nothing
// else about it changes. A factor that is used up already is Denied. NotFound where the session is gone.
func (db *DB) RenewSession(ctx context.Context, old, fresh []byte, verified time.Time, user ID, f Factor) error {
	return db.write(ctx, func(t *tx) error {
		if err := f.use(t, user); err != nil {
			return err
		}
		return t.change(errEnded(), `UPDATE session SET id_hash = ?, verified = ?, last_seen = ?
			WHERE id_hash = ? AND user_no = (SELECT no FROM user WHERE id = ?)`, fresh, micros(verified), micros(verified), old, user)
	})
}

// BeginSession begins a session that no second factor of ours stands behind, such as one of a passkey. A disabled account is Denied.
func (db *DB) BeginSession(ctx context.Context, s Session) error {
	return db.write(ctx, func(t *tx) error {
		err := t.change(Errorf(Denied, "this account is disabled"), `UPDATE user SET disabled = 0 WHERE id = ? AND disabled = 0`, s.User)
		if err != nil {
			return err
		}
		return addSession(t, &s)
	})
}

func errEnded() *Error { return Errorf(NotFound, "the session has ended; sign in again") }

// SignIn begins a session and uses up the second factor in one transaction, so that no code works twice, not even in two
// requests at once: the TOTP step, which has to be later than the last one, or, when not nil, a recovery code (hash). A factor that
// is used up already, and a disabled account, are Denied and change nothing.
func (db *DB) SignIn(ctx context.Context, s Session, step int64, recovery []byte) error {
	return db.write(ctx, func(t *tx) error {
		f := Factor{Step: max(step, 1)} // no step at all must not pass for nothing to use up
		if recovery != nil {
			f = Factor{Recovery: recovery}
		}
		if err := f.use(t, s.User); err != nil {
			return err
		}
		return addSession(t, &s)
	})
}

// Session finds a session and its user. It decides nothing: whether the session has expired or the user is disabled is for the
// caller to see. NotFound.
func (db *DB) Session(ctx context.Context, idHash []byte) (s Session, u User, err error) {
	missing := errEnded()
	err = db.read(ctx, func(t *tx) error {
		sessions, err := list(t, scanSession, sessionColumns+`WHERE s.id_hash = ?`, idHash)
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

// Sessions lists the sessions of a user, the latest first; expired ones too until PurgeSessions.
func (db *DB) Sessions(ctx context.Context, user ID) (all []Session, err error) {
	err = db.read(ctx, func(t *tx) error {
		all, err = list(t, scanSession, sessionColumns+`WHERE u.id = ? ORDER BY s.created DESC`, user)
		return err
	})
	return all, err
}

// TouchSession notes that a session was used. A session that is gone is no error. Call it rarely: it writes.
func (db *DB) TouchSession(ctx context.Context, idHash []byte, seen time.Time) error {
	return db.write(ctx, func(t *tx) error {
		_, err := t.exec(`UPDATE session SET last_seen = ? WHERE id_hash = ?`, micros(seen), idHash)
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

// EndSessions signs a user out everywhere except in the session given (nil = everywhere) and says how many sessions ended.
func (db *DB) EndSessions(ctx context.Context, user ID, except []byte) (n int, err error) {
	if except == nil {
		except = []byte{}
	}
	return db.take(ctx, `DELETE FROM session WHERE user_no = (SELECT no FROM user WHERE id = ?) AND id_hash <> ?`, user, except)
}

// PurgeSessions forgets sessions that were last used before idleBefore or have expired by now, and says how many.
func (db *DB) PurgeSessions(ctx context.Context, idleBefore, now time.Time) (n int, err error) {
	return db.take(ctx, `DELETE FROM session WHERE last_seen < ? OR expires <= ?`, micros(idleBefore), micros(now))
}

// Throttle says how often something failed in a row, and until when no further attempt is looked at.
type Throttle struct {
	Key   string
	Fails int
	Until time.Time
	Last  time.Time
}

// Throttles gives the rows of the keys that have failed; the others are left out.
func (db *DB) Throttles(ctx context.Context, keys ...string) (all []Throttle, err error) {
	err = db.read(ctx, func(t *tx) error {
		for _, key := range keys {
			found, err := list(t, func(row scanner) (f Throttle, err error) {
				return f, row.Scan(&f.Key, &f.Fails, instant{&f.Until}, instant{&f.Last})
			}, `SELECT key, fails, until, last FROM throttle WHERE key = ?`, key)
			if err != nil {
				return err
			}
			all = append(all, found...)
		}
		return nil
	})
	return all, err
}

// SetThrottle stores or replaces the row of a key. Who reads, counts and stores has to do so under a lock of their own.
func (db *DB) SetThrottle(ctx context.Context, row Throttle) error {
	return db.write(ctx, func(t *tx) error {
		_, err := t.exec(`INSERT INTO throttle (key, fails, until, last) VALUES (?1, ?2, ?3, ?4)
			ON CONFLICT (key) DO UPDATE SET fails = ?2, until = ?3, last = ?4`, row.Key, row.Fails, micros(row.Until), micros(row.Last))
		return err
	})
}

// ClearThrottle forgets the failures of key.
func (db *DB) ClearThrottle(ctx context.Context, key string) error {
	_, err := db.take(ctx, `DELETE FROM throttle WHERE key = ?`, key)
	return err
}

// PurgeThrottle forgets keys whose last failure was before the time given.
func (db *DB) PurgeThrottle(ctx context.Context, before time.Time) error {
	_, err := db.take(ctx, `DELETE FROM throttle WHERE last < ?`, micros(before))
	return err
}

// SetClaim replaces the one-time token of the first run, of which only a hash is stored. When an account exists it is a
// Conflict: there is nothing to claim.
func (db *DB) SetClaim(ctx context.Context, hash []byte, expires time.Time) error {
	if len(hash) == 0 || expires.IsZero() {
		return Errorf(Invalid, "a claim needs the hash of its token and an end")
	}
	return db.write(ctx, func(t *tx) error {
		if err := unclaimed(t); err != nil {
			return err
		}
		_, err := t.exec(`INSERT INTO claim (one, token_hash, expires) VALUES (1, ?1, ?2)
			ON CONFLICT (one) DO UPDATE SET token_hash = ?1, expires = ?2`, hash, micros(expires))
		return err
	})
}

// Claim gives the hash of the token that SetClaim stored last, expired or not, or NotFound.
func (db *DB) Claim(ctx context.Context) (hash []byte, expires time.Time, err error) {
	err = db.read(ctx, func(t *tx) error {
		return t.one(Errorf(NotFound, "there is no claim link; run `cardea claim` for one"),
			`SELECT token_hash, expires FROM claim`, nil, &hash, instant{&expires})
	})
	return hash, expires, err
}
