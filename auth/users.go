package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"cardea/store"
)

// User is an account as others may see it.
type User struct {
	ID   store.ID
	Name string
	Role Role
	// Disabled accounts keep their rows and cannot sign in.
	Disabled bool
	Created  time.Time
	// Sight is which cameras they see.
	Sight Sight
}

// Users lists all accounts by name.
func (p *People) Users(ctx context.Context) ([]User, error) {
	rows, err := p.cfg.DB.Users(ctx)
	if err != nil {
		return nil, fmt.Errorf("list users: %w", err)
	}
	list := make([]User, 0, len(rows))
	for _, row := range rows {
		list = append(list, person(row))
	}
	slices.SortFunc(list, func(a, b User) int { return strings.Compare(foldName(a.Name), foldName(b.Name)) })
	return list, nil
}

// Add makes an account with a password that its person should be handed together with the enrolment. Conflict where
// the name is taken, Invalid where name, password or role will not do.
func (p *People) Add(ctx context.Context, name, password string, role Role) (User, Enrolment, error) {
	claimed, err := p.Claimed(ctx)
	if err != nil {
		return User{}, Enrolment{}, err
	}
	if !claimed {
		return User{}, Enrolment{}, refuse(Conflict, "This box has no owner yet. Claim it first.")
	}
	u, e, err := p.add(ctx, name, password, role)
	if err == nil {
		p.alert(ctx, "The account "+u.Name+" ("+string(role)+") was made on the console.")
	}
	return u, e, err
}

func (p *People) add(ctx context.Context, name, password string, role Role) (User, Enrolment, error) {
	row, _, hashes, enrolment, err := p.enrol(ctx, name, password, role)
	if err != nil {
		return User{}, Enrolment{}, err
	}
	if err := p.note(ctx, store.Access{Action: "user.add", Actor: console(), Object: row.Name, Detail: string(role)}); err != nil {
		return User{}, Enrolment{}, err
	}
	switch err := p.cfg.DB.CreateUser(ctx, row, hashes, nil, nil); {
	case hasCode(err, store.Conflict):
		return User{}, Enrolment{}, refuse(Conflict, "There is an account of that name already.")
	case err != nil:
		return User{}, Enrolment{}, fmt.Errorf("create an account: %w", err)
	}
	p.cfg.Log.InfoContext(ctx, "account made", "user", row.Name, "role", role)
	return person(row), enrolment, nil
}

// enrol checks and makes everything a new account needs, and stores nothing.
func (p *People) enrol(ctx context.Context, name, password string, role Role) (row store.User, seed []byte, hashes [][]byte, e Enrolment, err error) {
	if role.rank() == 0 {
		return row, nil, nil, e, refuse(Invalid, "A role is owner, member or viewer.")
	}
	if name, err = checkName(name); err != nil {
		return row, nil, nil, e, err
	}
	if err = checkPassword(name, password); err != nil {
		return row, nil, nil, e, err
	}
	now := p.cfg.Now()
	row = store.User{Name: name, Role: string(role), Created: now}
	if row.ID, err = p.cfg.DB.NewID(now); err != nil {
		return row, nil, nil, e, err
	}
	if row.PasswordHash, err = p.hash.make(ctx, password); err != nil {
		return row, nil, nil, e, err
	}
	if seed, hashes, e, err = p.secondFactor(row); err != nil {
		return row, nil, nil, e, err
	}
	if row.TOTPSecret, err = p.cfg.Seal.SealSecret(seed, sealContext(row.ID)); err != nil {
		return row, nil, nil, e, fmt.Errorf("seal the TOTP seed: %w", err)
	}
	return row, seed, hashes, e, nil
}

// secondFactor draws a seed and recovery codes for an account.
func (p *People) secondFactor(row store.User) (seed []byte, hashes [][]byte, e Enrolment, err error) {
	if seed, err = p.random(seedBytes); err != nil {
		return nil, nil, e, err
	}
	if e.TOTPURI, err = p.totpURI(row.Name, seed); err != nil {
		return nil, nil, e, err
	}
	e.TOTPSecret = plain32.EncodeToString(seed)
	e.RecoveryCodes, hashes, err = p.newRecovery()
	return seed, hashes, e, err
}

// ResetPassword gives an account a new password, ends its sessions and forgets its failures. It is for the console:
// whoever may run it has the box already.
func (p *People) ResetPassword(ctx context.Context, name, password string) error {
	row, err := p.byName(ctx, name)
	if err != nil {
		return err
	}
	if err := checkPassword(row.Name, password); err != nil {
		return err
	}
	hash, err := p.hash.make(ctx, password)
	if err != nil {
		return err
	}
	if err := p.note(ctx, store.Access{Action: "user.password", Actor: console(), Object: row.Name}); err != nil {
		return err
	}
	if err := p.cfg.DB.SetPassword(ctx, row.ID, hash); err != nil {
		return fmt.Errorf("store the password: %w", err)
	}
	p.cfg.Log.InfoContext(ctx, "password reset", "user", row.Name)
	p.alert(ctx, "The password of "+row.Name+" was reset on the console.")
	return p.pardon(ctx, row.Name)
}

// ResetTOTP gives an account a new seed and new recovery codes; the old ones are dead, its sessions end, and its passkeys are
// forgotten, because they may be on the phone that was lost. It is for the console, like ResetPassword.
func (p *People) ResetTOTP(ctx context.Context, name string) (Enrolment, error) {
	row, err := p.byName(ctx, name)
	if err != nil {
		return Enrolment{}, err
	}
	seed, hashes, e, err := p.secondFactor(row)
	if err != nil {
		return Enrolment{}, err
	}
	sealed, err := p.cfg.Seal.SealSecret(seed, sealContext(row.ID))
	if err != nil {
		return Enrolment{}, fmt.Errorf("seal the TOTP seed: %w", err)
	}
	if err := p.note(ctx, store.Access{Action: "user.totp", Actor: console(), Object: row.Name}); err != nil {
		return Enrolment{}, err
	}
	if err := p.cfg.DB.SetTOTP(ctx, row.ID, sealed, 0, hashes); err != nil {
		return Enrolment{}, fmt.Errorf("store the seed: %w", err)
	}
	keys, err := p.cfg.DB.Passkeys(ctx, row.ID)
	if err != nil {
		return Enrolment{}, fmt.Errorf("read passkeys: %w", err)
	}
	for _, k := range keys {
		if err := p.cfg.DB.DeletePasskey(ctx, row.ID, k.ID); err != nil && !hasCode(err, store.NotFound) {
			return Enrolment{}, fmt.Errorf("delete a passkey: %w", err)
		}
	}
	p.cfg.Log.InfoContext(ctx, "second factor reset", "user", row.Name)
	p.alert(ctx, "The second factor of "+row.Name+" was reset on the console.")
	return e, p.pardon(ctx, row.Name)
}

// pardon forgets the failures counted against a name by strangers.
func (p *People) pardon(ctx context.Context, name string) error {
	if err := p.cfg.DB.ClearThrottle(ctx, accountKey(name)); err != nil {
		return fmt.Errorf("forget failures: %w", err)
	}
	return nil
}

// Remove deletes an account with its sessions. Conflict where it is the last owner. It is for the console, like ResetPassword.
func (p *People) Remove(ctx context.Context, name string) error {
	row, err := p.byName(ctx, name)
	if err != nil {
		return err
	}
	return p.remove(ctx, console(), row)
}

func (p *People) byName(ctx context.Context, name string) (store.User, error) {
	row, err := p.cfg.DB.UserByName(ctx, typed(name))
	switch {
	case hasCode(err, store.NotFound):
		return row, refuse(NotFound, "There is no account of that name; `cardea users list` shows all.")
	case err != nil:
		return row, fmt.Errorf("read the account: %w", err)
	}
	return row, nil
}

// sealContext binds a sealed seed to its account.
func sealContext(userID store.ID) []byte { return []byte("totp " + userID.String()) }

func person(row store.User) User {
	return User{ID: row.ID, Name: row.Name, Role: Role(row.Role), Disabled: row.Disabled, Created: row.Created, Sight: sight(row)}
}

func session(row store.Session) Session {
	return Session{
		ID: plain32.EncodeToString(row.SID), UserID: row.User,
		Created: row.Created, LastSeen: row.LastSeen, Expires: row.Expires, Addr: row.Addr, Agent: row.Agent, Verified: row.Verified,
	}
}

func asError(err error, target **Error) bool { return errors.As(err, target) }
