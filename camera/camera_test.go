package camera

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"cardea/camera/agent"
	"cardea/camera/agent/pattern"
	"cardea/camera/frame"
	"cardea/camera/rtsp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// lens starts the virtual camera and returns its address and how to switch it off.
func lens(t *testing.T, cfg agent.Config) (*url.URL, func()) {
	t.Helper()
	src, err := agent.NewPattern(agent.PatternConfig{Config: pattern.Config{Width: 320, Height: 180, FPS: 25, GOP: time.Second}, Beep: true})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Streams = []agent.Stream{{Path: "front", Source: src}}
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	a, err := agent.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { a.Run(ctx); close(done) }()
	var once sync.Once
	off := func() { once.Do(func() { cancel(); <-done }) }
	t.Cleanup(off)
	u, err := url.Parse(a.URL("front"))
	if err != nil {
		t.Fatal(err)
	}
	u.User = nil
	return u, off
}

// watch runs a camera and keeps what it says.
type watch struct {
	*Camera
	mu     sync.Mutex
	states []State
	frames []*frame.Frame
	log    bytes.Buffer
	stop   func()
}

func (w *watch) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(b)
}

func (w *watch) phases() (p []Phase) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.states {
		if len(p) == 0 || p[len(p)-1] != s.Phase {
			p = append(p, s.Phase)
		}
	}
	return p
}

func (w *watch) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.frames)
}

func start(t *testing.T, cfg Config) *watch {
	t.Helper()
	w := &watch{}
	cfg.OnState = func(s State) {
		w.mu.Lock()
		w.states = append(w.states, s)
		w.mu.Unlock()
	}
	cfg.Log = slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if cfg.Backoff == 0 {
		cfg.Backoff, cfg.BackoffMax = 20*time.Millisecond, 100*time.Millisecond
	}
	w.Camera = New(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- w.Run(ctx, func(f *frame.Frame) {
			w.mu.Lock()
			w.frames = append(w.frames, f)
			w.mu.Unlock()
		})
	}()
	var once sync.Once
	w.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("Run returned %v", err)
			}
			if p := w.State().Phase; p != Stopped {
				t.Errorf("phase %s after Run", p)
			}
		})
	}
	t.Cleanup(w.stop)
	return w
}

func TestCameraRestarts(t *testing.T) {
	u, off := lens(t, agent.Config{})
	w := start(t, Config{Name: "front", URL: u})
	eventually(t, "frames", func() bool { return w.count() > 20 })
	off()
	eventually(t, "waiting", func() bool { return w.State().Phase == Waiting && w.State().Detail != "" })
	before := w.count()
	eventually(t, "several attempts", func() bool { return strings.Count(w.text(), "cannot be reached") > 2 })
	lens(t, agent.Config{Listen: u.Host})
	eventually(t, "frames again", func() bool { return w.count() > before+20 })
	s := w.State()
	if s.Phase != Streaming || s.Detail != "" || s.Reconnects == 0 || !s.NextAttempt.IsZero() {
		t.Errorf("%+v", s)
	}
	w.stop()
	if got := w.phases(); !slices.Equal(got, []Phase{Connecting, Streaming, Waiting, Streaming, Stopped}) {
		t.Errorf("phases %v", got)
	}
	if w.frames[0].Stream == w.frames[before].Stream || !w.frames[before].Key {
		t.Error("frames after the restart do not begin a new stream with a key frame")
	}
}

func (w *watch) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.String()
}

func TestStateWhileStreaming(t *testing.T) {
	u, _ := lens(t, agent.Config{})
	w := start(t, Config{URL: u})
	eventually(t, "rates", func() bool { s := w.State(); return s.FPS > 10 && s.Bitrate > 0 && s.Width == 320 })
	s := w.State()
	if s.Height != 180 || !slices.Equal(s.Codecs[:1], []string{"h264"}) || s.Transport != "tcp" || s.LastFrame.IsZero() || s.Since.IsZero() {
		t.Errorf("%+v", s)
	}
	w.SetEager(true)
	n := w.count()
	eventually(t, "more frames", func() bool { return w.count() > n+10 })
}

func TestWrongPasswordIsNotHammered(t *testing.T) {
	const secret = "correct-horse-battery"
	u, _ := lens(t, agent.Config{User: "admin", Password: secret})
	w := start(t, Config{URL: u, User: "admin", Password: "wrong-horse"})
	eventually(t, "refused", func() bool { return w.State().Phase == Refused })
	s := w.State()
	if !strings.Contains(s.Detail, "user name or the password") {
		t.Errorf("%q", s.Detail)
	}
	if d := time.Until(s.NextAttempt); d < 2*time.Minute {
		t.Errorf("the next attempt is in %v", d)
	}
	w.stop()
	w2 := start(t, Config{URL: u, User: "admin", Password: secret})
	eventually(t, "frames", func() bool { return w2.count() > 0 })
	w2.stop()
	for _, w := range []*watch{w, w2} {
		if text := w.text(); strings.Contains(text, "horse") {
			t.Errorf("the password is told: %s", text)
		}
		for _, s := range w.states {
			if strings.Contains(s.Detail, "horse") {
				t.Errorf("the password is told: %s", s.Detail)
			}
		}
	}
}

// A camera that sends more than it may is cut off and left alone, with a sentence that says how much it was.
// Attack case 62 of docs/attacks.md.
func TestFloodIsCutOff(t *testing.T) {
	for name, limit := range map[string]func(*Config){
		"bit rate": func(c *Config) { c.MaxBitrate = 50_000 },
		"pictures": func(c *Config) { c.MaxFPS = 10 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u, _ := lens(t, agent.Config{})
			cfg := Config{URL: u}
			limit(&cfg)
			w := start(t, cfg)
			eventually(t, "the end of the flood", func() bool { return w.State().Phase == Refused })
			s := w.State()
			if !s.Flooded || !strings.Contains(s.Detail, "pictures a second are taken from one camera") || time.Until(s.NextAttempt) < time.Minute {
				t.Errorf("state %+v", s)
			}
		})
	}
	var f flood
	cfg, calm := New(Config{}).cfg, State{Bitrate: 40_000_000, FPS: 60}
	for range 4 { // a burst is no flood
		if f.look(cfg, State{Bitrate: 400_000_000}) != nil {
			t.Error("cut off by a burst")
		}
	}
	for range 100 {
		if f.look(cfg, calm) != nil {
			t.Fatal("4K with 60 pictures is cut off")
		}
	}
}

func TestUnusable(t *testing.T) {
	u, _ := lens(t, agent.Config{})
	u.Path = "/nowhere"
	w := start(t, Config{URL: u})
	eventually(t, "unusable", func() bool { return w.State().Phase == Unusable })
	if s := w.State(); !strings.Contains(s.Detail, `no stream at the path "/nowhere"`) {
		t.Errorf("%q", s.Detail)
	}
}

func TestStopsWhileConnecting(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	w := start(t, Config{URL: &url.URL{Scheme: "rtsp", Host: ln.Addr().String(), Path: "/"}})
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	w.stop()
}

func TestBackOff(t *testing.T) {
	for _, r := range []float64{0, 0.5, 0.999} {
		c := New(Config{Rand: func() float64 { return r }})
		last := time.Duration(0)
		for i := range 100 {
			wait := c.wait(errors.New("x"), i)
			if wait < last || wait < 500*time.Millisecond || wait > 90*time.Second {
				t.Errorf("attempt %d waits %v after %v", i, wait, last)
			}
			last = wait
		}
		if last < 30*time.Second {
			t.Errorf("waits only %v in the end", last)
		}
	}
}

func TestWarnings(t *testing.T) {
	now := time.Now()
	r := &runner{seen: map[Warning]time.Time{}}
	st := statsOf(func(s *rtspStats) {
		s.Lost, s.Damaged, s.Oversize, s.Garbage, s.Jumps, s.Changes = 1, 1, 1, 1, 1, 1
		s.ClockKnown, s.ClockOffset, s.TLS, s.AudioSilent = true, -time.Hour, "1.2", true
		s.LastPicture, s.LastKey, s.KeyFrames = now, now.Add(-time.Minute), 1
	})
	r.warn(st, now)
	r.before = st
	want := []Warning{PacketLoss, Damaged, Oversize, Garbage, TimeJump, WrongClock, LongGOP, NoSound, OldTLS, StreamChanged}
	if got := r.warnings(now); !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	st.ClockOffset, st.LastKey = time.Second, now
	r.warn(st, now.Add(time.Second))
	if got := r.warnings(now.Add(30 * time.Second)); slices.Contains(got, WrongClock) || slices.Contains(got, LongGOP) || !slices.Contains(got, PacketLoss) {
		t.Errorf("after half a minute %v", got)
	}
	if got := r.warnings(now.Add(2 * time.Minute)); len(got) != 0 {
		t.Errorf("after two minutes %v", got)
	}
	st.KeyFrames = 0
	r.warn(st, now)
	if got := r.warnings(now); !slices.Contains(got, NoKeyFrame) || slices.Contains(got, WrongClock) || slices.Contains(got, LongGOP) {
		t.Errorf("got %v", got)
	}
}

type rtspStats = rtsp.Stats

func statsOf(change func(*rtspStats)) rtspStats {
	var s rtspStats
	change(&s)
	return s
}

// TestPowerCut: thirty-two cameras that lose their connections in one moment, as in a power cut, are not tried again in one moment; and all come back.
func TestPowerCut(t *testing.T) {
	const cameras = 32
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	var mu sync.Mutex
	var conns []net.Conn
	begun := 0
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns, begun = append(conns, conn), begun+1
			mu.Unlock()
		}
	}()
	u := &url.URL{Scheme: "rtsp", Host: ln.Addr().String(), Path: "/front"}
	var all []*watch
	for range cameras {
		all = append(all, start(t, Config{URL: u, Backoff: time.Second, BackoffMax: time.Minute}))
	}
	connected := func(n int) func() bool {
		return func() bool {
			mu.Lock()
			defer mu.Unlock()
			return begun >= n
		}
	}
	eventually(t, "all connections", connected(cameras))
	mu.Lock()
	for _, conn := range conns {
		conn.Close()
	}
	conns = nil
	mu.Unlock()
	var waits []time.Duration
	for _, w := range all {
		eventually(t, "the next attempt to be planned", func() bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, s := range w.states {
				if s.Phase == Waiting {
					waits = append(waits, s.NextAttempt.Sub(s.Since).Round(time.Millisecond))
					return true
				}
			}
			return false
		})
	}
	slices.Sort(waits)
	// Between a half and one and a half of the back-off, evenly: two of five in one fifth of that would be a freak.
	most := 0
	for _, from := range waits {
		n := 0
		for _, wait := range waits {
			if wait >= from && wait < from+200*time.Millisecond {
				n++
			}
		}
		most = max(most, n)
	}
	t.Logf("attempts from %v to %v, at most %d of %d within 200 ms", waits[0], waits[cameras-1], most, cameras)
	if waits[0] < 450*time.Millisecond || waits[cameras-1] > 1600*time.Millisecond || most > cameras*3/4 {
		t.Errorf("attempts are planned after %v", waits)
	}
	eventually(t, "all to come back", connected(2*cameras))
}
