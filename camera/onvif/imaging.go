package onvif

import (
	"context"
	"strconv"
)

// Range is a setting with its bounds.
type Range struct{ Value, Min, Max float64 }

// Imaging is how a lens makes its picture.
type Imaging struct {
	// Brightness is nil where the camera has no such setting.
	Brightness *Range
	// DayNight is day (infrared filter in front of the sensor), night or auto; "" where the camera has no such setting.
	DayNight string
}

// The words of DayNight, and ONVIF's (tt:IrCutFilterMode).
const (
	Day   = "day"
	Night = "night"
	Auto  = "auto"
)

// Imaging asks for the settings of a lens (ONVIF Imaging, section 5.2).
func (c *Client) Imaging(ctx context.Context, source string) (Imaging, error) {
	n, err := c.call(ctx, nsImaging, "GetImagingSettings", videoSource(source))
	if err != nil {
		return Imaging{}, err
	}
	var out Imaging
	settings := n.child("ImagingSettings")
	switch settings.child("IrCutFilter").text {
	case "ON":
		out.DayNight = Day
	case "OFF":
		out.DayNight = Night
	case "AUTO":
		out.DayNight = Auto
	}
	value, err := strconv.ParseFloat(settings.child("Brightness").text, 64)
	if err != nil {
		return out, nil
	}
	out.Brightness = &Range{value, 0, 100}
	// Without options the bounds are what nearly every camera has.
	if n, err = c.call(ctx, nsImaging, "GetOptions", videoSource(source)); err == nil {
		limits := n.child("ImagingOptions", "Brightness")
		low, err1 := strconv.ParseFloat(limits.child("Min").text, 64)
		high, err2 := strconv.ParseFloat(limits.child("Max").text, 64)
		if err1 == nil && err2 == nil && low < high {
			out.Brightness.Min, out.Brightness.Max = low, high
		}
	}
	return out, nil
}

// SetImaging changes what is not nil or "", for good.
func (c *Client) SetImaging(ctx context.Context, source string, brightness *float64, dayNight string) error {
	body := videoSource(source) + `<ImagingSettings>`
	if brightness != nil {
		body += `<tt:Brightness>` + strconv.FormatFloat(*brightness, 'f', -1, 64) + `</tt:Brightness>`
	}
	if mode := map[string]string{Day: "ON", Night: "OFF", Auto: "AUTO"}[dayNight]; mode != "" {
		body += `<tt:IrCutFilter>` + mode + `</tt:IrCutFilter>`
	}
	_, err := c.call(ctx, nsImaging, "SetImagingSettings", body+`</ImagingSettings><ForcePersistence>true</ForcePersistence>`)
	return err
}

func videoSource(token string) string {
	return `<VideoSourceToken>` + esc(token) + `</VideoSourceToken>`
}
