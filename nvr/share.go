package nvr

import (
	"context"
	"fmt"
	"slices"
	"time"

	"cardea/store"
	"cardea/store/parts"
	"cardea/store/vault"
)

const (
	// maxShareClips bounds a share, maxShareKeys its sealed file keys in bytes, maxShareLife how long it may last.
	maxShareClips = 500
	maxShareKeys  = 64 << 10
	maxShareLife  = 31 * 24 * time.Hour
	// sharesKept is how long a share that is over stays in the list.
	sharesKept = 30 * 24 * time.Hour
)

// NewShare is the input of Share.
type NewShare struct {
	// Clips are of one camera.
	Clips []store.ID
	// From and To bound what is served, in steps of a chunk; zero = whole clips.
	From, To time.Time
	Expires  time.Time
	// MaxViews is how often the link may be opened; 0 = any number of times.
	MaxViews int
	Note     string
	// Keys are the file keys of the clips, sealed under a key that never comes here.
	Keys []byte
}

// checkShare says what is wrong with a share, and which camera it is of.
func (n *NVR) checkShare(ctx context.Context, s NewShare) (camera store.ID, err error) {
	now := n.clock.Now()
	switch {
	case len(s.Clips) == 0 || len(s.Clips) > maxShareClips:
		return camera, store.Errorf(store.Invalid, "a link shows between 1 and %d recordings", maxShareClips)
	case len(s.Keys) < 12+16 || len(s.Keys) > maxShareKeys:
		return camera, store.Errorf(store.Invalid, "the sealed keys of the recordings are missing or too long")
	case !s.Expires.After(now) || s.Expires.Sub(now) > maxShareLife:
		return camera, store.Errorf(store.Invalid, "a link ends in the future, within 31 days")
	case s.MaxViews < 0 || s.From.IsZero() != s.To.IsZero() || !s.From.IsZero() && !s.From.Before(s.To):
		return camera, store.Errorf(store.Invalid, "the limits of the link make no sense")
	}
	for i, id := range s.Clips {
		clip, err := n.Clip(ctx, id)
		switch {
		case err != nil:
			return camera, err
		case i > 0 && clip.Camera != camera:
			return camera, store.Errorf(store.Invalid, "a link shows recordings of one camera")
		case clip.State == store.ClipOpen:
			return camera, store.Errorf(store.Conflict, "the newest recording is still being written; it can be shared in a minute")
		}
		camera = clip.Camera
	}
	return camera, nil
}

// Share makes a link that shows clips to whoever has it and its key. The key is not known here.
func (n *NVR) Share(ctx context.Context, actor store.Actor, s NewShare) (store.Share, error) {
	camera, err := n.checkShare(ctx, s)
	if err != nil {
		return store.Share{}, err
	}
	detail := fmt.Sprintf("%d clips until %s", len(s.Clips), s.Expires.UTC().Format(time.RFC3339))
	if s.MaxViews > 0 {
		detail += fmt.Sprintf(", at most %d views", s.MaxViews)
	}
	first, last, err := n.shareSpan(ctx, s)
	if err != nil {
		return store.Share{}, err
	}
	if err := n.note(ctx, actor, "share.add", store.Access{Camera: camera, Start: first, End: last, Object: s.Note, Detail: detail}); err != nil {
		return store.Share{}, err
	}
	made, err := n.db.AddShare(ctx, store.Share{
		User: actor.User, Camera: camera, From: s.From, To: s.To, Note: s.Note, Keys: s.Keys, Expires: s.Expires, MaxViews: s.MaxViews,
	}, s.Clips)
	if err == nil {
		n.log.InfoContext(ctx, "clips shared", "by", actor.Name, "share", made.ID.String(), "clips", made.Clips, "until", made.Expires)
	}
	return made, err
}

// shareSpan is the time that a share shows.
func (n *NVR) shareSpan(ctx context.Context, s NewShare) (first, last time.Time, err error) {
	if !s.From.IsZero() {
		return s.From, s.To, nil
	}
	for _, id := range s.Clips {
		clip, err := n.Clip(ctx, id)
		if err != nil {
			return first, last, err
		}
		if first.IsZero() || clip.Start.Before(first) {
			first = clip.Start
		}
		if clip.End.After(last) {
			last = clip.End
		}
	}
	return first, last, nil
}

// Shares lists the actor's links, or all for an owner and the console, with those that ended lately.
func (n *NVR) Shares(ctx context.Context, actor store.Actor) ([]store.Share, error) {
	user := actor.User
	if actor.Role == store.RoleOwner || actor.Role == roleConsole {
		user = store.ID{}
	}
	return n.db.Shares(ctx, user)
}

// RevokeShare takes a link of the actor back, or anybody's for an owner.
func (n *NVR) RevokeShare(ctx context.Context, actor store.Actor, id store.ID) error {
	s, err := n.db.Share(ctx, id)
	if err != nil {
		return err
	}
	if s.User != actor.User && actor.Role != store.RoleOwner && actor.Role != roleConsole {
		return store.Errorf(store.NotFound, "there is no link %s of yours", id)
	}
	if err := n.note(ctx, actor, "share.revoke", store.Access{Camera: s.Camera, Object: s.Note}); err != nil {
		return err
	}
	return n.db.RevokeShare(ctx, id)
}

// Shared gives a link that is not over. NotFound for every other, without saying why.
func (n *NVR) Shared(ctx context.Context, id store.ID) (store.Share, error) {
	s, err := n.db.Share(ctx, id)
	if err != nil {
		return store.Share{}, err
	}
	if s.Over(n.clock.Now()) != "" {
		return store.Share{}, errShare()
	}
	return s, nil
}

func errShare() *store.Error {
	return store.Errorf(store.NotFound, "this link does not exist, is over, or was taken back")
}

// ShownClip is a clip with the parts that a link shows.
type ShownClip struct {
	Clip
	// PlainEnd is the plaintext offset that the last of them ends at; 0 = the end of the clip.
	PlainEnd int64
}

// ViewShare opens a link for a guest: it is recorded, it counts, and gives the clips that are still there with the parts that may
// be seen.
func (n *NVR) ViewShare(ctx context.Context, guest store.Actor, agent string, id store.ID) (store.Share, []ShownClip, error) {
	s, err := n.Shared(ctx, id)
	if err != nil {
		return store.Share{}, nil, err
	}
	rows, err := n.db.ShareClips(ctx, id)
	if err != nil {
		return store.Share{}, nil, err
	}
	guest.Name, guest.Role = "guest", "guest"
	err = n.note(ctx, guest, "share.view", store.Access{Camera: s.Camera, Agent: agent, Object: s.Note, Detail: "link " + id.String() + " of " + s.UserName})
	if err != nil {
		return store.Share{}, nil, err
	}
	if err := n.db.ViewShare(ctx, id); err != nil {
		return store.Share{}, nil, err
	}
	clips := make([]ShownClip, 0, len(rows))
	for _, row := range rows {
		clip := ShownClip{Clip: clipView(row)}
		shown := within(&clip.Clip, s.From, s.To)
		if len(shown) == 0 {
			continue
		}
		clip.PlainEnd = endOf(&clip.Clip, shown)
		clip.Parts = shown
		clips = append(clips, clip)
	}
	return s, clips, nil
}

// endOf is the plaintext offset behind some neighbouring parts of a clip, 0 where the last one ends with the clip.
func endOf(c *Clip, shown []parts.Part) int64 {
	next := slices.IndexFunc(c.Parts, func(p parts.Part) bool { return p.Offset > shown[len(shown)-1].Offset })
	if next < 0 {
		return 0
	}
	return c.Parts[next].Offset
}

// within gives the parts of a clip between two times, with the key frame that the first of them needs; all for zero times.
func within(c *Clip, from, to time.Time) []parts.Part {
	if from.IsZero() {
		return c.Parts
	}
	first, last := -1, -1
	for i, p := range c.Parts {
		end := c.End
		if i+1 < len(c.Parts) {
			end = c.Parts[i+1].Start
		}
		if !p.Start.Before(to) || !end.After(from) {
			continue
		}
		if first < 0 {
			first = i
		}
		last = i
	}
	if first < 0 {
		return nil
	}
	for first > 0 && !c.Parts[first].Key {
		first--
	}
	return c.Parts[first : last+1]
}

// SharedClip opens the ciphertext of a clip for a guest who has opened the link lately. spans are the bytes of the file that may be
// served, each [from, to), in order: all of it, or the head and the chunks of the parts that the link covers.
func (n *NVR) SharedClip(ctx context.Context, guest store.Actor, id, clip store.ID) (file *ClipFile, spans [][2]int64, err error) {
	s, err := n.db.Share(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	// The last view that was allowed goes on until its time is over.
	if over := s.Over(n.clock.Now()); over != "" && over != "used" {
		return nil, nil, errShare()
	}
	has, err := n.db.ShareHas(ctx, id, clip)
	if err != nil {
		return nil, nil, err
	}
	if !has {
		return nil, nil, store.Errorf(store.NotFound, "the link does not show this recording")
	}
	guest.Name, guest.Role = "guest", "guest"
	if file, err = n.OpenClip(ctx, guest, clip); err != nil {
		return nil, nil, err
	}
	return file, servedSpans(&file.Clip, file.Size, s.From, s.To), nil
}

// servedSpans says which bytes of a sealed file hold its header, its first chunk, where the init segment is, and the parts between two times.
func servedSpans(c *Clip, size int64, from, to time.Time) [][2]int64 {
	if from.IsZero() {
		return [][2]int64{{0, size}}
	}
	head := int64(c.HeaderBytes)
	spans := [][2]int64{{0, min(size, head+vault.SealedChunkSize)}}
	shown := within(c, from, to)
	if len(shown) == 0 {
		return spans
	}
	end := size
	if plain := endOf(c, shown); plain > 0 {
		end = min(size, head+(plain+vault.ChunkSize-1)/vault.ChunkSize*vault.SealedChunkSize)
	}
	start := head + shown[0].Offset/vault.ChunkSize*vault.SealedChunkSize
	if start <= spans[0][1] {
		spans[0][1] = max(spans[0][1], end)
		return spans
	}
	return append(spans, [2]int64{start, end})
}

// tendShares forgets what links that are over leave behind.
func (n *NVR) tendShares(ctx context.Context) error {
	now := n.clock.Now()
	return n.db.PurgeShares(ctx, now, now.Add(-sharesKept))
}
