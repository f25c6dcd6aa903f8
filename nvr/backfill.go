package nvr

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"sync"
	"time"

	"cardea/camera"
	"cardea/camera/frame"
	"cardea/camera/rtsp"
	"cardea/nvr/recorder"
	"cardea/store"
)

const (
	// remembered is how long a camera can remember at most (camera/agent), with something for the way.
	remembered = 11 * time.Minute
	// fetchers is how many cameras are fetched from at a time, one session each, and fetchRate how many bytes a second each of them gets:
	// less than the disk and the network have to spare beside recording.
	fetchers  = 2
	fetchRate = 8 << 20
	// After a break a camera is left alone for fetchFirst, and as much again at random, so that after a power cut live pictures come
	// first; after a failure for that, doubled each time, up to fetchLast.
	fetchFirst = time.Second
	fetchLast  = time.Minute
	// fetchEvery is how often it is looked for what is to be fetched, beside when there is news.
	fetchEvery = 10 * time.Second
	// fetchMost and fetchFor bound one session: more no camera remembers, whatever it sends.
	fetchMost = 1 << 30
	fetchFor  = 10 * time.Minute
	// fetchStall is how long a camera may bring nothing.
	fetchStall = 30 * time.Second
	// fetchClose bounds the end of a fetch that is broken off.
	fetchClose = 3 * time.Second
	// oldestMargin is what is given up of the oldest that a camera has: it is being overwritten.
	oldestMargin = time.Second
)

// Reasons for which there is nothing to be fetched any more.
var (
	errForgotten   = errors.New("the camera does not remember it")
	errAnotherMode = errors.New("the camera is not to be recorded all the time any more")
)

// fetch is what is known of one that is due.
type fetch struct {
	notBefore time.Time // on the monotonic clock
	wait      time.Duration
	busy      bool
}

// fetchMissed fetches what was missed from cameras that remember it, until ctx is done. The rows of store.Missed are all that it knows, so
// it goes on after a restart where it was.
func (n *NVR) fetchMissed(ctx context.Context) error {
	var (
		mu      sync.Mutex
		fetches = map[int64]*fetch{}
		group   sync.WaitGroup
		slots   = make(chan struct{}, fetchers)
	)
	defer group.Wait()
	for ctx.Err() == nil {
		missed, err := n.db.AllMissed(ctx)
		if err != nil && ctx.Err() == nil {
			n.log.WarnContext(ctx, "what was missed is not known", "error", err)
		}
		next := fetchEvery
		busy := map[store.ID]bool{}
		mu.Lock()
		for _, m := range missed {
			if f := fetches[m.No]; f != nil && f.busy {
				busy[m.Camera] = true
			}
		}
		for _, m := range missed {
			f := fetches[m.No]
			if f == nil {
				first := fetchFirst + rand.N(fetchFirst)
				f = &fetch{notBefore: time.Now().Add(first), wait: fetchFirst}
				fetches[m.No] = f
			}
			if wait := time.Until(f.notBefore); wait > 0 {
				next = min(next, wait)
				continue
			}
			if busy[m.Camera] {
				continue
			}
			select {
			case slots <- struct{}{}:
			default:
				continue // the one that ends looks again
			}
			busy[m.Camera], f.busy = true, true
			group.Go(func() {
				over := n.fetchOne(ctx, m)
				<-slots
				mu.Lock()
				f.busy = false
				if over {
					delete(fetches, m.No)
				} else {
					f.wait = min(2*f.wait, fetchLast)
					f.notBefore = time.Now().Add(f.wait/2 + rand.N(f.wait))
				}
				mu.Unlock()
				n.lookForMissed()
			})
		}
		mu.Unlock()
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-n.missed:
		}
		timer.Stop()
	}
	return nil
}

// lookForMissed wakes fetchMissed.
func (n *NVR) lookForMissed() {
	select {
	case n.missed <- struct{}{}:
	default:
	}
}

// fetchOne tries to fetch what was missed, and says whether the row is gone: because it was, or never can be.
func (n *NVR) fetchOne(ctx context.Context, m store.Missed) (over bool) {
	log := n.log.With(slog.String("camera", m.Camera.String()), slog.Time("from", m.Start), slog.Time("to", m.End))
	began := time.Now()
	bytes, err := n.fetchFrom(ctx, m, log)
	whole := err == nil
	switch {
	case whole:
		log.InfoContext(ctx, "fetched from the camera's memory", "bytes", bytes, "took", time.Since(began).Round(time.Millisecond))
	case ctx.Err() != nil:
		return false
	case errors.Is(err, errForgotten), errors.Is(err, errAnotherMode), errors.Is(err, recorder.ErrTimes), store.ErrorCode(err) == store.NotFound, n.clock.Now().Sub(m.End) > remembered:
		log.InfoContext(ctx, "what was missed stays a gap", "reason", err.Error())
	default:
		log.DebugContext(ctx, "what was missed is not fetched yet", "reason", err.Error())
		return false
	}
	if err := n.db.DropMissed(ctx, m, whole); err != nil && store.ErrorCode(err) != store.NotFound {
		log.WarnContext(ctx, "what was missed is not dropped", "error", err)
		return false
	}
	return true
}

// errNotNow says that the camera cannot be asked at the moment.
var errNotNow = errors.New("the camera is not connected")

// source gives what is needed to fetch from a camera.
func (n *NVR) source(ctx context.Context, id store.ID) (rtsp.Config, recorder.Settings, error) {
	r, err := n.runner(id)
	if err != nil {
		return rtsp.Config{}, recorder.Settings{}, err
	}
	r.mu.Lock()
	row, cam, ready := r.row, r.camera, r.device != nil && r.isolation == nil
	r.mu.Unlock()
	switch {
	case row.Mode != store.ModeContinuous:
		return rtsp.Config{}, recorder.Settings{}, errAnotherMode
	case row.Trust != store.TrustPaired || !ready || cam == nil || cam.State().Phase != camera.Streaming:
		return rtsp.Config{}, recorder.Settings{}, errNotNow
	}
	settings, err := n.settings(ctx, row)
	if err != nil {
		return rtsp.Config{}, settings, err
	}
	if settings.Recipient.IsZero() {
		return rtsp.Config{}, settings, errNotNow
	}
	address, err := url.Parse(row.URL)
	return rtsp.Config{URL: address, Mutual: r.mutual(), StallTimeout: fetchStall, Now: n.clock.Now, Log: n.log}, settings, err
}

// fetchFrom plays the camera's memory and files it. Where the camera does not have the beginning any more, it takes the rest.
func (n *NVR) fetchFrom(ctx context.Context, m store.Missed, log *slog.Logger) (bytes int64, err error) {
	cfg, settings, err := n.source(ctx, m.Camera)
	if err != nil {
		return 0, err
	}
	to := time.UnixMicro(m.Before)
	from := time.UnixMicro(m.After)
	if m.After == 0 {
		from = to.Add(-m.End.Sub(m.Start))
	}
	for range 3 {
		cfg.Replay = &rtsp.Replay{From: from, To: to}
		bytes, err = n.play(ctx, cfg, m, settings)
		var gone rtsp.ErrGone
		if !errors.As(err, &gone) {
			return bytes, err
		}
		if gone.Newest.IsZero() || !gone.Oldest.Before(to) || gone.Newest.Before(to) {
			return 0, errForgotten
		}
		log.DebugContext(ctx, "the camera has only a part of it", "since", gone.Oldest)
		// The second time around its oldest may have gone too.
		if from.After(gone.Oldest) {
			return 0, errForgotten
		}
		from = gone.Oldest.Add(oldestMargin)
	}
	return 0, errForgotten
}

// play is one session. It returns nil when it came to the picture that was recorded again.
func (n *NVR) play(ctx context.Context, cfg rtsp.Config, m store.Missed, settings recorder.Settings) (bytes int64, err error) {
	session, cancel := context.WithTimeout(ctx, fetchFor)
	defer cancel()
	past := n.recorder.File(m, settings)
	began, done := time.Now(), false
	var failed error
	s := rtsp.NewSession(cfg, func(f *frame.Frame) {
		if done || failed != nil || session.Err() != nil {
			return
		}
		if f.Stream.Life != m.Life || bytes > fetchMost {
			failed = errForgotten
			cancel()
			return
		}
		bytes += int64(f.Size)
		if done, failed = past.Write(session, f); done || failed != nil {
			cancel()
			return
		}
		// The camera waits while this does.
		if ahead := time.Duration(bytes*int64(time.Second)/fetchRate) - time.Since(began); ahead > 10*time.Millisecond {
			select {
			case <-session.Done():
			case <-time.After(ahead):
			}
		}
	})
	s.SetEager(true)
	err = s.Run(session)
	closing, stop := context.WithTimeout(context.WithoutCancel(ctx), fetchClose)
	defer stop()
	switch closed := past.Close(closing); {
	case failed != nil:
		return bytes, failed
	case done:
		return bytes, closed
	case closed != nil:
		return bytes, closed
	}
	return bytes, err
}
