package store

import (
	"context"
	"time"
)

// Isolation is why the NVR stays away from a camera until a person decides.
type Isolation struct {
	Camera ID
	Since  time.Time
	// Cause is one word for the rule that did it, Detail a sentence for people.
	Cause, Detail string
	// Presented is the SHA-256 of the SPKI that the camera showed in place of the pinned one; nil where that is not the matter.
	Presented []byte
}

// Isolate stores that a camera is isolated. What isolated it first stays the reason; news says whether this was the first.
// NotFound for a camera that is not in use.
func (db *DB) Isolate(ctx context.Context, i Isolation) (news bool, err error) {
	err = db.write(ctx, func(t *tx) error {
		no, err := cameraNo(t, i.Camera)
		if err != nil {
			return err
		}
		done, err := t.exec(`INSERT INTO isolation (camera_no, since, cause, detail, presented) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
			no, micros(i.Since), i.Cause, i.Detail, blob(i.Presented))
		if err != nil {
			return err
		}
		n, err := done.RowsAffected()
		news = n == 1
		return err
	})
	return news, err
}

// Isolations lists the isolated cameras.
func (db *DB) Isolations(ctx context.Context) (all []Isolation, err error) {
	err = db.read(ctx, func(t *tx) error {
		all, err = list(t, func(row scanner) (i Isolation, err error) {
			err = row.Scan(&i.Camera, instant{&i.Since}, &i.Cause, &i.Detail, &i.Presented)
			return i, err
		}, `SELECT camera.id, i.since, i.cause, i.detail, i.presented FROM isolation i JOIN camera ON camera.no = i.camera_no ORDER BY i.since`)
		return err
	})
	return all, err
}

// Release ends the isolation of a camera; of one that is not isolated it changes nothing.
func (db *DB) Release(ctx context.Context, camera ID) error {
	return db.write(ctx, func(t *tx) error {
		_, err := t.exec(`DELETE FROM isolation WHERE camera_no = (SELECT no FROM camera WHERE id = ?)`, camera)
		return err
	})
}
