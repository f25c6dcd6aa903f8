package store

import (
	"context"
	"encoding/json"
	"fmt"
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
}

// AddEvent stores an event and gives it back with ID and Seq.
func (db *DB) AddEvent(ctx context.Context, event Event) (Event, error) {
	err := db.write(ctx, func(t *tx) error { return addEvent(t, &event) })
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

// UpdateEvent lets edit change End, Labels and Data of an event; it gets a new Seq, so that followers see it again. NotFound.
func (db *DB) UpdateEvent(ctx context.Context, id ID, edit func(*Event) error) (event Event, err error) {
	err = db.write(ctx, func(t *tx) error {
		found, err := list(t, scanEvent, eventColumns+`WHERE event.id = ?`, id)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return Errorf(NotFound, "there is no event %s", id)
		}
		event = found[0]
		if err := edit(&event); err != nil {
			return err
		}
		labels, data, err := eventText(&event)
		if err != nil {
			return err
		}
		if event.Seq, err = nextSeq(t); err != nil {
			return err
		}
		_, err = t.exec(`UPDATE event SET seq = ?, "end" = ?, labels = ?, data = ? WHERE id = ?`, event.Seq, orNull(event.End), labels, data, id)
		return err
	})
	return event, err
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

const eventColumns = `SELECT event.id, event.seq, camera.id, event.kind, event.start, event."end", event.source, event.labels, event.data
	FROM event LEFT JOIN camera ON camera.no = event.camera_no `

func scanEvent(row scanner) (e Event, err error) {
	var labels, data string
	err = row.Scan(&e.ID, &e.Seq, &e.Camera, &e.Kind, instant{&e.Start}, instant{&e.End}, &e.Source, &labels, &data)
	if err != nil {
		return e, err
	}
	e.Data = json.RawMessage(data)
	return e, json.Unmarshal([]byte(labels), &e.Labels)
}

// EventQuery chooses events. Zero fields choose everything.
type EventQuery struct {
	Camera   ID
	Kind     string
	From, To time.Time // by Start, From included, To not
	Limit    int       // at most so many
}

// Events lists events, the newest first.
func (db *DB) Events(ctx context.Context, query EventQuery) (all []Event, err error) {
	from, to := bounds(query.From, query.To)
	limit := query.Limit
	if limit <= 0 {
		limit = -1
	}
	err = db.read(ctx, func(t *tx) error {
		if query.Camera == (ID{}) {
			all, err = list(t, scanEvent, eventColumns+`WHERE event.start >= ?1 AND event.start < ?2 AND (?3 = '' OR event.kind = ?3)
				ORDER BY event.start DESC, event.seq DESC LIMIT ?4`, from, to, query.Kind, limit)
			return err
		}
		no, err := cameraNo(t, query.Camera)
		if err != nil {
			return err
		}
		all, err = list(t, scanEvent, eventColumns+`WHERE event.camera_no = ?5 AND event.start >= ?1 AND event.start < ?2
			AND (?3 = '' OR event.kind = ?3) ORDER BY event.start DESC, event.seq DESC LIMIT ?4`, from, to, query.Kind, limit, no)
		return err
	})
	return all, err
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

// DropEvents deletes events that started before the time given, at most limit of them, and says how many it took.
func (db *DB) DropEvents(ctx context.Context, before time.Time, limit int) (n int, err error) {
	return db.take(ctx, `DELETE FROM event WHERE no IN (SELECT no FROM event WHERE start < ? ORDER BY start LIMIT ?)`, micros(before), limit)
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
