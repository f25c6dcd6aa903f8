package nvr

import (
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"cardea/camera"
	"cardea/camera/onvif"
	"cardea/camera/rtsp"
	"cardea/store"
)

// askWithin bounds everything that is asked over ONVIF when a camera is looked at.
const askWithin = 15 * time.Second

// ErrCamera marks an error that is about the camera, and not about the request or the box. Err is a sentence for people.
type ErrCamera struct{ Err error }

func (e ErrCamera) Error() string { return e.Err.Error() }

// Unwrap gives the error of package onvif or rtsp.
func (e ErrCamera) Unwrap() error { return e.Err }

// target is where a camera's stream is, and how that came out.
type target struct {
	url     *url.URL
	account credentials
	pin     []byte
	// chosen says what was chosen at an ONVIF address; "" where a person named the stream.
	chosen string
	// sub is the smaller stream and onvif the device service that told of it; nil and "" where a person named the stream.
	sub      *url.URL
	onvif    string
	controls store.Controls
}

// subURL is the address of the sub-stream: what a person typed, else what the camera said, as long as the same is known of it as of the
// main stream.
func (t target) subURL(typed string) (string, error) {
	switch {
	case typed != "":
		return sideAddress(typed, parseAddress)
	case t.sub == nil || t.sub.Scheme != t.url.Scheme || t.sub.Hostname() != t.url.Hostname():
		return "", nil
	}
	return t.sub.String(), nil
}

// resolve reads an address that a person typed, with the fingerprint that they confirmed. At an ONVIF address it asks the camera which
// streams it has, and takes the main one. The errors of packages onvif and rtsp come back as they are.
func (n *NVR) resolve(ctx context.Context, text, print string) (target, error) {
	at, user, password, ok, err := camera.ParseONVIF(text)
	if err != nil {
		return target{}, store.Errorf(store.Invalid, "%s", err.Error())
	}
	if !ok {
		clean, account, err := parseAddress(text)
		if err != nil {
			return target{}, err
		}
		pin, err := pinFor(clean, print)
		return target{url: clean, account: account, pin: pin}, err
	}
	if ip, err := netip.ParseAddr(at.Hostname()); err == nil && !allowed(ip) {
		return target{}, store.Errorf(store.Invalid, "%s is no address that a camera can have.", ip)
	}
	pin, err := parseFingerprint(print)
	if err != nil {
		return target{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	client, err := onvif.Dial(ctx, onvif.Config{URL: at, User: user, Password: password, Pin: pin, Now: n.clock.Now})
	if err != nil {
		return target{}, err
	}
	defer client.Close()
	streams, err := client.Streams(ctx)
	if err != nil {
		return target{}, err
	}
	info, err := client.Info(ctx)
	if err != nil {
		info = onvif.Info{Model: "a camera"} // it is for people only
	}
	t := target{url: streams.MainURL, account: credentials{User: user, Password: password}, chosen: chosen(info, streams), sub: streams.SubURL, onvif: at.String()}
	t.controls = controlsOf(client.Abilities(ctx, streams))
	switch {
	case t.url.Scheme == "rtsps", at.Scheme == "https":
		t.pin = pin // where the stream itself is plain it is that of ONVIF alone
	case pin != nil:
		_, err := pinFor(t.url, print)
		return target{}, err
	}
	n.log.InfoContext(ctx, "camera asked over ONVIF", "host", at.Host, "model", info.Model, "stream", rtsp.Redact(t.url.String()),
		"clock_offset", client.ClockOffset().Round(time.Second).String())
	return t, nil
}

// chosen says to people which stream was taken.
func chosen(info onvif.Info, s onvif.Streams) string {
	text := fmt.Sprintf("%s says over ONVIF that it has these streams. Recorded is %s from %s.",
		model(info), describe(s.Main), rtsp.Redact(s.MainURL.String()))
	if s.SubURL != nil {
		text += fmt.Sprintf(" It also has a smaller one, %s from %s.", describe(s.Sub), rtsp.Redact(s.SubURL.String()))
	}
	return text
}

func model(info onvif.Info) string { return strings.TrimSpace(info.Manufacturer + " " + info.Model) }

func describe(p onvif.Profile) string {
	text := p.Codec
	if p.Width > 0 && p.Height > 0 {
		text += fmt.Sprintf(" %d × %d", p.Width, p.Height)
	}
	if p.Name != "" {
		text += fmt.Sprintf(" (%q)", p.Name)
	}
	return text
}
