package onvif

import (
	"context"
	"errors"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"cardea/camera/rtsp"
)

// maxProfiles bounds how many profiles are looked at.
const maxProfiles = 64

// Profile is a stream that the camera can be asked for.
type Profile struct {
	Token, Name string
	// Source is the token of the lens behind it; cameras with several have several.
	Source string
	// Codec is H264, H265, JPEG or what else the camera calls it; "" without video.
	Codec         string
	Width, Height int
	FPS           float64
	// PanTilt and Zoom say whether it can be moved.
	PanTilt, Zoom bool
	encoder       string // token of its configuration
	media2        bool
}

// Streams is the camera's main stream, for recording, and its sub-stream, for small pictures. URLs are rtsp:// or rtsps://, at the host that the
// client was given, without user and password.
type Streams struct {
	Main    Profile
	MainURL *url.URL
	// Sub is the zero Profile and SubURL nil where there is only one stream.
	Sub    Profile
	SubURL *url.URL
	// Moves is the profile by which the lens of Main can be moved; the zero Profile where it cannot.
	Moves Profile
}

// Profiles lists the camera's profiles: by Media 2, which knows H.265, else by Media 1.
func (c *Client) Profiles(ctx context.Context) ([]Profile, error) {
	if c.services[nsMedia2] != "" {
		n, err := c.call(ctx, nsMedia2, "GetProfiles", "<Type>All</Type>")
		var fault ErrFault
		if err == nil {
			if found := profiles(n, true); len(found) > 0 {
				return found, nil
			}
		} else if !errors.As(err, &fault) {
			return nil, err
		}
		if c.services[nsMedia] == "" {
			return nil, err
		}
	}
	n, err := c.call(ctx, nsMedia, "GetProfiles", "")
	if err != nil {
		return nil, err
	}
	return profiles(n, false), nil
}

// profiles reads the answer of either media service.
func profiles(n *node, media2 bool) (out []Profile) {
	for _, p := range n.all("Profiles") {
		source, encoder, ptz := p.child("VideoSourceConfiguration"), p.child("VideoEncoderConfiguration"), p.child("PTZConfiguration")
		if media2 {
			source, encoder, ptz = p.child("Configurations", "VideoSource"), p.child("Configurations", "VideoEncoder"), p.child("Configurations", "PTZ")
		}
		size := encoder.child("Resolution")
		found := Profile{
			Token: p.attr("token"), Name: rtsp.Short(p.child("Name").text), Source: source.child("SourceToken").text, Codec: codec(encoder.child("Encoding").text),
			Width: number(size.child("Width").text), Height: number(size.child("Height").text),
			encoder: encoder.attr("token"), media2: media2,
		}
		found.PanTilt, found.Zoom = axes(ptz)
		if fps, err := strconv.ParseFloat(encoder.child("RateControl", "FrameRateLimit").text, 64); err == nil && fps > 0 && fps < 1000 {
			found.FPS = fps
		}
		if out = append(out, found); len(out) == maxProfiles {
			break
		}
	}
	return out
}

// axes says what can be moved: what has a space for continuous movement, or all where the camera names none.
func axes(ptz *node) (panTilt, zoom bool) {
	if ptz.attr("token") == "" {
		return false, false
	}
	panTilt = ptz.child("DefaultContinuousPanTiltVelocitySpace").text != ""
	zoom = ptz.child("DefaultContinuousZoomVelocitySpace").text != ""
	if !panTilt && !zoom {
		return true, true
	}
	return panTilt, zoom
}

// codec gives a name one spelling: Media 2 takes those of IANA, cameras what they like.
func codec(s string) string {
	switch s = strings.ToUpper(rtsp.Short(s)); s {
	case "H.264", "AVC":
		return "H264"
	case "H.265", "HEVC":
		return "H265"
	}
	return s
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > 1<<16 {
		return 0
	}
	return n
}

// Streams chooses the streams of the camera's first lens and asks for their addresses. ErrNoStream where none can be recorded.
func (c *Client) Streams(ctx context.Context) (Streams, error) {
	all, err := c.Profiles(ctx)
	if err != nil {
		return Streams{}, err
	}
	main, sub, err := choose(all)
	if err != nil {
		return Streams{}, err
	}
	s := Streams{Main: main, Moves: moves(all, main)}
	if s.MainURL, err = c.streamURL(ctx, main); err != nil {
		return Streams{}, err
	}
	if sub.Token == "" {
		return s, nil
	}
	at, err := c.streamURL(ctx, sub)
	var fault ErrFault
	var answer ErrAnswer
	switch {
	case errors.As(err, &fault), errors.As(err, &answer):
		return s, nil // the main one is what matters
	case err != nil:
		return Streams{}, err
	case *at != *s.MainURL:
		s.Sub, s.SubURL = sub, at
	}
	return s, nil
}

// choose takes the biggest picture for recording and the smallest one of the same lens, not below 160 pixels, beside it.
func choose(all []Profile) (main, sub Profile, err error) {
	usable := slices.DeleteFunc(slices.Clone(all), func(p Profile) bool { return p.Token == "" || p.Codec != "H264" && p.Codec != "H265" })
	if len(usable) == 0 {
		var codecs []string
		for _, p := range all {
			if p.Codec != "" && !slices.Contains(codecs, p.Codec) {
				codecs = append(codecs, p.Codec)
			}
		}
		return Profile{}, Profile{}, ErrNoStream{Codecs: codecs}
	}
	main = usable[0]
	for _, p := range usable {
		if p.Source == main.Source && p.Width*p.Height > main.Width*main.Height {
			main = p
		}
	}
	for _, p := range usable {
		smaller := p.Width >= 160 && p.Width*p.Height < main.Width*main.Height
		if p.Source == main.Source && smaller && (sub.Token == "" || p.Width*p.Height < sub.Width*sub.Height) {
			sub = p
		}
	}
	return main, sub, nil
}

// moves is the profile that moves the lens of main: its own before that of others.
func moves(all []Profile, main Profile) Profile {
	if main.PanTilt || main.Zoom {
		return main
	}
	for _, p := range all {
		if p.Source == main.Source && p.Token != "" && (p.PanTilt || p.Zoom) {
			return p
		}
	}
	return Profile{}
}

// streamURL asks for the address of a profile. Over https:// it asks for RTSPS first.
func (c *Client) streamURL(ctx context.Context, p Profile) (*url.URL, error) {
	token := "<ProfileToken>" + esc(p.Token) + "</ProfileToken>"
	if !p.media2 {
		n, err := c.call(ctx, nsMedia, "GetStreamUri", "<StreamSetup><tt:Stream>RTP-Unicast</tt:Stream><tt:Transport><tt:Protocol>RTSP</tt:Protocol></tt:Transport></StreamSetup>"+token)
		if err != nil {
			return nil, err
		}
		return c.streamAddress(n.child("MediaUri", "Uri").text)
	}
	if c.cfg.URL.Scheme == "https" {
		n, err := c.call(ctx, nsMedia2, "GetStreamUri", "<Protocol>RtspsUnicast</Protocol>"+token)
		var fault ErrFault
		if err == nil {
			return c.streamAddress(n.child("Uri").text)
		}
		if !errors.As(err, &fault) {
			return nil, err
		}
	}
	n, err := c.call(ctx, nsMedia2, "GetStreamUri", "<Protocol>RTSP</Protocol>"+token)
	if err != nil {
		return nil, err
	}
	return c.streamAddress(n.child("Uri").text)
}

// streamAddress reads an address that the camera gave: port and path are its own, the host is the one that a person named.
func (c *Client) streamAddress(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" || u.Scheme != "rtsp" && u.Scheme != "rtsps" {
		return nil, ErrAnswer{Reason: "the address of its stream is none of RTSP"}
	}
	host := c.cfg.URL.Hostname()
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return nil, ErrAnswer{Reason: "the address of its stream has a port that is none"}
		}
		u.Host = net.JoinHostPort(host, port)
	} else if strings.Contains(host, ":") {
		u.Host = "[" + host + "]"
	} else {
		u.Host = host
	}
	u.User, u.Fragment, u.RawFragment = nil, "", ""
	return u, nil
}
