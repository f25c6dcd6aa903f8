package nvr

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"cardea/camera/onvif"
	"cardea/camera/rtsp"
	"cardea/store"
)

const (
	// listenAgain is the first wait before a camera is asked for its events again, listenAgainMax the longest.
	listenAgain, listenAgainMax = time.Second, time.Minute
	// listenRefused is the wait after a refused account, so that no camera locks it, or where there are no events.
	listenRefused = 10 * time.Minute
	// keepRecording is for how long a camera records on, each second that a detector is on.
	keepRecording = 3 * time.Second
	// fromCamera marks the events that a camera noticed.
	fromCamera = "onvif"
)

// cameraKinds are the kinds of events that a camera's own detectors make.
func cameraKinds() []string { return []string{"motion", "object", "doorbell", "tamper"} }

// listen hears what the camera notices over ONVIF, where it has that, until ctx is done.
func (r *runner) listen(ctx context.Context) {
	wait, said := listenAgain, ""
	for ctx.Err() == nil {
		session, cancel := context.WithCancel(ctx)
		r.mu.Lock()
		r.endListening = cancel
		has := r.row.ONVIF != "" && r.isolation == nil
		r.mu.Unlock()
		if !has {
			<-session.Done()
			cancel()
			continue
		}
		began := r.n.clock.Now()
		err := r.hear(session)
		if r.n.clock.Now().Sub(began) > listenAgainMax {
			wait, said = listenAgain, ""
		}
		if err != nil && session.Err() == nil {
			pause := time.Duration(float64(wait) * (0.75 + rand.Float64()/2)) // after a power cut they do not all come at once
			var without onvif.ErrNotOffered
			if onvif.Denied(err) || errors.As(err, &without) {
				pause = listenRefused
			}
			if reason := err.Error(); reason != said {
				r.n.log.InfoContext(ctx, "camera tells nothing of what it notices", "camera", r.id.String(), "reason", reason)
				said = reason
			}
			wait = min(2*wait, listenAgainMax)
			select {
			case <-session.Done():
			case <-time.After(pause):
			}
		}
		cancel()
	}
}

// listenAnew begins to listen again with the row as it is now.
func (r *runner) listenAnew() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.endListening != nil {
		r.endListening()
	}
}

// hear asks the camera what it can do, and hears what it notices, until ctx is done or that ends.
func (r *runner) hear(ctx context.Context) error {
	client, err := r.dialONVIF(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	streams, err := client.Streams(ctx)
	if err != nil {
		return err
	}
	r.learn(ctx, controlsOf(client.Abilities(ctx, streams)))

	signals, done := make(chan onvif.Signal, 64), make(chan error, 1)
	pulling, cancel := context.WithCancel(ctx)
	defer cancel()
	anew := func() {
		select {
		case signals <- onvif.Signal{}: // what was on before is unknown now
		case <-pulling.Done():
		}
	}
	go func() {
		done <- client.Watch(pulling, anew, func(n onvif.Notification) {
			if s, ok := n.Signal(); ok {
				select {
				case signals <- s:
				case <-pulling.Done():
				}
			}
		}, func() bool { return !r.away() })
	}()
	h := hearing{r: r, detectors: newDetectors(), events: map[string]store.ID{}}
	defer h.end()
	for {
		var tick <-chan time.Time
		if active, _ := h.detectors.active(); active {
			tick = time.After(time.Second)
		}
		select {
		case err := <-done:
			return err
		case s := <-signals:
			h.take(s)
		case <-tick:
			h.tick()
		}
	}
}

// away reports whether the NVR keeps away from the camera: then it is told nothing, not even good-bye.
func (r *runner) away() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.isolation != nil
}

// hearing makes events of signals.
type hearing struct {
	r         *runner
	detectors *detectors
	events    map[string]store.ID // that go on, by kind
}

func (h *hearing) take(s onvif.Signal) {
	now := h.r.n.clock.Now()
	if s.Kind == "" {
		h.over(h.detectors.end(now))
		return
	}
	if h.detectors.take(s, now) {
		id, err := h.r.n.db.NewID(now)
		if err != nil {
			h.r.n.log.Error("an event is lost", "kind", s.Kind, "error", err)
			return
		}
		h.events[s.Kind] = id
		e := store.Event{ID: id, Camera: h.r.id, Kind: s.Kind, Start: now, Source: fromCamera}
		if s.Label != "" {
			e.Labels = []string{s.Label}
		}
		h.r.n.emit(event{Event: e})
	}
	if s.On {
		h.r.line.Trigger(now.Add(keepRecording))
	}
}

func (h *hearing) tick() {
	now := h.r.n.clock.Now()
	h.over(h.detectors.tick(now))
	if _, on := h.detectors.active(); on {
		h.r.line.Trigger(now.Add(keepRecording))
	}
}

func (h *hearing) over(all []ended) {
	for _, o := range all {
		if o.stuck {
			h.r.n.log.Warn("a camera's detector is stuck", "camera", h.r.id.String(), "kind", o.kind)
		}
		if id, ok := h.events[o.kind]; ok {
			h.r.n.emit(event{end: id, Event: store.Event{Start: o.at}})
			delete(h.events, o.kind)
		}
	}
}

func (h *hearing) end() { h.over(h.detectors.end(h.r.n.clock.Now())) }

// controlsOf is what a camera can be asked for, as it is stored.
func controlsOf(a onvif.Abilities) (c store.Controls) {
	for bit, on := range map[store.Controls]bool{
		store.ControlPTZ: a.PTZ, store.ControlSnapshot: a.Snapshot, store.ControlImaging: a.Imaging, store.ControlMotion: a.Events,
	} {
		if on {
			c |= bit
		}
	}
	return c
}

// learn stores what the camera can be asked for, when that is news. Whether one can talk to it is found elsewhere.
func (r *runner) learn(ctx context.Context, found store.Controls) {
	r.mu.Lock()
	news := r.row.Controls&^store.ControlTalk != found
	r.mu.Unlock()
	if !news {
		return
	}
	row, err := r.n.db.UpdateCamera(ctx, r.id, func(row *store.Camera) error {
		row.Controls = row.Controls&store.ControlTalk | found
		return nil
	})
	if err != nil {
		r.n.log.WarnContext(ctx, "what a camera can do is not stored", "camera", r.id.String(), "error", err)
		return
	}
	r.mu.Lock()
	r.row.Controls = row.Controls
	r.mu.Unlock()
}

// endHeard ends the events of cameras that an earlier run left going on: nobody knows when they ended.
func (n *NVR) endHeard(ctx context.Context) error {
	for _, kind := range cameraKinds() {
		all, err := n.db.Events(ctx, store.EventQuery{Kind: kind, Limit: 200})
		if err != nil {
			return err
		}
		for _, e := range all {
			if !e.End.IsZero() || e.Source != fromCamera {
				continue
			}
			end := e.Start.Add(stuckAfter)
			if now := n.clock.Now(); now.Before(end) {
				end = now
			}
			n.emit(event{end: e.ID, Event: store.Event{Start: end}})
		}
	}
	return nil
}

// identityDoubt reports whether an error says that somebody else answers.
func identityDoubt(err error) (presented []byte, doubt bool) {
	var pin rtsp.ErrPin
	var who rtsp.ErrIdentity
	switch {
	case errors.As(err, &pin):
		return pin.Got, len(pin.Want) != 0
	case errors.As(err, &who):
		return nil, true
	}
	return nil, false
}
