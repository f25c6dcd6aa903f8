package nvr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"cardea/camera"
	"cardea/nvr/hub"
	"cardea/nvr/recorder"
	"cardea/store"
	"cardea/store/vault"
)

const (
	// prerollBytes bounds the pre-roll of a camera in memory.
	prerollBytes = 32 << 20
	// All cameras that record all the time share this for the newest pictures of each, which give a viewer something to
	// see at once; each has at least and at most so much.
	cacheBytes    = 24 << 20
	minCacheBytes = 512 << 10
	maxCacheBytes = 4 << 20
	// keepHistory is how many changes of a camera's state are remembered.
	keepHistory = 100
)

// runner is a camera that is in use: its connection, its hub, its line of recording. The hub and the line stay when the
// connection is made anew.
type runner struct {
	n    *NVR
	id   store.ID
	hub  *hub.Hub
	line *recorder.Line
	sub  *substream
	// started says that run was begun: without it no camera is connected, as in a command without an NVR.
	started atomic.Bool

	mu      sync.Mutex
	row     store.Camera
	camera  *camera.Camera
	cancel  context.CancelFunc // of the connection
	removed bool
	eager   bool
	talk    talkState
	online  bool
	offline store.ID // the event that lasts while the camera is not there
	history []Change // newest last
	stopped chan struct{}
	device  *store.Device // of a paired camera; nil when it was revoked, and for other cameras
	// isolation is why there is no connection, until a person decides; nil while there may be one.
	isolation *store.Isolation
	syncing   sync.Mutex // one at a time looks after it
	control   control    // what people do with it over ONVIF
	// endListening begins to listen to what it notices anew.
	endListening context.CancelFunc
}

// credentials are what a camera's row holds sealed.
type credentials struct {
	User     string `json:"user"`
	Password string `json:"password"`
}

// addRunner makes the runner of a camera and starts it when the NVR runs. offline is an event that lasts, isolation why the
// camera is to be left alone.
func (n *NVR) addRunner(ctx context.Context, row store.Camera, offline store.ID, isolation *store.Isolation) error {
	settings, err := n.settings(ctx, row)
	if err != nil {
		return err
	}
	device, err := n.loadDevice(ctx, row)
	if err != nil {
		return err
	}
	r := &runner{n: n, id: row.ID, row: row, device: device, offline: offline, isolation: isolation, stopped: make(chan struct{})}
	r.hub, r.sub = hub.New(hub.Config{OnAttention: r.attend}), newSubstream(r)
	r.line = n.recorder.Add(recorder.LineConfig{
		Camera: row.ID, Hub: r.hub, Settings: settings, Pull: r.pull, OnEndless: r.reconnect,
		Previews: &recorder.Previews{Hub: r.sub.hub, Want: r.sub.wantPreviews},
	})
	n.mu.Lock()
	n.runners[row.ID] = r
	n.mu.Unlock()
	n.sizeCaches()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.running != nil {
		n.start(n.running, r)
	}
	return nil
}

// sizeCaches says what each camera's hub is to remember.
func (n *NVR) sizeCaches() {
	all := n.all()
	share := min(max(cacheBytes/max(1, len(all)), minCacheBytes), maxCacheBytes)
	for _, r := range all {
		r.mu.Lock()
		preroll, bytes := time.Duration(0), share
		if r.row.Mode == store.ModeEvent {
			preroll, bytes = r.row.PreRoll, prerollBytes
		}
		r.mu.Unlock()
		r.hub.SetCache(preroll, bytes)
	}
}

// settings gives what the recorder needs to know of a camera.
func (n *NVR) settings(ctx context.Context, row store.Camera) (recorder.Settings, error) {
	s := recorder.Settings{Mode: row.Mode, Audio: row.Audio, PreRoll: row.PreRoll, PostRoll: row.PostRoll}
	previews, err := n.previews(ctx)
	if err != nil {
		return s, err
	}
	s.Previews = previews && row.SubURL != ""
	v, err := n.db.Vault(ctx, row.Vault)
	if err == nil && !v.Retired.IsZero() {
		v, err = n.db.Vault(ctx, store.ID{}) // a retired vault takes nothing new
	}
	if store.ErrorCode(err) == store.NotFound {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	if s.Recipient, err = vault.ParseRecipient(v.Recipient); err != nil {
		return s, fmt.Errorf("vault %s: %w", v.ID, err)
	}
	s.Vault = v.ID
	return s, nil
}

// refresh hands changed settings to all lines.
func (n *NVR) refresh(ctx context.Context) error {
	var errs []error
	for _, r := range n.all() {
		r.mu.Lock()
		row := r.row
		r.mu.Unlock()
		s, err := n.settings(ctx, row)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		r.line.Set(s)
	}
	return errors.Join(errs...)
}

func (n *NVR) all() []*runner {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := make([]*runner, 0, len(n.runners))
	for _, r := range n.runners {
		out = append(out, r)
	}
	return out
}

func (n *NVR) runner(id store.ID) (*runner, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if r := n.runners[id]; r != nil {
		return r, nil
	}
	return nil, store.Errorf(store.NotFound, "there is no camera %s", id)
}

// run keeps the camera connected until ctx is done or the camera is removed.
func (r *runner) run(ctx context.Context) {
	defer close(r.stopped)
	for ctx.Err() == nil {
		connection, cancel := context.WithCancel(ctx)
		if r.keepAway(cancel) {
			<-connection.Done()
			cancel()
			continue
		}
		cam, err := r.connect(connection, cancel)
		var beside sync.WaitGroup
		if err == nil {
			beside.Go(func() { r.sub.run(connection) })
			beside.Go(func() { r.listen(connection) })
			err = cam.Run(connection, r.hub.Publish)
		}
		if connection.Err() == nil {
			// Nothing but a row that cannot be used gets here: it stays so until a person changes it.
			r.n.log.ErrorContext(ctx, "camera cannot be connected", "camera", r.id.String(), "error", err)
			<-connection.Done()
		}
		cancel()
		beside.Wait()
		r.mu.Lock()
		removed := r.removed
		r.mu.Unlock()
		if removed {
			return
		}
	}
}

// connect makes the camera that the row describes.
func (r *runner) connect(connection context.Context, cancel context.CancelFunc) (*camera.Camera, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.talk.connection, r.cancel = connection, cancel
	if r.removed {
		cancel()
	}
	cfg, err := r.config(r.row, r.row.URL)
	if errors.Is(err, errSecret) {
		r.setHistory(camera.State{Phase: camera.Unusable, Since: r.n.clock.Now(), Detail: lostSecret})
		r.line.Connection(store.GapRefused, lostSecret)
	}
	if err != nil {
		return nil, err
	}
	cfg.OnState = r.onState
	if r.row.Trust == store.TrustPaired {
		cfg.Before = r.sync
	}
	r.camera = camera.New(cfg)
	r.camera.SetEager(r.eager)
	return r.camera, nil
}

// errSecret says that a stored password does not open.
var errSecret = errors.New("the stored password does not open")

// config says how one of a camera's streams is reached, and how it has to prove itself.
func (r *runner) config(row store.Camera, text string) (camera.Config, error) {
	address, err := url.Parse(text)
	if err != nil {
		return camera.Config{}, errors.New("the stored address is no URL")
	}
	account, err := r.n.credentials(row)
	if err != nil {
		return camera.Config{}, fmt.Errorf("%w: %w", errSecret, err)
	}
	cfg := camera.Config{
		Name: row.Name, URL: address, User: account.User, Password: account.Password, Pin: row.Pin,
		Transport: row.Transport, AllowTLS12: row.AllowTLS12, Now: r.n.clock.Now, Log: r.n.log,
	}
	if row.Trust == store.TrustPaired {
		cfg.Mutual = r.mutual()
	}
	return cfg, nil
}

const lostSecret = "The stored password of this camera does not open with the key of this box (keys/box.key). Enter it again, or put the key back from a backup."

// sealContext binds credentials to the host they are for, so that nobody who can write to the database can have them sent
// to another one.
func sealContext(host string) []byte { return []byte("camera credentials for " + host) }

// credentials opens what a row holds.
func (n *NVR) credentials(row store.Camera) (credentials, error) {
	if len(row.Secret) == 0 {
		return credentials{}, nil
	}
	address, err := url.Parse(row.URL)
	if err != nil {
		return credentials{}, errors.New("the stored address is no URL")
	}
	plain, err := n.cfg.BoxKey.OpenSecret(row.Secret, sealContext(address.Host))
	if err != nil {
		return credentials{}, err
	}
	var c credentials
	if err := json.Unmarshal(plain, &c); err != nil {
		return credentials{}, errors.New("stored credentials are damaged")
	}
	return c, nil
}

// seal gives what a row is to hold, nil for no credentials.
func (n *NVR) seal(c credentials, host string) ([]byte, error) {
	if c == (credentials{}) {
		return nil, nil
	}
	plain, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("store credentials: %w", err)
	}
	return n.cfg.BoxKey.SealSecret(plain, sealContext(host))
}

// reseal binds the credentials of a row, if it has any, to another host.
func (n *NVR) reseal(row *store.Camera, host string) error {
	account, err := n.credentials(*row)
	if err != nil {
		return store.Errorf(store.Conflict, "%s", lostSecret)
	}
	row.Secret, err = n.seal(account, host)
	return err
}

// attend is called by the hub when somebody begins or ends to watch.
func (r *runner) attend(live bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.eager = live
	if r.camera != nil {
		r.camera.SetEager(live)
	}
}

// pull reads what waits in the camera's socket, see camera.Pull.
func (r *runner) pull() {
	r.mu.Lock()
	cam := r.camera
	r.mu.Unlock()
	if cam != nil {
		cam.Pull()
	}
	r.sub.pull()
}

// reconnect ends the connection; run makes it anew with the row as it is then.
func (r *runner) reconnect() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cancel != nil {
		r.cancel()
	}
}

// stop ends the runner for good and finishes its clip.
func (r *runner) stop(ctx context.Context) error {
	r.mu.Lock()
	r.removed = true
	if r.cancel != nil {
		r.cancel()
	}
	r.mu.Unlock()
	r.n.mu.Lock()
	delete(r.n.runners, r.id)
	running := r.n.running != nil
	r.n.mu.Unlock()
	if !running {
		return nil
	}
	select {
	case <-r.stopped:
	case <-ctx.Done():
		return fmt.Errorf("stop camera: %w", ctx.Err())
	}
	err := r.line.Close(ctx, "")
	r.hub.Close()
	r.sub.hub.Close()
	return err
}

// onState is called by the camera at each change. It does not block.
func (r *runner) onState(s camera.State) {
	var reason store.Reason
	switch s.Phase {
	case camera.Waiting:
		reason = store.GapOffline
	case camera.Refused, camera.Doubted:
		reason = store.GapRefused
	case camera.Unusable:
		reason = store.GapDecode
	}
	if s.Phase != camera.Stopped {
		r.line.Connection(reason, s.Detail)
	}
	r.judge(s)
	r.sub.mainStreams(s.Phase == camera.Streaming)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.setHistory(s)
	switch {
	case s.Phase == camera.Streaming:
		// The first connection is no news, unless the camera was missed before.
		if !r.online && r.offline != (store.ID{}) {
			now := r.n.clock.Now()
			r.n.emit(event{end: r.offline, Event: store.Event{Camera: r.id, Kind: "camera.online", Start: now, End: now, Source: "camera"}})
			r.offline = store.ID{}
		}
		r.online = true
	case reason != "":
		r.online = false
		r.missed(reason, s.Detail)
	}
}

// revoked reports whether a person took the camera's certificate back: then nobody has to decide any more.
func (r *runner) revoked() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.row.Trust == store.TrustPaired && r.device == nil
}

// missed makes the event that lasts while the camera is not there. The caller holds r.mu.
func (r *runner) missed(reason store.Reason, detail string) {
	if r.offline != (store.ID{}) {
		return
	}
	now := r.n.clock.Now()
	id, err := r.n.db.NewID(now)
	if err != nil {
		r.n.log.Error("an event is lost", "kind", "camera.offline", "error", err)
		return
	}
	r.offline = id
	r.n.emit(event{Event: store.Event{
		ID: id, Camera: r.id, Kind: "camera.offline", Start: now, Source: "camera", Labels: []string{string(reason)},
		Data: object(map[string]any{"detail": detail}),
	}})
}

// setHistory remembers a change. The caller holds r.mu.
func (r *runner) setHistory(s camera.State) {
	last := Change{}
	if n := len(r.history); n > 0 {
		last = r.history[n-1]
	}
	if last.Phase == string(s.Phase) && last.Detail == s.Detail {
		return
	}
	r.history = append(r.history, Change{At: s.Since, Phase: string(s.Phase), Detail: s.Detail})
	if len(r.history) > keepHistory {
		r.history = slices.Delete(r.history, 0, len(r.history)-keepHistory)
	}
}

// status joins what is known about the camera.
func (r *runner) status() CameraStatus {
	r.mu.Lock()
	row, cam, pairing, isolation := r.row, r.camera, r.pairingState(), r.isolation
	r.mu.Unlock()
	st := CameraStatus{Camera: row, Connection: Connection{Phase: "off", Since: row.Created, Trust: string(row.Trust)}}
	st.Camera.Secret = nil
	st.Pairing = pairing
	st.Sub = r.sub.status(row)
	if account, err := r.n.credentials(row); err == nil {
		st.User = account.User
	} else {
		st.Connection.Detail = lostSecret
	}
	line := r.line.State()
	st.Recording = Recording{Active: line.Active, Reason: line.Reason, Detail: line.Detail, Clip: line.Clip}
	if isolation != nil {
		st.Isolation = isolation
		st.Connection.Phase, st.Connection.Since, st.Connection.Detail = isolated, isolation.Since, isolation.Detail
		return st
	}
	if cam == nil {
		if r.started.Load() {
			st.Connection.Phase = string(camera.Connecting)
		}
		return st
	}
	s := cam.State()
	st.Connection = Connection{
		Phase: string(s.Phase), Since: s.Since, Detail: s.Detail, FPS: s.FPS, Bitrate: float64(s.Bitrate), Width: s.Width, Height: s.Height,
		Codecs: s.Codecs, Skipped: s.Skipped, Lost: s.Lost, Dropped: line.Dropped, Reconnects: s.Reconnects, Trust: string(row.Trust),
	}
	for _, w := range s.Warnings {
		st.Connection.Warnings = append(st.Connection.Warnings, string(w))
	}
	if s.ClockKnown {
		st.Connection.ClockOffset = s.ClockOffset
	}
	return st
}
