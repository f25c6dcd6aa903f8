package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cardea/store"
)

// enrolling is a new authenticator of somebody between its two steps.
type enrolling struct {
	seed     []byte
	recovery [][]byte
	until    time.Time
}

// ChangePassword gives the person of a session another password. Every session ends; the one that comes back takes its place. The
// caller MUST have checked that the session is fresh.
func (p *People) ChangePassword(ctx context.Context, token, password string, from Client) (SignedIn, error) {
	_, _, user, err := p.session(ctx, token)
	if err != nil {
		return SignedIn{}, err
	}
	if err := checkPassword(user.Name, password); err != nil {
		return SignedIn{}, err
	}
	hash, err := p.hash.make(ctx, password)
	if err != nil {
		return SignedIn{}, err
	}
	if err := p.note(ctx, store.Access{Action: "user.password", Actor: p.actor(user, from), Object: user.Name}); err != nil {
		return SignedIn{}, err
	}
	if err := p.cfg.DB.SetPassword(ctx, user.ID, hash); err != nil {
		return SignedIn{}, fmt.Errorf("store the password: %w", err)
	}
	return p.again(ctx, user, from)
}

// NewRecoveryCodes gives somebody ten new recovery codes; the old ones are dead.
func (p *People) NewRecoveryCodes(ctx context.Context, actor store.Actor) ([]string, error) {
	codes, hashes, err := p.newRecovery()
	if err != nil {
		return nil, err
	}
	if err := p.note(ctx, store.Access{Action: "user.recovery", Actor: actor, Object: actor.Name}); err != nil {
		return nil, err
	}
	if err := p.cfg.DB.SetRecovery(ctx, actor.User, hashes); err != nil {
		return nil, fmt.Errorf("store recovery codes: %w", err)
	}
	return codes, nil
}

// BeginTOTP draws a new authenticator and new recovery codes for somebody. Nothing changes before FinishTOTP.
func (p *People) BeginTOTP(ctx context.Context, id store.ID) (Enrolment, error) {
	user, err := p.byID(ctx, id)
	if err != nil {
		return Enrolment{}, err
	}
	seed, hashes, e, err := p.secondFactor(user)
	if err != nil {
		return Enrolment{}, err
	}
	p.enrolMu.Lock()
	defer p.enrolMu.Unlock()
	p.enrolling[id] = enrolling{seed, hashes, p.cfg.Now().Add(p.cfg.ClaimValid)}
	return e, nil
}

// FinishTOTP puts the authenticator of BeginTOTP into force where code is right for it. Every session ends; the one that comes
// back takes its place.
func (p *People) FinishTOTP(ctx context.Context, token, code string, from Client) (SignedIn, error) {
	_, _, user, err := p.session(ctx, token)
	if err != nil {
		return SignedIn{}, err
	}
	p.enrolMu.Lock()
	fresh, ok := p.enrolling[user.ID]
	p.enrolMu.Unlock()
	if !ok || !p.cfg.Now().Before(fresh.until) {
		return SignedIn{}, refuse(Conflict, "Begin again: the new authenticator was not confirmed in time.")
	}
	at, err := p.confirm(ctx, fresh.seed, code, from)
	if errors.Is(err, &Error{Code: Denied}) {
		err = refuse(Invalid, "%s", err) // the session is as good as before
	}
	if err != nil {
		return SignedIn{}, err
	}
	sealed, err := p.cfg.Seal.SealSecret(fresh.seed, sealContext(user.ID))
	if err != nil {
		return SignedIn{}, fmt.Errorf("seal the TOTP seed: %w", err)
	}
	if err := p.note(ctx, store.Access{Action: "user.totp", Actor: p.actor(user, from), Object: user.Name}); err != nil {
		return SignedIn{}, err
	}
	if err := p.cfg.DB.SetTOTP(ctx, user.ID, sealed, at, fresh.recovery); err != nil {
		return SignedIn{}, fmt.Errorf("store the seed: %w", err)
	}
	p.enrolMu.Lock()
	delete(p.enrolling, user.ID)
	p.enrolMu.Unlock()
	return p.again(ctx, user, from)
}

// confirm checks the first code of a seed that is about to be used, and counts wrong ones by address.
func (p *People) confirm(ctx context.Context, seed []byte, text string, from Client) (at int64, err error) {
	try, err := p.limit.begin(ctx, p.byAddress(from.Addr))
	if err != nil {
		return 0, err
	}
	c, ok := parseCode(text)
	if ok = ok && c.digits != ""; ok {
		if at, ok, err = step(seed, c.digits, p.cfg.Now()); err != nil {
			try.drop()
			return 0, err
		}
	}
	if !ok {
		if err := try.fail(ctx); err != nil {
			return 0, err
		}
		return 0, refuse(Denied, "The code is wrong. Check that the clocks of the phone and of this box are right, and type the code that the app shows now.")
	}
	try.drop()
	return at, nil
}

// UserChange says what to change of an account; nil leaves a field alone.
type UserChange struct {
	Role     *Role
	Disabled *bool
	Sight    *Sight
}

// Change changes an account of somebody else and signs it out everywhere. Making an owner may need an approval. Conflict where
// the last owner would go.
func (p *People) Change(ctx context.Context, actor store.Actor, id store.ID, c UserChange) (User, error) {
	row, err := p.byID(ctx, id)
	if err != nil {
		return User{}, err
	}
	change, detail := store.UserChange{Disabled: c.Disabled}, ""
	var act Act
	var about string
	if c.Role != nil {
		if c.Role.rank() == 0 {
			return User{}, refuse(Invalid, "A role is owner, member or viewer.")
		}
		if *c.Role == Owner && row.Role != string(Owner) {
			act, about = ActOwner, "make "+row.Name+" an owner"
		}
		role := string(*c.Role)
		change.Role, detail = &role, "role: "+role
	}
	if row.Role == string(Owner) && (c.Role != nil && *c.Role != Owner || c.Disabled != nil && *c.Disabled) {
		act, about = ActUserRemove, "take the rights of an owner from "+row.Name
	}
	if c.Disabled != nil {
		detail += fmt.Sprintf(" disabled: %t", *c.Disabled)
	}
	if c.Sight != nil {
		change.Sees = &struct {
			All     bool
			Cameras []store.ID
		}{c.Sight.all, c.Sight.cameras}
		detail += fmt.Sprintf(" all cameras: %t, else %d", c.Sight.all, len(c.Sight.cameras))
	}
	do := func() error { return p.change(ctx, actor, row, change, detail) }
	if act != "" {
		err = p.Approved(ctx, actor, act, row.ID.String(), about, do)
	} else {
		err = do()
	}
	if err != nil {
		return User{}, err
	}
	if actor.Role == console().Role {
		p.alert(ctx, "The account "+row.Name+" was changed on the console.")
	}
	row, err = p.byID(ctx, id)
	return person(row), err
}

func (p *People) change(ctx context.Context, actor store.Actor, row store.User, change store.UserChange, detail string) error {
	if err := p.note(ctx, store.Access{Action: "user.change", Actor: actor, Object: row.Name, Detail: detail}); err != nil {
		return err
	}
	switch err := p.cfg.DB.ChangeUser(ctx, row.ID, change); {
	case hasCode(err, store.Conflict):
		return errLastOwner(row.Name)
	case hasCode(err, store.NotFound):
		return refuse(NotFound, "There is no such account or camera.")
	case err != nil:
		return fmt.Errorf("change the account: %w", err)
	}
	return nil
}

// RemoveUser deletes an account with its sessions, tokens and grants. It may need an approval. Conflict where it is the last owner.
func (p *People) RemoveUser(ctx context.Context, actor store.Actor, id store.ID) error {
	row, err := p.byID(ctx, id)
	if err != nil {
		return err
	}
	return p.Approved(ctx, actor, ActUserRemove, row.ID.String(), "remove the account "+row.Name, func() error { return p.remove(ctx, actor, row) })
}

func (p *People) remove(ctx context.Context, actor store.Actor, row store.User) error {
	if err := p.note(ctx, store.Access{Action: "user.remove", Actor: actor, Object: row.Name}); err != nil {
		return err
	}
	switch err := p.cfg.DB.DeleteUser(ctx, row.ID); {
	case hasCode(err, store.Conflict):
		return errLastOwner(row.Name)
	case err != nil:
		return fmt.Errorf("delete the account: %w", err)
	}
	p.cfg.Log.InfoContext(ctx, "account deleted", "user", row.Name)
	if actor.Role == console().Role {
		p.alert(ctx, "The account "+row.Name+" was removed on the console.")
	}
	return nil
}

func errLastOwner(name string) error {
	return refuse(Conflict, "%s is the last owner; a box needs one. Make another owner first.", name)
}

func (p *People) byID(ctx context.Context, id store.ID) (store.User, error) {
	row, err := p.cfg.DB.User(ctx, id)
	switch {
	case hasCode(err, store.NotFound):
		return row, refuse(NotFound, "There is no such account.")
	case err != nil:
		return row, fmt.Errorf("read the account: %w", err)
	}
	return row, nil
}
