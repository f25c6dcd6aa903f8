package store

import (
	"context"

	"cardea/store/disk"
)

// Garbage is a file whose row is gone and that is still to be unlinked.
type Garbage struct {
	No     int64
	Path   string // relative to the clips directory
	Bytes  int64
	Reason string // why its clip was deleted
}

// DeleteClips takes clips out of the index and notes their files as garbage, in one transaction; Sweep unlinks them then. The
// reason is one word ("age", "space", "camera", "person", "lost"). Clips that are gone already are skipped. A removed camera goes with
// its last clip. Previews go with their clips. Gives the number of clips, and the bytes taken with their previews.
func (db *DB) DeleteClips(ctx context.Context, ids []ID, reason string) (n int, bytes int64, err error) {
	if reason == "" {
		return 0, 0, Errorf(Invalid, "a deletion needs a reason")
	}
	err = db.write(ctx, func(t *tx) error {
		n, bytes = 0, 0
		for _, id := range ids {
			c, err := clip(t, id)
			if ErrorCode(err) == NotFound {
				continue
			}
			if err != nil {
				return err
			}
			_, err = t.exec(`INSERT INTO garbage (path, bytes, reason, deleted) VALUES (?, ?, ?, ?)`, c.Path(), c.Bytes, reason, micros(db.now()))
			if err != nil {
				return err
			}
			preview, err := previewGarbage(t, &c, reason)
			if err != nil {
				return err
			}
			bytes += preview
			if _, err := t.exec(`DELETE FROM clip WHERE id = ?`, id); err != nil {
				return err
			}
			t.logFootage(LogRecord{
				Action: ActionDeletion, Start: timeText(c.Start), End: timeText(c.End), Bytes: c.Bytes, SHA256: hexText(c.SHA256), Reason: reason,
			}, c.Camera, c.ID)
			n++
			bytes += c.Bytes
		}
		return forgetCameras(t)
	})
	return n, bytes, err
}

// Garbage lists files that are still to be unlinked, at most limit of them.
func (db *DB) Garbage(ctx context.Context, limit int) (all []Garbage, err error) {
	err = db.read(ctx, func(t *tx) error {
		all, err = list(t, func(row scanner) (g Garbage, err error) {
			return g, row.Scan(&g.No, &g.Path, &g.Bytes, &g.Reason)
		}, `SELECT no, path, bytes, reason FROM garbage ORDER BY no LIMIT ?`, limit)
		return err
	})
	return all, err
}

// Sweep unlinks all garbage, makes that durable, and only then forgets it. Call it at start and after DeleteClips. When the disk
// does not let it, the rest stays garbage and the error of package disk is given; call again later. done, when not nil, hears of
// each file after it is gone. Gives the bytes freed by the index.
func (db *DB) Sweep(ctx context.Context, root *disk.Root, done func(Garbage)) (freed int64, err error) {
	const batch = 100
	for {
		waiting, err := db.Garbage(ctx, batch)
		if err != nil || len(waiting) == 0 {
			return freed, err
		}
		paths := make([]string, len(waiting))
		for i, g := range waiting {
			paths[i] = g.Path
		}
		if err := root.Remove(paths...); err != nil {
			return freed, err
		}
		err = db.write(ctx, func(t *tx) error {
			for _, g := range waiting {
				if _, err := t.exec(`DELETE FROM garbage WHERE no = ?`, g.No); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return freed, err
		}
		for _, g := range waiting {
			freed += g.Bytes
			if done != nil {
				done(g)
			}
		}
	}
}
