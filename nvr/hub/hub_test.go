package hub_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"cardea/camera/frame"
	"cardea/nvr/hub"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var zero = time.Unix(1_700_000_000, 0)

func newStream() *frame.Stream {
	return &frame.Stream{Tracks: []frame.Track{{Codec: frame.H264, ClockRate: 90000}, {Codec: frame.PCMA, ClockRate: 8000}}}
}

// picture is number n of a camera with 10 pictures a second.
func picture(s *frame.Stream, n int64, key bool, size int) *frame.Frame {
	return &frame.Frame{
		Stream: s, DTS: n * 9000, PTS: n * 9000, Key: key, Wall: zero.Add(time.Duration(n) * 100 * time.Millisecond),
		Payload: [][]byte{make([]byte, size)}, Size: size,
	}
}

func sound(s *frame.Stream, n int64) *frame.Frame {
	f := picture(s, n, true, 100)
	f.Track = 1
	return f
}

// publish sends pictures from to to-1 with a key frame every gop.
func publish(h *hub.Hub, s *frame.Stream, from, to, gop int64, size int) {
	for n := from; n < to; n++ {
		h.Publish(picture(s, n, n%gop == 0, size))
	}
}

func numbers(frames []*frame.Frame) []int64 {
	var out []int64
	for _, f := range frames {
		out = append(out, f.DTS/9000)
	}
	return out
}

func count(from, to int64) []int64 {
	var out []int64
	for ; from < to; from++ {
		out = append(out, from)
	}
	return out
}

func TestNewReaderGetsNewestGOP(t *testing.T) {
	s := newStream()
	h := hub.New(hub.Config{})
	all := h.Subscribe(hub.ReaderConfig{})
	defer all.Close()
	h.Publish(picture(s, 3, false, 10)) // of no use to anybody who starts here
	publish(h, s, 10, 37, 10, 10)
	h.Publish(sound(s, 37))
	late := h.Subscribe(hub.ReaderConfig{Live: true, KeyFirst: true})
	defer late.Close()
	publish(h, s, 38, 42, 10, 10)
	if got, want := numbers(late.Drain(nil)), count(30, 42); !slices.Equal(got, want) {
		t.Errorf("late reader got %v, not %v", got, want)
	}
	if got, want := numbers(all.Drain(nil)), append([]int64{3}, count(10, 42)...); !slices.Equal(got, want) {
		t.Errorf("reader of everything got %v, not %v", got, want)
	}
	if d := late.Dropped(); d != (hub.Drops{}) {
		t.Errorf("lost %+v", d)
	}
}

func TestPreroll(t *testing.T) {
	s := newStream()
	for _, c := range []struct {
		keep, ask time.Duration
		from      int64
	}{
		{0, 0, 90},
		{0, 5 * time.Second, 80}, // kept until the next key frame is old enough; never more than one GOP more
		{5 * time.Second, 0, 90},
		{5 * time.Second, 5 * time.Second, 40},
		{5 * time.Second, 2 * time.Second, 70},
		{5 * time.Second, time.Hour, 40},
	} {
		h := hub.New(hub.Config{Preroll: c.keep})
		publish(h, s, 0, 99, 10, 1000)
		r := h.Subscribe(hub.ReaderConfig{KeyFirst: true, Preroll: c.ask})
		got := numbers(r.Drain(nil))
		if c.keep == 0 {
			c.from = 90 // nothing beyond the newest GOP
		}
		if want := count(c.from, 99); !slices.Equal(got, want) {
			t.Errorf("keeping %s, asking %s: got %v, not %v", c.keep, c.ask, got, want)
		}
		r.Close()
	}
}

func TestCacheIsBounded(t *testing.T) {
	s := newStream()
	h := hub.New(hub.Config{Preroll: time.Hour, CacheBytes: 100_000})
	publish(h, s, 0, 2000, 10, 1000)
	if n := h.CachedBytes(); n > 100_000 || n < 80_000 {
		t.Errorf("%d bytes are kept", n)
	}
	// A GOP without end: the key frame stays, and who starts with it goes on at the next key frame.
	publish(h, s, 2000, 2999, 5000, 1000)
	h.Publish(picture(s, 3000, true, 1000))
	publish(h, s, 3001, 3500, 5000, 1000)
	r := h.Subscribe(hub.ReaderConfig{KeyFirst: true})
	defer r.Close()
	publish(h, s, 3500, 3510, 5000, 1000)
	publish(h, s, 5000, 5003, 5000, 1000)
	if got, want := numbers(r.Drain(nil)), append([]int64{3000}, count(5000, 5003)...); !slices.Equal(got, want) {
		t.Errorf("got %v, not %v", got, want)
	}
	if d := r.Dropped(); d.Frames != 0 {
		t.Errorf("lost %+v", d)
	}
	// A key frame larger than everything.
	h.Publish(picture(s, 6000, true, 100_000_000))
	if n := h.CachedBytes(); n != 0 {
		t.Errorf("%d bytes are kept", n)
	}
	h.SetCache(0, -1)
	publish(h, s, 7000, 7010, 10, 1000)
	if n := h.CachedBytes(); n != 0 {
		t.Errorf("%d bytes are kept without a cache", n)
	}
}

// TestRecorderOverflow: what is queued stays, what is lost is told, and the reader goes on at a key frame.
func TestRecorderOverflow(t *testing.T) {
	s := newStream()
	h := hub.New(hub.Config{})
	r := h.Subscribe(hub.ReaderConfig{KeyFirst: true, MaxBytes: 20_000})
	defer r.Close()
	publish(h, s, 0, 100, 10, 1000)
	before := numbers(r.Drain(nil))
	publish(h, s, 100, 105, 50, 1000)
	got := numbers(r.Drain(nil))
	first := int64(len(before))
	if !slices.Equal(before, count(0, first)) || first < 10 || !slices.Equal(got, count(100, 105)) {
		t.Fatalf("got %v, then %v", before, got)
	}
	want := hub.Drops{
		Frames: uint64(100 - first), Bytes: uint64(100-first) * 1000,
		From: picture(s, first, false, 0).Wall, Until: picture(s, 100, true, 0).Wall,
	}
	if d := r.Dropped(); d != want {
		t.Errorf("lost %+v, not %+v", d, want)
	}
}

// TestViewerOverflow: the newest pictures are what a viewer wants.
func TestViewerOverflow(t *testing.T) {
	s := newStream()
	h := hub.New(hub.Config{})
	r := h.Subscribe(hub.ReaderConfig{Live: true, KeyFirst: true, MaxBytes: 20_000})
	defer r.Close()
	publish(h, s, 0, 95, 10, 1000)
	got := numbers(r.Drain(nil))
	if len(got) == 0 || got[0]%10 != 0 || got[0] < 70 || !slices.Equal(got, count(got[0], 95)) {
		t.Errorf("got %v", got)
	}
	if d := r.Dropped(); d.Frames != uint64(95-len(got)) {
		t.Errorf("lost %+v of %d", d, 95-len(got))
	}
	h.Publish(picture(s, 100, true, 50_000)) // larger than the queue
	publish(h, s, 101, 112, 10, 1000)
	if got, want := numbers(r.Drain(nil)), count(110, 112); !slices.Equal(got, want) {
		t.Errorf("got %v, not %v", got, want)
	}
}

func TestNewStreamStartsWithKeyFrame(t *testing.T) {
	a, b := newStream(), newStream()
	h := hub.New(hub.Config{Preroll: time.Hour})
	r := h.Subscribe(hub.ReaderConfig{KeyFirst: true})
	defer r.Close()
	publish(h, a, 0, 5, 10, 10)
	publish(h, b, 5, 15, 10, 10)
	want := append(count(0, 5), count(10, 15)...)
	if got := numbers(r.Drain(nil)); !slices.Equal(got, want) {
		t.Errorf("got %v, not %v", got, want)
	}
	late := h.Subscribe(hub.ReaderConfig{KeyFirst: true, Preroll: time.Hour})
	defer late.Close()
	if got := numbers(late.Drain(nil)); !slices.Equal(got, want) {
		t.Errorf("from the cache came %v, not %v", got, want)
	}
}

func TestNextWaits(t *testing.T) {
	s := newStream()
	h := hub.New(hub.Config{})
	r := h.Subscribe(hub.ReaderConfig{Live: true, KeyFirst: true})
	defer r.Close()
	var group sync.WaitGroup
	group.Go(func() { publish(h, s, 0, 1000, 10, 1) })
	for n := range int64(1000) {
		f, err := r.Next(t.Context())
		if err != nil || f.DTS/9000 != n {
			t.Fatalf("Next = %v, %v at %d", f, err, n)
		}
	}
	group.Wait()
	ctx, cancel := context.WithCancel(t.Context())
	group.Go(cancel)
	if _, err := r.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Next = %v after cancel", err)
	}
	group.Wait()
	group.Go(r.Close)
	if _, err := r.Next(t.Context()); !errors.Is(err, hub.ErrClosed) {
		t.Errorf("Next = %v after Close", err)
	}
	group.Wait()
	r.Close()
}

func TestInterrupt(t *testing.T) {
	s := newStream()
	h := hub.New(hub.Config{})
	r := h.Subscribe(hub.ReaderConfig{Live: true})
	defer r.Close()
	var group sync.WaitGroup
	group.Go(r.Interrupt)
	if _, err := r.Next(t.Context()); !errors.Is(err, hub.ErrInterrupted) {
		t.Errorf("Next = %v", err)
	}
	group.Wait()
	publish(h, s, 0, 1, 10, 1)
	if f, err := r.Next(t.Context()); err != nil || f.DTS != 0 {
		t.Errorf("Next = %v, %v afterwards", f, err)
	}
}

func TestHubClose(t *testing.T) {
	s := newStream()
	h := hub.New(hub.Config{})
	r := h.Subscribe(hub.ReaderConfig{Live: true})
	defer r.Close()
	publish(h, s, 0, 1, 10, 1)
	h.Close()
	publish(h, s, 10, 11, 10, 1)
	if f, err := r.Next(t.Context()); err != nil || f.DTS != 0 {
		t.Errorf("Next = %v, %v", f, err)
	}
	if _, err := r.Next(t.Context()); !errors.Is(err, hub.ErrClosed) {
		t.Errorf("Next = %v", err)
	}
	late := h.Subscribe(hub.ReaderConfig{Live: true, KeyFirst: true})
	defer late.Close()
	if _, err := late.Next(t.Context()); !errors.Is(err, hub.ErrClosed) {
		t.Errorf("Next = %v for who came too late", err)
	}
}

func TestAttention(t *testing.T) {
	var calls []bool
	h := hub.New(hub.Config{OnAttention: func(live bool) { calls = append(calls, live) }})
	recorder := h.Subscribe(hub.ReaderConfig{})
	a := h.Subscribe(hub.ReaderConfig{Live: true})
	b := h.Subscribe(hub.ReaderConfig{Live: true})
	a.Close()
	a.Close()
	b.Close()
	h.Subscribe(hub.ReaderConfig{Live: true}).Close()
	h.Close()
	h.Subscribe(hub.ReaderConfig{Live: true}).Close()
	recorder.Close()
	if want := []bool{true, false, true, false}; !slices.Equal(calls, want) {
		t.Errorf("calls are %v, not %v", calls, want)
	}
}

// TestRace lets everybody come and go while frames are published.
func TestRace(t *testing.T) {
	s := newStream()
	live := 0
	h := hub.New(hub.Config{Preroll: 2 * time.Second, OnAttention: func(on bool) {
		if on {
			live++
		} else {
			live--
		}
	}})
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for i := range 4 {
		group.Go(func() {
			var buf []*frame.Frame
			for ctx.Err() == nil {
				r := h.Subscribe(hub.ReaderConfig{Live: i%2 == 0, KeyFirst: i > 1, Preroll: time.Second, MaxBytes: 30_000})
				for range 10 {
					if i%2 == 0 {
						if _, err := r.Next(ctx); err != nil {
							break
						}
					}
					buf = r.Drain(buf[:0])
					r.Dropped()
				}
				r.Close()
			}
		})
	}
	publish(h, s, 0, 5000, 10, 1000)
	cancel()
	group.Wait()
	if live != 0 {
		t.Errorf("%d live readers are left", live)
	}
}
