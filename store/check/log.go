package check

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/oklog/ulid/v2"

	"cardea/store/tlog"
)

// logNames are the words for the logs, by their number in log_record.
var logNames = [...]string{1: "access", 2: "footage"}

const askOwner = "somebody changed the log or the disk lost a part of it: keep a copy of the data directory, and find out who could write to it"

// record is a row of log_record.
type record struct {
	seq, at      int64
	action       string
	camera, clip []byte
	salt         []byte
	text         string
}

// logs checks I17, I18 and I19: the trees, the records against them, and the footage log against the clips.
func (c *checker) logs(ctx context.Context) error {
	known := map[string]bool{}
	for number := 1; number < len(logNames); number++ {
		origin, err := c.log(ctx, number)
		if err != nil {
			return err
		}
		known[origin] = true
	}
	for _, text := range c.config.Witnessed {
		if origin := tlog.Origin(text); !known[origin] {
			if err := c.report(17, "the witness's checkpoint", "give the file that was kept of this NVR", "it is of another log, %.80q", origin); err != nil {
				return err
			}
		}
	}
	return c.footage(ctx)
}

// log checks one log and gives its origin.
func (c *checker) log(ctx context.Context, number int) (origin string, err error) {
	name := logNames[number]
	dir := filepath.Join(c.config.Dir, "log", name)
	key, err := c.setting(ctx, "log."+name+".vkey")
	if err != nil {
		return "", err
	}
	walk := &walk{checker: c, number: number, name: name}
	var now tlog.Checkpoint
	if _, err := os.Stat(dir); key != "" || err == nil {
		var faults []tlog.Fault
		now, faults, err = tlog.Verify(ctx, tlog.Verification{Dir: dir, Key: key, Witnessed: c.config.Witnessed, Each: func(seq int64, leaf tlog.Leaf) error {
			return walk.leaf(ctx, seq, leaf)
		}})
		for _, f := range faults {
			if err := c.report(17, "log/"+name+"/"+f.Where, askOwner, "%s", f.What); err != nil {
				return now.Origin, err
			}
		}
		if err != nil {
			return now.Origin, err
		}
	}
	// NewVerifier has looked at the key; its name is what stands before the first plus sign.
	origin, _, _ = strings.Cut(key, "+")
	return origin, walk.tail(ctx, now.Size)
}

// walk goes over the records of a log beside its leaves.
type walk struct {
	*checker
	number  int
	name    string
	batch   []record // read ahead
	missing []int64
}

// next gives the record numbered seq, or false when there is none. Numbers are asked for in order.
func (w *walk) next(ctx context.Context, seq int64) (r record, found bool, err error) {
	for len(w.batch) > 0 && w.batch[0].seq < seq {
		w.batch = w.batch[1:]
	}
	if len(w.batch) == 0 { // also when there was none a moment ago: an NVR that runs appends
		const size = 1000
		err := w.each(ctx, func(row *sql.Rows) error {
			var r record
			err := row.Scan(&r.seq, &r.at, &r.action, &r.camera, &r.clip, &r.salt, &r.text)
			w.batch = append(w.batch, r)
			return err
		}, `SELECT seq, at, action, camera, clip, salt, record FROM log_record WHERE log = ? AND seq >= ? ORDER BY seq LIMIT ?`, w.number, seq, size)
		if err != nil {
			return r, false, err
		}
	}
	if len(w.batch) == 0 || w.batch[0].seq != seq {
		return r, false, nil
	}
	return w.batch[0], true, nil
}

// leaf holds a record against its commitment.
func (w *walk) leaf(ctx context.Context, seq int64, leaf tlog.Leaf) error {
	r, found, err := w.next(ctx, seq)
	if err != nil {
		return err
	}
	if !found {
		w.missing = append(w.missing, seq)
		return nil
	}
	if tlog.Commit(r.salt, []byte(r.text)) != leaf {
		return w.report(18, w.where(seq), askOwner, "the record in the index is not the one that was logged; it was changed")
	}
	return w.columns(r)
}

func (w *walk) where(seq int64) string { return fmt.Sprintf("%s log, record %d", w.name, seq) }

// columns holds what listings filter by against the record.
func (w *walk) columns(r record) error {
	var logged struct {
		Seq                        int64
		Time, Action, Camera, Clip string
	}
	if err := json.Unmarshal([]byte(r.text), &logged); err != nil {
		return w.report(18, w.where(r.seq), askOwner, "the record is no JSON")
	}
	id := func(data []byte) string {
		if data == nil {
			return ""
		}
		return readable(hex.EncodeToString(data))
	}
	if logged.Seq != r.seq || logged.Action != r.action || logged.Camera != id(r.camera) || logged.Clip != id(r.clip) || !strings.HasPrefix(logged.Time, stamp(r.at)[:19]) {
		return w.report(18, w.where(r.seq), askOwner, "number, time, action, camera or clip beside the record are not those in it")
	}
	return nil
}

// tail checks what the tree has not got yet, and whether what is missing was erased.
func (w *walk) tail(ctx context.Context, size int64) error {
	var counter int64
	if err := w.db.QueryRowContext(ctx, `SELECT value FROM counter WHERE name = ?`, "log."+w.name).Scan(&counter); err != nil {
		return err
	}
	if counter < size {
		if err := w.report(18, w.name+" log", "bring back the newest database; "+askOwner, "the index knows %d records, the log's files %d: the index was rolled back", counter, size); err != nil {
			return err
		}
	}
	for seq := size; seq < counter; seq++ {
		r, found, err := w.next(ctx, seq)
		switch {
		case err != nil:
			return err
		case !found:
			w.missing = append(w.missing, seq)
		default:
			if err := w.columns(r); err != nil {
				return err
			}
		}
	}
	if len(w.missing) == 0 {
		return nil
	}
	// Read after the records: retention may have erased some in the meantime.
	var erased int64
	err := w.db.QueryRowContext(ctx, `SELECT coalesce(json_extract(record, '$.before'), 0) FROM log_record WHERE log = ? AND action = 'log.erase' ORDER BY seq DESC LIMIT 1`,
		w.number).Scan(&erased)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	for i := 0; i < len(w.missing); {
		first, last := w.missing[i], w.missing[i]
		for i++; i < len(w.missing) && w.missing[i] == last+1; i++ {
			last++
		}
		if first = max(first, erased); first > last {
			continue
		}
		where := w.where(first)
		if last > first {
			where = fmt.Sprintf("%s to %d", where, last)
		}
		if err := w.report(18, where, askOwner, "missing in the index, and retention has not erased it"); err != nil {
			return err
		}
	}
	return nil
}

// footage checks I19.
func (c *checker) footage(ctx context.Context) error {
	since, err := c.setting(ctx, "log.footage.since")
	if err != nil {
		return err
	}
	err = c.each(ctx, func(row *sql.Rows) error {
		var id ulid.ULID
		var end, size int64
		var sum []byte
		var text sql.NullString
		if err := row.Scan(&id, &end, &size, &sum, &text); err != nil {
			return err
		}
		where := "clip " + id.String()
		if !text.Valid {
			return c.report(19, where, askOwner, "the footage log has no record of it")
		}
		var logged struct {
			Bytes  int64
			SHA256 string
		}
		if err := json.Unmarshal([]byte(text.String), &logged); err != nil || logged.Bytes != size || logged.SHA256 != hex.EncodeToString(sum) {
			return c.report(19, where, askOwner, "the footage log says %d bytes and SHA-256 %s, the index %d and %x", logged.Bytes, logged.SHA256, size, sum)
		}
		return nil
	}, `SELECT * FROM (SELECT clip.id, clip."end" AS "end", clip.bytes, clip.sha256,
		(SELECT record FROM log_record AS r WHERE r.log = 2 AND r.clip = clip.id AND action = 'clip' ORDER BY seq DESC LIMIT 1) AS record
		FROM clip WHERE state <> 0) WHERE record IS NOT NULL OR (?1 <> '' AND "end" > CAST(?1 AS INTEGER))`, since)
	if err != nil {
		return err
	}
	return c.each(ctx, func(row *sql.Rows) error {
		var id ulid.ULID
		var seq int64
		if err := row.Scan(&id, &seq); err != nil {
			return err
		}
		return c.report(19, "clip "+id.String(), askOwner, "record %d of the footage log has it; it left the index without a record of its deletion", seq)
	}, `SELECT clip, seq FROM log_record AS made WHERE log = 2 AND action = 'clip' AND NOT EXISTS (SELECT 1 FROM clip WHERE clip.id = made.clip)
		AND NOT EXISTS (SELECT 1 FROM log_record AS gone WHERE gone.log = 2 AND gone.clip = made.clip AND gone.action = 'deletion')`)
}
