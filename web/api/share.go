package api

import (
	"context"
	"time"

	"cardea/auth/link"
	"cardea/nvr"
	"cardea/store"
	"cardea/web/caller"
)

// viewLife is how long a guest may watch after opening a link.
const viewLife = time.Hour

// Share is a link that shows clips to whoever has it and the key behind its #, which the NVR never sees.
type Share struct {
	ID         string     `json:"id"`
	Path       string     `json:"path" doc:"Of the link, without the key"`
	By         string     `json:"by"`
	Camera     string     `json:"camera"`
	CameraName string     `json:"camera_name"`
	From       *time.Time `json:"from" doc:"Nothing from before is served; null for whole clips"`
	To         *time.Time `json:"to"`
	Clips      int        `json:"clips"`
	Created    time.Time  `json:"created"`
	Expires    time.Time  `json:"expires"`
	MaxViews   int        `json:"max_views" doc:"0 for any number"`
	Views      int        `json:"views"`
	LastView   *time.Time `json:"last_view"`
	Note       string     `json:"note"`
	Ended      *string    `json:"ended" enum:"revoked,expired,used" doc:"Why it shows nothing any more; null while it does"`
}

func (a *API) share(s store.Share) Share {
	return Share{
		ID: s.ID.String(), Path: "/s/" + s.ID.String(), By: s.UserName, Camera: s.Camera.String(), CameraName: s.CameraName,
		From: orNull(s.From), To: orNull(s.To), Clips: s.Clips, Created: s.Created, Expires: s.Expires, MaxViews: s.MaxViews, Views: s.Views,
		LastView: orNull(s.LastView), Note: s.Note, Ended: orNull(s.Over(a.nvr.Now())),
	}
}

// Shares answers GET /api/shares.
func (a *API) Shares(ctx context.Context, _ *None) (*Body[[]Share], error) {
	all, err := a.nvr.Shares(ctx, actor(ctx))
	if err != nil {
		return nil, err
	}
	return answer(list(all, a.share)), nil
}

// NewShareRequest makes a link.
type NewShareRequest struct {
	Body struct {
		Clips    []string   `json:"clips" minItems:"1" maxItems:"500" doc:"Of one camera"`
		From     *time.Time `json:"from,omitempty" doc:"Serve nothing from before"`
		To       *time.Time `json:"to,omitempty"`
		Expires  time.Time  `json:"expires" doc:"Within 31 days"`
		MaxViews int        `json:"max_views,omitempty" minimum:"0" maximum:"100000"`
		Note     string     `json:"note,omitempty" maxLength:"400" doc:"Shown to whoever opens the link"`
		Keys     []byte     `json:"keys" maxLength:"90000" doc:"Base64 of the file keys of the clips, sealed under the key behind the #; see docs/vaults.md"`
	}
}

// NewShare answers POST /api/shares.
func (a *API) NewShare(ctx context.Context, in *NewShareRequest) (*Body[Share], error) {
	b := in.Body
	clips, err := ids(b.Clips)
	if err != nil {
		return nil, err
	}
	want := nvr.NewShare{Clips: clips, Expires: b.Expires, MaxViews: b.MaxViews, Note: b.Note, Keys: b.Keys}
	if b.From != nil {
		want.From = *b.From
	}
	if b.To != nil {
		want.To = *b.To
	}
	if err := a.seeClips(ctx, clips); err != nil {
		return nil, err
	}
	made, err := a.nvr.Share(ctx, actor(ctx), want)
	if err != nil {
		return nil, err
	}
	return answer(a.share(made)), nil
}

// seeClips refuses clips that the caller does not see, in the words for those that are not there, before anything else is said of them.
func (a *API) seeClips(ctx context.Context, clips []store.ID) error {
	for _, id := range clips {
		clip, err := a.nvr.Clip(ctx, id)
		if err != nil {
			return err
		}
		if !caller.From(ctx).Sees(clip.Camera) {
			return store.Errorf(store.NotFound, "there is no clip %s", id)
		}
	}
	return nil
}

func ids(texts []string) ([]store.ID, error) {
	all := make([]store.ID, len(texts))
	for i, text := range texts {
		id, err := store.ParseID(text)
		if err != nil {
			return nil, err
		}
		all[i] = id
	}
	return all, nil
}

// RevokeShare answers DELETE /api/shares/{id}.
func (a *API) RevokeShare(ctx context.Context, in *ByID) (*None, error) {
	id, err := store.ParseID(in.ID)
	if err != nil {
		return nil, err
	}
	return nil, a.nvr.RevokeShare(ctx, actor(ctx), id)
}

// Shared is what a link says before it is opened.
type Shared struct {
	Note    string     `json:"note"`
	From    *time.Time `json:"from"`
	To      *time.Time `json:"to"`
	Expires time.Time  `json:"expires"`
	Clips   int        `json:"clips"`
}

// Shared answers GET /api/s/{id}, to anybody. Looking is not watching: nothing is counted.
func (a *API) Shared(ctx context.Context, in *ByID) (*Body[Shared], error) {
	s, err := a.shared(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return answer(Shared{s.Note, orNull(s.From), orNull(s.To), s.Expires, s.Clips}), nil
}

// shared takes what is no ID for a link that does not exist.
func (a *API) shared(ctx context.Context, text string) (store.Share, error) {
	id, err := store.ParseID(text)
	if err != nil {
		id = store.ID{}
	}
	return a.nvr.Shared(ctx, id)
}

// SharedClip is a clip for a guest, with the parts that may be seen.
type SharedClip struct {
	ID          string    `json:"id"`
	Start       time.Time `json:"start"`
	End         time.Time `json:"end"`
	Bytes       int64     `json:"bytes"`
	MIME        string    `json:"mime"`
	HeaderBytes int       `json:"header_bytes"`
	InitBytes   int       `json:"init_bytes"`
	Complete    bool      `json:"complete"`
	Parts       []Part    `json:"parts" nullable:"false"`
	PlainEnd    *int64    `json:"plain_end" doc:"The plaintext offset that the last of these parts ends at; null for the end of the clip"`
}

// View is what a guest gets who opens a link.
type View struct {
	View  string       `json:"view" doc:"For the header Cardea-View of each request for a clip"`
	Until time.Time    `json:"until" doc:"When that ends"`
	Note  string       `json:"note"`
	From  *time.Time   `json:"from"`
	To    *time.Time   `json:"to"`
	Keys  []byte       `json:"keys" doc:"Base64 of the sealed file keys"`
	Clips []SharedClip `json:"clips" nullable:"false"`
}

// ViewShare answers POST /api/s/{id}/views, to anybody. It counts and is recorded.
func (a *API) ViewShare(ctx context.Context, in *ByID) (*Body[View], error) {
	s, err := a.shared(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	s, clips, err := a.nvr.ViewShare(ctx, actor(ctx), caller.From(ctx).Agent, s.ID)
	if err != nil {
		return nil, err
	}
	until := a.cfg.Now().Add(viewLife).Truncate(time.Second)
	if s.Expires.Before(until) {
		until = s.Expires
	}
	view, err := a.cfg.Links.Sign(link.Grant{Method: "GET", Path: ViewPath(s.ID), Holder: s.ID[:], Expires: until})
	if err != nil {
		return nil, err
	}
	out := View{View: view, Until: until, Note: s.Note, From: orNull(s.From), To: orNull(s.To), Keys: s.Keys}
	out.Clips = list(clips, func(c nvr.ShownClip) SharedClip {
		return SharedClip{
			ID: c.ID.String(), Start: c.Start, End: c.End, Bytes: c.Bytes, MIME: c.MIME, HeaderBytes: c.HeaderBytes, InitBytes: c.InitBytes,
			Complete: c.Complete(), Parts: list(c.Parts, func(p store.Part) Part { return Part{p.Start, p.Offset, p.Key} }), PlainEnd: orNull(c.PlainEnd),
		}
	})
	return answer(out), nil
}

// ViewPath is what the permission of a guest is signed for: the clips of one share.
func ViewPath(share store.ID) string { return "/api/s/" + share.String() }
