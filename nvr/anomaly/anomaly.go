// Package anomaly notices that a camera behaves unlike itself.
//
// Its nouns: Sample, what is known of a camera at one moment; Finding, a rule that was broken, with a sentence that says by
// how much; and Watch, the memory of one camera. Each rule is a comparison that a person can follow; nothing is learned but
// the camera's own usual bit rate. The package decides what is remarkable. It never reads a clock, a frame or a socket, and
// never acts on what it finds.
package anomaly

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// The rules.
const (
	// BitRate: five times the usual rate for ten seconds. Twenty times, and more than any camera needs, isolates.
	BitRate = "bitrate"
	// Codecs: another encoding than before.
	Codecs = "codecs"
	// Clock: the camera's clock was set by more than five seconds.
	Clock = "clock"
	// Storm: ten connections began within five minutes.
	Storm = "storm"
)

const (
	usualOver    = 10 * time.Minute // the time constant of the usual rate
	usualAfter   = 2 * time.Minute  // how long a camera is watched before it has one
	factor       = 5
	isolate      = 20
	isolateAbove = 50_000_000 // bits a second; 4K at its best takes 40
	lasting      = 10 * time.Second
	clockJump    = 5 * time.Second
	stormCount   = 10
	stormWithin  = 5 * time.Minute
	again        = time.Hour // a rule is not reported twice within
)

// Sample is a camera at one moment.
type Sample struct {
	At time.Time
	// Streaming is false while there is no stream; then only Sessions counts.
	Streaming bool
	// BitRate is in bits a second, Codecs the encodings of all tracks.
	BitRate int64
	Codecs  []string
	// ClockOffset is the camera's clock minus ours, when ClockKnown.
	ClockOffset time.Duration
	ClockKnown  bool
	// Sessions counts the connections so far.
	Sessions uint64
}

// Finding is something remarkable.
type Finding struct {
	// Rule is one of the constants, Detail a sentence for people.
	Rule, Detail string
	// Isolate says that the camera should be left alone until a person decides.
	Isolate bool
}

// Watch remembers one camera. The zero value is ready; it is not safe for concurrent use.
type Watch struct {
	last     Sample
	watched  time.Duration // how long the usual rate was measured
	usual    float64       // bits a second
	over     time.Duration // how long the rate has been far above
	codecs   []string
	offset   time.Duration
	offsetOK bool
	sessions []start
	reported map[string]time.Time
}

// start is a moment at which the count of sessions had grown.
type start struct {
	at    time.Time
	count uint64
}

// Look compares a sample with what came before and returns what is remarkable. Samples come every few seconds, in order; one
// that is not later than the last is passed over.
func (w *Watch) Look(s Sample) (found []Finding) {
	elapsed := s.At.Sub(w.last.At)
	first := w.last.At.IsZero()
	if !first && elapsed <= 0 {
		return nil
	}
	if first || elapsed > time.Minute {
		elapsed = 0 // the box slept, or its clock was set: nothing is known of the time between
	}
	w.last = s
	found = append(found, w.storm(s)...)
	if s.Streaming {
		found = append(found, w.rate(s, elapsed)...)
		found = append(found, w.encoding(s)...)
		found = append(found, w.clock(s)...)
	} else {
		w.over = 0
	}
	return slices.DeleteFunc(found, func(f Finding) bool { return w.known(f, s.At) })
}

// known reports whether a finding is no news, and remembers it.
func (w *Watch) known(f Finding, now time.Time) bool {
	rule := f.Rule
	if f.Isolate {
		rule += " isolate" // worse than what may have been said before
	}
	if last, ok := w.reported[rule]; ok && now.Sub(last).Abs() < again {
		return true
	}
	if w.reported == nil {
		w.reported = map[string]time.Time{}
	}
	w.reported[rule] = now
	return false
}

func (w *Watch) rate(s Sample, elapsed time.Duration) []Finding {
	rate := float64(s.BitRate)
	usual := w.watched >= usualAfter && w.usual > 0
	if usual && rate >= factor*w.usual {
		w.over += elapsed // and the usual rate stays what it was
	} else {
		w.over = 0
		w.watched += elapsed
		weight := min(1, elapsed.Seconds()/min(usualOver, max(w.watched, time.Second)).Seconds())
		w.usual += weight * (rate - w.usual)
	}
	if !usual || w.over < lasting {
		return nil
	}
	return []Finding{{
		Rule: BitRate, Isolate: rate >= isolate*w.usual && rate > isolateAbove,
		Detail: fmt.Sprintf("It has been sending %.1f Mbit/s, %.0f times its usual %.1f Mbit/s.", rate/1e6, rate/w.usual, w.usual/1e6),
	}}
}

func (w *Watch) encoding(s Sample) []Finding {
	before := w.codecs
	if len(s.Codecs) == 0 || slices.Equal(before, s.Codecs) {
		return nil
	}
	w.codecs = slices.Clone(s.Codecs)
	if before == nil {
		return nil
	}
	return []Finding{{Rule: Codecs, Detail: fmt.Sprintf("It sends %s now, and sent %s before.", strings.Join(s.Codecs, " and "), strings.Join(before, " and "))}}
}

func (w *Watch) clock(s Sample) []Finding {
	if !s.ClockKnown {
		return nil
	}
	before, known := w.offset, w.offsetOK
	w.offset, w.offsetOK = s.ClockOffset, true
	if jump := s.ClockOffset - before; known && jump.Abs() > clockJump {
		direction := "forward"
		if jump < 0 {
			direction = "back"
		}
		return []Finding{{Rule: Clock, Detail: fmt.Sprintf("Its clock went %s by %s.", direction, jump.Abs().Round(time.Second))}}
	}
	return nil
}

func (w *Watch) storm(s Sample) []Finding {
	if n := len(w.sessions); n > 0 && s.Sessions < w.sessions[n-1].count {
		w.sessions = nil // the count began anew with the settings of the camera
	}
	if n := len(w.sessions); n == 0 || w.sessions[n-1].count != s.Sessions {
		w.sessions = append(w.sessions, start{s.At, s.Sessions})
	}
	for len(w.sessions) > 1 && s.At.Sub(w.sessions[1].at) > stormWithin {
		w.sessions = w.sessions[1:]
	}
	if len(w.sessions) > 4*stormCount {
		w.sessions = slices.Clone(w.sessions[len(w.sessions)-2*stormCount:])
	}
	if begun := s.Sessions - w.sessions[0].count; begun >= stormCount {
		return []Finding{{Rule: Storm, Detail: fmt.Sprintf("Its connection broke and began anew %d times within %s.", begun, stormWithin)}}
	}
	return nil
}
