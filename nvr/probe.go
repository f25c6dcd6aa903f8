package nvr

import (
	"bytes"
	"context"
	"time"

	"cardea/camera/rtsp"
	"cardea/nvr/segment"
	"cardea/store"
)

// probeWithin bounds a look at an address.
const probeWithin = 20 * time.Second

// Probe looks at an address, of a stream or of ONVIF, without storing anything: what it sends, how far it can be trusted, and one
// picture. The errors of packages rtsp and onvif come back as they are: sentences that say what is wrong and what to do.
func (n *NVR) Probe(ctx context.Context, _ store.Actor, address, print, transport string) (Probe, error) {
	at, err := n.resolve(ctx, address, print)
	if err != nil {
		return Probe{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, probeWithin)
	defer cancel()
	p, err := lookAtStream(ctx, rtsp.Config{
		URL: at.url, User: at.account.User, Password: at.account.Password, Pin: at.pin, Transport: rtsp.Transport(transport), Now: n.clock.Now, Log: n.log,
	})
	p.Chosen = at.chosen
	return p, err
}

// lookAtStream gives what a stream sends and one picture of it.
func lookAtStream(ctx context.Context, cfg rtsp.Config) (Probe, error) {
	found, err := rtsp.Probe(ctx, cfg)
	if err != nil {
		return Probe{}, err
	}
	p := Probe{Skipped: found.Stream.Skipped, Trust: found.Trust, URL: cfg.URL.String()}
	if found.SPKI != nil {
		p.Fingerprint = fingerprint(found.SPKI)
	}
	for _, t := range found.Stream.Tracks {
		track := ProbeTrack{Track: t}
		if t.Codec.Video() {
			track.FPS = found.FPS
		}
		p.Tracks = append(p.Tracks, track)
	}
	// One picture: sound would only make the browser wait.
	mux, err := segment.New(found.Stream, segment.Options{NoAudio: true})
	if err != nil {
		return Probe{}, store.Errorf(store.Invalid, "The camera's pictures cannot be recorded: %s.", err.Error())
	}
	for i, f := range found.Frames {
		if !f.Video() || !f.Key {
			continue
		}
		picture := bytes.NewBuffer(bytes.Clone(mux.Init()))
		if _, err := mux.WritePart(picture, found.Frames[i:i+1], nil, 1); err != nil {
			return Probe{}, store.Errorf(store.Invalid, "The camera's pictures cannot be recorded: %s.", err.Error())
		}
		p.MIME, p.Picture = mux.MIME(), picture.Bytes()
		break
	}
	return p, nil
}
