package auth

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"

	"cardea/store"
)

// touchEvery is how exact the last use of a session is kept: a write for each request would wear out an SD card.
const touchEvery = time.Minute

// Client says where a request comes from.
type Client struct {
	// Addr is the peer of the connection. An invalid one means the relay: not on the LAN.
	Addr netip.Addr
	// Agent is the User-Agent header, shown in the list of sessions. It is cut to a sane length.
	Agent string
}

// Credentials are what somebody types to sign in.
type Credentials struct {
	Name, Password string
	// Code is a TOTP code or a recovery code.
	Code string
	// Passkey answers a ceremony of BeginSecondFactor and takes the place of Code.
	Passkey *Assertion
}

// Session is one signed-in browser.
type Session struct {
	// ID names the session in lists; it does not open it.
	ID string
	// UserID is whose it is.
	UserID store.ID
	// Created, LastSeen (exact to a minute) and Expires (the absolute limit) are UTC.
	Created, LastSeen, Expires time.Time
	// Addr and Agent are what the sign-in came from.
	Addr, Agent string
	// Verified is when the person last proved who they are, by the sign-in or by StepUp.
	Verified time.Time
}

// SignedIn is a new session.
type SignedIn struct {
	User    User
	Session Session
	// Token opens the session: 43 characters of base64url. It belongs into a `__Host-` cookie and nowhere else.
	Token string
	// RecoveryUsed is true where a recovery code took the place of TOTP; RecoveryLeft is how many remain.
	RecoveryUsed bool
	RecoveryLeft int
}

// SignIn checks name, password and second factor and begins a session under a new id. Everything wrong gives the same Denied
// after the same work, except a right code that was used before, which is said to whoever knows the rest. Failures
// delay the next attempt: Throttled.
func (p *People) SignIn(ctx context.Context, c Credentials, from Client) (SignedIn, error) {
	user, try, err := p.attempt(ctx, c.Name, from)
	if err != nil {
		return SignedIn{}, err
	}
	in, err := p.judge(ctx, user, c, from)
	if err != nil {
		return SignedIn{}, p.refused(ctx, user, try, from, err)
	}
	p.cfg.Log.InfoContext(ctx, "signed in", "user", user.Name, "addr", from.Addr, "recovery_code", in.RecoveryUsed)
	return in, try.succeed(ctx)
}

// judge decides about credentials. user is the zero value where the name is unknown.
func (p *People) judge(ctx context.Context, user store.User, c Credentials, from Client) (SignedIn, error) {
	second, ok := parseCode(c.Code)
	if err := p.checkPassword(ctx, user, c.Password); err != nil {
		return SignedIn{}, err
	}
	if c.Passkey != nil {
		if err := p.checkSecondPasskey(ctx, user, *c.Passkey); err != nil {
			return SignedIn{}, err
		}
		return p.admit(ctx, user, from, "password and passkey")
	}
	if !ok {
		return SignedIn{}, errWrong()
	}
	var at int64
	var recovery []byte
	if second.recovery != nil {
		recovery = hashToken("recovery", second.recovery)
	} else {
		seed, err := p.cfg.Seal.OpenSecret(user.TOTPSecret, sealContext(user.ID))
		if err != nil {
			return SignedIn{}, fmt.Errorf("open the TOTP seed of %s: %w", user.ID, err)
		}
		if at, ok, err = step(seed, second.digits, p.cfg.Now()); err != nil {
			return SignedIn{}, err
		}
		if !ok {
			return SignedIn{}, errWrong()
		}
	}
	in, row, err := p.newSession(user, from)
	if err != nil {
		return SignedIn{}, err
	}
	how := "password and code"
	if recovery != nil {
		how = "password and recovery code"
	}
	if err := p.noteSignIn(ctx, user, from, false, how); err != nil {
		return SignedIn{}, err
	}
	// Using up the step or the code and beginning the session is one transaction: raced, exactly one wins.
	switch err := p.cfg.DB.SignIn(ctx, row, at, recovery); {
	case hasCode(err, store.Denied) && recovery != nil:
		return SignedIn{}, errWrong()
	case hasCode(err, store.Denied):
		return SignedIn{}, refuse(Denied, "This code was used already; each one is good once. Wait for the next one.")
	case err != nil:
		return SignedIn{}, fmt.Errorf("begin a session: %w", err)
	}
	in.RecoveryUsed = recovery != nil
	if in.RecoveryLeft, err = p.cfg.DB.RecoveryLeft(ctx, user.ID); err != nil {
		return SignedIn{}, fmt.Errorf("count recovery codes: %w", err)
	}
	if in.RecoveryUsed {
		p.alert(ctx, fmt.Sprintf("%s signed in with a recovery code from %s; %d are left.", user.Name, from.Addr, in.RecoveryLeft))
	}
	return in, nil
}

// knownAddress reports whether the user has a session that began at this address.
func (p *People) knownAddress(ctx context.Context, user store.User, from netip.Addr) (bool, error) {
	if user.ID == (store.ID{}) || !from.IsValid() {
		return false, nil
	}
	rows, err := p.cfg.DB.Sessions(ctx, user.ID)
	if err != nil {
		return false, fmt.Errorf("read sessions: %w", err)
	}
	for _, s := range rows {
		if a, err := netip.ParseAddr(s.Addr); err == nil && block(a) == block(from) && !p.over(s, p.cfg.Now()) {
			return true, nil
		}
	}
	return false, nil
}

func (p *People) newSession(user store.User, from Client) (SignedIn, store.Session, error) {
	hash, text, err := p.secret()
	if err != nil {
		return SignedIn{}, store.Session{}, err
	}
	now := p.cfg.Now()
	row := store.Session{
		IDHash: hash, User: user.ID, Created: now, LastSeen: now, Expires: now.Add(p.cfg.Absolute), Agent: clean(from.Agent), Verified: now,
	}
	if row.SID, err = p.random(sidBytes); err != nil {
		return SignedIn{}, store.Session{}, err
	}
	if from.Addr.IsValid() {
		row.Addr = from.Addr.Unmap().String()
	}
	return SignedIn{User: person(user), Session: session(row), Token: text}, row, nil
}

// clean makes a header fit for a list: printable and short.
func clean(agent string) string {
	agent = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, agent)
	if runes := []rune(agent); len(runes) > 200 {
		return string(runes[:200])
	}
	return agent
}

// Session returns who a token belongs to, and notes that it was used. Denied where the token is not one, or the
// session is over: ended, idle or absolute limit reached, account disabled.
func (p *People) Session(ctx context.Context, token string) (User, Session, error) {
	hash, ok := parseSession(token)
	if !ok {
		return User{}, Session{}, errNoSession()
	}
	row, user, err := p.cfg.DB.Session(ctx, hash)
	switch {
	case hasCode(err, store.NotFound):
		return User{}, Session{}, errNoSession()
	case err != nil:
		return User{}, Session{}, fmt.Errorf("read the session: %w", err)
	}
	now := p.cfg.Now()
	if user.Disabled || p.over(row, now) {
		if err := p.cfg.DB.EndSession(ctx, hash); err != nil {
			return User{}, Session{}, fmt.Errorf("end a session: %w", err)
		}
		return User{}, Session{}, errNoSession()
	}
	if now.Sub(row.LastSeen) >= touchEvery {
		if err := p.cfg.DB.TouchSession(ctx, hash, now); err != nil {
			return User{}, Session{}, fmt.Errorf("note the use of a session: %w", err)
		}
		row.LastSeen = now
	}
	return person(user), session(row), nil
}

// over reports whether a session has reached one of its limits.
func (p *People) over(row store.Session, now time.Time) bool {
	return !now.Before(row.Expires) || now.Sub(row.LastSeen) >= p.cfg.Idle
}

// SignOut ends the session of a token. A token that opens nothing is signed out already.
func (p *People) SignOut(ctx context.Context, token string) error {
	hash, ok := parseSession(token)
	if !ok {
		return nil
	}
	if err := p.noteSignOut(ctx, hash); err != nil {
		return err
	}
	if err := p.cfg.DB.EndSession(ctx, hash); err != nil {
		return fmt.Errorf("end the session: %w", err)
	}
	return nil
}

// Sessions lists the sessions of a user that are not over, the last used first.
func (p *People) Sessions(ctx context.Context, userID store.ID) ([]Session, error) {
	rows, err := p.cfg.DB.Sessions(ctx, userID)
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	list := make([]Session, 0, len(rows))
	for _, row := range rows {
		if !p.over(row, p.cfg.Now()) {
			list = append(list, session(row))
		}
	}
	slices.SortFunc(list, func(a, b Session) int { return b.LastSeen.Compare(a.LastSeen) })
	return list, nil
}

// EndSession ends one session of a user by the ID that Sessions lists. NotFound where the user has no such one.
func (p *People) EndSession(ctx context.Context, actor store.Actor, userID store.ID, id string) error {
	rows, err := p.cfg.DB.Sessions(ctx, userID)
	if err != nil {
		return fmt.Errorf("list sessions: %w", err)
	}
	for _, row := range rows {
		if session(row).ID == id {
			if err := p.noteEnd(ctx, actor, userID); err != nil {
				return err
			}
			if err := p.cfg.DB.EndSession(ctx, row.IDHash); err != nil {
				return fmt.Errorf("end a session: %w", err)
			}
			p.cfg.Log.InfoContext(ctx, "session ended", "user", userID)
			return nil
		}
	}
	return refuse(NotFound, "There is no such session; it may have ended by itself.")
}

// EndSessions ends every session of a user, except the one of token where that is not empty.
func (p *People) EndSessions(ctx context.Context, actor store.Actor, userID store.ID, token string) error {
	except, _ := parseSession(token)
	if err := p.noteEnd(ctx, actor, userID); err != nil {
		return err
	}
	if _, err := p.cfg.DB.EndSessions(ctx, userID, except); err != nil {
		return fmt.Errorf("end sessions: %w", err)
	}
	p.cfg.Log.InfoContext(ctx, "sessions ended", "user", userID)
	return nil
}
