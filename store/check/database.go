package check

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/mattn/go-sqlite3"
	"github.com/oklog/ulid/v2"

	"cardea/store/disk"
	"cardea/store/migration"
)

const restore = "restore the last backup with `cardea restore`"

// database checks I1. When it is not sound, nothing else can be trusted.
func (c *checker) database(ctx context.Context) (sound bool, err error) {
	sound = true
	bad := func(what string, args ...any) {
		sound = false
		_ = c.report(1, databaseName, restore, what, args...)
	}
	latest, err := migration.Latest()
	if err != nil {
		return false, err
	}
	var application, version int
	err = c.db.QueryRowContext(ctx, `SELECT application_id, user_version FROM pragma_application_id, pragma_user_version`).Scan(&application, &version)
	switch {
	case damage(err):
		bad("%v", err)
		return false, nil
	case err != nil:
		return false, fmt.Errorf("open the database: %w", err)
	case application != migration.ApplicationID:
		bad("it is a database of another program")
		return false, nil
	case version != latest:
		return false, fmt.Errorf("the database has schema %d, this program checks schema %d: use the Cardea that wrote it", version, latest)
	}
	err = c.each(ctx, func(row *sql.Rows) error {
		var line string
		if err := row.Scan(&line); err != nil {
			return err
		}
		if line != "ok" {
			bad("integrity check: %s", line)
		}
		return nil
	}, `PRAGMA integrity_check(20)`)
	if damage(err) {
		bad("integrity check: %v", err)
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("check the database: %w", err)
	}
	err = c.each(ctx, func(row *sql.Rows) error {
		var table, parent string
		var rowid sql.NullInt64
		var key int
		if err := row.Scan(&table, &rowid, &parent, &key); err != nil {
			return err
		}
		bad("a row of %s points to a row of %s that is not there", table, parent)
		return nil
	}, `PRAGMA foreign_key_check`)
	return sound, err
}

func damage(err error) bool {
	var failure sqlite3.Error
	return errors.As(err, &failure) && (failure.Code == sqlite3.ErrCorrupt || failure.Code == sqlite3.ErrNotADB)
}

// openClips checks I15 and opens the clips directory.
func (c *checker) openClips(ctx context.Context) error {
	dir, own := c.config.Clips, filepath.Join(c.config.Dir, clipsName)
	var err error
	if dir == "" {
		// Clips in the data directory come first: they may have been moved or copied together with it, and where they were is not to
		// be checked in their place.
		if _, err := os.Stat(filepath.Join(own, disk.Marker)); err == nil {
			dir = own
		} else if dir, err = c.setting(ctx, settingClips); err != nil {
			return err
		}
	}
	if dir == "" {
		dir = own
	}
	text, err := c.setting(ctx, settingID)
	if err != nil {
		return err
	}
	id, err := ulid.ParseStrict(text)
	if err != nil {
		return c.report(15, databaseName, restore, "the setting %s is %q, not an identifier", settingID, text)
	}
	c.root, err = disk.Open(disk.Config{Dir: dir, Store: id})
	switch {
	case errors.Is(err, disk.ErrNotMounted):
		var used bool
		if err := c.db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM clip)`).Scan(&used); err != nil || !used {
			return err // nothing was recorded yet
		}
		return c.report(15, dir, "mount the disk with the clips, or say where they are with --clips DIR", "there is no file %s", disk.Marker)
	case errors.Is(err, disk.ErrOtherStore):
		return c.report(15, dir, "say where this store's clips are with --clips DIR", "%s names another store than %s", disk.Marker, id)
	}
	return err
}

// tables checks I8, I9, I14 and I16, each in one query, that is on one state of the database.
func (c *checker) tables(ctx context.Context) error {
	const say = "report this as a mistake in Cardea; " + restore
	for _, check := range []struct {
		invariant   int
		where, what string
		query       string
	}{
		{8, "open_part", "parts of a clip that is not open: %s", `SELECT DISTINCT hex(clip) FROM open_part WHERE clip NOT IN (SELECT id FROM clip WHERE state = 0)`},
		{8, "clip", "a finished clip has no list of parts: %s", `SELECT hex(id) FROM clip WHERE state <> 0 AND
			(parts_no IS NULL OR parts_no NOT IN (SELECT no FROM clip_parts) OR "end" IS NULL OR sha256 IS NULL)`},
		{8, "clip", "an open clip has what only a finished one has: %s", `SELECT hex(id) FROM clip WHERE state = 0 AND
			(parts_no IS NOT NULL OR "end" IS NOT NULL OR sha256 IS NOT NULL OR bytes <> 0)`},
		{8, "clip_parts", "a list of parts that no clip or more than one has: %s", `SELECT no FROM clip_parts LEFT JOIN
			(SELECT parts_no, count(*) AS n FROM clip WHERE parts_no IS NOT NULL GROUP BY parts_no) ON parts_no = no WHERE n IS NULL OR n <> 1`},
		{8, "replacement", "a plan to replace a clip that is not torn: %s", `SELECT hex(clip) FROM replacement WHERE clip NOT IN (SELECT id FROM clip WHERE state = 2)`},
		{9, "usage", "the counters of camera %s are not the sums of its clips", `SELECT camera.name FROM camera LEFT JOIN usage ON usage.camera_no = camera.no LEFT JOIN
			(SELECT camera_no, count(*) AS n, sum(clip.bytes + coalesce(preview.bytes, 0)) AS b, sum((clip.bytes + coalesce(preview.bytes, 0)) * keep) AS k
			FROM clip LEFT JOIN preview ON preview.clip = clip.id GROUP BY camera_no) AS s ON s.camera_no = camera.no
			WHERE usage.clips IS NOT coalesce(n, 0) OR usage.bytes IS NOT coalesce(b, 0) OR usage.kept_bytes IS NOT coalesce(k, 0)`},
		{20, "vault_grant", "a grant in force that no passkey of its person opens: %s", `SELECT hex(g.id) FROM vault_grant g WHERE g.kind = 'passkey' AND g.revoked IS NULL
			AND NOT EXISTS (SELECT 1 FROM passkey p WHERE p.no = g.passkey_no AND p.user_no = g.user_no)`},
		{21, "clip", "clip %s lies at a kept event and is not kept", `SELECT hex(clip.id) FROM event JOIN clip ON clip.camera_no = event.camera_no
			AND clip.start <= coalesce(event."end", 1 << 62) + 30000000 AND clip."end" >= event.start - 30000000 WHERE event.keep = 1 AND clip.keep = 0 AND clip.state <> 0`},
		{22, "event", "the note of event %s is not sealed, or has no vault", `SELECT hex(id) FROM event WHERE note IS NOT NULL AND
			(note_vault_no IS NULL OR substr(note, 1, 22) <> CAST('age-encryption.org/v1' || char(10) AS BLOB) OR length(note) > 8192)`},
		{22, "event", "event %s has a review without a reviewer, or the reverse", `SELECT hex(id) FROM event WHERE (reviewed IS NULL) <> (reviewer IS NULL)`},
		{23, "preview", "a preview that belongs to no finished clip: %s", `SELECT hex(clip) FROM preview WHERE clip NOT IN (SELECT id FROM clip WHERE state = 1)`},
		{16, "event", "event %s has a change number that was not given away", `SELECT hex(id) FROM event WHERE seq > (SELECT value FROM counter WHERE name = 'event')`},
	} {
		err := c.each(ctx, func(row *sql.Rows) error {
			var found string
			if err := row.Scan(&found); err != nil {
				return err
			}
			return c.report(check.invariant, check.where, say, check.what, readable(found))
		}, check.query)
		if err != nil {
			return err
		}
	}
	return c.garbage(ctx)
}

// readable gives the text form of an ID that SQL gave in hex, and anything else as it is.
func readable(text string) string {
	var id ulid.ULID
	if data, err := hex.DecodeString(text); err != nil || id.UnmarshalBinary(data) != nil {
		return text
	}
	return id.String()
}

// garbage checks I14: what is to be unlinked is no clip's file.
func (c *checker) garbage(ctx context.Context) error {
	var paths []string
	err := c.each(ctx, func(row *sql.Rows) error {
		var path string
		err := row.Scan(&path)
		paths = append(paths, path)
		return err
	}, `SELECT path FROM garbage`)
	if err != nil {
		return err
	}
	for _, path := range paths {
		_, id, ok := parsePath(path)
		if !ok {
			err = c.report(14, path, "report this as a mistake in Cardea", "this is not the name of a clip's file and is to be unlinked")
		} else if preview, found, readErr := c.preview(ctx, id); readErr != nil {
			return readErr
		} else if found && preview.path() == path {
			err = c.report(14, path, restore, "the file of a preview that is in the index is to be unlinked")
		} else if clip, found, readErr := c.clip(ctx, id); readErr != nil {
			return readErr
		} else if found && clip.path() == path {
			err = c.report(14, path, restore, "the file of a clip that is in the index is to be unlinked")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// userinfo finds addresses with a password in text.
var userinfo = regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.-]*://[^/\s"'<>?#]*:[^/\s"'<>?#]*@`)

// credentials checks I10 in every column that holds free text.
func (c *checker) credentials(ctx context.Context) error {
	return c.each(ctx, func(row *sql.Rows) error {
		var where, text string
		if err := row.Scan(&where, &text); err != nil {
			return err
		}
		if !userinfo.MatchString(text) {
			return nil
		}
		return c.report(10, where, "set the address again without user and password, and change that password", "an address with a password is stored in the clear")
	}, `SELECT 'camera ' || name || ', url', url FROM camera UNION ALL SELECT 'camera ' || name || ', sub_url', sub_url FROM camera WHERE sub_url IS NOT NULL
		UNION ALL SELECT 'camera ' || name || ', onvif', onvif FROM camera WHERE onvif IS NOT NULL UNION ALL SELECT 'setting ' || key, value FROM setting WHERE value LIKE '%://%'
		UNION ALL SELECT 'gap, detail', detail FROM gap WHERE detail LIKE '%://%' UNION ALL SELECT 'event, data', data FROM event WHERE data LIKE '%://%'`)
}

// tolerance is how far a gap and a clip may overlap: they are measured by the box's clock and by the camera's frames.
const tolerance = 10 * time.Second

// gaps checks I12. Reasons where a clip goes on (overload, decode), and times near a jump of the clock, are left out.
func (c *checker) gaps(ctx context.Context) error {
	const say = "the footage is there; the timeline shows it wrongly"
	err := c.each(ctx, func(row *sql.Rows) error {
		var camera string
		var start int64
		if err := row.Scan(&camera, &start); err != nil {
			return err
		}
		return c.report(12, "camera "+camera, say, "the gap at %s ends before it begins", stamp(start))
	}, `SELECT camera.name, gap.start FROM gap JOIN camera ON camera.no = camera_no WHERE "end" <= start`)
	if err != nil {
		return err
	}
	return c.each(ctx, func(row *sql.Rows) error {
		var camera, reason string
		var gap, clip int64
		if err := row.Scan(&camera, &gap, &reason, &clip); err != nil {
			return err
		}
		return c.report(12, "camera "+camera, say, "the gap at %s (%s) lies over the clip at %s", stamp(gap), reason, stamp(clip))
	}, `SELECT camera.name, gap.start, gap.reason, clip.start FROM gap JOIN camera ON camera.no = gap.camera_no
		JOIN clip ON clip.camera_no = gap.camera_no AND clip.start < gap."end" - ?1
		AND clip.start >= coalesce((SELECT max(start) FROM clip WHERE camera_no = gap.camera_no AND start <= gap.start), gap.start)
		WHERE gap.reason IN ('off', 'offline', 'refused', 'no-vault', 'disk-missing')
		AND min(clip."end", gap."end") - max(clip.start, gap.start) > ?1
		AND NOT EXISTS (SELECT 1 FROM gap AS near WHERE near.camera_no = gap.camera_no AND near.reason = 'clock' AND abs(near.start - gap.start) < ?2)`,
		tolerance.Microseconds(), (24 * time.Hour).Microseconds())
}

func stamp(micros int64) string { return time.UnixMicro(micros).UTC().Format(time.RFC3339) }
