package recorder

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"cardea/store"
	"cardea/store/disk"
	"cardea/store/vault"
)

// settleEvery is how often clips that could not be settled are tried again.
const settleEvery = 10 * time.Second

// Recover looks at the clips that an earlier run left open: those listed in the index, so no directory is read. Call it
// once, before lines are added and before Run. Each camera gets a gap that begins where its last clip ended. The clips
// themselves are settled by Run, beside the recording, since hashing takes time; Settled tells when that is done.
//
// Previews that were being written are small, and settled at once.
//
// A file that is whole chunks long at least becomes a torn clip; it is hashed as it was found and never changed, since
// what looks like a fragment at its end may be the final chunk. A file without a whole chunk holds nothing that could be
// opened: it goes, and so does a row without a file.
func (r *Recorder) Recover(ctx context.Context) error {
	if err := r.cfg.DB.SettlePreviews(ctx, r.cfg.Files); err != nil && !errors.Is(err, disk.ErrNotMounted) {
		return err
	}
	clips, err := r.cfg.DB.OpenClips(ctx)
	if err != nil {
		return err
	}
	gaps, err := r.cfg.DB.OpenGaps(ctx)
	if err != nil {
		return err
	}
	open := map[store.ID]bool{}
	for _, g := range gaps {
		open[g.Camera] = true
	}
	for _, c := range clips {
		r.tear(c.ID)
		if open[c.Camera] || c.Cause == store.CauseEvent || c.Fetched {
			continue
		}
		// End is that of the last durable part, or Start.
		err = r.cfg.DB.OpenGap(ctx, store.Gap{
			Camera: c.Camera, Start: c.End, Reason: store.GapRestart, Detail: "Cardea ended unexpectedly: a power cut or a crash.",
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Settled is closed when everything that Recover found was dealt with once.
func (r *Recorder) Settled() <-chan struct{} { return r.settled }

// settle turns an open row into a torn clip, or drops it where there is nothing to open.
func settle(ctx context.Context, db *store.DB, files *disk.Root, c store.Clip) (store.Clip, error) {
	drop := func() (store.Clip, error) {
		if err := files.Check(); err != nil {
			return c, err // a file that is missing from a disk that is missing is not gone
		}
		_, _, err := db.DeleteClips(ctx, []store.ID{c.ID}, "lost")
		if err == nil {
			_, err = db.Sweep(ctx, files, nil)
		}
		return c, err
	}
	f, err := files.Open(c.Path())
	if errors.Is(err, fs.ErrNotExist) {
		return drop()
	}
	if err != nil {
		return c, err
	}
	defer f.Close() //nolint:errcheck // only read from
	info, err := f.Stat()
	if err != nil {
		return c, err
	}
	whole := (info.Size() - int64(c.HeaderBytes)) / vault.SealedChunkSize
	if whole <= 0 || c.Fetched && len(c.Parts) == 0 { // what was fetched and not announced is fetched again
		return drop()
	}
	h := sha256.New()
	size, err := io.Copy(h, f)
	if err != nil {
		return c, fmt.Errorf("read what was recorded: %w", err)
	}
	torn := store.ClosedClip{Clip: c.ID, Bytes: size, SHA256: h.Sum(nil)}
	if len(c.Parts) == 0 {
		// Chunks are durable, but none was announced. A clip always begins with a key frame behind its init segment.
		torn.Parts = []store.Part{{Start: c.Start, Offset: int64(c.InitBytes), Key: true}}
		torn.Plain = whole * vault.ChunkSize
		torn.End = c.Start
		if written := info.ModTime(); written.After(c.Start) && written.Sub(c.Start) < time.Minute {
			torn.End = written
		}
	}
	return db.SettleTorn(ctx, torn)
}

// tear notes a clip that was given up, for the settler.
func (r *Recorder) tear(id store.ID) {
	r.mu.Lock()
	r.torn = append(r.torn, id)
	r.mu.Unlock()
}

// unfinished notes a complete clip whose row could not be closed.
func (r *Recorder) unfinished(c store.ClosedClip) {
	r.mu.Lock()
	r.late = append(r.late, c)
	r.mu.Unlock()
}

// settleLoop brings clips that were given up, and rows that could not be closed, in order as soon as the disk and the
// index allow it.
func (r *Recorder) settleLoop(ctx context.Context) {
	r.settleNow(ctx)
	close(r.settled)
	t := time.NewTicker(settleEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			r.settleNow(ctx)
		}
	}
}

// settleNow tries once. What fails stays for the next time, and after the end of the program for Recover.
func (r *Recorder) settleNow(ctx context.Context) {
	r.mu.Lock()
	torn, late := r.torn, r.late
	r.torn, r.late = nil, nil
	r.mu.Unlock()
	for _, c := range late {
		if _, err := r.cfg.DB.CloseClip(ctx, c); err != nil && store.ErrorCode(err) != store.Conflict {
			r.unfinished(c)
			continue
		}
		r.clear("index")
	}
	for _, id := range torn {
		c, err := r.cfg.DB.Clip(ctx, id)
		if store.ErrorCode(err) == store.NotFound {
			continue
		}
		if err == nil && c.State == store.ClipOpen {
			c, err = settle(ctx, r.cfg.DB, r.cfg.Files, c)
			if err == nil {
				r.cfg.Log.InfoContext(ctx, "a clip was cut off", "camera", c.Camera.String(), "clip", id.String(), "kept", c.State == store.ClipTorn)
			}
		}
		if err != nil {
			r.cfg.Log.DebugContext(ctx, "a clip that was given up is not settled yet", "clip", id.String(), "error", err)
			r.tear(id)
		}
	}
}
