// Package nvr is the recorder as a whole: one runner for each camera, and what people do with it.
//
// Its nouns: NVR, with a method for each use case; CameraStatus, Clip and Health, what people see; runner, a camera with its
// hub and its line of recording. It owns who is connected and recorded at any moment, the settings of retention, alarms and
// backups. It never decides who may do what (package web does, on the loaded object), never serves a request and never sees an
// identity.
package nvr

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"cardea/nvr/live"
	"cardea/store"
	"cardea/store/disk"
	"cardea/store/vault"
)

// Config says what the recorder works with. DB, Clips and BoxKey are required.
type Config struct {
	DB *store.DB
	// Clips is the directory of the clips.
	Clips *disk.Root
	// Dir is the data directory; the nightly backup takes DIR/keys from there.
	Dir    string
	BoxKey *vault.BoxKey
	// Now is this machine's clock, time.Now when nil. A test's.
	Now func() time.Time
	Log *slog.Logger
	// Built is when the program was built: time before it is wrong for certain. May be zero.
	Built time.Time
	// Period is how often frames are written, see package recorder; Length is that of a clip. Zero for the defaults.
	Period, Length time.Duration
}

// NVR is the recorder as a whole. Its methods may be called from any goroutine.
type NVR struct{ cfg Config }

// Open prepares the recorder; nothing records before Run. The caller closes DB and Clips after Run has returned.
func Open(ctx context.Context, cfg Config) (*NVR, error) { return &NVR{cfg: cfg}, nil }

// Run records until ctx is done. It then stops the cameras and finishes all clips, which takes less than five seconds.
func (n *NVR) Run(ctx context.Context) error { return errors.ErrUnsupported }

// Ready is closed when everything that a crash left behind is settled.
func (n *NVR) Ready() <-chan struct{} { return nil }

// Cameras lists the cameras in use by position.
func (n *NVR) Cameras(ctx context.Context) ([]CameraStatus, error) { return nil, errors.ErrUnsupported }

// Camera gives one camera. NotFound.
func (n *NVR) Camera(ctx context.Context, id store.ID) (CameraStatus, error) {
	return CameraStatus{}, errors.ErrUnsupported
}

// CameraHealth gives the state of the line to a camera and its history. NotFound.
func (n *NVR) CameraHealth(ctx context.Context, id store.ID) (CameraHealth, error) {
	return CameraHealth{}, errors.ErrUnsupported
}

// Probe looks at an address without storing anything.
func (n *NVR) Probe(ctx context.Context, actor store.Actor, address, fingerprint, transport string) (Probe, error) {
	return Probe{}, errors.ErrUnsupported
}

// AddCamera stores a camera and starts recording it at once. The address is looked at first: where it is wrong, the
// error says what is and nothing is stored.
func (n *NVR) AddCamera(ctx context.Context, actor store.Actor, c NewCamera) (CameraStatus, error) {
	return CameraStatus{}, errors.ErrUnsupported
}

// ChangeCamera changes settings; everything takes effect at once.
func (n *NVR) ChangeCamera(ctx context.Context, actor store.Actor, id store.ID, c CameraChange) (CameraStatus, error) {
	return CameraStatus{}, errors.ErrUnsupported
}

// RemoveCamera stops a camera and forgets its credentials. Its clips stay until retention takes them, or go now.
func (n *NVR) RemoveCamera(ctx context.Context, actor store.Actor, id store.ID, deleteClips bool) error {
	return errors.ErrUnsupported
}

// Record records from now on for at least d, up to an hour, and gives the event that stands for it.
func (n *NVR) Record(ctx context.Context, actor store.Actor, id store.ID, d time.Duration) (store.Event, error) {
	return store.Event{}, errors.ErrUnsupported
}

// Watch starts a live view. The caller closes the viewer.
func (n *NVR) Watch(ctx context.Context, actor store.Actor, id store.ID) (*live.Viewer, error) {
	return nil, errors.ErrUnsupported
}

// Timeline gives what a camera has between two times.
func (n *NVR) Timeline(ctx context.Context, camera store.ID, from, to time.Time, step time.Duration) (store.Timeline, error) {
	return store.Timeline{}, errors.ErrUnsupported
}

// Clips lists clips without parts by start.
func (n *NVR) Clips(ctx context.Context, query store.ClipQuery) ([]Clip, error) {
	return nil, errors.ErrUnsupported
}

// Clip gives one clip with its parts. NotFound.
func (n *NVR) Clip(ctx context.Context, id store.ID) (Clip, error) {
	return Clip{}, errors.ErrUnsupported
}

// ClipFile is the open ciphertext of a clip. The caller closes it.
type ClipFile struct {
	io.ReaderAt
	io.Closer
	Clip Clip
	// Size is how many bytes may be read: of an open clip those that are durable.
	Size int64
}

// OpenClip opens the ciphertext of a clip. NotFound, also when the clip was deleted a moment ago.
func (n *NVR) OpenClip(ctx context.Context, actor store.Actor, id store.ID) (*ClipFile, error) {
	return nil, errors.ErrUnsupported
}

// ReplaceTorn puts a whole file in the place of a torn clip: r is the salvaged plaintext, sealed to the clip's vault.
func (n *NVR) ReplaceTorn(ctx context.Context, actor store.Actor, id store.ID, r io.Reader) (Clip, error) {
	return Clip{}, errors.ErrUnsupported
}

// Events lists events, newest first.
func (n *NVR) Events(ctx context.Context, query store.EventQuery) ([]store.Event, error) {
	return nil, errors.ErrUnsupported
}

// Vaults lists the vaults.
func (n *NVR) Vaults(ctx context.Context) ([]store.Vault, error) { return nil, errors.ErrUnsupported }

// CreateVault stores a vault's public half and the actor's wrapped identity. Recording begins at once where it waited
// for a vault.
func (n *NVR) CreateVault(ctx context.Context, actor store.Actor, v NewVault) (store.Vault, error) {
	return store.Vault{}, errors.ErrUnsupported
}

// Grants lists the actor's grants to a vault, of all vaults for the zero ID.
func (n *NVR) Grants(ctx context.Context, actor store.Actor, vault store.ID) ([]store.Grant, error) {
	return nil, errors.ErrUnsupported
}

// AddGrant stores another wrapped identity of the actor.
func (n *NVR) AddGrant(ctx context.Context, actor store.Actor, vault store.ID, g NewGrant) (store.Grant, error) {
	return store.Grant{}, errors.ErrUnsupported
}

// RevokeGrant takes back a grant of the actor, or of anybody for an owner.
func (n *NVR) RevokeGrant(ctx context.Context, actor store.Actor, vault, grant store.ID) error {
	return errors.ErrUnsupported
}

// Settings gives what a person can set for the whole box.
func (n *NVR) Settings(ctx context.Context) (Settings, error) {
	return Settings{}, errors.ErrUnsupported
}

// ChangeSettings changes them at once.
func (n *NVR) ChangeSettings(ctx context.Context, actor store.Actor, c SettingsChange) (Settings, error) {
	return Settings{}, errors.ErrUnsupported
}

// Health gives the state of the box.
func (n *NVR) Health(ctx context.Context) (Health, error) { return Health{}, errors.ErrUnsupported }

// Stats gives counters for metrics.
func (n *NVR) Stats() Stats { return Stats{} }

// Backup makes a sealed backup now and gives its path relative to the clips directory.
func (n *NVR) Backup(ctx context.Context, actor store.Actor) (string, error) {
	return "", errors.ErrUnsupported
}
