package store

import (
	"context"
	"time"
)

// Usage is what the clips of one camera take, with their previews.
type Usage struct {
	Camera    ID
	Clips     int64     // open ones included
	Bytes     int64     // of closed and torn clips
	KeptBytes int64     // of those that retention leaves alone
	Oldest    time.Time // start of the first clip; zero = no clip
	Newest    time.Time // start of the last clip
	Recent    int64     // bytes of closed and torn clips that started in the last 24 hours, for a forecast
}

// Usage gives the usage of every camera, removed ones included, from counters: it does not scan the clips, except those of the
// last day for Recent.
func (db *DB) Usage(ctx context.Context) (all []Usage, err error) {
	err = db.read(ctx, func(t *tx) error {
		all, err = list(t, func(row scanner) (u Usage, err error) {
			return u, row.Scan(&u.Camera, &u.Clips, &u.Bytes, &u.KeptBytes, instant{&u.Oldest}, instant{&u.Newest}, &u.Recent)
		}, `SELECT camera.id, usage.clips, usage.bytes, usage.kept_bytes,
			(SELECT min(start) FROM clip WHERE camera_no = camera.no), (SELECT max(start) FROM clip WHERE camera_no = camera.no),
			(SELECT coalesce(sum(bytes + coalesce((SELECT bytes FROM preview WHERE preview.clip = clip.id), 0)), 0)
				FROM clip WHERE camera_no = camera.no AND start >= ?)
			FROM usage JOIN camera ON camera.no = usage.camera_no ORDER BY camera.position, camera.no`, micros(db.now().Add(-24*time.Hour)))
		return err
	})
	return all, err
}
