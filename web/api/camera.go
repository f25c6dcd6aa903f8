package api

import (
	"context"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"cardea/camera/rtsp"
	"cardea/nvr"
	"cardea/store"
	"cardea/web/caller"
	"cardea/web/sentence"
)

// Camera is a camera with its state.
type Camera struct {
	ID             string          `json:"id"`
	Name           string          `json:"name"`
	URL            string          `json:"url" doc:"Never with user or password; a password that the camera wants in the path is shown as …"`
	User           string          `json:"user,omitempty"`
	Sub            *SubStream      `json:"sub" doc:"The smaller stream; null where there is none"`
	ONVIF          *string         `json:"onvif" doc:"Address of the ONVIF device service; null where there is none"`
	Controls       Controls        `json:"controls"`
	Trust          string          `json:"trust" enum:"paired,pinned,plain"`
	Mode           string          `json:"mode" enum:"continuous,event,off"`
	Audio          bool            `json:"audio"`
	Vault          *string         `json:"vault" doc:"null is the default vault"`
	Position       int             `json:"position"`
	PrerollMS      int64           `json:"preroll_ms"`
	PostrollMS     int64           `json:"postroll_ms"`
	RetentionDays  *int            `json:"retention_days" doc:"null is the rule of the house"`
	RetentionBytes *int64          `json:"retention_bytes" doc:"null is no rule of its own"`
	Transport      string          `json:"transport" enum:"auto,tcp,udp"`
	Fingerprint    string          `json:"fingerprint,omitempty" doc:"SHA-256 of the pinned SPKI in hex"`
	State          CameraState     `json:"state"`
	FPS            float64         `json:"fps"`
	Bitrate        float64         `json:"bitrate" doc:"Bits per second"`
	Width          int             `json:"width"`
	Height         int             `json:"height"`
	Codecs         []string        `json:"codecs" nullable:"false"`
	Skipped        []string        `json:"skipped" nullable:"false"`
	SkippedSaid    []sentence.Said `json:"skipped_said,omitempty" nullable:"false" doc:"Why, of each of skipped; the code is empty where it has none"`
	Recording      Recording       `json:"recording"`
	Usage          Usage           `json:"usage"`
	Pairing        *Pairing        `json:"pairing" doc:"null for a camera that is not paired"`
	Isolation      *Isolation      `json:"isolation" doc:"Why Cardea keeps away from it until a person decides; null while it does not"`
}

// SubStream is a camera's smaller stream, for grids and previews.
type SubStream struct {
	URL    string         `json:"url" doc:"Never with user or password"`
	Codec  string         `json:"codec" doc:"Empty while unknown, as width, height and fps are 0"`
	Width  int            `json:"width"`
	Height int            `json:"height"`
	FPS    float64        `json:"fps"`
	Phase  string         `json:"phase" doc:"As that of a camera; off while nobody wants it"`
	Detail string         `json:"detail" doc:"Why it is not streaming although somebody wants it; viewers get the main stream then"`
	Said   *sentence.Said `json:"said,omitempty" doc:"The detail as a code and values"`
}

// Controls says what a camera was found to be able to do.
type Controls struct {
	PTZ      bool `json:"ptz" doc:"It turns or zooms"`
	Talk     bool `json:"talk" doc:"It plays sound that is sent to it"`
	Snapshot bool `json:"snapshot" doc:"It gives single pictures"`
	Imaging  bool `json:"imaging" doc:"Its picture can be adjusted"`
	Motion   bool `json:"motion" doc:"It sends events of motion"`
}

func controls(c store.Controls) Controls {
	return Controls{
		PTZ: c.Has(store.ControlPTZ), Talk: c.Has(store.ControlTalk), Snapshot: c.Has(store.ControlSnapshot),
		Imaging: c.Has(store.ControlImaging), Motion: c.Has(store.ControlMotion),
	}
}

func subStream(s *nvr.SubStream) *SubStream {
	if s == nil {
		return nil
	}
	return &SubStream{URL: rtsp.Redact(s.URL), Codec: s.Codec, Width: s.Width, Height: s.Height, FPS: s.FPS, Phase: s.Phase, Detail: s.Detail, Said: sentence.Of(s.Detail)}
}

// CameraState is the state of the line to a camera.
type CameraState struct {
	Phase  string         `json:"phase"`
	Since  time.Time      `json:"since"`
	Detail string         `json:"detail"`
	Said   *sentence.Said `json:"said,omitempty" doc:"The detail as a code and values"`
}

// skipped says why a track is left alone; its text is the name of the track, a colon, and that.
func skipped(text string) sentence.Said {
	if _, why, ok := strings.Cut(text, ": "); ok {
		if said := sentence.Of(why); said != nil {
			return *said
		}
	}
	return sentence.Said{}
}

func cameraState(phase string, since time.Time, detail string) CameraState {
	return CameraState{phase, since.UTC(), detail, sentence.Of(detail)}
}

// Recording says whether frames become clips.
type Recording struct {
	Active bool           `json:"active"`
	Reason string         `json:"reason,omitempty"`
	Detail string         `json:"detail,omitempty"`
	Said   *sentence.Said `json:"said,omitempty" doc:"The detail as a code and values"`
	Clip   *string        `json:"clip,omitempty"`
}

// Usage is what clips take up.
type Usage struct {
	Bytes  int64      `json:"bytes"`
	Clips  int64      `json:"clips"`
	Oldest *time.Time `json:"oldest"`
}

func camera(s nvr.CameraStatus) Camera {
	c, line := s.Camera, s.Connection
	return Camera{
		ID: c.ID.String(), Name: c.Name, URL: rtsp.Redact(c.URL), User: s.User, Sub: subStream(s.Sub), ONVIF: orNull(c.ONVIF),
		Controls: controls(c.Controls), Trust: string(c.Trust), Mode: string(c.Mode), Audio: c.Audio,
		Vault: idOrNull(c.Vault), Position: c.Position, PrerollMS: c.PreRoll.Milliseconds(), PostrollMS: c.PostRoll.Milliseconds(),
		RetentionDays: orNull(c.RetentionDays), RetentionBytes: orNull(c.RetentionBytes), Transport: c.Transport,
		Fingerprint: hex.EncodeToString(c.Pin), State: cameraState(line.Phase, line.Since, line.Detail),
		FPS: line.FPS, Bitrate: line.Bitrate, Width: line.Width, Height: line.Height,
		Codecs: words(line.Codecs), Skipped: words(line.Skipped), SkippedSaid: list(line.Skipped, skipped),
		Recording: Recording{s.Recording.Active, s.Recording.Reason, s.Recording.Detail, sentence.Of(s.Recording.Detail), idOrNull(s.Recording.Clip)},
		Usage:     Usage{s.Usage.Bytes, s.Usage.Clips, orNull(s.Usage.Oldest)},
		Pairing:   pairing(s.Pairing), Isolation: isolation(s.Isolation),
	}
}

// Cameras answers GET /api/cameras.
func (a *API) Cameras(ctx context.Context, _ *None) (*Body[[]Camera], error) {
	all, err := a.nvr.Cameras(ctx)
	if err != nil {
		return nil, err
	}
	who := caller.From(ctx)
	all = slices.DeleteFunc(all, func(s nvr.CameraStatus) bool { return !who.Sees(s.Camera.ID) })
	return answer(list(all, camera)), nil
}

// Camera answers GET /api/cameras/{id}.
func (a *API) Camera(ctx context.Context, in *ByID) (*Body[Camera], error) {
	id, err := store.ParseID(in.ID)
	if err != nil {
		return nil, err
	}
	if err := see(ctx, id); err != nil {
		return nil, err
	}
	s, err := a.nvr.Camera(ctx, id)
	if err != nil {
		return nil, err
	}
	return answer(camera(s)), nil
}

// AddCameraRequest describes a camera.
type AddCameraRequest struct {
	Body struct {
		Name        string `json:"name" maxLength:"400"`
		URL         string `json:"url" maxLength:"4096" doc:"rtsp:// or rtsps:// of a stream, or http://, https:// or just a host of an ONVIF camera; may hold user:password@, which is stored encrypted and never given out"`
		Fingerprint string `json:"fingerprint,omitempty" maxLength:"200" doc:"SHA-256 of the camera's SPKI, hex or base64, as a person confirmed it"`
		SubURL      string `json:"sub_url,omitempty" maxLength:"4096" doc:"A smaller stream at the same host, without user and password; at an ONVIF address the camera says which"`
		Transport   string `json:"transport,omitempty" enum:"auto,tcp,udp"`
		Mode        string `json:"mode,omitempty" enum:"continuous,event,off"`
	}
}

// AddCamera answers POST /api/cameras.
func (a *API) AddCamera(ctx context.Context, in *AddCameraRequest) (*Body[Camera], error) {
	b := in.Body
	s, err := a.nvr.AddCamera(ctx, actor(ctx), nvr.NewCamera{
		Name: b.Name, URL: b.URL, Fingerprint: b.Fingerprint, SubURL: b.SubURL, Transport: b.Transport, Mode: b.Mode,
	})
	if err != nil {
		return nil, aboutCamera(err)
	}
	return answer(camera(s)), nil
}

// ChangeCameraRequest holds the fields to change; the others stay.
type ChangeCameraRequest struct {
	ByID
	Body struct {
		Name           *string `json:"name,omitempty" maxLength:"400"`
		URL            *string `json:"url,omitempty" maxLength:"4096"`
		SubURL         *string `json:"sub_url,omitempty" maxLength:"4096" doc:"A smaller stream at the same host; an empty text is none"`
		ONVIF          *string `json:"onvif,omitempty" maxLength:"4096" doc:"The ONVIF device service at the same host; an empty text is none"`
		Mode           *string `json:"mode,omitempty" enum:"continuous,event,off"`
		Audio          *bool   `json:"audio,omitempty"`
		Vault          *string `json:"vault,omitempty" maxLength:"26" doc:"An empty text is the default vault"`
		Position       *int    `json:"position,omitempty" minimum:"0" maximum:"100000"`
		PrerollMS      *int64  `json:"preroll_ms,omitempty" minimum:"0" maximum:"60000"`
		PostrollMS     *int64  `json:"postroll_ms,omitempty" minimum:"0" maximum:"600000"`
		RetentionDays  *int    `json:"retention_days,omitempty" minimum:"0" maximum:"36500" doc:"0 is the rule of the house"`
		RetentionBytes *int64  `json:"retention_bytes,omitempty" minimum:"0" doc:"0 is no rule of its own"`
		Transport      *string `json:"transport,omitempty" enum:"auto,tcp,udp"`
		Fingerprint    *string `json:"fingerprint,omitempty" maxLength:"200" doc:"An empty text takes the pin away"`
	}
}

// ChangeCamera answers PATCH /api/cameras/{id}.
func (a *API) ChangeCamera(ctx context.Context, in *ChangeCameraRequest) (*Body[Camera], error) {
	id, err := store.ParseID(in.ID)
	if err != nil {
		return nil, err
	}
	b := in.Body
	change := nvr.CameraChange{
		Name: b.Name, URL: b.URL, SubURL: b.SubURL, ONVIF: b.ONVIF, Mode: b.Mode, Audio: b.Audio, Position: b.Position, Preroll: millis(b.PrerollMS), Postroll: millis(b.PostrollMS),
		RetentionDays: b.RetentionDays, RetentionBytes: b.RetentionBytes, Transport: b.Transport, Fingerprint: b.Fingerprint,
	}
	if b.URL != nil || b.SubURL != nil {
		// An address that comes back as it was shown, with its secret hidden, is no change.
		before, err := a.nvr.Camera(ctx, id)
		if err != nil {
			return nil, err
		}
		if b.URL != nil && *b.URL == rtsp.Redact(before.Camera.URL) {
			change.URL = nil
		}
		if b.SubURL != nil && *b.SubURL == rtsp.Redact(before.Camera.SubURL) {
			change.SubURL = nil
		}
	}
	if b.Vault != nil {
		vault, err := optionalID(*b.Vault)
		if err != nil {
			return nil, err
		}
		change.Vault = &vault
	}
	s, err := a.nvr.ChangeCamera(ctx, actor(ctx), id, change)
	if err != nil {
		return nil, err
	}
	return answer(camera(s)), nil
}

func millis(ms *int64) *time.Duration {
	if ms == nil {
		return nil
	}
	d := time.Duration(*ms) * time.Millisecond
	return &d
}

// RemoveCameraRequest says what becomes of the clips.
type RemoveCameraRequest struct {
	ByID
	Clips string `query:"clips" enum:"keep,delete" default:"keep" doc:"Whether its clips stay until retention takes them"`
}

// RemoveCamera answers DELETE /api/cameras/{id}.
func (a *API) RemoveCamera(ctx context.Context, in *RemoveCameraRequest) (*None, error) {
	id, err := store.ParseID(in.ID)
	if err != nil {
		return nil, err
	}
	return nil, a.nvr.RemoveCamera(ctx, actor(ctx), id, in.Clips == "delete")
}

// CameraHealth is the line to a camera and its latest changes.
type CameraHealth struct {
	CameraState
	FPS           float64       `json:"fps"`
	Bitrate       float64       `json:"bitrate"`
	Lost          uint64        `json:"lost" doc:"Packets that did not arrive since the program started"`
	Dropped       uint64        `json:"dropped" doc:"Frames that the recorder could not keep up with"`
	Reconnects    uint64        `json:"reconnects"`
	ClockOffsetMS int64         `json:"clock_offset_ms" doc:"The camera's clock minus ours"`
	History       []CameraState `json:"history" nullable:"false" doc:"The latest changes, newest first"`
}

// CameraHealth answers GET /api/cameras/{id}/health.
func (a *API) CameraHealth(ctx context.Context, in *ByID) (*Body[CameraHealth], error) {
	id, err := store.ParseID(in.ID)
	if err != nil {
		return nil, err
	}
	if err := see(ctx, id); err != nil {
		return nil, err
	}
	h, err := a.nvr.CameraHealth(ctx, id)
	if err != nil {
		return nil, err
	}
	c := h.Connection
	return answer(CameraHealth{
		CameraState: cameraState(c.Phase, c.Since, c.Detail), FPS: c.FPS, Bitrate: c.Bitrate,
		Lost: c.Lost, Dropped: c.Dropped, Reconnects: c.Reconnects, ClockOffsetMS: c.ClockOffset.Milliseconds(),
		History: list(h.History, func(c nvr.Change) CameraState { return cameraState(c.Phase, c.At, c.Detail) }),
	}), nil
}

// RecordRequest starts an event by hand.
type RecordRequest struct {
	ByID
	Body struct {
		Seconds int `json:"seconds" minimum:"1" maximum:"3600"`
	}
}

// Record answers POST /api/cameras/{id}/record.
func (a *API) Record(ctx context.Context, in *RecordRequest) (*Body[Event], error) {
	id, err := store.ParseID(in.ID)
	if err != nil {
		return nil, err
	}
	if err := see(ctx, id); err != nil {
		return nil, err
	}
	e, err := a.nvr.Record(ctx, actor(ctx), id, time.Duration(in.Body.Seconds)*time.Second)
	if err != nil {
		return nil, err
	}
	return answer(NewEvent(e)), nil
}

// ProbeRequest asks for a look at an address.
type ProbeRequest struct {
	Body struct {
		URL         string `json:"url" maxLength:"4096"`
		Fingerprint string `json:"fingerprint,omitempty" maxLength:"200"`
		Transport   string `json:"transport,omitempty" enum:"auto,tcp,udp"`
	}
}

// Probe is what was found.
type Probe struct {
	Tracks      []Track         `json:"tracks" nullable:"false"`
	Skipped     []string        `json:"skipped" nullable:"false"`
	SkippedSaid []sentence.Said `json:"skipped_said,omitempty" nullable:"false" doc:"Why, of each of skipped; the code is empty where it has none"`
	Trust       string          `json:"trust"`
	Fingerprint string          `json:"fingerprint,omitempty" doc:"SHA-256 of the presented SPKI in hex"`
	MIME        string          `json:"mime"`
	Picture     []byte          `json:"picture" doc:"Base64 of a fragmented MP4 with one key frame"`
	URL         string          `json:"url" doc:"The stream or service that was looked at"`
	Model       string          `json:"model,omitempty" doc:"Of a look at an ONVIF service: what the camera calls itself"`
	Sub         string          `json:"sub,omitempty" doc:"Of a look at an ONVIF service: the smaller stream that the camera names"`
	Chosen      string          `json:"chosen,omitempty" doc:"At an ONVIF address: what the camera says it has, and which stream is taken"`
	ChosenSaid  *sentence.Said  `json:"chosen_said,omitempty" doc:"Chosen as a code and values"`
}

// Track is one of the tracks that a camera sends.
type Track struct {
	Codec      string  `json:"codec"`
	Width      int     `json:"width,omitempty"`
	Height     int     `json:"height,omitempty"`
	FPS        float64 `json:"fps,omitempty"`
	Channels   int     `json:"channels,omitempty"`
	SampleRate int     `json:"sample_rate,omitempty"`
}

// CameraError says why a camera cannot be used; it is a sentence for people, as packages rtsp and onvif write them.
type CameraError struct{ Err error }

func (e *CameraError) Error() string { return e.Err.Error() }

// Unwrap gives the error of those packages.
func (e *CameraError) Unwrap() error { return e.Err }

// Probe answers POST /api/probe: a test picture before a camera is saved. Nothing is stored.
func (a *API) Probe(ctx context.Context, in *ProbeRequest) (*Body[Probe], error) {
	p, err := a.nvr.Probe(ctx, actor(ctx), in.Body.URL, in.Body.Fingerprint, in.Body.Transport)
	if err != nil {
		return nil, unusable(ctx, err)
	}
	return answer(probe(p)), nil
}

// unusable makes of the error of a look at a camera why that cannot be used, unless it is another one or nobody waits any more.
func unusable(ctx context.Context, err error) error {
	if ctx.Err() == nil && store.ErrorCode(err) == "" {
		return &CameraError{err}
	}
	return err
}

func probe(p nvr.Probe) Probe {
	return Probe{
		Tracks: list(p.Tracks, func(t nvr.ProbeTrack) Track {
			return Track{string(t.Codec), t.Width, t.Height, t.FPS, t.Channels, t.SampleRate}
		}),
		Skipped: words(p.Skipped), SkippedSaid: list(p.Skipped, skipped), ChosenSaid: sentence.Of(p.Chosen), Trust: p.Trust, Fingerprint: p.Fingerprint, MIME: p.MIME, Picture: p.Picture,
		URL: rtsp.Redact(p.URL), Chosen: p.Chosen, Model: p.Model, Sub: rtsp.Redact(p.Sub),
	}
}
