package nvr

import (
	"cmp"
	"context"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"
	"time"

	"cardea/camera/rtsp"
	"cardea/store"
)

// maxRecord is the longest that Record records.
const maxRecord = time.Hour

// Cameras lists the cameras in use by position.
func (n *NVR) Cameras(ctx context.Context) ([]CameraStatus, error) {
	usage, err := n.usage(ctx)
	if err != nil {
		return nil, err
	}
	var out []CameraStatus
	for _, r := range n.all() {
		st := r.status()
		st.Usage = usage[st.Camera.ID]
		out = append(out, st)
	}
	slices.SortFunc(out, func(a, b CameraStatus) int {
		return cmp.Or(cmp.Compare(a.Camera.Position, b.Camera.Position), a.Camera.ID.Compare(b.Camera.ID))
	})
	return out, nil
}

// Camera gives one camera. NotFound.
func (n *NVR) Camera(ctx context.Context, id store.ID) (CameraStatus, error) {
	r, err := n.runner(id)
	if err != nil {
		return CameraStatus{}, err
	}
	usage, err := n.usage(ctx)
	if err != nil {
		return CameraStatus{}, err
	}
	st := r.status()
	st.Usage = usage[id]
	return st, nil
}

func (n *NVR) usage(ctx context.Context) (map[store.ID]Usage, error) {
	all, err := n.db.Usage(ctx)
	if err != nil {
		return nil, err
	}
	out := make(map[store.ID]Usage, len(all))
	for _, u := range all {
		out[u.Camera] = Usage{Bytes: u.Bytes, Clips: u.Clips, Oldest: u.Oldest}
	}
	return out, nil
}

// Connection gives the state of the line to a camera without asking the index: cheap enough for once a second. NotFound.
func (n *NVR) Connection(id store.ID) (Connection, error) {
	r, err := n.runner(id)
	if err != nil {
		return Connection{}, err
	}
	return r.status().Connection, nil
}

// CameraHealth gives the state of the line to a camera and its history. NotFound.
func (n *NVR) CameraHealth(_ context.Context, id store.ID) (CameraHealth, error) {
	r, err := n.runner(id)
	if err != nil {
		return CameraHealth{}, err
	}
	h := CameraHealth{Connection: r.status().Connection}
	r.mu.Lock()
	h.History = slices.Clone(r.history)
	r.mu.Unlock()
	slices.Reverse(h.History)
	return h, nil
}

// AddCamera stores a camera and starts recording it at once. It does not look at the address of a stream first: Probe does. At an
// ONVIF address it asks the camera for its main stream; an ErrCamera then holds what Probe would return.
func (n *NVR) AddCamera(ctx context.Context, actor store.Actor, c NewCamera) (CameraStatus, error) {
	at, err := n.resolve(ctx, c.URL, c.Fingerprint)
	if err != nil && ctx.Err() == nil && store.ErrorCode(err) == "" {
		err = ErrCamera{err}
	}
	if err != nil {
		return CameraStatus{}, err
	}
	row := store.NewCamera(c.Name, at.url.String())
	row.Trust, row.Pin = trustOf(at.url), at.pin
	row.ONVIF, row.Controls = at.onvif, at.controls
	if row.SubURL, err = at.subURL(c.SubURL); err != nil {
		return CameraStatus{}, err
	}
	row.Transport = cmp.Or(c.Transport, row.Transport)
	row.Mode = cmp.Or(store.Mode(c.Mode), row.Mode)
	if row.Secret, err = n.seal(at.account, at.url.Host); err != nil {
		return CameraStatus{}, err
	}
	n.change.Lock()
	defer n.change.Unlock()
	if err := n.note(ctx, actor, "camera.add", store.Access{Object: row.Name, Detail: row.URL}); err != nil {
		return CameraStatus{}, err
	}
	if row, err = n.db.CreateCamera(ctx, row); err != nil {
		return CameraStatus{}, err
	}
	if err := n.addRunner(ctx, row, store.ID{}, nil); err != nil {
		return CameraStatus{}, err
	}
	n.log.InfoContext(ctx, "camera added", "by", actor.Name, "camera", row.ID.String(), "name", row.Name, "url", rtsp.Redact(row.URL), "trust", row.Trust)
	n.lookForVault(ctx)
	return n.Camera(ctx, row.ID)
}

// pinFor reads a fingerprint, which only makes sense where a certificate is shown.
func pinFor(address *url.URL, fingerprint string) ([]byte, error) {
	pin, err := parseFingerprint(fingerprint)
	if err == nil && pin != nil && address.Scheme != "rtsps" {
		return nil, store.Errorf(store.Invalid, "a fingerprint is of a certificate, and a camera at an rtsp:// address shows none; use rtsps:// or leave it out")
	}
	return pin, err
}

// ChangeCamera changes settings; everything takes effect at once. Changing the address, the fingerprint or the transport
// connects anew.
func (n *NVR) ChangeCamera(ctx context.Context, actor store.Actor, id store.ID, c CameraChange) (CameraStatus, error) {
	n.change.Lock()
	defer n.change.Unlock()
	r, err := n.runner(id)
	if err != nil {
		return CameraStatus{}, err
	}
	if err := n.note(ctx, actor, "camera.change", store.Access{Camera: id, Detail: c.words()}); err != nil {
		return CameraStatus{}, err
	}
	reconnect, sub, listen := false, false, false
	row, err := n.db.UpdateCamera(ctx, id, func(row *store.Camera) error {
		before := *row
		if err := n.apply(row, c); err != nil {
			return err
		}
		reconnect = before.URL != row.URL || !slices.Equal(before.Secret, row.Secret) || !slices.Equal(before.Pin, row.Pin) ||
			before.Transport != row.Transport
		sub = before.SubURL != row.SubURL
		listen = before.ONVIF != row.ONVIF
		return nil
	})
	if err != nil {
		return CameraStatus{}, err
	}
	settings, err := n.settings(ctx, row)
	if err != nil {
		return CameraStatus{}, err
	}
	r.mu.Lock()
	r.row = row
	r.mu.Unlock()
	n.sizeCaches()
	r.line.Set(settings)
	if reconnect {
		// Whoever changes what the camera is known by has decided about it.
		if err := n.release(ctx, r, row); err != nil {
			return CameraStatus{}, err
		}
	}
	if sub {
		r.sub.restart()
	}
	if listen {
		r.listenAnew()
	}
	n.keeper.Wake()
	n.log.InfoContext(ctx, "camera changed", "by", actor.Name, "camera", id.String(), "name", row.Name, "url", rtsp.Redact(row.URL), "mode", row.Mode)
	return n.Camera(ctx, id)
}

// apply puts the fields that are set into row.
func (n *NVR) apply(row *store.Camera, c CameraChange) error {
	set(&row.Name, c.Name)
	set(&row.Transport, c.Transport)
	set(&row.Audio, c.Audio)
	set(&row.Vault, c.Vault)
	set(&row.Position, c.Position)
	set(&row.PreRoll, c.Preroll)
	set(&row.PostRoll, c.Postroll)
	set(&row.RetentionDays, c.RetentionDays)
	set(&row.RetentionBytes, c.RetentionBytes)
	if c.Mode != nil {
		row.Mode = store.Mode(*c.Mode)
	}
	address, err := url.Parse(row.URL)
	if err != nil {
		return store.Errorf(store.Invalid, "the stored address is no URL; enter it again")
	}
	if row.Trust == store.TrustPaired && c.Fingerprint != nil {
		return store.Errorf(store.Invalid, "a paired camera is known by its certificate; there is no fingerprint to confirm")
	}
	if c.URL != nil {
		next, account, err := parseAddress(*c.URL)
		if err != nil {
			return err
		}
		if row.Trust == store.TrustPaired {
			if next.Scheme != "rtsps" || account != (credentials{}) {
				return store.Errorf(store.Invalid, "a paired camera is reached over rtsps:// and has no password")
			}
			if err := n.reseal(row, next.Host); err != nil {
				return err
			}
			row.URL = next.String() // it may have moved; it proves itself all the same
			row.SubURL, row.ONVIF = moved(row.SubURL, address, next), moved(row.ONVIF, address, next)
			return nil
		}
		if account != (credentials{}) || next.Host != address.Host {
			if row.Secret, err = n.seal(account, next.Host); err != nil {
				return err
			}
		}
		// Another device is another one in all.
		if next.Hostname() != address.Hostname() {
			row.ONVIF, row.Controls = "", 0
		}
		if next.Hostname() != address.Hostname() || next.Scheme != address.Scheme {
			row.SubURL = ""
		}
		// Beside a plain stream it is the key of the ONVIF service, which has not moved.
		service := row.Trust == store.TrustPlain && next.Scheme == "rtsp" && strings.HasPrefix(row.ONVIF, "https:")
		if !service && (next.Host != address.Host || next.Scheme != "rtsps") {
			row.Pin = nil
		}
		address, row.URL, row.Trust = next, next.String(), trustOf(next)
	}
	if c.SubURL != nil {
		if row.SubURL, err = sideAddress(*c.SubURL, parseAddress); err != nil {
			return err
		}
	}
	if c.ONVIF != nil {
		if row.ONVIF, err = sideAddress(*c.ONVIF, parseONVIF); err != nil {
			return err
		}
	}
	service := strings.HasPrefix(row.ONVIF, "https:")
	switch {
	case c.Fingerprint != nil && service:
		row.Pin, err = parseFingerprint(*c.Fingerprint)
	case c.Fingerprint != nil:
		row.Pin, err = pinFor(address, *c.Fingerprint)
	case row.Trust == store.TrustPlain && !service:
		row.Pin = nil // nothing of it shows a key any more
	}
	if err != nil {
		return err
	}
	return nil // what is not at the camera's host is found by store.Camera.Validate
}

// words says for the access log what is changed, without the values.
func (c CameraChange) words() string {
	var words []string
	for _, field := range []struct {
		name string
		set  bool
	}{
		{"name", c.Name != nil}, {"address", c.URL != nil}, {"sub-stream", c.SubURL != nil}, {"ONVIF address", c.ONVIF != nil}, {"fingerprint", c.Fingerprint != nil}, {"transport", c.Transport != nil}, {"mode", c.Mode != nil},
		{"audio", c.Audio != nil}, {"vault", c.Vault != nil}, {"position", c.Position != nil}, {"pre-roll", c.Preroll != nil}, {"post-roll", c.Postroll != nil},
		{"retention", c.RetentionDays != nil || c.RetentionBytes != nil},
	} {
		if field.set {
			words = append(words, field.name)
		}
	}
	return strings.Join(words, ", ")
}

func set[T any](field *T, value *T) {
	if value != nil {
		*field = *value
	}
}

// RemoveCamera stops a camera and forgets its credentials. Its clips stay until retention takes them, or go now.
func (n *NVR) RemoveCamera(ctx context.Context, actor store.Actor, id store.ID, deleteClips bool) error {
	n.change.Lock()
	defer n.change.Unlock()
	r, err := n.runner(id)
	if err != nil {
		return err
	}
	kept := map[bool]string{true: "its clips are deleted", false: "its clips are kept"}[deleteClips]
	if err := n.note(ctx, actor, "camera.remove", store.Access{Camera: id, Detail: kept}); err != nil {
		return err
	}
	if err := r.stop(ctx); err != nil {
		return err
	}
	r.letGo(ctx)
	if err := n.db.RemoveCamera(ctx, id, !deleteClips); err != nil {
		return err
	}
	n.log.InfoContext(ctx, "camera removed", "by", actor.Name, "camera", id.String(), "clips", map[bool]string{true: "deleted", false: "kept"}[deleteClips])
	n.sizeCaches()
	n.lookForVault(ctx)
	n.mu.Lock()
	running := n.running != nil
	n.mu.Unlock()
	if !running {
		return n.keeper.Pass(ctx)
	}
	n.keeper.Wake()
	return nil
}

// Record records from now on for at least d, up to an hour, and gives the event that stands for it. A camera that records
// all the time gets just the event; one that is switched off is a Conflict.
func (n *NVR) Record(ctx context.Context, actor store.Actor, id store.ID, d time.Duration) (store.Event, error) {
	if d <= 0 || d > maxRecord {
		return store.Event{}, store.Errorf(store.Invalid, "a recording on demand lasts from one second to one hour")
	}
	r, err := n.runner(id)
	if err != nil {
		return store.Event{}, err
	}
	r.mu.Lock()
	mode := r.row.Mode
	r.mu.Unlock()
	if mode == store.ModeOff {
		return store.Event{}, store.Errorf(store.Conflict, "recording is switched off for this camera; set its mode to event or continuous first")
	}
	if err := n.note(ctx, actor, "camera.record", store.Access{Camera: id, Detail: d.String()}); err != nil {
		return store.Event{}, err
	}
	now := n.clock.Now()
	e, err := n.db.AddEvent(ctx, store.Event{
		Camera: id, Kind: "manual", Start: now, End: now.Add(d), Source: "person", Data: object(map[string]any{"by": actor.Name}),
	})
	if err != nil {
		return store.Event{}, err
	}
	r.line.Trigger(now.Add(d))
	return e, nil
}

// fingerprint prints a hash for people.
func fingerprint(sum []byte) string { return hex.EncodeToString(sum) }
