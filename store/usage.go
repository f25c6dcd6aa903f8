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
}

// Usage gives the usage of every camera, removed ones included, from counters: it does not scan the clips, so pages that are open may ask
// for it every few seconds.
func (db *DB) Usage(ctx context.Context) (all []Usage, err error) {
	err = db.read(ctx, func(t *tx) error {
		all, err = list(t, func(row scanner) (u Usage, err error) {
			return u, row.Scan(&u.Camera, &u.Clips, &u.Bytes, &u.KeptBytes, instant{&u.Oldest}, instant{&u.Newest})
		}, `SELECT camera.id, usage.clips, usage.bytes, usage.kept_bytes,
			(SELECT min(start) FROM clip WHERE camera_no = camera.no), (SELECT max(start) FROM clip WHERE camera_no = camera.no)
			FROM usage JOIN camera ON camera.no = usage.camera_no ORDER BY camera.position, camera.no`)
		return err
	})
	return all, err
}

// Recent gives the bytes of the closed and torn clips of each camera that started in the last 24 hours, with their previews, for a
// forecast. It scans those clips.
func (db *DB) Recent(ctx context.Context) (map[ID]int64, error) {
	type sum struct {
		camera ID
		bytes  int64
	}
	var all []sum
	err := db.read(ctx, func(t *tx) (err error) {
		all, err = list(t, func(row scanner) (s sum, err error) {
			return s, row.Scan(&s.camera, &s.bytes)
		}, `SELECT camera.id, (SELECT coalesce(sum(bytes + coalesce((SELECT bytes FROM preview WHERE preview.clip = clip.id), 0)), 0)
				FROM clip WHERE camera_no = camera.no AND start >= ?)
			FROM camera`, micros(db.now().Add(-24*time.Hour)))
		return err
	})
	if err != nil {
		return nil, err
	}
	out := make(map[ID]int64, len(all))
	for _, s := range all {
		out[s.camera] = s.bytes
	}
	return out, nil
}
