package rtsp

import (
	"context"
	"errors"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"cardea/camera/frame"
)

const (
	// watchEvery is how often a session looks after itself.
	watchEvery = time.Second
	// udpPatience is how long UDP may bring nothing before TCP is used.
	udpPatience = 3 * time.Second
	// rateOver is how many watchEvery the bit rate is averaged over for the low-water mark.
	rateOver     = 4
	maxRedirects = 3
)

var errConnectTimeout = errors.New("connect timeout")

// Session is one connection to one camera, from DESCRIBE to its end.
type Session struct {
	cfg  Config
	sink func(*frame.Frame)

	mu    sync.Mutex
	eager bool
	low   *lowWater
	demux *demux
	recv  *receiver
	// sparse is as SetSparse says.
	sparse time.Duration

	// pulls counts calls of Pull.
	pulls atomic.Uint64
}

// NewSession only allocates. sink is called for each frame, never from two goroutines at once, and MUST NOT
// block: while it runs, nothing is read from the camera.
func NewSession(cfg Config, sink func(*frame.Frame)) *Session {
	return &Session{cfg: cfg.withDefaults(), sink: sink}
}

// Run connects and delivers frames until ctx is done or the session ends; it always returns an error, which is
// ctx.Err() or one of this package's sentences. No goroutine of it is left then. It may be called once.
func (s *Session) Run(ctx context.Context) error {
	if err := s.cfg.Validate(); err != nil {
		return err
	}
	cfg := s.cfg
	for hops := 0; ; hops++ {
		err := s.transports(ctx, cfg)
		var elsewhere errRedirect
		if !errors.As(err, &elsewhere) {
			return err
		}
		if hops == maxRedirects {
			return ErrRefused{Code: 302, Message: "it sends us from address to address"}
		}
		if cfg, err = follow(cfg, elsewhere.to); err != nil {
			return err
		}
	}
}

// follow makes the configuration for the address that a camera sends us to. Protection is never given up on the
// way, and credentials are only meant for the host that they were given for.
func follow(cfg Config, to *url.URL) (Config, error) {
	if cfg.URL.Scheme == "rtsps" && to.Scheme != "rtsps" {
		return cfg, ErrRefused{Code: 302, Message: "it sends us to an address without protection"}
	}
	if to.Hostname() != cfg.URL.Hostname() {
		cfg.User, cfg.Password = "", ""
	}
	cfg.URL = to
	return cfg, nil
}

// transports tries one transport after the other.
func (s *Session) transports(ctx context.Context, cfg Config) error {
	order := []Transport{TCP, UDP}
	switch {
	case cfg.URL.Scheme == "rtsps" || cfg.Transport == TCP || cfg.Replay != nil:
		order = order[:1]
	case cfg.Transport == UDP:
		order = []Transport{UDP, TCP}
	}
	var err error
	for _, t := range order {
		err = s.once(ctx, cfg, t)
		var other errTransport
		if !errors.As(err, &other) {
			return err
		}
		if other.cause != nil {
			err = other.cause
		}
	}
	return err
}

// once is one connection over one transport, from its beginning to its end.
func (s *Session) once(ctx context.Context, cfg Config, t Transport) error {
	opening, cancel := context.WithTimeoutCause(ctx, cfg.ConnectTimeout, errConnectTimeout)
	defer cancel()
	l, err := dial(opening, cfg)
	if err != nil {
		return err
	}
	a := newAttempt(cfg, t, l, newReceiver(cfg, s.sink))
	a.recv.stats.Transport, a.recv.stats.TLS, a.recv.stats.SPKI = t, l.version, l.spki
	a.recv.publish(1)
	s.use(l.low, a.demux, a.recv)
	defer s.use(nil, nil, a.recv)
	err = a.open(opening)
	if err == nil {
		err = s.watch(ctx, a)
	}
	a.close()
	a.recv.publish(1)
	return err
}

func (s *Session) use(low *lowWater, d *demux, recv *receiver) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.low, s.demux, s.recv = low, d, recv
	recv.setSparse(s.sparse)
}

// Pull hands over what waits in the socket, on the caller's goroutine: sink is called before it returns, and never
// at the same time from elsewhere. It does not block, and does nothing while SetEager(true) is in force. Who calls it
// regularly, at least once in pulledFor, saves the reader's own wake-ups: the low-water mark is then raised to what
// comes in that time. Frames may be late by the caller's period.
func (s *Session) Pull() {
	s.mu.Lock()
	d := s.demux
	if s.eager {
		d = nil
	}
	s.mu.Unlock()
	if d != nil {
		s.pulls.Add(1)
		d.pull()
	}
}

// watch returns when the session is over, and sees to that when the camera does not.
func (s *Session) watch(ctx context.Context, a *attempt) error {
	// All sessions look after themselves at the same moments, the whole seconds, so that the processor wakes once
	// for all of them.
	tick := time.NewTimer(untilNext(watchEvery))
	defer tick.Stop()
	w := watchdog{cfg: a.cfg, began: time.Now()}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-a.ended:
			return a.explain()
		case now := <-tick.C:
			tick.Reset(untilNext(watchEvery))
			pulls := s.pulls.Load()
			pulled := pulls != w.pulls
			w.pulls = pulls
			if !pulled && a.transport == TCP {
				// Bytes below the mark are never older than this, however slow the camera becomes: RTCP,
				// answers to keep-alives and the stall detector are seen.
				a.demux.pull()
			}
			stats := a.recv.publish(a.link.low.markNow())
			a.recv.mu.Lock()
			packets, strangers := a.recv.packets, a.recv.strangers
			a.recv.mu.Unlock()
			// Also when packets come from another port, as VLC's do after a restart of its source: they are not
			// ours to take, and are not seen here at all.
			if strangers > anewAfter || a.transport == UDP && packets > 0 && w.quiet(now) > w.udpGap(stats) {
				return ErrAnew{}
			}
			if a.transport == UDP && packets == 0 && now.Sub(w.began) > udpPatience {
				return errTransport{cause: ErrStalled{For: now.Sub(w.began)}}
			}
			if err := w.look(now, stats); err != nil {
				return err
			}
			if a.transport == TCP {
				s.setMark(a.link.low, w.mark(stats.Bytes, pulled))
			}
		}
	}
}

// untilNext is the time to the next whole multiple of d.
func untilNext(d time.Duration) time.Duration {
	now := time.Now()
	return now.Truncate(d).Add(d).Sub(now)
}

// setMark sets the low-water mark unless somebody watches.
func (s *Session) setMark(low *lowWater, mark int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.eager {
		mark = 1
	}
	low.setMark(mark)
}

// SetEager says whether somebody watches live: then each packet wakes the reader. Else the socket may fill for
// about a quarter of a second, which is far cheaper. It may be called at any time.
func (s *Session) SetEager(eager bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.eager = eager
	if eager && s.low != nil {
		s.low.setMark(1)
	}
}

// Stats returns what was counted up to a second ago. It may be called at any time and never waits for a camera.
func (s *Session) Stats() Stats {
	s.mu.Lock()
	recv := s.recv
	s.mu.Unlock()
	if recv == nil {
		return Stats{}
	}
	return *recv.snapshot.Load()
}

// watchdog decides whether a stream still is one, and how many bytes are worth a wake-up.
type watchdog struct {
	cfg   Config
	began time.Time
	// first is when the first picture was seen; bytes are the counts of the last looks.
	first       time.Time
	bytes       [rateOver + 1]uint64
	looks       int
	lastBytes   uint64
	lastBytesAt time.Time
	pulls       uint64
}

// look returns why the session has to end, or nil.
func (w *watchdog) look(now time.Time, st Stats) error {
	if st.Bytes != w.lastBytes || w.lastBytesAt.IsZero() {
		w.lastBytes, w.lastBytesAt = st.Bytes, now
	}
	if w.first.IsZero() && !st.LastPicture.IsZero() {
		w.first = now
	}
	last := w.began
	if !st.LastPicture.IsZero() {
		last = st.LastPicture
	}
	if idle := now.Sub(last); idle > w.cfg.StallTimeout {
		return ErrStalled{For: idle, Bytes: now.Sub(w.lastBytesAt) < w.cfg.StallTimeout/2}
	}
	if st.KeyFrames == 0 && !w.first.IsZero() && now.Sub(w.first) > w.cfg.KeyTimeout {
		return ErrNoKeyFrame{For: now.Sub(w.first)}
	}
	return nil
}

// quiet is how long no byte of media has come.
func (w *watchdog) quiet(now time.Time) time.Duration {
	if w.lastBytesAt.IsZero() {
		return 0
	}
	return now.Sub(w.lastBytesAt)
}

// udpGap is how long UDP may bring nothing in mid-stream: 30 pictures' worth, from two seconds to half the time of
// the stall detector.
func (w *watchdog) udpGap(st Stats) time.Duration {
	most := w.cfg.StallTimeout / 2
	if st.Pictures == 0 {
		return most
	}
	gap := 30 * st.LastPicture.Sub(w.began) / time.Duration(st.Pictures)
	return min(max(gap, 2*time.Second), most)
}

// mark is the low-water mark for the bit rate of the last looks; none until it is known.
func (w *watchdog) mark(bytes uint64, pulled bool) int {
	copy(w.bytes[1:], w.bytes[:rateOver])
	w.bytes[0] = bytes
	if w.looks++; w.looks <= rateOver {
		return 1
	}
	mean := float64(bytes-w.bytes[rateOver]) / (rateOver * watchEvery.Seconds())
	latest := float64(bytes-w.bytes[1]) / watchEvery.Seconds()
	mark := markFor(min(mean, 2*latest), pulled)
	if mark > 1 {
		mark -= mark % minMark // in steps, so that it is not set anew each second
	}
	return mark
}
