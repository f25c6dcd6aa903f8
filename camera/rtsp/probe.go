package rtsp

import (
	"context"
	"time"

	"cardea/camera/frame"
)

// Picture is what Probe found: enough to show a person a test picture before anything is stored.
type Picture struct {
	// Stream describes the tracks and what is left out.
	Stream *frame.Stream
	// Frames are in order from one key frame on, at most two seconds; at least the key frame is there.
	Frames []*frame.Frame
	// SPKI is SHA-256 of the SubjectPublicKeyInfo presented over rtsps://; nil over rtsp://.
	SPKI []byte
	// Trust is "pinned" when SPKI was pinned or vouched for, "plain" over rtsp://.
	Trust string
	// TLS is the version spoken, "1.3" or "1.2"; empty over rtsp://.
	TLS string
	// FPS is counted from the frames; 0 when there were too few.
	FPS float64
}

const (
	probeFor   = 2 * time.Second
	probeBytes = 16 << 20
)

// Probe connects, waits for a key frame, gathers what follows for up to two seconds and disconnects. Its errors
// are those of Run. Nothing is kept and nothing is changed on the camera.
func Probe(ctx context.Context, cfg Config) (Picture, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		p      Picture
		bytes  int
		full   bool
		enough *time.Timer
	)
	// Without anything to wait for, a person waits less long for an answer than a recorder may.
	if cfg.KeyTimeout == 0 {
		cfg.KeyTimeout = 15 * time.Second
	}
	s := NewSession(cfg, func(f *frame.Frame) {
		switch {
		case full:
			return
		case p.Stream == nil:
			if !f.Video() || !f.Key {
				return
			}
			p.Stream = f.Stream
			// Enough is enough even if the camera sends one picture only.
			enough = time.AfterFunc(probeFor+time.Second, cancel)
		case f.Stream != p.Stream, f.Wall.Sub(p.Frames[0].Wall) > probeFor, bytes+f.Size > probeBytes:
			full = true
			cancel()
			return
		}
		bytes += f.Size
		p.Frames = append(p.Frames, f)
	})
	s.SetEager(true)
	err := s.Run(ctx)
	if enough != nil {
		enough.Stop()
	}
	if p.Stream == nil {
		return Picture{}, err
	}
	st := s.Stats()
	p.SPKI, p.TLS, p.Trust = st.SPKI, st.TLS, "plain"
	if st.SPKI != nil {
		p.Trust = "pinned"
	}
	p.FPS = rate(p)
	return p, nil
}

// rate is the mean rate of the pictures.
func rate(p Picture) float64 {
	var first, last *frame.Frame
	n := 0
	for _, f := range p.Frames {
		if !f.Video() {
			continue
		}
		if first == nil {
			first = f
		}
		last = f
		n++
	}
	if n < 2 || last.DTS <= first.DTS {
		return 0
	}
	clock := float64(first.Stream.Tracks[first.Track].ClockRate)
	return float64(n-1) * clock / float64(last.DTS-first.DTS)
}
