package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cardea/camera/agent/pattern"
	"cardea/camera/frame"
	"cardea/camera/rtsp"
)

// annexB is n pictures of a pattern as a byte stream, key frames first of each ten.
func annexB(t testing.TB, n int) (stream []byte, pictures int) {
	t.Helper()
	p, err := NewPattern(PatternConfig{Config: pattern.Config{Width: 160, Height: 96, FPS: 50, GOP: 10}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var out bytes.Buffer
	err = p.Run(ctx, func(f *frame.Frame) {
		for i, nal := range f.Payload {
			if i == 0 {
				out.WriteByte(0) // the long start code
			}
			out.Write([]byte{0, 0, 1})
			out.Write(nal)
		}
		if pictures++; pictures == n {
			cancel()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), pictures
}

func TestByteStream(t *testing.T) {
	data, pictures := annexB(t, 25)
	for _, chunk := range []int{1, 7, len(data)} {
		s := newByteStream(&slow{data, chunk})
		units, keys := 0, 0
		var total int
		for {
			unit, key, err := s.next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			units++
			if key {
				keys++
			}
			for _, nal := range unit {
				total += len(nal)
			}
		}
		if units != pictures || keys < 3 || total < len(data)-8*4*pictures {
			t.Errorf("%d pictures, %d key frames, %d of %d bytes", units, keys, total, len(data))
		}
		if st, err := s.stream(); err != nil || st.Tracks[0].Width != 160 || st.Tracks[0].Height != 96 {
			t.Errorf("%+v %v", st, err)
		}
	}
}

// slow gives a few bytes at a time.
type slow struct {
	data  []byte
	chunk int
}

func (s *slow) Read(p []byte) (int, error) {
	if len(s.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), s.chunk)], s.data)
	s.data = s.data[n:]
	return n, nil
}

func FuzzByteStream(f *testing.F) {
	data, _ := annexB(f, 2)
	f.Add(data)
	f.Add([]byte{0, 0, 1, 0, 0, 1, 0x65})
	f.Add([]byte{0, 0, 0, 1, 0x67, 0x42})
	f.Fuzz(func(t *testing.T, data []byte) {
		s := newByteStream(bytes.NewReader(data))
		for {
			unit, _, err := s.next()
			if err != nil {
				break
			}
			for _, nal := range unit {
				if len(nal) == 0 {
					t.Fatal("an empty NAL unit")
				}
			}
		}
		_, _ = s.stream() // it must not panic
	})
}

// TestLibcamera runs a program of that name that writes a byte stream.
func TestLibcamera(t *testing.T) {
	dir := t.TempDir()
	data, _ := annexB(t, 30)
	if err := os.WriteFile(filepath.Join(dir, "film.h264"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	program := func(script string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "rpicam-vid"), []byte("#!/bin/sh\n"+script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))

	program(fmt.Sprintf(`echo "$@" > %[1]s/args; while cat %[1]s/film.h264; do sleep 0.1; done`, dir))
	src, err := Connect(t.Context(), "libcamera:?width=640&height=480&fps=25", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	args, err := os.ReadFile(filepath.Join(dir, "args"))
	if err != nil || !strings.Contains(string(args), "--width 640 --height 480 --framerate 25") || !strings.Contains(string(args), "--inline") {
		t.Errorf("%s %v", args, err)
	}
	if tr := src.Stream().Tracks; len(tr) != 1 || tr[0].Width != 160 || len(tr[0].Params) != 2 {
		t.Errorf("%+v", tr)
	}
	ctx, cancel := context.WithCancel(t.Context())
	last, n := int64(-1), 0
	err = src.Run(ctx, func(f *frame.Frame) {
		if n == 0 && !f.Key || f.PTS <= last {
			t.Errorf("picture %d: key %v, time %d after %d", n, f.Key, f.PTS, last)
		}
		last = f.PTS
		if n++; n == 40 {
			cancel()
		}
	})
	if err != nil || n < 40 {
		t.Errorf("%d pictures: %v", n, err)
	}

	program(`echo "ERROR: *** no cameras available ***" >&2; exit 255`)
	if _, err := Connect(t.Context(), "libcamera:", nil, nil); err == nil || !strings.Contains(err.Error(), "no cameras available") {
		t.Errorf("%v", err)
	}
	program(`exec sleep 60`)
	short, stop := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer stop()
	if _, err := Connect(short, "libcamera:", nil, nil); err == nil {
		t.Error("a program that says nothing is a camera")
	}
	if _, err := Connect(t.Context(), "libcamera:?width=many", nil, nil); err == nil {
		t.Error("nonsense is understood")
	}
	t.Setenv("PATH", filepath.Join(dir, "none"))
	if _, err := Connect(t.Context(), "libcamera:", nil, nil); err == nil || !strings.Contains(err.Error(), "apt install") {
		t.Errorf("%v", err)
	}
}

// TestBridge: a bridge passes on what an old camera sends, and goes on when that comes back.
func TestBridge(t *testing.T) {
	t.Parallel()
	old := func(listen string) (*Agent, func()) {
		t.Helper()
		src, err := NewPattern(PatternConfig{Config: pattern.Config{Width: 160, Height: 96, FPS: 10, GOP: 10}, Beep: true})
		if err != nil {
			t.Fatal(err)
		}
		a, err := Open(Config{Listen: listen, User: "me", Password: "secret", Streams: []Stream{{Path: "old", Source: src}}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := a.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		stop := sync.OnceFunc(func() { cancel(); wg.Wait() })
		t.Cleanup(stop)
		return a, stop
	}
	a, stop := old("127.0.0.2:0") // where nobody takes the port while nothing listens
	address := a.Addr().String()
	src, err := Connect(t.Context(), "rtsp://me:secret@"+address+"/old", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(src.Stream().Tracks) != 2 {
		t.Errorf("%+v", src.Stream())
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	frames := make(chan *frame.Frame, 1000)
	done := make(chan error, 1)
	go func() { done <- src.Run(ctx, func(f *frame.Frame) { frames <- f }) }()
	last := map[int]int64{}
	take := func(n int) {
		t.Helper()
		for range n {
			select {
			case f := <-frames:
				if at, ok := last[f.Track]; ok && f.DTS <= at {
					t.Errorf("track %d goes from %d to %d", f.Track, at, f.DTS)
				}
				if f.Stream != src.Stream() {
					t.Error("another stream")
				}
				last[f.Track] = f.DTS
			case err := <-done:
				t.Fatalf("the bridge ended: %v", err)
			case <-time.After(time.Minute):
				t.Fatal("nothing comes")
			}
		}
	}
	take(40)
	stop()
	for len(frames) > 0 {
		take(1)
	}
	old(address)
	take(80)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := Connect(t.Context(), "rtsp://me:wrong@"+address+"/old", nil, nil); err == nil || strings.Contains(err.Error(), "wrong@") {
		t.Errorf("a wrong password: %v", err)
	}
}

// TestBridgeChange exchanges the old camera for one with another codec: the agent lets go of who watches, forgets what it kept, and
// serves the other one to whoever comes again.
func TestBridgeChange(t *testing.T) {
	t.Parallel()
	old := func(listen string, src Source) (address string, stop func()) {
		t.Helper()
		a, err := Open(Config{Listen: listen, Streams: []Stream{{Path: "old", Source: src}}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			if err := a.Run(ctx); err != nil {
				t.Error(err)
			}
		}()
		stop = sync.OnceFunc(func() { cancel(); <-done })
		t.Cleanup(stop)
		return a.Addr().String(), stop
	}
	address, stop := old("127.0.0.2:0", small(t, "Old")) // where nobody takes the port while nothing listens
	src, err := Connect(t.Context(), "rtsp://"+address+"/old", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	a := serve(t, Config{Memory: 8 << 20, Streams: []Stream{{Path: "cam", Source: src}}})
	u, err := url.Parse(a.URL("cam"))
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	seen := map[frame.Codec]uint64{} // codec → life
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	sessions := make(chan error, 100)
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		for ctx.Err() == nil {
			sessions <- rtsp.Run(ctx, rtsp.Config{URL: u}, func(f *frame.Frame) {
				if f.Video() {
					mu.Lock()
					seen[f.Stream.Tracks[f.Track].Codec] = f.Stream.Life
					mu.Unlock()
				}
			})
		}
	}()
	eventually := func(what string, codec frame.Codec) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			mu.Lock()
			life := seen[codec]
			mu.Unlock()
			if life != 0 {
				return
			}
		}
		t.Fatalf("never happened: %s", what)
	}
	eventually("pictures in H.264", frame.H264)
	stop()
	film, err := OpenSource(filepath.Join("testdata", "h265.mp4"))
	if err != nil {
		t.Fatal(err)
	}
	old(address, film)
	eventually("pictures in H.265", frame.H265)
	if seen[frame.H264] == seen[frame.H265] {
		t.Error("the life goes on although the tracks are others")
	}
	cancel()
	<-watching
	if len(sessions) < 2 {
		t.Error("who watched was not let go")
	}
}

func TestConnect(t *testing.T) {
	for _, bad := range []string{"", "nothing", "http://x/y", "v4l2:/dev/null", "rtsp://"} {
		if _, err := Connect(t.Context(), bad, nil, nil); err == nil {
			t.Errorf("%q is a source", bad)
		}
	}
	for _, good := range []string{"test:", "test:Door", filepath.Join("testdata", "progressive-h264-aac.mp4")} {
		src, err := Connect(t.Context(), good, nil, nil)
		if err != nil {
			t.Errorf("%q: %v", good, err)
		}
		if c, ok := src.(io.Closer); ok {
			c.Close()
		}
	}
}
