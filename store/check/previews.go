package check

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/oklog/ulid/v2"

	"cardea/store/disk"
	"cardea/store/parts"
)

// preview is a row, with what it refers to.
type preview struct {
	camera, id          ulid.ULID
	start               int64
	end                 sql.NullInt64
	state               int64
	bytes, header, init int64
	sha256, packed      []byte
	logged              sql.NullString // the newest record of its clip in the footage log
}

func (p *preview) path() string { return disk.PreviewPath(p.camera, time.UnixMicro(p.start), p.id) }

//lint:ignore U1000 settle calls it by its type parameter
func (p *preview) key() ulid.ULID { return p.id }

// same reports whether nothing has happened to the row since other was read.
//
//lint:ignore U1000 settle calls it by its type parameter
func (p *preview) same(other *preview) bool {
	return p.state == other.state && p.bytes == other.bytes && p.start == other.start && bytes.Equal(p.sha256, other.sha256)
}

const previewQuery = `SELECT camera.id, preview.clip, clip.start, clip."end", preview.state, preview.bytes, preview.header_bytes, preview.init_bytes,
	preview.sha256, preview.packed,
	(SELECT record FROM log_record AS r WHERE r.log = 2 AND r.clip = clip.id AND action = 'clip' ORDER BY seq DESC LIMIT 1)
	FROM preview JOIN clip ON clip.id = preview.clip JOIN camera ON camera.no = clip.camera_no `

func scanPreview(row interface{ Scan(...any) error }) (p preview, err error) {
	return p, row.Scan(&p.camera, &p.id, &p.start, &p.end, &p.state, &p.bytes, &p.header, &p.init, &p.sha256, &p.packed, &p.logged)
}

// preview reads one row as it is now.
func (c *checker) preview(ctx context.Context, id ulid.ULID) (row preview, found bool, err error) {
	row, err = scanPreview(c.db.QueryRowContext(ctx, previewQuery+`WHERE preview.clip = ?`, id[:]))
	if errors.Is(err, sql.ErrNoRows) {
		return row, false, nil
	}
	return row, err == nil, err
}

// previews checks I23 but for rows without a clip, which tables finds: from the rows to the files, in batches as clips does.
func (c *checker) previews(ctx context.Context) error {
	const batch = 500
	last := []byte{} // NULL would be behind nothing
	for {
		var rows []preview
		err := c.each(ctx, func(row *sql.Rows) error {
			next, err := scanPreview(row)
			rows = append(rows, next)
			return err
		}, previewQuery+`WHERE preview.clip > ? ORDER BY preview.clip LIMIT ?`, last, batch)
		if err != nil || len(rows) == 0 {
			return err
		}
		if err := settle(ctx, c, rows, c.inspectPreview, c.preview); err != nil {
			return err
		}
		last = rows[len(rows)-1].id[:]
	}
}

// inspectPreview gives what is wrong with a preview, as the row says and the file is now. Of one that is about to be written the file is
// whatever it is.
func (c *checker) inspectPreview(ctx context.Context, row *preview) (faults []Fault, err error) {
	fault := func(_ int, _, what string, args ...any) {
		faults = append(faults, Fault{
			Invariant: 23, What: fmt.Sprintf(what, args...), Where: fmt.Sprintf("preview of clip %s (%s)", row.id, row.path()),
			Do: "the clip is not affected; find out what happened to the file",
		})
	}
	row.check(fault)
	if row.logged.Valid {
		var logged struct{ Preview string }
		if err := json.Unmarshal([]byte(row.logged.String), &logged); err != nil || logged.Preview != hex.EncodeToString(row.sha256) {
			fault(0, "", "the footage log says SHA-256 %q, the index %x", logged.Preview, row.sha256)
		}
	}
	if c.root == nil || row.state == open {
		return faults, nil
	}
	file, err := c.root.Open(row.path())
	if errors.Is(err, fs.ErrNotExist) {
		fault(0, "", "the file is missing")
		return faults, nil
	}
	if err != nil {
		fault(0, "", "the file cannot be read: %v", err)
		return faults, nil
	}
	defer file.Close() //nolint:errcheck // only read from
	info, err := file.Stat()
	if err != nil {
		return faults, err
	}
	if size := info.Size(); size != row.bytes {
		fault(0, "", "the file has %d bytes, the index says %d", size, row.bytes)
		return faults, nil // the hash would say the same again
	}
	if !c.config.Quick {
		err = checkContents(ctx, file, row.sha256, 23, 23, fault)
	}
	return faults, err
}

// check holds the row against itself.
func (p *preview) check(fault report) {
	list, err := parts.Unpack(p.packed)
	if err != nil {
		fault(0, "", "%v", err)
		return
	}
	if p.init <= 0 || p.header <= 0 || p.header+p.init >= p.bytes {
		fault(0, "", "the lengths of header (%d) and init segment (%d) cannot be right", p.header, p.init)
	}
	if len(list) == 0 || list[0].Offset != p.init {
		fault(0, "", "the first part does not start behind the init segment at %d", p.init)
	}
	const slack = int64(time.Second / time.Microsecond)
	for i, part := range list {
		at := part.Start.UnixMicro()
		if part.Offset >= p.bytes || at < p.start-slack || p.end.Valid && at > p.end.Int64+slack {
			fault(0, "", "part %d starts at %s and at byte %d, outside of the clip", i, part.Start.Format(time.RFC3339), part.Offset)
			return
		}
	}
}
