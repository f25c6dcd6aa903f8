package nvr

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"

	"cardea/store"
	"cardea/store/vault"
)

// ReplaceTorn puts a whole file in the place of a torn clip: r is what could be read of it, sealed anew to the clip's
// vault by who has the identity. The box cannot look into it, so it checks what can be seen from outside: an age file of
// the right length that is sealed to somebody. Anything else is Invalid and changes nothing. The clip keeps its parts.
func (n *NVR) ReplaceTorn(ctx context.Context, actor store.Actor, id store.ID, r io.Reader) (Clip, error) {
	c, err := n.db.Clip(ctx, id)
	if err != nil {
		return Clip{}, err
	}
	if c.State != store.ClipTorn {
		return Clip{}, store.Errorf(store.Conflict, "the clip %s is not torn", id)
	}
	whole := (c.Bytes - int64(c.HeaderBytes)) / vault.SealedChunkSize * vault.ChunkSize
	if tail, ok := vault.PlainSize(c.Bytes - int64(c.HeaderBytes)); ok {
		whole = tail // the final chunk may have been written before the row could be closed
	}
	if err := n.note(ctx, actor, "clip.salvage", store.Access{Camera: c.Camera, Clip: id, Start: c.Start, End: c.End}); err != nil {
		return Clip{}, err
	}
	err = n.cfg.Clips.Replace(c.Path(), func(w io.Writer) error {
		plan, err := copyWhole(w, r, c.Plain, whole)
		if err != nil {
			return err
		}
		plan.Clip = id
		return n.db.PlanReplacement(ctx, plan) // last, see there
	})
	if err != nil {
		return Clip{}, err
	}
	if c, err = n.db.ReplaceClip(ctx, id); err != nil {
		return Clip{}, err
	}
	n.log.InfoContext(ctx, "torn clip made whole", "by", actor.Name, "clip", id.String())
	return clipView(c), nil
}

// copyWhole copies an age file whose plaintext has from least to most bytes, and measures it.
func copyWhole(w io.Writer, r io.Reader, least, most int64) (store.Replacement, error) {
	var head bytes.Buffer
	header, err := vault.HeaderBytes(io.TeeReader(r, &head))
	if err != nil {
		return store.Replacement{}, store.Errorf(store.Invalid, "this is no age file")
	}
	h := sha256.New()
	limit := int64(header) + most + (most/vault.ChunkSize+1)*(vault.SealedChunkSize-vault.ChunkSize)
	size, err := io.Copy(io.MultiWriter(w, h), io.LimitReader(io.MultiReader(&head, r), limit+1))
	if err != nil {
		return store.Replacement{}, fmt.Errorf("store the salvaged clip: %w", err)
	}
	plain, ok := vault.PlainSize(size - int64(header))
	if !ok || plain < least || plain > most {
		return store.Replacement{}, store.Errorf(store.Invalid, "the file does not hold what could be read of the clip; it is too short or too long")
	}
	return store.Replacement{HeaderBytes: header, Bytes: size, SHA256: h.Sum(nil)}, nil
}
