package segment_test

import (
	"io"
	"testing"

	"cardea/camera/frame"
	"cardea/nvr/hub"
	"cardea/nvr/segment"
)

// BenchmarkFramePath is the whole way of a picture of 20 kB and two packets of G.711: published, drained once a
// second, and written as part of a clip. One operation is one picture.
func BenchmarkFramePath(b *testing.B) {
	s, source := load(b, "h264-aac.mp4")
	g := &frame.Stream{Tracks: []frame.Track{s.Tracks[0], {Codec: frame.PCMA, ClockRate: 8000, SampleRate: 8000, Channels: 1}}}
	h := hub.New(hub.Config{})
	r := h.Subscribe(hub.ReaderConfig{KeyFirst: true})
	defer r.Close()
	m, err := segment.New(g, segment.Options{})
	if err != nil {
		b.Fatal(err)
	}
	// Frames are the camera's to allocate. A slot is used again when nobody holds it any more.
	pictures := make([]frame.Frame, 100)
	sounds := make([]frame.Frame, 200)
	nal, pcm := make([]byte, 20_000), make([]byte, 160)
	for i := range pcm {
		pcm[i] = byte(i * 7)
	}
	rate := int64(s.Tracks[0].ClockRate)
	buf := make([]*frame.Frame, 0, 128)
	b.ReportAllocs()
	b.SetBytes(int64(len(nal)))
	n, seq := int64(0), uint32(0)
	for b.Loop() {
		p := &pictures[n%100]
		*p = frame.Frame{Stream: g, DTS: n * rate / 25, PTS: n * rate / 25, Key: n%50 == 0, Payload: p.Payload, Size: len(nal)}
		if p.Payload == nil {
			p.Payload = [][]byte{source[0].Payload[0], nal}
		}
		h.Publish(p)
		for k := range int64(2) {
			a := &sounds[(2*n+k)%200]
			*a = frame.Frame{Stream: g, Track: 1, DTS: (2*n + k) * 160, Key: true, Payload: a.Payload, Size: len(pcm)}
			if a.Payload == nil {
				a.Payload = [][]byte{pcm}
			}
			h.Publish(a)
		}
		if n++; n%25 == 0 {
			buf = r.Drain(buf[:0])
			if _, err := m.WritePart(io.Discard, buf, nil, seq); err != nil {
				b.Fatal(err)
			}
			seq++
		}
	}
}
