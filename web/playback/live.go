package playback

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/gofiber/fiber/v2"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"cardea/nvr"
	"cardea/nvr/live"
	"cardea/store"
	"cardea/web/caller"
	"cardea/web/sentence"
)

const (
	// subscriptions is how many cameras one socket may watch at a time.
	subscriptions = 64
	// socketsPerSession bounds what one signed-in browser can hold open.
	socketsPerSession = 8
	// writeTimeout is how long one message may take; a client that does not read is dropped then.
	writeTimeout = 10 * time.Second
	// pingEvery and silence find out that a client is gone without a word.
	pingEvery, silence = 20 * time.Second, 60 * time.Second
	// sessionEvery is how often the session behind a socket is looked at: a sign-out closes it within 2 s.
	sessionEvery = time.Second
	// stateEvery is how often the phase of a watched camera is compared with what the client was told.
	stateEvery = time.Second
	// requestBytes bounds a message of the client.
	requestBytes = 4 << 10
)

// The kinds of binary messages, in the fifth byte.
const (
	kindInit    = 0 // the init segment
	kindKeyPart = 1 // a part that starts with a key frame
	kindPart    = 2
	// liveHeader is the number of bytes in front of the fMP4: id, kind, wall clock in microseconds.
	liveHeader = 4 + 1 + 8
)

// request is what the client says.
type request struct {
	Type    string `json:"type"`
	ID      uint32 `json:"id"`
	Camera  string `json:"camera"`
	Quality string `json:"quality"`
	Silent  bool   `json:"silent"` // without sound, which costs a wall of cameras nothing then
}

// notice is what the server says in text.
type notice struct {
	Type   string `json:"type"`
	ID     uint32 `json:"id"`
	MIME   string `json:"mime,omitempty"`
	Wall   string `json:"wall,omitempty"`
	Phase  string `json:"phase,omitempty"`
	Detail string `json:"detail,omitempty"`
	// Said is Detail as a code and values; tell adds it.
	Said *sentence.Said `json:"said,omitempty"`
	// Quality of an init segment: main or sub.
	Quality string `json:"quality,omitempty"`
	// Age of the newest picture in seconds, where that is no longer now.
	Age int `json:"age,omitempty"`
	// Dropped counts pictures that this client was too slow for.
	Dropped uint64 `json:"dropped,omitempty"`
}

// Live answers GET /api/live: one WebSocket for all cameras that a page shows. The route's guard has checked the
// session; the Origin was checked before it.
func (p *Playback) Live(c *fiber.Ctx) error {
	if !websocket.FastHTTPIsWebSocketUpgrade(c.Context()) {
		return fiber.ErrUpgradeRequired
	}
	who := caller.From(c.UserContext())
	release, err := p.sockets.take(who)
	if err != nil {
		return err
	}
	up := websocket.FastHTTPUpgrader{
		ReadBufferSize:  1 << 10,
		WriteBufferSize: 4 << 10,
		Subprotocols:    []string{}, // none, and so no empty header
		CheckOrigin:     nil,        // equal to the host
	}
	err = up.Upgrade(c.Context(), func(conn *websocket.Conn) {
		defer release()
		defer conn.Close()
		p.serveSocket(conn, who)
	})
	if err != nil {
		release()
		return fiber.NewError(fiber.StatusBadRequest, err.Error())
	}
	return nil
}

// socket is one client. Nothing is queued for it: a viewer writes its message itself and makes the next one after
// that, so a slow client makes each viewer fall back to a later key frame and costs no memory.
type socket struct {
	p    *Playback
	conn *websocket.Conn
	who  caller.Caller
	subs map[uint32]context.CancelFunc // owned by the reading goroutine
	g    *errgroup.Group

	writing sync.Mutex // one message at a time
}

var errSignedOut = errors.New("the session has ended")

func (p *Playback) serveSocket(conn *websocket.Conn, who caller.Caller) {
	g, ctx := errgroup.WithContext(p.ctx)
	s := &socket{p: p, conn: conn, who: who, subs: map[uint32]context.CancelFunc{}, g: g}
	conn.SetReadLimit(requestBytes)
	alive := func(string) error {
		err := conn.SetReadDeadline(time.Now().Add(silence))
		return errors.Join(err, ctx.Err()) // in this order: see read
	}
	conn.SetPongHandler(alive)
	_ = alive("") // a connection that is closed already is noticed by the first read
	g.Go(func() error { return s.ping(ctx) })
	g.Go(func() error { return s.watchSession(ctx) })
	g.Go(func() error { return s.read(ctx) })
	g.Go(func() error {
		// Whoever ends first takes the others along.
		<-ctx.Done()
		code, text := websocket.CloseGoingAway, "the NVR stops"
		if errors.Is(context.Cause(ctx), errSignedOut) {
			code, text = websocket.ClosePolicyViolation, errSignedOut.Error()
		}
		deadline := time.Now().Add(time.Second)
		_ = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, text), deadline)
		// fasthttp closes a hijacked connection when its handler returns and not before, so reader and writer are
		// woken by a deadline that has passed.
		return conn.NetConn().SetDeadline(time.Unix(1, 0))
	})
	err := g.Wait()
	p.log.Debug("live socket ended", "user", who.Name, "err", err)
}

// read takes requests until the client goes.
func (s *socket) read(ctx context.Context) error {
	limit := rate.NewLimiter(20, 2*subscriptions)
	for {
		kind, data, err := s.conn.ReadMessage()
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		if err := s.conn.SetReadDeadline(time.Now().Add(silence)); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err() // after the deadline was moved, which may have undone the one that ends the socket
		}
		if !limit.Allow() {
			return errors.New("too many requests on one socket")
		}
		var r request
		if kind != websocket.TextMessage || json.Unmarshal(data, &r) != nil {
			return errors.New("a message that is no request")
		}
		if err := s.handle(ctx, r); err != nil {
			return err
		}
	}
}

func (s *socket) handle(ctx context.Context, r request) error {
	if stop := s.subs[r.ID]; stop != nil {
		stop()
		delete(s.subs, r.ID)
	}
	switch r.Type {
	case "unsubscribe":
		return nil
	case "subscribe", "state":
	default:
		return s.tell(notice{Type: "error", ID: r.ID, Detail: "The NVR does not know this request."})
	}
	if len(s.subs) >= subscriptions {
		return s.tell(notice{Type: "error", ID: r.ID, Detail: fmt.Sprintf("One page may watch %d cameras.", subscriptions)})
	}
	camera, err := store.ParseID(r.Camera)
	if err == nil && !s.who.Sees(camera) {
		err = store.Errorf(store.NotFound, "there is no camera %s", camera)
	}
	if err != nil {
		return s.tell(notice{Type: "error", ID: r.ID, Detail: s.p.sentence(err)})
	}
	if r.Type == "state" { // of a camera whose pictures come over WebRTC
		sub, stop := context.WithCancel(ctx)
		s.subs[r.ID] = stop
		s.g.Go(func() error { return ignoreEnd(sub, s.watchState(sub, r.ID, camera, nil)) })
		return nil
	}
	viewer, err := s.p.nvr.Live(ctx, s.who.Actor(), camera, nvr.ParseQuality(r.Quality), live.Config{Headroom: liveHeader, NoAudio: r.Silent})
	if err != nil {
		return s.tell(notice{Type: "error", ID: r.ID, Detail: s.p.sentence(err)})
	}
	began := s.p.nvr.Now()
	sub, stop := context.WithCancel(ctx)
	s.subs[r.ID] = stop
	s.g.Go(func() error {
		defer func() {
			viewer.Close()
			s.p.nvr.WatchEnded(s.who.Actor(), camera, began)
		}()
		return ignoreEnd(sub, s.pump(sub, r.ID, viewer))
	})
	s.g.Go(func() error { return ignoreEnd(sub, s.watchState(sub, r.ID, camera, viewer)) })
	return nil
}

// ignoreEnd drops the error that a subscription ends with because it was told to.
func ignoreEnd(sub context.Context, err error) error {
	if sub.Err() != nil {
		return nil
	}
	return err
}

// pump sends what one viewer makes.
func (s *socket) pump(ctx context.Context, id uint32, v *nvr.View) error {
	for {
		m, err := v.Next(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return s.tell(notice{Type: "error", ID: id, Detail: s.p.sentence(err)})
		}
		kind := byte(kindPart)
		switch {
		case m.MIME != "":
			about := notice{Type: "init", ID: id, MIME: m.MIME, Wall: m.Wall.UTC().Format(timeFormat), Quality: m.Quality, Age: old(v)}
			if err := s.tell(about); err != nil {
				return err
			}
			kind = kindInit
		case m.Key:
			kind = kindKeyPart
		}
		putHeader(m.Data, id, kind, m.Wall)
		if err := s.write(websocket.BinaryMessage, m.Data); err != nil {
			return err
		}
	}
}

// old is how old the newest picture is that a viewer was given, in seconds; 0 while it is new.
func old(v *nvr.View) int {
	if age := v.Age(); age >= oldPicture {
		return int(age / time.Second)
	}
	return 0
}

// timeFormat is RFC 3339 with microseconds, as everywhere in the API.
const timeFormat = "2006-01-02T15:04:05.000000Z07:00"

// putHeader fills the room in front of fMP4 bytes.
func putHeader(b []byte, id uint32, kind byte, wall time.Time) {
	binary.BigEndian.PutUint32(b, id)
	b[4] = kind
	binary.BigEndian.PutUint64(b[5:liveHeader], uint64(wall.UnixMicro()))
}

// watchState tells the client the phase of its camera and the age of its newest picture, at first and whenever they change. Without a
// viewer the pictures go another way.
func (s *socket) watchState(ctx context.Context, id uint32, camera store.ID, viewer *nvr.View) error {
	tick := time.NewTicker(stateEvery)
	defer tick.Stop()
	told := notice{}
	for {
		now := notice{Type: "state", ID: id}
		st, err := s.p.nvr.Connection(camera)
		if err != nil {
			return s.tell(notice{Type: "error", ID: id, Detail: s.p.sentence(err)})
		}
		now.Phase, now.Detail = st.Phase, st.Detail
		if viewer != nil {
			now.Age = old(viewer)
			now.Dropped = viewer.Dropped().Frames
		}
		if now != told {
			if err := s.tell(now); err != nil {
				return err
			}
			told = now
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// watchSession ends the socket when the session does: by sign-out, by time, or because the account changed.
func (s *socket) watchSession(ctx context.Context) error {
	tick := time.NewTicker(sessionEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if s.who.Role != caller.Console && !s.p.signedIn(ctx, s.who) && ctx.Err() == nil {
			return errSignedOut
		}
	}
}

func (s *socket) tell(n notice) error {
	n.Said = sentence.Of(n.Detail)
	b, err := json.Marshal(n)
	if err != nil {
		return err
	}
	return s.write(websocket.TextMessage, b)
}

// write sends one message. A client that does not take it in time is gone.
func (s *socket) write(kind int, data []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := s.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	if err := s.conn.WriteMessage(kind, data); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

func (s *socket) ping(ctx context.Context) error {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if err := s.write(websocket.PingMessage, nil); err != nil {
			return err
		}
	}
}
