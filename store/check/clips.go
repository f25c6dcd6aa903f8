package check

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"

	"cardea/store/disk"
	"cardea/store/parts"
)

// The states of a clip, as in the column clip.state.
const (
	open   = 0
	closed = 1
)

// clip is a row, with what it refers to.
type clip struct {
	number              int64 // camera_no
	camera, id          ulid.ULID
	start               int64
	end                 sql.NullInt64
	bytes, plain        int64
	header, init, state int64
	sha256, packed      []byte
	durable, parts      int64 // of an open clip: file bytes known to be durable, and number of parts
	planned             sql.NullInt64
	plannedSHA256       []byte
}

func (c *clip) path() string { return disk.ClipPath(c.camera, time.UnixMicro(c.start), c.id) }

//lint:ignore U1000 settle calls it by its type parameter
func (c *clip) key() ulid.ULID { return c.id }

// same reports whether nothing has happened to the row since other was read.
//
//lint:ignore U1000 settle calls it by its type parameter
func (c *clip) same(other *clip) bool {
	return c.state == other.state && c.bytes == other.bytes && c.durable == other.durable && c.start == other.start && bytes.Equal(c.sha256, other.sha256)
}

const clipQuery = `SELECT clip.camera_no, camera.id, clip.id, clip.start, clip."end", clip.bytes, clip.plain, clip.header_bytes, clip.init_bytes,
	clip.state, clip.sha256, clip_parts.packed,
	coalesce((SELECT bytes FROM open_part WHERE clip = clip.id ORDER BY n DESC LIMIT 1), 0),
	(SELECT count(*) FROM open_part WHERE clip = clip.id), replacement.bytes, replacement.sha256
	FROM clip JOIN camera ON camera.no = clip.camera_no LEFT JOIN clip_parts ON clip_parts.no = clip.parts_no
	LEFT JOIN replacement ON replacement.clip = clip.id `

func scan(row interface{ Scan(...any) error }) (c clip, err error) {
	return c, row.Scan(&c.number, &c.camera, &c.id, &c.start, &c.end, &c.bytes, &c.plain, &c.header, &c.init,
		&c.state, &c.sha256, &c.packed, &c.durable, &c.parts, &c.planned, &c.plannedSHA256)
}

// clip reads one row as it is now.
func (c *checker) clip(ctx context.Context, id ulid.ULID) (row clip, found bool, err error) {
	row, err = scan(c.db.QueryRowContext(ctx, clipQuery+`WHERE clip.id = ?`, id[:]))
	if errors.Is(err, sql.ErrNoRows) {
		return row, false, nil
	}
	return row, err == nil, err
}

// clips checks I2, I4, I5, I6, I7, I11 and I13: from the rows to the files. It reads in batches, so that a long check does not keep
// the writer's log from being folded in.
func (c *checker) clips(ctx context.Context) error {
	var total float64
	if err := c.db.QueryRowContext(ctx, `SELECT coalesce(sum(clips), 0) FROM usage`).Scan(&total); err != nil {
		return err
	}
	c.share = float64(c.config.Sample) / max(1, total)
	const batch = 500
	var camera, start, seen int64 = -1, 0, 0
	for {
		rows := make([]clip, 0, batch)
		err := c.each(ctx, func(row *sql.Rows) error {
			next, err := scan(row)
			rows = append(rows, next)
			return err
		}, clipQuery+`WHERE (clip.camera_no, clip.start) > (?, ?) ORDER BY clip.camera_no, clip.start LIMIT ?`, camera, start, batch)
		if err != nil || len(rows) == 0 {
			return err
		}
		if err := settle(ctx, c, rows, c.inspect, c.clip); err != nil {
			return err
		}
		seen += int64(len(rows))
		if c.config.Progress != nil {
			c.config.Progress(seen)
		}
		last := &rows[len(rows)-1]
		camera, start = last.number, last.start
	}
}

// inspect gives what is wrong with a clip, as the row says and the file is now.
func (c *checker) inspect(ctx context.Context, row *clip) (faults []Fault, err error) {
	where := fmt.Sprintf("clip %s (%s)", row.id, row.path())
	fault := func(invariant int, do, what string, args ...any) {
		faults = append(faults, Fault{Invariant: invariant, What: fmt.Sprintf(what, args...), Where: where, Do: do})
	}
	if row.end.Valid && row.end.Int64 < row.start {
		fault(11, "the clip plays; its place on the timeline is wrong", "it ends at %s before it starts at %s", stamp(row.end.Int64), stamp(row.start))
	}
	if row.state != open {
		row.checkParts(fault)
	}
	if c.root == nil {
		return faults, nil
	}
	file, err := c.root.Open(row.path())
	if errors.Is(err, fs.ErrNotExist) {
		// Between the row and the first byte of an open clip there is a moment without file, and a crash may fall into it.
		if row.state != open || row.parts > 0 {
			fault(2, "bring the file back from a copy, or delete the clip in Cardea", "the file is missing")
		}
		return faults, nil
	}
	if err != nil {
		fault(2, "look at the disk and the owner of the file", "the file cannot be read: %v", err)
		return faults, nil
	}
	defer file.Close() //nolint:errcheck // only read from
	info, err := file.Stat()
	if err != nil {
		return faults, err
	}
	size := info.Size()
	if row.state == open {
		if size < row.durable {
			fault(6, "the disk has lost what it said it had written: check the disk", "the file has %d bytes, %d were durable", size, row.durable)
		}
		return faults, nil
	}
	wantSize, wantHash := row.bytes, row.sha256
	if row.planned.Valid && size == row.planned.Int64 { // salvaged, and the crash came before the row
		wantSize, wantHash = row.planned.Int64, row.plannedSHA256
	}
	if size != wantSize {
		fault(4, "the file was changed or cut off: bring it back from a copy, or delete the clip in Cardea", "the file has %d bytes, the index says %d", size, wantSize)
		return faults, nil // the hash would say the same again
	}
	if !c.config.Quick || c.sampled(row) {
		err = checkContents(ctx, file, wantHash, 5, 13, fault)
	}
	return faults, err
}

// sampled says by chance, but always the same within a run, whether a clip is read.
func (c *checker) sampled(row *clip) bool {
	const parts = 1 << 20
	return float64(maphash.Bytes(c.seed, row.id[:])%parts) < c.share*parts
}

type report func(invariant int, do, what string, args ...any)

// checkParts is I7, and the arithmetic of I4: an age file is its header and nonce, and for each 64 KiB of plaintext 16 bytes more.
func (c *clip) checkParts(fault report) {
	const lost = "the file is not affected: salvage makes a new index of it"
	list, err := parts.Unpack(c.packed)
	if err != nil {
		fault(7, lost, "%v", err)
		return
	}
	if c.init <= 0 || c.header <= 0 || c.header >= c.bytes {
		fault(7, lost, "the lengths of header (%d) and init segment (%d) cannot be right", c.header, c.init)
	}
	for i, part := range list {
		if part.Offset < c.init || part.Offset >= c.plain {
			fault(7, lost, "part %d starts at %d, outside of %d to %d", i, part.Offset, c.init, c.plain)
			return
		}
		const slack = int64(time.Second / time.Microsecond)
		if at := part.Start.UnixMicro(); at < c.start-slack || (c.end.Valid && at > c.end.Int64+slack) {
			fault(7, lost, "part %d starts at %s, outside of the clip", i, part.Start.Format(time.RFC3339))
			return
		}
	}
	if len(list) > 0 && list[0].Offset != c.init {
		fault(7, lost, "the first part starts at %d, not behind the init segment at %d", list[0].Offset, c.init)
	}
	const chunk = 64 << 10
	chunks := max(1, (c.plain+chunk-1)/chunk)
	if sealed := c.header + c.plain + 16*chunks; c.state == closed && c.bytes != sealed {
		fault(4, lost, "%d bytes of plaintext make a file of %d bytes, the index says %d", c.plain, sealed, c.bytes)
	} else if c.bytes < c.header+c.plain {
		fault(4, lost, "a file of %d bytes cannot hold %d bytes of plaintext", c.bytes, c.plain)
	}
}

// magic is how every age file begins (https://c2sp.org/age).
const magic = "age-encryption.org/v1\n"

// checkContents is I5 and I13, and for previews I23: the numbers are those of what is changed and of what is not sealed.
func checkContents(ctx context.Context, file io.Reader, want []byte, changed, unsealed int, fault report) error {
	hash := sha256.New()
	first := make([]byte, len(magic))
	n, err := io.ReadFull(file, first)
	hash.Write(first[:n])
	if err == nil {
		_, err = io.Copy(hash, reader{ctx, file})
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF):
		fault(changed, "look at the disk and the system log", "the file cannot be read: %v", err)
		return nil
	}
	if string(first[:n]) != magic {
		fault(unsealed, "find out what wrote this file; move it away", "the file is not an age file, so it is not sealed")
	}
	if got := hash.Sum(nil); !slices.Equal(got, want) {
		fault(changed, "the file was changed: bring it back from a copy, or delete the clip in Cardea", "the SHA-256 is %x, the index says %x", got, want)
	}
	return nil
}

// reader stops when the context is done.
type reader struct {
	ctx context.Context //nolint:containedctx // io.Reader has no place for it
	in  io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.in.Read(p)
}
