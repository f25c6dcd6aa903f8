package webrtc

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	pion "github.com/pion/webrtc/v4"

	"cardea/camera/frame"
)

// Talk is one browser that speaks to one camera.
type Talk struct {
	*session
	tracks chan *pion.TrackRemote
}

// Talk answers an offer that sends sound, in the codec that the camera takes: PCMU or PCMA.
func (s *Server) Talk(o *Offer, at []netip.Addr, to frame.Codec) (*Talk, error) {
	sound := o.section("audio")
	if sound == nil || !sound.sends || len(o.sections) != 1 {
		return nil, errors.New("an offer to speak has one section, audio, that sends")
	}
	name := map[frame.Codec]string{frame.PCMU: "PCMU", frame.PCMA: "PCMA"}[to]
	var chosen *codec
	for i := range sound.codecs {
		if c := &sound.codecs[i]; c.name == name {
			chosen = c
			break
		}
	}
	if chosen == nil {
		return nil, errors.New("the browser does not send sound as this camera takes it (G.711)")
	}
	pc, err := s.peer(at, chosen)
	if err != nil {
		return nil, err
	}
	t := &Talk{tracks: make(chan *pion.TrackRemote, 1)}
	pc.OnTrack(func(track *pion.TrackRemote, _ *pion.RTPReceiver) {
		select {
		case t.tracks <- track:
		default: // one is enough
		}
	})
	if t.session, err = s.negotiate(pc, at, o.clean(chosen)); err != nil {
		return nil, errors.Join(err, pc.GracefulClose())
	}
	return t, nil
}

// Answer is the answer to the offer.
func (t *Talk) Answer() string { return t.answer }

// Run gives each packet's sound to say, in the order it comes, until the browser goes or ctx is done. The payload is good during the
// call only.
func (t *Talk) Run(ctx context.Context, say func(payload []byte) error) error {
	defer t.end()
	if err := t.wait(ctx); err != nil {
		return err
	}
	watched, stop := t.until(ctx)
	defer stop()
	defer context.AfterFunc(watched, t.end)() // a read waits in the library
	var track *pion.TrackRemote
	select {
	case track = <-t.tracks:
	case <-watched.Done():
		if t.left() {
			return ErrGone
		}
		return ctx.Err()
	}
	for {
		packet, _, err := track.ReadRTP()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case t.left():
			return ErrGone
		case err != nil:
			return fmt.Errorf("hear the browser: %w", err)
		}
		if len(packet.Payload) == 0 {
			continue
		}
		if err := say(packet.Payload); err != nil {
			return err
		}
	}
}
