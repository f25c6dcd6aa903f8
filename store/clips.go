package store

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// ClipQuery chooses clips. Zero fields choose everything.
type ClipQuery struct {
	Camera ID        // zero = all cameras, removed ones included
	From   time.Time // clips that end after From
	To     time.Time // clips that start before To
	Limit  int       // at most so many, the earliest first
}

// Clips lists clips without parts by start time. A camera that is not there is NotFound.
func (db *DB) Clips(ctx context.Context, query ClipQuery) (all []Clip, err error) {
	err = db.read(ctx, func(t *tx) error {
		cameras, err := cameraNos(t, query.Camera)
		if err != nil {
			return err
		}
		from, to := bounds(query.From, query.To)
		limit := query.Limit
		if limit <= 0 {
			limit = -1
		}
		for _, no := range cameras {
			// A clip that starts before from may reach into the range. Clips of one camera do not overlap, so only
			// the last one before from can: one seek, no look back over hours.
			found, err := list(t, scanClip, clipColumns+`WHERE clip.camera_no = ?1
				AND clip.start >= coalesce((SELECT max(start) FROM clip WHERE camera_no = ?1 AND start <= ?2), ?2) AND clip.start < ?3
				AND (clip."end" IS NULL OR clip."end" > ?2) ORDER BY clip.start LIMIT ?4`, no, from, to, limit)
			if err != nil {
				return err
			}
			all = append(all, found...)
		}
		return nil
	})
	if len(all) > 1 {
		slices.SortStableFunc(all, func(a, b Clip) int {
			return cmp.Or(a.Start.Compare(b.Start), a.ID.Compare(b.ID))
		})
	}
	if query.Limit > 0 && len(all) > query.Limit {
		all = all[:query.Limit]
	}
	return all, err
}

// Clip gives one clip with its parts; of an open clip those that are durable. NotFound.
func (db *DB) Clip(ctx context.Context, id ID) (c Clip, err error) {
	err = db.read(ctx, func(t *tx) error {
		if c, err = clip(t, id); err != nil {
			return err
		}
		if c.State == ClipOpen {
			c.Parts, err = openParts(t, id)
		} else {
			c.Parts, err = packedParts(t, id)
		}
		return err
	})
	return c, err
}

// LastClip gives the newest clip of a camera without parts, or NotFound.
func (db *DB) LastClip(ctx context.Context, id ID) (c Clip, err error) {
	err = db.read(ctx, func(t *tx) error {
		no, err := cameraNo(t, id)
		if err != nil {
			return err
		}
		found, err := list(t, scanClip, clipColumns+`WHERE clip.camera_no = ? ORDER BY clip.start DESC LIMIT 1`, no)
		if err == nil && len(found) == 0 {
			err = Errorf(NotFound, "the camera has no clip yet")
		}
		if err == nil {
			c = found[0]
		}
		return err
	})
	return c, err
}

// OldestQuery chooses clips for retention.
type OldestQuery struct {
	Camera ID        // zero = all cameras, removed ones included
	Before time.Time // only clips that ended before; zero = any
	Limit  int       // at most so many; required
}

// Oldest lists closed and torn clips that are not kept, the one that started first first. It does not scan: it walks each
// camera's clips from the oldest and stops at Limit.
func (db *DB) Oldest(ctx context.Context, query OldestQuery) (all []Clip, err error) {
	if query.Limit <= 0 {
		return nil, Errorf(Invalid, "a limit is required")
	}
	_, before := bounds(time.Time{}, query.Before)
	err = db.read(ctx, func(t *tx) error {
		cameras, err := cameraNos(t, query.Camera)
		if err != nil {
			return err
		}
		for _, no := range cameras {
			// start < before is implied by "end" < before; it ends the walk early.
			found, err := list(t, scanClip, clipColumns+`WHERE clip.camera_no = ?1 AND clip.start < ?2 AND clip."end" < ?2
				AND clip.state <> 0 AND clip.keep = 0 ORDER BY clip.start LIMIT ?3`, no, before, query.Limit)
			if err != nil {
				return err
			}
			all = append(all, found...)
		}
		return nil
	})
	slices.SortStableFunc(all, func(a, b Clip) int { return a.Start.Compare(b.Start) })
	return all[:min(len(all), query.Limit)], err
}

// KeepClip sets or takes away the mark that keeps a clip from retention. NotFound.
func (db *DB) KeepClip(ctx context.Context, id ID, keep bool) error {
	return db.write(ctx, func(t *tx) error {
		return t.change(noClip(id), `UPDATE clip SET keep = ? WHERE id = ?`, keep, id)
	})
}

// cameraNos gives the number of one camera, or of all when id is zero.
func cameraNos(t *tx, id ID) ([]int64, error) {
	if id != (ID{}) {
		no, err := cameraNo(t, id)
		return []int64{no}, err
	}
	return list(t, func(row scanner) (no int64, err error) { return no, row.Scan(&no) }, `SELECT no FROM camera ORDER BY no`)
}

// bounds gives a range in microseconds; zero times are open ends.
func bounds(from, to time.Time) (int64, int64) {
	lo, hi := int64(-1<<62), int64(1<<62)
	if !from.IsZero() {
		lo = micros(from)
	}
	if !to.IsZero() {
		hi = micros(to)
	}
	return lo, hi
}
