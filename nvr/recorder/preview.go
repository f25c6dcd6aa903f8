package recorder

import (
	"context"
	"errors"
	"time"

	"cardea/nvr/hub"
	"cardea/nvr/preview"
	"cardea/store"
)

// sketchQueue is how much of the sub-stream may wait for a tick.
const sketchQueue = 4 << 20

// Previews says where a line's previews come from.
type Previews struct {
	// Hub is that of the sub-stream.
	Hub *hub.Hub
	// Want is called when the line begins, and ends, to want key frames of it. It MUST NOT block. It may be nil.
	Want func(bool)
}

// sketch gives what has come of the sub-stream to the preview of the open clip. A preview is never worth a clip: whatever goes wrong with
// one is logged, and that is all.
func (l *Line) sketch(w wish) {
	p := l.cfg.Previews
	if p == nil {
		return
	}
	if want := w.Previews && w.recording; want != (l.small != nil) {
		if want {
			l.small = p.Hub.Subscribe(hub.ReaderConfig{MaxBytes: sketchQueue})
		} else {
			l.small.Close()
			l.small = nil
		}
		if p.Want != nil {
			p.Want(want)
		}
	}
	if l.small == nil {
		return
	}
	s := l.slot
	s.frames = l.small.Drain(s.frames[:0])
	if l.clip != nil {
		for _, f := range s.frames {
			l.clip.sketch.Add(f)
		}
	}
	clear(s.frames)
}

// endSketch lets go of the sub-stream.
func (l *Line) endSketch() { l.sketch(wish{}) }

// sealSketch makes the preview of a clip that is complete and ends at end; nil where there is none. Its pictures are placed in the clip's
// own time, which follows the clock of the main stream.
func (l *Line) sealSketch(ctx context.Context, c *clip, end time.Time) *preview.File {
	s := l.slot
	f, err := c.sketch.Seal(c.to, s.out[:0])
	if err != nil {
		l.log.WarnContext(ctx, "a clip has no preview", "clip", c.row.ID.String(), "error", err)
		return nil
	}
	if f == nil {
		return nil
	}
	for i := range f.Row.Parts {
		at := f.Row.Parts[i].Start.Add(c.shift).Truncate(time.Microsecond)
		if at.After(end) {
			at = end
		}
		if at.Before(c.row.Start) {
			at = c.row.Start
		}
		f.Row.Parts[i].Start = at
	}
	return f
}

// keepSketch writes the file of a preview whose row is planned.
func (l *Line) keepSketch(ctx context.Context, f *preview.File) {
	err := l.writeSketch(f)
	if err == nil {
		err = l.r.cfg.DB.PreviewWritten(ctx, f.Row.Clip)
	}
	if err == nil {
		return
	}
	l.log.WarnContext(ctx, "a preview is not kept", "clip", f.Row.Clip.String(), "error", err)
	if err := l.r.cfg.DB.DropPreview(ctx, f.Row.Clip); err != nil && store.ErrorCode(err) != store.NotFound {
		l.log.WarnContext(ctx, "a preview that was not written stands in the index until the next start", "clip", f.Row.Clip.String(), "error", err)
	}
	// What is left of its file goes with the next sweep.
}

func (l *Line) writeSketch(f *preview.File) error {
	file, err := l.r.cfg.Files.Create(f.Row.Path())
	if err != nil {
		return err
	}
	err = file.Append(f.Data)
	if err == nil {
		err = file.Datasync()
	}
	return errors.Join(err, file.Close())
}
