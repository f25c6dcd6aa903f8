package agent

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"cardea/camera/agent/pattern"
	"cardea/camera/frame"
	"cardea/camera/rtsp"
)

// gathered is what a session of package rtsp brought.
type gathered struct {
	mu     sync.Mutex
	frames []*frame.Frame
}

func (g *gathered) add(f *frame.Frame) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.frames = append(g.frames, f)
}

// pictures gives the number and the stamp of each picture so far.
func (g *gathered) pictures() (numbers []uint64, stamps []int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, f := range g.frames {
		for _, nal := range f.Payload {
			if number, _, ok := pattern.ParseSEI(nal); ok {
				numbers, stamps = append(numbers, number), append(stamps, f.Stamp)
			}
		}
	}
	return numbers, stamps
}

// first is the first frame so far; the session goes on meanwhile.
func (g *gathered) first() *frame.Frame {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.frames[0]
}

// fetch plays what the agent remembers, until the session ends.
func fetch(t *testing.T, a *Agent, r rtsp.Replay, sink func(*frame.Frame)) error {
	t.Helper()
	u, err := url.Parse(a.URL("cam"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return rtsp.Run(ctx, rtsp.Config{URL: u, Replay: &r}, sink)
}

// watchLive gathers a live stream until the test ends.
func watchLive(t *testing.T, a *Agent) *gathered {
	t.Helper()
	u, err := url.Parse(a.URL("cam"))
	if err != nil {
		t.Fatal(err)
	}
	live := &gathered{}
	ctx, cancel := context.WithCancel(t.Context())
	s := rtsp.NewSession(rtsp.Config{URL: u}, live.add)
	s.SetEager(true)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Run(ctx) // ends with ctx
	}()
	t.Cleanup(func() { cancel(); <-done })
	return live
}

func waitPictures(t *testing.T, live *gathered, n int) ([]uint64, []int64) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if numbers, stamps := live.pictures(); len(numbers) >= n {
			return numbers, stamps
		}
	}
	t.Fatal("no live pictures")
	return nil, nil
}

// TestMemory plays what the agent remembers: from the key frame before what is asked for up to the first picture that is not, all of
// it, with the same stamps as live.
func TestMemory(t *testing.T) {
	t.Parallel()
	a := serve(t, Config{Memory: 8 << 20, Streams: []Stream{{Path: "cam", Source: small(t, "Memory")}}})
	live := watchLive(t, a)
	numbers, stamps := waitPictures(t, live, 75)
	if numbers[0]%10 != 0 || live.first().Stream.Life == 0 {
		t.Fatalf("live begins with picture %d of life %d", numbers[0], live.first().Stream.Life)
	}
	from, to := 14, 55
	got := &gathered{}
	err := fetch(t, a, rtsp.Replay{From: time.UnixMicro(stamps[from]), To: time.UnixMicro(stamps[to])}, got.add)
	if !errors.As(err, &rtsp.ErrFinished{}) {
		t.Fatalf("the memory ends with %v", err)
	}
	fetched, same := got.pictures()
	if want := numbers[10 : to+1]; !slices.Equal(fetched, want) || !slices.Equal(same, stamps[10:to+1]) {
		t.Errorf("fetched %v at %v, want %v at %v", fetched, same, want, stamps[10:to+1])
	}
	sound := 0
	for i, f := range got.frames {
		if f.Stream != got.frames[0].Stream || f.Stream.Life != live.first().Stream.Life {
			t.Fatal("recorded media is another stream in the middle")
		}
		if !f.Video() {
			sound++
		} else if d := f.Wall.Sub(time.UnixMicro(f.Stamp)); i > 0 && d.Abs() > stampJump {
			t.Errorf("a picture of %v is given the time %v", time.UnixMicro(f.Stamp), f.Wall)
		}
	}
	if sound < 60 {
		t.Errorf("%d packets of sound", sound)
	}

	for name, r := range map[string]rtsp.Replay{
		"before all":  {From: time.UnixMicro(stamps[0]).Add(-time.Hour)},
		"in 1970":     {From: time.Unix(5, 0)},
		"in the year": {From: time.Now().Add(time.Hour), To: time.Now().Add(2 * time.Hour)},
	} {
		var gone rtsp.ErrGone
		if err := fetch(t, a, r, func(*frame.Frame) {}); !errors.As(err, &gone) || gone.Oldest.IsZero() || !gone.Newest.After(gone.Oldest) {
			t.Errorf("%s: %v %+v", name, err, gone)
		}
	}
}

// TestMemorySlowReader holds the agent to the pace of who reads: nothing is lost, and the source goes on meanwhile.
func TestMemorySlowReader(t *testing.T) {
	t.Parallel()
	source, err := NewPattern(PatternConfig{Config: pattern.Config{Width: 320, Height: 180, FPS: 25, GOP: 400 * time.Millisecond, BitRate: 8_000_000}})
	if err != nil {
		t.Fatal(err)
	}
	a := serve(t, Config{Memory: 32 << 20, Streams: []Stream{{Path: "cam", Source: source}}})
	live := watchLive(t, a)
	_, stamps := waitPictures(t, live, 50)
	got := &gathered{}
	err = fetch(t, a, rtsp.Replay{From: time.UnixMicro(stamps[0]), To: time.UnixMicro(stamps[49])}, func(f *frame.Frame) {
		time.Sleep(20 * time.Millisecond)
		got.add(f)
	})
	if !errors.As(err, &rtsp.ErrFinished{}) {
		t.Fatal(err)
	}
	numbers, _ := got.pictures()
	for i, n := range numbers {
		if n != numbers[0]+uint64(i) {
			t.Fatalf("pictures %v", numbers)
		}
	}
	if len(numbers) < 50 {
		t.Errorf("%d pictures", len(numbers))
	}
	waitPictures(t, live, 75)
}

// TestMemoryNotAsked plays live to whoever does not ask for more, and refuses recorded media where nothing is kept.
func TestMemoryNotAsked(t *testing.T) {
	t.Parallel()
	a := serve(t, Config{Streams: []Stream{{Path: "cam", Source: small(t, "None")}}})
	live := watchLive(t, a)
	waitPictures(t, live, 5)
	if f := live.first(); f.Stamp != 0 || f.Stream.Life != 0 {
		t.Errorf("stamp %d of life %d without a memory", f.Stamp, f.Stream.Life)
	}
	var refused rtsp.ErrRefused
	if err := fetch(t, a, rtsp.Replay{From: time.Now()}, func(*frame.Frame) {}); !errors.As(err, &refused) || refused.Code != 551 {
		t.Errorf("%v", err)
	}
}

// TestMemoryBounds fills a memory many times over: it never holds more than it may, and what it holds is whole.
func TestMemoryBounds(t *testing.T) {
	t.Parallel()
	m, err := newMemory(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	stream := &frame.Stream{Tracks: []frame.Track{{Codec: frame.H264, ClockRate: 90000}, {Codec: frame.PCMA, ClockRate: 8000}}}
	payload := func(i int) [][]byte {
		nal := make([]byte, 1000+i%5000)
		for j := range nal {
			nal[j] = byte(i)
		}
		return [][]byte{nal[:7], nal[7:]}
	}
	add := func(i, track int) {
		m.add(&frame.Frame{Stream: stream, Track: track, Key: track == 1 || i%25 == 0, DTS: int64(i) * 3600, PTS: int64(i)*3600 - 5, Payload: payload(i)}, int64(i)*40_000)
	}
	for i := range 5000 {
		add(i, 0)
		add(i, 1)
		if held := m.head - m.gops[0].at; held > 1<<20 {
			t.Fatalf("%d bytes held", held)
		}
	}
	oldest, newest, ok := m.kept()
	if !ok || newest != 4999*40_000 || oldest%(25*40_000) != 0 {
		t.Fatalf("%d to %d", oldest, newest)
	}
	at, begin, ok := m.seek(oldest + 3*40_000)
	if !ok || begin != oldest {
		t.Fatalf("seek gives %d", begin)
	}
	for i := int(oldest / 40_000); i < 5000; i++ {
		for track := range 2 {
			r, after, _, gone := m.next(at, m.life)
			if want := payload(i); gone || r.track != track || r.stamp != int64(i)*40_000 || r.pts != r.dts-5 || len(r.payload) != 2 || !slices.Equal(r.payload[1], want[1]) {
				t.Fatalf("record %d is %+v, gone %v", i, r, gone)
			}
			at = after
		}
	}
	if _, _, wait, gone := m.next(at, m.life); gone || wait == nil {
		t.Error("the end is not one")
	}
	if _, _, ok := m.seek(oldest - 1); ok {
		t.Error("what was overwritten is found")
	}
	// Ten minutes are the most, whatever the bytes.
	m.forget()
	for i := range 700 {
		m.add(&frame.Frame{Stream: stream, Key: true, DTS: int64(i), Payload: [][]byte{{1}}}, int64(i)*1e6)
	}
	if oldest, newest, _ := m.kept(); newest-oldest > 601e6 || newest-oldest < 598e6 {
		t.Errorf("%d seconds are kept", (newest-oldest)/1e6)
	}
	if err := m.close(); err != nil {
		t.Fatal(err)
	}
	add(0, 0)
	if _, _, _, gone := m.next(0, m.life); !gone {
		t.Error("a closed memory gives something")
	}
}

// TestStamper follows the source's clock closely and the machine's in the long run, and never goes back.
func TestStamper(t *testing.T) {
	var s stamper
	last := int64(-1)
	for i := range int64(3000) {
		jitter := i * 7919 % 30_000
		// The source's clock is 100 ppm fast, and jumps once.
		dts := i * 3600 * 10001 / 10000
		at := i * 40_000
		if i > 2000 {
			dts -= 5_000_000
			at += 3_600_000_000
		}
		stamp := s.next(at+jitter, dts, 90000)
		if stamp <= last {
			t.Fatalf("stamp %d after %d", stamp, last)
		}
		if d := stamp - at; d < -5000 || d > 35_000 {
			t.Fatalf("access unit %d of %d has the stamp %d", i, at, stamp)
		}
		last = stamp
	}
}
