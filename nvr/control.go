package nvr

import (
	"bytes"
	"context"
	"net/url"
	"slices"
	"sync"
	"time"

	"cardea/camera/onvif"
	"cardea/store"
)

const (
	// controlFor is how long what a camera said of itself is believed while it is controlled.
	controlFor = 5 * time.Minute
	// controlWithin bounds what a person waits for.
	controlWithin = 20 * time.Second
	// moveFor is how long a camera moves when nobody says, moveForMost at most: it stops by itself then.
	moveFor, moveForMost = time.Second, 10 * time.Second
	// controlGap is how long acts of one person on one camera are one record of the access log.
	controlGap = 5 * time.Minute
)

// dialONVIF begins a dialogue with the camera, in which it has to prove itself as on its stream. Conflict for a camera without ONVIF and
// for one in doubt: neither is told anything.
func (r *runner) dialONVIF(ctx context.Context) (*onvif.Client, error) {
	r.mu.Lock()
	row, away := r.row, r.isolation != nil
	r.mu.Unlock()
	cfg, err := r.onvifConfig(row, away)
	if err != nil {
		return nil, err
	}
	client, err := onvif.Dial(ctx, cfg)
	if err != nil {
		if presented, doubt := identityDoubt(err); doubt && row.Trust != store.TrustPlain && !r.revoked() {
			r.n.suspect(suspicion{r, "identity", err.Error(), presented})
		}
		return nil, err
	}
	return client, nil
}

// onvifConfig says how the camera of a row is spoken with.
func (r *runner) onvifConfig(row store.Camera, away bool) (onvif.Config, error) {
	switch {
	case away:
		return onvif.Config{}, store.Errorf(store.Conflict, "Cardea keeps away from this camera until you decide; nothing is sent to it")
	case row.ONVIF == "":
		return onvif.Config{}, store.Errorf(store.Conflict, "the ONVIF address of this camera is not known; enter it in its settings")
	}
	at, err := url.Parse(row.ONVIF)
	if err != nil {
		return onvif.Config{}, store.Errorf(store.Conflict, "the stored ONVIF address is no URL; enter it again")
	}
	if at.Scheme != "https" && row.Trust != store.TrustPlain {
		return onvif.Config{}, store.Errorf(store.Conflict, "a camera that is known by its key or its certificate is spoken with over https:// only; change its ONVIF address")
	}
	// The account is bound to the host of the stream: whoever can write to the database cannot have it shown to another one.
	if stream, err := url.Parse(row.URL); err != nil || stream.Hostname() != at.Hostname() {
		return onvif.Config{}, store.Errorf(store.Conflict, "the ONVIF address of this camera is at another host than its stream; enter it again")
	}
	account, err := r.n.credentials(row)
	if err != nil {
		return onvif.Config{}, store.Errorf(store.Conflict, "%s", lostSecret)
	}
	cfg := onvif.Config{URL: at, User: account.User, Password: account.Password, Pin: row.Pin, Now: r.n.clock.Now}
	if row.Trust == store.TrustPaired {
		cfg.Pin, cfg.Mutual = nil, r.mutual()
	}
	return cfg, nil
}

// control is a dialogue with a camera that goes on while somebody uses it.
type control struct {
	mu      sync.Mutex
	client  *onvif.Client
	streams onvif.Streams
	row     store.Camera // that it was begun with
	since   time.Time
}

// controlled gives the dialogue, a new one where there is none or the camera is another one now. do works with it; an error ends it.
func (r *runner) controlled(ctx context.Context, do func(context.Context, *onvif.Client, onvif.Streams) error) error {
	ctx, cancel := context.WithTimeout(ctx, controlWithin)
	defer cancel()
	client, streams, err := r.control.open(ctx, r)
	if err == nil {
		err = do(ctx, client, streams)
	}
	if err == nil {
		return nil
	}
	r.control.drop(client)
	if ctx.Err() == nil && store.ErrorCode(err) == "" {
		err = ErrCamera{err}
	}
	return err
}

func (c *control) open(ctx context.Context, r *runner) (*onvif.Client, onvif.Streams, error) {
	r.mu.Lock()
	row, away := r.row, r.isolation != nil
	r.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	now := r.n.clock.Now()
	same := c.row.ONVIF == row.ONVIF && c.row.Trust == row.Trust && bytes.Equal(c.row.Pin, row.Pin) && bytes.Equal(c.row.Secret, row.Secret)
	if c.client != nil && !away && same && now.Sub(c.since).Abs() < controlFor {
		return c.client, c.streams, nil
	}
	if c.client != nil {
		c.client.Close()
		c.client = nil
	}
	client, err := r.dialONVIF(ctx)
	if err != nil {
		return nil, onvif.Streams{}, err
	}
	streams, err := client.Streams(ctx)
	if err != nil {
		client.Close()
		return nil, onvif.Streams{}, err
	}
	c.client, c.streams, c.row, c.since = client, streams, row, now
	return client, streams, nil
}

// drop ends a dialogue.
func (c *control) drop(client *onvif.Client) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if client != nil && c.client == client {
		c.client.Close()
		c.client = nil
	}
}

// PTZ is how a camera can be moved.
type PTZ struct {
	Presets       []onvif.Preset
	PanTilt, Zoom bool
}

// errFixed says that a camera cannot be moved.
func errFixed() error { return store.Errorf(store.Conflict, "this camera cannot be moved over ONVIF") }

// PTZ says how a camera can be moved. NotFound, Conflict for one that cannot, ErrCamera.
func (n *NVR) PTZ(ctx context.Context, id store.ID) (p PTZ, err error) {
	r, err := n.runner(id)
	if err != nil {
		return PTZ{}, err
	}
	err = r.controlled(ctx, func(ctx context.Context, c *onvif.Client, s onvif.Streams) error {
		if s.Moves.Token == "" {
			return errFixed()
		}
		p.PanTilt, p.Zoom = s.Moves.PanTilt, s.Moves.Zoom
		p.Presets, err = c.Presets(ctx, s.Moves.Token)
		return err
	})
	return p, err
}

// Movement is one of: a Velocity for a time, Stop, a Preset by its token, Home.
type Movement struct {
	Velocity   *onvif.Velocity
	For        time.Duration // of Velocity: a second when zero, ten at most
	Stop, Home bool
	Preset     string
}

// MoveCamera moves a camera. NotFound, Invalid, Conflict for one that cannot be moved, ErrCamera.
func (n *NVR) MoveCamera(ctx context.Context, actor store.Actor, id store.ID, m Movement) error {
	if count(m.Velocity != nil, m.Stop, m.Home, m.Preset != "") != 1 {
		return store.Errorf(store.Invalid, "say one of move, stop, preset and home")
	}
	if m.For < 0 || m.For > moveForMost {
		return store.Errorf(store.Invalid, "a movement lasts ten seconds at most; ask again to go on")
	}
	if m.For == 0 {
		m.For = moveFor
	}
	r, err := n.runner(id)
	if err != nil {
		return err
	}
	if err := n.noteViewing(ctx, actor, "camera.move", controlGap, store.Access{Camera: id, Object: "movement"}); err != nil {
		return err
	}
	return r.controlled(ctx, func(ctx context.Context, c *onvif.Client, s onvif.Streams) error {
		switch p := s.Moves; {
		case p.Token == "":
			return errFixed()
		case m.Stop:
			return c.Stop(ctx, p)
		case m.Home:
			return c.GotoHome(ctx, p.Token)
		case m.Preset != "":
			return c.GotoPreset(ctx, p.Token, m.Preset)
		default:
			return c.Move(ctx, p, *m.Velocity, m.For)
		}
	})
}

func count(all ...bool) (n int) {
	for _, b := range all {
		if b {
			n++
		}
	}
	return n
}

// Snapshot fetches a JPEG from a camera, which is not stored and not looked into. NotFound, ErrCamera.
func (n *NVR) Snapshot(ctx context.Context, actor store.Actor, id store.ID) (jpeg []byte, err error) {
	r, err := n.runner(id)
	if err != nil {
		return nil, err
	}
	if err := n.noteViewing(ctx, actor, "snapshot", liveGap, store.Access{Camera: id, Object: "snapshot"}); err != nil {
		return nil, err
	}
	err = r.controlled(ctx, func(ctx context.Context, c *onvif.Client, s onvif.Streams) error {
		jpeg, err = c.Snapshot(ctx, s.Main)
		return err
	})
	return jpeg, err
}

// Imaging says how a camera's lens makes its picture. NotFound, ErrCamera.
func (n *NVR) Imaging(ctx context.Context, id store.ID) (i onvif.Imaging, err error) {
	r, err := n.runner(id)
	if err != nil {
		return onvif.Imaging{}, err
	}
	err = r.controlled(ctx, func(ctx context.Context, c *onvif.Client, s onvif.Streams) error {
		i, err = c.Imaging(ctx, s.Main.Source)
		return err
	})
	return i, err
}

// SetImaging changes how a camera's lens makes its picture, and gives how it does since. NotFound, Invalid, ErrCamera.
func (n *NVR) SetImaging(ctx context.Context, actor store.Actor, id store.ID, change onvif.ImagingChange) (i onvif.Imaging, err error) {
	if d := change.DayNight; d != "" && !slices.Contains([]string{onvif.Day, onvif.Night, onvif.Auto}, d) {
		return onvif.Imaging{}, store.Errorf(store.Invalid, "day_night is day, night or auto")
	}
	r, err := n.runner(id)
	if err != nil {
		return onvif.Imaging{}, err
	}
	if err := n.noteViewing(ctx, actor, "camera.imaging", controlGap, store.Access{Camera: id, Object: "lens"}); err != nil {
		return onvif.Imaging{}, err
	}
	err = r.controlled(ctx, func(ctx context.Context, c *onvif.Client, s onvif.Streams) error {
		if err := c.SetImaging(ctx, s.Main.Source, change); err != nil {
			return err
		}
		i, err = c.Imaging(ctx, s.Main.Source)
		return err
	})
	return i, err
}

// SetSubCodec has a camera encode its smaller stream as H264 or H265: H.265 is what some browsers cannot show. NotFound, Invalid, ErrCamera.
func (n *NVR) SetSubCodec(ctx context.Context, actor store.Actor, id store.ID, codec string) error {
	name := map[string]string{"h264": "H264", "h265": "H265"}[codec]
	if name == "" {
		return store.Errorf(store.Invalid, "the codec is h264 or h265")
	}
	r, err := n.runner(id)
	if err != nil {
		return err
	}
	if err := n.note(ctx, actor, "camera.codec", store.Access{Camera: id, Object: "sub-stream", Detail: codec}); err != nil {
		return err
	}
	return r.controlled(ctx, func(ctx context.Context, c *onvif.Client, s onvif.Streams) error {
		if s.Sub.Token == "" {
			return store.Errorf(store.Conflict, "this camera names no smaller stream over ONVIF")
		}
		if s.Sub.Codec == name {
			return nil
		}
		if err := c.SetCodec(ctx, s.Sub, name); err != nil {
			return err
		}
		r.control.drop(c) // its profiles are others now
		r.sub.restart()   // not every camera ends the sessions that it has
		return nil
	})
}
