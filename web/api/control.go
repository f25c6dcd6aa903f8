package api

import (
	"context"
	"errors"
	"time"

	"cardea/camera/onvif"
	"cardea/nvr"
	"cardea/store"
)

// PTZ is how a camera can be moved.
type PTZ struct {
	Presets []Preset `json:"presets" nullable:"false"`
	Zoom    bool     `json:"zoom"`
	PanTilt bool     `json:"pan_tilt"`
}

// Preset is a position that a camera remembers.
type Preset struct {
	Token string `json:"token"`
	Name  string `json:"name" doc:"As the camera calls it; may be empty"`
}

// PTZ answers GET /api/cameras/{id}/ptz.
func (a *API) PTZ(ctx context.Context, in *ByID) (*Body[PTZ], error) {
	id, err := seen(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	p, err := a.nvr.PTZ(ctx, id)
	if err != nil {
		return nil, aboutCamera(err)
	}
	return answer(PTZ{list(p.Presets, func(p onvif.Preset) Preset { return Preset{p.Token, p.Name} }), p.Zoom, p.PanTilt}), nil
}

// MoveRequest holds one of move, stop, preset and home.
type MoveRequest struct {
	ByID
	Body struct {
		Move *struct {
			Pan  float64 `json:"pan,omitempty" minimum:"-1" maximum:"1" doc:"To the right"`
			Tilt float64 `json:"tilt,omitempty" minimum:"-1" maximum:"1" doc:"Up"`
			Zoom float64 `json:"zoom,omitempty" minimum:"-1" maximum:"1" doc:"Closer"`
		} `json:"move,omitempty" doc:"Parts of full speed"`
		MS     int    `json:"ms,omitempty" minimum:"0" maximum:"10000" doc:"How long to move, in milliseconds: 1000 when left out; the camera stops by itself"`
		Stop   bool   `json:"stop,omitempty"`
		Preset string `json:"preset,omitempty" maxLength:"64" doc:"Token of a preset"`
		Home   bool   `json:"home,omitempty"`
	}
}

// MoveCamera answers POST /api/cameras/{id}/ptz.
func (a *API) MoveCamera(ctx context.Context, in *MoveRequest) (*None, error) {
	id, err := seen(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	m := nvr.Movement{For: time.Duration(in.Body.MS) * time.Millisecond, Stop: in.Body.Stop, Home: in.Body.Home, Preset: in.Body.Preset}
	if v := in.Body.Move; v != nil {
		m.Velocity = &onvif.Velocity{Pan: v.Pan, Tilt: v.Tilt, Zoom: v.Zoom}
	}
	return nil, aboutCamera(a.nvr.MoveCamera(ctx, actor(ctx), id, m))
}

// Imaging is how a camera's lens makes its picture. A setting that the camera does not have is null.
type Imaging struct {
	Brightness *ImagingRange `json:"brightness"`
	Contrast   *ImagingRange `json:"contrast"`
	Saturation *ImagingRange `json:"saturation"`
	Sharpness  *ImagingRange `json:"sharpness"`
	DayNight   *string       `json:"day_night" enum:"day,night,auto"`
	DayNights  []string      `json:"day_nights" nullable:"false" enum:"day,night,auto" doc:"What day_night may be"`
}

// ImagingRange is a setting with its bounds.
type ImagingRange struct {
	Value float64 `json:"value"`
	Min   float64 `json:"min"`
	Max   float64 `json:"max"`
}

func imaging(i onvif.Imaging) Imaging {
	within := func(r *onvif.Range) *ImagingRange {
		if r == nil {
			return nil
		}
		return &ImagingRange{r.Value, r.Min, r.Max}
	}
	return Imaging{within(i.Brightness), within(i.Contrast), within(i.Saturation), within(i.Sharpness), orNull(i.DayNight), words(i.DayNights)}
}

// Imaging answers GET /api/cameras/{id}/imaging.
func (a *API) Imaging(ctx context.Context, in *ByID) (*Body[Imaging], error) {
	id, err := seen(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	i, err := a.nvr.Imaging(ctx, id)
	if err != nil {
		return nil, aboutCamera(err)
	}
	return answer(imaging(i)), nil
}

// ImagingRequest holds what to change.
type ImagingRequest struct {
	ByID
	Body struct {
		Brightness *float64 `json:"brightness,omitempty" minimum:"-1000000" maximum:"1000000"`
		Contrast   *float64 `json:"contrast,omitempty" minimum:"-1000000" maximum:"1000000"`
		Saturation *float64 `json:"saturation,omitempty" minimum:"-1000000" maximum:"1000000"`
		Sharpness  *float64 `json:"sharpness,omitempty" minimum:"-1000000" maximum:"1000000"`
		DayNight   string   `json:"day_night,omitempty" enum:"day,night,auto"`
	}
}

// SetImaging answers PUT /api/cameras/{id}/imaging.
func (a *API) SetImaging(ctx context.Context, in *ImagingRequest) (*Body[Imaging], error) {
	id, err := seen(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	b := in.Body
	i, err := a.nvr.SetImaging(ctx, actor(ctx), id, onvif.ImagingChange{
		Brightness: b.Brightness, Contrast: b.Contrast, Saturation: b.Saturation, Sharpness: b.Sharpness, DayNight: b.DayNight,
	})
	if err != nil {
		return nil, aboutCamera(err)
	}
	return answer(imaging(i)), nil
}

// SubCodecRequest names a codec.
type SubCodecRequest struct {
	ByID
	Body struct {
		Codec string `json:"codec" enum:"h264,h265"`
	}
}

// SetSubCodec answers POST /api/cameras/{id}/sub-codec.
func (a *API) SetSubCodec(ctx context.Context, in *SubCodecRequest) (*None, error) {
	id, err := seen(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return nil, aboutCamera(a.nvr.SetSubCodec(ctx, actor(ctx), id, in.Body.Codec))
}

// EnrolCamera answers POST /api/cameras/{id}/enrol.
func (a *API) EnrolCamera(ctx context.Context, in *ByID) (*Body[Camera], error) {
	id, err := seen(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	s, err := a.nvr.EnrolCamera(ctx, actor(ctx), id)
	if err != nil {
		return nil, aboutCamera(err)
	}
	return answer(camera(s)), nil
}

// Picture is a JPEG that nobody may keep.
type Picture struct {
	ContentType string `header:"Content-Type"`
	Cache       string `header:"Cache-Control"`
	Sniff       string `header:"X-Content-Type-Options"`
	Body        []byte
}

// Snapshot answers GET /api/cameras/{id}/snapshot.
func (a *API) Snapshot(ctx context.Context, in *ByID) (*Picture, error) {
	id, err := seen(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	jpeg, err := a.nvr.Snapshot(ctx, actor(ctx), id)
	if err != nil {
		return nil, aboutCamera(err)
	}
	return &Picture{ContentType: "image/jpeg", Cache: "no-store", Sniff: "nosniff", Body: jpeg}, nil
}

// seen reads the identifier of a camera that the caller sees.
func seen(ctx context.Context, text string) (store.ID, error) {
	id, err := store.ParseID(text)
	if err == nil {
		err = see(ctx, id)
	}
	return id, err
}

// aboutCamera marks an error whose sentence is about the camera.
func aboutCamera(err error) error {
	var about nvr.ErrCamera
	if errors.As(err, &about) {
		return &CameraError{about.Err}
	}
	return err
}
