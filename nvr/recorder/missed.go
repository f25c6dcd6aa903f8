package recorder

import (
	"context"
	"time"

	"cardea/camera/frame"
	"cardea/store"
)

// forgetMark sees to it that what a camera remembers is not fetched where it would not have been recorded: by choice, nothing is missed.
func (l *Line) forgetMark(ctx context.Context, w wish) {
	l.all = w.Mode == store.ModeContinuous
	if l.all || l.mark == (store.Mark{}) {
		return
	}
	if err := l.r.cfg.DB.DropMark(ctx, l.cfg.Camera); err != nil {
		l.log.WarnContext(ctx, "the newest picture is not forgotten yet", "error", err)
		return
	}
	l.mark = store.Mark{}
}

// noteMissed is called when a clip was opened, before any of it is durable: where first does not follow the newest picture there is, what
// lies between is to be fetched from the camera.
func (l *Line) noteMissed(ctx context.Context, w wish, start time.Time, first *frame.Frame) {
	life := first.Stream.Life
	if w.Mode != store.ModeContinuous || life == 0 || first.Stamp == 0 || l.mark == (store.Mark{}) || first.Stream == l.lastStream || l.ended.IsZero() {
		return
	}
	m := store.Missed{Camera: l.cfg.Camera, Life: life, After: l.mark.Stamp, Before: first.Stamp, Start: l.ended, End: start}
	if l.mark.Life != life {
		m.After = 0 // the camera began anew meanwhile; it has what came since
	}
	if m.Before <= m.After || m.End.Sub(m.Start) < time.Millisecond {
		return
	}
	if err := l.r.cfg.DB.AddMissed(ctx, m); err != nil {
		l.log.ErrorContext(ctx, "what was missed is not noted", "error", err)
		return
	}
	if l.r.cfg.OnMissed != nil {
		l.r.cfg.OnMissed()
	}
}

// markFor is the mark to be stored where a picture is the newest.
func (l *Line) markFor(m store.Mark) store.Mark {
	if !l.all {
		return store.Mark{}
	}
	return m
}

// markOf names the last picture of a part; the one before it where there is none.
func (c *clip) markOf(frames []*frame.Frame) store.Mark {
	for i := len(frames) - 1; i >= 0; i-- {
		if f := frames[i]; f.Video() && f.Stamp != 0 && f.Stream.Life != 0 {
			return store.Mark{Life: f.Stream.Life, Stamp: f.Stamp}
		}
	}
	if n := len(c.ends); n > 0 {
		return c.ends[n-1].mark
	}
	return store.Mark{}
}
