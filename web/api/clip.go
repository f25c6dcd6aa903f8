package api

import (
	"context"
	"encoding/hex"
	"slices"
	"time"

	"cardea/nvr"
	"cardea/store"
	"cardea/web/caller"
	"cardea/web/sentence"
)

// Clip is one recording.
type Clip struct {
	ID      string    `json:"id"`
	Camera  string    `json:"camera"`
	Start   time.Time `json:"start"`
	End     time.Time `json:"end" doc:"Of an open clip: of its last durable part"`
	Bytes   int64     `json:"bytes"`
	Path    string    `json:"path" doc:"Relative to the data directory, or to the clips directory where there is another one"`
	SHA256  *string   `json:"sha256" doc:"Of the whole file in hex; null while open"`
	Torn    bool      `json:"torn" doc:"Cut off by a power cut; playable up to its last whole chunk"`
	Open    bool      `json:"open" doc:"Still being written"`
	Fetched bool      `json:"fetched,omitempty" doc:"Fetched later from the memory of the camera, after the NVR had missed it"`
}

func (a *API) clip(c nvr.Clip) Clip {
	return Clip{
		ID: c.ID.String(), Camera: c.Camera.String(), Start: c.Start, End: c.End, Bytes: c.Bytes, Path: a.cfg.ClipsPrefix + c.Path,
		SHA256: orNull(hex.EncodeToString(c.SHA256)), Torn: c.State == store.ClipTorn, Open: c.State == store.ClipOpen, Fetched: c.Fetched,
	}
}

// Within is the part of time that a listing covers. It is exported because huma does not see the fields of other ones.
type Within struct {
	From time.Time `query:"from" doc:"Not before, RFC 3339"`
	To   time.Time `query:"to" doc:"Before, RFC 3339"`
}

// AtMost bounds a listing.
type AtMost struct {
	Limit int `query:"limit" minimum:"0" maximum:"10000" doc:"At most so many; 0 for the default of 1000"`
}

func (l AtMost) or(n int) int {
	if l.Limit == 0 {
		return n
	}
	return l.Limit
}

// ClipsRequest says which clips.
type ClipsRequest struct {
	Camera string `query:"camera" maxLength:"26"`
	Within
	AtMost
}

// Clips answers GET /api/clips, oldest first.
func (a *API) Clips(ctx context.Context, in *ClipsRequest) (*Body[[]Clip], error) {
	id, err := optionalID(in.Camera)
	if err != nil {
		return nil, err
	}
	limit := in.or(1000)
	all, err := each(ctx, id, func(camera store.ID) ([]nvr.Clip, error) {
		return a.nvr.Clips(ctx, store.ClipQuery{Camera: camera, From: in.From, To: in.To, Limit: limit})
	})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(all, func(x, y nvr.Clip) int { return x.Start.Compare(y.Start) })
	return answer(list(all[:min(len(all), limit)], a.clip)), nil
}

// ClipDetail is a clip with all that a player needs.
type ClipDetail struct {
	Clip
	Vault       string   `json:"vault"`
	MIME        string   `json:"mime" doc:"For Media Source Extensions"`
	HeaderBytes int      `json:"header_bytes" doc:"Where the first age chunk starts in the file"`
	InitBytes   int      `json:"init_bytes" doc:"Length of the init segment at the start of the plaintext"`
	Complete    bool     `json:"complete" doc:"The file ends with its final chunk"`
	Parts       []Part   `json:"parts" nullable:"false"`
	Preview     *Preview `json:"preview" doc:"null where the camera has no sub-stream, while the clip is open, and after a crash; use the key frames of the clip then"`
}

// Part is one moof and mdat.
type Part struct {
	Start  time.Time `json:"start"`
	Offset int64     `json:"offset" doc:"Of its moof in the plaintext"`
	Key    bool      `json:"key" doc:"Starts with a key frame"`
}

// Clip answers GET /api/clips/{id}.
func (a *API) Clip(ctx context.Context, in *ByID) (*Body[ClipDetail], error) {
	id, err := store.ParseID(in.ID)
	if err != nil {
		return nil, err
	}
	c, err := a.nvr.Clip(ctx, id)
	if err != nil {
		return nil, err
	}
	if !caller.From(ctx).Sees(c.Camera) {
		return nil, store.Errorf(store.NotFound, "there is no clip %s", id)
	}
	detail, err := a.detail(ctx, c)
	if err != nil {
		return nil, err
	}
	return answer(detail), nil
}

// detail adds what a player needs to a clip that was read with its parts.
func (a *API) detail(ctx context.Context, c nvr.Clip) (ClipDetail, error) {
	small, err := a.previewOf(ctx, c.ID)
	if err != nil {
		return ClipDetail{}, err
	}
	return ClipDetail{
		Clip: a.clip(c), Vault: c.Vault.String(), MIME: c.MIME, HeaderBytes: c.HeaderBytes, InitBytes: c.InitBytes, Complete: c.Complete(),
		Parts:   list(c.Parts, func(p store.Part) Part { return Part{p.Start, p.Offset, p.Key} }),
		Preview: small,
	}, nil
}

// TimelineRequest says which part of which camera.
type TimelineRequest struct {
	Camera string    `query:"camera" required:"true" maxLength:"26"`
	From   time.Time `query:"from" required:"true"`
	To     time.Time `query:"to" required:"true"`
	Step   int64     `query:"step" minimum:"0" maximum:"31536000" doc:"Seconds in a bucket; 0 gives at most 1500 buckets"`
}

// Timeline is what a camera has in a part of time.
type Timeline struct {
	Camera  string          `json:"camera"`
	From    time.Time       `json:"from"`
	To      time.Time       `json:"to"`
	Step    int64           `json:"step"`
	Spans   []Span          `json:"spans" nullable:"false"`
	Gaps    []Gap           `json:"gaps" nullable:"false"`
	Events  []TimelineEvent `json:"events" nullable:"false"`
	Buckets []Bucket        `json:"buckets" nullable:"false"`
	Zone    string          `json:"zone" doc:"Time zone of the NVR at the beginning, such as CET; all times are in UTC"`
	Offset  int             `json:"utc_offset" doc:"The same in seconds east of UTC"`
}

// Span is a time with footage.
type Span struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

func span(s store.Span) Span { return Span{s.Start, s.End} }

// Gap is a time without, and why.
type Gap struct {
	Start  time.Time      `json:"start"`
	End    *time.Time     `json:"end" doc:"null while it goes on"`
	Reason string         `json:"reason"`
	Detail string         `json:"detail"`
	Said   *sentence.Said `json:"said,omitempty" doc:"The detail as a code and values"`
}

func gap(g store.Gap) Gap {
	return Gap{g.Start, orNull(g.End), string(g.Reason), g.Detail, sentence.Of(g.Detail)}
}

// TimelineEvent is an event as a mark on the timeline.
type TimelineEvent struct {
	ID     string     `json:"id"`
	Kind   string     `json:"kind"`
	Start  time.Time  `json:"start"`
	End    *time.Time `json:"end"`
	Labels []string   `json:"labels" nullable:"false"`
}

func timelineEvent(e store.Event) TimelineEvent {
	return TimelineEvent{e.ID.String(), e.Kind, e.Start, orNull(e.End), words(e.Labels)}
}

// Bucket sums up one step.
type Bucket struct {
	Start   time.Time `json:"start"`
	Seconds float64   `json:"seconds" doc:"Footage in it"`
	Events  int       `json:"events"`
}

// bucketsByDefault is the most that a screen can show.
const bucketsByDefault = 1500

// Timeline answers GET /api/timeline.
func (a *API) Timeline(ctx context.Context, in *TimelineRequest) (*Body[Timeline], error) {
	id, err := store.ParseID(in.Camera)
	if err != nil {
		return nil, err
	}
	if err := see(ctx, id); err != nil {
		return nil, err
	}
	step := time.Duration(in.Step) * time.Second
	if step == 0 {
		step = max(time.Second, (in.To.Sub(in.From)/bucketsByDefault + time.Second - 1).Truncate(time.Second))
	}
	t, err := a.nvr.Timeline(ctx, id, in.From, in.To, step)
	if err != nil {
		return nil, err
	}
	zone, offset := in.From.Local().Zone()
	return answer(Timeline{
		Zone: zone, Offset: offset, Camera: t.Camera.String(), From: t.From, To: t.To, Step: int64(t.Step / time.Second),
		Spans: list(t.Spans, span), Gaps: list(t.Gaps, gap), Events: list(t.Events, timelineEvent),
		Buckets: list(t.Buckets, func(b store.Bucket) Bucket { return Bucket{b.Start, b.Seconds, b.Events} }),
	}), nil
}
