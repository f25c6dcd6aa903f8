package nvr

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"cardea/camera/pairing"
	"cardea/store"
)

const (
	// pairWithin bounds a pairing, activateWithin the wait for a camera that has its certificate.
	pairWithin     = 45 * time.Second
	activateWithin = 20 * time.Second
	// agentPath is where a camera agent serves its stream.
	agentPath = "/camera"
)

// PairRequest is the input of Pair.
type PairRequest struct {
	// Address is a host with or without a port; Code what the camera shows, eight digits or the text of its QR code, in which case
	// Address may be empty.
	Address, Code string
	// Name is what people call the camera; "" takes the name that it gives itself.
	Name string
	// Camera is the one that is paired again, after a reset or with another device in its place: it keeps its clips and
	// settings, and what it was paired with before is revoked. Zero makes a new camera.
	Camera store.ID
}

// Pair pairs with a camera agent by the code that it shows, and records it from then on. Where it fails, nothing is kept but a
// record and an event. Errors are sentences; Conflict where the camera is paired already.
func (n *NVR) Pair(ctx context.Context, actor store.Actor, req PairRequest) (CameraStatus, error) {
	if n.cfg.Devices == nil {
		return CameraStatus{}, store.Errorf(store.Unavailable, "this NVR has no certificate authority for cameras")
	}
	host, code, err := pairing.ParseTarget(req.Address, req.Code)
	if err != nil {
		return CameraStatus{}, store.Errorf(store.Invalid, "%s", err.Error())
	}
	at, err := url.Parse("rtsps://" + host + agentPath)
	if err != nil {
		return CameraStatus{}, store.Errorf(store.Invalid, "the address of the camera looks like 192.168.1.20 or 192.168.1.20:8322")
	}
	if ip, err := netip.ParseAddr(at.Hostname()); err == nil && !allowed(ip) {
		return CameraStatus{}, store.Errorf(store.Invalid, "%s is no address that a camera can have.", ip)
	}
	if err := n.mayPair(ctx, req, host); err != nil {
		return CameraStatus{}, err
	}
	if !n.pairing.TryLock() {
		return CameraStatus{}, store.Errorf(store.Conflict, "a camera is being paired already; wait until that is done")
	}
	defer n.pairing.Unlock()
	ctx, cancel := context.WithTimeout(ctx, pairWithin)
	defer cancel()
	if err := n.note(ctx, actor, "camera.pair", store.Access{Camera: req.Camera, Object: host}); err != nil {
		return CameraStatus{}, err
	}
	id, err := n.db.NewID(n.clock.Now())
	if err != nil {
		return CameraStatus{}, err
	}
	row := store.Device{ID: id, Camera: req.Camera, Address: host}
	d, err := n.pairer.Pair(ctx, host, code, id.String(), func(d pairing.Device) error {
		row.SPKI, row.Leaf, row.Bundle = d.SPKI[:], d.Leaf, d.Bundle
		row.Name, row.Model = cmp.Or(req.Name, plainName(d.Name), "Camera"), plainName(d.Model)
		return n.db.AddDevice(ctx, row)
	})
	if err != nil {
		return CameraStatus{}, n.pairingFailed(ctx, req, row, err)
	}
	if err := n.db.BeginActivation(ctx, id); err != nil {
		return CameraStatus{}, err
	}
	if err := n.settle(ctx, row, d); err != nil {
		// Whether the camera has heard of it only the camera knows: keepDevices asks on.
		n.log.WarnContext(ctx, "a camera that was just paired does not answer", "address", row.Address, "reason", err.Error())
		n.lookAtDevices()
		return CameraStatus{}, store.Errorf(store.Unavailable, "the camera took its certificate and answers no more. When it is back it appears by itself; or it shows a new code, then pair it again.")
	}
	return n.activate(ctx, row)
}

// mayPair refuses what would silently put one device in another one's place.
func (n *NVR) mayPair(ctx context.Context, req PairRequest, host string) error {
	if req.Camera != (store.ID{}) {
		_, err := n.runner(req.Camera)
		return err
	}
	for _, r := range n.all() {
		r.mu.Lock()
		at, err := url.Parse(r.row.URL)
		taken := err == nil && at.Host == host && r.device != nil
		name := r.row.Name
		r.mu.Unlock()
		if taken {
			return store.Errorf(store.Conflict, "the camera %q at this address is paired. If it was reset or replaced, pair it again as that camera; if it is gone, revoke it first.", name)
		}
	}
	if req.Name == "" {
		return nil
	}
	cameras, err := n.db.Cameras(ctx)
	if err != nil {
		return err
	}
	for _, c := range cameras {
		if strings.EqualFold(c.Name, req.Name) {
			return store.Errorf(store.Conflict, "there is a camera named %q already; choose another name", req.Name)
		}
	}
	row := store.NewCamera(req.Name, "rtsps://"+host+agentPath)
	return row.Validate()
}

// pairingFailed leaves nothing of a pairing but an event, and makes the reason one that a person is shown.
func (n *NVR) pairingFailed(ctx context.Context, req PairRequest, row store.Device, cause error) error {
	clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := n.db.DropDevice(clean, row.ID); err != nil {
		return errors.Join(cause, err)
	}
	n.log.WarnContext(ctx, "a camera could not be paired", "address", row.Address, "reason", cause.Error())
	var who pairing.ErrIdentity
	if errors.Is(cause, pairing.ErrCode) || errors.Is(cause, pairing.ErrProtocol) || errors.As(cause, &who) {
		n.doubt(req.Camera, "pairing", "Pairing with "+row.Address+" failed: "+cause.Error())
	}
	switch {
	case store.ErrorCode(cause) != "":
		return cause
	case errors.Is(cause, context.DeadlineExceeded):
		return store.Errorf(store.Unavailable, "the camera takes too long; try again with the code that it shows now")
	case errors.Is(cause, pairing.ErrPaired):
		return store.Errorf(store.Conflict, "%s", cause.Error())
	}
	return store.Errorf(store.Invalid, "%s", cause.Error())
}

// doubt makes the event that tells people of an identity in doubt.
func (n *NVR) doubt(camera store.ID, label, detail string) {
	now := n.clock.Now()
	n.emit(event{Event: store.Event{
		Camera: camera, Kind: "camera.identity", Start: now, End: now, Source: "pairing", Labels: []string{label},
		Data: object(map[string]any{"detail": detail}),
	}})
}

// settle tells the camera that it is paired. Where that fails, the device stays as it is.
func (n *NVR) settle(ctx context.Context, row store.Device, d pairing.Device) error {
	ctx, cancel := context.WithTimeout(ctx, activateWithin)
	defer cancel()
	for {
		r, err := n.pairer.Sync(ctx, row.Address, d, true)
		if err == nil && r.Active {
			return nil
		}
		select {
		case <-ctx.Done():
			return cmp.Or(err, ctx.Err())
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// activate makes an activating device a camera, and records it.
func (n *NVR) activate(ctx context.Context, d store.Device) (CameraStatus, error) {
	n.change.Lock()
	defer n.change.Unlock()
	row, err := n.rowFor(ctx, d)
	if err != nil {
		return CameraStatus{}, err
	}
	if row, err = n.db.Activate(ctx, d.ID, row); err != nil {
		return CameraStatus{}, err
	}
	n.log.InfoContext(ctx, "camera paired", "camera", row.ID.String(), "name", row.Name, "device", d.ID.String())
	r, err := n.runner(row.ID)
	if err != nil {
		err = n.addRunner(ctx, row, store.ID{}, nil)
	} else {
		err = r.paired(ctx, row)
	}
	if err != nil {
		return CameraStatus{}, err
	}
	n.lookForVault(ctx)
	return n.Camera(ctx, row.ID)
}

// rowFor is the camera that a device becomes.
func (n *NVR) rowFor(ctx context.Context, d store.Device) (store.Camera, error) {
	address := (&url.URL{Scheme: "rtsps", Host: d.Address, Path: agentPath}).String()
	cameras, err := n.db.Cameras(ctx)
	if err != nil {
		return store.Camera{}, err
	}
	row := store.NewCamera(d.Name, address)
	taken := map[string]bool{}
	for _, c := range cameras {
		taken[strings.ToLower(c.Name)] = true
		if c.ID == d.Camera {
			row, row.URL = c, address
		}
	}
	for i := 2; row.ID == (store.ID{}) && taken[strings.ToLower(row.Name)]; i++ {
		row.Name = d.Name + " " + strconv.Itoa(i)
	}
	row.Trust, row.Pin, row.Secret = store.TrustPaired, d.SPKI, nil
	row.SubURL, row.ONVIF, row.Controls = "", "", 0 // those of what was there before
	return row, nil
}

// plainName keeps what a name may hold of what a camera calls itself.
func plainName(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, s)
	if r := []rune(s); len(r) > 60 {
		s = string(r[:60])
	}
	return strings.TrimSpace(s)
}

// RevokeCamera takes a camera's certificate back for good: its session ends at once and no new one begins, until it is paired
// again. NotFound where the camera is not paired.
func (n *NVR) RevokeCamera(ctx context.Context, actor store.Actor, id store.ID) error {
	n.change.Lock()
	defer n.change.Unlock()
	r, err := n.runner(id)
	if err != nil {
		return err
	}
	if _, err := n.db.ActiveDevice(ctx, id); err != nil {
		return err
	}
	if err := n.note(ctx, actor, "camera.revoke", store.Access{Camera: id}); err != nil {
		return err
	}
	if err := n.db.RevokeDevice(ctx, id); err != nil {
		return err
	}
	r.mu.Lock()
	r.device = nil
	r.mu.Unlock()
	r.reconnect()
	n.doubt(id, "revoked", revokedSentence)
	n.lookAtDevices()
	n.log.WarnContext(ctx, "camera revoked", "by", actor.Name, "camera", id.String())
	return nil
}

const revokedSentence = "Its certificate was revoked."
