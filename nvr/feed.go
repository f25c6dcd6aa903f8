package nvr

import (
	"context"
	"errors"
	"sync"
	"time"

	"cardea/camera/frame"
	"cardea/nvr/hub"
	"cardea/nvr/live"
	"cardea/store"
)

const (
	// A viewer of quality Auto who loses pictures gets the sub-stream for patience, and for twice as long each time that the main stream
	// turns out to be too much again.
	patience    = 30 * time.Second
	maxPatience = 10 * time.Minute
)

// Feed gives one viewer the frames of a camera, and moves between its streams: to the smaller one when that was asked for and works,
// to the main one when it does not. With each move comes another frame.Stream, which begins with a key frame, mostly an old one at
// once: Frame.Wall says how old. One goroutine reads; Close, Dropped, Quality and Age may be called from any.
type Feed struct {
	r        *runner
	want     Quality
	maxBytes int

	mu      sync.Mutex
	reader  *hub.Reader
	at      Quality // what reader reads
	target  Quality // what it is to read
	joined  bool    // the sub-stream knows of this feed
	closed  bool
	sub     *frame.Stream // the newest one that came from the sub-stream
	newest  time.Time     // Wall of the newest picture given
	past    hub.Drops     // of readers before
	lost    uint64        // dropped frames that Auto has answered
	resting time.Time     // Auto stays with the sub-stream until then
	rest    time.Duration
}

// Frames gives the frames of a camera to somebody who watches it live. The caller closes the feed. NotFound.
func (n *NVR) Frames(ctx context.Context, actor store.Actor, id store.ID, q Quality) (*Feed, error) {
	return n.feed(ctx, actor, id, q, live.DefaultQueueBytes)
}

func (n *NVR) feed(ctx context.Context, actor store.Actor, id store.ID, q Quality, maxBytes int) (*Feed, error) {
	r, err := n.runner(id)
	if err != nil {
		return nil, err
	}
	if err := n.noteViewing(ctx, actor, "live", liveGap, store.Access{Camera: id}); err != nil {
		return nil, err
	}
	r.mu.Lock()
	if r.row.SubURL == "" {
		q = Main
	}
	r.mu.Unlock()
	f := &Feed{r: r, want: q, maxBytes: maxBytes, at: Main, target: Main, rest: patience}
	if q == Sub {
		f.joined = true
		if r.sub.join(f) {
			f.turn(Sub)
		}
	}
	f.mu.Lock()
	f.at = f.target
	at := f.at
	f.mu.Unlock()
	reader := f.subscribe(at)
	f.mu.Lock()
	f.reader = reader
	f.mu.Unlock()
	return f, nil
}

func (f *Feed) subscribe(q Quality) *hub.Reader {
	h := f.r.hub
	if q == Sub {
		h = f.r.sub.hub
	}
	return h.Subscribe(hub.ReaderConfig{Live: true, KeyFirst: true, MaxBytes: f.maxBytes})
}

// turn asks for another stream.
func (f *Feed) turn(to Quality) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.target = to
	if f.reader != nil && f.at != to {
		f.reader.Interrupt()
	}
}

// Next waits for a frame. It returns hub.ErrClosed after the end, and the context's error when that is done.
func (f *Feed) Next(ctx context.Context) (*frame.Frame, error) {
	for {
		f.adapt()
		reader, err := f.move()
		if err != nil {
			return nil, err
		}
		got, err := reader.Next(ctx)
		if errors.Is(err, hub.ErrInterrupted) || errors.Is(err, hub.ErrClosed) && f.moved(reader) {
			continue
		}
		if err == nil {
			f.gave(got)
		}
		return got, err
	}
}

// Drain appends what is queued to dst, as hub.Reader does.
func (f *Feed) Drain(dst []*frame.Frame) []*frame.Frame {
	f.mu.Lock()
	reader := f.reader
	f.mu.Unlock()
	n := len(dst)
	dst = reader.Drain(dst)
	f.gave(dst[n:]...)
	return dst
}

// gave remembers what the viewer has got.
func (f *Feed) gave(frames ...*frame.Frame) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, got := range frames {
		if f.at == Sub {
			f.sub = got.Stream
		}
		if got.Video() {
			f.newest = got.Wall
		}
	}
}

// move changes the reader where that was asked for, and gives the one to read.
func (f *Feed) move() (*hub.Reader, error) {
	f.mu.Lock()
	to, old := f.target, f.reader
	switch {
	case f.closed:
		f.mu.Unlock()
		return nil, hub.ErrClosed
	case to == f.at:
		f.mu.Unlock()
		return old, nil
	}
	f.mu.Unlock()
	next := f.subscribe(to)
	f.mu.Lock()
	f.past = sum(f.past, old.Dropped())
	f.lost = f.past.Frames
	f.reader, f.at = next, to
	closed := f.closed
	f.mu.Unlock()
	old.Close()
	if closed { // meanwhile
		next.Close()
		return nil, hub.ErrClosed
	}
	return next, nil
}

// moved reports whether reader is not read any more, or is not to be.
func (f *Feed) moved(reader *hub.Reader) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.closed && (f.reader != reader || f.at != f.target)
}

// adapt follows what a viewer of quality Auto keeps up with.
func (f *Feed) adapt() {
	if f.want != Auto {
		return
	}
	lost := f.Dropped().Frames
	now := time.Now()
	f.mu.Lock()
	slow := !f.joined && lost > f.lost
	again := f.joined && now.After(f.resting)
	switch {
	case slow:
		f.resting, f.rest = now.Add(f.rest), min(2*f.rest, maxPatience)
	case again && lost > f.lost: // not even that is kept up with
		f.resting, again = now.Add(patience), false
	}
	f.lost, f.joined = lost, (f.joined || slow) && !again
	f.mu.Unlock()
	switch {
	case slow:
		if f.r.sub.join(f) {
			f.turn(Sub)
		}
	case again:
		f.r.sub.leave(f)
		f.turn(Main)
	}
}

// Quality says which stream a frame.Stream that was given belongs to.
func (f *Feed) Quality(s *frame.Stream) Quality {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s != nil && s == f.sub {
		return Sub
	}
	return Main
}

// Age is how old the newest picture is that the viewer was given, by the box's clock; 0 before the first one. More than two seconds
// of it is no live picture.
func (f *Feed) Age() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.newest.IsZero() {
		return 0
	}
	return max(0, f.r.n.clock.Now().Sub(f.newest))
}

// Dropped tells what the viewer lost for being slow.
func (f *Feed) Dropped() hub.Drops {
	f.mu.Lock()
	reader, past := f.reader, f.past
	f.mu.Unlock()
	return sum(past, reader.Dropped())
}

func sum(a, b hub.Drops) hub.Drops {
	if b.Frames == 0 {
		b.From, b.Until = a.From, a.Until
	}
	b.Frames, b.Bytes = a.Frames+b.Frames, a.Bytes+b.Bytes
	return b
}

// Close ends the feed, a waiting Next included. Closing twice is harmless.
func (f *Feed) Close() {
	f.mu.Lock()
	f.closed = true
	reader, joined := f.reader, f.joined
	f.joined = false
	f.mu.Unlock()
	if joined {
		f.r.sub.leave(f)
	}
	reader.Close()
}

// View is a live view in parts for Media Source Extensions.
type View struct {
	*live.Viewer
	feed *Feed
}

// Live starts a live view. The caller closes it. NotFound.
func (n *NVR) Live(ctx context.Context, actor store.Actor, id store.ID, q Quality, c live.Config) (*View, error) {
	if c.QueueBytes <= 0 {
		c.QueueBytes = live.DefaultQueueBytes
	}
	f, err := n.feed(ctx, actor, id, q, c.QueueBytes)
	if err != nil {
		return nil, err
	}
	return &View{live.From(f, c), f}, nil
}

// Next is that of live.Viewer, with the Quality of init segments filled in.
func (v *View) Next(ctx context.Context) (live.Message, error) {
	m, err := v.Viewer.Next(ctx)
	if m.MIME != "" {
		m.Quality = string(v.feed.Quality(v.Stream()))
	}
	return m, err
}

// Age is Feed.Age.
func (v *View) Age() time.Duration { return v.feed.Age() }
