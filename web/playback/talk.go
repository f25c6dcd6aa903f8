package playback

import (
	"context"
	"errors"

	"github.com/gofiber/fiber/v2"

	"cardea/nvr"
	"cardea/store"
	"cardea/web/api"
)

// Talk answers POST /api/live/{camera}/talk: the offer of a browser that has something to say (WHIP, RFC 9725), to a camera with a
// loudspeaker. It ends like what WHEP makes, and when the camera does not listen any more.
func (p *Playback) Talk(c *fiber.Ctx) error {
	own, offer, err := p.offered(c)
	if err != nil {
		return err
	}
	// For as long as the request lasts it ends with it; from then on with the connection.
	stop := context.AfterFunc(c.UserContext(), func() { own.end(c.UserContext().Err()) })
	talk, err := p.nvr.Talk(own.ctx, own.who.Actor(), own.camera)
	stop()
	if err != nil {
		p.peers.drop(own)
		var about nvr.ErrCamera
		if errors.As(err, &about) {
			return &api.CameraError{Err: about.Err}
		}
		return err
	}
	ended := func() {
		_ = talk.Close() // always nil
		p.peers.drop(own)
	}
	voice, err := p.webrtc.Talk(offer, p.reachable(c), talk.Codec())
	if err != nil {
		ended()
		return store.Errorf(store.Conflict, "%s", err)
	}
	p.run(own, func(ctx context.Context) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		go func() { // ends with cancel
			select {
			case <-talk.Ended():
				cancel()
			case <-ctx.Done():
			}
		}()
		return voice.Run(ctx, talk.Say)
	}, ended)
	return answer(c, own, voice.Answer())
}
