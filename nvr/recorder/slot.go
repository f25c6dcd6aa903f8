package recorder

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"cardea/camera/frame"
	"cardea/store"
)

// finishWithin bounds what the end of the program may wait for the index.
const finishWithin = 4 * time.Second

// keepBuffer is what a slot's buffer may keep for the next tick. A burst, such as an event's pre-roll, may need more.
const keepBuffer = 2 << 20

// slot handles its share of the cameras once a period. Everything but mu's fields belongs to the goroutine of run.
type slot struct {
	r     *Recorder
	bell  chan struct{} // somebody was added or closes
	ended chan struct{} // run has returned

	mu    sync.Mutex
	lines []*Line

	frames []*frame.Frame    // taken from a reader
	out    []byte            // sealed bytes of the clip at hand, not written yet
	dirty  []*clip           // written in this tick
	batch  []store.ClipParts // durable, not announced
	work   []*Line
}

func newSlot(r *Recorder) *slot {
	return &slot{r: r, bell: make(chan struct{}, 1), ended: make(chan struct{})}
}

func (s *slot) add(l *Line) {
	s.mu.Lock()
	s.lines = append(s.lines, l)
	s.mu.Unlock()
	s.poke()
}

func (s *slot) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.lines) == 0
}

// poke makes the slot look at its lines now.
func (s *slot) poke() {
	select {
	case s.bell <- struct{}{}:
	default:
	}
}

// run ticks at start and each period after it, as long as there are lines.
func (s *slot) run(ctx context.Context, start time.Time) {
	defer close(s.ended)
	// What has begun runs to its end; only then is looked whether the program ends.
	work := context.WithoutCancel(ctx)
	timer := time.NewTimer(time.Until(start))
	defer timer.Stop()
	for {
		due := timer.C
		if s.idle() {
			due = nil // the bell rings for the first line; a tick that was due meanwhile comes at once
		}
		select {
		case <-ctx.Done():
			s.finish()
			return
		case <-s.bell:
			s.look(work)
			continue
		case <-due:
		}
		s.tick(work)
		// Late ticks are left out, not made up for: the next one takes more frames.
		now := time.Now()
		start = start.Add(s.r.cfg.Period)
		if late := now.Sub(start); late > 0 {
			start = start.Add((late/s.r.cfg.Period + 1) * s.r.cfg.Period)
		}
		timer.Reset(start.Sub(now))
	}
}

// all copies the lines, so that nothing is locked while the disk is waited for.
func (s *slot) all() []*Line {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.work = append(s.work[:0], s.lines...)
	return s.work
}

// tick is the recording line of one slot: take, cut, seal, write; make durable; announce.
func (s *slot) tick(ctx context.Context) {
	for _, l := range s.all() {
		l.collect(ctx)
	}
	s.commit(ctx)
	if cap(s.out) > keepBuffer {
		s.out = nil
	}
}

// commit makes what was written durable, then announces it in one transaction.
func (s *slot) commit(ctx context.Context) {
	for _, c := range s.dirty {
		c.dirty = false
		if c.line.clip != c {
			continue // given up, or finished and announced already
		}
		if err := c.file.Datasync(); err != nil {
			c.line.giveUp(ctx, err)
			continue
		}
		c.synced = c.bytes
		c.line.recovered()
	}
	clear(s.dirty)
	s.dirty = s.dirty[:0]
	s.batch = s.batch[:0]
	for _, l := range s.work {
		if l.clip != nil {
			if entry, ok := l.clip.durable(); ok {
				s.batch = append(s.batch, entry)
			}
		}
	}
	if len(s.batch) == 0 {
		return
	}
	if err := s.r.cfg.DB.AppendParts(ctx, s.batch); err != nil {
		// The parts stay with their clips; the next tick tries again with more of them.
		s.r.cfg.Log.ErrorContext(ctx, "parts are not in the index yet", "error", err)
		s.r.raise("index", "The index cannot be written: "+err.Error())
		return
	}
	s.r.clear("index")
	for _, l := range s.work {
		if l.clip != nil {
			atomic.AddUint64(&s.r.stats.Parts, uint64(l.clip.announced()))
		}
	}
}

// look starts lines that wait for nothing but to be told, and ends those that are closing.
func (s *slot) look(ctx context.Context) {
	for _, l := range s.all() {
		l.mu.Lock()
		closing, final := l.closing, l.final
		l.mu.Unlock()
		if !closing {
			if l.reader == nil {
				l.collect(ctx)
			}
			continue
		}
		l.collect(ctx)
		l.end(ctx, final)
		s.mu.Lock()
		if i := slices.Index(s.lines, l); i >= 0 {
			s.lines = slices.Delete(s.lines, i, i+1)
		}
		s.mu.Unlock()
		close(l.done)
	}
}

// finish ends all lines when the program does.
func (s *slot) finish() {
	ctx, cancel := context.WithTimeout(context.Background(), finishWithin)
	defer cancel()
	for _, l := range s.all() {
		l.collect(ctx)
		l.end(ctx, store.GapOff)
	}
}
