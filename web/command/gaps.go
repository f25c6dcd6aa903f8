package command

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"cardea/web/api"
	"cardea/web/console"
)

type clipsGaps struct {
	Camera string `help:"ID or name of a camera." placeholder:"ID"`
	span
	listing
}

// cameraGap is a gap and whose it is.
type cameraGap struct {
	Camera string `json:"camera"`
	api.Gap
}

// Run lists the gaps of a span, of the last day where none is given.
func (c *clipsGaps) Run(e *Env) error {
	now := time.Now()
	q, err := c.query(now)
	if err != nil {
		return err
	}
	for name, at := range map[string]time.Time{"from": now.Add(-24 * time.Hour), "to": now.Add(time.Minute)} {
		if q[name] == "" {
			q[name] = at.UTC().Format(time.RFC3339Nano)
		}
	}
	return e.with(false, func(client *console.Client) error {
		id, err := cameraID(e, client, c.Camera)
		if err != nil {
			return err
		}
		var cameras []api.Camera
		if err := client.Get(e.Ctx, "/api/cameras", nil, &cameras); err != nil {
			return err
		}
		gaps := []cameraGap{}
		for _, camera := range cameras {
			if id != "" && camera.ID != id {
				continue
			}
			q["camera"] = camera.ID
			var line api.Timeline
			if err := client.Get(e.Ctx, "/api/timeline", q, &line); err != nil {
				return err
			}
			for _, g := range line.Gaps {
				gaps = append(gaps, cameraGap{camera.ID, g})
			}
		}
		slices.SortStableFunc(gaps, func(a, b cameraGap) int {
			return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.Camera, b.Camera))
		})
		lines := [][]string{}
		for _, g := range gaps {
			length := "goes on"
			if g.End != nil {
				length = fmt.Sprintf("%.1fs", g.End.Sub(g.Start).Seconds())
			}
			lines = append(lines, []string{g.Camera, g.Start.Local().Format("2006-01-02T15:04:05"), length, g.Reason, g.Detail})
		}
		return c.print(e, gaps, "CAMERA START LENGTH REASON DETAIL", lines)
	})
}
