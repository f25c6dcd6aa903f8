package check

import (
	"context"
	"database/sql"
	"time"
)

// overlap is how far a fetched clip may lie over its neighbours: the clocks of camera and box differ, and a clip that was cut off and
// made whole may be a little longer than what was known to be durable.
const overlap = 2 * time.Second

// missed checks I24.
func (c *checker) missed(ctx context.Context) error {
	err := c.each(ctx, func(row *sql.Rows) error {
		var camera string
		var start int64
		if err := row.Scan(&camera, &start); err != nil {
			return err
		}
		return c.report(24, "camera "+camera, "it is given up in some minutes; a gap stays", "what is to be fetched from %s on ends before it begins", stamp(start))
	}, `SELECT camera.name, missed.start FROM missed JOIN camera ON camera.no = camera_no WHERE missed."end" <= missed.start OR before <= after OR life = 0`)
	if err != nil {
		return err
	}
	return c.each(ctx, func(row *sql.Rows) error {
		var camera string
		var clip, other int64
		if err := row.Scan(&camera, &clip, &other); err != nil {
			return err
		}
		return c.report(24, "camera "+camera, "some seconds are there twice; delete one of the clips if that disturbs you",
			"the clip at %s, which was fetched later, lies over the clip at %s", stamp(clip), stamp(other))
	}, `SELECT camera.name, late.start, other.start FROM clip AS late JOIN camera ON camera.no = late.camera_no
		JOIN clip AS other ON other.camera_no = late.camera_no AND other.start IN (
			(SELECT max(start) FROM clip WHERE camera_no = late.camera_no AND start < late.start),
			(SELECT min(start) FROM clip WHERE camera_no = late.camera_no AND start > late.start))
		WHERE late.fetched = 1 AND min(late."end", other."end") - max(late.start, other.start) > ?1
		AND NOT EXISTS (SELECT 1 FROM gap AS near WHERE near.camera_no = late.camera_no AND near.reason = 'clock' AND abs(near.start - late.start) < ?2)`,
		overlap.Microseconds(), (24 * time.Hour).Microseconds())
}
