// Package web is everything that speaks HTTP: the JSON API, clip data, the live WebSocket, the built app, and the
// rules that hold for all of them. It owns the route table (routes.go), which names each route with the least role
// that may use it; the checks that run before a route (Host, Origin, rate, session); and the one place that turns
// an error into an answer (problem.go).
//
// It reads rows from store; every write and every privileged read is one call to nvr or auth. It never opens a
// file of the data directory and never sees an identity of a vault.
package web

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humafiber"
	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
	"golang.org/x/sync/errgroup"

	"cardea/auth"
	"cardea/auth/link"
	"cardea/camera/discovery"
	"cardea/nvr"
	"cardea/nvr/webrtc"
	"cardea/web/api"
	"cardea/web/feed"
	"cardea/web/playback"
)

const (
	// bodyLimit is more than any JSON that the API takes.
	bodyLimit = 1 << 20
	// uploadLimit is for the admin socket alone, where a whole clip comes back after it was salvaged.
	uploadLimit = 4 << 30
	// requestTimeout ends a call that waits for a camera or for the index.
	requestTimeout = 30 * time.Second
	// drainTimeout is how long requests in flight may take once Run is told to stop.
	drainTimeout = 2 * time.Second
)

// Config is what a Server is made of. NVR, Auth, App and Names are needed.
type Config struct {
	// NVR is the recorder. It stays open as long as the Server runs.
	NVR *nvr.NVR
	// Auth knows people and sessions.
	Auth *auth.People
	// App holds the built web app, as assets.Files gives it.
	App fs.FS
	// CA is the certificate authority of the web, for download; nil where the owner brings certificates.
	CA Authority
	// Discovery finds cameras; nil where nobody looks for any.
	Discovery *discovery.Discovery
	// BaseURL is the address that people are told, without a slash at the end. It is called for each claim URL.
	BaseURL func() string
	// ClipsPrefix stands in front of the paths of clips in listings: "clips/" where these are in the data directory.
	ClipsPrefix string
	// Names are the host names that the NVR answers to besides its addresses; the first is the stable one.
	Names []string
	// HSTS asks browsers to insist on HTTPS. Off by default: it outlives a change of certificates.
	HSTS bool
	// WebRTC is the UDP port of live video; nil where there is none. It stays open as long as the Server runs.
	WebRTC *webrtc.Server
	// Version is the program's, for GET /api/health.
	Version string
	// Now is the clock; time.Now where nil.
	Now func() time.Time
	// Log takes what a person who runs the box should know; slog.Default where nil.
	Log *slog.Logger
}

// Server answers HTTP. Make one with New.
type Server struct {
	cfg      Config
	log      *slog.Logger
	limiter  *limiter
	limits   limits
	fiber    *fiber.App
	socket   *fasthttp.Server
	huma     huma.API
	links    *link.Signer
	api      *api.API
	playback *playback.Playback
	feed     *feed.Feed
	started  time.Time

	ctx    context.Context // ends when Run does; parent of every request's context
	cancel context.CancelFunc
}

// New builds the routes. It starts nothing.
func New(cfg Config) *Server {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	s := &Server{cfg: cfg, log: cfg.Log, limiter: newLimiter(cfg.Now), limits: newLimits(cfg.Now), started: cfg.Now()}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.links = &link.Signer{Now: cfg.Now}
	s.api = api.New(api.Config{
		NVR: cfg.NVR, Auth: cfg.Auth, CA: authority(cfg.CA), Discovery: cfg.Discovery, Name: cfg.Names[0], Version: cfg.Version, Started: s.started, Now: cfg.Now,
		ClipsPrefix: cfg.ClipsPrefix, ClaimURL: s.claimURL, InviteURL: s.inviteURL, Links: s.links,
	})
	s.playback = playback.New(playback.Config{NVR: cfg.NVR, Auth: cfg.Auth, Links: s.links, WebRTC: cfg.WebRTC, Names: cfg.Names, Log: cfg.Log})
	s.feed = feed.New(cfg.NVR, cfg.Log)
	s.fiber = fiber.New(fiber.Config{
		AppName:                 "cardea",
		Immutable:               true, // strings outlive the request: they reach the index and the log
		CaseSensitive:           true,
		StrictRouting:           true,
		DisableStartupMessage:   true,
		EnableTrustedProxyCheck: true, // with no trusted proxy: X-Forwarded-* headers mean nothing here
		BodyLimit:               bodyLimit,
		ReadBufferSize:          16 << 10, // bounds the header block
		Concurrency:             connsTotal,
		ReadTimeout:             10 * time.Second, // handshake, or a whole request
		IdleTimeout:             75 * time.Second,
		ErrorHandler:            s.fail,
	})
	s.huma = humafiber.New(s.fiber, humaConfig(cfg.Version))
	s.fiber.Use(s.recover, s.secure, s.checkFraming, s.checkHost, s.limitRate, s.checkOrigin)
	for _, r := range s.routes() {
		s.mount(r)
	}
	describeProblems(s.huma.OpenAPI())
	s.socket = &fasthttp.Server{
		Handler:               s.fiber.Handler(),
		NoDefaultServerHeader: true,
		MaxRequestBodySize:    uploadLimit,
		StreamRequestBody:     true,
		IdleTimeout:           time.Minute,
	}
	return s
}

// authority keeps a missing one missing when its interface changes.
func authority(a Authority) api.Authority {
	if a == nil {
		return nil
	}
	return a
}

// Run serves until ctx ends, then lets requests in flight finish for a moment. network listeners carry TLS and are
// open to everybody; socket listeners are the console's (console.Listen, console.Mark). Run closes all of them.
func (s *Server) Run(ctx context.Context, network, socket []net.Listener) error {
	defer s.cancel()
	g, ctx := errgroup.WithContext(ctx)
	serve := func(srv *fasthttp.Server, ln net.Listener) {
		g.Go(func() error {
			if err := srv.Serve(ln); err != nil && !errors.Is(err, net.ErrClosed) && ctx.Err() == nil {
				return fmt.Errorf("serve %s: %w", ln.Addr(), err)
			}
			return nil
		})
	}
	for _, ln := range network {
		serve(s.fiber.Server(), ln)
	}
	for _, ln := range socket {
		serve(s.socket, ln)
	}
	g.Go(func() error {
		<-ctx.Done()
		s.playback.Close() // hijacked connections are not known to the servers
		s.feed.Close()
		drain, cancel := context.WithTimeout(context.Background(), drainTimeout)
		defer cancel()
		err := errors.Join(s.fiber.Server().ShutdownWithContext(drain), s.socket.ShutdownWithContext(drain))
		if errors.Is(err, context.DeadlineExceeded) {
			err = nil // whoever still reads is cut off
		}
		// A server that is stopped before its Serve has begun does not know its listeners yet, and would wait on them for ever.
		for _, ln := range slices.Concat(network, socket) {
			_ = ln.Close() // closed already, as a rule
		}
		return err
	})
	return g.Wait()
}
