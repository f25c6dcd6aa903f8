package nvr

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"cardea/store"
)

// event is what is to be stored by the goroutine of storeEvents, because the one who noticed it must not wait.
type event struct {
	store.Event
	end store.ID // an earlier event that ends with this one
}

// emit queues an event. It does not block: a box that cannot store events for minutes loses some, and says so.
func (n *NVR) emit(e event) {
	select {
	case n.events <- e:
	default:
		n.log.Error("an event is lost, the index does not keep up", "kind", e.Kind)
	}
}

// storeEvents stores what was emitted, until ctx is done and the queue is empty.
func (n *NVR) storeEvents(ctx context.Context) error {
	for {
		select {
		case e := <-n.events:
			n.storeEvent(e)
		case <-ctx.Done():
			for {
				select {
				case e := <-n.events:
					n.storeEvent(e)
				default:
					return nil
				}
			}
		}
	}
}

func (n *NVR) storeEvent(e event) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	if e.end != (store.ID{}) {
		_, err := n.db.UpdateEvent(ctx, e.end, func(before *store.Event) error {
			before.End = e.Start
			return nil
		})
		if err != nil && store.ErrorCode(err) != store.NotFound {
			n.log.Error("the end of an event is lost", "error", err)
		}
	}
	if e.Kind == "" {
		return
	}
	if _, err := n.db.AddEvent(ctx, e.Event); err != nil && store.ErrorCode(err) != store.NotFound {
		n.log.Error("an event is lost", "kind", e.Kind, "error", err)
	}
}

// object encodes the data of an event.
func object(v map[string]any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		return nil // the maps above hold strings and times only
	}
	return b
}

// alarmSource marks the events of alarms.
const alarmSource = "cardea"

// alarms are the ones that are on.
type alarms struct {
	now func() time.Time
	mu  sync.Mutex
	on  map[string]lasting
}

type lasting struct {
	Alarm
	event store.ID
}

// set switches an alarm and says whether that is news.
func (a *alarms) set(code, detail string, on bool) (before lasting, news bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	before, was := a.on[code]
	switch {
	case on && was:
		now := before
		now.Detail = detail
		a.on[code] = now
	case on:
		if a.on == nil {
			a.on = map[string]lasting{}
		}
		a.on[code] = lasting{Alarm: Alarm{Code: code, Detail: detail, Since: a.now()}}
	case was:
		delete(a.on, code)
	}
	return before, on != was
}

func (a *alarms) link(code string, id store.ID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if l, ok := a.on[code]; ok {
		l.event = id
		a.on[code] = l
	}
}

func (a *alarms) list() []Alarm {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []Alarm
	for _, l := range a.on {
		out = append(out, l.Alarm)
	}
	slices.SortFunc(out, func(x, y Alarm) int { return strings.Compare(x.Code, y.Code) })
	return out
}

// is reports whether an alarm is on.
func (a *alarms) is(code string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, on := a.on[code]
	return on
}

// alarm switches an alarm; a new one is an event that lasts as long as it is on. It does not block.
func (n *NVR) alarm(code, detail string, on bool) {
	before, news := n.alarms.set(code, detail, on)
	if !news {
		return
	}
	now := n.clock.Now()
	if !on {
		n.log.Info("alarm is over", "code", code)
		n.emit(event{end: before.event, Event: store.Event{Start: now}})
		return
	}
	level := slog.LevelError
	if code == noVault {
		level = slog.LevelWarn // of a box that is new, not broken
	}
	n.log.Log(context.Background(), level, "alarm", "code", code, "detail", detail)
	kind := "system"
	if strings.HasPrefix(code, "disk-") {
		kind = "storage"
	}
	id, err := n.db.NewID(now)
	if err != nil {
		n.log.Error("an event is lost", "kind", kind, "error", err)
		return
	}
	n.alarms.link(code, id)
	n.emit(event{Event: store.Event{
		ID: id, Kind: kind, Start: now, Source: alarmSource, Labels: []string{code}, Data: object(map[string]any{"detail": detail}),
	}})
}

// endAlarms ends the events of alarms that an earlier run left on: this one notices by itself what is still wrong.
func (n *NVR) endAlarms(ctx context.Context) error {
	for _, kind := range []string{"system", "storage"} {
		all, err := n.db.Events(ctx, store.EventQuery{Kind: kind, Limit: 1000})
		if err != nil {
			return err
		}
		for _, e := range all {
			if e.End.IsZero() && e.Source == alarmSource {
				n.emit(event{end: e.ID, Event: store.Event{Start: n.clock.Now()}})
			}
		}
	}
	return nil
}

// Events lists events, newest first.
func (n *NVR) Events(ctx context.Context, query store.EventQuery) ([]store.Event, error) {
	return n.db.Events(ctx, query)
}
