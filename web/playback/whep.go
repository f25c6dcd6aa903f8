package playback

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"cardea/nvr"
	"cardea/nvr/hub"
	"cardea/nvr/webrtc"
	"cardea/store"
	"cardea/web/caller"
)

const (
	// peersPerSession is how many WebRTC connections one signed-in browser can hold; more cameras go over the socket.
	peersPerSession = 12
	// peersTotal bounds them for the whole box.
	peersTotal = 64
	// firstPicture is how long an offer waits for a picture of the camera.
	firstPicture = 3 * time.Second
	// oldPicture is when a picture is none of now any more.
	oldPicture = 2 * time.Second
	typeSDP    = "application/sdp"
)

// peers holds the WebRTC connections that are open.
type peers struct {
	mu   sync.Mutex
	open map[string]*peer // by path
}

// peer is one of them.
type peer struct {
	path   string
	who    caller.Caller
	camera store.ID
	ctx    context.Context //nolint:containedctx // that of the connection, which outlives the request
	end    context.CancelCauseFunc
}

// take makes room for one more connection.
func (p *peers) take(own *peer) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	mine := 0
	for _, other := range p.open {
		if other.who.Device == own.who.Device {
			mine++
		}
	}
	if mine >= peersPerSession || len(p.open) >= peersTotal {
		return store.Errorf(store.Conflict, "too many WebRTC connections are open; what is more goes over the live socket")
	}
	p.open[own.path] = own
	return nil
}

func (p *peers) drop(own *peer) {
	own.end(nil)
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, own.path)
}

func (p *peers) find(path string) *peer {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open[path]
}

// WHEP answers POST /api/live/{camera}/whep: the offer of a browser that wants to watch, with the answer. The resource in Location ends
// with DELETE, with the connection, and with the right of whoever made it.
func (p *Playback) WHEP(c *fiber.Ctx) error {
	own, offer, err := p.offered(c)
	if err != nil {
		return err
	}
	feed, err := p.nvr.Frames(c.UserContext(), own.who.Actor(), own.camera, nvr.ParseQuality(c.Query("quality")))
	if err != nil {
		p.peers.drop(own)
		return err
	}
	began := p.nvr.Now()
	ended := func() {
		p.peers.drop(own)
		p.nvr.WatchEnded(own.who.Actor(), own.camera, began)
	}
	ctx, cancel := context.WithTimeout(c.UserContext(), firstPicture)
	defer cancel()
	view, err := p.webrtc.View(ctx, offer, p.reachable(c), feed)
	if err != nil {
		feed.Close()
		ended()
		return cannot(err)
	}
	if feed.Age() > oldPicture {
		view.Still()
	}
	p.run(own, view.Run, ended)
	return answer(c, own, view.Answer())
}

// errNoPicture makes the browser take the socket, which tells how old the newest picture is and why.
var errNoPicture = store.Errorf(store.Unavailable, "there is no new picture of this camera at the moment")

// cannot says why an offer was not answered.
func cannot(err error) error {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, hub.ErrClosed) {
		return errNoPicture
	}
	return store.Errorf(store.Conflict, "%s; use the live socket", err)
}

// EndPeer answers DELETE of what WHEP and Talk made.
func (p *Playback) EndPeer(c *fiber.Ctx) error {
	own := p.peers.find(c.Path())
	if own == nil || own.who.Device != caller.From(c.UserContext()).Device {
		return store.Errorf(store.NotFound, "there is no such connection; it may have ended")
	}
	own.end(nil)
	return c.SendStatus(fiber.StatusNoContent)
}

// offered reads a request, refuses what cannot become a connection, and makes room for it.
func (p *Playback) offered(c *fiber.Ctx) (*peer, *webrtc.Offer, error) {
	who := caller.From(c.UserContext())
	camera, err := store.ParseID(c.Params("camera"))
	if err != nil {
		return nil, nil, err
	}
	if !who.Sees(camera) {
		return nil, nil, store.Errorf(store.NotFound, "there is no camera %s", camera)
	}
	if p.webrtc == nil {
		return nil, nil, store.Errorf(store.Unavailable, "this NVR has no UDP port for WebRTC; use the live socket")
	}
	if on, err := p.nvr.WebRTC(c.UserContext()); err != nil || !on {
		return nil, nil, errors.Join(err, store.Errorf(store.Conflict, "an owner has switched WebRTC off; use the live socket"))
	}
	// Through the relay there is no UDP, and no address of this house goes out.
	if who.Role != caller.Console && !p.auth.OnLAN(who.Home()) {
		return nil, nil, store.Errorf(store.Conflict, "WebRTC is for the home network only; use the live socket")
	}
	if kind, _, _ := strings.Cut(c.Get(fiber.HeaderContentType), ";"); !strings.EqualFold(strings.TrimSpace(kind), typeSDP) {
		return nil, nil, store.Errorf(store.Invalid, "an offer is sent as %s", typeSDP)
	}
	offer, err := webrtc.ParseOffer(string(c.Body()))
	if err != nil {
		return nil, nil, store.Errorf(store.Invalid, "%s", err)
	}
	own := &peer{path: c.Path() + "/" + rand.Text(), who: who, camera: camera}
	own.ctx, own.end = context.WithCancelCause(p.ctx)
	if err := p.peers.take(own); err != nil {
		own.end(nil)
		return nil, nil, err
	}
	return own, offer, nil
}

// reachable are the addresses under which this browser may find the UDP port.
func (p *Playback) reachable(c *fiber.Ctx) []netip.Addr {
	host := string(c.Request().Header.Host())
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	own := ""
	if at, ok := c.Context().LocalAddr().(*net.TCPAddr); ok {
		own = at.AddrPort().Addr().Unmap().WithZone("").String()
	}
	return webrtc.Addresses(p.auth.OnLAN, append([]string{strings.Trim(host, "[]"), own}, p.names...)...)
}

// run lets a connection live beside the requests, as long as its right does.
func (p *Playback) run(own *peer, work func(context.Context) error, ended func()) {
	p.sockets.wait.Go(func() {
		defer ended()
		var watch sync.WaitGroup
		watch.Go(func() { p.watchRight(own) })
		err := work(own.ctx)
		own.end(nil)
		watch.Wait()
		p.log.Debug("a WebRTC connection ended", "user", own.who.Name, "err", err, "cause", context.Cause(own.ctx))
	})
}

// watchRight ends a connection within 2 s of the sign-out, of the end of the account, or of an owner switching WebRTC off.
func (p *Playback) watchRight(own *peer) {
	tick := time.NewTicker(sessionEvery)
	defer tick.Stop()
	for {
		select {
		case <-own.ctx.Done():
			return
		case <-tick.C:
		}
		if own.who.Role != caller.Console && !p.signedIn(own.ctx, own.who) {
			own.end(errSignedOut)
		}
		if on, err := p.nvr.WebRTC(own.ctx); err == nil && !on {
			own.end(errors.New("WebRTC was switched off"))
		}
	}
}

// answer is what both ends of signalling send (RFC 9725, 4.2).
func answer(c *fiber.Ctx, own *peer, sdp string) error {
	c.Set(fiber.HeaderContentType, typeSDP)
	c.Set(fiber.HeaderLocation, own.path)
	return c.Status(fiber.StatusCreated).SendString(sdp)
}
