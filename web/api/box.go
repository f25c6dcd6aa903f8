package api

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"cardea/auth"
	"cardea/nvr"
	"cardea/store"
	"cardea/web/caller"
	"cardea/web/sentence"
)

// Health is the state of the NVR.
type Health struct {
	Version      string         `json:"version"`
	Uptime       int64          `json:"uptime" doc:"Seconds"`
	Disk         Disk           `json:"disk"`
	Alarms       []Alarm        `json:"alarms" nullable:"false"`
	Cameras      map[string]int `json:"cameras" doc:"How many cameras are in each phase"`
	ForecastDays *float64       `json:"forecast_days" doc:"Days of recording that fit at the present rate; null while unknown"`
	Box          *Box           `json:"box,omitempty" doc:"Left out for viewers"`
}

// Disk is the disk that holds the clips.
type Disk struct {
	Path  string `json:"path"`
	Free  int64  `json:"free"`
	Total int64  `json:"total"`
	State string `json:"state" enum:"ok,full,missing,error"`
}

// Alarm is something a person must know about until it is over.
type Alarm struct {
	Code   string         `json:"code"`
	Detail string         `json:"detail"`
	Said   *sentence.Said `json:"said,omitempty" doc:"The detail as a code and values"`
	Since  time.Time      `json:"since"`
}

// Health answers GET /api/health.
func (a *API) Health(ctx context.Context, _ *None) (*Body[Health], error) {
	h, err := a.nvr.Health(ctx)
	if err != nil {
		return nil, err
	}
	cameras := h.Cameras
	if cameras == nil {
		cameras = map[string]int{}
	}
	if who := caller.From(ctx); !who.Sight.All() { // alarms may name cameras; the disk is everybody's
		h.Alarms = slices.DeleteFunc(h.Alarms, func(al nvr.Alarm) bool { return !strings.HasPrefix(al.Code, "disk-") })
		cameras = map[string]int{}
		all, err := a.nvr.Cameras(ctx)
		if err != nil {
			return nil, err
		}
		for _, c := range all {
			if who.Sees(c.Camera.ID) {
				cameras[c.Connection.Phase]++
			}
		}
	}
	shown := Health{
		Version: a.cfg.Version, Uptime: int64(a.cfg.Now().Sub(a.cfg.Started).Seconds()),
		Disk:    Disk{h.Disk.Path, h.Disk.Free, h.Disk.Total, h.Disk.State},
		Alarms:  list(h.Alarms, func(al nvr.Alarm) Alarm { return Alarm{al.Code, al.Detail, sentence.Of(al.Detail), al.Since.UTC()} }),
		Cameras: cameras, ForecastDays: orNull(h.ForecastDays),
	}
	if caller.From(ctx).Role >= caller.Member {
		if shown.Box, err = a.box(ctx, h); err != nil {
			return nil, err
		}
	}
	return answer(shown), nil
}

// Settings are the rules of the house.
type Settings struct {
	RetentionDays  int   `json:"retention_days"`
	RetentionBytes int64 `json:"retention_bytes" doc:"0 is as much as the disk holds"`
	MinFreeBytes   int64 `json:"min_free_bytes" doc:"Kept free on the disk; 0 is the larger of 2 GiB and 5 %"`
	LogDays        int   `json:"log_days" doc:"How long the contents of the logs' records are kept; the proofs stay"`
	TimeServerPort int   `json:"time_server_port" doc:"UDP port where isolated cameras get the time; 0 is off"`
	Previews       bool  `json:"previews" doc:"Whether clips of cameras with a sub-stream get previews, for looking through recordings quickly"`
	WebRTC         bool  `json:"webrtc" doc:"Whether browsers may watch over WebRTC, whose encryption (DTLS) is TLS 1.2"`
}

func settings(s nvr.Settings) Settings {
	return Settings{s.RetentionDays, s.RetentionBytes, s.MinFreeBytes, s.LogDays, s.TimeServerPort, s.Previews, s.WebRTC}
}

// Settings answers GET /api/settings.
func (a *API) Settings(ctx context.Context, _ *None) (*Body[Settings], error) {
	s, err := a.nvr.Settings(ctx)
	if err != nil {
		return nil, err
	}
	return answer(settings(s)), nil
}

// ChangeSettingsRequest holds the settings to change; the others stay.
type ChangeSettingsRequest struct {
	Body struct {
		RetentionDays  *int   `json:"retention_days,omitempty" minimum:"0" maximum:"36500"`
		RetentionBytes *int64 `json:"retention_bytes,omitempty" minimum:"0"`
		MinFreeBytes   *int64 `json:"min_free_bytes,omitempty" minimum:"0"`
		LogDays        *int   `json:"log_days,omitempty" minimum:"1" maximum:"3650"`
		TimeServerPort *int   `json:"time_server_port,omitempty" minimum:"0" maximum:"65535"`
		Previews       *bool  `json:"previews,omitempty"`
		WebRTC         *bool  `json:"webrtc,omitempty"`
	}
}

// ChangeSettings answers PATCH /api/settings.
func (a *API) ChangeSettings(ctx context.Context, in *ChangeSettingsRequest) (*Body[Settings], error) {
	b := in.Body
	var s nvr.Settings
	change := func() (err error) {
		s, err = a.nvr.ChangeSettings(ctx, actor(ctx), nvr.SettingsChange{
			RetentionDays: b.RetentionDays, RetentionBytes: b.RetentionBytes, MinFreeBytes: b.MinFreeBytes, LogDays: b.LogDays, TimeServerPort: b.TimeServerPort, Previews: b.Previews, WebRTC: b.WebRTC,
		})
		return err
	}
	now, err := a.nvr.Settings(ctx)
	switch {
	case err != nil:
	case b.LogDays != nil && *b.LogDays < now.LogDays: // what is older is erased
		about := fmt.Sprintf("erase what the logs say after %d days instead of %d", *b.LogDays, now.LogDays)
		err = a.auth.Approved(ctx, actor(ctx), auth.ActLogPurge, strconv.Itoa(*b.LogDays), about, change)
	default:
		err = change()
	}
	if err != nil {
		return nil, err
	}
	return answer(settings(s)), nil
}

// Authority is what the API tells of the certificate authority of the web; auth/ca has one.
type Authority interface {
	Fingerprint() string
	NotAfter() time.Time
	Name() string
}

// CA is the root that a browser has to trust.
type CA struct {
	Fingerprint string    `json:"fingerprint" doc:"SHA-256 of the certificate in hex"`
	NotAfter    time.Time `json:"not_after"`
	Name        string    `json:"name"`
}

// CA answers GET /api/ca.
func (a *API) CA(context.Context, *None) (*Body[CA], error) {
	if a.cfg.CA == nil {
		return nil, store.Errorf(store.NotFound, "this NVR has no certificate authority")
	}
	return answer(CA{a.cfg.CA.Fingerprint(), a.cfg.CA.NotAfter().UTC(), a.cfg.CA.Name()}), nil
}
