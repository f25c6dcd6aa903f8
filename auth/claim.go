package auth

import (
	"context"
	"crypto/subtle"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"cardea/store"
)

// SetupRequest is the first step of the claim.
type SetupRequest struct {
	// Token is the one-time token that the console printed.
	Token string
	// Name and Password will be the owner's.
	Name, Password string
}

// Enrolment is what a person must keep when an account is made or its second factor replaced. It is shown once and
// cannot be read again.
type Enrolment struct {
	// TOTPURI is the otpauth:// URI (SHA-1, 6 digits, 30 s); TOTPSecret is its secret in base32, for typing.
	TOTPURI, TOTPSecret string
	// RecoveryCodes are ten codes, each good once in place of a TOTP code.
	RecoveryCodes []string
}

// pending is a claim between its two steps. It lives in memory only: nothing is final before a code was right.
type pending struct {
	token    []byte // hash
	user     store.User
	seed     []byte
	recovery [][]byte
}

// Claimed reports whether the box has an owner.
func (p *People) Claimed(ctx context.Context) (bool, error) {
	if p.claimed.Load() {
		return true, nil
	}
	users, err := p.cfg.DB.Users(ctx)
	if err != nil {
		return false, fmt.Errorf("look for an owner: %w", err)
	}
	if len(users) > 0 {
		p.claimed.Store(true)
	}
	return len(users) > 0, nil
}

// NewClaim makes a claim token and returns it with the time it runs out. Every older token is dead from then on, and
// so is an enrolment under way. The program calls it at each start while the box is unclaimed, and for
// `cardea claim`. The token MUST be printed to the console only. It fails with Conflict where there is an owner.
func (p *People) NewClaim(ctx context.Context) (token string, expires time.Time, err error) {
	p.claimMu.Lock()
	defer p.claimMu.Unlock()
	if err := p.unclaimed(ctx); err != nil {
		return "", time.Time{}, err
	}
	b, err := p.random(claimBytes)
	if err != nil {
		return "", time.Time{}, err
	}
	expires = p.cfg.Now().Add(p.cfg.ClaimValid)
	if err := p.cfg.DB.SetClaim(ctx, hashToken("claim", b), expires); err != nil {
		return "", time.Time{}, fmt.Errorf("store the claim: %w", err)
	}
	p.pending = nil
	p.cfg.Log.InfoContext(ctx, "claim token made", "expires", expires)
	return strings.ToLower(plain32.EncodeToString(b)), expires, nil
}

// Setup begins the claim: it checks everything and returns what the person needs to enrol an authenticator. Nothing is
// stored and the token is not used up; a second call replaces the first. from is the address of the connection.
func (p *People) Setup(ctx context.Context, req SetupRequest, from netip.Addr) (Enrolment, error) {
	p.claimMu.Lock()
	defer p.claimMu.Unlock()
	token, err := p.checkClaim(ctx, req.Token, from)
	if err != nil {
		return Enrolment{}, err
	}
	user, seed, hashes, enrolment, err := p.enrol(ctx, req.Name, req.Password, Owner)
	if err != nil {
		return Enrolment{}, err
	}
	p.pending = &pending{token: token, user: user, seed: seed, recovery: hashes}
	return enrolment, nil
}

// Verify ends the claim: where code is right for the enrolment that Setup returned, the owner exists, the token is
// used up and a session begins, all in one transaction.
func (p *People) Verify(ctx context.Context, token, totp string, from Client) (SignedIn, error) {
	p.claimMu.Lock()
	defer p.claimMu.Unlock()
	hash, err := p.checkClaim(ctx, token, from.Addr)
	if err != nil {
		return SignedIn{}, err
	}
	if p.pending == nil || subtle.ConstantTimeCompare(p.pending.token, hash) != 1 {
		return SignedIn{}, refuse(Conflict, "Choose a name and a password first; the set-up was started again in the meantime.")
	}
	try, err := p.limit.begin(ctx, p.byAddress(from.Addr))
	if err != nil {
		return SignedIn{}, err
	}
	c, ok := parseCode(totp)
	var at int64
	if ok = ok && c.digits != ""; ok {
		if at, ok, err = step(p.pending.seed, c.digits, p.cfg.Now()); err != nil {
			try.drop()
			return SignedIn{}, err
		}
	}
	if !ok {
		if err := try.fail(ctx); err != nil {
			return SignedIn{}, err
		}
		return SignedIn{}, refuse(Denied, "The code is wrong. Check that the clocks of the phone and of this box are right, and type the code that the app shows now.")
	}
	try.drop()
	user := p.pending.user
	user.TOTPLastStep = at
	in, row, err := p.newSession(user, from)
	if err != nil {
		return SignedIn{}, err
	}
	if err := p.noteSignIn(ctx, user, from, false, "first run: the box is claimed"); err != nil {
		return SignedIn{}, err
	}
	switch err := p.cfg.DB.CreateUser(ctx, user, p.pending.recovery, hash, &row); {
	case hasCode(err, store.Conflict):
		return SignedIn{}, errClaimed()
	case err != nil:
		return SignedIn{}, fmt.Errorf("create the owner: %w", err)
	}
	in.RecoveryLeft = len(p.pending.recovery)
	p.claimed.Store(true)
	p.pending = nil
	p.cfg.Log.InfoContext(ctx, "box claimed", "owner", user.Name, "addr", from.Addr)
	return in, nil
}

// CreateOwner makes the first owner at the console (`cardea setup`), without a claim; who runs it already owns the
// data directory. The account works at once. Conflict where there is an owner.
func (p *People) CreateOwner(ctx context.Context, name, password string) (User, Enrolment, error) {
	p.claimMu.Lock()
	defer p.claimMu.Unlock()
	if err := p.unclaimed(ctx); err != nil {
		return User{}, Enrolment{}, err
	}
	u, e, err := p.add(ctx, name, password, Owner)
	if err == nil {
		p.claimed.Store(true)
		p.pending = nil
	}
	return u, e, err
}

// unclaimed returns Conflict where there is an owner.
func (p *People) unclaimed(ctx context.Context) error {
	claimed, err := p.Claimed(ctx)
	if err != nil {
		return err
	}
	if claimed {
		return errClaimed()
	}
	return nil
}

func errClaimed() error {
	return refuse(Conflict, "This box already has an owner, and a claim link works once. Sign in instead; who lost the access runs `cardea users reset-password` and `cardea users reset-totp` on the box.")
}

// checkClaim lets somebody from the LAN with the present token pass, and returns the token's hash. Wrong tokens are
// counted by address; with 160 bits that only keeps the log quiet.
func (p *People) checkClaim(ctx context.Context, token string, from netip.Addr) ([]byte, error) {
	if !p.OnLAN(from) {
		return nil, refuse(Forbidden, "A new box can be claimed from its own network only. Open the link on a device at home.")
	}
	if err := p.unclaimed(ctx); err != nil {
		return nil, err
	}
	try, err := p.limit.begin(ctx, p.byAddress(from))
	if err != nil {
		return nil, err
	}
	hash, err := p.matchClaim(ctx, token)
	switch e := new(Error); {
	case err == nil:
		try.drop()
	case asError(err, &e):
		if err := try.fail(ctx); err != nil {
			return nil, err
		}
	default:
		try.drop()
	}
	return hash, err
}

func (p *People) matchClaim(ctx context.Context, token string) ([]byte, error) {
	want, expires, err := p.cfg.DB.Claim(ctx)
	if err != nil && !hasCode(err, store.NotFound) {
		return nil, fmt.Errorf("read the claim: %w", err)
	}
	b, ok := parse32(token, claimBytes)
	hash := hashToken("claim", b)
	if !ok || err != nil || subtle.ConstantTimeCompare(hash, want) != 1 {
		return nil, refuse(Denied, "This claim link is not valid, or a newer one has replaced it. Run `cardea claim` on the box to get a new one.")
	}
	if p.cfg.Now().Before(expires) {
		return hash, nil
	}
	return nil, refuse(Denied, "This claim link has expired: it is valid for %.0f minutes. Run `cardea claim` on the box to get a new one.", p.cfg.ClaimValid.Minutes())
}
