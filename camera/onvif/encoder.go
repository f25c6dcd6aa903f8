package onvif

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
)

// SetCodec sets how a profile is encoded, H264 or H265, and keeps the rest as near to what it was as the camera allows. ErrNotOffered
// without Media 2, which alone knows H.265; ErrCodec where the camera has no such codec for the profile.
func (c *Client) SetCodec(ctx context.Context, p Profile, want string) error {
	if c.services[nsMedia2] == "" || p.encoder == "" {
		return ErrNotOffered{Operation: "SetVideoEncoderConfiguration"}
	}
	named := `<ConfigurationToken>` + esc(p.encoder) + `</ConfigurationToken>`
	n, err := c.call(ctx, nsMedia2, "GetVideoEncoderConfigurations", named)
	if err != nil {
		return err
	}
	var now *node
	for _, found := range n.all("Configurations") {
		if found.attr("token") == p.encoder {
			now = found
		}
	}
	if now == nil {
		return ErrAnswer{Reason: "it does not know how its stream is encoded"}
	}
	if n, err = c.call(ctx, nsMedia2, "GetVideoEncoderConfigurationOptions", named+profileToken(p.Token)); err != nil {
		return err
	}
	for _, options := range n.all("Options") {
		if codec(options.child("Encoding").text) == want {
			_, err := c.call(ctx, nsMedia2, "SetVideoEncoderConfiguration", encoder(now, options, want))
			return err
		}
	}
	return ErrCodec{Codec: want}
}

// ErrCodec says that the camera cannot encode a profile like that.
type ErrCodec struct{ Codec string }

func (e ErrCodec) Error() string {
	return "The camera does not offer " + e.Codec + " for this stream. Look in its own video settings; some want another stream to be switched off first."
}

// encoder writes a configuration (tt:VideoEncoder2Configuration) in the codec called name, else like now as far as options allow.
func encoder(now, options *node, name string) string {
	var b strings.Builder
	gop := number(now.attr("GovLength"))
	if least, most, ok := span(options.attr("GovLengthRange")); ok {
		gop = min(max(gop, least), most)
	}
	b.WriteString(`<Configuration token="` + esc(now.attr("token")) + `"`)
	if gop > 0 {
		b.WriteString(` GovLength="` + strconv.Itoa(gop) + `"`)
	}
	if profiles := strings.Fields(options.attr("ProfilesSupported")); len(profiles) > 0 {
		best := profiles[0]
		for _, wish := range []string{"Main", "High", "Baseline"} {
			if slices.Contains(profiles, wish) {
				best = wish
				break
			}
		}
		b.WriteString(` Profile="` + esc(best) + `"`)
	}
	width, height := resolution(now, options)
	b.WriteString(`><tt:Name>` + esc(now.child("Name").text) + `</tt:Name><tt:UseCount>` + strconv.Itoa(number(now.child("UseCount").text)) + `</tt:UseCount><tt:Encoding>` + name +
		`</tt:Encoding><tt:Resolution><tt:Width>` + strconv.Itoa(width) + `</tt:Width><tt:Height>` + strconv.Itoa(height) + `</tt:Height></tt:Resolution>`)
	if rate := now.child("RateControl"); rate.name.Local != "" {
		bits := number(rate.child("BitrateLimit").text)
		low, high := number(options.child("BitrateRange", "Min").text), number(options.child("BitrateRange", "Max").text)
		if high > 0 {
			bits = min(max(bits, low), high)
		}
		b.WriteString(`<tt:RateControl><tt:FrameRateLimit>` + esc(cmp.Or(rate.child("FrameRateLimit").text, "15")) + `</tt:FrameRateLimit><tt:BitrateLimit>` + strconv.Itoa(bits) + `</tt:BitrateLimit></tt:RateControl>`)
	}
	quality := number(now.child("Quality").text)
	if high := number(options.child("QualityRange", "Max").text); high > 0 {
		quality = min(max(quality, number(options.child("QualityRange", "Min").text)), high)
	}
	b.WriteString(`<tt:Quality>` + strconv.Itoa(quality) + `</tt:Quality></Configuration>`)
	return b.String()
}

// resolution is that of now where options have it, else the biggest one that is not bigger, else the smallest.
func resolution(now, options *node) (width, height int) {
	width, height = number(now.child("Resolution", "Width").text), number(now.child("Resolution", "Height").text)
	bestW, bestH := 0, 0
	for _, r := range options.all("ResolutionsAvailable") {
		w, h := number(r.child("Width").text), number(r.child("Height").text)
		switch {
		case w == width && h == height:
			return w, h
		case w == 0 || h == 0:
		case bestW == 0,
			w*h <= width*height && (bestW*bestH > width*height || w*h > bestW*bestH),
			w*h > width*height && bestW*bestH > width*height && w*h < bestW*bestH:
			bestW, bestH = w, h
		}
	}
	if bestW == 0 {
		return width, height
	}
	return bestW, bestH
}

// span reads "1 250".
func span(s string) (least, most int, ok bool) {
	fields := strings.Fields(s)
	if len(fields) != 2 {
		return 0, 0, false
	}
	least, most = number(fields[0]), number(fields[1])
	return least, most, least > 0 && most >= least
}
