// Package playback serves pictures: the ciphertext of clips by ranges, and live video over one WebSocket or WebRTC. It never
// opens a clip, and holds no video longer than it takes to send it.
package playback

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"cardea/auth"
	"cardea/auth/link"
	"cardea/nvr"
	"cardea/nvr/webrtc"
	"cardea/store"
	"cardea/web/caller"
)

// Config is what a Playback is made of; every field is needed but WebRTC and Names.
type Config struct {
	NVR  *nvr.NVR
	Auth *auth.People
	// Links checks what guests were signed.
	Links *link.Signer
	// WebRTC is the UDP port; nil where there is none.
	WebRTC *webrtc.Server
	// Names are what the box answers to; addresses among them are told to browsers that look for the UDP port.
	Names []string
	Log   *slog.Logger
}

// Playback holds the open live sockets and connections. Make one with New; Close ends it.
type Playback struct {
	nvr     *nvr.NVR
	auth    *auth.People
	links   *link.Signer
	log     *slog.Logger
	sockets sockets
	webrtc  *webrtc.Server
	peers   peers
	names   []string

	ctx    context.Context // ends with Close; parent of every socket
	cancel context.CancelFunc
}

// New starts nothing.
func New(cfg Config) *Playback {
	p := &Playback{nvr: cfg.NVR, auth: cfg.Auth, links: cfg.Links, log: cfg.Log, sockets: sockets{open: map[string]int{}}, webrtc: cfg.WebRTC, names: cfg.Names, peers: peers{open: map[string]*peer{}}}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

// Close ends every live socket and connection and waits until the last one is gone.
func (p *Playback) Close() {
	p.cancel()
	p.sockets.wait.Wait()
}

// Sockets is the number of live sockets that are open.
func (p *Playback) Sockets() int {
	p.sockets.mu.Lock()
	defer p.sockets.mu.Unlock()
	n := 0
	for _, open := range p.sockets.open {
		n += open
	}
	return n
}

func (p *Playback) signedIn(ctx context.Context, who caller.Caller) bool {
	alive, err := who.Alive(ctx)
	return alive || err != nil // a busy index ends nobody's session
}

// sentence is what a client may read of an error.
func (p *Playback) sentence(err error) string {
	var known *store.Error
	if errors.As(err, &known) {
		return known.Message
	}
	p.log.Warn("live view ended", "err", err)
	return "The live view ended inside the NVR. Its log has the cause."
}

// sockets counts the open ones by session.
type sockets struct {
	wait sync.WaitGroup
	mu   sync.Mutex
	open map[string]int
}

// take counts one more socket of a session. The caller MUST call release once.
func (s *sockets) take(who caller.Caller) (release func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[who.Device] >= socketsPerSession {
		return nil, store.Errorf(store.Conflict, "this sign-in has %d live views open; close one", socketsPerSession)
	}
	s.open[who.Device]++
	s.wait.Add(1)
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.open[who.Device]--; s.open[who.Device] == 0 {
			delete(s.open, who.Device)
		}
		s.wait.Done()
	}), nil
}
