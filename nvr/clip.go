package nvr

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"cardea/store"
)

// clipView adds what a person or a player needs.
func clipView(c store.Clip) Clip {
	return Clip{Clip: c, Path: c.Path(), MIME: `video/mp4; codecs="` + c.Codecs + `"`}
}

// Timeline gives what a camera has between two times.
func (n *NVR) Timeline(ctx context.Context, camera store.ID, from, to time.Time, step time.Duration) (store.Timeline, error) {
	return n.db.Timeline(ctx, camera, from, to, step)
}

// Lanes gives the same of the cameras in use that sees lets through, by id and without buckets.
func (n *NVR) Lanes(ctx context.Context, from, to time.Time, sees func(store.ID) bool) ([]store.Timeline, error) {
	var out []store.Timeline
	for _, r := range n.all() {
		if !sees(r.id) {
			continue
		}
		line, err := n.db.Timeline(ctx, r.id, from, to, 0)
		if store.ErrorCode(err) == store.NotFound {
			continue // removed a moment ago
		}
		if err != nil {
			return nil, err
		}
		out = append(out, line)
	}
	slices.SortFunc(out, func(a, b store.Timeline) int { return a.Camera.Compare(b.Camera) })
	return out, nil
}

// Clips lists clips without parts by start.
func (n *NVR) Clips(ctx context.Context, query store.ClipQuery) ([]Clip, error) {
	all, err := n.db.Clips(ctx, query)
	if err != nil {
		return nil, err
	}
	out := make([]Clip, len(all))
	for i, c := range all {
		out[i] = clipView(c)
	}
	return out, nil
}

// Clip gives one clip with its parts. NotFound.
func (n *NVR) Clip(ctx context.Context, id store.ID) (Clip, error) {
	c, err := n.db.Clip(ctx, id)
	if err != nil {
		return Clip{}, err
	}
	return clipView(c), nil
}

// ClipFile is the open ciphertext of a clip. The caller closes it. It stays readable when the clip is deleted meanwhile.
type ClipFile struct {
	file *os.File
	// Clip is the row, with parts, as it was when the file was opened.
	Clip Clip
	// Size is how many bytes may be read: of an open clip those that are durable.
	Size int64
}

// ReadAt implements io.ReaderAt over the first Size bytes.
func (f *ClipFile) ReadAt(p []byte, off int64) (int, error) {
	return io.NewSectionReader(f.file, 0, f.Size).ReadAt(p, off)
}

// Close closes the file.
func (f *ClipFile) Close() error { return f.file.Close() }

// OpenClip opens the ciphertext of a clip. NotFound, also when the clip was deleted a moment ago.
func (n *NVR) OpenClip(ctx context.Context, actor store.Actor, id store.ID) (*ClipFile, error) {
	c, err := n.Clip(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := n.noteViewing(ctx, actor, "playback", sessionGap, store.Access{Camera: c.Camera, Clip: id, Start: c.Start, End: c.End}); err != nil {
		return nil, err
	}
	file, err := n.cfg.Clips.Open(c.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, store.Errorf(store.NotFound, "the file of clip %s is not there", id)
	}
	if err != nil {
		return nil, &store.Error{Code: store.Unavailable, Message: "the clip cannot be read: its disk is missing or reports errors", Err: err}
	}
	return &ClipFile{file: file, Clip: c, Size: c.Bytes}, nil
}
