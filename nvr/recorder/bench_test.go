package recorder

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"cardea/camera/frame"
	"cardea/nvr/hub"
	"cardea/store"
	"cardea/store/vault"
)

// BenchmarkTick measures the recording line from the queue to the index: one period of eight cameras of 4 Mbit/s and
// 25 pictures a second with sound, sealed, hashed, written, synced and announced. One operation is 720 ms of all cameras.
func BenchmarkTick(b *testing.B) {
	id, err := vault.GenerateHybrid()
	if err != nil {
		b.Fatal(err)
	}
	db, files, v := open(b, b.TempDir(), "", id)
	r := New(Config{DB: db, Files: files})
	stream := &frame.Stream{Tracks: []frame.Track{
		{Codec: frame.H264, ClockRate: 90000, Params: [][]byte{
			{0x67, 0x42, 0xc0, 0x28, 0xd9, 0x00, 0x78, 0x02, 0x27, 0xe5, 0x84, 0x00, 0x00, 0x03, 0x00, 0x04, 0x00, 0x00, 0x03, 0x00, 0xf0, 0x3c, 0x60, 0xc9, 0x20},
			{0x68, 0xce, 0x3c, 0x80},
		}, Width: 1920, Height: 1080},
		{Codec: frame.AAC, ClockRate: 16000, Params: [][]byte{{0x14, 0x08}}, SampleRate: 16000, Channels: 1},
	}}
	const cameras, pictures = 8, 18
	var hubs []*hub.Hub
	for i := range cameras {
		c, err := db.CreateCamera(b.Context(), store.NewCamera(fmt.Sprint(i), "rtsp://192.0.2.1/"))
		if err != nil {
			b.Fatal(err)
		}
		h := hub.New(hub.Config{CacheBytes: -1})
		r.Add(LineConfig{Camera: c.ID, Hub: h, Settings: Settings{Mode: store.ModeContinuous, Audio: true, Vault: v, Recipient: id.Recipient()}})
		hubs = append(hubs, h)
	}
	for _, s := range r.slots {
		s.look(b.Context())
	}
	picture, sound := make([]byte, 19_700), make([]byte, 250)
	n := int64(0)
	wall := time.Now()
	shoot := func() {
		for range pictures {
			for _, h := range hubs {
				h.Publish(&frame.Frame{Stream: stream, PTS: n * 3600, DTS: n * 3600, Wall: wall, Key: n%50 == 0, Payload: [][]byte{picture}, Size: len(picture)})
				if n%2 == 0 {
					h.Publish(&frame.Frame{Stream: stream, Track: 1, PTS: n * 640, DTS: n * 640, Wall: wall, Key: true, Payload: [][]byte{sound}, Size: len(sound)})
				}
			}
			n++
			wall = wall.Add(40 * time.Millisecond)
		}
	}
	shoot()
	for _, s := range r.slots {
		s.tick(b.Context())
	}
	b.ReportAllocs()
	before, bytes := cpu(b), r.Stats().Bytes
	for b.Loop() {
		shoot()
		for _, s := range r.slots {
			s.tick(b.Context())
		}
	}
	gb := float64(r.Stats().Bytes-bytes) / 1e9
	b.ReportMetric((cpu(b)-before).Seconds()/gb, "cpu-s/GB")
	for _, s := range r.slots {
		s.finish()
	}
	if s := r.Stats(); s.Errors > 0 || s.Dropped > 0 {
		b.Errorf("%+v", s)
	}
}

// cpu is the time the process has used, user and system.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
