package onvif

import (
	"context"
	"slices"
	"strconv"
)

// Range is a setting with its bounds.
type Range struct{ Value, Min, Max float64 }

// Imaging is how a lens makes its picture. A setting that the camera does not have is nil.
type Imaging struct {
	Brightness, Contrast, Saturation, Sharpness *Range
	// DayNight is day (infrared filter in front of the sensor), night or auto; "" where the camera has no such setting. DayNights
	// are those of them that it knows, all three where it does not say.
	DayNight  string
	DayNights []string
}

// ImagingChange is what is to be otherwise: what is not nil or "".
type ImagingChange struct {
	Brightness, Contrast, Saturation, Sharpness *float64
	DayNight                                    string
}

// The words of DayNight, and ONVIF's (tt:IrCutFilterMode).
const (
	Day   = "day"
	Night = "night"
	Auto  = "auto"
)

// filterModes are the words of DayNight in the order in which people read them, with ONVIF's.
var filterModes = []struct{ word, mode string }{{Auto, "AUTO"}, {Day, "ON"}, {Night, "OFF"}}

// Imaging asks for the settings of a lens (ONVIF Imaging, section 5.2).
func (c *Client) Imaging(ctx context.Context, source string) (Imaging, error) {
	n, err := c.call(ctx, nsImaging, "GetImagingSettings", videoSource(source))
	if err != nil {
		return Imaging{}, err
	}
	settings := n.child("ImagingSettings")
	// Without options the bounds are what nearly every camera has.
	options := &node{}
	if n, err := c.call(ctx, nsImaging, "GetOptions", videoSource(source)); err == nil {
		options = n.child("ImagingOptions")
	}
	out := Imaging{
		Brightness: setting(settings, options, "Brightness"), Contrast: setting(settings, options, "Contrast"),
		Saturation: setting(settings, options, "ColorSaturation"), Sharpness: setting(settings, options, "Sharpness"),
	}
	var known []string
	for _, mode := range options.all("IrCutFilterModes") {
		known = append(known, mode.text)
	}
	for _, f := range filterModes {
		if settings.child("IrCutFilter").text == f.mode {
			out.DayNight = f.word
		}
		if known == nil || slices.Contains(known, f.mode) {
			out.DayNights = append(out.DayNights, f.word)
		}
	}
	if out.DayNight == "" {
		out.DayNights = nil
	}
	return out, nil
}

// setting reads one of a lens's settings; nil where it has none of that name, or one whose value is none.
func setting(settings, options *node, name string) *Range {
	value, ok := amount(settings.child(name))
	if !ok {
		return nil
	}
	r := &Range{value, 0, 100}
	low, okLow := amount(options.child(name, "Min"))
	high, okHigh := amount(options.child(name, "Max"))
	if okLow && okHigh && low < high {
		r.Min, r.Max = low, high
	}
	return r
}

// amount reads a finite number that a person could have set: nothing else is shown to anybody.
func amount(n *node) (float64, bool) {
	value, err := strconv.ParseFloat(n.text, 64)
	return value, err == nil && value >= -1e6 && value <= 1e6
}

// SetImaging changes the settings of a lens for good.
func (c *Client) SetImaging(ctx context.Context, source string, change ImagingChange) error {
	body := videoSource(source) + `<ImagingSettings>`
	// In the order of tt:ImagingSettings20.
	for _, s := range []struct {
		name  string
		value *float64
	}{{"Brightness", change.Brightness}, {"ColorSaturation", change.Saturation}, {"Contrast", change.Contrast}} {
		body += setTo(s.name, s.value)
	}
	for _, f := range filterModes {
		if change.DayNight == f.word {
			body += `<tt:IrCutFilter>` + f.mode + `</tt:IrCutFilter>`
		}
	}
	body += setTo("Sharpness", change.Sharpness)
	_, err := c.call(ctx, nsImaging, "SetImagingSettings", body+`</ImagingSettings><ForcePersistence>true</ForcePersistence>`)
	return err
}

func setTo(name string, value *float64) string {
	if value == nil {
		return ""
	}
	return `<tt:` + name + `>` + strconv.FormatFloat(*value, 'f', -1, 64) + `</tt:` + name + `>`
}

func videoSource(token string) string {
	return `<VideoSourceToken>` + esc(token) + `</VideoSourceToken>`
}
