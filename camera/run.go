package camera

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"cardea/camera/frame"
	"cardea/camera/rtsp"
)

const (
	// settled is how long a stream has to last for the back-off to begin anew.
	settled = 30 * time.Second
	// lookEvery is how often State is brought up to date.
	lookEvery = time.Second
)

// Run keeps the camera connected and calls sink for each frame, never from two goroutines at once, until ctx is
// done; it returns ctx.Err(). sink MUST NOT block. Frames after a reconnect carry a new *frame.Stream. Run may be
// called again after it returned.
func (c *Camera) Run(ctx context.Context, sink func(*frame.Frame)) error {
	r := &runner{c: c, sink: sink}
	r.set(func(s *State) {
		*s = State{Phase: Connecting}
	})
	defer r.set(func(s *State) {
		*s = State{Phase: Stopped, Lost: s.Lost, Dropped: s.Dropped, Reconnects: s.Reconnects, LastFrame: s.LastFrame}
	})
	failures := 0
	for ctx.Err() == nil {
		lasted, err := r.session(ctx)
		if ctx.Err() != nil {
			break
		}
		if lasted > settled {
			failures = 0
		}
		wait := c.wait(err, failures)
		failures++
		c.cfg.Log.Warn("camera connection ended", "camera", c.cfg.Name, "reason", err.Error(), "again_in", wait.Round(time.Millisecond))
		r.set(func(s *State) {
			s.Phase, s.Detail, s.NextAttempt = c.phaseOf(err), err.Error(), c.cfg.Now().Add(wait)
			s.Presented = presented(err)
			s.Flooded = errors.As(err, new(ErrFlood))
			s.FPS, s.Bitrate = 0, 0
		})
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
		case <-timer.C:
		}
	}
	return ctx.Err()
}

// phaseOf sorts the reason for a lost connection. A camera that proved itself over TLS before and now speaks an older one,
// or none, is in doubt like one with another key.
func (c *Camera) phaseOf(err error) Phase {
	var (
		pin      rtsp.ErrPin
		identity rtsp.ErrIdentity
		old      rtsp.ErrTLSVersion
		plain    rtsp.ErrNotTLS
	)
	known := len(c.cfg.Pin) > 0 || c.cfg.Mutual != nil
	switch {
	case errors.As(err, &pin) && len(pin.Want) > 0, errors.As(err, &identity), known && (errors.As(err, &old) || errors.As(err, &plain)):
		return Doubted
	case rtsp.Credentials(err), errors.As(err, new(ErrFlood)):
		return Refused
	case rtsp.Settings(err):
		return Unusable
	}
	return Waiting
}

// presented is the key that was shown in place of the pinned one.
func presented(err error) []byte {
	var pin rtsp.ErrPin
	if errors.As(err, &pin) {
		return pin.Got
	}
	return nil
}

// wait is how long to stay away: it doubles from Backoff to BackoffMax, is spread by half so that a power cut does
// not bring all cameras back in one moment, and is long where trying again may lock an account.
func (c *Camera) wait(err error, failures int) time.Duration {
	var anew rtsp.ErrAnew
	if errors.As(err, &anew) && failures == 0 {
		return 0
	}
	wait := min(c.cfg.Backoff<<min(failures, 20), c.cfg.BackoffMax)
	switch c.phaseOf(err) {
	case Refused, Doubted:
		wait = c.cfg.RefusedWait
	case Unusable:
		wait = c.cfg.BackoffMax
	}
	return wait/2 + time.Duration(c.cfg.Rand()*float64(wait))
}

// runner is what lives while Run does.
type runner struct {
	c    *Camera
	sink func(*frame.Frame)
	// sessions counts those begun; lost and dropped are what earlier ones counted.
	sessions      uint64
	lost, dropped uint64
	seen          map[Warning]time.Time
	window        window
	before        rtsp.Stats
}

// session runs one RTSP session and keeps State up to date meanwhile. It returns how long frames came.
func (r *runner) session(ctx context.Context) (lasted time.Duration, err error) {
	c := r.c
	first := make(chan struct{}, 1)
	var begun atomic.Bool
	s := rtsp.NewSession(rtsp.Config{
		URL: c.cfg.URL, User: c.cfg.User, Password: c.cfg.Password, Pin: c.cfg.Pin, Mutual: c.cfg.Mutual,
		Transport: rtsp.Transport(c.cfg.Transport), AllowTLS12: c.cfg.AllowTLS12,
		ConnectTimeout: c.cfg.ConnectTimeout, StallTimeout: c.cfg.StallTimeout, KeyTimeout: c.cfg.KeyTimeout,
		Now: c.cfg.Now, Log: c.cfg.Log,
	}, func(f *frame.Frame) {
		if !begun.Load() {
			begun.Store(true)
			first <- struct{}{}
		}
		r.sink(f)
	})

	c.mu.Lock()
	c.session = s
	s.SetEager(c.eager)
	s.SetSparse(c.sparse)
	c.mu.Unlock()
	r.sessions++
	r.before, r.window, r.seen = rtsp.Stats{}, window{}, map[Warning]time.Time{}

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var floods flood
	var flooded error
	ended := make(chan error, 1)
	go func() {
		if c.cfg.Before != nil {
			if err := c.cfg.Before(ctx); err != nil {
				ended <- err
				return
			}
		}
		ended <- s.Run(ctx)
	}()

	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var since time.Time
	for {
		select {
		case <-first:
			since = time.Now()
			r.window = window{}
			c.cfg.Log.Info("camera streaming", "camera", c.cfg.Name)
			r.set(func(st *State) {
				st.Phase, st.Detail, st.NextAttempt, st.Presented, st.Flooded = Streaming, "", time.Time{}, nil, false
				st.Reconnects = r.sessions - 1
			})
			r.look(s.Stats(), false)
		case <-tick.C:
			r.look(s.Stats(), begun.Load())
			if flooded == nil {
				if flooded = floods.look(c.cfg, c.State()); flooded != nil {
					stop()
				}
			}
		case err = <-ended:
			if flooded != nil {
				err = flooded
			}
			stats := s.Stats()
			r.look(stats, false)
			r.lost += stats.Lost
			r.dropped += stats.Damaged + stats.Oversize
			c.mu.Lock()
			c.session = nil
			c.mu.Unlock()
			if !since.IsZero() {
				lasted = time.Since(since)
			}
			return lasted, err
		}
	}
}

// look brings State up to date from what a session counted. measure says whether rates mean anything.
func (r *runner) look(st rtsp.Stats, measure bool) {
	now := r.c.cfg.Now()
	r.warn(st, now)
	fps, bitrate := r.window.add(st.At, st.Pictures, st.Bytes)
	r.set(func(s *State) {
		if measure {
			s.FPS, s.Bitrate = fps, bitrate
		}
		s.Transport, s.TLS, s.Sub = string(st.Transport), st.TLS, st.Sub
		s.Lost, s.Dropped = r.lost+st.Lost, r.dropped+st.Damaged+st.Oversize
		s.ClockOffset, s.ClockKnown = st.ClockOffset, st.ClockKnown
		s.Warnings = r.warnings(now)
		if !st.LastPicture.IsZero() {
			s.LastFrame = st.LastPicture
		}
		if st.Stream != nil {
			s.Codecs, s.Skipped = codecs(st.Stream), st.Stream.Skipped
			if v := st.Stream.Video(); v >= 0 {
				s.Width, s.Height = st.Stream.Tracks[v].Width, st.Stream.Tracks[v].Height
			}
		}
	})
	r.before = st
}

func codecs(s *frame.Stream) []string {
	names := make([]string, len(s.Tracks))
	for i, t := range s.Tracks {
		names[i] = string(t.Codec)
	}
	return names
}

// set changes State and tells OnState of what people would notice.
func (r *runner) set(change func(*State)) {
	c := r.c
	c.mu.Lock()
	old := c.state
	s := old
	change(&s)
	s.Since = old.Since
	if s.Phase != old.Phase {
		s.Since = c.cfg.Now()
	}
	c.state = s
	c.mu.Unlock()
	if c.cfg.OnState != nil && (s.Phase != old.Phase || s.Detail != old.Detail || !slices.Equal(s.Warnings, old.Warnings)) {
		c.cfg.OnState(s)
	}
}

// window measures rates over the last five looks.
type window struct {
	at       [6]time.Time
	pictures [6]uint64
	bytes    [6]uint64
	n        int
	fps      float64
	bitrate  int64
}

// add takes totals and returns the rates since the oldest look that is kept.
func (w *window) add(now time.Time, pictures, bytes uint64) (fps float64, bitrate int64) {
	i := w.n % len(w.at)
	if last := (i + len(w.at) - 1) % len(w.at); !now.After(w.at[last]) {
		return w.fps, w.bitrate // The same count as before.
	}
	w.at[i], w.pictures[i], w.bytes[i] = now, pictures, bytes
	w.n++
	oldest := 0
	if w.n >= len(w.at) {
		oldest = w.n % len(w.at)
	}
	elapsed := now.Sub(w.at[oldest]).Seconds()
	if elapsed < 0.5 {
		return 0, 0
	}
	w.fps, w.bitrate = float64(pictures-w.pictures[oldest])/elapsed, int64(8*float64(bytes-w.bytes[oldest])/elapsed)
	return w.fps, w.bitrate
}
