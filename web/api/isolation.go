package api

import (
	"context"
	"encoding/hex"
	"time"

	"cardea/store"
	"cardea/web/sentence"
)

// Isolation is why Cardea keeps away from a camera.
type Isolation struct {
	Since     time.Time      `json:"since"`
	Cause     string         `json:"cause" doc:"The rule that isolated it: identity or bitrate"`
	Detail    string         `json:"detail"`
	Said      *sentence.Said `json:"said,omitempty" doc:"The detail as a code and values"`
	Presented string         `json:"presented,omitempty" doc:"SHA-256, in hex, of the key that it showed in place of the pinned one"`
}

func isolation(i *store.Isolation) *Isolation {
	if i == nil {
		return nil
	}
	return &Isolation{i.Since.UTC(), i.Cause, i.Detail, sentence.Of(i.Detail), hex.EncodeToString(i.Presented)}
}

// AcceptCameraRequest is a person's decision about an isolated camera.
type AcceptCameraRequest struct {
	ByID
	Body struct {
		Fingerprint string `json:"fingerprint,omitempty" maxLength:"200" doc:"Trust this key, which has to be the one that the camera showed, from now on. Left out: it has to prove itself as before"`
	}
}

// AcceptCamera answers POST /api/cameras/{id}/accept.
func (a *API) AcceptCamera(ctx context.Context, in *AcceptCameraRequest) (*Body[Camera], error) {
	id, err := store.ParseID(in.ID)
	if err != nil {
		return nil, err
	}
	s, err := a.nvr.AcceptCamera(ctx, actor(ctx), id, in.Body.Fingerprint)
	if err != nil {
		return nil, err
	}
	return answer(camera(s)), nil
}
