package store

import (
	"context"
	"time"
)

// Reason says in one word why a camera that should have recorded did not.
type Reason string

// The reasons. Not recording by choice (mode event, mode off) is no gap.
const (
	GapOff         Reason = "off"          // Cardea was not running
	GapOffline     Reason = "offline"      // the camera does not answer
	GapRefused     Reason = "refused"      // the camera or its identity was refused
	GapNoVault     Reason = "no-vault"     // there is no vault to seal clips to
	GapDiskFull    Reason = "disk-full"    // no space, and nothing that may be deleted
	GapDiskMissing Reason = "disk-missing" // the clips directory is not mounted
	GapDiskError   Reason = "disk-error"   // the disk reports errors
	GapOverload    Reason = "overload"     // the box could not keep up
	GapDecode      Reason = "decode"       // the stream is unusable
	GapRestart     Reason = "restart"      // Cardea or the stream was started again
	GapModeEvent   Reason = "mode-event"   // switching between modes
	GapClock       Reason = "clock"        // the box's clock jumped
)

// Gap is a time without footage that should be there.
type Gap struct {
	Camera ID
	Start  time.Time
	End    time.Time // zero = still going on
	Reason Reason
	Detail string // a sentence for people
}

// OpenGap notes that a gap has begun. A gap of the camera that is going on with the same reason stays and gets the new
// detail; one with another reason ends where the new one begins.
func (db *DB) OpenGap(ctx context.Context, gap Gap) error {
	if gap.Reason == "" || gap.Start.IsZero() {
		return Errorf(Invalid, "a gap needs a start and a reason")
	}
	return db.write(ctx, func(t *tx) error {
		camera, err := cameraNo(t, gap.Camera)
		if err != nil {
			return err
		}
		same, err := t.exec(`UPDATE gap SET detail = ? WHERE camera_no = ? AND "end" IS NULL AND reason = ?`, gap.Detail, camera, gap.Reason)
		if err != nil {
			return err
		}
		if n, err := same.RowsAffected(); err != nil || n > 0 {
			return err
		}
		if err := closeGap(t, camera, micros(gap.Start)); err != nil {
			return err
		}
		return putGap(t, camera, &gap)
	})
}

// CloseGap ends the gap of the camera that is going on, if there is one. A gap that would end before it began is dropped.
func (db *DB) CloseGap(ctx context.Context, camera ID, end time.Time) error {
	return db.write(ctx, func(t *tx) error {
		no, err := cameraNo(t, camera)
		if err != nil {
			return err
		}
		return closeGap(t, no, micros(end))
	})
}

// AddGap stores a gap that is over, for example the time between a crash and the restart. One without length is ignored.
func (db *DB) AddGap(ctx context.Context, gap Gap) error {
	if gap.Reason == "" || gap.Start.IsZero() || gap.End.IsZero() {
		return Errorf(Invalid, "a gap that is over needs a start, an end and a reason")
	}
	if micros(gap.End) <= micros(gap.Start) {
		return nil
	}
	return db.write(ctx, func(t *tx) error {
		camera, err := cameraNo(t, gap.Camera)
		if err != nil {
			return err
		}
		return putGap(t, camera, &gap)
	})
}

// closeGap ends the open gap. The clock may have stepped back since it began, so a negative length is possible.
func closeGap(t *tx, camera, end int64) error {
	if _, err := t.exec(`DELETE FROM gap WHERE camera_no = ? AND "end" IS NULL AND start >= ?`, camera, end); err != nil {
		return err
	}
	open, err := list(t, scanGap, gapColumns+`WHERE gap.camera_no = ? AND gap."end" IS NULL`, camera)
	if err != nil || len(open) == 0 {
		return err
	}
	open[0].End = fromMicros(end)
	t.logGap(&open[0])
	_, err = t.exec(`UPDATE gap SET "end" = ? WHERE camera_no = ? AND "end" IS NULL`, end, camera)
	return err
}

func putGap(t *tx, camera int64, gap *Gap) error {
	t.logGap(gap)
	_, err := t.exec(`INSERT INTO gap (camera_no, start, "end", reason, detail) VALUES (?1, ?2, ?3, ?4, ?5)
		ON CONFLICT (camera_no, start) DO UPDATE SET "end" = ?3, reason = ?4, detail = ?5`,
		camera, micros(gap.Start), orNull(gap.End), gap.Reason, gap.Detail)
	return err
}

const gapColumns = `SELECT camera.id, gap.start, gap."end", gap.reason, gap.detail FROM gap JOIN camera ON camera.no = gap.camera_no `

func scanGap(row scanner) (g Gap, err error) {
	return g, row.Scan(&g.Camera, instant{&g.Start}, instant{&g.End}, &g.Reason, &g.Detail)
}

// OpenGaps lists the gaps that are going on, one a camera at most.
func (db *DB) OpenGaps(ctx context.Context) (all []Gap, err error) {
	err = db.read(ctx, func(t *tx) error {
		all, err = list(t, scanGap, gapColumns+`WHERE gap."end" IS NULL ORDER BY gap.camera_no`)
		return err
	})
	return all, err
}

// Gaps lists the gaps of a camera that touch the range from..to, by start. Zero times are open ends.
func (db *DB) Gaps(ctx context.Context, camera ID, from, to time.Time) (all []Gap, err error) {
	err = db.read(ctx, func(t *tx) error {
		no, err := cameraNo(t, camera)
		if err != nil {
			return err
		}
		all, err = gaps(t, no, from, to)
		return err
	})
	return all, err
}

// gaps relies on gaps of a camera not overlapping: of those that start before from only the last can reach into the range.
func gaps(t *tx, camera int64, from, to time.Time) ([]Gap, error) {
	lo, hi := bounds(from, to)
	return list(t, scanGap, gapColumns+`WHERE gap.camera_no = ?1
		AND gap.start >= coalesce((SELECT max(start) FROM gap WHERE camera_no = ?1 AND start <= ?2), ?2) AND gap.start < ?3
		AND (gap."end" IS NULL OR gap."end" > ?2) ORDER BY gap.start`, camera, lo, hi)
}

// DropGaps deletes gaps that ended before the time given, at most limit of them, and says how many it took.
func (db *DB) DropGaps(ctx context.Context, before time.Time, limit int) (n int, err error) {
	return db.take(ctx, `DELETE FROM gap WHERE (camera_no, start) IN (SELECT camera_no, start FROM gap WHERE "end" < ? LIMIT ?)`,
		micros(before), limit)
}
