package api

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"cardea/auth"
	"cardea/store"
	"cardea/web/caller"
)

// The methods of this file are for owners, about other people, and for those who are invited.

// Person is an account as an owner sees it.
type Person struct {
	User
	Cameras  *[]string  `json:"cameras" doc:"null is all"`
	Passkeys int        `json:"passkeys"`
	Sessions int        `json:"sessions"`
	LastSeen *time.Time `json:"last_seen"`
}

// cameras are those of a sight, null for all.
func cameras(s auth.Sight) *[]string {
	if s.All() {
		return nil
	}
	ids := list(s.Cameras(), store.ID.String)
	slices.Sort(ids)
	return &ids
}

// sight reads what cameras writes.
func sight(ids *[]string) (auth.Sight, error) {
	if ids == nil {
		return auth.SeesAll(), nil
	}
	var all []store.ID
	for _, text := range *ids {
		id, err := store.ParseID(text)
		if err != nil {
			return auth.Sight{}, err
		}
		all = append(all, id)
	}
	return auth.SeesOnly(all...), nil
}

func (a *API) person(ctx context.Context, u auth.User) (Person, error) {
	p := Person{User: user(u), Cameras: cameras(u.Sight)}
	keys, err := a.auth.Passkeys(ctx, u.ID)
	if err != nil {
		return p, err
	}
	sessions, err := a.auth.Sessions(ctx, u.ID)
	if err != nil {
		return p, err
	}
	p.Passkeys, p.Sessions = len(keys), len(sessions)
	if len(sessions) > 0 {
		p.LastSeen = &sessions[0].LastSeen
	}
	return p, nil
}

// Users answers GET /api/users.
func (a *API) Users(ctx context.Context, _ *None) (*Body[[]Person], error) {
	all, err := a.auth.Users(ctx)
	if err != nil {
		return nil, err
	}
	people := make([]Person, 0, len(all))
	for _, u := range all {
		p, err := a.person(ctx, u)
		if err != nil {
			return nil, err
		}
		people = append(people, p)
	}
	return answer(people), nil
}

// ChangeUserRequest holds what to change; the rest stays. Cameras is an array because null there has a meaning of its own.
type ChangeUserRequest struct {
	ByID
	Body struct {
		Role     *string   `json:"role,omitempty" enum:"owner,member,viewer"`
		Disabled *bool     `json:"disabled,omitempty"`
		Cameras  *[]string `json:"cameras,omitempty" nullable:"true" doc:"The cameras that the person sees"`
		All      bool      `json:"all_cameras,omitempty" doc:"The person sees every camera; instead of cameras"`
	}
}

// ChangeUser answers PATCH /api/users/{id}.
func (a *API) ChangeUser(ctx context.Context, in *ChangeUserRequest) (*Body[Person], error) {
	id, err := store.ParseID(in.ID)
	if err != nil {
		return nil, err
	}
	change := auth.UserChange{Disabled: in.Body.Disabled}
	if in.Body.Role != nil {
		role := auth.Role(*in.Body.Role)
		change.Role = &role
	}
	if in.Body.Cameras != nil || in.Body.All {
		if in.Body.All {
			in.Body.Cameras = nil
		}
		s, err := sight(in.Body.Cameras)
		if err != nil {
			return nil, err
		}
		change.Sight = &s
	}
	u, err := a.auth.Change(ctx, actor(ctx), id, change)
	if err != nil {
		return nil, err
	}
	p, err := a.person(ctx, u)
	if err != nil {
		return nil, err
	}
	return answer(p), nil
}

// RemoveUser answers DELETE /api/users/{id}.
func (a *API) RemoveUser(ctx context.Context, in *ByID) (*None, error) {
	id, err := store.ParseID(in.ID)
	if err != nil {
		return nil, err
	}
	return nil, a.auth.RemoveUser(ctx, actor(ctx), id)
}

// UserSessions answers GET /api/users/{id}/sessions.
func (a *API) UserSessions(ctx context.Context, in *ByID) (*Body[[]DeviceSession], error) {
	id, err := store.ParseID(in.ID)
	if err != nil {
		return nil, err
	}
	return a.sessions(ctx, id)
}

// EndUserSessions answers DELETE /api/users/{id}/sessions.
func (a *API) EndUserSessions(ctx context.Context, in *ByID) (*None, error) {
	id, err := store.ParseID(in.ID)
	if err != nil {
		return nil, err
	}
	return nil, a.auth.EndSessions(ctx, actor(ctx), id, "")
}

// Invitation is an account that waits for its person.
type Invitation struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Role    string    `json:"role" enum:"owner,member,viewer"`
	Cameras *[]string `json:"cameras" doc:"null is all"`
	By      string    `json:"by"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
}

func invitation(v auth.Invitation) Invitation {
	return Invitation{v.ID.String(), v.Name, string(v.Role), cameras(v.Sight), v.Inviter, v.Created, v.Expires}
}

// NewInvitation is an invitation with its link, which is shown once.
type NewInvitation struct {
	Invitation
	URL string `json:"url" doc:"Opens the set-up of the account; valid once, for a day"`
}

// Invitations answers GET /api/invitations.
func (a *API) Invitations(ctx context.Context, _ *None) (*Body[[]Invitation], error) {
	all, err := a.auth.Invitations(ctx)
	if err != nil {
		return nil, err
	}
	return answer(list(all, invitation)), nil
}

// InviteRequest describes an account to be.
type InviteRequest struct {
	Body struct {
		Name    string    `json:"name" maxLength:"400"`
		Role    string    `json:"role" enum:"owner,member,viewer"`
		Cameras *[]string `json:"cameras,omitempty" nullable:"true" doc:"The cameras that the person will see; null is all"`
	}
}

// Invite answers POST /api/invitations.
func (a *API) Invite(ctx context.Context, in *InviteRequest) (*Body[NewInvitation], error) {
	s, err := sight(in.Body.Cameras)
	if err != nil {
		return nil, err
	}
	v, text, err := a.auth.Invite(ctx, actor(ctx), in.Body.Name, auth.Role(in.Body.Role), s)
	if err != nil {
		return nil, err
	}
	return answer(NewInvitation{invitation(v), a.cfg.InviteURL(text)}), nil
}

// Uninvite answers DELETE /api/invitations/{id}.
func (a *API) Uninvite(ctx context.Context, in *ByID) (*None, error) {
	id, err := store.ParseID(in.ID)
	if err != nil {
		return nil, err
	}
	return nil, a.auth.Uninvite(ctx, actor(ctx), id)
}

// InviteTokenRequest holds the token of an invitation.
type InviteTokenRequest struct {
	Body struct {
		Token string `json:"token" maxLength:"200"`
	}
}

// Invited is what a token invites to.
type Invited struct {
	Name    string    `json:"name"`
	Role    string    `json:"role" enum:"owner,member,viewer"`
	Expires time.Time `json:"expires"`
}

// Invited answers POST /api/invite.
func (a *API) Invited(ctx context.Context, in *InviteTokenRequest) (*Body[Invited], error) {
	v, err := a.auth.Invited(ctx, in.Body.Token, client(ctx))
	if err != nil {
		return nil, err
	}
	return answer(Invited{v.Name, string(v.Role), v.Expires}), nil
}

// BeginInvitedRequest is the first step of somebody invited.
type BeginInvitedRequest struct {
	Body struct {
		Token    string `json:"token" maxLength:"200"`
		Password string `json:"password" maxLength:"4096"`
	}
}

// BeginInvited answers POST /api/invite/begin: nothing is stored for good yet, and a second call replaces the first.
func (a *API) BeginInvited(ctx context.Context, in *BeginInvitedRequest) (*Body[Enrolment], error) {
	e, err := a.auth.BeginInvited(ctx, in.Body.Token, in.Body.Password, client(ctx))
	if err != nil {
		return nil, err
	}
	return answer(enrolment(e)), nil
}

// FinishInvited answers POST /api/invite/verify: the account exists from now on and is signed in.
func (a *API) FinishInvited(ctx context.Context, in *FinishSetupRequest) (*SignedIn, error) {
	s, err := a.auth.FinishInvited(ctx, in.Body.Token, in.Body.TOTP, client(ctx))
	if err != nil {
		return nil, err
	}
	return a.signedIn(s), nil
}

// Access is what the owners agreed on about themselves.
type Access struct {
	AdminAddresses []string `json:"admin_addresses" nullable:"false" doc:"The networks that the NVR is administered from; none is everywhere"`
	Address        string   `json:"address" doc:"The caller's"`
	Approvals      []string `json:"approvals" nullable:"false" doc:"The acts that need a second owner"`
	Owners         int      `json:"owners" doc:"Those that can sign in"`
}

func (a *API) access(ctx context.Context, r auth.Rules, err error) (*Body[Access], error) {
	if err != nil {
		return nil, err
	}
	shown := Access{
		AdminAddresses: list(r.Admin, netip.Prefix.String), Address: actor(ctx).Addr, Approvals: list(r.Approvals, func(act auth.Act) string { return string(act) }),
	}
	users, err := a.auth.Users(ctx)
	if err != nil {
		return nil, err
	}
	for _, u := range users {
		if u.Role == auth.Owner && !u.Disabled {
			shown.Owners++
		}
	}
	return answer(shown), nil
}

// Access answers GET /api/access.
func (a *API) Access(ctx context.Context, _ *None) (*Body[Access], error) {
	r, err := a.auth.Rules(ctx)
	return a.access(ctx, r, err)
}

// ChangeAccessRequest holds what to change; the rest stays.
type ChangeAccessRequest struct {
	Body struct {
		AdminAddresses *[]string `json:"admin_addresses,omitempty" maxItems:"100" nullable:"true"`
		Approvals      *[]string `json:"approvals,omitempty" maxItems:"10" nullable:"true" doc:"evidence.export, log.purge, vault.open, user.remove"`
		Confirm        bool      `json:"confirm,omitempty" doc:"The caller's own address need not be in the list"`
	}
}

// ChangeAccess answers PUT /api/access.
func (a *API) ChangeAccess(ctx context.Context, in *ChangeAccessRequest) (*Body[Access], error) {
	change := auth.RulesChange{LockOut: in.Body.Confirm}
	if in.Body.AdminAddresses != nil {
		prefixes := []netip.Prefix{}
		for _, text := range *in.Body.AdminAddresses {
			p, err := auth.ParsePrefix(text)
			if err != nil {
				return nil, err
			}
			prefixes = append(prefixes, p)
		}
		change.Admin = &prefixes
	}
	if in.Body.Approvals != nil {
		acts := list(*in.Body.Approvals, func(s string) auth.Act { return auth.Act(s) })
		change.Approvals = &acts
	}
	r, err := a.auth.ChangeRules(ctx, actor(ctx), change)
	return a.access(ctx, r, err)
}

// Approval is a request for the agreement of a second owner.
type Approval struct {
	ID        string    `json:"id"`
	Act       string    `json:"act"`
	Object    string    `json:"object" doc:"What is to be done"`
	By        string    `json:"by"`
	ByID      string    `json:"by_id"`
	Created   time.Time `json:"created"`
	Expires   time.Time `json:"expires"`
	State     string    `json:"state" enum:"pending,approved,refused,used,expired"`
	DecidedBy *string   `json:"decided_by"`
	Mine      bool      `json:"mine"`
}

func approval(ctx context.Context) func(auth.Approval) Approval {
	me := caller.From(ctx).UserID
	return func(v auth.Approval) Approval {
		return Approval{v.ID.String(), string(v.Act), v.About, v.By, v.ByID.String(), v.Created, v.Expires, v.State, orNull(v.DecidedBy), v.ByID == me}
	}
}

// Approvals answers GET /api/approvals.
func (a *API) Approvals(ctx context.Context, _ *None) (*Body[[]Approval], error) {
	all, err := a.auth.Approvals(ctx)
	if err != nil {
		return nil, err
	}
	return answer(list(all, approval(ctx))), nil
}

// DecideRequest answers a request.
type DecideRequest struct {
	ByID
	Body struct {
		Approve bool `json:"approve"`
	}
}

// Decide answers POST /api/approvals/{id}.
func (a *API) Decide(ctx context.Context, in *DecideRequest) (*Body[Approval], error) {
	id, err := store.ParseID(in.ID)
	if err != nil {
		return nil, err
	}
	v, err := a.auth.Decide(ctx, actor(ctx), id, in.Body.Approve)
	if err != nil {
		return nil, err
	}
	return answer(approval(ctx)(v)), nil
}
