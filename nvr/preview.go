package nvr

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"cardea/store"
)

// keyPreviews is "off" when a person does not want previews.
const keyPreviews = "previews"

// previewGap is how long looking through previews may pause and still be one look in the access log.
const previewGap = sessionGap

// previews says whether clips get previews.
func (n *NVR) previews(ctx context.Context) (bool, error) {
	text, err := n.db.Setting(ctx, keyPreviews)
	if store.ErrorCode(err) == store.NotFound {
		return true, nil
	}
	return text != "off", err
}

func (n *NVR) setPreviews(ctx context.Context, on bool) error {
	text := map[bool]string{true: "on", false: "off"}[on]
	if err := n.db.PutSettings(ctx, map[string]string{keyPreviews: text}); err != nil {
		return err
	}
	return n.refresh(ctx)
}

// Preview gives the preview of a clip. NotFound where it has none.
func (n *NVR) Preview(ctx context.Context, clip store.ID) (store.Preview, error) {
	return n.db.Preview(ctx, clip)
}

// Previews lists the previews of a camera between two times, the earliest first.
func (n *NVR) Previews(ctx context.Context, camera store.ID, from, to time.Time, limit int) ([]store.Preview, error) {
	return n.db.Previews(ctx, store.ClipQuery{Camera: camera, From: from, To: to, Limit: limit})
}

// OpenPreview opens the ciphertext of a clip's preview. The caller closes it. NotFound.
func (n *NVR) OpenPreview(ctx context.Context, actor store.Actor, clip store.ID) (*ClipFile, error) {
	p, err := n.db.Preview(ctx, clip)
	if err != nil {
		return nil, err
	}
	// Somebody who looks through a day fetches hundreds: that is one look at the camera, and one record.
	if err := n.noteViewing(ctx, actor, "preview", previewGap, store.Access{Camera: p.Camera, Object: "preview", Start: p.Start, End: p.End}); err != nil {
		return nil, err
	}
	file, err := n.cfg.Clips.Open(p.Path())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, store.Errorf(store.NotFound, "the file of the preview of clip %s is not there", clip)
	}
	if err != nil {
		return nil, &store.Error{Code: store.Unavailable, Message: "the preview cannot be read: its disk is missing or reports errors", Err: err}
	}
	return &ClipFile{file: file, Size: p.Bytes}, nil
}
