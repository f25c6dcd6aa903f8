// Package camera keeps one camera connected.
//
// Its nouns: Camera, which connects, reconnects with jittered back-off and hands frames on; State, how the camera
// is, for people; Phase and Warning, the words State uses; and ParseURL, which splits credentials off an address.
// It owns the decision when to try again. It never stores anything, never keeps frames and never logs a credential.
package camera

import (
	"context"
	"crypto/tls"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"sync"
	"time"

	"cardea/camera/rtsp"
)

// Config says which camera and how. URL is required; the zero value of the rest works.
type Config struct {
	// Name labels log lines.
	Name string
	// URL is as ParseURL returns it, without credentials; User and Password are what it split off.
	URL            *url.URL
	User, Password string
	// Pin is SHA-256 of the camera's SubjectPublicKeyInfo; nil for none, see rtsp.Config.
	Pin []byte
	// Mutual is the client's side of mutual TLS with a paired camera, see rtsp.Config; nil for others.
	Mutual *tls.Config
	// Before is called before each attempt to connect, when not nil. Its error is the attempt's.
	Before func(context.Context) error
	// Transport is "auto", "tcp" or "udp"; empty for auto.
	Transport string
	// AllowTLS12 admits TLS 1.2 for this camera; it shows as the warning OldTLS.
	AllowTLS12 bool
	// OnState is called after each change of Phase, Detail or Warnings, in order, from the goroutine of Run.
	// It MUST NOT block.
	OnState func(State)
	// ConnectTimeout, StallTimeout and KeyTimeout are as in rtsp.Config.
	ConnectTimeout, StallTimeout, KeyTimeout time.Duration
	// Backoff and BackoffMax bound the wait between attempts: 1 s and 60 s when zero.
	Backoff, BackoffMax time.Duration
	// MaxBitrate (bits a second) and MaxFPS (pictures a second) bound what the camera may send for more than some seconds: 150 Mbit/s and
	// 300 when zero. Then the session ends with ErrFlood.
	MaxBitrate int64
	MaxFPS     float64
	// RefusedWait is the wait after refused credentials, so that no camera locks the account, and after a flood: 5 min when zero.
	RefusedWait time.Duration
	// Now is time.Now when nil; Rand, in [0, 1), spreads attempts and is math/rand/v2's when nil.
	Now  func() time.Time
	Rand func() float64
	// Log receives one line per connection and disconnection. Nothing is logged when nil.
	Log *slog.Logger
}

// Camera is one camera. Its methods may be called from any goroutine.
type Camera struct {
	cfg Config

	mu      sync.Mutex
	state   State
	session *rtsp.Session
	eager   bool
	sparse  time.Duration
}

// New only allocates.
func New(cfg Config) *Camera {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Float64
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Backoff == 0 {
		cfg.Backoff = time.Second
	}
	if cfg.BackoffMax == 0 {
		cfg.BackoffMax = time.Minute
	}
	if cfg.RefusedWait == 0 {
		cfg.RefusedWait = 5 * time.Minute
	}
	if cfg.MaxBitrate == 0 {
		cfg.MaxBitrate = maxBitrate
	}
	if cfg.MaxFPS == 0 {
		cfg.MaxFPS = maxFPS
	}
	return &Camera{cfg: cfg, state: State{Phase: Stopped, Since: cfg.Now()}}
}

// State returns a snapshot.
func (c *Camera) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// SetEager says whether somebody watches live or motion is excited: then each packet wakes the reader. Else the
// socket may fill for about a quarter of a second of the measured bit rate, which saves most of the CPU time.
func (c *Camera) SetEager(eager bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.eager = eager
	if c.session != nil {
		c.session.SetEager(eager)
	}
}

// SetSparse says that one key frame in each time of at least every is all that is wanted of the camera; 0 = everything is. See
// rtsp.Session.SetSparse.
func (c *Camera) SetSparse(every time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sparse = every
	if c.session != nil {
		c.session.SetSparse(every)
	}
}

// Pull hands over what waits in the camera's socket, on the caller's goroutine: the sink of Run is called before it
// returns, and never at the same time from elsewhere. It does not block, and does nothing while SetEager(true) is in
// force. Who calls it at least every 1.5 s, as a recorder's tick does, saves the reader's own wake-ups.
func (c *Camera) Pull() {
	c.mu.Lock()
	s := c.session
	c.mu.Unlock()
	if s != nil {
		s.Pull()
	}
}
