package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"

	"cardea/store/disk"
)

// Replacement says what the file of a torn clip will be once salvage has made it whole.
type Replacement struct {
	Clip        ID
	HeaderBytes int
	Bytes       int64
	SHA256      []byte
}

// PlanReplacement notes that the file of a torn clip is about to be replaced. Store the plan when the new file is complete and
// before it is renamed over the old one (at the end of the function given to disk.Root.Replace), and call ReplaceClip after: so a
// crash in between is settled at the next start. A clip that is not torn is a Conflict.
func (db *DB) PlanReplacement(ctx context.Context, plan Replacement) error {
	if len(plan.SHA256) != sha256.Size || plan.Bytes <= 0 || plan.HeaderBytes <= 0 {
		return Errorf(Invalid, "a whole clip needs its size, header length and SHA-256")
	}
	return db.write(ctx, func(t *tx) error {
		return t.change(notTorn(plan.Clip), `INSERT OR REPLACE INTO replacement (clip, header_bytes, bytes, sha256)
			SELECT id, ?2, ?3, ?4 FROM clip WHERE id = ?1 AND state = 2`, plan.Clip, plan.HeaderBytes, plan.Bytes, plan.SHA256)
	})
}

// ReplaceClip turns a torn clip with a plan into a closed one, as planned; the new file MUST be in place and durable. Its parts stay.
// A clip that is not torn, or has no plan, is a Conflict.
func (db *DB) ReplaceClip(ctx context.Context, id ID) (c Clip, err error) {
	err = db.write(ctx, func(t *tx) error {
		err := t.change(notTorn(id), `UPDATE clip SET state = 1, bytes = r.bytes, sha256 = r.sha256, header_bytes = r.header_bytes
			FROM replacement r WHERE r.clip = ?1 AND clip.id = ?1 AND clip.state = 2`, id)
		if err != nil {
			return err
		}
		if _, err := t.exec(`DELETE FROM replacement WHERE clip = ?`, id); err != nil {
			return err
		}
		if c, err = clip(t, id); err == nil {
			t.logClip(&c, "salvaged", nil)
		}
		return err
	})
	return c, err
}

func notTorn(id ID) error { return Errorf(Conflict, "the clip %s is not torn", id) }

// SettleReplacements ends what a crash left half done: where the new file is in place the row follows, where it is not the plan is
// dropped. Call it at start, before anything else is replaced.
func (db *DB) SettleReplacements(ctx context.Context, root *disk.Root) error {
	var plans []Replacement
	err := db.read(ctx, func(t *tx) (err error) {
		plans, err = list(t, func(row scanner) (r Replacement, err error) {
			return r, row.Scan(&r.Clip, &r.HeaderBytes, &r.Bytes, &r.SHA256)
		}, `SELECT clip, header_bytes, bytes, sha256 FROM replacement`)
		return err
	})
	if err != nil {
		return err
	}
	for _, plan := range plans {
		c, err := db.Clip(ctx, plan.Clip)
		if err != nil {
			return err
		}
		matches, err := holds(root, c.Path(), plan.Bytes, plan.SHA256)
		if err != nil {
			return err
		}
		if matches {
			_, err = db.ReplaceClip(ctx, plan.Clip)
		} else {
			_, err = db.take(ctx, `DELETE FROM replacement WHERE clip = ?`, plan.Clip)
		}
		if err := errors.Join(err, root.Remove(c.Path()+".part")); err != nil {
			return err
		}
	}
	return nil
}

// holds reports whether the file at path has that size and SHA-256.
func holds(root *disk.Root, path string, size int64, sum []byte) (bool, error) {
	file, err := root.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer file.Close() //nolint:errcheck // only read from
	hash := sha256.New()
	n, err := io.Copy(hash, io.LimitReader(file, size+1))
	return n == size && bytes.Equal(hash.Sum(nil), sum), err
}
