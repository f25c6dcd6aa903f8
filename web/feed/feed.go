// Package feed tells browsers of events as they happen: one WebSocket for each page that shows them. It sends what was added or
// changed, each event that the caller may know of as the API tells it, and takes nothing from the client. A row comes first, and what
// a client missed while it was away it reads from the index: the feed is a wake-up and keeps nothing.
//
// A WebSocket and not server-sent events: browsers hold six connections to a host over HTTP/1.1, and an open stream would be one of
// them for each tab.
package feed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/gofiber/fiber/v2"
	"golang.org/x/sync/errgroup"

	"cardea/nvr"
	"cardea/store"
	"cardea/web/api"
	"cardea/web/caller"
)

const (
	// perSession bounds what one signed-in browser can hold open.
	perSession = 16
	// writeTimeout is how long one message may take; a client that does not read is dropped then.
	writeTimeout = 10 * time.Second
	// pingEvery and silence find out that a client is gone without a word.
	pingEvery, silence = 20 * time.Second, 60 * time.Second
	// sessionEvery is how often the session behind a socket is looked at.
	sessionEvery = time.Second
	// batch is how many events are read at a time.
	batch = 200
)

// Feed holds the open sockets. Make one with New; Close ends it.
type Feed struct {
	nvr *nvr.NVR
	log *slog.Logger

	ctx    context.Context // ends with Close; parent of every socket
	cancel context.CancelFunc
	wait   sync.WaitGroup

	mu   sync.Mutex
	open map[string]int // sockets by session
}

// New starts nothing.
func New(n *nvr.NVR, log *slog.Logger) *Feed {
	f := &Feed{nvr: n, log: log, open: map[string]int{}}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	return f
}

// Close ends every socket and waits until the last one is gone.
func (f *Feed) Close() {
	f.cancel()
	f.wait.Wait()
}

// Events answers GET /api/events/live. The route's guard has checked the session; the Origin was checked before it.
func (f *Feed) Events(c *fiber.Ctx) error {
	if !websocket.FastHTTPIsWebSocketUpgrade(c.Context()) {
		return fiber.ErrUpgradeRequired
	}
	who := caller.From(c.UserContext())
	release, err := f.take(who.Device)
	if err != nil {
		return err
	}
	up := websocket.FastHTTPUpgrader{
		ReadBufferSize: 1 << 10, WriteBufferSize: 4 << 10,
		Subprotocols: []string{}, // none, and so no empty header
		CheckOrigin:  nil,        // equal to the host
	}
	err = up.Upgrade(c.Context(), func(conn *websocket.Conn) {
		defer release()
		defer conn.Close()
		err := f.serve(conn, who)
		f.log.Debug("feed ended", "user", who.Name, "err", err)
	})
	if err != nil {
		release()
		return fiber.NewError(fiber.StatusBadRequest, err.Error())
	}
	return nil
}

// take counts one more socket of a session. The caller MUST call release once.
func (f *Feed) take(session string) (release func(), err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open[session] >= perSession {
		return nil, store.Errorf(store.Conflict, "this sign-in shows events in %d places; close one", perSession)
	}
	f.open[session]++
	f.wait.Add(1)
	return sync.OnceFunc(func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.open[session]--; f.open[session] == 0 {
			delete(f.open, session)
		}
		f.wait.Done()
	}), nil
}

var errSignedOut = errors.New("the session has ended")

func (f *Feed) serve(conn *websocket.Conn, who caller.Caller) error {
	g, ctx := errgroup.WithContext(f.ctx)
	conn.SetReadLimit(1 << 10)
	alive := func(string) error {
		err := conn.SetReadDeadline(time.Now().Add(silence))
		return errors.Join(err, ctx.Err()) // in this order: the deadline may be the one that ends the socket
	}
	conn.SetPongHandler(alive)
	_ = alive("") // a connection that is closed already is noticed by the first read
	g.Go(func() error { return f.send(ctx, conn, who) })
	g.Go(func() error {
		_, _, err := conn.ReadMessage() // pongs are answered inside; anything else is against the rules
		if err == nil {
			err = errors.New("the client speaks")
		}
		return err
	})
	g.Go(func() error {
		// Whoever ends first takes the others along.
		<-ctx.Done()
		code, text := websocket.CloseGoingAway, "the NVR stops"
		if errors.Is(context.Cause(ctx), errSignedOut) {
			code, text = websocket.ClosePolicyViolation, errSignedOut.Error()
		}
		_ = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, text), time.Now().Add(time.Second))
		// fasthttp closes a hijacked connection when its handler returns and not before, so both are woken by a deadline that
		// has passed.
		return conn.NetConn().SetDeadline(time.Unix(1, 0))
	})
	return g.Wait()
}

// send writes what happens, pings, and looks after the session.
func (f *Feed) send(ctx context.Context, conn *websocket.Conn, who caller.Caller) error {
	news, stop := f.nvr.FollowEvents()
	defer stop()
	last, err := f.nvr.LastEvent(ctx)
	if err != nil {
		return err
	}
	// From here on nothing is missed: the client reads the index now, and this says that it may.
	if err := write(conn, `{"type":"ready"}`); err != nil {
		return err
	}
	ping, session := time.NewTicker(pingEvery), time.NewTicker(sessionEvery)
	defer ping.Stop()
	defer session.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-session.C:
			if who.Alive == nil {
				continue
			}
			if alive, err := who.Alive(ctx); !alive && err == nil { // a busy index ends nobody's session
				return errSignedOut
			}
		case <-ping.C:
			if err := conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeTimeout)); err != nil {
				return fmt.Errorf("ping: %w", err)
			}
		case _, ok := <-news:
			if !ok {
				return errors.New("the index is closed")
			}
			if last, err = f.tell(ctx, conn, who, last); err != nil {
				return err
			}
		}
	}
}

// tell sends what came after last, and gives the number of the last one.
func (f *Feed) tell(ctx context.Context, conn *websocket.Conn, who caller.Caller, last int64) (int64, error) {
	for {
		all, err := f.nvr.EventsAfter(ctx, last, batch)
		if err != nil {
			return last, err
		}
		for _, e := range all {
			last = e.Seq
			if !api.SeesEvent(who, e) {
				continue
			}
			text, err := json.Marshal(message{"event", api.NewEvent(e)})
			if err != nil {
				return last, err
			}
			if err := write(conn, string(text)); err != nil {
				return last, err
			}
		}
		if len(all) < batch {
			return last, nil
		}
	}
}

type message struct {
	Type  string    `json:"type"`
	Event api.Event `json:"event"`
}

func write(conn *websocket.Conn, text string) error {
	if err := conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	return conn.WriteMessage(websocket.TextMessage, []byte(text))
}
