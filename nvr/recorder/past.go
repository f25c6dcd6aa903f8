package recorder

import (
	"context"
	"errors"
	"time"

	"cardea/camera/frame"
	"cardea/store"
)

const (
	// pastPart is how long a part of a fetched clip is at least, and pastBytes how large it grows.
	pastPart  = time.Second
	pastBytes = 1 << 20
	// pastCommit is how much is written before it is made durable and announced.
	pastCommit = 2 << 20
	// leadBytes bounds the pictures that are there already, which are wanted again to decode those after them.
	leadBytes = 32 << 20
	// skew is how far the end of what was there, and the beginning of what follows it by the camera's word, may lie apart by our clock.
	skew = 2 * time.Second
)

// ErrTimes says that a camera's pictures last longer than the time that they are of. What fits is filed; asking again gives no more.
var ErrTimes = errors.New("the camera says of its pictures that they last longer than the time they were taken in")

// Past files what a camera remembers of a time that was missed, as clips that lie in the past. It uses the way of a live line, with a
// slot of its own, and does its work on the caller's goroutine; it waits for the disk. It is used by one goroutine.
type Past struct {
	line   *Line
	wish   wish
	missed store.Missed

	lead    []*frame.Frame // from a key frame on, all there already
	size    int            // of lead
	pending []*frame.Frame // of one stream, for the next part
	bytes   int            // of pending
	begun   bool
	every   int64 // pastCommit; less in tests
	written int64 // by the line's clip at the last commit
}

// File begins to file a time that was missed. The caller MUST call Close.
func (r *Recorder) File(missed store.Missed, s Settings) *Past {
	s.Mode, s.Previews = store.ModeContinuous, false
	l := &Line{
		r: r, slot: newSlot(r), cfg: LineConfig{Camera: missed.Camera, Settings: s}, want: s, done: make(chan struct{}), primed: true, opened: true, all: true,
		ended: missed.Start, past: missed.No, before: missed.End, log: r.cfg.Log.With("camera", missed.Camera.String(), "part", "fetch"),
	}
	l.slot.lines = []*Line{l}
	return &Past{line: l, wish: wish{Settings: s, recording: true}, missed: missed, every: pastCommit}
}

// Write takes the next frame of the camera's memory. done says that it is the one that was recorded again: then all that was missed is
// filed. After an error the camera must be asked again, later.
func (p *Past) Write(ctx context.Context, f *frame.Frame) (done bool, err error) {
	if f.Stamp == 0 {
		return false, nil // it cannot be told whether that is there already
	}
	f.Wall = p.missed.End.Add(-time.Duration(p.missed.Before-f.Stamp) * time.Microsecond)
	if !f.Video() {
		if p.begun && f.Stamp < p.missed.Before {
			p.pending, p.bytes = append(p.pending, f), p.bytes+f.Size
		}
		return false, nil
	}
	switch {
	case f.Stamp >= p.missed.Before:
		return true, p.finish(ctx, f)
	case f.Stamp <= p.missed.After:
		p.known(f)
		return false, nil
	case f.Wall.Before(p.missed.Start.Add(-skew)):
		return false, nil // of another life, from before we looked away
	case !p.begun && !f.Key && len(p.lead) == 0:
		return false, nil
	}
	if !p.begun {
		p.begin(f)
	}
	if p.full(f) {
		if err := p.flush(ctx, f); err != nil {
			return false, err
		}
	}
	p.pending, p.bytes = append(p.pending, f), p.bytes+f.Size
	return false, nil
}

// known keeps a picture that is there already, as long as what is missing may depend on it.
func (p *Past) known(f *frame.Frame) {
	if f.Key {
		clear(p.lead)
		p.lead, p.size = p.lead[:0], 0
	} else if len(p.lead) == 0 {
		return
	}
	p.lead, p.size = append(p.lead, f), p.size+f.Size
	if p.size > leadBytes {
		p.lead, p.size = nil, 0 // the next key frame has to do
	}
}

// begin puts in front of the first picture that was missed those that it depends on. They last a tick of the clock each: they are
// there already, and only to be decoded.
func (p *Past) begin(first *frame.Frame) {
	p.begun = true
	// By the camera's word it follows the last one there is, whatever our clock was a little off by.
	if d := first.Wall.Sub(p.missed.Start); p.missed.After != 0 && d.Abs() < skew {
		first.Wall = p.missed.Start
	}
	if first.Key || p.lead[0].Stream != first.Stream {
		p.lead = nil
		return
	}
	for i, f := range p.lead {
		f.DTS = first.DTS - int64(len(p.lead)-i)
		f.PTS, f.Wall = f.DTS, first.Wall
	}
	p.pending, p.bytes, p.lead = p.lead, p.size, nil
}

// full says whether a part ends before f.
func (p *Past) full(f *frame.Frame) bool {
	if len(p.pending) == 0 {
		return false
	}
	first := p.pending[0]
	return f.Key || f.Stream != first.Stream || p.bytes >= pastBytes || f.Wall.Sub(first.Wall) >= pastPart
}

// flush writes a part, and makes it durable when enough has been written. next is the picture behind it.
func (p *Past) flush(ctx context.Context, next *frame.Frame) error {
	l := p.line
	if len(p.pending) > 0 {
		behind := next
		if behind != nil && behind.Stream != p.pending[0].Stream {
			behind = nil
		}
		l.part(ctx, p.wish, p.pending, behind)
		clear(p.pending)
		p.pending, p.bytes = p.pending[:0], 0
	}
	if l.clip == nil {
		return p.trouble()
	}
	if n := len(l.clip.ends); n > 0 && next != nil && !l.clip.ends[n-1].at.Before(l.before) && next.Wall.Before(l.before.Add(-skew)) {
		return ErrTimes
	}
	if l.clip.bytes < p.written {
		p.written = 0 // another clip
	}
	if l.clip.bytes+int64(len(l.slot.out))-p.written < p.every {
		return p.trouble()
	}
	if err := l.clip.flush(ctx); err != nil {
		l.giveUp(ctx, err)
		return p.trouble()
	}
	p.written = l.clip.bytes
	l.slot.work = l.slot.lines
	l.slot.commit(ctx)
	return p.trouble()
}

// trouble is what keeps clips from being written.
func (p *Past) trouble() error {
	if t := p.line.trouble; t.reason != "" {
		return errors.New(t.detail)
	}
	return nil
}

// finish ends the last clip where the recording goes on.
func (p *Past) finish(ctx context.Context, again *frame.Frame) error {
	if err := p.flush(ctx, again); err != nil {
		return err
	}
	if c := p.line.clip; c != nil {
		c.endsWithin(p.missed.End, true)
	}
	p.line.finishClip(ctx)
	return p.trouble()
}

// Close finishes what was begun: what came so far stays, and the rest is still missed.
func (p *Past) Close(ctx context.Context) error {
	err := p.flush(ctx, nil)
	if c := p.line.clip; c != nil {
		c.endsWithin(p.missed.End, false)
	}
	p.line.finishClip(ctx)
	return errors.Join(err, p.trouble())
}

// within keeps a time of a fetched clip before the recording that follows it, whatever the camera says of how long its pictures last.
func (l *Line) within(at time.Time) time.Time {
	if l.past != 0 && at.After(l.before) {
		return l.before
	}
	return at
}

// endsWithin keeps the end of a fetched clip off the recording that follows, and puts it there when that does follow: a small difference of
// clocks is not a gap.
func (c *clip) endsWithin(end time.Time, follows bool) {
	at := &c.row.End
	if n := len(c.ends); n > 0 {
		at = &c.ends[n-1].at
	}
	if d := at.Sub(end); d > 0 || follows && d > -skew {
		*at = end
	}
}
