package api

import (
	"context"
	"time"

	"cardea/store"
	"cardea/web/caller"
)

// followers is how many clips are told of that follow the one for a moment: half an hour, as a rule.
const followers = 30

// LanesRequest says which part of time, and of which camera where not of all.
type LanesRequest struct {
	Camera string    `query:"camera" maxLength:"26" doc:"Only this one"`
	From   time.Time `query:"from" required:"true"`
	To     time.Time `query:"to" required:"true"`
}

// Lanes is what cameras have in a part of time.
type Lanes struct {
	Lanes  []Lane `json:"lanes" nullable:"false" doc:"By the id of the camera"`
	Zone   string `json:"zone" doc:"Time zone of the NVR at the beginning, such as CET; all times are in UTC"`
	Offset int    `json:"utc_offset" doc:"The same in seconds east of UTC"`
}

// Lane is that of one camera.
type Lane struct {
	Camera string          `json:"camera"`
	Spans  []Span          `json:"spans" nullable:"false"`
	Gaps   []Gap           `json:"gaps" nullable:"false"`
	Events []TimelineEvent `json:"events" nullable:"false"`
}

// Lanes answers GET /api/lanes.
func (a *API) Lanes(ctx context.Context, in *LanesRequest) (*Body[Lanes], error) {
	id, err := optionalID(in.Camera)
	if err != nil {
		return nil, err
	}
	var lines []store.Timeline
	if id == (store.ID{}) {
		lines, err = a.nvr.Lanes(ctx, in.From, in.To, caller.From(ctx).Sees)
	} else if err = see(ctx, id); err == nil {
		lines = make([]store.Timeline, 1)
		lines[0], err = a.nvr.Timeline(ctx, id, in.From, in.To, 0)
	}
	if err != nil {
		return nil, err
	}
	zone, offset := in.From.Local().Zone()
	return answer(Lanes{Zone: zone, Offset: offset, Lanes: list(lines, func(t store.Timeline) Lane {
		return Lane{t.Camera.String(), list(t.Spans, span), list(t.Gaps, gap), list(t.Events, timelineEvent)}
	})}), nil
}

// PlaybackRequest says which moment of which camera.
type PlaybackRequest struct {
	Camera string    `query:"camera" required:"true" maxLength:"26"`
	At     time.Time `query:"at" required:"true"`
}

// Moment is what a player needs to show a moment of a camera, and to go on from there.
type Moment struct {
	Clips []Clip      `json:"clips" nullable:"false" doc:"The clip that shows the moment, or else the next one, and some that follow"`
	First *ClipDetail `json:"first" doc:"The first of them with its parts; null where nothing was recorded from the moment on"`
}

// Playback answers GET /api/playback: in one request what else takes a listing and a clip.
func (a *API) Playback(ctx context.Context, in *PlaybackRequest) (*Body[Moment], error) {
	id, err := store.ParseID(in.Camera)
	if err != nil {
		return nil, err
	}
	if err := see(ctx, id); err != nil {
		return nil, err
	}
	clips, err := a.nvr.Clips(ctx, store.ClipQuery{Camera: id, From: in.At, Limit: followers})
	if err != nil {
		return nil, err
	}
	for i, c := range clips {
		if !c.End.After(in.At) {
			continue // the clip that is being written has not come so far
		}
		first, err := a.nvr.Clip(ctx, c.ID)
		// Retention took it a moment ago.
		if store.ErrorCode(err) == store.NotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		detail, err := a.detail(ctx, first)
		if err != nil {
			return nil, err
		}
		return answer(Moment{Clips: list(clips[i:], a.clip), First: &detail}), nil
	}
	return answer(Moment{Clips: []Clip{}}), nil
}
