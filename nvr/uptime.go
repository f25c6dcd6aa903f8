package nvr

import (
	"context"
	"time"

	"cardea/store"
)

// UptimeBar is what was of a camera in one step of time. What is in none of the three was before the camera was added.
type UptimeBar struct {
	Start time.Time
	// Up is how long it was there, Down how long it was not, Off how long Cardea itself was not running.
	Up, Down, Off time.Duration
}

// Uptime gives what was of a camera from a time until now, in steps of equal length. It reads events and gaps: a camera that is there
// and not recorded is up. NotFound.
func (n *NVR) Uptime(ctx context.Context, id store.ID, from time.Time, step time.Duration) ([]UptimeBar, error) {
	r, err := n.runner(id)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	created := r.row.Created
	r.mu.Unlock()
	now := n.clock.Now()
	// One that began before goes on into the range; they do not overlap, so only the last one can.
	down, err := n.db.Events(ctx, store.EventQuery{Camera: id, Kind: "camera.offline", From: from})
	if err != nil {
		return nil, err
	}
	before, err := n.db.Events(ctx, store.EventQuery{Camera: id, Kind: "camera.offline", To: from, Limit: 1})
	if err != nil {
		return nil, err
	}
	gaps, err := n.db.Gaps(ctx, id, from, now)
	if err != nil {
		return nil, err
	}
	var bars []UptimeBar
	for start := from; start.Before(now); start = start.Add(step) {
		b := UptimeBar{Start: start}
		end := start.Add(step)
		if end.After(now) {
			end = now
		}
		first := start
		if created.After(first) {
			first = created
		}
		for _, g := range gaps {
			if g.Reason == store.GapOff {
				b.Off += overlap(first, end, g.Start, g.End)
			}
		}
		for _, e := range append(down, before...) {
			b.Down += overlap(first, end, e.Start, e.End)
			for _, g := range gaps { // nobody knows what was of it meanwhile
				if g.Reason == store.GapOff {
					b.Down -= overlap(later(first, e.Start), sooner(end, e.End), g.Start, g.End)
				}
			}
		}
		b.Down = max(0, b.Down)
		b.Up = max(0, end.Sub(first)-b.Down-b.Off)
		bars = append(bars, b)
	}
	return bars, nil
}

// overlap is how long a span from start to end, which may be open, lies in a range.
func overlap(from, to, start, end time.Time) time.Duration {
	return max(0, sooner(to, end).Sub(later(from, start)))
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// sooner takes an open end for never.
func sooner(a, end time.Time) time.Time {
	if !end.IsZero() && end.Before(a) {
		return end
	}
	return a
}
