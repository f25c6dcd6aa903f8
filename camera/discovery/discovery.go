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

	"golang.org/x/sync/errgroup"
)

// Rounds of questions: the first ones follow each other quickly, so that a lost packet costs a second; then they get rare.
const (
	firstRound   = time.Second
	longestRound = 2 * time.Minute
	// wakeEvery is how often Wake may begin again with quick rounds.
	wakeEvery = 2 * time.Second
	// pollEvery is how often interfaces are looked at.
	pollEvery = 2 * time.Second
	// keepHeard is how long a candidate stays that is not heard of any more: two of the longest rounds and a bit.
	keepHeard = 5 * time.Minute
	// keepScanned is the same for what a scan found, which is not asked again by itself.
	keepScanned = 15 * time.Minute
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
	woken atomic.Int64 // Unix nanoseconds of the latest Wake that counted

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

// Run listens and asks until ctx ends. Interfaces may come and go; that there is none is no error.
func (d *Discovery) Run(ctx context.Context) error {
	var g errgroup.Group
	g.Go(func() error { return d.ask(ctx) })
	g.Go(func() error { return d.follow(ctx) })
	return g.Wait()
}

// Wake asks the network again now, quickly at first. Calling it often costs nothing.
func (d *Discovery) Wake() {
	now, last := d.cfg.Now().UnixNano(), d.woken.Load()
	if now-last < int64(wakeEvery) && now >= last || !d.woken.CompareAndSwap(last, now) {
		return
	}
	select {
	case d.wake <- struct{}{}:
	default:
	}
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

// ask sends rounds of questions until ctx ends.
func (d *Discovery) ask(ctx context.Context) error {
	wait := firstRound
	for ctx.Err() == nil {
		round, cancel := context.WithTimeout(ctx, wait)
		var g errgroup.Group
		for _, s := range d.current() {
			s.probe()
		}
		g.Go(func() error { return d.browse(round) })
		select {
		case <-round.Done():
			wait = min(2*wait, longestRound)
		case <-d.wake:
			wait = firstRound
		}
		cancel()
		if err := g.Wait(); err != nil && ctx.Err() == nil {
			d.log.DebugContext(ctx, "mDNS cannot be asked", "error", err)
		}
		d.table.expire()
	}
	return nil
}

func (d *Discovery) current() []*segment {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.segments)
}

// again begins with quick rounds because the network has changed.
func (d *Discovery) again() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// follow keeps one segment running for each interface, as interfaces and addresses come and go.
func (d *Discovery) follow(ctx context.Context) error {
	var running sync.WaitGroup
	defer running.Wait()
	stop := map[*segment]context.CancelFunc{}
	defer func() {
		for _, cancel := range stop {
			cancel()
		}
	}()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		wanted, err := lanSegments(d.cfg.Interfaces)
		if err != nil {
			d.log.WarnContext(ctx, "the network interfaces cannot be listed", "error", err)
		}
		keep := make([]*segment, 0, len(wanted))
		changed := false
		for _, s := range d.current() {
			i := slices.IndexFunc(wanted, s.same)
			if i < 0 {
				stop[s]()
				delete(stop, s)
				d.table.drop(s.iface.Index)
				d.log.InfoContext(ctx, "cameras are not looked for on this interface any more", "interface", s.iface.Name)
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
				continue
			}
			run, cancel := context.WithCancel(ctx)
			stop[s] = cancel
			running.Go(func() { s.run(run) })
			keep = append(keep, s)
			changed = true
			d.log.InfoContext(ctx, "cameras are looked for", "interface", s.iface.Name, "addresses", s.prefixes)
		}
		d.mu.Lock()
		d.segments = keep
		d.mu.Unlock()
		if changed {
			d.again()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-poll.C:
		}
	}
}
