package store

import (
	"context"
	"time"
)

// Mark names the newest picture of a camera that is durable: the run of the camera, and the picture's stamp in it (see frame.Stamp).
// The zero Mark is none.
type Mark struct {
	Life  uint64
	Stamp int64
}

// Missed is a time between two recorded pictures of a camera that remembers, to be fetched from it.
type Missed struct {
	No     int64 // filled in by the store
	Camera ID
	Life   uint64 // the run of the camera that the stamps are of
	// After is the stamp of the last picture there is, 0 where that was of another life; Before that of the first one there is again.
	After, Before int64
	// Start and End are those pictures' places in the recordings: the end of what was there, and the beginning of what came then.
	Start, End time.Time
}

// Mark gives the newest durable picture of a camera, zero where it is not known.
func (db *DB) Mark(ctx context.Context, camera ID) (m Mark, err error) {
	err = db.read(ctx, func(t *tx) error {
		var life int64
		err := t.one(Errorf(NotFound, ""), `SELECT life, stamp FROM mark WHERE camera_no = (SELECT no FROM camera WHERE id = ?)`, []any{camera}, &life, &m.Stamp)
		if ErrorCode(err) == NotFound {
			return nil
		}
		m.Life = uint64(life)
		return err
	})
	return m, err
}

// DropMark forgets it: what comes next is not missed, whatever the camera remembers.
func (db *DB) DropMark(ctx context.Context, camera ID) error {
	return db.write(ctx, func(t *tx) error {
		_, err := t.exec(`DELETE FROM mark WHERE camera_no = (SELECT no FROM camera WHERE id = ?)`, camera)
		return err
	})
}

func putMark(t *tx, clip ID, m Mark) error {
	if m == (Mark{}) {
		return nil
	}
	_, err := t.exec(`INSERT INTO mark (camera_no, life, stamp) SELECT camera_no, ?2, ?3 FROM clip WHERE id = ?1
		ON CONFLICT (camera_no) DO UPDATE SET life = ?2, stamp = ?3`, clip, int64(m.Life), m.Stamp)
	return err
}

// AddMissed notes a time to be fetched. Add it before the next mark of the camera is stored, so that a crash in between forgets
// nothing.
func (db *DB) AddMissed(ctx context.Context, m Missed) error {
	if m.Life == 0 || m.Before <= m.After || micros(m.End) <= micros(m.Start) {
		return Errorf(Invalid, "a time that was missed ends after it begins")
	}
	return db.write(ctx, func(t *tx) error {
		camera, err := cameraNo(t, m.Camera)
		if err != nil {
			return err
		}
		_, err = t.exec(`INSERT INTO missed (camera_no, life, after, before, start, "end") VALUES (?, ?, ?, ?, ?, ?)`,
			camera, int64(m.Life), m.After, m.Before, micros(m.Start), micros(m.End))
		return err
	})
}

// AllMissed lists what is to be fetched, the latest of each camera first: the memory loses the oldest, but what was missed last is
// mostly what somebody looks for.
func (db *DB) AllMissed(ctx context.Context) (all []Missed, err error) {
	err = db.read(ctx, func(t *tx) error {
		all, err = list(t, func(row scanner) (m Missed, err error) {
			var life int64
			err = row.Scan(&m.No, &m.Camera, &life, &m.After, &m.Before, instant{&m.Start}, instant{&m.End})
			m.Life = uint64(life)
			return m, err
		}, `SELECT missed.no, camera.id, missed.life, missed.after, missed.before, missed.start, missed."end" FROM missed
			JOIN camera ON camera.no = missed.camera_no ORDER BY missed.camera_no, missed.start DESC`)
		return err
	})
	return all, err
}

// sliver is how much of a gap may be left between two pictures that follow each other.
const sliver = time.Second

// DropMissed ends a fetch, or gives it up. whole says that nothing is missing any more: then gaps of less than a second go, which are
// differences of clocks.
func (db *DB) DropMissed(ctx context.Context, m Missed, whole bool) error {
	return db.write(ctx, func(t *tx) error {
		camera, err := cameraNo(t, m.Camera)
		if err != nil {
			return err
		}
		if whole {
			_, err = t.exec(`DELETE FROM gap WHERE camera_no = ?1 AND start >= ?2 - ?4 AND "end" <= ?3 + ?4 AND "end" - start < ?4`,
				camera, micros(m.Start), micros(m.End), sliver.Microseconds())
			if err != nil {
				return err
			}
		}
		_, err = t.exec(`DELETE FROM missed WHERE no = ?`, m.No)
		return err
	})
}

// fetched takes what became durable of a fetched clip out of the camera's gaps, and out of what is still to be fetched.
func fetched(t *tx, id ID, missed int64, m Mark, end time.Time) error {
	c, err := clip(t, id)
	if err != nil {
		return err
	}
	camera, err := cameraNo(t, c.Camera)
	if err != nil {
		return err
	}
	if m.Stamp != 0 {
		_, err = t.exec(`UPDATE missed SET after = ?2, start = max(start, min(?3, "end" - 1)) WHERE no = ?1 AND after < ?2`, missed, m.Stamp, micros(end))
		if err != nil {
			return err
		}
	}
	return cover(t, camera, micros(c.Start), micros(end))
}

// cover takes from..to out of the gaps of a camera.
func cover(t *tx, camera, from, to int64) error {
	over, err := list(t, scanGap, gapColumns+`WHERE gap.camera_no = ? AND gap.start < ? AND (gap."end" IS NULL OR gap."end" > ?)`, camera, to, from)
	if err != nil {
		return err
	}
	for _, g := range over {
		if _, err := t.exec(`DELETE FROM gap WHERE camera_no = ? AND start = ?`, camera, micros(g.Start)); err != nil {
			return err
		}
		rest := func(start, end time.Time) error {
			_, err := t.exec(`INSERT INTO gap (camera_no, start, "end", reason, detail) VALUES (?, ?, ?, ?, ?)`,
				camera, micros(start), orNull(end), g.Reason, g.Detail)
			return err
		}
		if micros(g.Start) < from {
			if err := rest(g.Start, fromMicros(from)); err != nil {
				return err
			}
		}
		if g.End.IsZero() || micros(g.End) > to {
			if err := rest(fromMicros(to), g.End); err != nil {
				return err
			}
		}
	}
	return nil
}
