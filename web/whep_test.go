package web

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/interceptor"
	pion "github.com/pion/webrtc/v4"
	samples "github.com/pion/webrtc/v4/pkg/media"

	"cardea/camera/agent"
	"cardea/camera/agent/pattern"
)

// viewer is a browser's end of WebRTC, with the numbers of the pictures that came.
type viewer struct {
	pc *pion.PeerConnection

	mu      sync.Mutex
	numbers map[uint64]bool
	newest  uint64
}

func (v *viewer) seen() (n int, newest uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.numbers), v.newest
}

// offer makes a browser and what it offers.
func (f *fixture) offer() (*viewer, string) {
	f.t.Helper()
	var codecs pion.MediaEngine
	check(f.t, codecs.RegisterDefaultCodecs())
	var chain interceptor.Registry
	check(f.t, pion.RegisterDefaultInterceptors(&codecs, &chain))
	var e pion.SettingEngine
	e.SetIncludeLoopbackCandidate(true)
	e.SetInterfaceFilter(func(name string) bool { return name == "lo" })
	pc, err := pion.NewAPI(pion.WithMediaEngine(&codecs), pion.WithSettingEngine(e), pion.WithInterceptorRegistry(&chain)).NewPeerConnection(pion.Configuration{})
	check(f.t, err)
	f.t.Cleanup(func() { check(f.t, pc.GracefulClose()) })
	v := &viewer{pc: pc, numbers: map[uint64]bool{}}
	for _, kind := range []pion.RTPCodecType{pion.RTPCodecTypeVideo, pion.RTPCodecTypeAudio} {
		_, err := pc.AddTransceiverFromKind(kind, pion.RTPTransceiverInit{Direction: pion.RTPTransceiverDirectionRecvonly})
		check(f.t, err)
	}
	pc.OnTrack(func(track *pion.TrackRemote, _ *pion.RTPReceiver) {
		for {
			p, _, err := track.ReadRTP()
			if err != nil {
				return
			}
			if n, _, ok := pattern.ParseSEI(p.Payload); ok && track.Kind() == pion.RTPCodecTypeVideo {
				v.mu.Lock()
				v.numbers[n], v.newest = true, max(v.newest, n)
				v.mu.Unlock()
			}
		}
	})
	offer, err := pc.CreateOffer(nil)
	check(f.t, err)
	gathered := pion.GatheringCompletePromise(pc)
	check(f.t, pc.SetLocalDescription(offer))
	<-gathered
	return v, pc.LocalDescription().SDP
}

// whep sends an offer and gives the answer.
func (f *fixture) whep(cookie, camera, offer string) reply {
	f.t.Helper()
	return f.send("POST", "/api/live/"+camera+"/whep", cookie, nil, func(r *http.Request) {
		r.Body = io.NopCloser(strings.NewReader(offer))
		r.ContentLength = int64(len(offer))
		r.Header.Set("Content-Type", "application/sdp")
	})
}

func TestWHEP(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	cookie, camera, _ := f.withCamera()
	eventually(t, "a picture", func() bool {
		f.send("GET", "/api/cameras/"+camera.ID, cookie, nil).json(t, &camera)
		return camera.State.Phase == "streaming" && camera.FPS > 0
	})
	watch := func() (*viewer, string) {
		v, offer := f.offer()
		got := f.whep(cookie, camera.ID, offer)
		where := got.header.Get("Location")
		if got.status != 201 || got.header.Get("Content-Type") != "application/sdp" || !strings.HasPrefix(where, "/api/live/"+camera.ID+"/whep/") || !bytes.Contains(got.body, []byte("a=ice-lite")) {
			t.Fatalf("offer: %d %v %s", got.status, got.header, got.body)
		}
		check(t, v.pc.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeAnswer, SDP: string(got.body)}))
		eventually(t, "pictures", func() bool { n, _ := v.seen(); return n >= 5 })
		return v, where
	}
	over := func(v *viewer) func() bool {
		return func() bool { return v.pc.ConnectionState() == pion.PeerConnectionStateClosed }
	}

	v, where := watch()
	_, newest := v.seen()
	eventually(t, "every picture", func() bool { _, n := v.seen(); return n >= newest+20 })
	v.mu.Lock()
	for n := newest; n < newest+20; n++ {
		if !v.numbers[n] {
			t.Errorf("picture %d did not come", n)
		}
	}
	v.mu.Unlock()
	f.send("DELETE", where+"x", cookie, nil).detail(t, 404)
	f.send("DELETE", where, "nobody", nil).detail(t, 401)
	if got := f.send("DELETE", where, cookie, nil); got.status != 204 {
		t.Errorf("end: %d %s", got.status, got.body)
	}
	eventually(t, "the end", over(v))
	eventually(t, "that it is gone", func() bool { return f.send("DELETE", where, cookie, nil).status == 404 })

	// What is no offer, what nobody may see, and who is nobody.
	f.whep(cookie, camera.ID, "v=0").detail(t, 422)
	_, offer := f.offer()
	f.whep(cookie, "01JABCDEFGHJKMNPQRSTVWXYZ0", offer).detail(t, 404)
	f.whep("nobody", camera.ID, "v=0").detail(t, 401)

	// An owner switches it off: what runs ends, and nothing begins.
	v, _ = watch()
	if got := f.send("PATCH", "/api/settings", cookie, map[string]any{"webrtc": false}); got.status != 200 || !bytes.Contains(got.body, []byte(`"webrtc":false`)) {
		t.Fatalf("switch off: %d %s", got.status, got.body)
	}
	eventually(t, "the end by the switch", over(v))
	f.whep(cookie, camera.ID, offer).detail(t, 409)
	f.send("PATCH", "/api/settings", cookie, map[string]any{"webrtc": true})

	// A sign-out ends it too.
	v, _ = watch()
	f.send("DELETE", "/api/session", cookie, nil)
	eventually(t, "the end by sign-out", over(v))
}

// TestWHEPBounds: one sign-in cannot take all connections.
func TestWHEPBounds(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	cookie, camera, _ := f.withCamera()
	var offer string
	eventually(t, "a picture", func() bool {
		_, offer = f.offer()
		return f.whep(cookie, camera.ID, offer).status == 201
	})
	began := time.Now()
	for range 20 {
		if got := f.whep(cookie, camera.ID, offer); got.status == 409 {
			return
		} else if got.status != 201 {
			t.Fatalf("%d %s", got.status, got.body)
		}
	}
	if time.Since(began) < 10*time.Second { // else those that nobody took up have ended
		t.Error("twenty connections were given")
	}
}

// TestTalk: a voice reaches the loudspeaker of a camera, and only there where somebody may speak.
func TestTalk(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var heard atomic.Int64
	cookie, camera, _ := f.withCamera(func(c *agent.Config) {
		c.OnTalk = func(_ string, payload []byte) { heard.Add(int64(len(payload))) }
	})
	eventually(t, "a camera with a loudspeaker", func() bool {
		f.send("GET", "/api/cameras/"+camera.ID, cookie, nil).json(t, &camera)
		return camera.Controls.Talk
	})
	pc, err := pion.NewPeerConnection(pion.Configuration{})
	check(t, err)
	defer pc.GracefulClose()
	voice, err := pion.NewTrackLocalStaticSample(pion.RTPCodecCapability{MimeType: pion.MimeTypePCMU, ClockRate: 8000}, "audio", "voice")
	check(t, err)
	_, err = pc.AddTransceiverFromTrack(voice, pion.RTPTransceiverInit{Direction: pion.RTPTransceiverDirectionSendonly})
	check(t, err)
	offer, err := pc.CreateOffer(nil)
	check(t, err)
	gathered := pion.GatheringCompletePromise(pc)
	check(t, pc.SetLocalDescription(offer))
	<-gathered
	speak := func(cookie string) reply {
		return f.send("POST", "/api/live/"+camera.ID+"/talk", cookie, nil, func(r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader(pc.LocalDescription().SDP))
			r.ContentLength = int64(len(pc.LocalDescription().SDP))
			r.Header.Set("Content-Type", "application/sdp")
		})
	}
	got := speak(cookie)
	if got.status != 201 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	speak(cookie).detail(t, 409) // one at a time
	check(t, pc.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeAnswer, SDP: string(got.body)}))
	eventually(t, "the voice at the camera", func() bool {
		check(t, voice.WriteSample(samples.Sample{Data: bytes.Repeat([]byte{0xff}, 160), Duration: 20 * time.Millisecond}))
		return heard.Load() >= 10*160
	})
	if end := f.send("DELETE", got.header.Get("Location"), cookie, nil); end.status != 204 {
		t.Errorf("end: %d %s", end.status, end.body)
	}
	eventually(t, "that others can speak", func() bool {
		again := speak(cookie)
		return again.status == 201
	})
}
