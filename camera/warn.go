package camera

import (
	"slices"
	"time"

	"cardea/camera/rtsp"
)

const (
	// warnFor is how long a warning stays after it was last seen.
	warnFor = time.Minute
	// clockOff is how wrong a camera's clock may be without a word.
	clockOff = 5 * time.Second
	// longGOP is how long a group of pictures may be without a word.
	longGOP = 30 * time.Second
)

// order is the order of State.Warnings.
func order() []Warning {
	return []Warning{PacketLoss, Damaged, Oversize, Garbage, TimeJump, WrongClock, LongGOP, NoKeyFrame, NoSound, OldTLS, StreamChanged}
}

// warn notes what has gone wrong since the last look.
func (r *runner) warn(st rtsp.Stats, now time.Time) {
	note := func(w Warning, seen bool) {
		if seen {
			r.seen[w] = now
		}
	}
	// What is a state and not an event ends at once.
	state := func(w Warning, is bool) {
		delete(r.seen, w)
		note(w, is)
	}
	b := r.before
	note(PacketLoss, st.Lost > b.Lost)
	note(Damaged, st.Damaged > b.Damaged)
	note(Oversize, st.Oversize > b.Oversize)
	note(Garbage, st.Garbage > b.Garbage)
	note(TimeJump, st.Jumps > b.Jumps)
	note(StreamChanged, st.Changes > b.Changes)
	state(WrongClock, st.ClockKnown && (st.ClockOffset > clockOff || st.ClockOffset < -clockOff))
	state(LongGOP, !st.LastKey.IsZero() && st.LastPicture.Sub(st.LastKey) > longGOP)
	state(NoKeyFrame, st.KeyFrames == 0 && !st.LastPicture.IsZero())
	state(NoSound, st.AudioSilent)
	state(OldTLS, st.TLS == "1.2")
}

// warnings lists those in force.
func (r *runner) warnings(now time.Time) []Warning {
	return slices.DeleteFunc(order(), func(w Warning) bool {
		at, ok := r.seen[w]
		return !ok || now.Sub(at) > warnFor
	})
}
