package sim

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// state is what can be changed about a device.
type state struct {
	streams    []Stream
	brightness string
	irCut      string
	motion     bool // as its detector sees it
	// moves are what the motor was told, oldest first.
	moves []string
}

func newState(streams []Stream) state {
	return state{streams: append([]Stream(nil), streams...), brightness: "50", irCut: "AUTO"}
}

func (d *Device) streams() []Stream {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]Stream(nil), d.state.streams...)
}

// Moves are what the motor was told, oldest first: "move 0.5 0 0", "stop", "preset gate", "home".
func (d *Device) Moves() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), d.state.moves...)
}

// Streams are the profiles as they are now.
func (d *Device) Streams() []Stream { return d.streams() }

// Lens says how the lens is set: its brightness and the state of its infrared filter.
func (d *Device) Lens() (brightness, irCut string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.state.brightness, d.state.irCut
}

func (d *Device) setEncoder(c *element) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, s := range d.state.streams {
		if "enc_"+s.Token == c.attr("token") {
			width, _ := strconv.Atoi(c.text("Width"))
			height, _ := strconv.Atoi(c.text("Height"))
			d.state.streams[i].Codec, d.state.streams[i].Width, d.state.streams[i].Height = c.text("Encoding"), width, height
			return true
		}
	}
	return false
}

// presets are the positions that the motor knows.
var presets = []struct{ token, name string }{{"1", "gate"}, {"2", "door <b>"}}

var noProfile = &refusal{"ter:NoProfile", "No such profile"}

func (d *Device) ptz(q query) (string, *refusal) {
	if _, ok := d.stream(q.profile); !ok {
		return "", noProfile
	}
	told := func(what string) (string, *refusal) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.state.moves = append(d.state.moves, what)
		return `<tptz:` + q.operation + `Response/>`, nil
	}
	switch q.operation {
	case "GetPresets":
		var b strings.Builder
		for _, p := range presets {
			fmt.Fprintf(&b, `<tptz:Preset token="%s"><tt:Name>%s</tt:Name></tptz:Preset>`, p.token, esc(p.name))
		}
		return `<tptz:GetPresetsResponse>` + b.String() + `</tptz:GetPresetsResponse>`, nil
	case "ContinuousMove":
		v := q.first("Velocity")
		pan, zoom := v.first("PanTilt"), v.first("Zoom")
		for _, s := range []string{pan.attr("x"), pan.attr("y"), zoom.attr("x")} {
			if n, err := strconv.ParseFloat(s, 64); err != nil || n < -1 || n > 1 {
				return "", &refusal{"ter:InvalidVelocity", "Velocity out of bounds"}
			}
		}
		return told("move " + pan.attr("x") + " " + pan.attr("y") + " " + zoom.attr("x") + " for " + q.text("Timeout"))
	case "Stop":
		return told("stop")
	case "GotoPreset":
		for _, p := range presets {
			if p.token == q.text("PresetToken") {
				return told("preset " + p.name)
			}
		}
		return "", &refusal{"ter:NoToken", "The requested preset token does not exist"}
	case "GotoHomePosition":
		return told("home")
	}
	return "", nil
}

func (d *Device) imaging(q query) (string, *refusal) {
	if q.text("VideoSourceToken") != "lens_1" {
		return "", &refusal{"ter:NoSource", "No such source"}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch q.operation {
	case "GetImagingSettings":
		return `<timg:GetImagingSettingsResponse><timg:ImagingSettings><tt:Brightness>` + d.state.brightness + `</tt:Brightness><tt:IrCutFilter>` + d.state.irCut + `</tt:IrCutFilter></timg:ImagingSettings></timg:GetImagingSettingsResponse>`, nil
	case "GetOptions":
		return `<timg:GetOptionsResponse><timg:ImagingOptions><tt:Brightness><tt:Min>0</tt:Min><tt:Max>80</tt:Max></tt:Brightness><tt:IrCutFilterModes>ON</tt:IrCutFilterModes><tt:IrCutFilterModes>OFF</tt:IrCutFilterModes><tt:IrCutFilterModes>AUTO</tt:IrCutFilterModes></timg:ImagingOptions></timg:GetOptionsResponse>`, nil
	case "SetImagingSettings":
		if b := q.text("Brightness"); b != "" {
			if n, err := strconv.ParseFloat(b, 64); err != nil || n < 0 || n > 80 {
				return "", &refusal{"ter:SettingsInvalid", "The requested settings are incorrect"}
			}
			d.state.brightness = b
		}
		if f := q.text("IrCutFilter"); f != "" {
			d.state.irCut = f
		}
		return `<timg:SetImagingSettingsResponse/>`, nil
	}
	return "", nil
}

// still gives the snapshot, to those who sign in by HTTP digest.
func (d *Device) still(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	d.seen = append(d.seen, Request{Operation: "GET " + r.URL.RequestURI(), Header: r.Header.Clone()})
	d.mu.Unlock()
	if d.cfg.Tamper != nil && d.cfg.Tamper(w, "still") {
		return
	}
	if d.cfg.User != "" && !d.admitDigest(r) {
		w.Header().Add("WWW-Authenticate", `Digest qop="auth", realm="IP Camera(1,2)", nonce="`+d.nonce+`", stale="FALSE"`)
		http.Error(w, "Unauthorized", http.StatusUnauthorized)
		return
	}
	w.Header().Set("Content-Type", "image/jpeg")
	_, _ = w.Write(d.cfg.Still)
}
