// Package nvr is the recorder as a whole: one runner for each camera, and what people do with it.
//
// Its nouns: NVR, with a method for each use case; CameraStatus, Clip and Health, what people see; Feed and View, what somebody who
// watches live reads; Talk, the way to a camera's loudspeaker; runner, a camera with its hub and its line of recording. It owns who is connected and recorded at any moment, the settings of retention, alarms and
// backups. It never decides who may do what (package web does, on the loaded object), never serves a request and never sees an
// identity.
//
// Errors that a person can do something about are store.Error with a sentence; the errors of package rtsp, which Probe
// passes on inside of one, are sentences too.
package nvr

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"cardea/camera/pairing"
	"cardea/nvr/backup"
	"cardea/nvr/clock"
	"cardea/nvr/machine"
	"cardea/nvr/recorder"
	"cardea/nvr/retention"
	"cardea/store"
	"cardea/store/disk"
	"cardea/store/vault"
)

// Config says what the recorder works with. DB, Clips and BoxKey are required.
type Config struct {
	DB *store.DB
	// Clips is the directory of the clips, from DB.OpenRoot.
	Clips *disk.Root
	// Dir is the data directory; the nightly backup takes DIR/keys from there.
	Dir    string
	BoxKey *vault.BoxKey
	// Devices is the certificate authority of paired cameras; without one none can be paired or connected.
	Devices DeviceAuthority
	// Clock reads this machine's clocks; clock.System() when nil. Built is when the program was built: time before that
	// is wrong for certain. It may be zero.
	Clock clock.Source
	Built time.Time
	// Machine reads the computer; the zero value reads the one it runs on.
	Machine machine.Machine
	Log     *slog.Logger
	// Period is how often frames are written, see package recorder; Length is that of a clip. Zero for the defaults.
	Period, Length time.Duration
}

// NVR is the recorder as a whole. Its methods may be called from any goroutine.
type NVR struct {
	cfg      Config
	db       *store.DB
	log      *slog.Logger
	clock    *clock.Clock
	recorder *recorder.Recorder
	keeper   *retention.Keeper
	backup   *backup.Maker
	alarms   alarms
	events   chan event
	logs     logs
	bundles  bundles
	hardware hardware

	timeChanged chan struct{} // the setting of the time server; holds one
	suspects    chan suspicion
	missed      chan struct{} // there is something to be fetched; holds one

	change sync.Mutex // one use case that changes cameras or vaults at a time

	pairer      pairing.NVR
	pairing     sync.Mutex // one pairing at a time
	rolling     sync.Mutex
	wakeDevices chan struct{}

	mu      sync.Mutex
	runners map[store.ID]*runner
	running context.Context //nolint:containedctx // that of the cameras while Run runs, else nil
	cameras sync.WaitGroup  // runners' goroutines
}

// Open prepares the recorder and looks at what a crash left behind; nothing records before Run. The caller closes DB and
// Clips after Run has returned.
func Open(ctx context.Context, cfg Config) (*NVR, error) {
	if cfg.DB == nil || cfg.Clips == nil || cfg.BoxKey == nil {
		return nil, errors.New("open recorder: database, clips and box key are required")
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.System()
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	floor, err := cfg.DB.ClockFloor(ctx)
	if err != nil {
		return nil, fmt.Errorf("open recorder: %w", err)
	}
	if cfg.Built.After(floor) {
		floor = cfg.Built
	}
	n := &NVR{
		cfg: cfg, db: cfg.DB, log: cfg.Log, clock: clock.New(cfg.Clock, floor),
		runners: map[store.ID]*runner{}, events: make(chan event, 256), timeChanged: make(chan struct{}, 1), wakeDevices: make(chan struct{}, 1), suspects: make(chan suspicion, 64),
	}
	n.missed = make(chan struct{}, 1)
	n.alarms.now = n.clock.Now
	n.hardware.machine = cfg.Machine
	n.pairer = pairing.NVR{Issuer: cfg.Devices, Now: n.clock.Now}
	n.keeper = retention.New(retention.Config{DB: cfg.DB, Files: cfg.Clips, Now: n.clock.Now, Suspect: n.clock.Suspect, OnAlarm: n.alarm, Log: cfg.Log})
	n.backup = backup.New(backup.Config{DB: cfg.DB, Files: cfg.Clips, Dir: cfg.Dir, Now: n.clock.Now, Log: cfg.Log})
	n.recorder = recorder.New(recorder.Config{
		DB: cfg.DB, Files: cfg.Clips, Now: n.clock.Now, Log: cfg.Log, Period: cfg.Period, Length: cfg.Length,
		MakeSpace: n.keeper.MakeSpace, OnAlarm: n.alarm, OnMissed: n.lookForMissed,
	})
	if err := n.openLogs(ctx); err != nil {
		return nil, fmt.Errorf("open recorder: %w", err)
	}
	if err := n.db.SettleReplacements(ctx, cfg.Clips); err != nil && !errors.Is(err, disk.ErrNotMounted) {
		return nil, fmt.Errorf("open recorder: %w", err)
	}
	if err := n.recorder.Recover(ctx); err != nil {
		return nil, fmt.Errorf("open recorder: %w", err)
	}
	if err := n.endAlarms(ctx); err != nil {
		return nil, fmt.Errorf("open recorder: %w", err)
	}
	if err := n.endHeard(ctx); err != nil {
		return nil, fmt.Errorf("open recorder: %w", err)
	}
	if err := n.addRunners(ctx); err != nil {
		return nil, fmt.Errorf("open recorder: %w", err)
	}
	n.lookForVault(ctx)
	return n, nil
}

// addRunners makes the runners of all cameras in use.
func (n *NVR) addRunners(ctx context.Context) error {
	cameras, err := n.db.Cameras(ctx)
	if err != nil {
		return err
	}
	// Events that last go on over a restart.
	offline, err := n.db.Events(ctx, store.EventQuery{Kind: "camera.offline", Limit: 1000})
	if err != nil {
		return err
	}
	lasting := map[store.ID]store.ID{}
	for _, e := range offline {
		if e.End.IsZero() {
			lasting[e.Camera] = e.ID
		}
	}
	isolations, err := n.loadIsolations(ctx)
	if err != nil {
		return err
	}
	for _, c := range cameras {
		if err := n.addRunner(ctx, c, lasting[c.ID], isolations[c.ID]); err != nil {
			return err
		}
	}
	n.alarmIsolated()
	return nil
}

// Run records until ctx is done. It then stops the cameras and finishes all clips, which takes less than five seconds.
func (n *NVR) Run(ctx context.Context) error {
	// Drain, then cancel: cameras stop first, then the recorder takes what they sent, then events are stored.
	recording, stopRecorder := context.WithCancel(context.WithoutCancel(ctx))
	defer stopRecorder()
	storing, stopEvents := context.WithCancel(context.WithoutCancel(ctx))
	defer stopEvents()
	var g errgroup.Group
	g.Go(func() error { return n.storeEvents(storing) })
	g.Go(func() error { return n.keepLogs(storing) })
	var disk errgroup.Group
	disk.Go(func() error { return n.recorder.Run(recording) })
	disk.Go(func() error { return n.keeper.Run(ctx) })
	disk.Go(func() error { return n.watchClock(ctx) })
	disk.Go(func() error { return n.watchDisk(ctx) })
	disk.Go(func() error { return n.serveTime(ctx) })
	disk.Go(func() error { return tuneHeap(ctx) })
	disk.Go(func() error { return n.keepDevices(ctx) })
	disk.Go(func() error { return n.watchCameras(ctx) })
	disk.Go(func() error { return n.fetchMissed(ctx) })
	disk.Go(func() error { return n.backup.Run(ctx, n.backedUp) })
	n.mu.Lock()
	n.running = ctx
	for _, r := range n.runners {
		n.start(ctx, r)
	}
	n.mu.Unlock()
	<-ctx.Done()
	n.mu.Lock()
	n.running = nil
	n.mu.Unlock()
	stopped := make(chan struct{})
	go func() {
		n.cameras.Wait()
		close(stopped)
	}()
	select {
	case <-stopped:
	case <-time.After(cameraPatience): // a camera that does not let go must not cost the clips of the others
	}
	stopRecorder()
	err := disk.Wait()
	<-stopped
	stopEvents()
	return errors.Join(err, g.Wait())
}

// cameraPatience is how long the end of the program waits for cameras before it finishes the clips.
const cameraPatience = time.Second

// start runs a camera as long as ctx lasts. The caller holds n.mu.
func (n *NVR) start(ctx context.Context, r *runner) {
	r.started.Store(true)
	n.cameras.Go(func() { r.run(ctx) })
}

// Ready is closed when everything that a crash left behind is settled. Without Run it never is.
func (n *NVR) Ready() <-chan struct{} { return n.recorder.Settled() }

// Now is the box's time of day, see package clock.
func (n *NVR) Now() time.Time { return n.clock.Now() }

// watchClock stores the clock's floor and tells people of jumps.
func (n *NVR) watchClock(ctx context.Context) error {
	t := time.NewTicker(time.Minute)
	defer t.Stop()
	for {
		n.lookAtClock(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

func (n *NVR) lookAtClock(ctx context.Context) {
	for _, s := range n.clock.Steps() {
		n.log.WarnContext(ctx, "the system clock was set", "before", s.Before, "after", s.After)
		n.emit(event{Event: store.Event{
			Kind: "system", Start: s.After, End: s.After, Source: "clock", Labels: []string{"clock"},
			Data: object(map[string]any{"before": s.Before, "after": s.After}),
		}})
	}
	switch {
	case n.clock.Behind():
		n.alarm("clock", "The clock of this box is wrong: it shows a time that has passed already. Connect it to a network with a time server; until then recordings carry estimated times.", true)
	case n.clock.Suspect():
		n.alarm("clock", "The clock of this box has jumped. Check the date; no recordings are deleted for their age until it has been steady for a day.", true)
	default:
		n.alarm("clock", "", false)
	}
	if err := n.db.RaiseClockFloor(ctx, n.clock.Floor()); err != nil && ctx.Err() == nil {
		n.log.WarnContext(ctx, "the clock's floor is not stored", "error", err)
	}
}
