// Package recorder turns the frames of cameras into sealed clips on the disk and rows in the index.
//
// Its nouns: Recorder, one for the box; Line, the way of one camera's frames to its clips; slot, a share of the box-wide
// ticker. It owns when a clip begins and ends, what is durable, what is announced, and which gap has which reason. It
// never holds a key that opens a clip, never deletes a clip (package retention does) and never slows down a camera:
// frames wait in the bounded queue of a hub reader, and what that cannot hold is counted and becomes a gap.
//
// # The tick
//
// One period (720 ms by default) has eight slots; each camera is handled once a period, in its slot: read what waits in its
// socket, cut it into parts, seal, one write, one fdatasync, then one transaction for all cameras of the slot. A slot
// takes four cameras before the next one is used, and more when all are full. Only
// then is a part known to anybody. So a kill or a power cut costs what arrived since the last tick, and the last,
// unfinished chunk of the age file. Nothing wakes up for a single frame.
//
// # Cutting
//
// A part begins at a key frame or at a tick. A clip begins at a key frame and ends at the first key frame that comes
// Length after its start or later; the first clip of each camera is up to Length longer, so that cameras do not all cut
// in the same second. A camera that sends no key frame any more is cut at MaxLength or MaxBytes; no later picture
// could be decoded in a clip of its own, so there is a gap "decode" until a key frame comes, and Settings.OnEndless
// asks for a new session, which cameras begin with one.
//
// # Time
//
// A clip's start is the wall time of its first frame; times in a clip follow the camera's timestamps. A start is never
// before the end of the clip before it, except after the clock was set back by more than clock.MaxSlew: that is
// believed, and clips may then overlap. A step forward leaves a gap "clock".
package recorder

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"cardea/store"
	"cardea/store/disk"
)

const (
	// slots is how many shares a period has.
	slots = 8
	// perSlot is how many cameras a slot takes before the next one is used: they share a transaction, which saves more than
	// spreading them would.
	perSlot = 4
)

// Config says where clips go and how they are cut. DB and Files are required.
type Config struct {
	DB    *store.DB
	Files *disk.Root
	// Now is the box's clock (package clock); time.Now when nil.
	Now func() time.Time
	Log *slog.Logger
	// Period is how often each camera's frames are read and written: 720 ms when zero, which keeps the loss at a power
	// cut below one second when a tick is late.
	Period time.Duration
	// Length is how long a clip is at least: 60 s when zero.
	Length time.Duration
	// MaxLength and MaxBytes cut a clip in which no key frame comes: 10 min and 512 MiB when zero.
	MaxLength time.Duration
	MaxBytes  int64
	// QueueBytes bounds what may wait for the disk for each camera: 8 MiB when zero.
	QueueBytes int
	// MakeSpace is called when the disk is full. It deletes what policy gives up first and returns the bytes freed.
	// nil = nothing can be freed.
	MakeSpace func(ctx context.Context, need int64) (int64, error)
	// OnMissed is called when there is something to be fetched from a camera that remembers, see store.AllMissed. It MUST NOT block.
	OnMissed func()
	// OnAlarm is called when an alarm begins (raised) and when it is over. It MUST NOT block.
	OnAlarm func(code, detail string, raised bool)
}

// Recorder writes the clips of all cameras. Its methods may be called from any goroutine.
type Recorder struct {
	cfg   Config
	slots [slots]*slot

	mu     sync.Mutex
	lines  int                // added so far
	torn   []store.ID         // clips given up, to be settled
	late   []store.ClosedClip // complete clips whose rows could not be closed
	alarms map[string]string

	settled chan struct{}
	stats   Stats
}

// Stats counts since New. The fields are updated atomically; read them through Recorder.Stats.
type Stats struct {
	Bytes, Parts, Clips, Dropped, Errors uint64
}

// New only allocates.
func New(cfg Config) *Recorder {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Period <= 0 {
		cfg.Period = 720 * time.Millisecond
	}
	if cfg.Length <= 0 {
		cfg.Length = time.Minute
	}
	if cfg.MaxLength <= 0 {
		cfg.MaxLength = 10 * time.Minute
	}
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = 512 << 20
	}
	if cfg.QueueBytes <= 0 {
		cfg.QueueBytes = 8 << 20
	}
	r := &Recorder{cfg: cfg, alarms: map[string]string{}, settled: make(chan struct{})}
	for i := range r.slots {
		r.slots[i] = newSlot(r)
	}
	return r
}

// Run records until ctx is done, then finishes every open clip and returns nil. Cameras should have stopped sending
// by then: what they still send is lost.
func (r *Recorder) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	start := time.Now()
	for i, s := range r.slots {
		wg.Go(func() { s.run(ctx, start.Add(time.Duration(i)*r.cfg.Period/slots)) })
	}
	wg.Go(func() { r.settleLoop(ctx) })
	wg.Wait()
	return nil
}

// Stats returns the counters.
func (r *Recorder) Stats() Stats {
	return Stats{
		Bytes:   atomic.LoadUint64(&r.stats.Bytes),
		Parts:   atomic.LoadUint64(&r.stats.Parts),
		Clips:   atomic.LoadUint64(&r.stats.Clips),
		Dropped: atomic.LoadUint64(&r.stats.Dropped),
		Errors:  atomic.LoadUint64(&r.stats.Errors),
	}
}

// raise starts an alarm, or changes the sentence of one that is on.
func (r *Recorder) raise(code, detail string) {
	r.mu.Lock()
	before, on := r.alarms[code]
	r.alarms[code] = detail
	r.mu.Unlock()
	if (!on || before != detail) && r.cfg.OnAlarm != nil {
		r.cfg.OnAlarm(code, detail, true)
	}
}

// clear ends alarms: something was written.
func (r *Recorder) clear(codes ...string) {
	for _, code := range codes {
		r.mu.Lock()
		detail, on := r.alarms[code]
		delete(r.alarms, code)
		r.mu.Unlock()
		if on && r.cfg.OnAlarm != nil {
			r.cfg.OnAlarm(code, detail, false)
		}
	}
}
