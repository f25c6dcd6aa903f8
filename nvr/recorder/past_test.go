package recorder

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"cardea/camera/agent/pattern"
	"cardea/camera/frame"
	"cardea/store"
	"cardea/store/check"
	"cardea/store/vault"
)

// rememberer is a camera that remembers: it keeps each picture that it makes, whether or not anybody is connected.
type rememberer struct {
	*lens
	h    *house
	life uint64
	kept []*frame.Frame
	off  int64 // stamp minus wall, in microseconds
	// reached says that a key frame was sent since the connection was made.
	reached bool
}

func (h *house) rememberer(name string) *rememberer {
	r := &rememberer{lens: h.lens(name, store.ModeContinuous), h: h, life: 77, off: -50 * 365 * 24 * 3600 * 1e6}
	r.stream.Life = r.life
	return r
}

// make makes n pictures; they are recorded while live.
func (r *rememberer) make(n int, live bool) {
	for range n {
		p := r.enc.Next(r.wall)
		f := &frame.Frame{
			Stream: r.stream, PTS: r.dts, DTS: r.dts, Wall: r.wall, Key: p.Key, Payload: p.NALs, Size: p.Size, Stamp: r.wall.UnixMicro() + r.off,
		}
		r.kept = append(r.kept, f)
		if live && (r.reached || p.Key) {
			r.reached = true
			r.hub.Publish(f)
		}
		r.dts += 3600
		r.wall = r.wall.Add(40 * time.Millisecond)
	}
}

// cut breaks the connection, and waits until the clip is finished.
func (r *rememberer) cut() {
	r.line.Connection(store.GapOffline, "The cable is cut.")
	eventually(r.h.t, "the end of the clip", func() bool { return !r.line.State().Active })
	r.stream = &frame.Stream{Tracks: r.stream.Tracks, Life: r.life}
	r.reached = false
	r.line.Connection("", "")
}

func (r *rememberer) missed() []store.Missed {
	r.h.t.Helper()
	all, err := r.h.db.AllMissed(context.Background())
	if err != nil {
		r.h.t.Fatal(err)
	}
	return all
}

// fetch files what the camera kept, as a session with it brings that: frames of a stream of their own. It stops after n frames.
func (r *rememberer) fetch(m store.Missed, n int) (done bool) {
	r.h.t.Helper()
	past := r.h.File(m, r.h.settings(store.ModeContinuous))
	from := 0
	for i, f := range r.kept {
		if f.Key && f.Stamp <= m.After {
			from = i
		}
	}
	stream := &frame.Stream{Tracks: r.stream.Tracks, Life: r.life}
	var err error
	for _, f := range r.kept[from:] {
		if n--; n < 0 {
			break
		}
		again := *f
		again.Stream = stream
		if done, err = past.Write(context.Background(), &again); err != nil {
			r.h.t.Fatal(err)
		}
		if done {
			break
		}
	}
	if err := past.Close(context.Background()); err != nil {
		r.h.t.Fatal(err)
	}
	return done
}

// shown gives the numbers of the pictures that somebody sees who plays all clips of a camera, and of those that are only decoded.
func (h *house) shown(camera store.ID) (shown, decoded []uint64) {
	h.t.Helper()
	for _, c := range h.clips(camera) {
		f, err := h.files.Open(c.Path())
		if err != nil {
			h.t.Fatal(err)
		}
		sealed, err := io.ReadAll(f)
		if err != nil {
			h.t.Fatal(err)
		}
		f.Close()
		plain, err := vault.OpenTorn(bytes.NewReader(sealed), int64(len(sealed)), h.id)
		if err != nil {
			h.t.Fatal(err)
		}
		all, err := io.ReadAll(io.NewSectionReader(plain, 0, c.Plain))
		if err != nil {
			h.t.Fatal(err)
		}
		s, d := pattern.ReadClip(all)
		shown, decoded = append(shown, s...), append(decoded, d...)
	}
	return shown, decoded
}

func (h *house) sound(camera store.ID) {
	h.t.Helper()
	clips := h.clips(camera)
	for i := 1; i < len(clips); i++ {
		if d := clips[i].Start.Sub(clips[i-1].End); d < 0 {
			h.t.Errorf("clip %d begins %v before the end of the one before", i, -d)
		}
	}
	faults, err := check.Run(h.t.Context(), check.Config{Dir: h.dir})
	if err != nil || len(faults) > 0 {
		h.t.Errorf("%v %v", faults, err)
	}
}

// TestPast cuts a connection in the middle of a group of pictures and files what the camera remembers: every picture is there, once, at
// both seams, and no gap is left.
func TestPast(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "", nil)
	r := h.rememberer("door")
	r.make(1, true)
	eventually(t, "recording", func() bool { return r.line.State().Active })
	r.make(59, true)
	r.cut()
	r.make(210, false) // three clips long
	r.make(70, true)
	eventually(t, "what is missed", func() bool { return len(r.missed()) == 1 })
	m := r.missed()[0]
	if gaps := h.gaps(r.camera); len(gaps) != 1 || gaps[0].Reason != store.GapOffline {
		t.Fatalf("gaps %+v", gaps)
	}
	if m.Life != r.life || m.After != r.kept[59].Stamp || m.Before != r.kept[275].Stamp {
		t.Fatalf("missed %+v, want %d to %d", m, r.kept[59].Stamp, r.kept[275].Stamp)
	}
	if !r.fetch(m, 1000) {
		t.Fatal("the fetch does not come to the picture that was recorded again")
	}
	if err := h.db.DropMissed(t.Context(), m, true); err != nil {
		t.Fatal(err)
	}
	h.stop()
	shown, decoded := h.shown(r.camera)
	consecutive(t, shown, 340)
	if !slices.Equal(decoded, []uint64{50, 51, 52, 53, 54, 55, 56, 57, 58, 59}) {
		t.Errorf("decoded again are %v", decoded)
	}
	for _, g := range h.gaps(r.camera) {
		if g.Reason != store.GapOff {
			t.Errorf("a gap is left: %+v", g)
		}
	}
	fetched := 0
	for _, c := range h.clips(r.camera) {
		if c.Fetched {
			fetched++
		}
	}
	if fetched < 2 {
		t.Errorf("%d clips say that they were fetched", fetched)
	}
	h.sound(r.camera)
}

// TestPastResumed breaks off a fetch again and again: what was filed stays, the rest follows, nothing is there twice.
func TestPastResumed(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "", nil)
	r := h.rememberer("door")
	r.make(1, true)
	eventually(t, "recording", func() bool { return r.line.State().Active })
	r.make(33, true)
	r.cut()
	r.make(150, false)
	r.make(60, true)
	eventually(t, "what is missed", func() bool { return len(r.missed()) == 1 })
	for range 20 {
		m := r.missed()[0]
		if r.fetch(m, 47) {
			break
		}
		if again := r.missed()[0]; again.After <= m.After && again.After != 0 && !again.Start.After(m.Start) {
			t.Fatalf("no progress from %+v to %+v", m, again)
		}
	}
	m := r.missed()[0]
	if err := h.db.DropMissed(t.Context(), m, true); err != nil {
		t.Fatal(err)
	}
	h.stop()
	shown, _ := h.shown(r.camera)
	consecutive(t, shown, 244)
	for _, g := range h.gaps(r.camera) {
		if g.Reason != store.GapOff {
			t.Errorf("a gap is left: %+v", g)
		}
	}
	h.sound(r.camera)
}

// TestPastNewLife is the camera that was switched off too: it has what came since it began anew, and the rest stays a gap.
func TestPastNewLife(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "", nil)
	r := h.rememberer("door")
	r.make(1, true)
	eventually(t, "recording", func() bool { return r.line.State().Active })
	r.make(40, true)
	r.cut()
	r.make(100, false)
	r.kept, r.life, r.off = nil, 78, 7e15
	r.stream = &frame.Stream{Tracks: r.stream.Tracks, Life: r.life}
	r.make(84, false) // from picture 141 on; 150 is the next key frame
	r.make(60, true)  // 225 is recorded again
	eventually(t, "what is missed", func() bool { return len(r.missed()) == 1 })
	m := r.missed()[0]
	if m.After != 0 || m.Life != 78 {
		t.Fatalf("missed %+v", m)
	}
	if !r.fetch(m, 1000) {
		t.Fatal("the fetch does not end")
	}
	if err := h.db.DropMissed(t.Context(), m, true); err != nil {
		t.Fatal(err)
	}
	h.stop()
	shown, decoded := h.shown(r.camera)
	if len(decoded) != 0 || len(shown) != 41+(285-150) || shown[41] != 150 {
		t.Errorf("shown %v, decoded %v", shown, decoded)
	}
	var gap time.Duration
	for _, g := range h.gaps(r.camera) {
		if g.Reason != store.GapOff {
			gap += g.End.Sub(g.Start)
		}
	}
	if want := 109 * 40 * time.Millisecond; (gap - want).Abs() > 50*time.Millisecond {
		t.Errorf("a gap of %v is left, want %v", gap, want)
	}
	h.sound(r.camera)
}

// TestPastByChoice misses nothing while the camera is not to be recorded.
func TestPastByChoice(t *testing.T) {
	t.Parallel()
	for _, mode := range []store.Mode{store.ModeEvent, store.ModeOff} {
		t.Run(string(mode), func(t *testing.T) {
			h := newHouse(t, "", nil)
			r := h.rememberer("door")
			r.make(1, true)
			eventually(t, "recording", func() bool { return r.line.State().Active })
			r.make(40, true)
			r.line.Set(h.settings(mode))
			eventually(t, "no recording", func() bool { return !r.line.State().Active && r.line.State().Reason != "" })
			r.make(50, false)
			r.stream = &frame.Stream{Tracks: r.stream.Tracks, Life: r.life}
			r.reached = false
			r.line.Set(h.settings(store.ModeContinuous))
			r.make(60, true)
			eventually(t, "recording again", func() bool { return len(h.clips(r.camera)) == 2 })
			r.make(20, true)
			h.stop()
			if all := r.missed(); len(all) != 0 {
				t.Errorf("missed %+v", all)
			}
		})
	}
}

// TestPastKilled is kill -9 in the middle of a fetch, at many points: after the next start what was announced stays, what was not goes or is
// cut off, the rest is fetched, and nothing is there twice.
func TestPastKilled(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "", nil)
	r := h.rememberer("door")
	r.make(1, true)
	eventually(t, "recording", func() bool { return r.line.State().Active })
	r.make(33, true)
	r.cut()
	r.make(150, false)
	r.make(60, true)
	eventually(t, "what is missed", func() bool { return len(r.missed()) == 1 })
	ctx := context.Background()
	for kill := range 6 {
		m := r.missed()[0]
		past := h.File(m, h.settings(store.ModeContinuous))
		past.every = 20 << 10 // so that much is announced in little footage
		stream := &frame.Stream{Tracks: r.stream.Tracks, Life: r.life}
		from, n := 0, 0
		for i, f := range r.kept {
			if f.Key && f.Stamp <= m.After {
				from = i
			}
		}
		for _, f := range r.kept[from:] {
			again := *f
			again.Stream = stream
			if done, err := past.Write(ctx, &again); err != nil || done {
				t.Fatalf("kill %d: %v %v", kill, done, err)
			}
			if n++; n > 17+kill*7 {
				break
			}
		}
		if c := past.line.clip; c != nil {
			_ = c.file.Close() // as the kernel does for a process that is killed
		}
		if err := h.Recover(ctx); err != nil {
			t.Fatal(err)
		}
		// The line that records is alive here, so that its clip is not one that was cut off.
		h.Recorder.mu.Lock()
		h.torn = slices.DeleteFunc(h.torn, func(id store.ID) bool {
			c, err := h.db.Clip(ctx, id)
			return err == nil && !c.Fetched
		})
		h.Recorder.mu.Unlock()
		h.settleNow(ctx)
	}
	if !r.fetch(r.missed()[0], 1000) {
		t.Fatal("the fetch does not end")
	}
	if err := h.db.DropMissed(ctx, r.missed()[0], true); err != nil {
		t.Fatal(err)
	}
	h.stop()
	shown, _ := h.shown(r.camera)
	consecutive(t, shown, 244)
	torn := 0
	for _, c := range h.clips(r.camera) {
		if c.Fetched && c.State == store.ClipTorn {
			torn++
		}
	}
	if torn == 0 {
		t.Error("no kill came after something was announced")
	}
	h.sound(r.camera)
}

// TestPastLies has a camera that says of its pictures that they last for hours: what is filed stays between what was recorded before and after.
func TestPastLies(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "", nil)
	r := h.rememberer("door")
	r.make(1, true)
	eventually(t, "recording", func() bool { return r.line.State().Active })
	r.make(33, true)
	r.cut()
	r.make(150, false)
	r.make(60, true)
	eventually(t, "what is missed", func() bool { return len(r.missed()) == 1 })
	for i, f := range r.kept {
		lie := *f // the recorder may still read the frame itself
		lie.DTS, lie.PTS = int64(i)*90000*600, int64(i)*90000*600
		r.kept[i] = &lie
	}
	m := r.missed()[0]
	past := h.File(m, h.settings(store.ModeContinuous))
	stream := &frame.Stream{Tracks: r.stream.Tracks, Life: r.life}
	var err error
	for _, f := range r.kept[25:] {
		again := *f
		again.Stream = stream
		if _, err = past.Write(t.Context(), &again); err != nil {
			break
		}
	}
	if !errors.Is(err, ErrTimes) {
		t.Errorf("the camera is believed: %v", err)
	}
	if err := errors.Join(past.Close(t.Context()), h.db.DropMissed(t.Context(), m, false)); err != nil {
		t.Fatal(err)
	}
	h.stop()
	for _, c := range h.clips(r.camera) {
		if c.Fetched && (c.Start.Before(m.Start) || c.End.After(m.End)) {
			t.Errorf("a clip from %v to %v was filed between %v and %v", c.Start, c.End, m.Start, m.End)
		}
	}
	h.sound(r.camera)
}
