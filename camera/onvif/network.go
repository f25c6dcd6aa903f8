package onvif

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// protocols asks which ports the camera listens on (ONVIF Core, 8.2.15).
func (c *Client) protocols(ctx context.Context) (ports map[string]int, enabled map[string]bool, err error) {
	n, err := c.call(ctx, nsDevice, "GetNetworkProtocols", "")
	if err != nil {
		return nil, nil, err
	}
	ports, enabled = map[string]int{}, map[string]bool{}
	for _, p := range n.all("NetworkProtocols") {
		name := strings.ToUpper(p.child("Name").text)
		on, _ := truth(p.child("Enabled").text)
		if port := number(p.child("Port").text); port > 0 && port < 1<<16 {
			ports[name], enabled[name] = port, on
		}
	}
	return ports, enabled, nil
}

// enableHTTPS makes the camera answer over HTTPS, which is where it is looked after once it is enrolled.
func (c *Client) enableHTTPS(ctx context.Context, e *Enrolment) error {
	if c.cfg.URL.Scheme == "https" {
		return nil
	}
	_, enabled, err := c.protocols(ctx)
	if err != nil || enabled["HTTPS"] {
		return err
	}
	e.HTTPS = true
	return c.setHTTPS(ctx, true)
}

func (c *Client) setHTTPS(ctx context.Context, on bool) error {
	ports, _, err := c.protocols(ctx)
	if err != nil {
		return err
	}
	port := ports["HTTPS"]
	if port == 0 {
		port = 443
	}
	_, err = c.call(ctx, nsDevice, "SetNetworkProtocols", fmt.Sprintf(`<NetworkProtocols><tt:Name>HTTPS</tt:Name><tt:Enabled>%t</tt:Enabled><tt:Port>%d</tt:Port></NetworkProtocols>`, on, port))
	return err
}

// Secure gives the address of the same device service over HTTPS: its own where that is one.
func (c *Client) Secure(ctx context.Context) (*url.URL, error) {
	at := *c.cfg.URL
	if at.Scheme == "https" {
		return &at, nil
	}
	ports, enabled, err := c.protocols(ctx)
	if err != nil {
		return nil, err
	}
	if !enabled["HTTPS"] {
		return nil, ErrAnswer{Reason: "it does not answer over HTTPS"}
	}
	at.Scheme, at.Host = "https", at.Hostname()
	switch {
	case ports["HTTPS"] != 443:
		at.Host = net.JoinHostPort(at.Host, fmt.Sprint(ports["HTTPS"]))
	case strings.Contains(at.Host, ":"):
		at.Host = "[" + at.Host + "]"
	}
	return &at, nil
}

// Abilities is what a camera offers beside its streams.
type Abilities struct {
	// PTZ, Snapshot, Imaging and Events say what it can be asked for; Enrol that it has the Security service.
	PTZ, Snapshot, Imaging, Events, Enrol bool
}

// Abilities says what the camera offers for the lens of its main profile.
func (c *Client) Abilities(ctx context.Context, s Streams) Abilities {
	main := s.Main
	a := Abilities{
		PTZ:    c.services[nsPTZ] != "" && s.Moves.Token != "",
		Events: c.services[nsEvents] != "", Enrol: c.services[nsSecurity] != "",
	}
	if _, err := c.snapshotURL(ctx, main); err == nil {
		a.Snapshot = true
	}
	if c.services[nsImaging] != "" {
		_, err := c.Imaging(ctx, main.Source)
		a.Imaging = err == nil
	}
	return a
}
