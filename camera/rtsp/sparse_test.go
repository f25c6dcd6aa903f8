package rtsp

import (
	"bytes"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/description"

	"cardea/camera/frame"
)

// TestSparse: while key frames now and then are wanted nothing else comes, and afterwards everything does, from a key frame on.
func TestSparse(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		file  string
		media *description.Media
	}{{"small.h264", h264Media()}, {"bframes.h265", h265Media()}, {"bframes.h264", h264Media()}} {
		t.Run(tc.file, func(t *testing.T) {
			aus := units(t, tc.file)
			var pts []int64
			if tc.file != "small.h264" {
				pts, _ = times(t, tc.file)
			}
			length := uint32(len(aus)) * tick25
			g := newRig(t, tc.media, aacMedia())
			p, a := newPacker(t, tc.media.Formats[0], 200), newPacker(t, aacMedia().Formats[0], 0)
			i := 0
			film := func(rounds int) {
				for range rounds * len(aus) {
					at := time.Duration(i) * 40 * time.Millisecond
					ts := uint32(i/len(aus)) * length
					if len(pts) == len(aus) {
						ts += uint32(pts[i%len(aus)])
					} else {
						ts += uint32(i%len(aus)) * tick25
					}
					g.at(at, g.video, p.pack(aus[i%len(aus)], ts)...)
					g.at(at, g.audio, a.pack([][]byte{{1, 2, 3, 4}}, uint32(i)*1920)...)
					i++
				}
			}
			g.setSparse(3 * time.Second)
			film(1 + 20*25/len(aus))
			sparse := g.frames
			if len(sparse) < 3 || len(sparse) > 8 {
				t.Fatalf("%d frames in %d pictures", len(sparse), i)
			}
			for n, f := range sparse {
				if !f.Key || !f.Video() || f.Stream != sparse[0].Stream || n == 0 && !bytes.Equal(f.Payload[len(f.Payload)-1], aus[0][len(aus[0])-1]) {
					t.Errorf("frame %d of %d bytes is no key frame that is wanted", n, f.Size)
				}
				if n > 0 && f.Wall.Sub(sparse[n-1].Wall) < 2900*time.Millisecond {
					t.Errorf("frame %d comes %v after the last", n, f.Wall.Sub(sparse[n-1].Wall))
				}
			}
			if st := g.publish(1); int(st.Pictures) < i*9/10 || int(st.Pictures) > i+1 || st.Lost+st.Damaged != 0 || time.Since(st.LastPicture) > time.Hour {
				t.Errorf("%d pictures: counted %+v", i, st)
			}
			// In the middle of a group of pictures.
			g.frames = nil
			g.setSparse(0)
			for i += 3; i%len(aus) == 0; i++ {
			}
			film(2)
			if len(g.frames) == 0 || !g.frames[0].Key || len(g.pictures()) < len(aus) || len(g.frames) == len(g.pictures()) {
				t.Fatalf("%d frames, %d pictures afterwards", len(g.frames), len(g.pictures()))
			}
			growing(t, append([]*frame.Frame{sparse[len(sparse)-1]}, g.frames...))
			if st := g.publish(1); st.Damaged != 0 {
				t.Errorf("counted %+v", st)
			}
		})
	}
}

// FuzzSparse: whatever a camera sends, skimming it ends without a fault and delivers key frames only.
func FuzzSparse(f *testing.F) {
	f.Add([]byte{0x65, 0x88, 1}, true, false)
	f.Add([]byte{0x78, 0, 2, 0x67, 1, 0, 2, 0x65, 0x88}, true, false)
	f.Add([]byte{0, 0, 0, 1, 0x65, 0x88, 0x80}, false, false)
	f.Add([]byte{0x62, 1, 0x93, 0xaf, 1}, true, true)
	f.Fuzz(func(t *testing.T, payload []byte, marker, hevc bool) {
		if len(payload) > 1400 {
			return
		}
		m := h264Media()
		if hevc {
			m = h265Media()
		}
		g := newRig(t, m)
		g.setSparse(time.Second)
		p := newPacker(t, m.Formats[0], 1200)
		for i := range 4 {
			packet := p.pack([][]byte{{0x41, 0x9a, 1}}, uint32(i)*tick25)[0]
			packet.Payload, packet.Marker = payload, marker
			g.at(time.Duration(i)*time.Second, g.video, packet)
		}
		for _, frame := range g.frames {
			if !frame.Key {
				t.Error("a frame that is no key frame")
			}
		}
	})
}
