package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"cardea/camera/frame"
	"cardea/camera/rtsp"
)

// BridgeConfig says which camera a Bridge stands in front of. URL is required.
type BridgeConfig struct {
	// URL is rtsp:// or rtsps:// and may hold user:password@.
	URL string
	// Pin is SHA-256 of the camera's SPKI, for rtsps://.
	Pin []byte
	Log *slog.Logger
}

// Bridge is a source that takes the stream of another camera and passes it on, bit by bit as it is. It reconnects by itself. A camera
// that comes back with other tracks, because somebody changed its settings or exchanged it, is passed on with those: see Source.
type Bridge struct {
	cfg    rtsp.Config
	stream *frame.Stream // as it began
}

const (
	bridgeFirst = time.Second
	bridgeLast  = 30 * time.Second
)

// NewBridge looks at the camera until its first key frame, which ctx bounds. Errors are sentences for people.
func NewBridge(ctx context.Context, config BridgeConfig) (*Bridge, error) {
	u, err := url.Parse(config.URL)
	if err != nil {
		return nil, errors.New("the address of the camera is not a URL; it looks like rtsp://192.0.2.7:554/stream")
	}
	cfg := rtsp.Config{Pin: config.Pin, Log: config.Log}
	if u.User != nil {
		cfg.User = u.User.Username()
		cfg.Password, _ = u.User.Password()
		u.User = nil
	}
	cfg.URL = u
	found, err := rtsp.Probe(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return &Bridge{cfg: cfg, stream: found.Stream}, nil
}

// Stream implements Source.
func (b *Bridge) Stream() *frame.Stream { return b.stream }

// Run implements Source.
func (b *Bridge) Run(ctx context.Context, sink func(*frame.Frame)) error {
	t := timeline{stream: b.stream}
	for wait := bridgeFirst; ; wait = min(2*wait, bridgeLast) {
		began := time.Now()
		t.begun = false
		err := rtsp.Run(ctx, b.cfg, func(f *frame.Frame) {
			if f.Stream != t.stream && !sameTracks(f.Stream, t.stream) {
				if b.cfg.Log != nil {
					b.cfg.Log.WarnContext(ctx, "the camera behind this bridge sends other tracks than before; they are passed on")
				}
				t.stream = f.Stream
			}
			sink(t.move(f))
		})
		switch {
		case ctx.Err() != nil:
			return nil
		case rtsp.Credentials(err):
			return fmt.Errorf("the camera behind this bridge: %w", err) // trying again may lock its account
		}
		if b.cfg.Log != nil {
			b.cfg.Log.WarnContext(ctx, "the camera behind this bridge is gone", "reason", err.Error(), "again_in", wait)
		}
		if time.Since(began) > bridgeLast {
			wait = bridgeFirst
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// timeline makes one of the sessions' times, which begin anew each time.
type timeline struct {
	stream *frame.Stream // what the frames are said to be of
	begun  bool          // the session's first frame has come
	shift  time.Duration // added to a session's times
	last   time.Duration // the latest time given out, and when that was captured
	lastAt time.Time
}

// move gives f with its place on the time line.
func (t *timeline) move(f *frame.Frame) *frame.Frame {
	rate := int64(t.stream.Tracks[f.Track].ClockRate)
	at := nanos(f.DTS, rate)
	if !t.begun {
		t.begun, t.shift = true, -at
		if !t.lastAt.IsZero() {
			t.shift += t.last + max(f.Wall.Sub(t.lastAt), time.Millisecond)
		}
	}
	moved := *f
	units := scale(int64(t.shift), rate, int64(time.Second))
	moved.Stream, moved.PTS, moved.DTS = t.stream, f.PTS+units, f.DTS+units
	if now := at + t.shift; now > t.last {
		t.last, t.lastAt = now, f.Wall
	}
	return &moved
}
