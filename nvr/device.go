package nvr

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/url"
	"time"

	"cardea/camera/pairing"
	"cardea/camera/rtsp"
	"cardea/store"
)

const (
	// devicesEvery is how often paired cameras are looked through, syncAfter how long after the last time one is spoken to
	// although its stream goes on.
	devicesEvery = 10 * time.Minute
	syncAfter    = 12 * time.Hour
	// askEvery is how often a camera is asked whether it has heard of its activation.
	askEvery = 5 * time.Second
)

// DeviceAuthority is the certificate authority of paired cameras; package auth/ca has it.
type DeviceAuthority interface {
	pairing.Issuer
	// Stage is steady, announced or advanced; the other three move it on.
	Stage() string
	Announce() error
	Advance() error
	Finish() error
	// RootsPEM is what paired cameras trust.
	RootsPEM() []byte
}

// Pairing is what people are shown about a camera's certificate.
type Pairing struct {
	// Device is its identifier; "" when Revoked.
	Device, Model string
	Revoked       bool
	// Expires is the end of the certificate, Renews when it is replaced, Synced when the camera was last spoken to.
	Expires, Renews, Synced time.Time
}

// known gives what package pairing wants to know of a device.
func known(d *store.Device) pairing.Device {
	out := pairing.Device{ID: d.ID.String(), Leaf: d.Leaf, Bundle: d.Bundle, Name: d.Name, Model: d.Model}
	copy(out.SPKI[:], d.SPKI)
	return out
}

// pairingState is the state of a camera's pairing, nil for one that is not paired. The caller holds r.mu.
func (r *runner) pairingState() *Pairing {
	if r.row.Trust != store.TrustPaired {
		return nil
	}
	if r.device == nil {
		return &Pairing{Revoked: true}
	}
	p := &Pairing{Device: r.device.ID.String(), Model: r.device.Model, Synced: r.device.Synced}
	if leaf, err := x509.ParseCertificate(r.device.Leaf); err == nil {
		p.Expires, p.Renews = leaf.NotAfter, pairing.RenewAt(leaf, float64(r.device.SPKI[0])/256)
	}
	return p
}

// loadDevice reads the device that a paired camera is; none is left when it was revoked.
func (n *NVR) loadDevice(ctx context.Context, row store.Camera) (*store.Device, error) {
	if row.Trust != store.TrustPaired {
		return nil, nil
	}
	d, err := n.db.ActiveDevice(ctx, row.ID)
	if store.ErrorCode(err) == store.NotFound {
		return nil, nil
	}
	return &d, err
}

// paired takes a new device into use for a camera that exists.
func (r *runner) paired(ctx context.Context, row store.Camera) error {
	d, err := r.n.loadDevice(ctx, row)
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.device = d
	r.mu.Unlock()
	return r.n.release(ctx, r, row)
}

// current gives the device, or why there is none.
func (r *runner) current() (*store.Device, string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.device == nil || r.n.cfg.Devices == nil {
		return nil, "", rtsp.ErrIdentity{Err: pairing.ErrIdentity{Reason: revokedSentence}}
	}
	at, err := url.Parse(r.row.URL)
	if err != nil {
		return nil, "", errors.New("the stored address is no URL")
	}
	d := *r.device
	return &d, at.Host, nil
}

// mutual is the TLS configuration towards a paired camera. Whether it is still paired is asked on every connection.
func (r *runner) mutual() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, InsecureSkipVerify: true, // replaced by VerifyConnection
		GetClientCertificate: func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return r.n.cfg.Devices.ClientCertificate(info)
		},
		VerifyConnection: func(state tls.ConnectionState) error {
			d, _, err := r.current()
			if err != nil {
				return pairing.ErrIdentity{Reason: revokedSentence}
			}
			return pairing.VerifyCamera(state, r.n.cfg.Devices, known(d), r.n.clock.Now(), false)
		},
	}
}

// sync looks after a paired camera: the time, its certificate, the authorities. It comes before each connection.
func (r *runner) sync(ctx context.Context) error {
	r.syncing.Lock()
	defer r.syncing.Unlock()
	d, host, err := r.current()
	if err != nil {
		return err
	}
	if d.Enrolment != nil {
		return r.syncEnrolled(ctx, d)
	}
	result, err := r.n.pairer.Sync(ctx, host, known(d), false)
	var who pairing.ErrIdentity
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &who):
		return r.inDoubt(who)
	case errors.Is(err, pairing.ErrUnknown), err == nil && !result.Active:
		return r.inDoubt(pairing.ErrIdentity{Reason: "It does not know this NVR any more."})
	case err != nil:
		return rtsp.ErrUnreachable{Host: host, Reason: "it could not be asked for its certificate", Err: err}
	}
	leaf, bundle := result.Device.Leaf, result.Device.Bundle
	if err := r.n.db.TouchDevice(ctx, d.ID, leaf, bundle); err != nil {
		return err
	}
	if result.Renewed {
		r.n.log.InfoContext(ctx, "camera certificate renewed", "camera", r.id.String())
	}
	r.mu.Lock()
	if r.device != nil && r.device.ID == d.ID {
		next := *r.device
		next.Leaf, next.Bundle, next.Synced = leaf, bundle, r.n.clock.Now()
		r.device = &next
	}
	r.mu.Unlock()
	r.n.rollOn(ctx)
	return nil
}

// inDoubt makes the error, and has the camera isolated.
func (r *runner) inDoubt(cause error) error {
	err := rtsp.ErrIdentity{Err: cause}
	r.n.suspect(suspicion{r, "identity", err.Error(), nil})
	return err
}

// keepDevices finishes or drops pairings that were cut off, speaks to each paired camera twice a day, and moves on a change of
// the authority, until ctx is done.
func (n *NVR) keepDevices(ctx context.Context) error {
	if n.cfg.Devices == nil {
		return nil
	}
	told := map[store.ID]bool{}
	tick := time.NewTicker(devicesEvery)
	defer tick.Stop()
	for {
		open, err := n.resumePairings(ctx)
		if err != nil && ctx.Err() == nil {
			n.log.ErrorContext(ctx, "pairings cannot be looked through", "error", err)
		}
		n.syncDevices(ctx)
		n.tellRevoked(ctx, told)
		n.rollOn(ctx)
		var again <-chan time.Time
		if open {
			again = time.After(askEvery)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-again:
		case <-n.wakeDevices:
		}
	}
}

// resumePairings deals with pairings that a crash cut off, and says whether some are left open. One in state pending never reached
// the camera as active, which undoes it by itself. One in state activating may have: the camera knows.
func (n *NVR) resumePairings(ctx context.Context) (open bool, err error) {
	if !n.pairing.TryLock() {
		return false, nil // one is under way and deals with itself
	}
	defer n.pairing.Unlock()
	devices, err := n.db.Devices(ctx)
	if err != nil {
		return false, err
	}
	for _, d := range devices {
		if d.Enrolment != nil && d.State != store.DeviceActive {
			err = errors.Join(err, n.resumeEnrolment(ctx, d))
			continue
		}
		switch d.State {
		case store.DevicePending:
			err = errors.Join(err, n.db.DropDevice(ctx, d.ID))
		case store.DeviceActivating:
			r, asked := n.pairer.Sync(ctx, d.Address, known(&d), true)
			var who pairing.ErrIdentity
			forgotten := errors.As(asked, &who) || errors.Is(asked, pairing.ErrUnknown)
			switch {
			case asked == nil && r.Active:
				_, failed := n.activate(ctx, d)
				err = errors.Join(err, failed)
			case forgotten && n.clock.Now().Sub(d.Created).Abs() > pairing.Undo:
				n.log.WarnContext(ctx, "a pairing was not finished and is undone", "address", d.Address)
				err = errors.Join(err, n.db.DropDevice(ctx, d.ID))
			default:
				open = true
			}
		}
	}
	return open, err
}

// syncDevices speaks to the cameras whose last time is long ago, or that have not heard of a change of the authority.
func (n *NVR) syncDevices(ctx context.Context) {
	for _, r := range n.all() {
		d, _, err := r.current()
		if err != nil {
			continue
		}
		version, roots := n.cfg.Devices.Bundle()
		due := n.clock.Now().Sub(d.Synced).Abs() > syncAfter || d.Bundle < version || !issuedBy(d.Leaf, roots[0])
		if !due {
			continue
		}
		if err := r.sync(ctx); err != nil && ctx.Err() == nil {
			n.log.WarnContext(ctx, "paired camera cannot be looked after", "camera", r.id.String(), "reason", err.Error())
		}
	}
}

func issuedBy(leaf []byte, root *x509.Certificate) bool {
	c, err := x509.ParseCertificate(leaf)
	return err == nil && bytes.Equal(c.AuthorityKeyId, root.SubjectKeyId)
}

// Authority is the state of the device authority, for people.
type Authority struct {
	// Stage is steady, announced (cameras learn of the next root) or advanced (they get certificates of it).
	Stage string
	// Waiting names the cameras that the next step waits for.
	Waiting []string
	// Roots are the certificates in PEM.
	Roots []byte
}

// Authority says how far a change of the device authority has come.
func (n *NVR) Authority() (Authority, error) {
	if n.cfg.Devices == nil {
		return Authority{}, store.Errorf(store.Unavailable, "this NVR has no certificate authority for cameras")
	}
	return Authority{Stage: n.cfg.Devices.Stage(), Waiting: n.laggards(), Roots: n.cfg.Devices.RootsPEM()}, nil
}

// laggards are the paired cameras that have not taken the last step.
func (n *NVR) laggards() []string {
	version, roots := n.cfg.Devices.Bundle()
	advanced := n.cfg.Devices.Stage() == "advanced"
	var names []string
	for _, r := range n.all() {
		r.mu.Lock()
		if d := r.device; d != nil && (d.Bundle < version || advanced && !issuedBy(d.Leaf, roots[0])) {
			names = append(names, r.row.Name)
		}
		r.mu.Unlock()
	}
	return names
}

// RollAuthority begins to replace the device authority; the rest goes by itself as cameras are reached. While that is under way,
// force takes the next step although some were not: those have to be paired again after the last one.
func (n *NVR) RollAuthority(ctx context.Context, actor store.Actor, force bool) (Authority, error) {
	if _, err := n.Authority(); err != nil {
		return Authority{}, err
	}
	stage := n.cfg.Devices.Stage()
	if stage != "steady" && !force {
		return Authority{}, store.Errorf(store.Conflict, "the authority is being replaced; it waits for cameras that were not reached. Force the next step only if you will pair those again.")
	}
	if err := n.note(ctx, actor, "authority.roll", store.Access{Object: stage}); err != nil {
		return Authority{}, err
	}
	step := n.cfg.Devices.Announce
	switch stage {
	case "announced":
		step = n.cfg.Devices.Advance
	case "advanced":
		step = n.cfg.Devices.Finish
	}
	if err := step(); err != nil {
		return Authority{}, err
	}
	n.lookAtDevices()
	return n.Authority()
}

// rollOn takes the next step of a change of the authority once all paired cameras are ready for it.
func (n *NVR) rollOn(ctx context.Context) {
	n.rolling.Lock()
	defer n.rolling.Unlock()
	var step func() error
	switch n.cfg.Devices.Stage() {
	case "announced":
		step = n.cfg.Devices.Advance
	case "advanced":
		step = n.cfg.Devices.Finish
	default:
		return
	}
	if len(n.laggards()) > 0 {
		return
	}
	if err := step(); err != nil {
		n.log.ErrorContext(ctx, "the device authority cannot be replaced", "error", err)
		return
	}
	n.log.InfoContext(ctx, "the device authority has taken a step", "stage", n.cfg.Devices.Stage())
	n.lookAtDevices()
}

// lookAtDevices wakes keepDevices.
func (n *NVR) lookAtDevices() {
	select {
	case n.wakeDevices <- struct{}{}:
	default:
	}
}
