package live_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"cardea/camera/frame"
	"cardea/nvr/hub"
	"cardea/nvr/live"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Parameter sets of a picture of 160 × 120.
var (
	sps = []byte{0x67, 0x42, 0xc0, 0x0b, 0xd9, 0x02, 0x84, 0x7e, 0x5c, 0x04, 0x40, 0x00, 0x00, 0x03, 0x00, 0x40, 0x00, 0x00, 0x0c, 0x83, 0xc5, 0x0a, 0x92}
	pps = []byte{0x68, 0xcb, 0x83, 0xcb, 0x20}
)

var zero = time.Unix(1_700_000_000, 0).UTC()

func newStream() *frame.Stream {
	return &frame.Stream{Tracks: []frame.Track{
		{Codec: frame.H264, ClockRate: 90000, Params: [][]byte{sps, pps}},
		{Codec: frame.PCMA, ClockRate: 8000, SampleRate: 8000, Channels: 1},
	}}
}

// picture is number n of a camera with 25 pictures a second; the number is its payload.
func picture(s *frame.Stream, n int64, key bool) *frame.Frame {
	return &frame.Frame{
		Stream: s, DTS: n * 3600, PTS: n * 3600, Key: key, Wall: zero.Add(time.Duration(n) * 40 * time.Millisecond),
		Payload: [][]byte{{0x65, byte(n >> 8), byte(n)}}, Size: 3,
	}
}

func sound(s *frame.Stream, n int64) *frame.Frame {
	f := picture(s, n, true)
	f.Track, f.DTS, f.PTS = 1, n*320, n*320
	f.Payload = [][]byte{bytes.Repeat([]byte{0xd5}, 320)}
	return f
}

// publish sends pictures from to to-1 with a key frame every 50 and sound behind each.
func publish(h *hub.Hub, s *frame.Stream, from, to int64) {
	for n := from; n < to; n++ {
		h.Publish(picture(s, n, n%50 == 0))
		h.Publish(sound(s, n))
	}
}

// client does with messages what a player does.
type client struct {
	t        testing.TB
	headroom int
	numbers  []int64 // of the pictures
	inits    int
	video    int64 // end of the time line, 90 kHz
	sound    int64 // 8 kHz
	fresh    bool  // no sound since the last init segment
	last     int64 // duration of the newest picture
}

func (c *client) take(m live.Message) {
	c.t.Helper()
	data := m.Data[c.headroom:]
	if m.MIME != "" {
		var init fmp4.Init
		if err := init.Unmarshal(bytes.NewReader(data)); err != nil {
			c.t.Fatal(err)
		}
		if want := `video/mp4; codecs="avc1.42c00b,flac"`; m.MIME != want {
			c.t.Errorf("MIME is %s", m.MIME)
		}
		c.inits++
		c.fresh = true
		return
	}
	var parts fmp4.Parts
	if err := parts.Unmarshal(data); err != nil {
		c.t.Fatal(err)
	}
	if len(parts) != 1 {
		c.t.Fatalf("a message has %d parts", len(parts))
	}
	for _, track := range parts[0].Tracks {
		at := int64(track.BaseTime)
		if track.ID == 2 {
			if at != c.sound && !(c.fresh && at > c.sound) {
				c.t.Errorf("sound goes on at %d, not at %d", at, c.sound)
			}
			c.fresh = false
			for _, s := range track.Samples {
				c.sound += int64(s.Duration)
			}
			continue
		}
		if first := track.Samples[0]; first.IsNonSyncSample == m.Key {
			c.t.Errorf("Key is %t", m.Key)
		}
		for i, s := range track.Samples {
			var nals h264.AVCC
			if err := nals.Unmarshal(s.Payload); err != nil {
				c.t.Fatal(err)
			}
			n := int64(nals[0][1])<<8 | int64(nals[0][2])
			if wall := picture(newStream(), n, true).Wall; i == 0 && !m.Wall.Equal(wall) {
				c.t.Errorf("wall time of picture %d is %s, not %s", n, m.Wall, wall)
			}
			// A new init segment begins a new group of coded frames; within one the rule of step 6 holds.
			if len(c.numbers) > 0 && (at <= c.video-c.last || at-(c.video-c.last) > 2*c.last) {
				c.t.Errorf("picture %d is at %d, the one before at %d for %d", n, at, c.video-c.last, c.last)
			}
			c.numbers = append(c.numbers, n)
			c.last = int64(s.Duration)
			at += c.last
			c.video = at
		}
	}
}

// until takes messages up to picture n.
func (c *client) until(v *live.Viewer, n int64) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	for len(c.numbers) == 0 || c.numbers[len(c.numbers)-1] != n {
		m, err := v.Next(ctx)
		if err != nil {
			c.t.Fatalf("waiting for picture %d after %v: %v", n, c.numbers, err)
		}
		c.take(m)
	}
}

func count(from, to int64) []int64 {
	var out []int64
	for ; from < to; from++ {
		out = append(out, from)
	}
	return out
}

func TestFirstPictureAtOnce(t *testing.T) {
	h, s := hub.New(hub.Config{}), newStream()
	publish(h, s, 0, 120)
	v := live.New(h, live.Config{Headroom: 13})
	defer v.Close()
	c := &client{t: t, headroom: 13}
	first, err := v.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.take(first)
	second, err := v.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.take(second)
	if !slices.Equal(c.numbers, count(100, 120)) || !second.Key || c.inits != 1 {
		t.Fatalf("the first part has %v", c.numbers)
	}
	// From now on one part for one picture.
	for n := int64(120); n < 160; n++ {
		publish(h, s, n, n+1)
		m, err := v.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c.take(m)
		if len(c.numbers) != int(n-100+1) {
			t.Fatalf("picture %d did not come alone: %v", n, c.numbers)
		}
	}
	if c.sound*90/8 < c.video-3*3600 {
		t.Errorf("sound ends at %d ms, the picture at %d ms", c.sound/8, c.video/90)
	}
}

func TestSlowViewer(t *testing.T) {
	h, s := hub.New(hub.Config{}), newStream()
	publish(h, s, 0, 10)
	v := live.New(h, live.Config{QueueBytes: 60_000})
	defer v.Close()
	c := &client{t: t}
	c.until(v, 9)
	publish(h, s, 10, 1234)
	c.until(v, 1233)
	if v.Dropped().Frames == 0 {
		t.Error("nothing was dropped")
	}
	rest := c.numbers[10:]
	if rest[0]%50 != 0 || rest[0] < 1000 || !slices.Equal(rest, count(rest[0], 1234)) {
		t.Errorf("went on with %v", rest)
	}
	if c.inits != 1 {
		t.Errorf("%d init segments", c.inits)
	}
}

func TestNewStream(t *testing.T) {
	h := hub.New(hub.Config{})
	v := live.New(h, live.Config{})
	defer v.Close()
	c := &client{t: t}
	publish(h, newStream(), 0, 30)
	c.until(v, 29)
	publish(h, newStream(), 30, 60) // as after a reconnect in mid-GOP
	publish(h, newStream(), 100, 130)
	publish(h, newStream(), 200, 230)
	c.until(v, 229)
	want := slices.Concat(count(0, 30), count(50, 60), count(100, 130), count(200, 230))
	if !slices.Equal(c.numbers, want) || c.inits != 4 {
		t.Errorf("%d init segments and %v", c.inits, c.numbers)
	}
}

func TestSoundDoesNotWaitForEver(t *testing.T) {
	h, s := hub.New(hub.Config{}), newStream()
	v := live.New(h, live.Config{})
	defer v.Close()
	c := &client{t: t}
	publish(h, s, 0, 1)
	c.until(v, 0)
	var group sync.WaitGroup
	group.Go(func() {
		for n := int64(1); n < 30; n++ {
			h.Publish(sound(s, n))
		}
	})
	for c.sound < 20*320 {
		m, err := v.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c.take(m)
	}
	group.Wait()
}

func TestNoAudio(t *testing.T) {
	h, s := hub.New(hub.Config{}), newStream()
	v := live.New(h, live.Config{NoAudio: true})
	defer v.Close()
	publish(h, s, 0, 1)
	m, err := v.Next(t.Context())
	if err != nil || m.MIME != `video/mp4; codecs="avc1.42c00b"` {
		t.Errorf("Next = %s, %v", m.MIME, err)
	}
}

func TestEnds(t *testing.T) {
	h := hub.New(hub.Config{})
	v := live.New(h, live.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(cancel)
	if _, err := v.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Next = %v after cancel", err)
	}
	group.Go(v.Close)
	if _, err := v.Next(t.Context()); !errors.Is(err, hub.ErrClosed) {
		t.Errorf("Next = %v after Close", err)
	}
	v.Close()
	bad := newStream()
	bad.Tracks[0].Params = nil
	v = live.New(h, live.Config{})
	defer v.Close()
	publish(h, bad, 0, 1)
	if _, err := v.Next(t.Context()); err == nil {
		t.Error("no error for a stream without parameter sets")
	}
	group.Wait()
}

// BenchmarkViewer is what one viewer costs for each picture of 20 kB.
func BenchmarkViewer(b *testing.B) {
	h, s := hub.New(hub.Config{}), newStream()
	v := live.New(h, live.Config{Headroom: 13})
	defer v.Close()
	frames := make([]frame.Frame, 64)
	for i := range frames {
		frames[i] = *picture(s, int64(i), i == 0)
		frames[i].Payload = [][]byte{make([]byte, 20_000)}
		frames[i].Size = 20_000
	}
	h.Publish(&frames[0])
	if _, err := v.Next(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	n := int64(0)
	for b.Loop() {
		n++
		f := &frames[n%64]
		f.DTS, f.PTS = n*3600, n*3600
		h.Publish(f)
		if _, err := v.Next(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
