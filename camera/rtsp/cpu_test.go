package rtsp

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/description"

	"cardea/camera/frame"
)

// lensEnv makes the test binary a camera in a process of its own, so that a benchmark counts our CPU time only.
const lensEnv = "CARDEA_TEST_LENS"

// lensProcess serves 4 Mbit/s at 25 pictures a second, a key frame every 2 s, by gortsplib's server until its
// standard input ends.
func lensProcess(secure bool) {
	t := &testing.B{}
	c := &benchHandler{}
	srv := &gortsplib.Server{Handler: c, RTSPAddress: "127.0.0.1:0", WriteQueueSize: 4096}
	fingerprint := "-"
	if secure {
		cert, pin := certificate(t)
		srv.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}}
		fingerprint = hex.EncodeToString(pin)
	}
	var ln net.Listener
	srv.Listen = func(network, address string) (net.Listener, error) {
		var err error
		ln, err = net.Listen(network, address)
		return ln, err
	}
	if err := srv.Start(); err != nil {
		panic(err)
	}
	media := h264Media()
	c.stream = &gortsplib.ServerStream{Server: srv, Desc: &description.Session{Medias: []*description.Media{media}}}
	if err := c.stream.Initialize(); err != nil {
		panic(err)
	}
	go func() {
		p := newPacker(t, media.Formats[0], 1400)
		aus := units(t, "small.h264")
		// 16 kB a picture, 200 kB a key frame: 500 kB/s.
		key := append(aus[0][:len(aus[0])-1:len(aus[0])-1], append(aus[0][len(aus[0])-1], bytes.Repeat([]byte{0x5a}, 200<<10)...))
		other := [][]byte{append(aus[1][0], bytes.Repeat([]byte{0x5a}, 16200)...)}
		tick := time.NewTicker(40 * time.Millisecond)
		for i := uint32(0); ; i++ {
			<-tick.C
			au := other
			if i%50 == 0 {
				au = key
			}
			for _, pkt := range p.pack(au, i*tick25) {
				c.stream.WritePacketRTP(media, pkt)
			}
		}
	}()
	fmt.Printf("%s %s\n", ln.Addr(), fingerprint)
	bufio.NewReader(os.Stdin).ReadByte()
}

type benchHandler struct{ stream *gortsplib.ServerStream }

func (c *benchHandler) OnDescribe(*gortsplib.ServerHandlerOnDescribeCtx) (*base.Response, *gortsplib.ServerStream, error) {
	return &base.Response{StatusCode: base.StatusOK}, c.stream, nil
}

func (c *benchHandler) OnSetup(*gortsplib.ServerHandlerOnSetupCtx) (*base.Response, *gortsplib.ServerStream, error) {
	return &base.Response{StatusCode: base.StatusOK}, c.stream, nil
}

func (c *benchHandler) OnPlay(*gortsplib.ServerHandlerOnPlayCtx) (*base.Response, error) {
	return &base.Response{StatusCode: base.StatusOK}, nil
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// peakMB is the peak resident set of this process.
func peakMB() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Maxrss) / 1024
}

// BenchmarkCameras measures CPU seconds per GB received from 8 cameras of 4 Mbit/s in another process, in real time:
// run it with -benchtime 1x. The time of each run is CARDEA_BENCH_SECONDS, 20 by default.
func BenchmarkCameras(b *testing.B) {
	for _, tc := range []struct {
		name   string
		n      int
		secure bool
		eager  bool
		pull   time.Duration
	}{
		{"8", 8, false, false, 0},
		{"8 pulled", 8, false, false, 720 * time.Millisecond},
		{"8 watched", 8, false, true, 0},
		{"8 TLS", 8, true, false, 0},
		{"8 TLS pulled", 8, true, false, 720 * time.Millisecond},
		{"32", 32, false, false, 0},
	} {
		b.Run(tc.name, func(b *testing.B) { benchCameras(b, tc.n, tc.secure, tc.eager, tc.pull) })
	}
}

func benchCameras(b *testing.B, n int, secure, eager bool, pull time.Duration) {
	if testing.Short() {
		b.Skip("real time")
	}
	kind := "plain"
	if secure {
		kind = "secure"
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), lensEnv+"="+kind)
	cmd.Stderr = os.Stderr
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer cmd.Wait()
	defer in.Close()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	host, fingerprint, _ := strings.Cut(strings.TrimSpace(line), " ")
	pin, _ := hex.DecodeString(fingerprint)
	u := &url.URL{Scheme: "rtsp", Host: host, Path: "/x"}
	if secure {
		u.Scheme = "rtsps"
	}

	var frames, bytes atomic.Uint64
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var sessions []*Session
	for range n {
		s := NewSession(Config{URL: u, Pin: pin}, func(f *frame.Frame) {
			frames.Add(1)
			bytes.Add(uint64(f.Size))
		})
		s.SetEager(eager)
		sessions = append(sessions, s)
		wg.Go(func() {
			if err := s.Run(ctx); ctx.Err() == nil {
				b.Error(err)
			}
		})
	}
	if pull > 0 {
		wg.Go(func() {
			tick := time.NewTicker(pull)
			defer tick.Stop()
			for ctx.Err() == nil {
				<-tick.C
				for _, s := range sessions {
					s.Pull()
				}
			}
		})
	}
	seconds := 20
	fmt.Sscan(os.Getenv("CARDEA_BENCH_SECONDS"), &seconds)
	time.Sleep(8 * time.Second) // until bit rates are measured
	f0, b0, c0 := frames.Load(), bytes.Load(), cpuTime()
	var m0, m1 runtime.MemStats
	runtime.ReadMemStats(&m0)
	time.Sleep(time.Duration(seconds) * time.Second)
	f1, b1, c1 := frames.Load(), bytes.Load(), cpuTime()
	runtime.ReadMemStats(&m1)
	cancel()
	wg.Wait()
	var lost uint64
	for _, s := range sessions {
		st := s.Stats()
		lost += st.Lost + st.Damaged
	}
	b.ReportMetric(float64(lost), "lost")
	b.ReportMetric((c1-c0).Seconds()/(float64(b1-b0)/1e9), "cpu-s/GB")
	b.ReportMetric(float64(f1-f0)/float64(n*seconds), "fps")
	b.ReportMetric(float64(m1.Mallocs-m0.Mallocs)/float64(f1-f0), "allocs/frame")
	b.ReportMetric(float64(b1-b0)*8/1e6/float64(n*seconds), "Mbit/s")
	b.ReportMetric(float64(m1.NumGC-m0.NumGC)/float64(seconds), "gc/s")
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(peakMB(), "MB-peak")
}
