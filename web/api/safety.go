package api

import (
	"context"
	"time"

	"cardea/nvr"
	"cardea/store"
	"cardea/web/caller"
	"cardea/web/sentence"
)

// Check is one thing about the set-up that makes a home safer or less so. It holds facts; the words are the page's.
type Check struct {
	ID      string     `json:"id"`
	State   string     `json:"state" enum:"good,advise,bad"`
	Cameras []string   `json:"cameras" nullable:"false" doc:"Those that it is about"`
	Names   []string   `json:"names" nullable:"false" doc:"Of vaults, alarms or what else it is about"`
	Number  float64    `json:"number" doc:"How many there are, or days that fit"`
	Wanted  float64    `json:"wanted" doc:"How many there should be"`
	At      *time.Time `json:"at" doc:"When it was last so"`
}

// Safety answers GET /api/safety. What only a browser knows, such as whether it trusts the certificate, is not here.
func (a *API) Safety(ctx context.Context, _ *None) (*Body[[]Check], error) {
	rules, err := a.auth.Rules(ctx)
	if err != nil {
		return nil, err
	}
	all, err := a.nvr.Safety(ctx, nvr.SafetyOf{User: caller.From(ctx).UserID, Admin: len(rules.Admin)})
	if err != nil {
		return nil, err
	}
	return answer(list(all, func(c nvr.Check) Check {
		return Check{c.ID, string(c.Verdict), list(c.Cameras, store.ID.String), words(c.Names), c.Number, c.Wanted, orNull(c.At.UTC())}
	})), nil
}

// KitTested answers POST /api/vaults/{id}/kit-tested.
func (a *API) KitTested(ctx context.Context, in *ByID) (*None, error) {
	id, err := store.ParseID(in.ID)
	if err != nil {
		return nil, err
	}
	return nil, a.nvr.KitTested(ctx, actor(ctx), id)
}

// CameraCondition is how a camera is and was.
type CameraCondition struct {
	Camera     string         `json:"camera"`
	Name       string         `json:"name"`
	Phase      string         `json:"phase"`
	Since      time.Time      `json:"since"`
	Detail     string         `json:"detail"`
	Said       *sentence.Said `json:"said,omitempty" doc:"The detail as a code and values"`
	Recording  RecordingState `json:"recording"`
	FPS        float64        `json:"fps"`
	Bitrate    float64        `json:"bitrate" doc:"Bits per second"`
	Width      int            `json:"width"`
	Height     int            `json:"height"`
	Codecs     []string       `json:"codecs" nullable:"false"`
	Lost       uint64         `json:"lost" doc:"Packets that did not arrive, since the NVR was started"`
	Dropped    uint64         `json:"dropped" doc:"Pictures that the disk was too slow for, since the NVR was started"`
	Reconnects uint64         `json:"reconnects" doc:"Since the NVR was started"`
	Bars       []UptimeBar    `json:"bars" nullable:"false" doc:"The last 24 hours in 48 steps"`
}

// RecordingState says whether what the camera sends becomes clips.
type RecordingState struct {
	Active bool   `json:"active"`
	Reason string `json:"reason"`
}

// UptimeBar is half an hour of a camera in seconds; what is in none of the three was before it was added, or is still to come.
type UptimeBar struct {
	Start time.Time `json:"start"`
	Up    float64   `json:"up"`
	Down  float64   `json:"down"`
	Off   float64   `json:"off" doc:"The NVR itself was not running"`
}

const (
	uptimeSpan = 24 * time.Hour
	uptimeStep = 30 * time.Minute
)

// CameraConditions answers GET /api/health/cameras.
func (a *API) CameraConditions(ctx context.Context, _ *None) (*Body[[]CameraCondition], error) {
	all, err := a.nvr.Cameras(ctx)
	if err != nil {
		return nil, err
	}
	shown := []CameraCondition{}
	for _, c := range all {
		if !caller.From(ctx).Sees(c.Camera.ID) {
			continue
		}
		bars, err := a.nvr.Uptime(ctx, c.Camera.ID, a.cfg.Now().Add(-uptimeSpan), uptimeStep)
		if store.ErrorCode(err) == store.NotFound {
			continue // removed a moment ago
		}
		if err != nil {
			return nil, err
		}
		bars = bars[:min(len(bars), int(uptimeSpan/uptimeStep))] // the clock went on since
		line := c.Connection
		shown = append(shown, CameraCondition{
			Camera: c.Camera.ID.String(), Name: c.Camera.Name, Phase: line.Phase, Since: line.Since.UTC(), Detail: line.Detail, Said: sentence.Of(line.Detail),
			Recording: RecordingState{c.Recording.Active, c.Recording.Reason}, FPS: line.FPS, Bitrate: line.Bitrate, Width: line.Width, Height: line.Height,
			Codecs: words(line.Codecs), Lost: line.Lost, Dropped: line.Dropped, Reconnects: line.Reconnects,
			Bars: list(bars, func(b nvr.UptimeBar) UptimeBar {
				return UptimeBar{b.Start.UTC(), b.Up.Seconds(), b.Down.Seconds(), b.Off.Seconds()}
			}),
		})
	}
	return answer(shown), nil
}

// Box is the computer that the NVR runs on, for members of the house.
type Box struct {
	Load        []float64  `json:"load" nullable:"false" doc:"Averages over 1, 5 and 15 minutes"`
	CPUs        int        `json:"cpus"`
	Memory      int64      `json:"memory"`
	Available   int64      `json:"available"`
	Own         int64      `json:"own" doc:"What the NVR takes of the memory"`
	Celsius     *float64   `json:"celsius" doc:"The warmest sensor; null where none can be read"`
	Clock       string     `json:"clock" enum:"ok,suspect,behind"`
	Now         time.Time  `json:"now"`
	Certificate *time.Time `json:"certificate" doc:"Until when the authority of the web certificate is valid; null where the owner brings one"`
	Layers      []Layer    `json:"layers" nullable:"false" doc:"What protects the NVR; what the kernel does not tell is left out"`
}

// Layer is one thing that protects the NVR and its recordings.
type Layer struct {
	ID     string `json:"id" enum:"tls13,sealed,unprivileged,capabilities,no-new-privileges,seccomp,apparmor,core-dumps"`
	Active bool   `json:"active"`
}

// box tells of the computer.
func (a *API) box(ctx context.Context, h nvr.Health) (*Box, error) {
	f, l := h.Figures, h.Layers
	b := &Box{
		Load: f.Load[:], CPUs: f.CPUs, Memory: f.Memory, Available: f.Available, Own: f.Own, Celsius: f.Celsius, Clock: h.Clock, Now: a.cfg.Now().UTC(),
	}
	if a.cfg.CA != nil {
		until := a.cfg.CA.NotAfter().UTC()
		b.Certificate = &until
	}
	vaults, err := a.nvr.Vaults(ctx)
	if err != nil {
		return nil, err
	}
	sealed := len(vaults) > 0
	for _, v := range vaults {
		sealed = sealed && v.BoxGrant == nil
	}
	b.Layers = []Layer{{"tls13", true}, {"sealed", sealed}}
	if l.Known {
		b.Layers = append(b.Layers, Layer{"unprivileged", !l.Root}, Layer{"capabilities", !l.Capabilities}, Layer{"no-new-privileges", l.NoNewPrivileges},
			Layer{"seccomp", l.Seccomp}, Layer{"apparmor", l.AppArmor != ""}, Layer{"core-dumps", !l.CoreDumps})
	}
	return b, nil
}
