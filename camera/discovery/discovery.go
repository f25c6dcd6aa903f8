// Package discovery finds cameras on the local network: by mDNS, by WS-Discovery, and by a scan that a person starts.
//
// Its nouns: Discovery, which listens and asks for as long as it runs; Candidate, a device that may be a camera; Announcement,
// how the NVR and our own camera agent let themselves be found. It owns the sockets and the table of what was heard. It never
// opens a stream, never sends a credential, and believes nothing: whoever is on the network can say anything, so a candidate is a
// suggestion to a person, and pairing, a pin or a password is what makes a camera of it.
//
// What an answer can do is bounded by three rules. It counts only for the address it came from. That address must be private and
// belong to the network of the interface that heard it. And every source may say a limited number of things. README.md tells why.
package discovery

import (
	"context"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// Rounds of questions: the first ones follow each other quickly, so that a lost packet costs a second; then they get rarer.
	firstRound   = time.Second
	longestRound = 16 * time.Second
	// awake is how long the network is listened to after somebody wanted to know. After that nothing listens, so that an idle box
	// does not wake up for the chatter of others; a short look every idleEvery keeps the list from being empty at first.
	awake     = time.Minute
	idleEvery = 8 * time.Minute
	idleLook  = 5 * time.Second
	// keepHeard is how long a candidate stays while nobody wants to know, and how long what a scan found stays. While somebody wants to
	// know, a candidate is gone when it did not answer for keepSilent.
	keepHeard  = 2*idleEvery + 4*time.Minute
	keepSilent = 90 * time.Second
	// judgeSilence is how long to ask before silence means anything.
	judgeSilence = 20 * time.Second
)

// Config says where to look. The zero value looks on all LAN interfaces.
type Config struct {
	// Interfaces gives the interfaces to use; nil means those of LANInterfaces.
	Interfaces func() ([]net.Interface, error)
	// Now is the clock; time.Now where nil.
	Now func() time.Time
	Log *slog.Logger
}

// Discovery finds cameras. Its methods may be called from any goroutine; Candidates, Wake and Scan work only while Run runs.
type Discovery struct {
	cfg   Config
	log   *slog.Logger
	table *table
	wake  chan struct{}
	until atomic.Int64 // Unix nanoseconds up to which somebody wants to know

	mu       sync.Mutex
	segments []*segment
	scanning sync.Mutex // one scan at a time
}

// New only allocates.
func New(cfg Config) *Discovery {
	if cfg.Interfaces == nil {
		cfg.Interfaces = LANInterfaces
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Discovery{cfg: cfg, log: cfg.Log, table: newTable(cfg.Now), wake: make(chan struct{}, 1)}
}

// Run looks until ctx ends: for a minute after each Wake, and shortly now and then. Interfaces may come and go; that there is none is
// no error.
func (d *Discovery) Run(ctx context.Context) error {
	idle := time.NewTicker(idleEvery)
	defer idle.Stop()
	for ctx.Err() == nil {
		d.look(ctx)
		select {
		case <-ctx.Done():
		case <-idle.C:
		case <-d.wake:
			d.again()
		}
	}
	return nil
}

// Wake asks the network now, and listens for the next minute.
func (d *Discovery) Wake() {
	d.until.Store(time.Now().Add(awake).UnixNano())
	d.again()
}

// look listens and asks until nobody wants to know any more.
func (d *Discovery) look(ctx context.Context) {
	ctx, stop := context.WithCancel(ctx)
	var listening sync.WaitGroup
	opened := make(chan struct{})
	listening.Go(func() { d.follow(ctx, opened) })
	select {
	case <-opened:
		d.ask(ctx)
	case <-ctx.Done():
	}
	stop()
	listening.Wait()
}

// Candidates lists what was heard of lately, in a stable order.
func (d *Discovery) Candidates() []Candidate {
	return d.table.candidates(neighbours())
}

// Stats counts what was refused since the start, for tests and for whoever looks into a network.
type Stats struct {
	// Refused answers pointed somewhere else than to their sender, or came from an address that is not of the LAN.
	Refused uint64
	// Flooded packets came faster than a source may speak.
	Flooded uint64
	// Malformed packets could not be read.
	Malformed uint64
	// Hosts is how many addresses are known now.
	Hosts int
}

// Stats gives the counts.
func (d *Discovery) Stats() Stats {
	s := d.table.stats()
	return s
}

// ask sends rounds of questions until nobody wants to know, or ctx ends.
func (d *Discovery) ask(ctx context.Context) {
	started := time.Now()
	end := func() time.Time {
		if until := time.Unix(0, d.until.Load()); until.After(started.Add(idleLook)) {
			return until
		}
		return started.Add(idleLook)
	}
	wait := firstRound
	for ctx.Err() == nil && time.Now().Before(end()) {
		asked := time.Now()
		for _, s := range d.current() {
			s.probe()
		}
		if err := d.browse(ctx); err != nil && ctx.Err() == nil {
			d.log.DebugContext(ctx, "mDNS cannot be asked", "error", err)
		}
		if asked.Sub(started) > judgeSilence {
			d.table.silence(started)
		}
		next := time.NewTimer(time.Until(asked.Add(wait)))
		select {
		case <-ctx.Done():
		case <-next.C:
			wait = min(2*wait, longestRound)
		case <-d.wake:
			wait = firstRound
			select { // but not more than a round a second
			case <-ctx.Done():
			case <-time.After(time.Until(asked.Add(firstRound))):
			}
		}
		next.Stop()
	}
}

func (d *Discovery) current() []*segment {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.segments)
}

// again begins with quick rounds, because somebody asks or the network has changed.
func (d *Discovery) again() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// follow keeps one segment running for each interface, as interfaces and addresses come and go, until ctx ends. It closes opened when
// those that are there at first are open.
func (d *Discovery) follow(ctx context.Context, opened chan<- struct{}) {
	var running sync.WaitGroup
	defer running.Wait()
	stop := map[*segment]context.CancelFunc{}
	defer func() {
		for _, cancel := range stop {
			cancel()
		}
		d.mu.Lock()
		d.segments = nil
		d.mu.Unlock()
	}()
	first := sync.OnceFunc(func() { close(opened) })
	changes := watchNetwork(ctx)
	var retry <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-changes:
		case <-retry:
		}
		retry = nil
		wanted, err := lanSegments(d.cfg.Interfaces)
		if err != nil {
			d.log.WarnContext(ctx, "the network interfaces cannot be listed", "error", err)
			retry = time.After(pollEvery)
			continue
		}
		d.table.keepOnly(wanted)
		keep := make([]*segment, 0, len(wanted))
		changed := false
		for _, s := range d.current() {
			i := slices.IndexFunc(wanted, s.same)
			if i < 0 {
				stop[s]()
				delete(stop, s)
				d.log.DebugContext(ctx, "cameras are not looked for on this interface any more", "interface", s.iface.Name)
				continue
			}
			keep = append(keep, s)
			wanted = slices.Delete(wanted, i, i+1)
		}
		for _, s := range wanted {
			s.table, s.log = d.table, d.log
			if err := s.open(); err != nil {
				s.close()
				d.log.DebugContext(ctx, "an interface cannot be listened on yet", "interface", s.iface.Name, "error", err)
				retry = time.After(pollEvery)
				continue
			}
			run, cancel := context.WithCancel(ctx)
			stop[s] = cancel
			running.Go(func() { s.run(run) })
			keep = append(keep, s)
			changed = true
			d.log.DebugContext(ctx, "cameras are looked for", "interface", s.iface.Name, "addresses", s.prefixes)
		}
		d.mu.Lock()
		d.segments = keep
		d.mu.Unlock()
		first()
		if changed {
			d.again()
		}
	}
}
