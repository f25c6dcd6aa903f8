package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"
)

// Event is something that happened.
type Event struct {
	ID     ID // filled in when zero
	Seq    int64
	Camera ID     // zero = the box itself
	Kind   string // for example "motion", "camera.offline", "storage"
	Start  time.Time
	End    time.Time // zero = still going on
	Source string    // who noticed
	Labels []string
	Data   json.RawMessage // a JSON object; nil = {}

	Reviewed  time.Time // when somebody marked it as seen; zero = nobody has
	Reviewer  string    // their name
	Keep      bool      // retention leaves it, and the clips around it, alone
	Note      []byte    // an age file that the box cannot open; nil = none
	NoteVault ID        // whom the note is sealed to
}

// MaxNote is the longest note in bytes.
const MaxNote = 8 << 10

// AddEvent stores an event and gives it back with ID and Seq.
func (db *DB) AddEvent(ctx context.Context, event Event) (Event, error) {
	err := db.write(ctx, func(t *tx) error { return addEvent(t, &event) })
	return event, err
}

// AddKept stores an event that is kept and seen from the beginning, with the clips around it.
func (db *DB) AddKept(ctx context.Context, event Event, reviewed time.Time, reviewer string) (Event, error) {
	err := db.write(ctx, func(t *tx) (err error) {
		if err = addEvent(t, &event); err == nil {
			event, err = updateEvent(t, event.ID, func(e *Event) error {
				e.Keep, e.Reviewed, e.Reviewer = true, reviewed, reviewer
				return nil
			})
		}
		return err
	})
	return event, err
}

func addEvent(t *tx, event *Event) error {
	if event.Kind == "" || event.Start.IsZero() || event.Source == "" {
		return Errorf(Invalid, "an event needs a kind, a start and a source")
	}
	if event.ID == (ID{}) {
		id, err := t.db.NewID(event.Start)
		if err != nil {
			return err
		}
		event.ID = id
	}
	var camera any
	if event.Camera != (ID{}) {
		no, err := cameraNo(t, event.Camera)
		if err != nil {
			return err
		}
		camera = no
	}
	labels, data, err := eventText(event)
	if err != nil {
		return err
	}
	if event.Seq, err = nextSeq(t); err != nil {
		return err
	}
	_, err = t.exec(`INSERT INTO event (id, seq, camera_no, kind, start, "end", source, labels, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		event.ID, event.Seq, camera, event.Kind, micros(event.Start), orNull(event.End), event.Source, labels, data)
	return err
}

// UpdateEvent lets edit change an event, all but ID, Seq, Camera, Kind, Start and Source; it gets a new Seq, so that followers see it
// again. The clips around it follow its Keep. NotFound.
func (db *DB) UpdateEvent(ctx context.Context, id ID, edit func(*Event) error) (event Event, err error) {
	err = db.write(ctx, func(t *tx) error {
		event, err = updateEvent(t, id, edit)
		return err
	})
	return event, err
}

// UpdateEvents is UpdateEvent for several events, all or none.
func (db *DB) UpdateEvents(ctx context.Context, ids []ID, edit func(*Event) error) (all []Event, err error) {
	err = db.write(ctx, func(t *tx) error {
		all = nil
		for _, id := range ids {
			event, err := updateEvent(t, id, edit)
			if err != nil {
				return err
			}
			all = append(all, event)
		}
		return nil
	})
	return all, err
}

func updateEvent(t *tx, id ID, edit func(*Event) error) (Event, error) {
	e, err := event(t, id)
	if err != nil {
		return e, err
	}
	if err := edit(&e); err != nil {
		return e, err
	}
	if (len(e.Note) == 0) != (e.NoteVault == ID{}) || len(e.Note) > MaxNote || e.Reviewed.IsZero() != (e.Reviewer == "") {
		return e, Errorf(Invalid, "a note needs its vault and has at most %d bytes, a review its reviewer", MaxNote)
	}
	labels, data, err := eventText(&e)
	if err != nil {
		return e, err
	}
	if e.Seq, err = nextSeq(t); err != nil {
		return e, err
	}
	var vault, note, reviewer any
	if e.NoteVault != (ID{}) {
		if vault, err = vaultNo(t, e.NoteVault); err != nil {
			return e, err
		}
		note = e.Note
	}
	if e.Reviewer != "" {
		reviewer = e.Reviewer
	}
	_, err = t.exec(`UPDATE event SET seq = ?, "end" = ?, labels = ?, data = ?, reviewed = ?, reviewer = ?, keep = ?, note = ?, note_vault_no = ? WHERE id = ?`,
		e.Seq, orNull(e.End), labels, data, orNull(e.Reviewed), reviewer, e.Keep, note, vault, id)
	return e, err
}

// Event gives one event. NotFound.
func (db *DB) Event(ctx context.Context, id ID) (e Event, err error) {
	err = db.read(ctx, func(t *tx) error {
		e, err = event(t, id)
		return err
	})
	return e, err
}

func event(t *tx, id ID) (Event, error) {
	found, err := list(t, scanEvent, eventColumns+`WHERE event.id = ?`, id)
	if err == nil && len(found) == 0 {
		err = Errorf(NotFound, "there is no event %s", id)
	}
	if err != nil {
		return Event{}, err
	}
	return found[0], nil
}

func nextSeq(t *tx) (seq int64, err error) {
	t.events++
	return seq, t.one(t.db.damaged(nil), `UPDATE counter SET value = value + 1 WHERE name = 'event' RETURNING value`, nil, &seq)
}

func eventText(event *Event) (labels, data string, err error) {
	if event.Labels == nil {
		event.Labels = []string{}
	}
	text, err := json.Marshal(event.Labels)
	if err != nil {
		return "", "", fmt.Errorf("encode labels: %w", err)
	}
	if event.Data == nil {
		event.Data = json.RawMessage(`{}`)
	}
	if !json.Valid(event.Data) {
		return "", "", Errorf(Invalid, "the data of an event is JSON")
	}
	return string(text), string(event.Data), nil
}

const eventColumns = `SELECT event.id, event.seq, camera.id, event.kind, event.start, event."end", event.source, event.labels, event.data,
	event.reviewed, coalesce(event.reviewer, ''), event.keep, event.note, vault.id
	FROM event LEFT JOIN camera ON camera.no = event.camera_no LEFT JOIN vault ON vault.no = event.note_vault_no `

func scanEvent(row scanner) (e Event, err error) {
	var labels, data string
	err = row.Scan(&e.ID, &e.Seq, &e.Camera, &e.Kind, instant{&e.Start}, instant{&e.End}, &e.Source, &labels, &data,
		instant{&e.Reviewed}, &e.Reviewer, &e.Keep, &e.Note, &e.NoteVault)
	if err != nil {
		return e, err
	}
	e.Data = json.RawMessage(data)
	return e, json.Unmarshal([]byte(labels), &e.Labels)
}

// EventQuery chooses events. Zero fields choose everything.
type EventQuery struct {
	Camera   ID
	Cameras  []ID // events of these cameras only, and none of the box itself; nil = all
	Kind     string
	Kinds    []string
	From, To time.Time // by Start, From included, To not
	Reviewed *bool     // seen by somebody, or not
	Keep     *bool
	Without  string // no events with this label
	Before   ID     // only those that come after this event in the order of Events
	Limit    int    // at most so many
}

// Events lists events, the newest first; of those that began at the same moment the one with the greater ID.
func (db *DB) Events(ctx context.Context, query EventQuery) (all []Event, err error) {
	err = db.read(ctx, func(t *tx) error {
		where, args, err := query.where(t)
		if err != nil {
			return err
		}
		limit := query.Limit
		if limit <= 0 {
			limit = -1
		}
		all, err = list(t, scanEvent, eventColumns+"WHERE "+where+" ORDER BY event.start DESC, event.id DESC LIMIT ?", append(args, limit)...)
		return err
	})
	return all, err
}

// where gives the conditions of a query. Their text depends on which fields are set only, so that few statements are prepared.
func (query *EventQuery) where(t *tx) (string, []any, error) {
	from, to := bounds(query.From, query.To)
	where, args := []string{"event.start >= ? AND event.start < ?"}, []any{from, to}
	add := func(condition string, more ...any) {
		where, args = append(where, condition), append(args, more...)
	}
	if query.Camera != (ID{}) {
		no, err := cameraNo(t, query.Camera)
		if err != nil {
			return "", nil, err
		}
		add("event.camera_no = ?", no)
	}
	if query.Cameras != nil {
		nos := []int64{}
		for _, id := range query.Cameras {
			no, err := cameraNo(t, id)
			if err != nil && ErrorCode(err) != NotFound {
				return "", nil, err
			}
			nos = append(nos, no)
		}
		add("+event.camera_no IN (SELECT value FROM json_each(?))", asJSON(nos)) // + keeps the walk by start
	}
	if query.Kind != "" {
		add("event.kind = ?", query.Kind)
	}
	if query.Kinds != nil {
		add("event.kind IN (SELECT value FROM json_each(?))", asJSON(query.Kinds))
	}
	if query.Reviewed != nil {
		add("(event.reviewed IS NOT NULL) = ?", *query.Reviewed)
	}
	if query.Keep != nil {
		add(map[bool]string{true: "event.keep = 1", false: "event.keep = 0"}[*query.Keep]) // its index is told by the text
	}
	if query.Without != "" {
		add("NOT EXISTS (SELECT 1 FROM json_each(event.labels) WHERE value = ?)", query.Without)
	}
	if query.Before != (ID{}) {
		start := query.Before.Timestamp().UnixMicro() // of an event that is gone by now: to the millisecond
		if err := t.one(nil, `SELECT start FROM event WHERE id = ?`, []any{query.Before}, &start); err != nil {
			return "", nil, err
		}
		add("(event.start, event.id) < (?, ?)", start, query.Before)
	}
	return strings.Join(where, " AND "), args, nil
}

// asJSON encodes a list of numbers or words, which cannot fail.
func asJSON(list any) string {
	text, _ := json.Marshal(list)
	return string(text)
}

// EventsAfter lists events that were added or changed after seq, in the order of Seq; a follower reads with it and then
// remembers the last Seq with PutCursor.
func (db *DB) EventsAfter(ctx context.Context, seq int64, limit int) (all []Event, err error) {
	err = db.read(ctx, func(t *tx) error {
		all, err = list(t, scanEvent, eventColumns+`WHERE event.seq > ? ORDER BY event.seq LIMIT ?`, seq, limit)
		return err
	})
	return all, err
}

// LastEvent is the Seq that was given last.
func (db *DB) LastEvent(ctx context.Context) (seq int64, err error) {
	err = db.read(ctx, func(t *tx) error {
		return t.one(db.damaged(nil), `SELECT value FROM counter WHERE name = 'event'`, nil, &seq)
	})
	return seq, err
}

// Cursor is what the follower called name has dealt with; 0 at first.
func (db *DB) Cursor(ctx context.Context, name string) (seq int64, err error) {
	err = db.read(ctx, func(t *tx) error {
		return t.one(nil, `SELECT seq FROM cursor WHERE name = ?`, []any{name}, &seq)
	})
	return seq, err
}

// PutCursor remembers that the follower called name has dealt with everything up to seq.
func (db *DB) PutCursor(ctx context.Context, name string, seq int64) error {
	return db.write(ctx, func(t *tx) error {
		_, err := t.exec(`INSERT INTO cursor (name, seq) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET seq = ?2`, name, seq)
		return err
	})
}

// DropEvents deletes events that started before the time given and are not kept, at most limit of them, and says how many it took.
func (db *DB) DropEvents(ctx context.Context, before time.Time, limit int) (n int, err error) {
	return db.take(ctx, `DELETE FROM event WHERE no IN (SELECT no FROM event WHERE start < ? AND keep = 0 ORDER BY start LIMIT ?)`, micros(before), limit)
}

// followers are those who want to be woken up when events, or records of a log, were committed.
type followers struct {
	mu   sync.Mutex
	all  map[chan struct{}]struct{}
	done bool
}

// Follow gives a channel that gets a value after events were committed; several commits may give one value. It says only
// that there is news: read it with EventsAfter. stop ends it; after Close the channel is closed.
func (db *DB) Follow() (news <-chan struct{}, stop func()) { return db.followers.follow() }

func (f *followers) follow() (news <-chan struct{}, stop func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	bell := make(chan struct{}, 1)
	if f.done {
		close(bell)
		return bell, func() {}
	}
	if f.all == nil {
		f.all = map[chan struct{}]struct{}{}
	}
	f.all[bell] = struct{}{}
	return bell, sync.OnceFunc(func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.all, bell)
	})
}

func (f *followers) wake() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for bell := range f.all {
		select {
		case bell <- struct{}{}:
		default: // it has not looked yet and will see this too
		}
	}
}

func (f *followers) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for bell := range f.all {
		close(bell)
	}
	f.all, f.done = nil, true
}
