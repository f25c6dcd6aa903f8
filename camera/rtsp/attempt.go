package rtsp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/auth"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/headers"
	"github.com/bluenviron/gortsplib/v4/pkg/liberrors"
	"github.com/bluenviron/gortsplib/v4/pkg/sdp"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
)

// errTransport asks for the other transport; errRedirect for another address. Neither leaves the package.
type errTransport struct{ cause error }

func (e errTransport) Error() string { return "this transport does not work with the camera" }

type errRedirect struct{ to *url.URL }

func (e errRedirect) Error() string { return "the camera sends us elsewhere" }

// attempt is one connection over one transport.
type attempt struct {
	cfg       Config
	transport Transport
	recv      *receiver
	link      *link
	client    *gortsplib.Client
	demux     *demux
	ended     chan struct{}
	// talk, when not nil, takes the place of what follows DESCRIBE, which then asks for back channels too. See Talk.
	talk func(*description.Session) (doing string, err error)

	// channels is complete before PLAY; it maps interleaved channels to tracks, odd ones being RTCP.
	mu       sync.Mutex
	channels map[byte]mediaTrack
	fatal    error
	redirect *url.URL
}

// fail keeps the first reason why the connection cannot go on.
func (a *attempt) fail(err error) {
	if isType[ErrInternal](err) {
		// This runs while the panic unwinds, so the stack still shows where it came from.
		a.cfg.Log.Error("fault while reading a camera", "host", hostport(a.cfg.URL), "fault", err.Error(), "stack", string(debug.Stack()))
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fatal == nil {
		if nr, ok := err.(ErrNotRTSP); ok {
			nr.Host = hostport(a.cfg.URL)
			err = nr
		}
		a.fatal = err
	}
}

func (a *attempt) reason() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.fatal
}

// guard turns a panic into a reason. It is deferred in whatever the library calls from its own goroutines.
func (a *attempt) guard() {
	if r := recover(); r != nil {
		a.fail(ErrInternal{Detail: Short(fmt.Sprint(r))})
		a.link.conn.Close()
	}
}

// open brings the stream up to PLAY. The client is running when it returns, whatever the error.
func (a *attempt) open(ctx context.Context) error {
	given := a.cfg.User != "" || a.cfg.Password != ""
	u := *a.cfg.URL
	if given {
		u.User = url.UserPassword(a.cfg.User, a.cfg.Password)
	}
	host := hostport(a.cfg.URL)
	u.Host = host

	transport := gortsplib.TransportTCP
	if a.transport == UDP {
		transport = gortsplib.TransportUDP
	}
	dialled := false
	a.client = &gortsplib.Client{
		// TLS is ours and lies below: the library speaks plain RTSP over what it is given.
		Scheme: "rtsp", Host: host,
		Transport: &transport,
		// Deadlines are ours too, see Session and open.
		ReadTimeout:           24 * time.Hour,
		InitialUDPReadTimeout: 24 * time.Hour,
		WriteTimeout:          writeTimeout,
		UserAgent:             "Cardea",
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			if dialled {
				return nil, errors.New("only one connection to a session")
			}
			dialled = true
			return a.demux, nil
		},
		ListenPacket: listenPacket,
		OnRequest:    a.ask,
		OnResponse:   a.vet,
		// Only where it is wanted: some cameras refuse a DESCRIBE with it.
		RequestBackChannels: a.talk != nil,
		OnTransportSwitch:   func(error) {},
		OnPacketsLost:       func(uint64) {},
		OnDecodeError:       a.recv.rejected,
	}
	if err := a.client.Start2(); err != nil {
		a.link.conn.Close()
		return ErrGarbage{Detail: "the connection could not be used"}
	}
	go func() {
		a.client.Wait() //nolint:errcheck // the reason is found by explain
		close(a.ended)
	}()
	stop := whenDone(ctx, a.client.Close)
	defer stop()

	doing, err := a.dialogue((*base.URL)(&u))
	if err == nil {
		return nil
	}
	switch {
	case a.redirect != nil:
		return errRedirect{to: a.redirect}
	case errors.Is(ctx.Err(), context.DeadlineExceeded) && context.Cause(ctx) == errConnectTimeout:
		return ErrTimeout{Host: host, Doing: doing, After: a.cfg.ConnectTimeout}
	case ctx.Err() != nil:
		return ctx.Err()
	}
	if fatal := a.reason(); fatal != nil && typed(fatal) {
		return fatal
	}
	if a.otherTransport(err) {
		return errTransport{cause: rtspError(err, given, u.Path)}
	}
	return rtspError(err, given, u.Path)
}

// otherTransport reports whether err is the camera's way of saying that it wants the other transport.
func (a *attempt) otherTransport(err error) bool {
	var status liberrors.ErrClientBadStatusCode
	return errors.As(err, &status) && status.Code == base.StatusUnsupportedTransport ||
		isType[liberrors.ErrClientServerRequestedTCP](err) || isType[liberrors.ErrClientServerRequestedUDP](err) ||
		isType[liberrors.ErrClientServerPortsNotProvided](err)
}

// dialogue is DESCRIBE, SETUP for the tracks that are wanted, PLAY. It says what it was doing.
func (a *attempt) dialogue(u *base.URL) (doing string, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = ErrInternal{Detail: Short(fmt.Sprint(r))}
		}
	}()
	desc, _, err := a.client.Describe(u)
	if err != nil {
		return "it was asked to describe the stream", err
	}
	if a.talk != nil {
		return a.talk(desc)
	}
	chosen, err := a.recv.choose(desc)
	if err != nil {
		return "", err
	}
	for _, c := range chosen {
		if _, err := c.media.URL(desc.BaseURL); err != nil {
			return "", ErrGarbage{Detail: "a track without a usable address"}
		}
		res, err := a.client.Setup(desc.BaseURL, c.media, 0, 0)
		if err != nil {
			return "it was asked to set up a track", err
		}
		if err := a.attach(c, res); err != nil {
			return "", err
		}
	}
	if _, err := a.client.Play(nil); err != nil {
		return "it was asked to play", err
	}
	return "", nil
}

// attach routes the packets of a track that was set up.
func (a *attempt) attach(c choice, res *base.Response) error {
	if a.transport == UDP {
		a.client.OnPacketRTP(c.media, c.format, func(p *rtp.Packet) {
			defer a.guard()
			a.recv.rtpUDP(c.track, p)
		})
		a.client.OnPacketRTCP(c.media, func(p rtcp.Packet) {
			defer a.guard()
			if sr, ok := p.(*rtcp.SenderReport); ok {
				a.recv.mu.Lock()
				defer a.recv.mu.Unlock()
				a.recv.senderReport(c.track, sr.NTPTime, sr.RTPTime)
			}
		})
		return nil
	}
	var th headers.Transport
	if err := th.Unmarshal(res.Header["Transport"]); err != nil || th.InterleavedIDs == nil ||
		th.InterleavedIDs[0] < 0 || th.InterleavedIDs[0] > 254 {
		return ErrGarbage{Detail: "a transport header that cannot be read"}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	ch := byte(th.InterleavedIDs[0])
	a.channels[ch], a.channels[ch+1] = c.track, control{c.track}
	return nil
}

// control marks the channel of a track's RTCP.
type control struct{ mediaTrack }

func (a *attempt) known(channel byte) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.channels[channel] != nil
}

// interleaved takes one packet off the connection, on the goroutine that reads it.
func (a *attempt) interleaved(channel byte, data []byte) {
	a.mu.Lock()
	t := a.channels[channel]
	a.mu.Unlock()
	switch t := t.(type) {
	case nil: // a channel of a track that was not asked for
	case control:
		a.recv.rtcp(t.mediaTrack, data)
		if a.cfg.Replay != nil && isBye(data) {
			a.demux.err = ErrFinished{} // it is the demux that calls, and holds its lock
		}
	default:
		a.recv.rtp(t, data)
	}
}

// vet looks at a response before the library does. What would send us elsewhere is kept from it, since it would
// take the credentials along; and its parsers, which have panicked on hostile input before, are tried here, where
// that can be caught, and not on a goroutine of its own, where it would end the program.
func (a *attempt) vet(res *base.Response) {
	defer func() {
		if r := recover(); r != nil {
			a.fail(ErrInternal{Detail: Short(fmt.Sprint(r))})
			res.StatusCode, res.Header, res.Body = base.StatusBadRequest, base.Header{}, nil
		}
	}()
	if res.StatusCode >= base.StatusMovedPermanently && res.StatusCode <= base.StatusUseProxy {
		if loc := res.Header["Location"]; len(loc) == 1 {
			if u, err := url.Parse(loc[0]); err == nil && (u.Scheme == "rtsp" || u.Scheme == "rtsps") && u.Host != "" {
				u.User = nil
				a.redirect = u
			}
		}
		delete(res.Header, "Location")
		return
	}
	a.remembered(res)
	if v := res.Header[SubHeader]; len(v) == 1 {
		a.recv.setSub(v[0])
	}
	if v, ok := res.Header["Session"]; ok {
		var s headers.Session
		_ = s.Unmarshal(v)
	}
	if v, ok := res.Header["Transport"]; ok {
		var t headers.Transport
		_ = t.Unmarshal(v)
	}
	if v, ok := res.Header["WWW-Authenticate"]; ok {
		_ = (&auth.Sender{WWWAuth: v}).Initialize()
	}
	if len(res.Body) > 0 {
		var s sdp.SessionDescription
		var d description.Session
		if s.Unmarshal(res.Body) == nil && d.Unmarshal(&s) == nil && len(d.Medias) > 64 {
			res.Body = nil // No camera has that many tracks; the library then calls the description unreadable.
		}
	}
}

// newAttempt only allocates.
func newAttempt(cfg Config, t Transport, l *link, recv *receiver) *attempt {
	a := &attempt{cfg: cfg, transport: t, link: l, recv: recv, channels: make(map[byte]mediaTrack), ended: make(chan struct{})}
	a.demux = &demux{
		Conn: l.conn, src: l.src, gate: l.low, plain: l.version == "", buf: make([]byte, readBuffer),
		media: a.interleaved, known: a.known, arrived: recv.arrive, garbage: recv.garbage, failed: a.fail,
	}
	return a
}

// close says goodbye and waits until all of the library's goroutines are gone.
func (a *attempt) close() {
	if a.client == nil {
		a.link.conn.Close()
		return
	}
	a.client.Close()
	<-a.ended
	a.demux.stop()
}

// explain says why the connection ended by itself.
func (a *attempt) explain() error {
	err := a.reason()
	switch {
	case err != nil && typed(err):
		return err
	case err == nil, errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed):
		return ErrEnded{}
	case errors.Is(err, syscall.ECONNRESET):
		return ErrEnded{Err: errors.New("connection reset")}
	}
	return ErrEnded{Err: errors.New("connection failed")}
}
