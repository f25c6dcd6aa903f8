package nvr

import (
	"context"
	"sync"
	"time"

	"cardea/camera"
	"cardea/camera/rtsp"
	"cardea/store"
)

// askTalkWithin bounds the question whether a camera has a loudspeaker.
const askTalkWithin = 20 * time.Second

// talkState is what a runner knows about the back channel of its camera.
type talkState struct {
	// connection is done when the NVR leaves the camera.
	connection context.Context //nolint:containedctx // ends what hangs on the main stream
	busy       bool            // somebody talks
	asked      string          // the address at which it was asked for a back channel
}

// Talk is the way of somebody's voice to a camera's loudspeaker. See rtsp.Talk.
type Talk struct {
	*rtsp.Talk
	end func()
}

// Close ends the talk and lets others talk. Closing twice is harmless.
func (t *Talk) Close() error {
	t.end()
	return nil
}

// Talk opens the back channel of a camera until ctx is done, Close is called, or the NVR leaves the camera. NotFound; Conflict while
// somebody else talks; Unavailable while the camera does not stream, since then nothing has shown who it is. An ErrCamera is a sentence.
func (n *NVR) Talk(ctx context.Context, actor store.Actor, id store.ID) (*Talk, error) {
	r, err := n.runner(id)
	if err != nil {
		return nil, err
	}
	connection, cfg, err := r.talkConfig()
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	busy := r.talk.busy
	r.talk.busy = true
	r.mu.Unlock()
	if busy {
		return nil, store.Errorf(store.Conflict, "somebody else is talking to this camera")
	}
	free := func() {
		r.mu.Lock()
		r.talk.busy = false
		r.mu.Unlock()
	}
	if err := n.note(ctx, actor, "talk", store.Access{Camera: id}); err != nil {
		free()
		return nil, err
	}
	talk, err := rtsp.OpenTalk(ctx, cfg)
	if err != nil {
		free()
		if ctx.Err() == nil {
			err = ErrCamera{err}
		}
		return nil, err
	}
	t := &Talk{Talk: talk}
	t.end = sync.OnceFunc(func() {
		talk.Close() //nolint:errcheck // always nil
		free()
	})
	ok := n.beside(func() {
		select {
		case <-ctx.Done():
		case <-connection.Done():
		case <-talk.Ended():
		}
		t.end()
	})
	if !ok {
		t.end()
		return nil, store.Errorf(store.Unavailable, "Cardea is about to end")
	}
	return t, nil
}

// beside runs f beside the cameras, unless they are about to end; Run waits for it.
func (n *NVR) beside(f func()) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.running == nil {
		return false
	}
	n.cameras.Go(f)
	return true
}

// talkConfig says how the back channel of a camera is reached, and gives the context of its main stream.
func (r *runner) talkConfig() (context.Context, rtsp.Config, error) {
	r.mu.Lock()
	row, cam, connection := r.row, r.camera, r.talk.connection
	r.mu.Unlock()
	if cam == nil || connection == nil || connection.Err() != nil || cam.State().Phase != camera.Streaming {
		return nil, rtsp.Config{}, store.Errorf(store.Unavailable, "the camera is not connected")
	}
	c, err := r.config(row, row.URL)
	if err != nil {
		return nil, rtsp.Config{}, err
	}
	return connection, rtsp.Config{
		URL: c.URL, User: c.User, Password: c.Password, Pin: c.Pin, Mutual: c.Mutual, AllowTLS12: c.AllowTLS12, Now: c.Now, Log: c.Log,
	}, nil
}

// askTalk asks a camera that streams whether it takes sound to play, once in a run for each address.
func (n *NVR) askTalk(ctx context.Context, r *runner) {
	r.mu.Lock()
	row := r.row
	asked := r.talk.asked == row.URL
	r.talk.asked = row.URL
	r.mu.Unlock()
	if asked || row.Controls.Has(store.ControlTalk) {
		return
	}
	connection, cfg, err := r.talkConfig()
	if err != nil {
		return
	}
	n.beside(func() {
		asking, cancel := context.WithTimeout(connection, askTalkWithin)
		defer cancel()
		can, err := rtsp.CanTalk(asking, cfg)
		if err != nil {
			n.log.DebugContext(ctx, "whether a camera can be talked to is not known", "camera", r.id.String(), "error", err)
			return
		}
		if !can {
			return
		}
		if err := n.edit(ctx, r, func(row *store.Camera) { row.Controls |= store.ControlTalk }); err != nil {
			n.log.WarnContext(ctx, "that a camera can be talked to is not stored", "camera", r.id.String(), "error", err)
		}
	})
}
