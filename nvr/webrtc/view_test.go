package webrtc_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/interceptor"
	pion "github.com/pion/webrtc/v4"
	"go.uber.org/goleak"

	"cardea/camera/agent/pattern"
	"cardea/camera/frame"
	"cardea/nvr/hub"
	"cardea/nvr/webrtc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var loopback = []netip.Addr{netip.MustParseAddr("127.0.0.1")}

func newServer(t testing.TB) *webrtc.Server {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	check(t, err)
	s := webrtc.New(conn)
	t.Cleanup(func() { check(t, s.Close()) })
	return s
}

// lens is a camera: pictures with numbers, and sound.
type lens struct {
	t       testing.TB
	hub     *hub.Hub
	stream  *frame.Stream
	encoder *pattern.Encoder
	began   time.Time
	n       int64
	bare    bool // key frames come without parameter sets
}

const fps = 25

func newLens(t testing.TB, sound ...frame.Track) *lens {
	t.Helper()
	e, err := pattern.New(pattern.Config{Width: 320, Height: 240, FPS: fps, GOP: time.Second, Name: "test", BitRate: 2_000_000})
	check(t, err)
	s := &frame.Stream{Tracks: append([]frame.Track{{Codec: frame.H264, ClockRate: 90000, Params: e.Params(), Width: 320, Height: 240}}, sound...)}
	return &lens{t: t, hub: hub.New(hub.Config{}), stream: s, encoder: e, began: time.Now()}
}

// next publishes a picture and the sound beside it.
func (l *lens) next() {
	p := l.encoder.Next(l.began.Add(time.Duration(l.n) * time.Second / fps))
	nals, size := p.NALs, p.Size
	if l.bare && p.Key {
		nals = nals[2:]
	}
	l.hub.Publish(&frame.Frame{Stream: l.stream, PTS: l.n * 90000 / fps, DTS: l.n * 90000 / fps, Wall: p.Wall, Key: p.Key, Payload: nals, Size: size})
	if len(l.stream.Tracks) > 1 {
		rate := int64(l.stream.Tracks[1].ClockRate)
		l.hub.Publish(&frame.Frame{Stream: l.stream, Track: 1, PTS: l.n * rate / fps, DTS: l.n * rate / fps, Wall: p.Wall, Key: true, Payload: [][]byte{bytes.Repeat([]byte{0xd5}, 320)}, Size: 320})
	}
	l.n++
}

func (l *lens) reader() *hub.Reader {
	return l.hub.Subscribe(hub.ReaderConfig{Live: true, KeyFirst: true})
}

// browser is the other end.
type browser struct {
	t  testing.TB
	pc *pion.PeerConnection

	mu      sync.Mutex
	seen    []arrival
	sets    int // of parameters
	keys    int
	sounds  int
	mimes   []string
	changed chan struct{}
}

// arrival is a picture that came.
type arrival struct {
	number uint64
	stamp  uint32 // RTP
	at     time.Time
}

func newBrowser(t testing.TB, kinds ...pion.RTPCodecType) *browser {
	t.Helper()
	var media pion.MediaEngine
	check(t, media.RegisterDefaultCodecs())
	var e pion.SettingEngine
	e.SetIncludeLoopbackCandidate(true)
	e.SetInterfaceFilter(func(name string) bool { return name == "lo" })
	var chain interceptor.Registry
	check(t, pion.RegisterDefaultInterceptors(&media, &chain)) // asks again for what was lost
	pc, err := pion.NewAPI(pion.WithMediaEngine(&media), pion.WithSettingEngine(e), pion.WithInterceptorRegistry(&chain)).NewPeerConnection(pion.Configuration{})
	check(t, err)
	b := &browser{t: t, pc: pc, changed: make(chan struct{}, 1)}
	for _, kind := range kinds {
		_, err := pc.AddTransceiverFromKind(kind, pion.RTPTransceiverInit{Direction: pion.RTPTransceiverDirectionRecvonly})
		check(t, err)
	}
	pc.OnTrack(func(track *pion.TrackRemote, _ *pion.RTPReceiver) { b.hear(track) })
	t.Cleanup(func() { check(t, pc.GracefulClose()) })
	return b
}

func (b *browser) offer() string {
	b.t.Helper()
	offer, err := b.pc.CreateOffer(nil)
	check(b.t, err)
	gathered := pion.GatheringCompletePromise(b.pc)
	check(b.t, b.pc.SetLocalDescription(offer))
	<-gathered
	return b.pc.LocalDescription().SDP
}

func (b *browser) accept(answer string) {
	b.t.Helper()
	if err := b.pc.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeAnswer, SDP: answer}); err != nil {
		b.t.Fatalf("%v\n%s", err, answer)
	}
}

// hear takes a track apart: the numbers are in SEI messages, which come in packets of their own.
func (b *browser) hear(track *pion.TrackRemote) {
	b.mu.Lock()
	b.mimes = append(b.mimes, track.Codec().MimeType)
	b.mu.Unlock()
	for {
		p, _, err := track.ReadRTP()
		if err != nil {
			return
		}
		now := time.Now()
		b.mu.Lock()
		if track.Kind() == pion.RTPCodecTypeAudio {
			b.sounds++
		} else if len(p.Payload) > 1 {
			switch kind := p.Payload[0] & 0x1f; {
			case kind == 7:
				b.sets++
			case kind == 5, kind == 28 && p.Payload[1]&0x9f == 0x85:
				b.keys++
			}
			if n, _, ok := pattern.ParseSEI(p.Payload); ok {
				b.seen = append(b.seen, arrival{n, p.Timestamp, now})
			}
		}
		b.mu.Unlock()
		select {
		case b.changed <- struct{}{}:
		default:
		}
	}
}

// until waits for something to be true of what came.
func (b *browser) until(what string, ok func() bool) {
	b.t.Helper()
	end := time.After(time.Minute)
	for {
		b.mu.Lock()
		done := ok()
		b.mu.Unlock()
		if done {
			return
		}
		select {
		case <-b.changed:
		case <-time.After(50 * time.Millisecond):
		case <-end:
			b.t.Fatalf("never: %s; pictures %v, sounds %d, %v", what, b.seen, b.sounds, b.pc.ConnectionState())
		}
	}
}

func (b *browser) count(n int) func() bool { return func() bool { return len(b.seen) >= n } }

// watch begins a view and runs it; wait gives the error that it ends with.
func watch(t testing.TB, s *webrtc.Server, l *lens, b *browser) (v *webrtc.View, stop context.CancelFunc, wait func() error) {
	t.Helper()
	offer, err := webrtc.ParseOffer(b.offer())
	check(t, err)
	v, err = s.View(t.Context(), offer, loopback, l.reader())
	check(t, err)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- v.Run(ctx) }()
	ended := sync.OnceValue(func() error { return <-done })
	t.Cleanup(func() { stop(); _ = ended() })
	b.accept(v.Answer())
	return v, stop, ended
}

func TestEveryPicture(t *testing.T) {
	for name, c := range map[string]struct {
		sound []frame.Track
		mime  string
		bare  bool
	}{
		"picture alone":          {},
		"G.711":                  {sound: []frame.Track{{Codec: frame.PCMA, ClockRate: 8000, SampleRate: 8000, Channels: 1}}, mime: pion.MimeTypePCMA},
		"Opus":                   {sound: []frame.Track{{Codec: frame.Opus, ClockRate: 48000, SampleRate: 48000, Channels: 2}}, mime: pion.MimeTypeOpus},
		"AAC stays away":         {sound: []frame.Track{{Codec: frame.AAC, ClockRate: 48000, SampleRate: 48000, Channels: 2}}},
		"without parameter sets": {bare: true},
	} {
		t.Run(name, func(t *testing.T) {
			s, l, b := newServer(t), newLens(t, c.sound...), newBrowser(t, pion.RTPCodecTypeVideo, pion.RTPCodecTypeAudio)
			l.bare = c.bare
			for range 2*fps + 10 { // the newest key frame is number 50
				l.next()
			}
			v, _, _ := watch(t, s, l, b)
			if v.Sound() != (c.mime != "") {
				t.Errorf("sound: %t", v.Sound())
			}
			b.until("the pictures of before", b.count(10))
			for range 3 * fps {
				l.next()
				time.Sleep(2 * time.Millisecond)
			}
			b.until("all pictures", b.count(10+3*fps))
			if c.mime != "" {
				b.until("the sound", func() bool { return b.sounds >= 3*fps })
			}
			b.mu.Lock()
			defer b.mu.Unlock()
			for i, a := range b.inOrder() {
				if a.number != uint64(2*fps+i) {
					t.Fatalf("pictures %v", b.seen)
				}
				// What came before the view began is dated a millisecond apart, the rest as the camera did.
				if i > 10 && a.stamp-b.seen[i-1].stamp != 90000/fps {
					t.Errorf("picture %d is dated %d after the one before", a.number, a.stamp-b.seen[i-1].stamp)
				}
			}
			if b.keys < 4 || b.sets < b.keys {
				t.Errorf("%d key frames, %d parameter sets", b.keys, b.sets)
			}
			for _, mime := range b.mimes {
				if mime != pion.MimeTypeH264 && mime != c.mime {
					t.Errorf("a track of %s", mime)
				}
			}
		})
	}
}

// TestStill: of a camera that sends nothing any more one picture is shown, and the next key frame goes on.
func TestStill(t *testing.T) {
	s, l, b := newServer(t), newLens(t), newBrowser(t, pion.RTPCodecTypeVideo)
	for range 10 {
		l.next()
	}
	offer, err := webrtc.ParseOffer(b.offer())
	check(t, err)
	v, err := s.View(t.Context(), offer, loopback, l.reader())
	check(t, err)
	v.Still()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- v.Run(ctx) }()
	defer func() { stop(); <-done }()
	b.accept(v.Answer())
	b.until("a picture", b.count(1))
	for range fps {
		l.next()
		time.Sleep(2 * time.Millisecond)
	}
	b.until("the pictures from the key frame on", b.count(11))
	b.mu.Lock()
	defer b.mu.Unlock()
	if all := b.inOrder(); all[0].number != 0 || all[1].number != fps {
		t.Errorf("pictures %v", all)
	}
}

// TestEnds: a view ends with the browser, with the camera and with its right.
func TestEnds(t *testing.T) {
	begin := func(t *testing.T) (*lens, *browser, context.CancelFunc, func() error) {
		s, l, b := newServer(t), newLens(t), newBrowser(t, pion.RTPCodecTypeVideo)
		l.next()
		_, stop, wait := watch(t, s, l, b)
		b.until("a picture", b.count(1))
		return l, b, stop, wait
	}
	t.Run("browser", func(t *testing.T) {
		_, b, _, wait := begin(t)
		check(t, b.pc.GracefulClose())
		if err := wait(); !errors.Is(err, webrtc.ErrGone) {
			t.Errorf("ends with %v", err)
		}
	})
	t.Run("camera", func(t *testing.T) {
		l, _, _, wait := begin(t)
		l.hub.Close()
		if err := wait(); !errors.Is(err, hub.ErrClosed) {
			t.Errorf("ends with %v", err)
		}
	})
	t.Run("right", func(t *testing.T) {
		_, b, stop, wait := begin(t)
		stop()
		if err := wait(); !errors.Is(err, context.Canceled) {
			t.Errorf("ends with %v", err)
		}
		b.until("the browser knows", func() bool { return b.pc.ConnectionState() == pion.PeerConnectionStateClosed })
	})
	t.Run("B-frames", func(t *testing.T) {
		l, _, _, wait := begin(t)
		l.next()
		l.n -= 2 // shown before the one that was sent before
		l.next()
		if err := wait(); !errors.Is(err, webrtc.ErrReordered) {
			t.Errorf("ends with %v", err)
		}
	})
	t.Run("another codec", func(t *testing.T) {
		l, _, _, wait := begin(t)
		l.stream = &frame.Stream{Tracks: []frame.Track{{Codec: frame.H265, ClockRate: 90000}}}
		for range fps {
			l.next()
		}
		if err := wait(); !errors.Is(err, webrtc.ErrCodec) {
			t.Errorf("ends with %v", err)
		}
	})
}

// TestRefused: what WebRTC cannot carry is said before anything is answered.
func TestRefused(t *testing.T) {
	s, l, b := newServer(t), newLens(t), newBrowser(t, pion.RTPCodecTypeVideo)
	offer, err := webrtc.ParseOffer(b.offer())
	check(t, err)
	ask := func() error {
		reader := l.reader()
		defer reader.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err := s.View(ctx, offer, loopback, reader)
		return err
	}
	if err := ask(); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without a picture: %v", err)
	}
	l.next()
	l.next()
	l.n -= 2
	l.next()
	if err := ask(); !errors.Is(err, webrtc.ErrReordered) {
		t.Errorf("B-frames: %v", err)
	}
	l.stream = &frame.Stream{Tracks: []frame.Track{{Codec: frame.H265, ClockRate: 90000, Params: [][]byte{{64, 1}, {66, 1, 1, 0x62}, {68, 1}}}}}
	for range fps {
		l.next()
	}
	if err := ask(); err == nil || !strings.Contains(err.Error(), "hevc") {
		t.Errorf("a profile of H.265 that is not offered: %v", err)
	}
}

// TestNewSize: a camera that changes its picture goes on in the same view.
func TestNewSize(t *testing.T) {
	s, l, b := newServer(t), newLens(t), newBrowser(t, pion.RTPCodecTypeVideo)
	l.next()
	watch(t, s, l, b)
	b.until("a picture", b.count(1))
	same := *l.stream
	l.stream = &same
	for range 2 * fps {
		l.next()
		time.Sleep(2 * time.Millisecond)
	}
	// Up to the key frame the pictures belong to nothing.
	b.until("pictures of the new stream", b.count(1+fps))
	b.mu.Lock()
	defer b.mu.Unlock()
	b.inOrder()
}

// inOrder sorts what came by its number, for a packet may have been lost and asked for again, and looks at the times.
func (b *browser) inOrder() []arrival {
	slices.SortFunc(b.seen, func(x, y arrival) int { return cmp.Compare(x.number, y.number) })
	for i := range b.seen[1:] {
		if int32(b.seen[i+1].stamp-b.seen[i].stamp) <= 0 {
			b.t.Errorf("times do not rise: %v", b.seen)
		}
	}
	return b.seen
}

// BenchmarkView prints the time from a frame in the hub to its first packet with a number at the other end.
func BenchmarkView(b *testing.B) {
	s, l, other := newServer(b), newLens(b), newBrowser(b, pion.RTPCodecTypeVideo)
	l.next()
	watch(b, s, l, other)
	other.until("a picture", other.count(1))
	var took []time.Duration
	b.ResetTimer()
	for range b.N {
		n := other.len()
		began := time.Now()
		l.next()
		other.until("the picture", other.count(n+1))
		other.mu.Lock()
		took = append(took, other.seen[n].at.Sub(began))
		other.mu.Unlock()
		time.Sleep(5 * time.Millisecond)
	}
	report(b, took)
}
