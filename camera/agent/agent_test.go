package agent

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/pion/rtp"
	"go.uber.org/goleak"

	"cardea/camera/agent/pattern"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// small keeps tests cheap.
func small(t *testing.T, name string) *Pattern {
	t.Helper()
	p, err := NewPattern(PatternConfig{
		Config: pattern.Config{Width: 320, Height: 180, FPS: 25, GOP: 400 * time.Millisecond, Name: name}, Beep: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// serve runs an agent until the test ends, and fails the test if it does not end well.
func serve(t *testing.T, config Config) *Agent {
	t.Helper()
	a, err := Open(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("agent: %v", err)
		}
	})
	return a
}

// watcher is a client that collects access units.
type watcher struct {
	client  *gortsplib.Client
	changed chan struct{}

	mu    sync.Mutex
	video [][][]byte
	audio int
	lost  uint64
}

func watch(t *testing.T, address string, transport gortsplib.Transport, change func(*gortsplib.Client)) *watcher {
	t.Helper()
	u, err := base.ParseURL(address)
	if err != nil {
		t.Fatal(err)
	}
	w := &watcher{
		client:  &gortsplib.Client{Scheme: u.Scheme, Host: u.Host, Transport: &transport},
		changed: make(chan struct{}, 1),
	}
	if change != nil {
		change(w.client)
	}
	w.client.OnPacketsLost = func(lost uint64) { w.mu.Lock(); w.lost += lost; w.mu.Unlock() }
	if err := w.client.Start2(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.client.Close)
	desc, _, err := w.client.Describe(u)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.client.SetupAll(desc.BaseURL, desc.Medias); err != nil {
		t.Fatal(err)
	}
	for _, media := range desc.Medias {
		w.listen(t, media)
	}
	if _, err := w.client.Play(nil); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *watcher) listen(t *testing.T, media *description.Media) {
	forma, ok := media.Formats[0].(*format.H264)
	if !ok {
		w.client.OnPacketRTP(media, media.Formats[0], func(*rtp.Packet) { w.mu.Lock(); w.audio++; w.mu.Unlock() })
		return
	}
	decoder, err := forma.CreateDecoder()
	if err != nil {
		t.Error(err)
		return
	}
	w.client.OnPacketRTP(media, forma, func(p *rtp.Packet) {
		if au, err := decoder.Decode(p); err == nil {
			w.mu.Lock()
			w.video = append(w.video, au)
			w.mu.Unlock()
			select {
			case w.changed <- struct{}{}:
			default:
			}
		}
	})
}

// pictures waits for at least n access units and returns their numbers.
func (w *watcher) pictures(t *testing.T, n int) []uint64 {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		w.mu.Lock()
		var numbers []uint64
		for _, au := range w.video {
			for _, nal := range au {
				if number, _, ok := pattern.ParseSEI(nal); ok {
					numbers = append(numbers, number)
				}
			}
		}
		w.mu.Unlock()
		if len(numbers) >= n {
			return numbers
		}
		select {
		case <-w.changed:
		case <-deadline:
			t.Fatalf("%d pictures in a minute, want %d", len(numbers), n)
		}
	}
}

func consecutive(t *testing.T, numbers []uint64) {
	t.Helper()
	for i := 1; i < len(numbers); i++ {
		if numbers[i] != numbers[i-1]+1 {
			t.Fatalf("picture %d follows %d", numbers[i], numbers[i-1])
		}
	}
}

func TestManyReadersOneSource(t *testing.T) {
	a := serve(t, Config{UDP: true, Streams: []Stream{{"front", small(t, "Front")}, {"back", small(t, "Back")}}})
	for _, transport := range []gortsplib.Transport{gortsplib.TransportTCP, gortsplib.TransportTCP, gortsplib.TransportUDP} {
		w := watch(t, a.URL("front"), transport, nil)
		numbers := w.pictures(t, 20)
		if transport == gortsplib.TransportTCP {
			consecutive(t, numbers)
		}
		if last := numbers[len(numbers)-1]; last >= a.Count("front") {
			t.Errorf("picture %d arrived, but only %d are counted", last, a.Count("front"))
		}
		w.mu.Lock()
		if w.audio == 0 {
			t.Error("no sound")
		}
		w.mu.Unlock()
	}
	if n := a.Readers("front"); n != 3 {
		t.Errorf("%d readers, want 3", n)
	}
	if n := a.Readers("back"); n != 0 {
		t.Errorf("%d readers of the other path", n)
	}
}

func TestUnknownPath(t *testing.T) {
	a := serve(t, Config{Streams: []Stream{{"front", small(t, "Front")}}})
	u, _ := base.ParseURL(a.URL("side"))
	c := &gortsplib.Client{Scheme: u.Scheme, Host: u.Host}
	if err := c.Start2(); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, _, err := c.Describe(u); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("a path that does not exist: %v", err)
	}
}

func TestPassword(t *testing.T) {
	a := serve(t, Config{User: "viewer", Password: "päss word", Streams: []Stream{{"front", small(t, "Front")}}})
	right, _ := url.Parse(a.URL("front"))
	right.User = url.UserPassword("viewer", "päss word")
	watch(t, right.String(), gortsplib.TransportTCP, nil).pictures(t, 3)

	for _, user := range []*url.Userinfo{nil, url.UserPassword("viewer", "wrong"), url.UserPassword("other", "päss word")} {
		wrong := *right
		wrong.User = user
		u, _ := base.ParseURL(wrong.String())
		c := &gortsplib.Client{Scheme: u.Scheme, Host: u.Host}
		if err := c.Start2(); err != nil {
			t.Fatal(err)
		}
		_, _, err := c.Describe(u)
		c.Close()
		if err == nil || !strings.Contains(err.Error(), "401") {
			t.Errorf("%v: %v", user, err)
		}
	}
}

// certificate makes a throw-away server certificate for 127.0.0.1.
func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"camera"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestTLS(t *testing.T) {
	a := serve(t, Config{
		TLS:     &tls.Config{Certificates: []tls.Certificate{certificate(t)}, MinVersion: tls.VersionTLS13},
		UDP:     true, // not offered with TLS
		Streams: []Stream{{"front", small(t, "Front")}},
	})
	if !strings.HasPrefix(a.URL("front"), "rtsps://") {
		t.Fatal(a.URL("front"))
	}
	w := watch(t, a.URL("front"), gortsplib.TransportTCP, func(c *gortsplib.Client) {
		c.TLSConfig = &tls.Config{InsecureSkipVerify: true}
	})
	consecutive(t, w.pictures(t, 12))
}

// A foreign player must agree about what is served.
func TestFFprobe(t *testing.T) {
	ffprobe, err := exec.LookPath("ffprobe")
	if err != nil {
		t.Fatal("ffprobe is not installed; `make test` installs it")
	}
	a := serve(t, Config{Streams: []Stream{{"front", small(t, "Front")}}})
	var stderr bytes.Buffer
	cmd := exec.Command(ffprobe, "-v", "error", "-rtsp_transport", "tcp", "-show_entries",
		"stream=codec_name,profile,width,height,r_frame_rate,sample_rate", "-of", "compact", "-i", a.URL("front"))
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	for _, want := range []string{
		"codec_name=h264|profile=Constrained Baseline|width=320|height=180|", "r_frame_rate=25/1",
		"codec_name=pcm_alaw|", "sample_rate=8000",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if stderr.Len() > 0 {
		t.Errorf("ffprobe complains: %s", stderr.String())
	}
}

func TestOpenRefuses(t *testing.T) {
	p := small(t, "x")
	for name, c := range map[string]Config{
		"no stream": {}, "same path": {Streams: []Stream{{"a", p}, {"a", p}}},
		"bad address": {Listen: "127.0.0.1:99999", Streams: []Stream{{"a", p}}},
	} {
		if a, err := Open(c); err == nil {
			_ = a.Close()
			t.Errorf("%s is accepted", name)
		}
	}
	a, err := Open(Config{UDP: true, Streams: []Stream{{"a", p}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if err := a.Close(); err != nil {
		t.Error("closing twice:", err)
	}
}
