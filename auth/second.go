package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"cardea/store"
)

// A passkey can stand alone (passkey.go) or, as here, in the place of the code behind name and password.

// BeginSecondFactor begins a sign-in whose second factor is a passkey; SignIn ends it, with the same name and password. What the
// authenticator is asked for names its credentials, so only who has the password right gets it; everybody else gets the Denied of SignIn
// after the same work, and is counted and delayed like there. Conflict where the account has no passkey, or host is none that passkeys
// work under. c.Code and c.Passkey are not looked at.
func (p *People) BeginSecondFactor(ctx context.Context, c Credentials, host string, from Client) (Ceremony, error) {
	w, err := p.library(host)
	if err != nil {
		return Ceremony{}, err
	}
	user, try, err := p.attempt(ctx, c.Name, from)
	if err != nil {
		return Ceremony{}, err
	}
	if err := p.checkPassword(ctx, user, c.Password); err != nil {
		return Ceremony{}, p.refused(ctx, user, try, from, err)
	}
	// One factor of two proves nobody: the failures that were counted stay.
	try.drop()
	h, err := p.holder(ctx, user)
	if err != nil {
		return Ceremony{}, err
	}
	if len(h.keys) == 0 {
		return Ceremony{}, refuse(Conflict, "This account has no passkey. Type the code that your app shows.")
	}
	options, data, err := w.BeginLogin(h, webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return Ceremony{}, fmt.Errorf("begin a sign-in with password and passkey: %w", err)
	}
	return p.begun(options.Response, ceremony{data: *data, user: user.ID, second: true, host: host})
}

// attempt finds the account of a typed name, the zero value where there is none, and lets a try at it begin.
func (p *People) attempt(ctx context.Context, name string, from Client) (store.User, *attempt, error) {
	user, err := p.cfg.DB.UserByName(ctx, typed(name))
	if err != nil && !hasCode(err, store.NotFound) {
		return store.User{}, nil, fmt.Errorf("read the account: %w", err)
	}
	known, err := p.knownAddress(ctx, user, from.Addr)
	if err != nil {
		return store.User{}, nil, err
	}
	try, err := p.limit.begin(ctx, p.byAccount(name, from.Addr, known), p.byAddress(from.Addr))
	return user, try, err
}

// refused ends a try that err refused: counted and recorded where whoever asked is to blame, dropped where the box could not judge.
func (p *People) refused(ctx context.Context, user store.User, try *attempt, from Client, err error) error {
	var e *Error
	if !asError(err, &e) || e.Code == Throttled {
		try.drop()
		return err
	}
	p.cfg.Log.InfoContext(ctx, "sign-in refused", "addr", from.Addr)
	if err := errors.Join(try.fail(ctx), p.noteSignIn(ctx, user, from, true, "")); err != nil {
		return err
	}
	return errors.Join(p.alarm(ctx, user, try, from), err)
}

// checkPassword judges the first factor. user is the zero value where the name is unknown, which costs the same work.
func (p *People) checkPassword(ctx context.Context, user store.User, password string) error {
	if len(password) > maxPassword {
		password = "" // nothing to hash a megabyte for; it fits nobody
	}
	fits, err := p.hash.verify(ctx, user.PasswordHash, password)
	if err == nil && (!fits || user.Disabled) {
		err = errWrong()
	}
	return err
}

// checkSecondPasskey judges the answer to a ceremony of BeginSecondFactor for user, who had the password right.
func (p *People) checkSecondPasskey(ctx context.Context, user store.User, a Assertion) error {
	c, err := p.finish(a.Ceremony, user.ID, true)
	if err != nil {
		return err
	}
	w, err := p.library(c.host)
	if err != nil {
		return err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(a.Credential)
	if err != nil {
		return errPasskey()
	}
	h, err := p.holder(ctx, user)
	if err != nil {
		return err
	}
	credential, err := w.ValidateLogin(h, c.data, parsed)
	if err != nil {
		p.cfg.Log.InfoContext(ctx, "passkey refused", "error", err)
		return errPasskey()
	}
	return p.usePasskey(ctx, h, credential)
}

// usePasskey notes that a credential of h answered rightly. Denied where it is gone by now, or is a copy: a counter that runs back is a
// copied authenticator (WebAuthn level 3, 6.1.1).
func (p *People) usePasskey(ctx context.Context, h holder, credential *webauthn.Credential) error {
	if credential.Authenticator.CloneWarning {
		p.cfg.Log.InfoContext(ctx, "passkey refused", "user", h.row.Name, "counter", "runs back")
		return errPasskey()
	}
	record, err := json.Marshal(credential)
	if err != nil {
		return fmt.Errorf("encode the passkey: %w", err)
	}
	for _, k := range h.keys {
		if string(k.Credential) != string(credential.ID) {
			continue
		}
		switch err := p.cfg.DB.UsePasskey(ctx, k.ID, record, p.cfg.Now()); {
		case hasCode(err, store.NotFound):
			return errPasskey()
		case err != nil:
			return fmt.Errorf("note the use of a passkey: %w", err)
		}
		return nil
	}
	return errPasskey()
}

func errPasskey() error {
	return refuse(Denied, "This passkey does not open this box. Use another one, or your password and a code.")
}
