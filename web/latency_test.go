package web

import (
	"bytes"
	"context"
	"encoding/binary"
	"net/url"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	pion "github.com/pion/webrtc/v4"

	"cardea/camera/agent/pattern"
	"cardea/camera/frame"
	"cardea/camera/rtsp"
)

// arrivals is when each picture came, by its number.
type arrivals struct {
	mu sync.Mutex
	at map[uint64]time.Time
}

func (a *arrivals) note(nal []byte) {
	if n, _, ok := pattern.ParseSEI(nal); ok {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.at[n] = time.Now()
	}
}

// TestLiveLatency prints what the box adds between RTSP in and each way out: the time at which a picture comes to a browser, less that at
// which it comes to somebody who asks the camera himself. It is part of `make bench`; nothing fails for being slow.
func TestLiveLatency(t *testing.T) {
	if os.Getenv("CARDEA_BENCH") == "" {
		t.Skip("a measurement, for `make bench`")
	}
	f := newFixture(t)
	cookie, camera, _ := f.withCamera()
	direct, socket, packets := &arrivals{at: map[uint64]time.Time{}}, &arrivals{at: map[uint64]time.Time{}}, &arrivals{at: map[uint64]time.Time{}}

	// Who asks the camera himself.
	address, err := url.Parse(camera.URL)
	check(t, err)
	session := rtsp.NewSession(rtsp.Config{URL: address}, func(f *frame.Frame) {
		for _, nal := range f.Payload {
			direct.note(nal)
		}
	})
	session.SetEager(true)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- session.Run(ctx) }()

	// A browser at the socket.
	c, err := f.live(cookie)
	check(t, err)
	c.say(map[string]any{"type": "subscribe", "id": 1, "camera": camera.ID, "silent": true})
	go func() {
		for {
			_, _, kind, _, body, err := c.next()
			if err != nil {
				done <- nil
				return
			}
			at := bytes.Index(body, []byte("mdat"))
			if kind == 0 || at < 0 {
				continue
			}
			for media := body[at+4:]; len(media) > 4; {
				n := int(binary.BigEndian.Uint32(media))
				if n < 0 || len(media) < 4+n {
					break
				}
				socket.note(media[4 : 4+n])
				media = media[4+n:]
			}
		}
	}()

	// A browser with WebRTC.
	v, offer := f.offer()
	v.pc.OnTrack(func(track *pion.TrackRemote, _ *pion.RTPReceiver) {
		for {
			p, _, err := track.ReadRTP()
			if err != nil {
				return
			}
			packets.note(p.Payload)
		}
	})
	eventually(t, "a connection", func() bool {
		got := f.whep(cookie, camera.ID, offer)
		return got.status == 201 && v.pc.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeAnswer, SDP: string(got.body)}) == nil
	})

	began := time.Now().Add(time.Second)
	time.Sleep(time.Minute)
	stop()
	c.conn.Close()
	<-done
	<-done
	for name, out := range map[string]*arrivals{"WebSocket": socket, "WebRTC": packets} {
		var added []float64
		for n, at := range out.at {
			// What a viewer begins with is from before.
			if came, ok := direct.at[n]; ok && came.After(began) {
				added = append(added, at.Sub(came).Seconds()*1000)
			}
		}
		slices.Sort(added)
		if len(added) < 100 {
			t.Fatalf("%s: %d pictures", name, len(added))
		}
		t.Logf("RTSP in → %s out, added by the box: p50 %.2f ms, p99 %.2f ms of %d pictures", name, added[len(added)/2], added[len(added)*99/100], len(added))
	}
}
