package pairing

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	// handshake bounds a TLS handshake, busyHandshakes how many there are at a time, and perPeer how many connections of one
	// address have proved nothing yet, ceremonies included, so that nobody keeps the NVR out by holding on to all.
	handshake      = 5 * time.Second
	busyHandshakes = 128
	perPeer        = 8
	// lookEvery is how often codes and pending certificates are looked at.
	lookEvery = 250 * time.Millisecond
)

// CameraConfig says what a camera's end of pairing needs. Dir is required.
type CameraConfig struct {
	// Dir is the camera's own directory; it is made with mode 0700.
	Dir string
	// Keys is FileKeys when nil.
	Keys Keys
	// Name and Model are told to the NVR that pairs.
	Name, Model string
	// OnCode is called with each new code to show, and with the zero Code when there is none any more because the camera
	// is paired. It is called from Run and MUST NOT block.
	OnCode func(Code)
	// OnRevoked is called when the NVR says that it took the camera's certificate back. It is called from Run and MUST NOT block.
	OnRevoked func()
	// OnAlert is called with a sentence when somebody tried something: a wrong code, a message that was tampered with.
	OnAlert func(string)
	// Now is the machine's clock, time.Now when nil. It may be wrong.
	Now func() time.Time
	Log *slog.Logger
}

// Camera is the camera's end. It owns the port: connections for pairing and renewal it serves itself, the others, of the
// paired NVR only, come out of Media. Its methods may be called from any goroutine.
type Camera struct {
	cfg   CameraConfig
	ln    net.Listener
	media *media
	guard guard

	mu     sync.Mutex
	stored stored
	id     *identity // pending or paired; nil when new
	window *window
	// told is the time that the NVR gave, at the machine's time toldAt; zero before.
	told, toldAt time.Time
	// fresh is the key for the next pairing, made once per code.
	fresh       crypto.Signer
	freshStored []byte
}

// OpenCamera reads what the camera remembers. ln is its port; Run closes it. The caller MUST call Run or close ln.
func OpenCamera(cfg CameraConfig, ln net.Listener) (*Camera, error) {
	if cfg.Dir == "" {
		return nil, errors.New("open the camera: Dir must be set")
	}
	if cfg.Keys == nil {
		cfg.Keys = FileKeys{}
	}
	if cfg.OnCode == nil {
		cfg.OnCode = func(Code) {}
	}
	if cfg.OnRevoked == nil {
		cfg.OnRevoked = func() {}
	}
	if cfg.OnAlert == nil {
		cfg.OnAlert = func(string) {}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the camera's directory: %w", err)
	}
	_ = syncDir(filepath.Dir(cfg.Dir)) // its name outlives a power cut; where it may not be read, somebody else made it
	c := &Camera{cfg: cfg, ln: ln, media: &media{addr: ln.Addr(), conns: make(chan net.Conn), done: make(chan struct{})}}
	var err error
	if c.stored, c.id, err = readState(cfg.Dir, cfg.Keys); err != nil {
		return nil, err
	}
	return c, nil
}

// Media gives the connections of the paired NVR for RTSP, TLS handshake done. Closing it ends nothing but itself.
func (c *Camera) Media() net.Listener { return c.media }

// Paired says whether the camera belongs to an NVR.
func (c *Camera) Paired() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.id != nil && c.id.Pending.IsZero()
}

// Now is the time of day as far as the camera can know: what its NVR said, and the time since. Before it has heard from the
// NVR it is the machine's clock, but never before what the NVR said last.
func (c *Camera) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now()
}

func (c *Camera) now() time.Time {
	now := c.cfg.Now()
	if !c.told.IsZero() {
		return c.told.Add(now.Sub(c.toldAt))
	}
	if now.Before(c.stored.Clock) {
		return c.stored.Clock
	}
	return now
}

// Run serves the port and shows codes until ctx is done; then it closes Media, waits for what it started and returns nil. It
// returns earlier, with an error, when the memory or the key cannot be used; Media is closed with ctx all the same.
func (c *Camera) Run(ctx context.Context) error {
	context.AfterFunc(ctx, func() { _ = c.media.Close() })
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() {
		<-ctx.Done()
		_ = c.ln.Close() // Accept says so
	})
	if err := c.look(); err != nil {
		return err
	}
	fault := make(chan error, 1)
	wg.Go(func() {
		defer cancel()
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if err := c.look(); err != nil {
					fault <- err
					return
				}
			}
		}
	})
	shaking, strangers := make(chan struct{}, busyHandshakes), peers{count: map[string]int{}}
	for {
		conn, err := c.ln.Accept()
		if err != nil {
			select {
			case err := <-fault:
				return err
			default:
			}
			if ctx.Err() != nil {
				return nil
			}
			var temporary net.Error
			if errors.As(err, &temporary) && temporary.Timeout() {
				continue
			}
			return fmt.Errorf("the camera's port: %w", err)
		}
		peer := peerOf(conn.RemoteAddr())
		if !strangers.enter(peer) {
			_ = conn.Close()
			continue
		}
		select {
		case shaking <- struct{}{}:
		default:
			strangers.leave(peer)
			_ = conn.Close()
			continue
		}
		wg.Go(func() {
			secure, proto := c.shake(ctx, conn)
			<-shaking
			if proto == ProtoPair {
				defer strangers.leave(peer)
			} else {
				strangers.leave(peer)
			}
			if secure == nil {
				return
			}
			if proto == "" {
				c.media.give(ctx, secure)
				return
			}
			defer secure.Close() //nolint:errcheck // what there was to say is said
			stop := context.AfterFunc(ctx, func() { _ = secure.Close() })
			defer stop()
			serve := c.pair
			if proto == ProtoRenew {
				serve = c.renew
			}
			if err := serve(secure); err != nil {
				c.cfg.Log.Info("connection ended", "protocol", proto, "addr", conn.RemoteAddr().String(), "reason", err.Error())
			}
		})
	}
}

// look shows a new code where one is due and undoes a pairing that nobody activated.
func (c *Camera) look() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.id != nil && !c.id.Pending.IsZero() {
		if age := c.cfg.Now().Sub(c.id.Pending); age < 0 || age >= Undo {
			c.cfg.Log.Warn("the pairing was not finished and is undone")
			if err := c.keep(nil); err != nil {
				return err
			}
		}
	}
	if c.id != nil {
		if c.window != nil && c.id.Pending.IsZero() { // before, the word would be that it is paired
			c.window = nil
			c.cfg.OnCode(Code{})
		}
		return nil
	}
	now := c.cfg.Now()
	if c.window != nil && !c.guard.over(c.window, now) {
		return nil
	}
	w, err := openWindow(now.Add(CodeLife))
	if err != nil {
		return fmt.Errorf("make an activation code: %w", err)
	}
	if c.fresh, c.freshStored, err = c.cfg.Keys.New(); err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	c.window = w
	c.cfg.OnCode(w.code)
	return nil
}

// keep stores an identity, or none, and takes it into use. The caller holds c.mu.
func (c *Camera) keep(id *identity) error {
	next := c.stored
	next.Identity = nil
	if id != nil {
		next.Identity = &id.storedIdentity
	}
	if err := writeState(c.cfg.Dir, next); err != nil {
		return fmt.Errorf("store the pairing: %w", err)
	}
	c.stored, c.id = next, id
	return nil
}

// tell takes over the time of the NVR. The caller holds c.mu and stores the state soon.
func (c *Camera) tell(t time.Time) {
	c.told, c.toldAt = t, c.cfg.Now()
	c.stored.Clock = t
}

// shake does the TLS handshake. It returns nil when there is nobody to talk to; proto is "" for RTSP.
func (c *Camera) shake(ctx context.Context, conn net.Conn) (secure *tls.Conn, proto string) {
	ctx, cancel := context.WithTimeout(ctx, handshake)
	defer cancel()
	secure = tls.Server(conn, &tls.Config{
		MinVersion: tls.VersionTLS13, GetConfigForClient: c.configFor,
	})
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		c.cfg.Log.Info("connection refused", "addr", conn.RemoteAddr().String(), "reason", err.Error())
		return nil, ""
	}
	return secure, secure.ConnectionState().NegotiatedProtocol
}

// configFor chooses by what the client wants to speak. Without a pairing only the ceremony works: renewal is then answered
// with a certificate that proves nothing, by which the NVR sees that the camera is not the one it knew.
func (c *Camera) configFor(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	c.mu.Lock()
	id := c.id
	c.mu.Unlock()
	cfg := &tls.Config{
		MinVersion: tls.VersionTLS13, SessionTicketsDisabled: true, ClientAuth: tls.RequireAnyClientCert, Time: c.Now,
	}
	offers := func(proto string) bool {
		for _, p := range hello.SupportedProtos {
			if p == proto {
				cfg.NextProtos = []string{proto}
				return true
			}
		}
		return false
	}
	switch {
	case offers(ProtoPair) || offers(ProtoRenew) && id == nil:
		cert, err := throwaway()
		if err != nil {
			return nil, err
		}
		cfg.Certificates = []tls.Certificate{*cert}
		return cfg, nil
	case len(cfg.NextProtos) == 0 && len(hello.SupportedProtos) > 0:
		return nil, errors.New("it speaks another protocol")
	case id == nil || len(cfg.NextProtos) == 0 && !id.Pending.IsZero():
		return nil, errors.New("this camera is not paired yet")
	case id.Revoked && len(cfg.NextProtos) == 0:
		return nil, errors.New("this camera was revoked")
	}
	renewing := len(cfg.NextProtos) > 0
	cfg.Certificates = []tls.Certificate{id.shown}
	cfg.ClientCAs = pool(id.roots)
	cfg.VerifyConnection = func(state tls.ConnectionState) error {
		// Whose clock is right is for the NVR to say, which the pinned key proves it to be.
		now := c.Now()
		if renewing {
			now = clamp(state, now, 1<<63-1)
		}
		return verify(state, id.roots, id.pin, NVRURI(id.NVR), x509.ExtKeyUsageClientAuth, now)
	}
	return cfg, nil
}

// peerOf is who counts as one peer: an IPv4 address, or an IPv6 network of 64 bits, since whoever has one address of it has them all.
func peerOf(addr net.Addr) string {
	at, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return addr.String()
	}
	if a := at.Addr().Unmap(); a.Is6() {
		return netip.PrefixFrom(a.WithZone(""), 64).Masked().String()
	}
	return at.Addr().Unmap().String()
}

// peers counts connections by peer.
type peers struct {
	mu    sync.Mutex
	count map[string]int
}

// enter counts one more, unless there are too many.
func (p *peers) enter(peer string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count[peer] >= perPeer {
		return false
	}
	p.count[peer]++
	return true
}

func (p *peers) leave(peer string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count[peer]--; p.count[peer] == 0 {
		delete(p.count, peer)
	}
}

func pool(roots []*x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, r := range roots {
		p.AddCert(r)
	}
	return p
}

// media is the listener that gives out the connections for RTSP.
type media struct {
	addr  net.Addr
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func (m *media) Accept() (net.Conn, error) {
	select {
	case c := <-m.conns:
		return c, nil
	case <-m.done:
		return nil, net.ErrClosed
	}
}

func (m *media) Close() error {
	m.once.Do(func() { close(m.done) })
	return nil
}

func (m *media) Addr() net.Addr { return m.addr }

// give hands a connection over, or closes it where nobody takes it.
func (m *media) give(ctx context.Context, conn net.Conn) {
	select {
	case m.conns <- conn:
	case <-m.done:
		_ = conn.Close()
	case <-ctx.Done():
		_ = conn.Close()
	}
}
