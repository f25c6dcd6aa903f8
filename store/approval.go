package store

import (
	"context"
	"time"
)

// Approval is an act that one owner wants and another one has to agree to.
type Approval struct {
	ID       ID
	Act      string // "user.remove", ...
	Object   string // what exactly, as the one who acts compares it
	About    string // the same for people
	User     ID     // who asks
	UserName string
	Created  time.Time
	Expires  time.Time
	Decided  bool
	Approved bool
	Decider  string    // name of who decided
	Used     time.Time // when the act was done; zero = not yet
}

const approvalColumns = `SELECT a.id, a.act, a.object, a.about, u.id, u.name, a.created, a.expires, a.approved IS NOT NULL, coalesce(a.approved, 0), a.decider, a.used
	FROM approval a JOIN user u ON u.no = a.user_no `

func scanApproval(row scanner) (a Approval, err error) {
	return a, row.Scan(&a.ID, &a.Act, &a.Object, &a.About, &a.User, &a.UserName, instant{&a.Created}, instant{&a.Expires}, &a.Decided, &a.Approved, &a.Decider, instant{&a.Used})
}

// UseApproval uses up an approval that the user of want was given for the same act on the same object and says who gave it. Where there is
// none it gives the request that is open, made now if there was none yet, and used is false.
func (db *DB) UseApproval(ctx context.Context, want Approval) (found Approval, used bool, err error) {
	err = db.write(ctx, func(t *tx) error {
		now := db.now()
		all, err := list(t, scanApproval, approvalColumns+`WHERE u.id = ? AND a.act = ? AND a.object = ? AND a.used IS NULL AND a.expires > ?
			AND coalesce(a.approved, 1) = 1 ORDER BY a.approved IS NULL, a.created`, want.User, want.Act, want.Object, micros(now))
		if err != nil {
			return err
		}
		if len(all) > 0 {
			if found = all[0]; !found.Decided {
				return nil
			}
			used = true
			return t.change(errNoApproval(), `UPDATE approval SET used = ? WHERE id = ? AND used IS NULL`, micros(now), found.ID)
		}
		found = want
		found.Created = now
		if found.ID, err = db.NewID(now); err != nil {
			return err
		}
		no, err := userNo(t, want.User)
		if err != nil {
			return err
		}
		_, err = t.exec(`INSERT INTO approval (id, act, object, about, user_no, created, expires) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			found.ID, found.Act, found.Object, found.About, no, micros(found.Created), micros(found.Expires))
		return err
	})
	return found, used, err
}

// ReturnApproval makes an approval that was used up good again, for as long as it would have been.
func (db *DB) ReturnApproval(ctx context.Context, id ID) error {
	return db.write(ctx, func(t *tx) error {
		return t.change(errNoApproval(), `UPDATE approval SET used = NULL WHERE id = ? AND used IS NOT NULL`, id)
	})
}

// Approvals lists the requests made after the time given, the latest first.
func (db *DB) Approvals(ctx context.Context, after time.Time) (all []Approval, err error) {
	err = db.read(ctx, func(t *tx) error {
		all, err = list(t, scanApproval, approvalColumns+`WHERE a.created > ? ORDER BY a.created DESC`, micros(after))
		return err
	})
	return all, err
}

// Approval gives one request. NotFound.
func (db *DB) Approval(ctx context.Context, id ID) (a Approval, err error) {
	err = db.read(ctx, func(t *tx) error {
		found, err := list(t, scanApproval, approvalColumns+`WHERE a.id = ?`, id)
		if err == nil && len(found) == 0 {
			err = errNoApproval()
		}
		if err == nil {
			a = found[0]
		}
		return err
	})
	return a, err
}

// DecideApproval answers a request, once and in time, by somebody else than who asks; else it is a Conflict.
func (db *DB) DecideApproval(ctx context.Context, id, by ID, name string, approved bool) error {
	return db.write(ctx, func(t *tx) error {
		return t.change(Errorf(Conflict, "this request was decided already, has run out, or is your own"),
			`UPDATE approval SET approved = ?, decider = ? WHERE id = ? AND approved IS NULL AND used IS NULL AND expires > ?
				AND user_no <> (SELECT no FROM user WHERE id = ?)`, approved, name, id, micros(db.now()), by)
	})
}

// DeleteApprovals forgets the requests made before the time given.
func (db *DB) DeleteApprovals(ctx context.Context, before time.Time) error {
	_, err := db.take(ctx, `DELETE FROM approval WHERE created < ?`, micros(before))
	return err
}

func errNoApproval() *Error { return Errorf(NotFound, "there is no such request") }
