package api

import (
	"context"
	"time"

	"cardea/nvr/syslog"
	"cardea/web/sentence"
)

// Syslog is where the logs are sent to, and how that goes.
type Syslog struct {
	Address string         `json:"address" doc:"host:port of an RFC 5425 collector; empty for none"`
	CA      string         `json:"ca" doc:"Certificates in PEM that may have signed the collector's; empty for those of the system"`
	Pin     string         `json:"pin" doc:"SHA-256 of the collector's public key in hex, in place of an authority"`
	State   string         `json:"state" enum:"off,connected,waiting"`
	Detail  string         `json:"detail"`
	Said    *sentence.Said `json:"said,omitempty" doc:"The detail as a code and values"`
	Since   time.Time      `json:"since"`
	Behind  int64          `json:"behind" doc:"Records that the collector has not got yet"`
}

// Syslog answers GET /api/log/syslog.
func (a *API) Syslog(ctx context.Context, _ *None) (*Body[Syslog], error) {
	s, state, err := a.nvr.Syslog(ctx)
	if err != nil {
		return nil, err
	}
	return answer(Syslog{s.Address, s.CA, s.Pin, state.Phase, state.Detail, sentence.Of(state.Detail), state.Since.UTC(), state.Behind}), nil
}

// SetSyslogRequest replaces the settings.
type SetSyslogRequest struct {
	Body struct {
		Address string `json:"address" maxLength:"260"`
		CA      string `json:"ca,omitempty" maxLength:"65536"`
		Pin     string `json:"pin,omitempty" maxLength:"64"`
	}
}

// SetSyslog answers PUT /api/log/syslog.
func (a *API) SetSyslog(ctx context.Context, in *SetSyslogRequest) (*Body[Syslog], error) {
	if err := a.nvr.SetSyslog(ctx, actor(ctx), syslog.Settings{Address: in.Body.Address, CA: in.Body.CA, Pin: in.Body.Pin}); err != nil {
		return nil, err
	}
	return a.Syslog(ctx, nil)
}
