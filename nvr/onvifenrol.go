package nvr

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"cardea/camera/onvif"
	"cardea/camera/pairing"
	"cardea/camera/rtsp"
	"cardea/store"
)

const (
	// enrolWithin bounds an enrolment, undoWithin what puts a camera back as it was.
	enrolWithin, undoWithin = 90 * time.Second, 30 * time.Second
	// refusedWithin is how long a camera that demands certificates may take to hang up on a client without one.
	refusedWithin = 5 * time.Second
)

// enrolment is one that is under way.
type enrolment struct {
	r    *runner
	row  store.Camera
	id   store.ID
	at   onvif.Enrolment
	leaf []byte
	// known is the device that the camera becomes; its SPKI is zero before it has a key.
	known pairing.Device
}

// EnrolCamera gives a camera that is not ours a certificate of ours, over its ONVIF Security service: in the end it shows that on HTTPS and
// RTSPS and lets in nobody without one, and its trust is paired. Where a step fails everything before it is undone, and the error, an
// ErrCamera, says which it was. NotFound; Conflict for a camera without ONVIF, in doubt, or paired already.
func (n *NVR) EnrolCamera(ctx context.Context, actor store.Actor, id store.ID) (CameraStatus, error) {
	if n.cfg.Devices == nil {
		return CameraStatus{}, store.Errorf(store.Unavailable, "this NVR has no certificate authority for cameras")
	}
	r, err := n.runner(id)
	if err != nil {
		return CameraStatus{}, err
	}
	r.mu.Lock()
	row, away := r.row, r.isolation != nil
	r.mu.Unlock()
	if row.Trust == store.TrustPaired {
		return CameraStatus{}, store.Errorf(store.Conflict, "this camera is paired already; if its certificate was revoked, remove it and add it again")
	}
	if _, err := r.onvifConfig(row, away); err != nil {
		return CameraStatus{}, err
	}
	if !n.pairing.TryLock() {
		return CameraStatus{}, store.Errorf(store.Conflict, "a camera is being paired already; wait until that is done")
	}
	defer n.pairing.Unlock()
	if err := n.note(ctx, actor, "camera.enrol", store.Access{Camera: id, Object: row.ONVIF}); err != nil {
		return CameraStatus{}, err
	}
	device, err := n.db.NewID(n.clock.Now())
	if err != nil {
		return CameraStatus{}, err
	}
	// Somebody who closes the page does not leave a camera half way.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), enrolWithin)
	defer cancel()
	e := &enrolment{r: r, row: row, id: device, known: pairing.Device{ID: device.String()}}
	next, err := e.run(ctx)
	if err != nil {
		return CameraStatus{}, e.undo(ctx, err)
	}
	n.change.Lock()
	defer n.change.Unlock()
	if next, err = n.db.Activate(ctx, device, next); err != nil {
		return CameraStatus{}, e.undo(ctx, err)
	}
	n.log.InfoContext(ctx, "camera enrolled over ONVIF", "by", actor.Name, "camera", id.String(), "device", device.String())
	if err := r.paired(ctx, next); err != nil {
		return CameraStatus{}, err
	}
	return n.Camera(ctx, id)
}

// dial speaks with the camera as it is in the middle of it: over https:// by the key that it had before, or the one that it has since.
func (e *enrolment) dial(ctx context.Context) (*onvif.Client, error) {
	cfg, err := e.r.onvifConfig(e.row, false)
	if err != nil {
		return nil, err
	}
	if cfg.URL.Scheme == "https" {
		if len(e.row.Pin) == 0 {
			return nil, store.Errorf(store.Conflict, "confirm the fingerprint of this camera first")
		}
		cfg.Pin, cfg.Mutual = nil, e.mutual(true)
	}
	return onvif.Dial(ctx, cfg)
}

// mutual is the TLS configuration towards the camera that it becomes; before admits the key that it had.
func (e *enrolment) mutual(before bool) *tls.Config {
	n := e.r.n
	return &tls.Config{
		MinVersion: tls.VersionTLS13, InsecureSkipVerify: true, // replaced by VerifyConnection
		GetClientCertificate: func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return n.cfg.Devices.ClientCertificate(info)
		},
		VerifyConnection: func(state tls.ConnectionState) error {
			if sum := pairing.SPKI(state.PeerCertificates[0]); before && string(sum[:]) == string(e.row.Pin) {
				return nil
			}
			return pairing.VerifyCamera(state, n.cfg.Devices, e.known, n.clock.Now(), false)
		},
	}
}

// run takes all steps and gives the camera that is to be stored.
func (e *enrolment) run(ctx context.Context) (store.Camera, error) {
	client, err := e.dial(ctx)
	if err != nil {
		return store.Camera{}, err
	}
	defer client.Close()
	at, err := client.Enrol(ctx, e.id.String(), "cardea "+e.id.String(), e.r.n.cfg.Devices, func(at onvif.Enrolment, leaf []byte) error {
		e.at = at
		return e.begin(ctx, leaf)
	})
	e.at = at
	if err != nil {
		return store.Camera{}, err
	}
	if err := e.save(ctx); err != nil {
		return store.Camera{}, err
	}
	next, err := e.look(ctx, client, false)
	if err != nil {
		return store.Camera{}, onvif.ErrStep{Step: "show its new certificate", Err: err}
	}
	// From here on a client without a certificate is not heard over TLS, so this one has to show that it is.
	err = client.Require(ctx, &e.at)
	if saved := e.save(ctx); err == nil {
		err = saved
	}
	if err != nil {
		return store.Camera{}, err
	}
	if err := e.refuses(ctx, next); err != nil {
		return store.Camera{}, onvif.ErrStep{Step: "demand certificates", Err: err}
	}
	if _, err := e.look(ctx, client, true); err != nil {
		return store.Camera{}, onvif.ErrStep{Step: "let this NVR in", Err: err}
	}
	return next, nil
}

// begin stores the device before the camera changes, so that a crash leaves nothing unknown on it.
func (e *enrolment) begin(ctx context.Context, leaf []byte) error {
	parsed, err := x509.ParseCertificate(leaf)
	if err != nil {
		return fmt.Errorf("read the leaf: %w", err)
	}
	e.leaf, e.known.SPKI, e.known.Leaf = leaf, pairing.SPKI(parsed), leaf
	e.known.Bundle, _ = e.r.n.cfg.Devices.Bundle()
	at, err := url.Parse(e.row.ONVIF)
	if err != nil {
		return fmt.Errorf("read the ONVIF address: %w", err)
	}
	text, err := json.Marshal(e.at)
	if err != nil {
		return fmt.Errorf("store an enrolment: %w", err)
	}
	if err := e.r.n.db.AddDevice(ctx, store.Device{
		ID: e.id, Camera: e.row.ID, Address: at.Host, Name: e.row.Name, Model: "ONVIF", SPKI: e.known.SPKI[:], Leaf: leaf, Bundle: e.known.Bundle, Enrolment: text,
	}); err != nil {
		return err
	}
	return e.r.n.db.BeginActivation(ctx, e.id)
}

func (e *enrolment) save(ctx context.Context) error {
	text, err := json.Marshal(e.at)
	if err != nil {
		return fmt.Errorf("store an enrolment: %w", err)
	}
	return e.r.n.db.SetEnrolment(ctx, e.id, text, e.leaf, e.known.Bundle)
}

// look finds the camera as it is from now on, over its certificate alone: its device service by HTTPS, its streams by RTSPS, and a picture
// where that is asked for.
func (e *enrolment) look(ctx context.Context, client *onvif.Client, picture bool) (store.Camera, error) {
	n, next := e.r.n, e.row
	at, err := client.Secure(ctx)
	if err != nil {
		return next, err
	}
	account, err := n.credentials(e.row)
	if err != nil {
		return next, store.Errorf(store.Conflict, "%s", lostSecret)
	}
	over, err := onvif.Dial(ctx, onvif.Config{URL: at, User: account.User, Password: account.Password, Mutual: e.mutual(false), Now: n.clock.Now})
	if err != nil {
		return next, err
	}
	defer over.Close()
	streams, err := over.Streams(ctx)
	if err != nil {
		return next, err
	}
	if streams.MainURL.Scheme != "rtsps" {
		return next, onvif.ErrAnswer{Reason: "it gives its stream over rtsp:// only"}
	}
	if picture {
		_, err = rtsp.Probe(ctx, rtsp.Config{
			URL: streams.MainURL, User: account.User, Password: account.Password, Mutual: e.mutual(false), Now: n.clock.Now, Log: n.log,
		})
	} else {
		// Some cameras have one certificate for the web and another for streams.
		var conn net.Conn
		if conn, err = (&tls.Dialer{Config: e.mutual(false)}).DialContext(ctx, "tcp", streamHost(streams.MainURL)); err == nil {
			err = conn.Close()
		}
	}
	if err != nil {
		return next, err
	}
	next.URL, next.SubURL, next.ONVIF = streams.MainURL.String(), "", at.String()
	if streams.SubURL != nil && streams.SubURL.Scheme == "rtsps" {
		next.SubURL = streams.SubURL.String()
	}
	next.Controls = next.Controls&store.ControlTalk | controlsOf(over.Abilities(ctx, streams))
	next.Trust, next.Pin = store.TrustPaired, e.known.SPKI[:]
	next.Secret, err = n.seal(account, streams.MainURL.Host)
	return next, err
}

// refuses sees to it that the camera's stream is not for clients without a certificate.
func (e *enrolment) refuses(ctx context.Context, next store.Camera) error {
	at, err := url.Parse(next.URL)
	if err != nil {
		return fmt.Errorf("read the address of the stream: %w", err)
	}
	stranger := e.mutual(false)
	stranger.GetClientCertificate, stranger.ServerName = nil, at.Hostname()
	conn, err := (&tls.Dialer{Config: stranger}).DialContext(ctx, "tcp", streamHost(at))
	if err != nil {
		return nil
	}
	defer conn.Close()
	// In TLS 1.3 the client is done before the server has looked at it: whether it is let in shows when it says something.
	_ = conn.SetDeadline(time.Now().Add(refusedWithin))
	if _, err := fmt.Fprintf(conn, "OPTIONS %s RTSP/1.0\r\nCSeq: 1\r\n\r\n", next.URL); err != nil {
		return nil
	}
	if k, err := conn.Read(make([]byte, 1)); err == nil && k > 0 {
		return onvif.ErrAnswer{Reason: "it says that it demands certificates, and lets clients in without one"}
	}
	return nil
}

// streamHost is host and port of an rtsps:// address.
func streamHost(at *url.URL) string {
	if at.Port() == "" {
		return net.JoinHostPort(at.Hostname(), "322") // RFC 7826, section 19.2
	}
	return at.Host
}

// undo puts the camera back as it was, and gives the error for people.
func (e *enrolment) undo(ctx context.Context, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoWithin)
	defer cancel()
	e.r.n.log.WarnContext(ctx, "a camera could not be enrolled", "camera", e.row.ID.String(), "reason", cause.Error())
	left := e.takeBack(ctx)
	if left == nil {
		left = e.r.n.db.DropDevice(ctx, e.id)
	} // else keepDevices tries again
	if store.ErrorCode(cause) != "" {
		return cause
	}
	var step onvif.ErrStep
	if !errors.As(cause, &step) {
		step = onvif.ErrStep{Step: "answer", Err: cause}
	}
	step.Left = left
	return ErrCamera{step}
}

// takeBack removes from the camera what was put on it.
func (e *enrolment) takeBack(ctx context.Context) error {
	if e.at.Alias == "" || e.at.Key == "" && len(e.at.Anchors) == 0 {
		return nil
	}
	client, err := e.dial(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	return client.Unenrol(ctx, e.at)
}

// resumeEnrolment undoes one that a crash cut off; nobody has waited for it since. A camera that cannot be asked is asked again with the
// next look at all devices.
func (n *NVR) resumeEnrolment(ctx context.Context, d store.Device) error {
	r, err := n.runner(d.Camera)
	if store.ErrorCode(err) == store.NotFound {
		return n.db.DropDevice(ctx, d.ID)
	}
	if err != nil {
		return err
	}
	r.mu.Lock()
	row := r.row
	r.mu.Unlock()
	e := &enrolment{r: r, row: row, id: d.ID, known: known(&d)}
	if err := json.Unmarshal(d.Enrolment, &e.at); err != nil {
		return errors.Join(err, n.db.DropDevice(ctx, d.ID))
	}
	if err := e.takeBack(ctx); err != nil {
		n.log.WarnContext(ctx, "an enrolment that was cut off is not undone yet", "camera", row.ID.String(), "reason", err.Error())
		return nil
	}
	n.log.WarnContext(ctx, "an enrolment that was cut off is undone", "camera", row.ID.String())
	return n.db.DropDevice(ctx, d.ID)
}

// syncEnrolled looks after an enrolled camera: certificate and authorities, by the same service, when that is due. A camera that cannot be
// asked is connected all the same while its certificate is good.
func (r *runner) syncEnrolled(ctx context.Context, d *store.Device) error {
	n := r.n
	leaf, err := x509.ParseCertificate(d.Leaf)
	if err != nil {
		return fmt.Errorf("read the certificate of camera %s: %w", r.id, err)
	}
	now := n.clock.Now()
	version, roots := n.cfg.Devices.Bundle()
	anchors := d.Bundle < version
	renew := anchors || !issuedBy(d.Leaf, roots[0]) || !now.Before(pairing.RenewAt(leaf, float64(d.SPKI[0])/256))
	if !renew && now.Sub(d.Synced).Abs() <= syncAfter {
		return nil
	}
	err = r.renewEnrolled(ctx, d, renew, anchors, version)
	var who rtsp.ErrIdentity
	switch {
	case err == nil, ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &who):
		return r.inDoubt(who.Err)
	case now.Before(leaf.NotAfter):
		n.log.WarnContext(ctx, "enrolled camera cannot be looked after", "camera", r.id.String(), "until", leaf.NotAfter, "reason", err.Error())
		return nil
	}
	return err
}

func (r *runner) renewEnrolled(ctx context.Context, d *store.Device, renew, anchors bool, version uint64) error {
	n := r.n
	r.mu.Lock()
	row, away := r.row, r.isolation != nil
	r.mu.Unlock()
	cfg, err := r.onvifConfig(row, away)
	if err != nil {
		return err
	}
	cfg.Mutual = r.mutual()
	cfg.Mutual.VerifyConnection = func(state tls.ConnectionState) error {
		return pairing.VerifyCamera(state, n.cfg.Devices, known(d), n.clock.Now(), true)
	}
	ctx, cancel := context.WithTimeout(ctx, enrolWithin)
	defer cancel()
	client, err := onvif.Dial(ctx, cfg)
	if err != nil {
		return err
	}
	defer client.Close()
	leaf, bundle, text := d.Leaf, d.Bundle, d.Enrolment
	if renew {
		var at onvif.Enrolment
		if err := json.Unmarshal(d.Enrolment, &at); err != nil {
			return fmt.Errorf("read the enrolment of camera %s: %w", r.id, err)
		}
		if at, leaf, err = client.Renew(ctx, d.ID.String(), at, n.cfg.Devices, anchors); err != nil {
			return err
		}
		if anchors {
			bundle = version
		}
		if text, err = json.Marshal(at); err != nil {
			return fmt.Errorf("store an enrolment: %w", err)
		}
		if err := n.db.SetEnrolment(ctx, d.ID, text, leaf, bundle); err != nil {
			return err
		}
		n.log.InfoContext(ctx, "camera certificate renewed over ONVIF", "camera", r.id.String())
	}
	if err := n.db.TouchDevice(ctx, d.ID, leaf, bundle); err != nil {
		return err
	}
	r.mu.Lock()
	if r.device != nil && r.device.ID == d.ID {
		next := *r.device
		next.Leaf, next.Bundle, next.Enrolment, next.Synced = leaf, bundle, text, n.clock.Now()
		r.device = &next
	}
	r.mu.Unlock()
	n.rollOn(ctx)
	return nil
}

// letGo takes what was put on an enrolled camera back before it is removed, so that it works for others. It may be gone: that is no matter.
func (r *runner) letGo(ctx context.Context) {
	r.syncing.Lock() // a renewal may be under way
	defer r.syncing.Unlock()
	d, _, err := r.current()
	if err != nil || d.Enrolment == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, undoWithin/3)
	defer cancel()
	var at onvif.Enrolment
	client, err := r.dialONVIF(ctx)
	if err == nil {
		defer client.Close()
		if err = json.Unmarshal(d.Enrolment, &at); err == nil {
			err = client.Unenrol(ctx, at)
		}
	}
	r.mu.Lock()
	r.device = nil // nobody renews it any more
	r.mu.Unlock()
	if err != nil {
		r.n.log.WarnContext(ctx, "a camera that is removed keeps its certificate", "camera", r.id.String(), "reason", err.Error())
	}
}
