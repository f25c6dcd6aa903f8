package api

import (
	"context"
	"net/http"
	"time"

	"cardea/auth"
	"cardea/web/caller"
)

// SessionCookie carries the session. Its prefix binds it to this very host, to HTTPS and to the path /
// (RFC 6265bis, section 4.1.3.2).
const SessionCookie = "__Host-session"

// Setup is the state of the first run.
type Setup struct {
	Claimed bool   `json:"claimed" doc:"An owner exists"`
	LAN     bool   `json:"lan" doc:"The caller is on the local network, where a claim is possible"`
	Name    string `json:"name" doc:"The stable host name of this NVR"`
	// Passkeys is about the name that the browser opened.
	Passkeys bool `json:"passkeys" doc:"A passkey can be used under this name"`
}

// SetupState answers GET /api/setup.
func (a *API) SetupState(ctx context.Context, _ *None) (*Body[Setup], error) {
	claimed, err := a.auth.Claimed(ctx)
	if err != nil {
		return nil, err
	}
	who := caller.From(ctx)
	return answer(Setup{claimed, who.Role == caller.Console || a.auth.OnLAN(who.Home()), a.cfg.Name, a.auth.PasskeysPossible(who.Host)}), nil
}

// Enrolment is shown once.
type Enrolment struct {
	TOTPURI       string   `json:"totp_uri" doc:"otpauth URI: SHA-1, 6 digits, 30 s"`
	TOTPSecret    string   `json:"totp_secret" doc:"Its secret in base32, for typing"`
	RecoveryCodes []string `json:"recovery_codes" nullable:"false" doc:"Each is good once in place of a code"`
}

func enrolment(e auth.Enrolment) Enrolment {
	return Enrolment{e.TOTPURI, e.TOTPSecret, words(e.RecoveryCodes)}
}

// BeginSetupRequest is the first step of the claim.
type BeginSetupRequest struct {
	Body struct {
		Token    string `json:"token" maxLength:"200" doc:"The one-time token that the console printed"`
		Name     string `json:"name" maxLength:"400"`
		Password string `json:"password" maxLength:"4096"`
	}
}

// BeginSetup answers POST /api/setup: nothing is stored for good yet, and a second call replaces the first.
func (a *API) BeginSetup(ctx context.Context, in *BeginSetupRequest) (*Body[Enrolment], error) {
	e, err := a.auth.Setup(ctx, auth.SetupRequest{Token: in.Body.Token, Name: in.Body.Name, Password: in.Body.Password}, caller.From(ctx).Home())
	if err != nil {
		return nil, err
	}
	return answer(enrolment(e)), nil
}

// FinishSetupRequest is the second step of the claim.
type FinishSetupRequest struct {
	Body struct {
		Token string `json:"token" maxLength:"200"`
		TOTP  string `json:"totp" maxLength:"64" doc:"The code that the app shows now"`
	}
}

// User is an account.
type User struct {
	ID       string     `json:"id"`
	Name     string     `json:"name"`
	Role     string     `json:"role" enum:"owner,member,viewer"`
	Disabled bool       `json:"disabled,omitempty"`
	Created  *time.Time `json:"created,omitempty"`
}

func user(u auth.User) User {
	return User{u.ID.String(), u.Name, string(u.Role), u.Disabled, orNull(u.Created)}
}

// Session is who is signed in.
type Session struct {
	User             User      `json:"user"`
	Expires          time.Time `json:"expires"`
	RecoveryCodeUsed bool      `json:"recovery_code_used,omitempty"`
	RecoveryLeft     *int      `json:"recovery_codes_left,omitempty"`
}

// SignedIn is an answer that starts a session.
type SignedIn struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
	Body      Session
}

func (a *API) signedIn(in auth.SignedIn) *SignedIn {
	return &SignedIn{
		SetCookie: cookie(in.Token, in.Session.Expires, int(in.Session.Expires.Sub(a.cfg.Now()).Seconds())),
		Body: Session{
			User: user(in.User), Expires: in.Session.Expires, RecoveryCodeUsed: in.RecoveryUsed, RecoveryLeft: &in.RecoveryLeft,
		},
	}
}

func cookie(token string, expires time.Time, maxAge int) http.Cookie {
	return http.Cookie{
		Name: SessionCookie, Value: token, Path: "/", Expires: expires.UTC(), MaxAge: maxAge,
		Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	}
}

// FinishSetup answers POST /api/setup/verify: the owner exists from now on and is signed in.
func (a *API) FinishSetup(ctx context.Context, in *FinishSetupRequest) (*SignedIn, error) {
	s, err := a.auth.Verify(ctx, in.Body.Token, in.Body.TOTP, client(ctx))
	if err != nil {
		return nil, err
	}
	return a.signedIn(s), nil
}

func client(ctx context.Context) auth.Client {
	who := caller.From(ctx)
	return auth.Client{Addr: who.Addr, Agent: who.Agent}
}

// SignInRequest is what a person types.
type SignInRequest struct {
	Body struct {
		Name     string `json:"name" maxLength:"400"`
		Password string `json:"password" maxLength:"4096"`
		TOTP     string `json:"totp,omitempty" maxLength:"64" doc:"A code of the app, or a recovery code"`
		// Passkey answers a ceremony of POST /api/session/begin.
		Passkey *PasskeyAnswer `json:"passkey,omitempty" doc:"In place of a code: the answer to /api/session/begin"`
	}
}

// SignIn answers POST /api/session. An old session of the same browser ends, so that no id outlives a sign-in.
func (a *API) SignIn(ctx context.Context, in *SignInRequest) (*SignedIn, error) {
	claimed, err := a.auth.Claimed(ctx)
	if err != nil {
		return nil, err
	}
	if !claimed {
		return nil, &auth.Error{Code: auth.Conflict, Message: "This NVR has no owner yet. Open the claim link that it printed when it started; `cardea claim` prints a new one."}
	}
	s, err := a.auth.SignIn(ctx, auth.Credentials{
		Name: in.Body.Name, Password: in.Body.Password, Code: in.Body.TOTP, Passkey: in.Body.Passkey.assertion(),
	}, client(ctx))
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

// FirstFactor is what a person types whose second factor is a passkey.
type FirstFactor struct {
	Body struct {
		Name     string `json:"name" maxLength:"400"`
		Password string `json:"password" maxLength:"4096"`
	}
}

// BeginSecondFactor answers POST /api/session/begin.
func (a *API) BeginSecondFactor(ctx context.Context, in *FirstFactor) (*Body[Ceremony], error) {
	return ceremony(a.auth.BeginSecondFactor(ctx, auth.Credentials{Name: in.Body.Name, Password: in.Body.Password}, caller.From(ctx).Host, client(ctx)))
}

// WhoAmI is the session with what the app needs first.
type WhoAmI struct {
	User    User      `json:"user"`
	Expires time.Time `json:"expires"`
	Vaults  []Vault   `json:"vaults" nullable:"false"`
	// Cameras and the others say what the app may offer.
	Cameras          *[]string  `json:"cameras" doc:"The cameras that the caller sees; null is all"`
	VerifiedUntil    *time.Time `json:"verified_until" doc:"Sensitive acts go on until then without another proof; null for a token"`
	PasskeysPossible bool       `json:"passkeys_possible" doc:"false where the NVR was opened by its address"`
}

// Session answers GET /api/session.
func (a *API) Session(ctx context.Context, _ *None) (*Body[WhoAmI], error) {
	who := caller.From(ctx)
	vaults, err := a.vaults(ctx)
	if err != nil {
		return nil, err
	}
	me := WhoAmI{
		User: User{ID: who.UserID.String(), Name: who.Name, Role: who.Role.String()}, Expires: who.Expires, Vaults: vaults, Cameras: cameras(who.Sight),
		PasskeysPossible: a.auth.PasskeysPossible(who.Host),
	}
	if who.Session.ID != "" {
		me.VerifiedUntil = orNull(a.auth.FreshUntil(who.Session))
	}
	return answer(me), nil
}

// SignedOut is an answer that takes the cookie away.
type SignedOut struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
}

// SignOut answers DELETE /api/session.
func (a *API) SignOut(ctx context.Context, _ *None) (*SignedOut, error) {
	if err := a.auth.SignOut(ctx, caller.From(ctx).Token); err != nil {
		return nil, err
	}
	return &SignedOut{cookie("", time.Unix(0, 0), -1)}, nil
}
