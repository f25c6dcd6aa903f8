package recorder

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"filippo.io/age"

	"cardea/store"
)

func TestContinuous(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "", nil)
	a, b := h.lens("front", store.ModeContinuous), h.lens("garden", store.ModeContinuous)
	a.warm(t)
	b.warm(t)
	for range 50 {
		a.shoot(10, 0)
		b.shoot(10, 0)
		time.Sleep(20 * time.Millisecond)
	}
	h.stop()
	for _, l := range []*lens{a, b} {
		consecutive(t, h.numbersOf(l.camera), int(l.n))
		clips := h.clips(l.camera)
		if len(clips) < 3 {
			t.Errorf("%d clips", len(clips))
		}
		for i, c := range clips {
			if c.State != store.ClipClosed {
				t.Errorf("clip %d: state %d", i, c.State)
			}
			if i > 0 && !c.Start.Equal(clips[i-1].End) {
				t.Errorf("clip %d starts %v after the end of the one before", i, c.Start.Sub(clips[i-1].End))
			}
			if length := c.End.Sub(c.Start); i > 0 && i < len(clips)-1 && length != 4*time.Second {
				t.Errorf("clip %d lasts %v", i, length)
			}
		}
		// The end of the program begins a gap.
		if gaps := h.gaps(l.camera); len(gaps) != 1 || gaps[0].Reason != store.GapOff || !gaps[0].End.IsZero() {
			t.Errorf("gaps %+v", gaps)
		}
	}
	if s := h.Stats(); s.Clips < 6 || s.Bytes == 0 || s.Errors != 0 || s.Dropped != 0 {
		t.Errorf("stats %+v", s)
	}
	h.stockAge(t, h.clips(a.camera)[0])
}

// stockAge opens a clip as the age tool does and lets ffprobe look at it.
func (h *house) stockAge(t *testing.T, c store.Clip) {
	t.Helper()
	f, err := h.files.Open(c.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // only read from
	ids, err := age.ParseIdentities(strings.NewReader(h.id.Secret()))
	if err != nil {
		t.Fatal(err)
	}
	r, err := age.Decrypt(f, ids...)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("h264,%d", len(pictures(t, h.db, h.files, h.id, c)))
	if got := ffprobe(t, plain); got != want {
		t.Errorf("ffprobe says %q, want %q", got, want)
	}
}

// While a clip is open, only what is durable is announced, and all of that can be read.
func TestOpenClipIsReadable(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "", func(c *Config) { c.Length = time.Hour })
	l := h.lens("front", store.ModeContinuous)
	l.warm(t)
	l.shoot(100, 0)
	var clip store.Clip
	eventually(t, "parts are announced", func() bool {
		all := h.clips(l.camera)
		if len(all) == 1 {
			clip = all[0]
		}
		return clip.Plain > int64(clip.InitBytes)
	})
	if clip.State != store.ClipOpen || !l.line.State().Active || l.line.State().Clip != clip.ID {
		t.Errorf("clip %+v, state %+v", clip, l.line.State())
	}
	if numbers := pictures(t, h.db, h.files, h.id, clip); len(numbers) == 0 {
		t.Error("nothing can be read")
	}
	// Closing ends it at once.
	if err := l.line.Close(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	consecutive(t, h.numbersOf(l.camera), int(l.n))
	if gaps := h.gaps(l.camera); len(gaps) != 0 {
		t.Errorf("gaps %+v", gaps)
	}
}

func TestReconnect(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "", nil)
	l := h.lens("front", store.ModeContinuous)
	l.warm(t)
	l.shoot(49, 0)
	l.line.Connection(store.GapOffline, "It is not there.")
	eventually(t, "the gap", func() bool {
		g := h.gaps(l.camera)
		return len(g) == 1 && g[0].End.IsZero() && g[0].Reason == store.GapOffline && g[0].Detail == "It is not there."
	})
	if s := l.line.State(); s.Active || s.Reason != "offline" {
		t.Errorf("state %+v", s)
	}
	l.wall = l.wall.Add(30 * time.Second)
	l.connect()
	l.line.Connection("", "")
	l.enc.Next(l.wall) // a picture that is lost on the way
	for !l.shootKey() {
	}
	l.shoot(49, 0)
	h.stop()
	clips, gaps := h.clips(l.camera), h.gaps(l.camera)
	if len(clips) != 2 || len(gaps) != 2 {
		t.Fatalf("clips %+v, gaps %+v", clips, gaps)
	}
	if !gaps[0].Start.Equal(clips[0].End) || !gaps[0].End.Equal(clips[1].Start) {
		t.Errorf("gap %v to %v, clips end %v and start %v", gaps[0].Start, gaps[0].End, clips[0].End, clips[1].Start)
	}
}

// shootKey publishes one picture and says whether it is a key frame.
func (l *lens) shootKey() bool {
	before := l.n
	l.shoot(1, 0)
	return (before+1)%25 == 0
}

// A reconnect that is over before the next tick leaves a gap too.
func TestShortBreak(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "", func(c *Config) { c.Period = time.Second })
	l := h.lens("front", store.ModeContinuous)
	l.warm(t)
	l.shoot(49, 0)
	l.line.Connection(store.GapOffline, "Gone.")
	l.wall = l.wall.Add(5 * time.Second)
	l.connect()
	l.line.Connection("", "")
	l.shoot(50, 0)
	h.stop()
	clips, gaps := h.clips(l.camera), h.gaps(l.camera)
	if len(clips) != 2 || len(gaps) != 2 || gaps[0].Reason != store.GapOffline || gaps[0].End.Sub(gaps[0].Start).Round(100*time.Millisecond) != 5*time.Second {
		t.Fatalf("clips %+v, gaps %+v", clips, gaps)
	}
	consecutive(t, h.numbersOf(l.camera), int(l.n))
}

func TestEventMode(t *testing.T) {
	t.Parallel()
	// The clock moves by the steps of the test, so a busy machine misses no event.
	var clock atomic.Int64
	clock.Store(time.Now().UnixNano())
	now := func() time.Time { return time.Unix(0, clock.Load()) }
	h := newHouse(t, "", func(c *Config) { c.Now = now })
	l := h.lens("door", store.ModeEvent)
	l.wall = now().Add(-20 * time.Second)
	l.shoot(250, 0) // ten seconds of the past
	eventually(t, "waiting for an event", func() bool { return l.line.State().Reason == ByModeEvent })
	if clips := h.clips(l.camera); len(clips) != 0 {
		t.Fatalf("recorded without an event: %+v", clips)
	}
	l.line.Trigger(now().Add(500 * time.Millisecond))
	eventually(t, "recording", func() bool { return l.line.State().Active })
	l.shoot(25, 0)
	l.line.Trigger(now()) // shorter: changes nothing
	l.line.Trigger(now().Add(time.Second))
	clock.Add(int64(3 * time.Second)) // with the post-roll
	eventually(t, "the end of the event", func() bool { return l.line.State().Reason == ByModeEvent })
	clips := h.clips(l.camera)
	if len(clips) != 1 || clips[0].Cause != store.CauseEvent || clips[0].State != store.ClipClosed {
		t.Fatalf("clips %+v", clips)
	}
	// Two seconds of pre-roll from a key frame on, and what came during the event.
	numbers := h.numbersOf(l.camera)
	consecutive(t, numbers, len(numbers))
	if first := numbers[0]; first > 200 || first < 150 || len(numbers) < 75 {
		t.Errorf("%d pictures from number %d on", len(numbers), first)
	}
	// Another event soon after does not record the same pictures again.
	l.line.Trigger(now().Add(500 * time.Millisecond))
	l.shoot(50, 0)
	eventually(t, "the second clip", func() bool { return len(h.clips(l.camera)) == 2 })
	h.stop()
	seen := map[uint64]bool{}
	for _, n := range h.numbersOf(l.camera) {
		if seen[n] {
			t.Errorf("picture %d is there twice", n)
		}
		seen[n] = true
	}
	if gaps := h.gaps(l.camera); len(gaps) != 0 {
		t.Errorf("not recording between events is no gap: %+v", gaps)
	}
}

func TestModesAndVault(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "", nil)
	l := h.lens("front", store.ModeContinuous)
	none := h.settings(store.ModeContinuous)
	none.Recipient = h.id.Recipient()
	off := h.settings(store.ModeOff)
	l.line.Set(off)
	l.shoot(50, 0)
	eventually(t, "off", func() bool { return l.line.State().Reason == ByModeOff })
	if len(h.clips(l.camera)) != 0 || len(h.gaps(l.camera)) != 0 {
		t.Error("recorded, or a gap, while switched off")
	}
	nobody := none
	nobody.Recipient = off.Recipient
	nobody.Recipient = zeroRecipient
	l.line.Set(nobody)
	eventually(t, "the gap no-vault", func() bool {
		g := h.gaps(l.camera)
		return len(g) == 1 && g[0].Reason == store.GapNoVault
	})
	l.wall = time.Now()
	l.line.Set(none)
	for !l.line.State().Active {
		l.shoot(5, time.Millisecond)
		time.Sleep(5 * time.Millisecond)
	}
	if g := h.gaps(l.camera); len(g) != 1 || g[0].End.IsZero() {
		t.Errorf("gaps %+v", g)
	}
	// Off in mid-clip ends the clip.
	l.line.Set(off)
	eventually(t, "the end of the clip", func() bool {
		c := h.clips(l.camera)
		return len(c) == 1 && c[0].State == store.ClipClosed
	})
}

// A camera that never sends a key frame again is cut at the cap and asked to start over; nothing grows for ever.
func TestEndlessGOP(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 10)
	h := newHouse(t, "", func(c *Config) { c.MaxLength = 6 * time.Second })
	l := h.lens("front", store.ModeContinuous)
	if err := l.line.Close(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	l.line = h.Add(LineConfig{Camera: l.camera, Hub: l.hub, Settings: h.settings(store.ModeContinuous), OnEndless: func() { asked <- struct{}{} }})
	eventually(t, "a reader", func() bool { l.shoot(1, 0); return l.line.State().Active || l.n > 200 })
	for range 60 { // twelve seconds without a key frame
		for range 5 {
			p := l.enc.Next(l.wall)
			if !p.Key {
				l.publish(p.NALs, p.Size)
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
	select {
	case <-asked:
	case <-time.After(time.Minute):
		t.Fatal("the camera is not asked to start over")
	}
	eventually(t, "the gap", func() bool {
		for _, g := range h.gaps(l.camera) {
			if g.Reason == store.GapDecode {
				return true
			}
		}
		return false
	})
}

// A stream that changes in mid-flight makes another clip.
func TestStreamChange(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "", nil)
	l := h.lens("front", store.ModeContinuous)
	l.warm(t)
	l.shoot(49, 0)
	before := l.stream
	l.connect()
	if before == l.stream {
		t.Fatal("same stream")
	}
	l.shoot(50, 0)
	h.stop()
	if clips := h.clips(l.camera); len(clips) != 2 || !clips[1].Start.Equal(clips[0].End) {
		t.Errorf("clips %+v", clips)
	}
	consecutive(t, h.numbersOf(l.camera), int(l.n))
}

// The disk cannot keep up: what is lost is counted and named, and recording goes on.
// Attack case 62 of docs/attacks.md.
func TestOverload(t *testing.T) {
	t.Parallel()
	// A queue of thirty pictures: not even a machine that makes only a few of them in a period keeps up by chance.
	h := newHouse(t, "", func(c *Config) { c.QueueBytes, c.Period = 150<<10, 500*time.Millisecond })
	l := h.lens("front", store.ModeContinuous)
	eventually(t, "a reader", func() bool { l.shoot(1, 0); return l.line.State().Active || l.n > 100 })
	l.shoot(300, 0)
	eventually(t, "a gap", func() bool {
		l.shoot(5, 0)
		time.Sleep(20 * time.Millisecond)
		for _, g := range h.gaps(l.camera) {
			if g.Reason == store.GapOverload && !g.End.IsZero() {
				return true
			}
		}
		return false
	})
	h.stop()
	if s := h.Stats(); s.Dropped == 0 || l.line.State().Dropped == 0 {
		t.Errorf("stats %+v, state %+v", s, l.line.State())
	}
	if int64(len(h.numbersOf(l.camera)))+int64(h.Stats().Dropped) != l.n {
		t.Logf("%d recorded, %d dropped of %d (those before the first reader are neither)", len(h.numbersOf(l.camera)), h.Stats().Dropped, l.n)
	}
}

// The clock is set back by an hour: the clips before and after are both there.
// Attack case 71 of docs/attacks.md.
func TestClockSetBack(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "", nil)
	l := h.lens("front", store.ModeContinuous)
	l.warm(t)
	l.shoot(300, 0)
	l.wall = l.wall.Add(-time.Hour)
	l.shoot(300, 0)
	h.stop()
	numbers := h.numbersOf(l.camera)
	slices.Sort(numbers)
	consecutive(t, numbers, int(l.n))
	var clock bool
	for _, g := range h.gaps(l.camera) {
		clock = clock || g.Reason == store.GapClock
	}
	if !clock {
		t.Errorf("gaps %+v", h.gaps(l.camera))
	}
}

// TestNoPlaintextOnDisk is attack case 76 of docs/attacks.md.
func TestNoPlaintextOnDisk(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "", nil)
	l := h.lens("front", store.ModeContinuous)
	l.warm(t)
	l.shoot(150, 0)
	p := l.enc.Next(l.wall)
	l.publish(p.NALs, p.Size)
	h.stop()
	needle := p.NALs[len(p.NALs)-1]
	needle = needle[:min(len(needle), 32)]
	for _, c := range h.clips(l.camera) {
		f, err := h.files.Open(c.Path())
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, needle) || bytes.Contains(b, []byte("moof")) {
			t.Error("a plaintext frame is on the disk")
		}
		if info, err := os.Stat(h.files.Dir() + "/" + c.Path()); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
	}
}
