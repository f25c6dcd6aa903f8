package nvr

import (
	"context"
	"net/url"

	"cardea/camera"
	"cardea/camera/rtsp"
	"cardea/store"
)

// learn takes over what a camera that streams says of itself. A smaller stream is only taken from one that has proved who it is.
func (n *NVR) learn(ctx context.Context, r *runner, s camera.State) {
	if s.Phase != camera.Streaming {
		return
	}
	n.askTalk(ctx, r)
	if s.Sub == "" {
		return
	}
	r.mu.Lock()
	row := r.row
	r.mu.Unlock()
	at, err := url.Parse(row.URL)
	if err != nil || row.Trust != store.TrustPaired {
		return
	}
	sub := (&url.URL{Scheme: at.Scheme, Host: at.Host, Path: "/" + s.Sub}).String()
	if row.SubURL == sub {
		return
	}
	if err := n.edit(ctx, r, func(row *store.Camera) { row.SubURL = sub }); err != nil {
		n.log.WarnContext(ctx, "the sub-stream of a camera is not stored", "camera", r.id.String(), "error", err)
		return
	}
	n.log.InfoContext(ctx, "camera has a sub-stream", "camera", r.id.String(), "url", rtsp.Redact(sub))
}

// edit stores a change of a camera that it asked for itself, and puts it into effect.
func (n *NVR) edit(ctx context.Context, r *runner, change func(*store.Camera)) error {
	n.change.Lock()
	defer n.change.Unlock()
	row, err := n.db.UpdateCamera(ctx, r.id, func(row *store.Camera) error {
		change(row)
		return nil
	})
	if err != nil {
		return err
	}
	settings, err := n.settings(ctx, row)
	if err != nil {
		return err
	}
	r.mu.Lock()
	sub := r.row.SubURL != row.SubURL
	r.row = row
	r.mu.Unlock()
	r.line.Set(settings)
	if sub {
		r.sub.restart()
	}
	return nil
}
