package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"cardea/auth"
	"cardea/auth/link"
	"cardea/nvr"
	"cardea/store"
	"cardea/web/caller"
)

// linkLife is how long a link for a program without the session is good.
const linkLife = 5 * time.Minute

// NewLinkRequest asks for a link.
type NewLinkRequest struct {
	Body struct {
		Path string `json:"path" maxLength:"200" pattern:"^/api/clips/[0-9A-Z]{26}/(data|video)$" doc:"What it is good for"`
	}
}

// Link is an address that works without a session cookie for a short while.
type Link struct {
	URL     string    `json:"url" doc:"Path and query"`
	Expires time.Time `json:"expires"`
}

// NewLink answers POST /api/links.
func (a *API) NewLink(ctx context.Context, in *NewLinkRequest) (*Body[Link], error) {
	id, err := store.ParseID(in.Body.Path[len("/api/clips/"):][:26])
	if err != nil {
		return nil, err
	}
	if err := a.seeClips(ctx, []store.ID{id}); err != nil {
		return nil, err
	}
	l, err := a.link(ctx, in.Body.Path)
	return answer(l), err
}

// link signs a path for the caller's session. The console, which has none, gets the path as it is.
func (a *API) link(ctx context.Context, path string) (Link, error) {
	expires := a.cfg.Now().Add(linkLife).Truncate(time.Second)
	who := caller.From(ctx)
	if who.Role == caller.Console {
		return Link{path, expires}, nil
	}
	if who.Session.ID == "" {
		return Link{}, store.Errorf(store.Denied, "a link stands for a session; a token does not need one")
	}
	text, err := a.cfg.Links.Sign(link.Grant{Method: "GET", Path: path, Holder: LinkHolder(who.UserID, who.Session.ID), Expires: expires})
	return Link{path + "?link=" + text, expires}, err
}

// LinkHolder names a session in a link; ReadLinkHolder reads it.
func LinkHolder(user store.ID, session string) []byte { return append(user.Bytes(), session...) }

// ReadLinkHolder is the opposite of LinkHolder.
func ReadLinkHolder(holder []byte) (user store.ID, session string, ok bool) {
	if len(holder) <= len(user) {
		return user, "", false
	}
	copy(user[:], holder)
	return user, string(holder[len(user):]), true
}

// EvidenceRequest asks for a bundle.
type EvidenceRequest struct {
	Body struct {
		Clips []string `json:"clips" minItems:"1" maxItems:"500"`
		Note  string   `json:"note,omitempty" maxLength:"400" doc:"Stands in the bundle and in the log"`
	}
}

// Evidence is a bundle that may be fetched.
type Evidence struct {
	ID string `json:"id"`
	Link
	Bytes int64 `json:"bytes" doc:"About"`
}

// Evidence answers POST /api/evidence.
func (a *API) Evidence(ctx context.Context, in *EvidenceRequest) (*Body[Evidence], error) {
	want, err := ids(in.Body.Clips)
	if err != nil {
		return nil, err
	}
	if err := a.seeClips(ctx, want); err != nil {
		return nil, err
	}
	clips, size, err := a.nvr.Evidence(ctx, want)
	if err != nil {
		return nil, err
	}
	var made Evidence
	err = a.approved(ctx, clips, func() error {
		bundle, err := a.nvr.PrepareEvidence(actor(ctx), want, in.Body.Note)
		if err != nil {
			return err
		}
		l, err := a.link(ctx, "/api/evidence/"+bundle.ID.String())
		made = Evidence{bundle.ID.String(), l, size}
		return err
	})
	if err != nil {
		return nil, err
	}
	return answer(made), nil
}

// approved asks a second owner where the owners want that. What is approved is exactly these clips.
func (a *API) approved(ctx context.Context, clips []nvr.Clip, do func() error) error {
	hash := sha256.New()
	for _, c := range clips {
		hash.Write(c.ID[:])
	}
	about := fmt.Sprintf("hand out %d recordings as evidence, the first of %s", len(clips), clips[0].Start.UTC().Format("2006-01-02 15:04:05 MST"))
	return a.auth.Approved(ctx, actor(ctx), auth.ActEvidenceExport, hex.EncodeToString(hash.Sum(nil)), about, do)
}
