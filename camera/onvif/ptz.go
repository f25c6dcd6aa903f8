package onvif

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"time"

	"cardea/camera/rtsp"
)

// maxPresets bounds how many presets are looked at.
const maxPresets = 256

// Preset is a position that the camera remembers.
type Preset struct{ Token, Name string }

// Presets lists the positions that a profile's camera remembers (ONVIF PTZ, section 5.4).
func (c *Client) Presets(ctx context.Context, profile string) ([]Preset, error) {
	n, err := c.call(ctx, nsPTZ, "GetPresets", profileToken(profile))
	if err != nil {
		return nil, err
	}
	var out []Preset
	for _, p := range n.all("Preset") {
		if token := p.attr("token"); token != "" && len(token) <= 64 && len(out) < maxPresets {
			out = append(out, Preset{token, rtsp.Short(p.child("Name").text)})
		}
	}
	return out, nil
}

// Velocity is how fast the camera is to move, each from -1 to 1: right, up and closer are positive.
type Velocity struct{ Pan, Tilt, Zoom float64 }

// Move moves the camera for d at most; it stops by itself then, whatever becomes of us. Axes that the profile lacks are left out.
func (c *Client) Move(ctx context.Context, p Profile, v Velocity, d time.Duration) error {
	body := profileToken(p.Token) + `<Velocity>`
	if p.PanTilt {
		body += `<tt:PanTilt x="` + unit(v.Pan) + `" y="` + unit(v.Tilt) + `"/>`
	}
	if p.Zoom {
		body += `<tt:Zoom x="` + unit(v.Zoom) + `"/>`
	}
	_, err := c.call(ctx, nsPTZ, "ContinuousMove", body+`</Velocity><Timeout>`+duration(d)+`</Timeout>`)
	return err
}

// Stop ends every movement.
func (c *Client) Stop(ctx context.Context, p Profile) error {
	body := profileToken(p.Token)
	if p.PanTilt {
		body += `<PanTilt>true</PanTilt>`
	}
	if p.Zoom {
		body += `<Zoom>true</Zoom>`
	}
	_, err := c.call(ctx, nsPTZ, "Stop", body)
	return err
}

// GotoPreset moves to a remembered position.
func (c *Client) GotoPreset(ctx context.Context, profile, preset string) error {
	_, err := c.call(ctx, nsPTZ, "GotoPreset", profileToken(profile)+`<PresetToken>`+esc(preset)+`</PresetToken>`)
	return err
}

// GotoHome moves to the position that the camera calls home.
func (c *Client) GotoHome(ctx context.Context, profile string) error {
	_, err := c.call(ctx, nsPTZ, "GotoHomePosition", profileToken(profile))
	return err
}

func profileToken(token string) string { return `<ProfileToken>` + esc(token) + `</ProfileToken>` }

// unit writes a number from -1 to 1.
func unit(v float64) string {
	if math.IsNaN(v) {
		v = 0
	}
	return strconv.FormatFloat(min(max(v, -1), 1), 'f', 3, 64)
}

// duration writes an xs:duration.
func duration(d time.Duration) string { return fmt.Sprintf("PT%.1fS", d.Seconds()) }
