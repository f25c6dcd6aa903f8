// Package auth keeps the people of one box: accounts with password and TOTP, passkeys, recovery codes, sessions, tokens for
// programs, invitations, the one-time claim that makes the first owner, what needs two owners, and the growing delays
// that make guessing useless.
//
// Its nouns are People (all of it, one per box), User, Sight (which cameras somebody sees), Enrolment (what a person must keep
// when an account is made), SignedIn, Session, Token, Invitation, Passkey, Rules and Approval. It owns every rule about who gets in; package store keeps the rows and package web
// turns answers into cookies and status codes. It never sees a vault passphrase, never writes a password, seed,
// code or token in the clear, and never logs one.
//
// What follows which standard: Argon2id RFC 9106, TOTP RFC 6238 (SHA-1, 6 digits, 30 s), throttling and password
// rules NIST SP 800-63B sections 5.1.1 and 5.2.2, passkeys WebAuthn level 3. The folder auth/ca holds certificate authorities and shares
// nothing with this package but the name.
package auth

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/text/unicode/norm"

	"cardea/store"
)

// Role says what a person may do. Roles are ordered: an owner may do everything a member may, a member everything
// a viewer may.
type Role string

// The roles as the index and the API spell them.
const (
	Owner  Role = "owner"
	Member Role = "member"
	Viewer Role = "viewer"
)

// Allows reports whether somebody with role r may do what needs the role need. A role that is none of the three
// allows nothing and is allowed to nobody.
func (r Role) Allows(need Role) bool {
	return r.rank() >= need.rank() && need.rank() > 0 && r.rank() > 0
}

func (r Role) rank() int {
	switch r {
	case Owner:
		return 3
	case Member:
		return 2
	case Viewer:
		return 1
	}
	return 0
}

// Sealer keeps TOTP seeds unreadable in the index. It is store/vault's box key; context says which seed of which
// account it is and is authenticated with it, so that a sealed seed copied into another row does not open.
type Sealer interface {
	// SealSecret encrypts and authenticates plain.
	SealSecret(plain, context []byte) ([]byte, error)
	// OpenSecret returns what was sealed in the same context, or an error.
	OpenSecret(sealed, context []byte) ([]byte, error)
}

// Config is what People need. DB and Seal MUST be set; every other field has a default that is right for a box.
type Config struct {
	// DB is the index. It is borrowed, not closed.
	DB *store.DB
	// Seal protects the TOTP seeds at rest.
	Seal Sealer
	// Issuer is the name an authenticator app shows; default "Cardea".
	Issuer string
	// Hash is the cost of a password; the zero value is 64 MiB, 3 passes, 1 lane. Tests make it small.
	Hash Argon2
	// Parallel is how many passwords are hashed at the same time, default 1: with 64 MiB each it bounds the
	// memory, and the cores, that a flood of sign-ins can take from the recording.
	Parallel int
	// Account and Address are the delays after failed attempts, by account and by address; see Policy.
	Account, Address Policy
	// Idle ends a session not used for so long, default 7 days; Absolute ends every session, default 30 days.
	Idle, Absolute time.Duration
	// ClaimValid is how long a claim token is good for, default 15 minutes.
	ClaimValid time.Duration
	// StepUp is how long a proof of who sits there is good for sensitive acts, default 5 minutes.
	StepUp time.Duration
	// Name is the stable host name of the box, which passkeys are bound to; without one there are none.
	Name string
	// Interfaces lists the addresses of this box with their networks; default net.InterfaceAddrs.
	Interfaces func() ([]net.Addr, error)
	// Now is the clock, the same one that DB has; default time.Now.
	Now func() time.Time
	// Rand is the source of tokens, salts and seeds; default crypto/rand. A failing reader is fatal to the call.
	Rand io.Reader
	// Log gets one line for each act of consequence; default slog.Default.
	Log *slog.Logger
}

// People is everybody who may use this box. All methods are safe for concurrent use; they block on SQLite and, where
// a password is involved, for the fraction of a second that Argon2id costs, waiting for their turn.
type People struct {
	cfg   Config
	hash  hasher
	limit limiter

	// claimed remembers that an owner exists, which never becomes untrue while the program runs.
	claimed atomic.Bool
	// claimMu orders the steps of the first run, so that two browsers cannot interleave.
	claimMu sync.Mutex
	pending *pending

	// enrolMu guards what is between its two steps: authenticators, invitations and exchanges with passkeys.
	enrolMu       sync.Mutex
	enrolling     map[store.ID]enrolling
	accepting     map[store.ID]accepting
	ceremonies    map[string]ceremony
	ceremonyOrder []string // oldest first; answered ones may still be in it
}

// New checks the configuration and fills in defaults. It does no I/O except drawing a salt.
func New(cfg Config) (*People, error) {
	if cfg.DB == nil || cfg.Seal == nil {
		return nil, fmt.Errorf("auth: DB and Seal must be set")
	}
	def(&cfg.Issuer, "Cardea")
	def(&cfg.Hash, Argon2{MemoryKiB: 64 << 10, Passes: 3, Lanes: 1})
	def(&cfg.Parallel, 1)
	def(&cfg.Account, Policy{Free: 3, First: 15 * time.Second, Max: 15 * time.Minute, Forget: 24 * time.Hour})
	def(&cfg.Address, Policy{Free: 10, First: time.Second, Max: 5 * time.Minute, Forget: time.Hour})
	def(&cfg.Idle, 7*24*time.Hour)
	def(&cfg.Absolute, 30*24*time.Hour)
	def(&cfg.ClaimValid, 15*time.Minute)
	def(&cfg.StepUp, stepUpValid)
	def(&cfg.Log, slog.Default())
	if cfg.Interfaces == nil {
		cfg.Interfaces = net.InterfaceAddrs
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	p := &People{
		cfg: cfg, limit: limiter{db: cfg.DB, now: cfg.Now, running: map[string]int{}},
		enrolling: map[store.ID]enrolling{}, accepting: map[store.ID]accepting{}, ceremonies: map[string]ceremony{},
	}
	if err := p.hash.init(cfg.Hash, cfg.Parallel, cfg.Rand); err != nil {
		return nil, fmt.Errorf("auth: %w", err)
	}
	return p, nil
}

// def gives a field its default where the caller left it zero.
func def[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Run forgets what has run out, sessions and old failures, once an hour until ctx ends. It returns nil then.
func (p *People) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		if err := p.sweep(ctx); err != nil && ctx.Err() == nil {
			p.cfg.Log.WarnContext(ctx, "old sessions stay for now", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (p *People) sweep(ctx context.Context) error {
	now := p.cfg.Now()
	if _, err := p.cfg.DB.PurgeSessions(ctx, now.Add(-p.cfg.Idle), now); err != nil {
		return fmt.Errorf("purge sessions: %w", err)
	}
	oldest := max(p.cfg.Account.Forget, p.cfg.Address.Forget)
	if err := p.cfg.DB.PurgeThrottle(ctx, now.Add(-oldest)); err != nil {
		return fmt.Errorf("purge failures: %w", err)
	}
	if err := p.cfg.DB.PurgeRates(ctx, now, now.Add(paceBurst*paceEvery)); err != nil {
		return fmt.Errorf("purge rates: %w", err)
	}
	if err := p.cfg.DB.DeleteApprovals(ctx, now.Add(-approvalsShown)); err != nil {
		return fmt.Errorf("purge approvals: %w", err)
	}
	return nil
}

// random draws n bytes. Since Go 1.24 crypto/rand cannot fail; the error is for readers of tests.
func (p *People) random(n int) ([]byte, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(p.cfg.Rand, b); err != nil {
		return nil, fmt.Errorf("draw random bytes: %w", err)
	}
	return b, nil
}

// typed is the form in which a typed name is looked up, which is how checkName lets it be kept.
func typed(name string) string { return norm.NFC.String(strings.TrimSpace(name)) }

// foldName is the form of a name under which failures are counted, whoever it belongs to.
func foldName(name string) string { return strings.ToLower(typed(name)) }
