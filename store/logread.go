package store

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"cardea/store/tlog"
)

// LoggedRecord is a record with what it takes to prove it.
type LoggedRecord struct {
	LogRecord
	At   time.Time
	Salt []byte
	Text []byte // the JSON that was committed to
}

const logColumns = `SELECT at, salt, record FROM log_record `

func scanRecord(row scanner) (r LoggedRecord, err error) {
	var text string
	if err := row.Scan(instant{&r.At}, &r.Salt, &text); err != nil {
		return r, err
	}
	r.Text = []byte(text)
	return r, json.Unmarshal(r.Text, &r.LogRecord)
}

// LogQuery chooses records. Zero fields choose everything, heartbeats left out.
type LogQuery struct {
	Log      LogName
	From, To time.Time
	User     string // name of the account, ignoring case
	Camera   ID
	Action   string
	Before   int64 // records with a smaller number; 0 = all
	Limit    int
}

// LogRecords lists records, the newest first.
func (db *DB) LogRecords(ctx context.Context, q LogQuery) (all []LoggedRecord, err error) {
	from, to := bounds(q.From, q.To)
	limit := q.Limit
	if limit <= 0 {
		limit = -1
	}
	err = db.read(ctx, func(t *tx) error {
		all, err = list(t, scanRecord, logColumns+`WHERE log = ?1 AND (?2 = 0 OR seq < ?2) AND at >= ?3 AND at < ?4
			AND (?5 = '' AND action <> 'heartbeat' OR action = ?5) AND (?6 IS NULL OR camera = ?6)
			AND (?7 = '' OR json_extract(record, '$.name') = ?7 COLLATE NOCASE) ORDER BY seq DESC LIMIT ?8`,
			q.Log, q.Before, from, to, q.Action, idOrNull(q.Camera), q.User, limit)
		return err
	})
	return all, err
}

// LogRecordsFrom lists records in order, from the number given on: what a follower needs. Erased ones are missing.
func (db *DB) LogRecordsFrom(ctx context.Context, log LogName, from int64, limit int) (all []LoggedRecord, err error) {
	err = db.read(ctx, func(t *tx) error {
		all, err = list(t, scanRecord, logColumns+`WHERE log = ? AND seq >= ? ORDER BY seq LIMIT ?`, log, from, limit)
		return err
	})
	return all, err
}

// LogRecord gives one record. NotFound, also when it was erased.
func (db *DB) LogRecord(ctx context.Context, log LogName, seq int64) (r LoggedRecord, err error) {
	all, err := db.LogRecordsFrom(ctx, log, seq, 1)
	if err == nil && (len(all) == 0 || all[0].Seq != seq) {
		return r, Errorf(NotFound, "there is no record %d in the %s log; its time may be over", seq, log)
	}
	if err != nil {
		return r, err
	}
	return all[0], nil
}

// FootageSeq gives the number of the newest record in the footage log that binds the bytes of a clip. NotFound for clips from before
// there was a log, and for open ones.
func (db *DB) FootageSeq(ctx context.Context, clip ID) (seq int64, err error) {
	err = db.read(ctx, func(t *tx) error {
		return t.one(Errorf(NotFound, "the footage log has no record of clip %s", clip),
			`SELECT seq FROM log_record WHERE log = 2 AND clip = ? AND action = 'clip' ORDER BY seq DESC LIMIT 1`, []any{clip}, &seq)
	})
	return seq, err
}

// LogSource is a log as package tlog follows it.
type LogSource struct {
	db  *DB
	log LogName
}

// LogSource gives the source of a log's tree.
func (db *DB) LogSource(log LogName) LogSource { return LogSource{db, log} }

// Size implements tlog.Source.
func (s LogSource) Size(ctx context.Context) (size int64, err error) {
	err = s.db.read(ctx, func(t *tx) error {
		return t.one(s.db.damaged(nil), `SELECT value FROM counter WHERE name = ?`, []any{"log." + s.log.String()}, &size)
	})
	return size, err
}

// Leaves implements tlog.Source.
func (s LogSource) Leaves(ctx context.Context, from int64, limit int) ([]tlog.Leaf, error) {
	records, err := s.db.LogRecordsFrom(ctx, s.log, from, limit)
	leaves := make([]tlog.Leaf, 0, len(records))
	for i, r := range records {
		if r.Seq != from+int64(i) {
			break
		}
		leaves = append(leaves, tlog.Commit(r.Salt, r.Text))
	}
	return leaves, err
}

// StartLog writes the first record of a log that is empty, and makes the index agree with a tree of size records that is ahead of it:
// the index was rolled back, and no number may be given twice. lost is how many records the index has not got.
func (db *DB) StartLog(ctx context.Context, log LogName, size int64) (lost int64, err error) {
	err = db.write(ctx, func(t *tx) error {
		var next int64
		counter := "log." + log.String()
		if err := t.one(db.damaged(nil), `SELECT value FROM counter WHERE name = ?`, []any{counter}, &next); err != nil {
			return err
		}
		lost = max(0, size-next)
		switch {
		case lost > 0:
			if _, err := t.exec(`UPDATE counter SET value = ? WHERE name = ?`, size, counter); err != nil {
				return err
			}
			return t.log(log, LogRecord{
				Action: actionLost, Before: size, Detail: "the index was rolled back; records from " + strconv.FormatInt(next, 10) + " on are missing",
			}, ID{}, ID{})
		case next == 0:
			// From when on clips have to have a record; text of a number, as package check reads it.
			if err := putSetting(t, "log."+log.String()+".since", strconv.FormatInt(micros(db.now()), 10)); err != nil {
				return err
			}
			return t.log(log, LogRecord{Action: actionStart, Detail: "footage and acts from before this record are not in the log"}, ID{}, ID{})
		}
		return nil
	})
	return lost, err
}

// Heartbeat appends a record to a log in which nothing happened since the time given.
func (db *DB) Heartbeat(ctx context.Context, log LogName, since time.Time) error {
	return db.write(ctx, func(t *tx) error {
		var last int64
		err := t.one(nil, `SELECT at FROM log_record WHERE log = ? ORDER BY seq DESC LIMIT 1`, []any{log}, &last)
		if err != nil || last >= micros(since) {
			return err
		}
		return t.log(log, LogRecord{Action: ActionHeartbeat}, ID{}, ID{})
	})
}

// EraseLog deletes records and salts from before the time given, up to the number below (what the tree has not got yet stays), and
// says so in the log. The records of clips that are still there stay with them. The commitments in the tree are not touched. A run that
// finds nothing writes nothing. At most limit records go at once; it says how many went.
func (db *DB) EraseLog(ctx context.Context, log LogName, before time.Time, below int64, limit int) (n int, err error) {
	err = db.write(ctx, func(t *tx) error {
		var upto, erased int64
		// Everything up to the last record that is old enough, so that a clock that stepped back leaves no islands.
		err := t.one(nil, `SELECT seq + 1 FROM log_record WHERE log = ? AND seq < ? AND at < ? ORDER BY seq DESC LIMIT 1`,
			[]any{log, below, micros(before)}, &upto)
		if err != nil || upto == 0 {
			return err
		}
		result, err := t.exec(`DELETE FROM log_record WHERE log = ?1 AND seq IN (SELECT seq FROM log_record WHERE log = ?1 AND seq < ?2
			AND NOT (log = 2 AND action = 'clip' AND EXISTS (SELECT 1 FROM clip WHERE clip.id = log_record.clip)) LIMIT ?3)`, log, upto, limit)
		if err != nil {
			return err
		}
		if erased, err = result.RowsAffected(); err != nil || erased == 0 {
			return err
		}
		n = int(erased)
		return t.log(log, LogRecord{Action: actionErase, Before: upto, Detail: "their time was over; the commitments stay"}, ID{}, ID{})
	})
	return n, err
}

// LogErased is the number below which records may be missing, because they were erased.
func (db *DB) LogErased(ctx context.Context, log LogName) (before int64, err error) {
	err = db.read(ctx, func(t *tx) error {
		return t.one(nil, `SELECT json_extract(record, '$.before') FROM log_record WHERE log = ? AND action = 'log.erase' ORDER BY seq DESC LIMIT 1`,
			[]any{log}, &before)
	})
	return before, err
}

// FollowLog gives a channel that gets a value after records were appended to a log, as Follow does for events.
func (db *DB) FollowLog() (news <-chan struct{}, stop func()) { return db.logFollowers.follow() }
