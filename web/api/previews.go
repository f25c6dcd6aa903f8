package api

import (
	"context"
	"time"

	"cardea/store"
)

// Preview is the small file beside a clip: pictures of the camera's sub-stream, one every few seconds.
type Preview struct {
	Bytes       int64         `json:"bytes" doc:"Of the age file"`
	HeaderBytes int           `json:"header_bytes" doc:"Where the first age chunk starts in the file"`
	InitBytes   int           `json:"init_bytes" doc:"Length of the init segment at the start of the plaintext"`
	MIME        string        `json:"mime" doc:"For Media Source Extensions and WebCodecs"`
	Parts       []PreviewPart `json:"parts" nullable:"false"`
}

// PreviewPart is one picture: a moof and mdat with a key frame.
type PreviewPart struct {
	Start  time.Time `json:"start"`
	Offset int64     `json:"offset" doc:"Of its moof in the plaintext; it goes on to the next part or the end"`
}

func preview(p store.Preview) Preview {
	return Preview{
		Bytes: p.Bytes, HeaderBytes: p.HeaderBytes, InitBytes: p.InitBytes, MIME: `video/mp4; codecs="` + p.Codecs + `"`,
		Parts: list(p.Parts, func(p store.Part) PreviewPart { return PreviewPart{p.Start, p.Offset} }),
	}
}

// previewOf gives the preview of a clip, nil where it has none.
func (a *API) previewOf(ctx context.Context, clip store.ID) (*Preview, error) {
	p, err := a.nvr.Preview(ctx, clip)
	if store.ErrorCode(err) == store.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	shown := preview(p)
	return &shown, nil
}

// ClipPreview is the preview of a clip in a listing.
type ClipPreview struct {
	Clip  string    `json:"clip"`
	Start time.Time `json:"start" doc:"Of the clip"`
	End   time.Time `json:"end" doc:"Of the clip"`
	Preview
}

// PreviewsRequest says which previews.
type PreviewsRequest struct {
	Camera string `query:"camera" required:"true" maxLength:"26"`
	Within
	Limit int `query:"limit" minimum:"0" maximum:"500" doc:"At most so many; 0 for the default of 500"`
}

// Previews answers GET /api/previews, oldest first.
func (a *API) Previews(ctx context.Context, in *PreviewsRequest) (*Body[[]ClipPreview], error) {
	id, err := store.ParseID(in.Camera)
	if err != nil {
		return nil, err
	}
	if err := see(ctx, id); err != nil {
		return nil, err
	}
	all, err := a.nvr.Previews(ctx, id, in.From, in.To, AtMost{in.Limit}.or(500))
	if err != nil {
		return nil, err
	}
	return answer(list(all, func(p store.Preview) ClipPreview { return ClipPreview{p.Clip.String(), p.Start, p.End, preview(p)} })), nil
}
