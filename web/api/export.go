package api

import (
	"context"
	"fmt"
	"time"

	"cardea/auth"
	"cardea/store"
)

// ExportRequest says what is about to be saved as a video.
type ExportRequest struct {
	Body struct {
		Camera string    `json:"camera" maxLength:"26"`
		From   time.Time `json:"from"`
		To     time.Time `json:"to"`
		Note   string    `json:"note,omitempty" maxLength:"200" doc:"Stands in the log"`
	}
}

// Export answers POST /api/exports: it records the export before the browser opens the clips and saves them. Where the owners want two of
// them for evidence, they want two for this, for it hands out the same pictures.
func (a *API) Export(ctx context.Context, in *ExportRequest) (*None, error) {
	camera, err := store.ParseID(in.Body.Camera)
	if err != nil {
		return nil, err
	}
	if err := see(ctx, camera); err != nil {
		return nil, err
	}
	from, to := in.Body.From.UTC(), in.Body.To.UTC()
	object := fmt.Sprintf("%s %d %d", camera, from.UnixMilli(), to.UnixMilli())
	about := fmt.Sprintf("save the recordings of a camera from %s to %s", from.Format("2006-01-02 15:04:05 MST"), to.Format("15:04:05 MST"))
	return nil, a.auth.Approved(ctx, actor(ctx), auth.ActEvidenceExport, object, about, func() error {
		return a.nvr.Export(ctx, actor(ctx), camera, from, to, in.Body.Note)
	})
}
