package api

import (
	"context"
	"time"

	"cardea/auth"
	"cardea/nvr"
	"cardea/store"
)

// The methods of this file are for the role `console`: a command on the machine itself, which could as well change
// the data directory. They are the only ones that need no session to change people.

// Claim is a way to become the owner.
type Claim struct {
	URL     string    `json:"url" doc:"Opens the first run; valid once"`
	Expires time.Time `json:"expires"`
}

// NewClaim answers POST /api/console/claim.
func (a *API) NewClaim(ctx context.Context, _ *None) (*Body[Claim], error) {
	token, expires, err := a.auth.NewClaim(ctx)
	if err != nil {
		return nil, err
	}
	return answer(Claim{a.cfg.ClaimURL(token), expires}), nil
}

// SetupRequest is a first run without a browser.
type SetupRequest struct {
	Body struct {
		Name      string `json:"name" maxLength:"400"`
		Password  string `json:"password" maxLength:"4096"`
		VaultType string `json:"vault_type" enum:"hybrid,x25519"`
		Recipient string `json:"recipient" maxLength:"8192" doc:"The vault's public key; the identity stays with the command"`
		Wrapped   []byte `json:"wrapped" maxLength:"65536" doc:"The identity wrapped by the vault passphrase"`
	}
}

// ConsoleSetup answers POST /api/console/setup: owner and vault at once.
func (a *API) ConsoleSetup(ctx context.Context, in *SetupRequest) (*Body[Enrolment], error) {
	b := in.Body
	owner, e, err := a.auth.CreateOwner(ctx, b.Name, b.Password)
	if err != nil {
		return nil, err
	}
	as := store.Actor{User: owner.ID, Name: owner.Name, Role: store.RoleOwner}
	if _, err := a.nvr.CreateVault(ctx, as, nvr.NewVault{
		Name: "Home", Type: b.VaultType, Recipient: b.Recipient, Wrapped: b.Wrapped,
	}); err != nil {
		return nil, err
	}
	return answer(enrolment(e)), nil
}

// ResetPasswordRequest gives an account a new password.
type ResetPasswordRequest struct {
	Body struct {
		Name     string `json:"name" maxLength:"400"`
		Password string `json:"password" maxLength:"4096"`
	}
}

// ResetPassword answers POST /api/console/users/reset-password. The sessions of the account end.
func (a *API) ResetPassword(ctx context.Context, in *ResetPasswordRequest) (*None, error) {
	return nil, a.auth.ResetPassword(ctx, in.Body.Name, in.Body.Password)
}

// ResetTOTPRequest names an account.
type ResetTOTPRequest struct {
	Body struct {
		Name string `json:"name" maxLength:"400"`
	}
}

// ResetTOTP answers POST /api/console/users/reset-totp. The sessions of the account end.
func (a *API) ResetTOTP(ctx context.Context, in *ResetTOTPRequest) (*Body[Enrolment], error) {
	e, err := a.auth.ResetTOTP(ctx, in.Body.Name)
	if err != nil {
		return nil, err
	}
	return answer(enrolment(e)), nil
}

// AddUserRequest describes an account that works at once.
type AddUserRequest struct {
	Body struct {
		Name     string    `json:"name" maxLength:"400"`
		Password string    `json:"password" maxLength:"4096"`
		Role     string    `json:"role" enum:"owner,member,viewer"`
		Cameras  *[]string `json:"cameras,omitempty" nullable:"true" doc:"The cameras that the person sees; null is all"`
	}
}

// AddUser answers POST /api/console/users.
func (a *API) AddUser(ctx context.Context, in *AddUserRequest) (*Body[Enrolment], error) {
	s, err := sight(in.Body.Cameras)
	if err != nil {
		return nil, err
	}
	u, e, err := a.auth.Add(ctx, in.Body.Name, in.Body.Password, auth.Role(in.Body.Role))
	if err == nil && !s.All() {
		_, err = a.auth.Change(ctx, actor(ctx), u.ID, auth.UserChange{Sight: &s})
	}
	if err != nil {
		return nil, err
	}
	return answer(enrolment(e)), nil
}

// ConsoleTokenRequest describes a token of somebody.
type ConsoleTokenRequest struct {
	NewTokenRequest
	User string `query:"user" required:"true" maxLength:"26" doc:"Whose"`
}

// ConsoleToken answers POST /api/console/tokens.
func (a *API) ConsoleToken(ctx context.Context, in *ConsoleTokenRequest) (*Body[NewToken], error) {
	id, err := store.ParseID(in.User)
	if err != nil {
		return nil, err
	}
	of := actor(ctx)
	of.User = id
	return a.addToken(ctx, of, &in.NewTokenRequest)
}

// Backup is a sealed copy of the database and the certificate authority.
type Backup struct {
	Path string `json:"path" doc:"Relative to the data directory, or to the clips directory where there is another one"`
}

// BackupNow answers POST /api/console/backup.
func (a *API) BackupNow(ctx context.Context, _ *None) (*Body[Backup], error) {
	path, err := a.nvr.Backup(ctx, actor(ctx))
	if err != nil {
		return nil, err
	}
	return answer(Backup{a.cfg.ClipsPrefix + path}), nil
}
