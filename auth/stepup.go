package auth

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"cardea/store"
)

// Proof is how somebody who is signed in shows that it is still them. Exactly one field is set.
type Proof struct {
	Password string
	// Code is a TOTP code or a recovery code.
	Code string
	// Passkey answers a ceremony of BeginPasskeySignIn.
	Passkey *Assertion
}

// Fresh reports whether the person behind a session proved who they are so lately that a sensitive act may go on.
func (p *People) Fresh(s Session) bool {
	since := p.cfg.Now().Sub(s.Verified)
	return since >= 0 && since < p.cfg.StepUp
}

// FreshUntil is when a session stops being fresh.
func (p *People) FreshUntil(s Session) time.Time { return s.Verified.Add(p.cfg.StepUp) }

// StepUp makes a session fresh for sensitive acts (see Fresh). The session goes on under a new secret; the old one is dead. Wrong
// proofs count like failed sign-ins.
func (p *People) StepUp(ctx context.Context, token string, proof Proof, from Client) (SignedIn, error) {
	hash, row, user, err := p.session(ctx, token)
	if err != nil {
		return SignedIn{}, err
	}
	try, err := p.limit.begin(ctx, p.byAccount(user.Name, from.Addr, true), p.byAddress(from.Addr))
	if err != nil {
		return SignedIn{}, err
	}
	record := store.Access{Action: "step-up", Actor: p.actor(user, from), Agent: clean(from.Agent)}
	factor, err := p.prove(ctx, user, proof, from)
	if err != nil {
		var e *Error
		if !asError(err, &e) || e.Code == Throttled {
			try.drop()
			return SignedIn{}, err
		}
		record.Refused = true
		if err := errors.Join(try.fail(ctx), p.note(ctx, record)); err != nil {
			return SignedIn{}, err
		}
		return SignedIn{}, err
	}
	fresh, text, err := p.secret()
	if err == nil {
		err = p.note(ctx, record)
	}
	if err != nil {
		try.drop()
		return SignedIn{}, err
	}
	now := p.cfg.Now()
	switch err := p.cfg.DB.RenewSession(ctx, hash, fresh, now, user.ID, factor); {
	case hasCode(err, store.Denied):
		try.drop()
		return SignedIn{}, refuse(Denied, "This code was used already; each one is good once. Wait for the next one.")
	case hasCode(err, store.NotFound):
		try.drop()
		return SignedIn{}, errNoSession()
	case err != nil:
		try.drop()
		return SignedIn{}, fmt.Errorf("renew the session: %w", err)
	}
	row.Verified, row.LastSeen = now, now
	return SignedIn{User: person(user), Session: session(row), Token: text}, try.succeed(ctx)
}

// prove judges a proof and says what it uses up.
func (p *People) prove(ctx context.Context, user store.User, proof Proof, from Client) (store.Factor, error) {
	wrong := refuse(Denied, "That is not right. Type the code that your app shows now, or your password.")
	switch {
	case proof.Passkey != nil:
		who, err := p.checkPasskey(ctx, *proof.Passkey, from)
		if err != nil {
			return store.Factor{}, err
		}
		if who.ID != user.ID {
			return store.Factor{}, refuse(Denied, "That passkey belongs to another account.")
		}
		return store.Factor{}, nil
	case proof.Password != "" && len(proof.Password) <= maxPassword:
		fits, err := p.hash.verify(ctx, user.PasswordHash, proof.Password)
		if err == nil && !fits {
			err = wrong
		}
		return store.Factor{}, err
	}
	c, ok := parseCode(proof.Code)
	if !ok {
		return store.Factor{}, wrong
	}
	if c.recovery != nil {
		return store.Factor{Recovery: hashToken("recovery", c.recovery)}, nil
	}
	seed, err := p.cfg.Seal.OpenSecret(user.TOTPSecret, sealContext(user.ID))
	if err != nil {
		return store.Factor{}, fmt.Errorf("open the TOTP seed of %s: %w", user.ID, err)
	}
	at, ok, err := step(seed, c.digits, p.cfg.Now())
	if err == nil && !ok {
		err = wrong
	}
	return store.Factor{Step: at}, err
}

// session finds the session of a token and its user. Denied where there is none in force.
func (p *People) session(ctx context.Context, token string) (hash []byte, row store.Session, user store.User, err error) {
	hash, ok := parseSession(token)
	if !ok {
		return nil, row, user, errNoSession()
	}
	row, user, err = p.cfg.DB.Session(ctx, hash)
	switch {
	case hasCode(err, store.NotFound):
		return nil, row, user, errNoSession()
	case err != nil:
		return nil, row, user, fmt.Errorf("read the session: %w", err)
	case user.Disabled || p.over(row, p.cfg.Now()):
		return nil, row, user, errNoSession()
	}
	return hash, row, user, nil
}

// secret draws the secret of a session: its hash for the index, its text for the cookie.
func (p *People) secret() (hash []byte, text string, err error) {
	b, err := p.random(sessionBytes)
	if err != nil {
		return nil, "", err
	}
	return hashToken("session", b), base64.RawURLEncoding.EncodeToString(b), nil
}

// again signs a person in anew after all their sessions were ended by what they changed themselves.
func (p *People) again(ctx context.Context, user store.User, from Client) (SignedIn, error) {
	in, row, err := p.newSession(user, from)
	if err != nil {
		return SignedIn{}, err
	}
	if err := p.cfg.DB.BeginSession(ctx, row); err != nil {
		return SignedIn{}, fmt.Errorf("begin a session: %w", err)
	}
	return in, nil
}

// actor is somebody as the access log names them.
func (p *People) actor(user store.User, from Client) store.Actor {
	a := store.Actor{User: user.ID, Name: user.Name, Role: user.Role}
	if from.Addr.IsValid() {
		a.Addr = from.Addr.Unmap().String()
	}
	return a
}

// Alive reports whether a session that was in force still is, by the ID that Session gives; its secret may have changed since.
func (p *People) Alive(ctx context.Context, s Session) (bool, error) {
	rows, err := p.cfg.DB.Sessions(ctx, s.UserID)
	if err != nil {
		return false, fmt.Errorf("read sessions: %w", err)
	}
	for _, row := range rows {
		if session(row).ID == s.ID {
			return !p.over(row, p.cfg.Now()), nil
		}
	}
	return false, nil
}

// stepUpValid is how long a proof is good for.
const stepUpValid = 5 * time.Minute
