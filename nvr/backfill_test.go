package nvr

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cardea/camera/agent"
	"cardea/camera/agent/pattern"
	"cardea/camera/frame"
	"cardea/store"
	"cardea/store/check"
)

// counted is a source that counts the bytes it has made.
type counted struct {
	agent.Source
	made atomic.Int64
}

func (c *counted) Run(ctx context.Context, sink func(*frame.Frame)) error {
	return c.Source.Run(ctx, func(f *frame.Frame) {
		c.made.Add(int64(f.Size))
		sink(f)
	})
}

// rememberingAgent is a paired camera that remembers so many bytes of what its source makes, and a cable to it that can be cut.
func rememberingAgent(t *testing.T, memory int64) (a *pairedAgent, src *counted, cut func(bool)) {
	t.Helper()
	picture, err := agent.NewPattern(agent.PatternConfig{Config: pattern.Config{Width: 160, Height: 96, FPS: 10, GOP: time.Second, BitRate: 400_000}})
	if err != nil {
		t.Fatal(err)
	}
	src = &counted{Source: picture}
	a = serveAgent(t, t.TempDir(), "127.0.0.1:0", agent.Config{Memory: memory, Streams: []agent.Stream{{Path: "camera", Source: src}}})

	cable, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	off, conns := false, map[net.Conn]bool{}
	cut = func(now bool) {
		mu.Lock()
		defer mu.Unlock()
		off = now
		for c := range conns {
			if now {
				_ = c.Close()
			}
		}
	}
	to := a.addr
	a.addr = cable.Addr().String()
	var carrying sync.WaitGroup
	carrying.Go(func() {
		for {
			in, err := cable.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			mu.Lock()
			if err != nil || off {
				mu.Unlock()
				_ = in.Close()
				if out != nil {
					_ = out.Close()
				}
				continue
			}
			conns[in], conns[out] = true, true
			mu.Unlock()
			for _, way := range [][2]net.Conn{{in, out}, {out, in}} {
				carrying.Go(func() {
					_, _ = io.Copy(way[0], way[1]) // ends with either connection
					_, _ = way[0].Close(), way[1].Close()
				})
			}
		}
	})
	t.Cleanup(func() {
		_ = cable.Close()
		cut(true)
		carrying.Wait()
	})
	return a, src, cut
}

// fetched counts the clips that were fetched, and how much of time is missing.
func (b *box) fetched(id store.ID) (clips int, missing time.Duration) {
	b.t.Helper()
	for _, c := range b.clips(id) {
		if c.Fetched {
			clips++
		}
	}
	gaps, err := b.db.Gaps(context.Background(), id, time.Time{}, time.Time{})
	if err != nil {
		b.t.Fatal(err)
	}
	for _, g := range gaps {
		if !g.End.IsZero() {
			missing += g.End.Sub(g.Start)
		}
	}
	return clips, missing
}

// TestFetchPart has a camera that remembers less than the cable was cut for: the gap shrinks by what it has, and the rest is given up. What was
// missed by choice is not fetched.
func TestFetchPart(t *testing.T) {
	t.Parallel()
	const memory = 500 << 10 // about ten seconds: what is asked for late, on a busy machine, is still among them
	a, src, cut := rememberingAgent(t, memory)
	b := openBox(t, t.TempDir())
	b.makeVault()
	ctx := t.Context()
	st, err := b.Pair(ctx, anna, PairRequest{Address: a.addr, Code: a.digits(t)})
	if err != nil {
		t.Fatal(err)
	}
	id := st.Camera.ID
	eventually(t, "recorded", func() bool { return b.camera(id).Recording.Active && len(b.clips(id)) > 1 })
	r, err := b.runner(id)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	cut(true)
	eventually(t, "cut", func() bool { return !b.camera(id).Recording.Active })
	at := src.made.Load()
	eventually(t, "that the camera forgets the beginning", func() bool { return src.made.Load()-at > memory*6/5 })
	cut(false)
	r.reconnect() // now, and not when it would be tried again
	eventually(t, "that part of it is fetched", func() bool {
		all, err := b.db.AllMissed(ctx)
		clips, missing := b.fetched(id)
		return err == nil && len(all) == 0 && clips > 0 && missing > 0
	})
	if _, missing := b.fetched(id); missing < time.Second || missing > time.Since(began)-2*time.Second {
		t.Errorf("%v are missing of %v", missing, time.Since(began))
	}

	before, _ := b.fetched(id)
	event := string(store.ModeEvent)
	if _, err := b.ChangeCamera(ctx, anna, id, CameraChange{Mode: &event}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "no recording", func() bool { return !b.camera(id).Recording.Active })
	cut(true)
	eventually(t, "cut again", func() bool { return b.camera(id).Connection.Phase == "waiting" })
	cut(false)
	r.reconnect()
	eventually(t, "back again", func() bool { return b.camera(id).Connection.Phase == "streaming" })
	time.Sleep(2 * fetchFirst)
	if after, _ := b.fetched(id); after != before {
		t.Errorf("%d clips were fetched of a camera that records events only", after-before)
	}
	b.stop()
	faults, err := check.Run(context.Background(), check.Config{Dir: b.dir})
	if err != nil || len(faults) > 0 {
		t.Errorf("%v %v", faults, err)
	}
}
