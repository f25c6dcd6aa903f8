package api

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"time"

	"cardea/auth"
	"cardea/store"
	"cardea/web/caller"
)

// The methods of this file are about the caller's own account.

// PasskeyAnswer is what an authenticator answered.
type PasskeyAnswer struct {
	Ceremony   string          `json:"ceremony" maxLength:"64"`
	Credential json.RawMessage `json:"credential" doc:"PublicKeyCredential.toJSON(), without what the prf extension gave"`
}

func (p *PasskeyAnswer) assertion() *auth.Assertion {
	if p == nil {
		return nil
	}
	return &auth.Assertion{Ceremony: p.Ceremony, Credential: p.Credential}
}

// StepUpRequest is one proof of who sits there.
type StepUpRequest struct {
	Body struct {
		Password string         `json:"password,omitempty" maxLength:"4096"`
		TOTP     string         `json:"totp,omitempty" maxLength:"64" doc:"A code of the app, or a recovery code"`
		Passkey  *PasskeyAnswer `json:"passkey,omitempty"`
	}
}

// Verified is a session whose person has just proved who they are.
type Verified struct {
	User          User      `json:"user"`
	Expires       time.Time `json:"expires"`
	VerifiedUntil time.Time `json:"verified_until" doc:"Sensitive acts go on until then"`
}

// SteppedUp is that session under its new secret.
type SteppedUp struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
	Body      Verified
}

// StepUp answers POST /api/session/step-up.
func (a *API) StepUp(ctx context.Context, in *StepUpRequest) (*SteppedUp, error) {
	proof := auth.Proof{Password: in.Body.Password, Code: in.Body.TOTP, Passkey: in.Body.Passkey.assertion()}
	s, err := a.auth.StepUp(ctx, caller.From(ctx).Token, proof, client(ctx))
	if err != nil {
		return nil, err
	}
	return &SteppedUp{a.renewed(s).SetCookie, Verified{user(s.User), s.Session.Expires, a.auth.FreshUntil(s.Session)}}, nil
}

// renewed is an answer that says nothing and carries the session's new secret.
func (a *API) renewed(s auth.SignedIn) *SignedOut { return &SignedOut{a.signedIn(s).SetCookie} }

// DeviceSession is a signed-in browser.
type DeviceSession struct {
	ID       string    `json:"id"`
	Created  time.Time `json:"created"`
	LastSeen time.Time `json:"last_seen"`
	Expires  time.Time `json:"expires"`
	Addr     string    `json:"addr" doc:"Where the sign-in came from"`
	Agent    string    `json:"agent"`
	Current  bool      `json:"current" doc:"The one that asks"`
}

func (a *API) sessions(ctx context.Context, of store.ID) (*Body[[]DeviceSession], error) {
	all, err := a.auth.Sessions(ctx, of)
	if err != nil {
		return nil, err
	}
	mine := caller.From(ctx).Session.ID
	return answer(list(all, func(s auth.Session) DeviceSession {
		return DeviceSession{s.ID, s.Created, s.LastSeen, s.Expires, s.Addr, s.Agent, s.ID == mine}
	})), nil
}

// Sessions answers GET /api/sessions.
func (a *API) Sessions(ctx context.Context, _ *None) (*Body[[]DeviceSession], error) {
	return a.sessions(ctx, caller.From(ctx).UserID)
}

// EndSession answers DELETE /api/sessions/{id}.
func (a *API) EndSession(ctx context.Context, in *ByID) (*None, error) {
	return nil, a.auth.EndSession(ctx, actor(ctx), caller.From(ctx).UserID, in.ID)
}

// EndOtherSessions answers DELETE /api/sessions.
func (a *API) EndOtherSessions(ctx context.Context, _ *None) (*None, error) {
	who := caller.From(ctx)
	return nil, a.auth.EndSessions(ctx, who.Actor(), who.UserID, who.Token)
}

// PasswordRequest holds a new password.
type PasswordRequest struct {
	Body struct {
		Password string `json:"password" maxLength:"4096"`
	}
}

// ChangePassword answers POST /api/account/password.
func (a *API) ChangePassword(ctx context.Context, in *PasswordRequest) (*SignedOut, error) {
	s, err := a.auth.ChangePassword(ctx, caller.From(ctx).Token, in.Body.Password, client(ctx))
	if err != nil {
		return nil, err
	}
	return a.renewed(s), nil
}

// RecoveryCodes are shown once.
type RecoveryCodes struct {
	RecoveryCodes []string `json:"recovery_codes" nullable:"false"`
}

// NewRecoveryCodes answers POST /api/account/recovery-codes.
func (a *API) NewRecoveryCodes(ctx context.Context, _ *None) (*Body[RecoveryCodes], error) {
	codes, err := a.auth.NewRecoveryCodes(ctx, actor(ctx))
	if err != nil {
		return nil, err
	}
	return answer(RecoveryCodes{codes}), nil
}

// BeginTOTP answers POST /api/account/totp.
func (a *API) BeginTOTP(ctx context.Context, _ *None) (*Body[Enrolment], error) {
	e, err := a.auth.BeginTOTP(ctx, caller.From(ctx).UserID)
	if err != nil {
		return nil, err
	}
	return answer(enrolment(e)), nil
}

// CodeRequest holds a code of an authenticator app.
type CodeRequest struct {
	Body struct {
		TOTP string `json:"totp" maxLength:"64"`
	}
}

// FinishTOTP answers POST /api/account/totp/verify.
func (a *API) FinishTOTP(ctx context.Context, in *CodeRequest) (*SignedOut, error) {
	s, err := a.auth.FinishTOTP(ctx, caller.From(ctx).Token, in.Body.TOTP, client(ctx))
	if err != nil {
		return nil, err
	}
	return a.renewed(s), nil
}

// Token is a key for programs.
type Token struct {
	ID       string     `json:"id"`
	Name     string     `json:"name"`
	User     string     `json:"user"`
	UserName string     `json:"user_name"`
	Scopes   []string   `json:"scopes" nullable:"false"`
	Created  time.Time  `json:"created"`
	Expires  time.Time  `json:"expires"`
	LastUsed *time.Time `json:"last_used" doc:"To the hour"`
}

func token(t auth.Token) Token {
	return Token{
		t.ID.String(), t.Name, t.User.String(), t.UserName, list(t.Scopes, func(s auth.Scope) string { return string(s) }), t.Created, t.Expires, orNull(t.LastUsed),
	}
}

// NewToken is a token with its text, which is shown once.
type NewToken struct {
	Token
	Secret string `json:"token" doc:"Send it as Authorization: Bearer …"`
}

// Tokens answers GET /api/tokens: those of everybody for an owner, else the caller's own.
func (a *API) Tokens(ctx context.Context, _ *None) (*Body[[]Token], error) {
	who := caller.From(ctx)
	of := who.UserID
	if who.Role >= caller.Owner {
		of = store.ID{}
	}
	all, err := a.auth.Tokens(ctx, of)
	if err != nil {
		return nil, err
	}
	return answer(list(all, token)), nil
}

// NewTokenRequest describes a token.
type NewTokenRequest struct {
	Body struct {
		Name   string   `json:"name" maxLength:"400"`
		Scopes []string `json:"scopes" maxItems:"4" nullable:"false" enum:"read,media,control,admin"`
		Days   int      `json:"days" minimum:"1" maximum:"365"`
	}
}

// AddToken answers POST /api/tokens.
func (a *API) AddToken(ctx context.Context, in *NewTokenRequest) (*Body[NewToken], error) {
	return a.addToken(ctx, actor(ctx), in)
}

func (a *API) addToken(ctx context.Context, of store.Actor, in *NewTokenRequest) (*Body[NewToken], error) {
	t, text, err := a.auth.NewToken(ctx, of, in.Body.Name, list(in.Body.Scopes, func(s string) auth.Scope { return auth.Scope(s) }), in.Body.Days)
	if err != nil {
		return nil, err
	}
	return answer(NewToken{token(t), text}), nil
}

// RevokeToken answers DELETE /api/tokens/{id}.
func (a *API) RevokeToken(ctx context.Context, in *ByID) (*None, error) {
	id, err := store.ParseID(in.ID)
	if err != nil {
		return nil, err
	}
	return nil, a.auth.RevokeToken(ctx, actor(ctx), id)
}

// Passkey is a WebAuthn credential.
type Passkey struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Credential string     `json:"credential" doc:"Its id at the authenticator, base64url"`
	PRF        bool       `json:"prf" doc:"It can derive a key for a vault"`
	Personal   []byte     `json:"personal,omitempty" doc:"Base64 of the private half of the personal key, sealed with a key that it derives; see docs/vaults.md"`
	Created    time.Time  `json:"created"`
	LastUsed   *time.Time `json:"last_used"`
}

func passkey(k auth.Passkey) Passkey {
	return Passkey{k.ID.String(), k.Name, base64.RawURLEncoding.EncodeToString(k.Credential), k.PRF, k.Personal, k.Created, orNull(k.LastUsed)}
}

// Passkeys answers GET /api/passkeys.
func (a *API) Passkeys(ctx context.Context, _ *None) (*Body[[]Passkey], error) {
	all, err := a.auth.Passkeys(ctx, caller.From(ctx).UserID)
	if err != nil {
		return nil, err
	}
	return answer(list(all, passkey)), nil
}

// Ceremony is one exchange with an authenticator that has begun.
type Ceremony struct {
	Ceremony string         `json:"ceremony"`
	Options  map[string]any `json:"options" doc:"PublicKeyCredentialCreationOptionsJSON or PublicKeyCredentialRequestOptionsJSON of WebAuthn level 3"`
}

func ceremony(c auth.Ceremony, err error) (*Body[Ceremony], error) {
	if err != nil {
		return nil, err
	}
	shown := Ceremony{Ceremony: c.ID}
	if err := json.Unmarshal(c.Options, &shown.Options); err != nil {
		return nil, err
	}
	return answer(shown), nil
}

// BeginPasskey answers POST /api/passkeys/begin.
func (a *API) BeginPasskey(ctx context.Context, _ *None) (*Body[Ceremony], error) {
	who := caller.From(ctx)
	return ceremony(a.auth.BeginPasskey(ctx, who.UserID, who.Host))
}

// NewPasskeyRequest is the answer of an authenticator that is enrolled.
type NewPasskeyRequest struct {
	Body struct {
		PasskeyAnswer
		Name string `json:"name" maxLength:"400"`
		PRF  bool   `json:"prf,omitempty" doc:"The authenticator can derive keys"`
	}
}

// AddPasskey answers POST /api/passkeys.
func (a *API) AddPasskey(ctx context.Context, in *NewPasskeyRequest) (*Body[Passkey], error) {
	k, err := a.auth.AddPasskey(ctx, actor(ctx), *in.Body.assertion(), in.Body.Name, in.Body.PRF)
	if err != nil {
		return nil, err
	}
	return answer(passkey(k)), nil
}

// RemovePasskey answers DELETE /api/passkeys/{id}.
func (a *API) RemovePasskey(ctx context.Context, in *ByID) (*None, error) {
	id, err := store.ParseID(in.ID)
	if err != nil {
		return nil, err
	}
	return nil, a.auth.RemovePasskey(ctx, actor(ctx), id)
}

// PasskeyKeyRequest lets a passkey open the personal key of whose it is.
type PasskeyKeyRequest struct {
	ByID
	Body struct {
		Sealed []byte `json:"sealed" maxLength:"65536" doc:"Base64 of the private half of the personal key, sealed with a key that the passkey derives"`
	}
}

// PutPasskeyKey answers PUT /api/passkeys/{id}/key.
func (a *API) PutPasskeyKey(ctx context.Context, in *PasskeyKeyRequest) (*None, error) {
	id, err := store.ParseID(in.ID)
	if err != nil {
		return nil, err
	}
	if len(in.Body.Sealed) == 0 {
		return nil, store.Errorf(store.Invalid, "the sealed key is empty")
	}
	return nil, a.nvr.SetPasskeyKey(ctx, actor(ctx), id, in.Body.Sealed)
}

// RemovePasskeyKey answers DELETE /api/passkeys/{id}/key.
func (a *API) RemovePasskeyKey(ctx context.Context, in *ByID) (*None, error) {
	id, err := store.ParseID(in.ID)
	if err != nil {
		return nil, err
	}
	return nil, a.nvr.SetPasskeyKey(ctx, actor(ctx), id, nil)
}

// BeginPasskeySignIn answers POST /api/session/passkey/begin.
func (a *API) BeginPasskeySignIn(ctx context.Context, _ *None) (*Body[Ceremony], error) {
	return ceremony(a.auth.BeginPasskeySignIn(ctx, caller.From(ctx).Host))
}

// SignInPasskeyRequest is the answer of an authenticator to that.
type SignInPasskeyRequest struct{ Body PasskeyAnswer }

// SignInPasskey answers POST /api/session/passkey. An old session of the same browser ends, so that no id outlives a sign-in.
func (a *API) SignInPasskey(ctx context.Context, in *SignInPasskeyRequest) (*SignedIn, error) {
	s, err := a.auth.SignInPasskey(ctx, *in.Body.assertion(), client(ctx))
	if err != nil {
		return nil, err
	}
	if old := caller.From(ctx).Token; old != "" {
		if err := a.auth.SignOut(ctx, old); err != nil {
			return nil, err
		}
	}
	return a.signedIn(s), nil
}
