package auth

import (
	"context"
	"fmt"
	"strings"
	"time"

	"cardea/store"
)

// invitationValid is how long an invitation is good for.
const invitationValid = 24 * time.Hour

// Invitation is an account that waits for its person.
type Invitation struct {
	ID      store.ID
	Name    string
	Role    Role
	Sight   Sight
	Inviter string
	Created time.Time
	Expires time.Time
}

// accepting is an invitation between its two steps. It lives in memory only.
type accepting struct {
	user     store.User
	seed     []byte
	recovery [][]byte
	until    time.Time
}

// Invite makes an invitation and its token, which goes into a link and is shown once. Inviting an owner may need an approval.
func (p *People) Invite(ctx context.Context, actor store.Actor, name string, role Role, sees Sight) (Invitation, string, error) {
	if role.rank() == 0 {
		return Invitation{}, "", refuse(Invalid, "A role is owner, member or viewer.")
	}
	name, err := checkName(name)
	if err != nil {
		return Invitation{}, "", err
	}
	if role != Owner {
		return p.invite(ctx, actor, name, role, sees)
	}
	var made Invitation
	var token string
	err = p.Approved(ctx, actor, ActOwner, name, "invite "+name+" as an owner", func() (err error) {
		made, token, err = p.invite(ctx, actor, name, role, SeesAll())
		return err
	})
	return made, token, err
}

func (p *People) invite(ctx context.Context, actor store.Actor, name string, role Role, sees Sight) (Invitation, string, error) {
	b, err := p.random(claimBytes)
	if err != nil {
		return Invitation{}, "", err
	}
	if err := p.note(ctx, store.Access{Action: "user.invite", Actor: actor, Object: name, Detail: string(role)}); err != nil {
		return Invitation{}, "", err
	}
	now := p.cfg.Now()
	row, err := p.cfg.DB.AddInvitation(ctx, store.Invitation{
		TokenHash: hashToken("invitation", b), Name: name, Role: string(role), Restricted: !sees.all, Cameras: sees.cameras,
		Inviter: actor.Name, Created: now, Expires: now.Add(invitationValid),
	})
	switch {
	case hasCode(err, store.Conflict):
		return Invitation{}, "", refuse(Conflict, "There is an account or an invitation of that name already.")
	case hasCode(err, store.NotFound):
		return Invitation{}, "", refuse(NotFound, "There is no such camera.")
	case err != nil:
		return Invitation{}, "", fmt.Errorf("store the invitation: %w", err)
	}
	if actor.Role == console().Role {
		p.alert(ctx, "An invitation for "+name+" ("+string(role)+") was made on the console.")
	}
	return invitation(row), strings.ToLower(plain32.EncodeToString(b)), nil
}

// Invitations lists those that are open.
func (p *People) Invitations(ctx context.Context) ([]Invitation, error) {
	rows, err := p.cfg.DB.Invitations(ctx, p.cfg.Now())
	if err != nil {
		return nil, fmt.Errorf("list invitations: %w", err)
	}
	all := make([]Invitation, 0, len(rows))
	for _, row := range rows {
		all = append(all, invitation(row))
	}
	return all, nil
}

// Uninvite takes an invitation back. NotFound.
func (p *People) Uninvite(ctx context.Context, actor store.Actor, id store.ID) error {
	if err := p.note(ctx, store.Access{Action: "user.uninvite", Actor: actor, Object: id.String()}); err != nil {
		return err
	}
	switch err := p.cfg.DB.DeleteInvitation(ctx, id); {
	case hasCode(err, store.NotFound):
		return refuse(NotFound, "There is no such invitation; it was used or has run out.")
	case err != nil:
		return fmt.Errorf("delete the invitation: %w", err)
	}
	return nil
}

// Invited says what a token invites to. Wrong tokens are counted by address.
func (p *People) Invited(ctx context.Context, token string, from Client) (Invitation, error) {
	row, err := p.invited(ctx, token, from)
	return invitation(row), err
}

func (p *People) invited(ctx context.Context, token string, from Client) (store.Invitation, error) {
	try, err := p.limit.begin(ctx, p.byAddress(from.Addr))
	if err != nil {
		return store.Invitation{}, err
	}
	b, ok := parse32(token, claimBytes)
	row, err := p.cfg.DB.InvitationByHash(ctx, hashToken("invitation", b))
	if err != nil && !hasCode(err, store.NotFound) {
		try.drop()
		return row, fmt.Errorf("read the invitation: %w", err)
	}
	if !ok || err != nil || !p.cfg.Now().Before(row.Expires) {
		if err := try.fail(ctx); err != nil {
			return store.Invitation{}, err
		}
		return store.Invitation{}, refuse(Denied, "This invitation is not valid: it was used, was taken back, or is older than a day. Ask an owner for a new one.")
	}
	try.drop()
	return row, nil
}

// BeginInvited takes the password of somebody invited and returns what enrols an authenticator. Nothing is stored, and a second
// call replaces the first.
func (p *People) BeginInvited(ctx context.Context, token, password string, from Client) (Enrolment, error) {
	row, err := p.invited(ctx, token, from)
	if err != nil {
		return Enrolment{}, err
	}
	user, seed, hashes, e, err := p.enrol(ctx, row.Name, password, Role(row.Role))
	if err != nil {
		return Enrolment{}, err
	}
	user.Restricted, user.Cameras = row.Restricted, row.Cameras
	p.enrolMu.Lock()
	defer p.enrolMu.Unlock()
	now := p.cfg.Now()
	for key, old := range p.accepting {
		if !now.Before(old.until) {
			delete(p.accepting, key)
		}
	}
	p.accepting[row.ID] = accepting{user, seed, hashes, now.Add(p.cfg.ClaimValid)}
	return e, nil
}

// FinishInvited makes the account and signs its person in, where code is right for the authenticator of BeginInvited.
func (p *People) FinishInvited(ctx context.Context, token, code string, from Client) (SignedIn, error) {
	row, err := p.invited(ctx, token, from)
	if err != nil {
		return SignedIn{}, err
	}
	p.enrolMu.Lock()
	begun, ok := p.accepting[row.ID]
	p.enrolMu.Unlock()
	if !ok || !p.cfg.Now().Before(begun.until) {
		return SignedIn{}, refuse(Conflict, "Choose a password first; the set-up was started again or took too long.")
	}
	at, err := p.confirm(ctx, begun.seed, code, from)
	if err != nil {
		return SignedIn{}, err
	}
	user := begun.user
	user.TOTPLastStep = at
	in, session, err := p.newSession(user, from)
	if err != nil {
		return SignedIn{}, err
	}
	if err := p.note(ctx, store.Access{Action: "user.add", Actor: p.actor(user, from), Object: user.Name, Detail: user.Role + ", invited by " + row.Inviter}); err != nil {
		return SignedIn{}, err
	}
	switch err := p.cfg.DB.AcceptInvitation(ctx, row.TokenHash, user, begun.recovery, session); {
	case hasCode(err, store.Conflict):
		return SignedIn{}, refuse(Conflict, "There is an account of that name by now. Ask an owner for an invitation under another name.")
	case hasCode(err, store.NotFound):
		return SignedIn{}, refuse(Denied, "This invitation was used or taken back a moment ago.")
	case err != nil:
		return SignedIn{}, fmt.Errorf("create the account: %w", err)
	}
	p.enrolMu.Lock()
	delete(p.accepting, row.ID)
	p.enrolMu.Unlock()
	in.RecoveryLeft = len(begun.recovery)
	p.cfg.Log.InfoContext(ctx, "account made", "user", user.Name, "role", user.Role)
	return in, nil
}

func invitation(row store.Invitation) Invitation {
	v := Invitation{ID: row.ID, Name: row.Name, Role: Role(row.Role), Sight: SeesOnly(row.Cameras...), Inviter: row.Inviter, Created: row.Created, Expires: row.Expires}
	if !row.Restricted {
		v.Sight = SeesAll()
	}
	return v
}
