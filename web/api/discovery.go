package api

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"cardea/camera/discovery"
	"cardea/web/sentence"
)

// Candidate is a device on the network that may be a camera. All but its addresses is its own word.
type Candidate struct {
	ID        string         `json:"id" doc:"Stays the same while the device does; no ULID"`
	Name      string         `json:"name"`
	Model     string         `json:"model"`
	Address   string         `json:"address" doc:"IP address, with the port where it can be paired"`
	Addresses []string       `json:"addresses" nullable:"false"`
	URL       *string        `json:"url" doc:"Stream address to try; null where only a look at the device can tell"`
	URLs      []string       `json:"urls" nullable:"false"`
	ONVIF     *string        `json:"onvif" doc:"Address of the ONVIF device service"`
	Pair      *string        `json:"pair" doc:"Where our own camera agent can be paired, host:port"`
	Device    *string        `json:"device" doc:"The identifier that the agent claims"`
	Paired    bool           `json:"paired" doc:"The agent says that an NVR has it already"`
	Via       []string       `json:"via" nullable:"false" doc:"mdns, ws-discovery, scan"`
	Trust     string         `json:"trust" enum:"paired,pinned,plain" doc:"The best that can be reached with it; it has none yet"`
	Doubt     *string        `json:"doubt" doc:"A sentence where something does not fit"`
	Said      *sentence.Said `json:"said,omitempty" doc:"The doubt as a code and values"`
	FirstSeen time.Time      `json:"first_seen"`
	LastSeen  time.Time      `json:"last_seen"`
}

// candidate has everything as text.
func candidate(c discovery.Candidate) Candidate {
	out := Candidate{
		ID: c.ID, Name: c.Name, Model: c.Model, Address: c.Address(), Addresses: list(c.Addresses, netip.Addr.String), URLs: words(c.URLs),
		ONVIF: orNull(c.ONVIF), Device: orNull(c.Device), Paired: c.Paired, Via: words(c.Via), Trust: c.Trust, Doubt: orNull(c.Doubt), Said: sentence.Of(c.Doubt),
		FirstSeen: c.FirstSeen.UTC(), LastSeen: c.LastSeen.UTC(),
	}
	if len(c.URLs) > 0 {
		out.URL = &c.URLs[0]
	}
	if c.Pair.IsValid() {
		pair := c.Pair.String()
		out.Pair = &pair
	}
	return out
}

// Found makes the answer of GET /api/discovery from candidates.
func Found(all []discovery.Candidate) []Candidate { return list(all, candidate) }

// DiscoveryRequest says how long to listen first.
type DiscoveryRequest struct {
	Wait int `query:"wait" minimum:"0" maximum:"10" doc:"Seconds to listen before answering; the network is asked anew in any case"`
}

// Discovery answers GET /api/discovery: cameras that were found and are not added.
func (a *API) Discovery(ctx context.Context, in *DiscoveryRequest) (*Body[[]Candidate], error) {
	if a.cfg.Discovery == nil {
		return answer([]Candidate{}), nil
	}
	a.cfg.Discovery.Wake()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(time.Duration(in.Wait) * time.Second):
	}
	return a.found(ctx)
}

func (a *API) found(ctx context.Context) (*Body[[]Candidate], error) {
	all, err := a.nvr.NotAdded(ctx, a.cfg.Discovery.Candidates())
	if err != nil {
		return nil, err
	}
	return answer(Found(all)), nil
}

// ScanRequest names a network to scan.
type ScanRequest struct {
	Body struct {
		Prefix string `json:"prefix,omitempty" maxLength:"64" doc:"Private IPv4 network that the NVR is on, at most a /22, such as 192.168.1.0/24; all of them without it"`
	}
}

// Scan answers POST /api/discovery/scan when the scan has ended, with all candidates.
func (a *API) Scan(ctx context.Context, in *ScanRequest) (*Body[[]Candidate], error) {
	if a.cfg.Discovery == nil {
		return nil, huma.NewError(http.StatusServiceUnavailable, "The network can only be scanned while the NVR runs.")
	}
	var network netip.Prefix
	if text := in.Body.Prefix; text != "" {
		var err error
		if network, err = netip.ParsePrefix(text); err != nil {
			return nil, huma.NewError(http.StatusUnprocessableEntity, "A network looks like 192.168.1.0/24.")
		}
	}
	err := a.cfg.Discovery.Scan(ctx, network)
	var refused discovery.RangeError
	switch {
	case errors.As(err, &refused):
		return nil, huma.NewError(http.StatusUnprocessableEntity, refused.Error())
	case errors.Is(err, discovery.ErrScanning):
		return nil, huma.NewError(http.StatusConflict, "A scan is under way already; wait for it to end.")
	case err != nil:
		return nil, err
	}
	return a.found(ctx)
}
