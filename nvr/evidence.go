package nvr

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"cardea/nvr/evidence"
	"cardea/store"
)

// maxEvidenceClips bounds a bundle.
const maxEvidenceClips = 500

// Evidence gives the clips of a bundle to be, and how long it will be about. Conflict for a clip whose record is not in the log's
// checkpoint yet, or that is still being written.
func (n *NVR) Evidence(ctx context.Context, ids []store.ID) (clips []Clip, size int64, err error) {
	if len(ids) == 0 || len(ids) > maxEvidenceClips {
		return nil, 0, store.Errorf(store.Invalid, "a bundle holds between 1 and %d recordings", maxEvidenceClips)
	}
	log, err := n.tree(store.LogFootage)
	if err != nil {
		return nil, 0, err
	}
	seen := map[store.ID]bool{}
	for _, id := range ids {
		if seen[id] {
			continue
		}
		seen[id] = true
		clip, err := n.Clip(ctx, id)
		if err != nil {
			return nil, 0, err
		}
		if clip.State == store.ClipOpen {
			return nil, 0, store.Errorf(store.Conflict, "the newest recording is still being written; it can be handed out in a minute")
		}
		seq, err := n.db.FootageSeq(ctx, id)
		if store.ErrorCode(err) == store.NotFound {
			return nil, 0, store.Errorf(store.Conflict, "recording %s is from before the footage log began: there is nothing to prove it by", id)
		}
		if err != nil {
			return nil, 0, err
		}
		if seq >= log.Checkpoint().Size {
			return nil, 0, store.Errorf(store.Conflict, "the footage log has not signed the newest recording yet; try again in a few seconds")
		}
		clips, size = append(clips, clip), size+clip.Bytes+8<<10
	}
	return clips, size, nil
}

// Bundle is evidence that may be fetched for a while.
type Bundle struct {
	ID      store.ID
	Expires time.Time
	user    store.ID
	clips   []store.ID
	note    string
}

const (
	bundleLife = 5 * time.Minute
	maxBundles = 32
)

// bundles are those that may be fetched. A restart forgets them.
type bundles struct {
	mu  sync.Mutex
	all map[store.ID]Bundle
}

// PrepareEvidence lets the actor fetch a bundle of clips, which Evidence has found nothing wrong with.
func (n *NVR) PrepareEvidence(actor store.Actor, clips []store.ID, note string) (Bundle, error) {
	now := n.clock.Now()
	id, err := n.db.NewID(now)
	if err != nil {
		return Bundle{}, err
	}
	n.bundles.mu.Lock()
	defer n.bundles.mu.Unlock()
	for id, b := range n.bundles.all {
		if !now.Before(b.Expires) {
			delete(n.bundles.all, id)
		}
	}
	if len(n.bundles.all) >= maxBundles {
		return Bundle{}, store.Errorf(store.Conflict, "too many bundles wait to be fetched; try again in a few minutes")
	}
	if n.bundles.all == nil {
		n.bundles.all = map[store.ID]Bundle{}
	}
	b := Bundle{ID: id, Expires: now.Add(bundleLife), user: actor.User, clips: clips, note: note}
	n.bundles.all[id] = b
	return b, nil
}

// PreparedEvidence gives a bundle of the actor that may be fetched. NotFound.
func (n *NVR) PreparedEvidence(actor store.Actor, id store.ID) (Bundle, error) {
	n.bundles.mu.Lock()
	defer n.bundles.mu.Unlock()
	b, ok := n.bundles.all[id]
	if !ok || b.user != actor.User || !n.clock.Now().Before(b.Expires) {
		return Bundle{}, store.Errorf(store.NotFound, "there is no bundle %s to fetch, or not any more; make it again", id)
	}
	return b, nil
}

// WriteEvidence writes a bundle, each clip of which is recorded as handed out before. What is wrong while it is written ends it before
// its directory, so that nobody takes half a bundle for one.
func (n *NVR) WriteEvidence(ctx context.Context, actor store.Actor, prepared Bundle, w io.Writer) error {
	note := prepared.note
	clips, _, err := n.Evidence(ctx, prepared.clips)
	if err != nil {
		return err
	}
	log, err := n.tree(store.LogFootage)
	if err != nil {
		return err
	}
	newest := log.Checkpoint()
	manifest := evidence.Manifest{Made: n.clock.Now().UTC(), By: actor.Name, Note: note, Origin: newest.Origin}
	records := make([]evidence.Record, len(clips))
	for i, clip := range clips {
		seq, err := n.db.FootageSeq(ctx, clip.ID)
		if err != nil {
			return err
		}
		record, err := n.db.LogRecord(ctx, store.LogFootage, seq)
		if err != nil {
			return err
		}
		proof, err := n.LogProof(ctx, store.LogFootage, seq)
		if err != nil {
			return err
		}
		records[i] = evidence.Record{Text: record.Text, Salt: record.Salt, Proof: proof}
		manifest.Clips = append(manifest.Clips, evidence.Clip{
			ID: clip.ID.String(), Camera: clip.Camera.String(), CameraName: record.CameraName, Start: clip.Start, End: clip.End,
			Bytes: clip.Bytes, SHA256: record.SHA256, Seq: seq,
		})
	}
	for _, clip := range clips {
		err := n.note(ctx, actor, "evidence.export", store.Access{Camera: clip.Camera, Clip: clip.ID, Start: clip.Start, End: clip.End, Object: note})
		if err != nil {
			return err
		}
	}
	n.log.InfoContext(ctx, "evidence exported", "by", actor.Name, "clips", len(clips))
	b, err := evidence.NewWriter(w, manifest, log.Key())
	if err != nil {
		return err
	}
	for i, clip := range clips {
		if err := n.addClip(ctx, b, clip, records[i]); err != nil {
			return fmt.Errorf("write evidence of clip %s: %w", clip.ID, err)
		}
	}
	if err := b.Checkpoint(bytes.Clone(newest.Text)); err != nil {
		return err
	}
	return b.Close()
}

func (n *NVR) addClip(ctx context.Context, b *evidence.Writer, clip Clip, record evidence.Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	file, err := n.cfg.Clips.Open(clip.Path)
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // only read from
	return b.Clip(clip.ID.String(), io.NewSectionReader(file, 0, clip.Bytes), record)
}
