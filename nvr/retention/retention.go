// Package retention deletes clips that are not to be kept any longer, and says how long recordings will last.
//
// Its nouns: Policy, what a person set for the whole box; Keeper, which applies it. It owns the order of deletion and the
// limits on it. It never decides what is recorded and never touches a clip that is being written or is marked to be kept.
//
// Clips go oldest first, for one of four reasons, each stored with the deletion: "camera" (a person removed the camera
// with its clips), "age" (days of the box or the camera), "bytes" (limit of the camera or the box) and "space" (the disk
// must keep some space free). Deletion runs in the mirror order of creation: row to garbage in one transaction, unlink,
// directory fsync, garbage row; what a crash interrupts is finished at the next start.
//
// Age is the only reason that depends on the clock, and clocks are wrong at times. So nothing is deleted for its age while
// the clock is suspect (package clock), and never more than AgeShare of the store within an hour; only where a single clip
// is more than that, one clip may go.
//
// What a person keeps for ever is taken by none of these. It counts towards limits of bytes, up to half of each, so that there is
// always room for what is new. It can fill the disk: then the last Spared of everything else stays, recorded into the space that
// should be free, and when the disk is full in earnest MakeSpace takes that too before recording stops. An alarm tells people of both.
package retention

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"cardea/store"
	"cardea/store/disk"
)

const (
	// DefaultDays is how long clips are kept where nothing else is set.
	DefaultDays = 30
	// AgeShare is the part of the store's bytes that may be deleted for its age within AgeWindow.
	AgeShare  = 0.05
	AgeWindow = time.Hour
	// Spared is what goes for lack of space only when the disk is full: with kept clips all over the disk, nothing else would
	// live longer than a minute.
	Spared = 30 * time.Minute
	// AlarmKept is the code of the alarm that kept clips leave little room.
	AlarmKept = "disk-kept"

	// The default of Policy.MinFree: the larger of the two.
	minFreeBytes = 2 << 30
	minFreeShare = 0.05

	passEvery = time.Minute
	batch     = 50
)

// The settings that hold the policy.
const (
	keyDays    = "retention.days"
	keyBytes   = "retention.bytes"
	keyMinFree = "retention.min_free"
)

// Policy is what a person set for the whole box.
type Policy struct {
	// Days is how long clips are kept.
	Days int
	// Bytes is what all clips together may take, 0 = what the disk holds.
	Bytes int64
	// MinFree is what is kept free on the disk of the clips; 0 = the larger of 2 GiB and 5 % of the disk.
	MinFree int64
}

// Load reads the policy. What is not set has its default.
func Load(ctx context.Context, db *store.DB) (Policy, error) {
	all, err := db.Settings(ctx)
	if err != nil {
		return Policy{}, err
	}
	p := Policy{Days: DefaultDays}
	for key, set := range map[string]func(int64){
		keyDays:    func(v int64) { p.Days = int(v) },
		keyBytes:   func(v int64) { p.Bytes = v },
		keyMinFree: func(v int64) { p.MinFree = v },
	} {
		text, ok := all[key]
		if !ok {
			continue
		}
		v, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return Policy{}, fmt.Errorf("read setting %s: %w", key, err)
		}
		set(v)
	}
	return p, nil
}

// Save stores the policy. A value that makes no sense is a store.Error of code Invalid.
func Save(ctx context.Context, db *store.DB, p Policy) error {
	switch {
	case p.Days < 1 || p.Days > 36500:
		return store.Errorf(store.Invalid, "recordings are kept for 1 to 36500 days")
	case p.Bytes < 0 || p.Bytes > 0 && p.Bytes < 100<<20:
		return store.Errorf(store.Invalid, "the limit for all recordings is at least 100 MiB, or 0 for none")
	case p.MinFree < 0:
		return store.Errorf(store.Invalid, "the space to keep free cannot be negative")
	}
	return db.PutSettings(ctx, map[string]string{
		keyDays:    strconv.Itoa(p.Days),
		keyBytes:   strconv.FormatInt(p.Bytes, 10),
		keyMinFree: strconv.FormatInt(p.MinFree, 10),
	})
}

// minFree is what must stay free on a disk of the given size.
func (p Policy) minFree(total int64) int64 {
	if p.MinFree > 0 {
		return p.MinFree
	}
	// A disk of a few gigabytes would otherwise hold nothing at all.
	return min(max(minFreeBytes, int64(float64(total)*minFreeShare)), total/4)
}

// Config says what a Keeper works with. DB and Files are required.
type Config struct {
	DB    *store.DB
	Files *disk.Root
	// Now is the box's clock; time.Now when nil. Suspect says whether it may be far off; never when nil.
	Now     func() time.Time
	Suspect func() bool
	// OnAlarm is called in each pass with the alarm of kept clips, raised or over; it MUST NOT block. nil = nobody.
	OnAlarm func(code, detail string, raised bool)
	Log     *slog.Logger
}

// Keeper applies the policy. Its methods may be called from any goroutine.
type Keeper struct {
	cfg Config

	mu   sync.Mutex // one deletion at a time
	aged []deletion // for their age, within the last AgeWindow
	// short is whether kept clips leave little room, found in this pass.
	short bool

	wake chan struct{}
}

type deletion struct {
	at    time.Time // monotonic
	bytes int64
}

// New only allocates.
func New(cfg Config) *Keeper {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Suspect == nil {
		cfg.Suspect = func() bool { return false }
	}
	if cfg.OnAlarm == nil {
		cfg.OnAlarm = func(string, string, bool) {}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Keeper{cfg: cfg, wake: make(chan struct{}, 1)}
}

// Run applies the policy once a minute, and soon after Wake, until ctx is done. It returns nil; a pass that does not
// work is logged and tried again.
func (k *Keeper) Run(ctx context.Context) error {
	t := time.NewTicker(passEvery)
	defer t.Stop()
	for {
		if err := k.Pass(ctx); err != nil && ctx.Err() == nil {
			k.cfg.Log.WarnContext(ctx, "retention did not finish", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		case <-k.wake:
		}
	}
}

// Wake asks for a pass soon: a setting changed or a camera was removed.
func (k *Keeper) Wake() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}
