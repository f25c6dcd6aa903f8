package api

import (
	"context"

	"cardea/nvr"
	"cardea/store"
)

// LookRequest asks for a look at one address of a camera before it is stored.
type LookRequest struct {
	ByID
	Body struct {
		URL         string `json:"url,omitempty" maxLength:"4096" doc:"Of its stream"`
		SubURL      string `json:"sub_url,omitempty" maxLength:"4096" doc:"Of its smaller stream"`
		ONVIF       string `json:"onvif,omitempty" maxLength:"4096" doc:"Of its ONVIF device service"`
		Fingerprint string `json:"fingerprint,omitempty" maxLength:"200" doc:"As a person confirmed it"`
	}
}

// Look answers POST /api/cameras/{id}/probe. Nothing is stored; the camera's account is used where the address names none.
func (a *API) Look(ctx context.Context, in *LookRequest) (*Body[Probe], error) {
	id, err := seen(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	b := in.Body
	side, address, given := nvr.SideMain, "", 0
	for _, s := range []struct {
		side    nvr.Side
		address string
	}{{nvr.SideMain, b.URL}, {nvr.SideSub, b.SubURL}, {nvr.SideONVIF, b.ONVIF}} {
		if s.address != "" {
			side, address, given = s.side, s.address, given+1
		}
	}
	if given != 1 {
		return nil, store.Errorf(store.Invalid, "say one of url, sub_url and onvif")
	}
	p, err := a.nvr.Look(ctx, actor(ctx), id, side, address, b.Fingerprint)
	if err != nil {
		return nil, unusable(ctx, err)
	}
	return answer(probe(p)), nil
}
