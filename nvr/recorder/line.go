package recorder

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"cardea/camera/frame"
	"cardea/nvr/hub"
	"cardea/store"
	"cardea/store/vault"
)

// Settings say what to do with a camera's frames. They can be changed at any time.
type Settings struct {
	Mode              store.Mode
	Audio             bool
	PreRoll, PostRoll time.Duration
	// Vault and Recipient say whom clips are sealed to; a zero Recipient means that there is nobody yet.
	Vault     store.ID
	Recipient vault.Recipient
	// Previews asks for a preview of each clip, where LineConfig.Previews says of what.
	Previews bool
}

// LineConfig describes a line. Camera, Hub and Settings are required.
type LineConfig struct {
	Camera   store.ID
	Hub      *hub.Hub
	Settings Settings
	// Pull, when set, is called at each tick before frames are taken: what waits in the camera's socket is read and
	// published then, by the same goroutine. So one wake-up does for receiving and writing.
	Pull func()
	// Previews says where previews come from; nil where there is no sub-stream.
	Previews *Previews
	// OnEndless is called when the camera sends no key frame any more. It MUST NOT block.
	OnEndless func()
}

// State says what a line is doing.
type State struct {
	// Active is true while a clip is being written: Clip, since Since.
	Active bool
	Clip   store.ID
	Since  time.Time
	// Reason and Detail say why nothing is recorded: a store.Reason, or "mode-off" and "mode-event" when that is by
	// choice. Reason is empty while Active and before the first picture.
	Reason, Detail string
	// Dropped counts frames that the disk was too slow for.
	Dropped uint64
}

// The reasons in State for not recording by choice.
const (
	ByModeOff   = "mode-off"
	ByModeEvent = "mode-event"
)

// Line is the way of one camera's frames to its clips. Its methods may be called from any goroutine.
type Line struct {
	r    *Recorder
	slot *slot
	cfg  LineConfig
	log  *slog.Logger
	// stagger is what the first clip is longer by.
	stagger time.Duration

	mu      sync.Mutex
	want    Settings
	reason  store.Reason // why the camera sends nothing, "" = it does
	detail  string
	why     store.Reason // what the camera said when it broke off since the last clip began, "" = nothing
	whyText string
	until   time.Time // an event lasts until then
	closing bool
	final   store.Reason // of the gap to leave behind
	state   State
	done    chan struct{}

	// What follows belongs to the slot's goroutine.
	primed bool // the index was asked where recording ended
	reader *hub.Reader
	small  *hub.Reader // of the sub-stream, while previews are wanted
	clip   *clip
	opened bool      // a clip was opened before
	ended  time.Time // end of the newest clip, zero for none
	mark   store.Mark
	all    bool      // everything is to be recorded, so that what is not was missed
	past   int64     // the number of what a line files into the past (store.Missed); 0 for a live line
	before time.Time // where what is filed into the past has to end
	// lastStream and lastDTS are of the newest picture recorded.
	lastStream *frame.Stream
	lastDTS    int64
	gap        store.Reason // of the gap that is going on in the index
	gapText    string       // and its sentence
	noted      time.Time    // up to here the index knows why nothing was recorded
	trouble    trouble
	drops      hub.Drops
}

// trouble is why no clip can be opened for now.
type trouble struct {
	reason  store.Reason // "" = none
	detail  string
	until   time.Time // by the ticker's clock
	backoff time.Duration
}

// Add starts a line. The Recorder need not run yet. The caller closes the line.
func (r *Recorder) Add(cfg LineConfig) *Line {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.lines
	r.lines++
	// The golden ratio spreads any number of cameras evenly over a clip's length.
	_, part := math.Modf(float64(n) * 0.6180339887)
	l := &Line{
		r: r, slot: r.emptiest(), cfg: cfg, want: cfg.Settings, done: make(chan struct{}),
		stagger: time.Duration(part * float64(r.cfg.Length)),
		log:     r.cfg.Log.With("camera", cfg.Camera.String()),
	}
	l.slot.add(l)
	return l
}

// emptiest chooses the slot of a new line: the first that is not full, else the one with the fewest.
func (r *Recorder) emptiest() *slot {
	best, least := r.slots[0], math.MaxInt
	for _, s := range r.slots {
		s.mu.Lock()
		n := len(s.lines)
		s.mu.Unlock()
		if n < perSlot {
			return s
		}
		if n < least {
			best, least = s, n
		}
	}
	return best
}

// Set changes the settings. Another vault or switching sound begins a new clip at the next key frame; the rest takes
// effect at once.
func (l *Line) Set(s Settings) {
	l.mu.Lock()
	l.want = s
	l.mu.Unlock()
	l.slot.poke()
}

// Connection tells why the camera sends nothing: a gap reason and a sentence; "" while it sends or is about to.
func (l *Line) Connection(reason store.Reason, detail string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reason, l.detail = reason, detail
	if reason != "" {
		l.why, l.whyText = reason, detail
	}
}

// Trigger records in event mode: from the pre-roll until the given time plus post-roll. Later triggers extend it, they
// never shorten it. In the other modes it does nothing.
func (l *Line) Trigger(until time.Time) {
	l.mu.Lock()
	if until = until.Add(l.want.PostRoll); until.After(l.until) {
		l.until = until
	}
	l.mu.Unlock()
	l.slot.poke()
}

// State returns a snapshot.
func (l *Line) State() State {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}

// Close finishes the open clip and ends the line. It waits until that is done, or ctx is, or the Recorder has ended.
// reason begins a gap, "" for none.
func (l *Line) Close(ctx context.Context, reason store.Reason) error {
	l.mu.Lock()
	l.closing, l.final = true, reason
	l.mu.Unlock()
	l.slot.poke()
	select {
	case <-l.done:
		return nil
	case <-l.slot.ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("finish a clip: %w", ctx.Err())
	}
}
