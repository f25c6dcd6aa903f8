package nvr

import (
	"context"
	"crypto/tls"
	"errors"
	"net/url"

	"cardea/camera/onvif"
	"cardea/camera/rtsp"
	"cardea/store"
)

// Side is one more address of a camera, looked at before it is stored: that of its stream, of its smaller stream, or of its ONVIF service.
type Side int

// The sides.
const (
	SideMain Side = iota
	SideSub
	SideONVIF
)

// errOtherKey says that one camera would have two keys.
func errOtherKey() error {
	return store.Errorf(store.Conflict, "another key is shown there than on the camera's stream, and a camera has one; look whether this is the same camera")
}

// Look looks at an address of a camera before it is stored there, as Probe does. Where it names no account the camera's own is used: at the
// camera's own host only, and for a camera that is known by its key or certificate only where it proves that first. print is the
// fingerprint that a person confirmed, and that which is pinned when "". NotFound, Conflict for a camera in doubt, and what Probe gives.
func (n *NVR) Look(ctx context.Context, actor store.Actor, id store.ID, side Side, address, print string) (Probe, error) {
	r, err := n.runner(id)
	if err != nil {
		return Probe{}, err
	}
	r.mu.Lock()
	row, away := r.row, r.isolation != nil
	r.mu.Unlock()
	parse := parseAddress
	if side == SideONVIF {
		parse = parseONVIF
	}
	at, account, err := parse(address)
	if err != nil {
		return Probe{}, err
	}
	stream, err := url.Parse(row.URL)
	if err != nil {
		return Probe{}, store.Errorf(store.Conflict, "the stored address is no URL; enter it again")
	}
	switch {
	case at.Hostname() != stream.Hostname() && side == SideMain && row.Trust != store.TrustPaired:
		return n.Probe(ctx, actor, address, print, row.Transport) // another camera, which is told nothing of this one
	case at.Hostname() != stream.Hostname() && side != SideMain: // a paired camera may have moved: it proves itself there
		return Probe{}, store.Errorf(store.Invalid, "this address is at another host than the camera's stream")
	case away:
		return Probe{}, store.Errorf(store.Conflict, "Cardea keeps away from this camera until you decide; nothing is sent to it")
	case side == SideSub && at.Scheme != stream.Scheme:
		return Probe{}, store.Errorf(store.Invalid, "the smaller stream has to begin with %s:// as the big one does", stream.Scheme)
	}
	secure := at.Scheme == "rtsps" || at.Scheme == "https"
	if account == (credentials{}) {
		if row.Trust != store.TrustPlain && !secure {
			return Probe{}, store.Errorf(store.Conflict, "this camera proves who it is; its password does not go over %s://, where anybody could read along", at.Scheme)
		}
		if account, err = n.credentials(row); err != nil {
			return Probe{}, store.Errorf(store.Conflict, "%s", lostSecret)
		}
	}
	pin, err := parseFingerprint(print)
	if err != nil {
		return Probe{}, err
	}
	if pin == nil && secure {
		pin = row.Pin
	}
	known := row.Trust != store.TrustPlain && side != SideMain
	p, err := n.lookAt(ctx, actor, r, row, at, account, pin)
	var other rtsp.ErrPin
	if known && errors.As(err, &other) {
		return Probe{}, errOtherKey()
	}
	return p, err
}

// lookAt looks at an address of a camera with its account.
func (n *NVR) lookAt(ctx context.Context, actor store.Actor, r *runner, row store.Camera, at *url.URL, account credentials, pin []byte) (Probe, error) {
	ctx, cancel := context.WithTimeout(ctx, probeWithin)
	defer cancel()
	var mutual *tls.Config
	if row.Trust == store.TrustPaired {
		pin, mutual = nil, r.mutual()
	}
	if at.Scheme == "rtsp" || at.Scheme == "rtsps" {
		if err := n.noteViewing(ctx, actor, "snapshot", liveGap, store.Access{Camera: row.ID, Object: "snapshot"}); err != nil {
			return Probe{}, err
		}
		cfg := rtsp.Config{URL: at, User: account.User, Password: account.Password, Pin: pin, Mutual: mutual, Transport: rtsp.Transport(row.Transport), Now: n.clock.Now, Log: n.log}
		return lookAtStream(ctx, cfg)
	}
	client, err := onvif.Dial(ctx, onvif.Config{URL: at, User: account.User, Password: account.Password, Pin: pin, Mutual: mutual, Now: n.clock.Now})
	if err != nil {
		return Probe{}, err
	}
	defer client.Close()
	streams, err := client.Streams(ctx)
	if err != nil {
		return Probe{}, err
	}
	p := Probe{Trust: string(store.TrustPlain), URL: at.String()}
	if at.Scheme == "https" {
		p.Trust = string(store.TrustPinned)
	}
	if info, err := client.Info(ctx); err == nil {
		p.Model = model(info) // it is for people only
	}
	if stream, err := url.Parse(row.URL); err == nil {
		p.Sub, _ = target{url: stream, sub: streams.SubURL}.subURL("") // only what was typed can be wrong
	}
	return p, nil
}
