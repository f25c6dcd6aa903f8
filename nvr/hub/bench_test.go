package hub_test

import (
	"testing"

	"cardea/camera/frame"
	"cardea/nvr/hub"
)

// BenchmarkPublish is the way of a frame from the camera to the recorder, who drains once a second.
func BenchmarkPublish(b *testing.B) {
	s := newStream()
	h := hub.New(hub.Config{})
	r := h.Subscribe(hub.ReaderConfig{KeyFirst: true})
	defer r.Close()
	var frames []*frame.Frame
	for n := range int64(50) {
		frames = append(frames, picture(s, n, n == 0, 20_000))
	}
	buf := make([]*frame.Frame, 0, 64)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		h.Publish(frames[n%50])
		if n++; n%25 == 0 {
			buf = r.Drain(buf[:0])
		}
	}
}
