package nvr

import (
	"slices"
	"time"

	"cardea/camera/onvif"
)

// Bounds of what a camera's own detectors can make of the list of events.
const (
	// quietFor is how long a detector has to be off before its event is over, so that one movement is one event; restless cameras wait longer.
	quietFor, restlessFor = 2 * time.Second, time.Minute
	// restlessAt is how many events of a kind within restlessIn make a camera restless.
	restlessAt, restlessIn = 10, 10 * time.Minute
	// stuckAfter ends an event of which the camera has not said anything since, lastsAtMost one that it goes on asserting: detectors get stuck.
	// What is stuck begins nothing anew before it was off.
	stuckAfter, lastsAtMost = 10 * time.Minute, time.Hour
	// momentLasts is the length of what has no end of its own.
	momentLasts = 5 * time.Second
	// maxDetectors bounds how many detectors of a camera are told apart.
	maxDetectors = 64
)

// detectors turns what a camera says it notices into events with a start and an end. It is used by one goroutine.
type detectors struct {
	spells map[string]*spell // by kind of event
	// stuck are detectors that were on for too long.
	stuck map[string]bool
	// starts are those of the last minutes, by kind.
	starts map[string][]time.Time
}

// spell is an event that goes on.
type spell struct {
	start time.Time
	// on are the detectors that are on, with when they are held to be off unless the camera says more; moment is set where that is no fault.
	on    map[string]hold
	quiet time.Time // since when all are off; zero while one is on
}

type hold struct {
	until  time.Time
	moment bool
}

// ended is an event that is over.
type ended struct {
	kind  string
	at    time.Time
	stuck bool
}

func newDetectors() *detectors {
	return &detectors{spells: map[string]*spell{}, stuck: map[string]bool{}, starts: map[string][]time.Time{}}
}

// take notes a signal and reports whether an event begins.
func (d *detectors) take(s onvif.Signal, now time.Time) (begins bool) {
	sp := d.spells[s.Kind]
	if !s.On {
		delete(d.stuck, s.Key)
		if sp != nil {
			delete(sp.on, s.Key)
			sp.settle(now)
		}
		return false
	}
	if d.stuck[s.Key] {
		return false
	}
	if sp == nil {
		sp = &spell{start: now, on: map[string]hold{}}
		d.spells[s.Kind] = sp
		d.starts[s.Kind] = append(recent(d.starts[s.Kind], now), now)
		begins = true
	}
	h := hold{until: now.Add(stuckAfter)}
	if s.Moment {
		h = hold{until: now.Add(momentLasts), moment: true}
	}
	if _, known := sp.on[s.Key]; known || len(sp.on) < maxDetectors {
		sp.on[s.Key] = h
	}
	sp.quiet = time.Time{}
	return begins
}

// settle notes since when everything is off.
func (sp *spell) settle(now time.Time) {
	if len(sp.on) == 0 && sp.quiet.IsZero() {
		sp.quiet = now
	}
}

// tick gives the events that are over.
func (d *detectors) tick(now time.Time) (over []ended) {
	for kind, sp := range d.spells {
		stuck := false
		for key, h := range sp.on {
			tooLong := now.Sub(sp.start) >= lastsAtMost
			if !tooLong && now.Before(h.until) {
				continue
			}
			delete(sp.on, key)
			if !h.moment {
				stuck = true
				if len(d.stuck) < maxDetectors {
					d.stuck[key] = true
				}
			}
		}
		sp.settle(now)
		wait := quietFor
		if len(recent(d.starts[kind], now)) >= restlessAt {
			wait = restlessFor
		}
		if sp.quiet.IsZero() || now.Sub(sp.quiet) < wait && !stuck {
			continue
		}
		over = append(over, ended{kind, sp.quiet, stuck})
		delete(d.spells, kind)
	}
	return over
}

// active reports whether an event goes on, and on whether a detector is on.
func (d *detectors) active() (active, on bool) {
	for _, sp := range d.spells {
		on = on || len(sp.on) > 0
	}
	return len(d.spells) > 0, on
}

// end ends everything: nothing is known any more.
func (d *detectors) end(now time.Time) (over []ended) {
	for kind, sp := range d.spells {
		at := sp.quiet
		if at.IsZero() {
			at = now
		}
		over = append(over, ended{kind: kind, at: at})
	}
	clear(d.spells)
	clear(d.stuck)
	return over
}

// recent are those of the last minutes.
func recent(all []time.Time, now time.Time) []time.Time {
	return slices.DeleteFunc(all, func(t time.Time) bool { return now.Sub(t).Abs() > restlessIn })
}
