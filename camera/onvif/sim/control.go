package sim

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// state is what can be changed about a device.
type state struct {
	streams []Stream
	lens    map[string]string // by the names of ONVIF
	motion  bool              // as its detector sees it
	// moves are what the motor was told, oldest first.
	moves []string
}

func newState(streams []Stream) state {
	lens := map[string]string{"IrCutFilter": "AUTO"}
	for _, name := range lensRanges {
		lens[name] = "50"
	}
	return state{streams: append([]Stream(nil), streams...), lens: lens}
}

// lensRanges are the settings of the lens that go from 0 to 80.
var lensRanges = []string{"Brightness", "ColorSaturation", "Contrast", "Sharpness"}

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

// Lens says how the lens is set, by ONVIF's name of the setting, such as Brightness or IrCutFilter.
func (d *Device) Lens(setting string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.state.lens[setting]
}

func (d *Device) setEncoder(c *element) bool {
	d.mu.Lock()
	i := slices.IndexFunc(d.state.streams, func(s Stream) bool { return "enc_"+s.Token == c.attr("token") })
	if i < 0 {
		d.mu.Unlock()
		return false
	}
	s := &d.state.streams[i]
	s.Codec = c.text("Encoding")
	s.Width, _ = strconv.Atoi(c.text("Width"))
	s.Height, _ = strconv.Atoi(c.text("Height"))
	now := *s
	d.mu.Unlock()
	if d.cfg.Encoded != nil {
		d.cfg.Encoded(now)
	}
	return true
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
		d.state.moves = append(d.state.moves, what)
		d.mu.Unlock()
		if d.cfg.Moved != nil {
			d.cfg.Moved(what)
		}
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
	// As ONVIF's schema orders them. The elder of the devices knows no sharpness and no automatic change to night.
	names, modes := []string{"Brightness", "ColorSaturation", "Contrast", "IrCutFilter", "Sharpness"}, []string{"ON", "OFF", "AUTO"}
	if d.cfg.Kind == Dahua {
		names, modes = names[:4], modes[:2]
	}
	var b strings.Builder
	switch q.operation {
	case "GetImagingSettings":
		for _, name := range names {
			fmt.Fprintf(&b, `<tt:%s>%s</tt:%[1]s>`, name, d.state.lens[name])
		}
		return `<timg:GetImagingSettingsResponse><timg:ImagingSettings>` + b.String() + `</timg:ImagingSettings></timg:GetImagingSettingsResponse>`, nil
	case "GetOptions":
		for _, name := range names {
			if slices.Contains(lensRanges, name) {
				fmt.Fprintf(&b, `<tt:%s><tt:Min>0</tt:Min><tt:Max>80</tt:Max></tt:%[1]s>`, name)
				continue
			}
			for _, mode := range modes {
				b.WriteString(`<tt:IrCutFilterModes>` + mode + `</tt:IrCutFilterModes>`)
			}
		}
		return `<timg:GetOptionsResponse><timg:ImagingOptions>` + b.String() + `</timg:ImagingOptions></timg:GetOptionsResponse>`, nil
	case "SetImagingSettings":
		for _, name := range names {
			value := q.text(name)
			if value == "" {
				continue
			}
			n, err := strconv.ParseFloat(value, 64)
			if slices.Contains(lensRanges, name) && (err != nil || n < 0 || n > 80) || name == "IrCutFilter" && !slices.Contains(modes, value) {
				return "", &refusal{"ter:SettingsInvalid", "The requested settings are incorrect"}
			}
			d.state.lens[name] = value
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
