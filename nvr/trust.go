package nvr

import (
	"context"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/url"
	"time"

	"cardea/camera"
	"cardea/nvr/anomaly"
	"cardea/store"
)

// watchEvery is how often cameras are compared with themselves.
const watchEvery = 5 * time.Second

// isolated is the phase of a camera that the NVR stays away from.
const isolated = "isolated"

// itself is who acts when nobody asked for it.
var itself = store.Actor{Name: "cardea"}

// suspicion is what a camera is to be isolated for.
type suspicion struct {
	r         *runner
	cause     string
	detail    string
	presented []byte
}

// watchCameras isolates cameras whose identity is in doubt, and tells people of those that behave unlike themselves, until ctx
// is done.
func (n *NVR) watchCameras(ctx context.Context) error {
	watches := map[store.ID]*anomaly.Watch{}
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case s := <-n.suspects:
			n.isolate(ctx, s)
		case <-tick.C:
			for _, r := range n.all() {
				w := watches[r.id]
				if w == nil {
					w = &anomaly.Watch{}
					watches[r.id] = w
				}
				n.compare(ctx, r, w)
			}
		}
	}
}

// compare looks for what is unlike a camera.
func (n *NVR) compare(ctx context.Context, r *runner, w *anomaly.Watch) {
	r.mu.Lock()
	cam := r.camera
	r.mu.Unlock()
	if cam == nil {
		return
	}
	s := cam.State()
	n.learn(ctx, r, s)
	found := w.Look(anomaly.Sample{
		At: n.clock.Now(), Streaming: s.Phase == camera.Streaming, BitRate: s.Bitrate, Codecs: s.Codecs,
		ClockOffset: s.ClockOffset, ClockKnown: s.ClockKnown, Sessions: s.Reconnects,
	})
	for _, f := range found {
		n.log.WarnContext(ctx, "camera behaves unlike itself", "camera", r.id.String(), "rule", f.Rule, "detail", f.Detail, "isolate", f.Isolate)
		now := n.clock.Now()
		n.emit(event{Event: store.Event{
			Camera: r.id, Kind: "camera.anomaly", Start: now, End: now, Source: "camera", Labels: []string{f.Rule},
			Data: object(map[string]any{"detail": f.Detail}),
		}})
		if f.Isolate {
			n.isolate(ctx, suspicion{r, f.Rule, f.Detail, nil})
		}
	}
}

// judge has the camera isolated where a connection of it ended in doubt of who it is, or because it sent more than a camera may.
func (r *runner) judge(s camera.State) {
	switch {
	case s.Phase == camera.Doubted && !r.revoked():
		r.n.suspect(suspicion{r, "identity", s.Detail, s.Presented})
	case s.Flooded:
		r.n.suspect(suspicion{r, anomaly.BitRate, s.Detail, nil})
	}
}

// suspect asks for a camera to be isolated. It does not block: a camera that is still in doubt is suspected again at its next attempt.
func (n *NVR) suspect(s suspicion) {
	select {
	case n.suspects <- s:
	default:
		n.log.Error("a camera is not isolated yet, too many are in doubt", "camera", s.r.id.String())
	}
}

// isolate ends the connection to a camera and keeps away from it until a person decides. An index that cannot store that is no
// reason to go on.
func (n *NVR) isolate(ctx context.Context, s suspicion) {
	i := store.Isolation{Camera: s.r.id, Since: n.clock.Now(), Cause: s.cause, Detail: s.detail, Presented: s.presented}
	s.r.mu.Lock()
	again := s.r.isolation != nil
	if !again {
		s.r.isolation = &i
	}
	s.r.mu.Unlock()
	if again {
		return
	}
	s.r.reconnect()
	n.log.WarnContext(ctx, "camera isolated", "camera", s.r.id.String(), "cause", s.cause, "detail", s.detail)
	if err := n.note(ctx, itself, "camera.isolate", store.Access{Camera: s.r.id, Object: s.cause, Detail: s.detail}); err != nil {
		n.log.ErrorContext(ctx, "an isolation is not in the access log", "camera", s.r.id.String(), "error", err)
	}
	if _, err := n.db.Isolate(ctx, i); err != nil && store.ErrorCode(err) != store.NotFound {
		n.log.ErrorContext(ctx, "an isolation is not stored and ends with this run", "camera", s.r.id.String(), "error", err)
	}
	n.emit(event{Event: store.Event{
		Camera: s.r.id, Kind: "camera.identity", Start: i.Since, End: i.Since, Source: "camera", Labels: []string{isolated, s.cause},
		Data: object(map[string]any{"detail": s.detail}),
	}})
	n.alarmIsolated()
}

// alarmIsolated keeps the alarm of isolated cameras.
func (n *NVR) alarmIsolated() {
	var names string
	for _, r := range n.all() {
		r.mu.Lock()
		if r.isolation != nil {
			if names != "" {
				names += ", "
			}
			names += r.row.Name
		}
		r.mu.Unlock()
	}
	n.alarm(isolated, "Cardea keeps away from "+names+" until you decide: what was seen stands with the camera.", names != "")
}

// AcceptCamera ends the isolation of a camera: a person has looked. With a fingerprint, which has to be the one that the camera
// showed, its new key is trusted from now on; without, it is tried again as it was before. A paired camera is never accepted with
// another key: it is paired again. Conflict for a camera that is not isolated, Invalid for another fingerprint.
func (n *NVR) AcceptCamera(ctx context.Context, actor store.Actor, id store.ID, fingerprint string) (CameraStatus, error) {
	n.change.Lock()
	defer n.change.Unlock()
	r, err := n.runner(id)
	if err != nil {
		return CameraStatus{}, err
	}
	r.mu.Lock()
	i, row := r.isolation, r.row
	r.mu.Unlock()
	if i == nil {
		return CameraStatus{}, store.Errorf(store.Conflict, "the camera %s is not isolated", row.Name)
	}
	detail := "tried again with the identity that was known"
	if fingerprint != "" {
		if row.Pin, err = acceptedPin(row, *i, fingerprint); err != nil {
			return CameraStatus{}, err
		}
		detail = "another key accepted: " + hex.EncodeToString(row.Pin)
	}
	if err := n.note(ctx, actor, "camera.accept", store.Access{Camera: id, Object: i.Cause, Detail: detail}); err != nil {
		return CameraStatus{}, err
	}
	if fingerprint != "" {
		if row, err = n.db.UpdateCamera(ctx, id, func(stored *store.Camera) error {
			stored.Pin = row.Pin
			return nil
		}); err != nil {
			return CameraStatus{}, err
		}
	}
	if err := n.release(ctx, r, row); err != nil {
		return CameraStatus{}, err
	}
	n.log.InfoContext(ctx, "camera accepted", "by", actor.Name, "camera", id.String(), "detail", detail)
	return n.Camera(ctx, id)
}

// acceptedPin checks the fingerprint that a person accepts.
func acceptedPin(row store.Camera, i store.Isolation, fingerprint string) ([]byte, error) {
	if row.Trust == store.TrustPaired {
		return nil, store.Errorf(store.Invalid, "a paired camera proves itself by its certificate: pair it again if it was reset or replaced")
	}
	address, err := url.Parse(row.URL)
	if err != nil {
		return nil, fmt.Errorf("read address of camera %s: %w", row.ID, err)
	}
	pin, err := pinFor(address, fingerprint)
	if err != nil {
		return nil, err
	}
	if len(i.Presented) == 0 || subtle.ConstantTimeCompare(pin, i.Presented) != 1 {
		return nil, store.Errorf(store.Invalid, "this is not the fingerprint that the camera showed; compare it with the camera's own settings page, not with what stands here")
	}
	return pin, nil
}

// release lets a camera be connected again with the row as it is now.
func (n *NVR) release(ctx context.Context, r *runner, row store.Camera) error {
	if err := n.db.Release(ctx, r.id); err != nil {
		return err
	}
	r.mu.Lock()
	r.row, r.isolation = row, nil
	r.mu.Unlock()
	r.reconnect()
	n.alarmIsolated()
	return nil
}

// loadIsolations gives the cameras that an earlier run isolated.
func (n *NVR) loadIsolations(ctx context.Context) (map[store.ID]*store.Isolation, error) {
	all, err := n.db.Isolations(ctx)
	if err != nil {
		return nil, err
	}
	out := make(map[store.ID]*store.Isolation, len(all))
	for i := range all {
		out[all[i].Camera] = &all[i]
	}
	return out, nil
}

// keepAway says of an isolated camera what people and the timeline are shown, and reports whether it is one.
func (r *runner) keepAway(cancel context.CancelFunc) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.isolation == nil || r.removed {
		return false
	}
	r.cancel, r.camera = cancel, nil
	r.setHistory(camera.State{Phase: isolated, Since: r.isolation.Since, Detail: r.isolation.Detail})
	r.line.Connection(store.GapRefused, r.isolation.Detail)
	r.missed(store.GapRefused, r.isolation.Detail)
	r.online = false
	return true
}
