package nvr

import (
	"context"
	"time"

	"cardea/store"
)

// maxExport is the longest part of time that one export covers.
const maxExport = 7 * 24 * time.Hour

// Export records that a person is about to save what a camera recorded between two moments as a plain video. The clips are opened in that
// person's browser; the NVR only ever gives ciphertext, which it would give for playback, too. So this is the record that says what it was
// for. Invalid for a time that cannot be meant, NotFound where nothing was recorded.
func (n *NVR) Export(ctx context.Context, actor store.Actor, camera store.ID, from, to time.Time, note string) error {
	if !to.After(from) || to.Sub(from) > maxExport {
		return store.Errorf(store.Invalid, "an export ends after it begins and covers seven days at most")
	}
	clips, err := n.Clips(ctx, store.ClipQuery{Camera: camera, From: from, To: to, Limit: 1})
	if err != nil {
		return err
	}
	if len(clips) == 0 {
		return store.Errorf(store.NotFound, "nothing was recorded in this time")
	}
	return n.note(ctx, actor, "clip.export", store.Access{Camera: camera, Start: from, End: to, Object: note})
}
