package api

import (
	"context"
	"time"

	"cardea/nvr"
	"cardea/store"
)

// Pairing is the state of a paired camera's certificate.
type Pairing struct {
	Revoked bool       `json:"revoked" doc:"Its certificate was taken back; it has to be paired again"`
	Device  string     `json:"device,omitempty"`
	Model   string     `json:"model,omitempty"`
	Expires *time.Time `json:"expires" doc:"End of the certificate"`
	Renews  *time.Time `json:"renews" doc:"When the certificate is replaced, by itself"`
	Synced  *time.Time `json:"synced" doc:"When the camera was last spoken to over its certificate"`
}

func pairing(p *nvr.Pairing) *Pairing {
	if p == nil {
		return nil
	}
	utc := func(t time.Time) *time.Time { return orNull(t.UTC()) }
	return &Pairing{p.Revoked, p.Device, p.Model, utc(p.Expires), utc(p.Renews), utc(p.Synced)}
}

// PairRequest names a camera agent and the code that it shows.
type PairRequest struct {
	Body struct {
		Address string `json:"address,omitempty" maxLength:"300" doc:"Host with or without port; may be left out where code is the text of the QR code"`
		Code    string `json:"code" maxLength:"400" doc:"The eight digits that the camera shows, or the text of its QR code"`
		Name    string `json:"name,omitempty" maxLength:"400" doc:"The name that the camera gives itself when left out"`
		Camera  string `json:"camera,omitempty" maxLength:"26" doc:"The camera that is paired again after a reset or with another device; what it was paired with is revoked"`
	}
}

// Pair answers POST /api/pairings.
func (a *API) Pair(ctx context.Context, in *PairRequest) (*Body[Camera], error) {
	id, err := optionalID(in.Body.Camera)
	if err != nil {
		return nil, err
	}
	s, err := a.nvr.Pair(ctx, actor(ctx), nvr.PairRequest{Address: in.Body.Address, Code: in.Body.Code, Name: in.Body.Name, Camera: id})
	if err != nil {
		return nil, err
	}
	return answer(camera(s)), nil
}

// RevokeCamera answers POST /api/cameras/{id}/revoke.
func (a *API) RevokeCamera(ctx context.Context, in *ByID) (*None, error) {
	id, err := store.ParseID(in.ID)
	if err != nil {
		return nil, err
	}
	return nil, a.nvr.RevokeCamera(ctx, actor(ctx), id)
}

// DeviceAuthority is the certificate authority of paired cameras.
type DeviceAuthority struct {
	Stage   string   `json:"stage" enum:"steady,announced,advanced" doc:"announced: cameras learn of the next root; advanced: they get certificates of it"`
	Waiting []string `json:"waiting" nullable:"false" doc:"Names of the cameras that the next step waits for"`
	Roots   string   `json:"roots" doc:"Certificates in PEM"`
}

// DeviceCA answers GET /api/ca/devices.
func (a *API) DeviceCA(context.Context, *None) (*Body[DeviceAuthority], error) {
	s, err := a.nvr.Authority()
	if err != nil {
		return nil, err
	}
	return answer(DeviceAuthority{s.Stage, words(s.Waiting), string(s.Roots)}), nil
}

// RollRequest begins to replace the authority.
type RollRequest struct {
	Body struct {
		Force bool `json:"force,omitempty" doc:"Take the next step although cameras were not reached; those have to be paired again"`
	}
}

// RollCA answers POST /api/ca/devices.
func (a *API) RollCA(ctx context.Context, in *RollRequest) (*Body[DeviceAuthority], error) {
	s, err := a.nvr.RollAuthority(ctx, actor(ctx), in.Body.Force)
	if err != nil {
		return nil, err
	}
	return answer(DeviceAuthority{s.Stage, words(s.Waiting), string(s.Roots)}), nil
}
