package rtsp

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/textproto"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"
	"go.uber.org/goleak"

	"cardea/camera/frame"
)

func TestMain(m *testing.M) {
	if kind := os.Getenv(lensEnv); kind != "" {
		lensProcess(kind == "secure")
		return
	}
	goleak.VerifyTestMain(m)
}

// collector is a sink that a test can wait for.
type collector struct {
	mu     sync.Mutex
	frames []*frame.Frame
}

func (c *collector) sink(f *frame.Frame) {
	c.mu.Lock()
	c.frames = append(c.frames, f)
	c.mu.Unlock()
}

func (c *collector) list() []*frame.Frame {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.frames[:len(c.frames):len(c.frames)]
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// play runs a session until the test is done with it.
func play(t *testing.T, cfg Config) (*Session, *collector, func() error) {
	t.Helper()
	c := &collector{}
	s := NewSession(cfg, c.sink)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		err := s.Run(ctx)
		if ctx.Err() == nil {
			t.Logf("session ended by itself: %v", err)
		}
		done <- err
	}()
	var once sync.Once
	var err error
	stop := func() error {
		once.Do(func() { cancel(); err = <-done })
		return err
	}
	t.Cleanup(func() { stop() })
	return s, c, stop
}

// run runs a session to its own end.
func run(t *testing.T, cfg Config) (*collector, Stats, error) {
	t.Helper()
	c := &collector{}
	s := NewSession(cfg, c.sink)
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	err := s.Run(ctx)
	return c, s.Stats(), err
}

func TestPlainSession(t *testing.T) {
	t.Parallel()
	cam := newRawCamera(t, func(c *rawConn, _ int) {
		for p, i := newPacker(t, h264Media().Formats[0], 1400), 0; c.film(p, i, 1, 5*time.Millisecond); i++ {
		}
	})
	_, c, stop := play(t, Config{URL: cam.url("/x")})
	eventually(t, "60 frames", func() bool { return len(c.list()) >= 60 })
	if err := stop(); !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	growing(t, c.list())
	aus := units(t, "small.h264")
	for i, f := range c.list() {
		if !sameUnits(f.Payload, aus[i%len(aus)]) {
			t.Fatalf("frame %d differs", i)
		}
	}
}

func TestGarbageBetweenPackets(t *testing.T) {
	t.Parallel()
	cam := newRawCamera(t, func(c *rawConn, _ int) {
		p := newPacker(t, h264Media().Formats[0], 1400)
		c.film(p, 0, 10, 0)
		c.raw(bytes.Repeat([]byte("\x00\xffgarbage $\x09RTS OPTION"), 500))
		c.film(p, 10, 10, 0)
		c.raw([]byte("RTSP/1.0 200 OK\r\nCSeq: 99\r\nContent-Length: 3\r\n\r\nabc")) // an answer to nothing
		c.raw([]byte("OPTIONS * RTSP/1.0\r\nCSeq: 5\r\n\r\n"))                       // and a request
		c.raw(interleave(9, []byte("a channel nobody set up")))
		c.raw(interleave(0, []byte{1, 2, 3}))                    // no RTP
		c.raw(interleave(0, bytes.Repeat([]byte{0xff}, 100)))    // nor this
		c.raw(interleave(1, bytes.Repeat([]byte{0x81, 200}, 9))) // nor RTCP
		for i := 20; c.film(p, i, 1, 5*time.Millisecond); i++ {
		}
	})
	s, c, stop := play(t, Config{URL: cam.url("/x")})
	eventually(t, "30 frames and the garbage counted", func() bool { return len(c.list()) >= 30 && s.Stats().Garbage > 0 })
	stop()
	growing(t, c.list())
}

func TestOnlyGarbage(t *testing.T) {
	t.Parallel()
	cam := newRawCamera(t, func(c *rawConn, _ int) {
		for c.raw(bytes.Repeat([]byte{0xa5}, 8192)) {
		}
	})
	_, _, err := run(t, Config{URL: cam.url("/x")})
	if !isType[ErrGarbage](err) {
		t.Errorf("got %v", err)
	}
}

func TestStall(t *testing.T) {
	t.Parallel()
	t.Run("silence", func(t *testing.T) {
		cam := newRawCamera(t, func(c *rawConn, _ int) {
			c.film(newPacker(t, h264Media().Formats[0], 1400), 0, 3, 0)
			<-c.gone // until the other side gives up
		})
		c, _, err := run(t, Config{URL: cam.url("/x"), StallTimeout: 3 * time.Second})
		var stalled ErrStalled
		if !errors.As(err, &stalled) || stalled.Bytes || len(c.list()) != 3 {
			t.Errorf("%v, %d frames", err, len(c.list()))
		}
	})
	t.Run("reports without pictures", func(t *testing.T) {
		cam := newRawCamera(t, func(c *rawConn, _ int) {
			c.film(newPacker(t, h264Media().Formats[0], 1400), 0, 3, 0)
			for c.raw(interleave(1, senderReport(1, time.Now(), 1))) {
				time.Sleep(50 * time.Millisecond)
			}
		})
		_, _, err := run(t, Config{URL: cam.url("/x"), StallTimeout: 2500 * time.Millisecond})
		var stalled ErrStalled
		if !errors.As(err, &stalled) || !stalled.Bytes {
			t.Errorf("%v", err)
		}
	})
}

func TestNeverAKeyFrame(t *testing.T) {
	t.Parallel()
	cam := newRawCamera(t, func(c *rawConn, _ int) {
		p := newPacker(t, h264Media().Formats[0], 1400)
		au := units(t, "small.h264")[3]
		for i := uint32(0); c.send(0, p.pack(au, i*tick25)...); i++ {
			time.Sleep(20 * time.Millisecond)
		}
	})
	c, _, err := run(t, Config{URL: cam.url("/x"), KeyTimeout: time.Second})
	if !isType[ErrNoKeyFrame](err) || len(c.list()) != 0 {
		t.Errorf("%v, %d frames", err, len(c.list()))
	}
}

// TestHugeUnitOverTheWire is attack case 59 of docs/attacks.md.
func TestHugeUnitOverTheWire(t *testing.T) {
	t.Parallel()
	flooded := make(chan struct{})
	cam := newRawCamera(t, func(c *rawConn, _ int) {
		p := newPacker(t, h264Media().Formats[0], 1400)
		c.film(p, 0, 3, 0)
		chunk := append([]byte{0x7c, 0x85}, bytes.Repeat([]byte{0x55}, 65000)...)
		for range 1600 { // 100 MB
			c.send(0, &rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: 96, SSRC: p.ssrc, SequenceNumber: p.seq, Timestamp: 3 * tick25}, Payload: chunk})
			chunk[1] = 0x05
			p.seq++
		}
		close(flooded)
		for i := 4; c.film(p, i, 1, 5*time.Millisecond); i++ {
		}
	})
	s, c, stop := play(t, Config{URL: cam.url("/x"), StallTimeout: 10 * time.Minute}) // a busy machine needs a while to read so much
	<-flooded
	eventually(t, "frames after the flood", func() bool { return len(c.list()) > 20 && s.Stats().Oversize == 1 })
	stop()
}

func TestPanicEndsOnlyTheSession(t *testing.T) {
	t.Parallel()
	cam := newRawCamera(t, func(c *rawConn, _ int) {
		c.film(newPacker(t, h264Media().Formats[0], 1400), 0, 100, 5*time.Millisecond)
	})
	s := NewSession(Config{URL: cam.url("/x")}, func(*frame.Frame) { panic("a library's fault") })
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := s.Run(ctx); !isType[ErrInternal](err) {
		t.Errorf("got %v", err)
	}
}

func TestSlowCameraIsNotHeldBack(t *testing.T) {
	t.Parallel()
	// Fast until a mark is set, then far below it: what comes must still be seen, keep-alives included.
	slow := make(chan struct{})
	cam := newRawCamera(t, func(c *rawConn, _ int) {
		p := newPacker(t, h264Media().Formats[0], 1400)
		big := append([]byte{0x41, 0x9a}, bytes.Repeat([]byte{0x77}, 30000)...)
		c.film(p, 0, 1, 0)
		i := uint32(1)
		for ; ; i++ {
			if !c.send(0, p.pack([][]byte{big}, i*tick25)...) {
				return
			}
			select {
			case <-slow:
			case <-time.After(20 * time.Millisecond):
				continue
			}
			break
		}
		for ; c.send(0, p.pack([][]byte{{0x41, 0x9a, 1, 2}}, i*tick25)...); i++ {
			time.Sleep(100 * time.Millisecond)
		}
	})
	s, c, stop := play(t, Config{URL: cam.url("/x")})
	eventually(t, "a mark", func() bool { return s.Stats().LowWater > 32<<10 })
	close(slow)
	n := len(c.list())
	eventually(t, "small frames, far below the mark", func() bool { return len(c.list()) > n+5 })
	eventually(t, "the mark is lowered", func() bool { return s.Stats().LowWater == 1 })
	s.SetEager(true)
	n = len(c.list())
	eventually(t, "more frames", func() bool { return len(c.list()) > n+5 })
	stop()
}

func TestMarkGovernsTheWaking(t *testing.T) {
	t.Parallel()
	a, b := tcpPair(t)
	low, err := newLowWater(a)
	if err != nil {
		t.Fatal(err)
	}
	low.async.Store(true)
	low.setMark(64 << 10)
	var mu sync.Mutex // as demux holds one
	read := func() (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return low.Read(make([]byte, 4096))
	}
	if n, err := read(); n != 0 || !errors.Is(err, errAgain) {
		t.Errorf("an empty socket: %d, %v", n, err)
	}
	got := make(chan int, 8)
	ended := make(chan error, 1)
	go func() {
		ended <- low.wait(func(uintptr) bool {
			n, err := read()
			if err == nil {
				got <- n
			}
			return err != nil && !errors.Is(err, errAgain)
		})
	}()
	b.Write([]byte("x"))
	eventually(t, "a byte below the mark can be read", func() bool {
		select {
		case <-got: // the reader had only just begun to wait
			return true
		default:
		}
		n, _ := read()
		return n == 1
	})
	b.Write([]byte("yz"))
	low.setMark(1)
	if n := <-got; n != 2 {
		t.Errorf("read %d", n)
	}
	low.wake()
	if err := <-ended; !errors.Is(err, errAgain) {
		t.Errorf("woken with %v", err)
	}
}

func TestPull(t *testing.T) {
	t.Parallel()
	cert, pin := certificate(t)
	for name, cam := range map[string]*servedCamera{
		"plain": serve(t, nil),
		"TLS":   serve(t, func(c *servedCamera) { c.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}} }),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var wg sync.WaitGroup
			defer wg.Wait()
			quit := make(chan struct{})
			defer close(quit)
			s, c, stop := play(t, Config{URL: cam.url(), Pin: pin})
			wg.Go(func() {
				for {
					select {
					case <-quit:
						return
					case <-time.After(100 * time.Millisecond):
						s.Pull()
					}
				}
			})
			eventually(t, "frames, with a mark", func() bool { return len(c.list()) > 100 && s.Stats().LowWater > 1 })
			n := len(c.list())
			s.SetEager(true)
			eventually(t, "frames without pulling", func() bool { return len(c.list()) > n+50 })
			s.SetEager(false)
			n = len(c.list())
			eventually(t, "frames with pulling", func() bool { return len(c.list()) > n+50 })
			stop()
			growing(t, c.list())
			n = len(c.list())
			s.Pull()
			if len(c.list()) != n {
				t.Error("a frame after the end")
			}
		})
	}
}

func tcpPair(t testing.TB) (*net.TCPConn, *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	a, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a.(*net.TCPConn), b.(*net.TCPConn)
}

func TestRedirect(t *testing.T) {
	t.Parallel()
	film := func(c *rawConn, _ int) {
		for p, i := newPacker(t, h264Media().Formats[0], 1400), 0; c.film(p, i, 1, 5*time.Millisecond); i++ {
		}
	}
	target := newRawCamera(t, film)
	var saw sync.Map
	target.answer = func(_ *rawConn, _, _ string, h textproto.MIMEHeader) bool {
		saw.Store(h.Get("Authorization"), true)
		return false
	}
	location := target.url("/there").String()
	first := newRawCamera(t, film)
	first.answer = func(c *rawConn, method, _ string, h textproto.MIMEHeader) bool {
		if method != "DESCRIBE" {
			return false
		}
		c.reply(h, 302, "Found", "Location: "+location+"\r\n", "")
		return true
	}
	_, c, stop := play(t, Config{URL: first.url("/here"), User: "u", Password: "p"})
	eventually(t, "frames from the other address", func() bool { return len(c.list()) > 3 })
	stop()

	location = first.url("/here").String()
	_, _, err := run(t, Config{URL: first.url("/here")})
	if !isType[ErrRefused](err) {
		t.Errorf("a circle ended with %v", err)
	}

	cfg := Config{URL: &url.URL{Scheme: "rtsps", Host: "a"}, User: "u", Password: "p"}
	if _, err := follow(cfg, &url.URL{Scheme: "rtsp", Host: "a"}); err == nil {
		t.Error("protection was given up")
	}
	if got, err := follow(cfg, &url.URL{Scheme: "rtsps", Host: "b"}); err != nil || got.User != "" || got.Password != "" {
		t.Error("credentials went to another host")
	}
}

func TestUnknownPort(t *testing.T) {
	t.Parallel()
	greet := func(banner string) *url.URL {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				c.SetDeadline(time.Now().Add(time.Minute))
				buf := make([]byte, 4096)
				if banner != "silence" {
					c.Read(buf)
					c.Write([]byte(banner))
				} else {
					for { // until the other side has had enough
						if _, err := c.Read(buf); err != nil {
							break
						}
					}
				}
				c.Close()
			}
		})
		t.Cleanup(func() { ln.Close(); wg.Wait() })
		return &url.URL{Scheme: "rtsp", Host: ln.Addr().String(), Path: "/x"}
	}
	closed, err := net.Listen("tcp", "127.0.0.2:0") // where no other test takes the port
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()

	secure := func(u *url.URL) *url.URL { v := *u; v.Scheme = "rtsps"; return &v }
	for name, tc := range map[string]struct {
		url  *url.URL
		want string // the sentence's telling part
	}{
		"nobody":          {&url.URL{Scheme: "rtsp", Host: closed.Addr().String()}, "nothing listens on this port"},
		"no such name":    {&url.URL{Scheme: "rtsp", Host: "camera.invalid"}, "cannot be reached"},
		"web server":      {greet("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"), "web server"},
		"ssh":             {greet("SSH-2.0-OpenSSH_9.2\r\n"), "SSH server"},
		"TLS alert":       {greet("\x15\x03\x01\x00\x02\x02\x46"), "rtsps://"},
		"binary":          {greet(strings.Repeat("\x01\x02", 5000)), "not an RTSP camera"},
		"few bytes":       {greet("\x01\x02\x03"), "not an RTSP camera"},
		"closes":          {greet(""), "closed the connection"},
		"silent":          {greet("silence"), "did not answer"},
		"TLS to RTSP":     {secure(greet("RTSP/1.0 400 Bad Request\r\n\r\n")), "does not speak TLS"},
		"TLS to closing":  {secure(greet("")), "does not speak TLS"},
		"TLS to silence":  {secure(greet("silence")), "did not answer"},
		"wrong scheme":    {&url.URL{Scheme: "http", Host: "a"}, "rtsp://"},
		"no host":         {&url.URL{Scheme: "rtsp"}, "no host"},
		"with a password": {&url.URL{Scheme: "rtsp", Host: "a", User: url.UserPassword("u", "s3cret-word")}, "apart"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			within := 50 * time.Second // those that answer do so before, on any machine
			if tc.want == "did not answer" {
				within = 1500 * time.Millisecond
			}
			_, _, err := run(t, Config{
				URL: tc.url, User: "admin", Password: "s3cret-word", ConnectTimeout: within,
				Log: slog.New(slog.NewTextHandler(&log, nil)),
			})
			if err == nil || !typed(err) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v", err)
			}
			if strings.Contains(err.Error()+log.String(), "s3cret") {
				t.Error("the password is told")
			}
		})
	}
}

// TestHostileAnswers is attack case 60 of docs/attacks.md.
func TestHostileAnswers(t *testing.T) {
	t.Parallel()
	for name, describe := range map[string]string{
		"empty":              "",
		"no version":         "m=video 0 RTP/AVP 96\r\n",
		"broken numbers":     strings.ReplaceAll(h264SDP, "96", "999999999999999999999"),
		"broken fmtp":        strings.ReplaceAll(h264SDP, "packetization-mode=1", "packetization-mode=x;sprop-parameter-sets=!!!"),
		"thousands":          h264SDP + strings.Repeat("m=audio 0 RTP/AVP 0\r\n", 3000),
		"NUL":                strings.Repeat("\x00", 5000),
		"broken control":     strings.ReplaceAll(h264SDP, "trackID=0", "rtsp://[::1"),
		"ten megabytes":      h264SDP + strings.Repeat("a=x:"+strings.Repeat("y", 1000)+"\r\n", 10_000),
		"too many lines":     h264SDP + strings.Repeat("a=x:y\r\n", 100_000),
		"parameter garbage":  strings.ReplaceAll(h264SDP, "packetization-mode=1", "packetization-mode=1;sprop-parameter-sets="+strings.Repeat("Z0IAKeKQFAe2AtwEBAaQeJEV,", 20_000)),
		"control elsewhere":  strings.ReplaceAll(h264SDP, "trackID=0", "rtsp://192.0.2.1:554/elsewhere"),
		"AAC without config": strings.ReplaceAll(h264SDP, "H264/90000", "mpeg4-generic/48000"),
	} {
		t.Run(name, func(t *testing.T) {
			cam := newRawCamera(t, func(*rawConn, int) {})
			cam.sdp = describe
			_, _, err := run(t, Config{URL: cam.url("/x"), ConnectTimeout: 5 * time.Second})
			if err == nil || !typed(err) {
				t.Errorf("got %v", err)
			}
		})
	}
	for name, header := range map[string]string{
		"transport":      "Session: 1\r\nTransport: \xff;interleaved=-5-7\r\n",
		"channels":       "Session: 1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=255-256\r\n",
		"session":        "Session: ;timeout=99999999999999999999\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n",
		"many":           strings.Repeat("X: y\r\n", 1000),
		"endless header": "X: " + strings.Repeat("y", 40<<10) + "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			cam := newRawCamera(t, func(*rawConn, int) {})
			cam.answer = func(c *rawConn, method, _ string, h textproto.MIMEHeader) bool {
				if method != "SETUP" {
					return false
				}
				c.reply(h, 200, "OK", header, "")
				return true
			}
			_, _, err := run(t, Config{URL: cam.url("/x"), ConnectTimeout: 5 * time.Second})
			if err == nil || !typed(err) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]string{
		401: "asks for a user name", 403: "let this account", 404: "no stream at the path \"/x\"", 453: "at its limit", 500: "refused the stream",
	} {
		cam := newRawCamera(t, func(*rawConn, int) {})
		cam.answer = func(c *rawConn, method, _ string, h textproto.MIMEHeader) bool {
			if method != "DESCRIBE" {
				return false
			}
			c.reply(h, code, "Some <b>words</b>", "WWW-Authenticate: Basic realm=\"x\"\r\n", "")
			return true
		}
		_, _, err := run(t, Config{URL: cam.url("/x")})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "<b>") {
			t.Errorf("%d: got %v", code, err)
		}
	}
}
