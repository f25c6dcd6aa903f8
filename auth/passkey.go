package auth

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"cardea/store"
)

const (
	// ceremonyValid is how long a person may take in front of the authenticator.
	ceremonyValid = 5 * time.Minute
	// ceremoniesKept bounds those under way; anybody may begin one.
	ceremoniesKept = 4096
	// passkeysKept bounds the credentials of one person.
	passkeysKept = 20
)

// Passkey is a WebAuthn credential.
type Passkey struct {
	ID         store.ID
	Name       string
	Credential []byte // its id at the authenticator
	// PRF is true where it can derive a key for a vault; what it derives never comes here.
	PRF bool
	// Personal is the private half of the person's personal key, sealed with a key that it derives; nil where it cannot open that.
	Personal []byte
	Created  time.Time
	LastUsed time.Time // zero = never
}

// Ceremony is one exchange with an authenticator that has begun.
type Ceremony struct {
	// ID comes back with the answer; it is good once.
	ID string
	// Options are for navigator.credentials: PublicKeyCredentialCreationOptionsJSON or PublicKeyCredentialRequestOptionsJSON of WebAuthn.
	Options json.RawMessage
}

// Assertion is the answer to a ceremony of BeginPasskeySignIn.
type Assertion struct {
	Ceremony string
	// Credential is what navigator.credentials.get gave, as its toJSON writes it.
	Credential json.RawMessage
}

// ceremony is what has to be remembered of one.
type ceremony struct {
	data webauthn.SessionData
	user store.ID // zero for a sign-in without a name
	// second is true where it is the second factor of user, false where user enrols an authenticator.
	second bool
	host   string
	until  time.Time
}

// holder is a person as the library wants to see them.
type holder struct {
	row  store.User
	keys []store.Passkey
	all  []webauthn.Credential
}

func (h holder) WebAuthnID() []byte                         { return h.row.ID[:] }
func (h holder) WebAuthnName() string                       { return h.row.Name }
func (h holder) WebAuthnDisplayName() string                { return h.row.Name }
func (h holder) WebAuthnCredentials() []webauthn.Credential { return h.all }

func (p *People) holder(ctx context.Context, row store.User) (h holder, err error) {
	h.row = row
	if h.keys, err = p.cfg.DB.Passkeys(ctx, row.ID); err != nil {
		return h, fmt.Errorf("read passkeys: %w", err)
	}
	for _, k := range h.keys {
		var c webauthn.Credential
		if err := json.Unmarshal(k.Record, &c); err != nil {
			return h, fmt.Errorf("read passkey %s: %w", k.ID, err)
		}
		h.all = append(h.all, c)
	}
	return h, nil
}

// PasskeysPossible reports whether a browser that opened the box as host (with or without a port) can use passkeys. WebAuthn binds
// them to a name and refuses IP addresses.
func (p *People) PasskeysPossible(host string) bool { return p.relyingParty(host) != "" }

// relyingParty is the RP ID for a host, empty where there is none: the stable name, for itself and for what ends in it.
func (p *People) relyingParty(hostport string) string {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil || p.cfg.Name == "" {
		return ""
	}
	if name := strings.ToLower(p.cfg.Name); host == name || strings.HasSuffix(host, "."+name) {
		return name
	}
	return ""
}

// library is go-webauthn for the host that the browser opened; the origin in an answer has to be this very one.
func (p *People) library(host string) (*webauthn.WebAuthn, error) {
	id := p.relyingParty(host)
	if id == "" {
		return nil, refuse(Conflict, "Passkeys work under the name of this box only, not under an address. Open https://%s and try again; a code of your app works here.", p.cfg.Name)
	}
	w, err := webauthn.New(&webauthn.Config{
		RPID: id, RPDisplayName: p.cfg.Issuer, RPOrigins: []string{"https://" + strings.ToLower(host)},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, RequireResidentKey: protocol.ResidentKeyRequired(),
			UserVerification: protocol.VerificationRequired,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("set up passkeys for %q: %w", host, err)
	}
	return w, nil
}

// Passkeys lists those of a user.
func (p *People) Passkeys(ctx context.Context, user store.ID) ([]Passkey, error) {
	rows, err := p.cfg.DB.Passkeys(ctx, user)
	if err != nil {
		return nil, fmt.Errorf("list passkeys: %w", err)
	}
	all := make([]Passkey, 0, len(rows))
	for _, row := range rows {
		all = append(all, passkey(row))
	}
	return all, nil
}

// BeginPasskey begins to enrol an authenticator of a user. host is the Host header of the request.
func (p *People) BeginPasskey(ctx context.Context, user store.ID, host string) (Ceremony, error) {
	w, err := p.library(host)
	if err != nil {
		return Ceremony{}, err
	}
	row, err := p.byID(ctx, user)
	if err != nil {
		return Ceremony{}, err
	}
	h, err := p.holder(ctx, row)
	if err != nil {
		return Ceremony{}, err
	}
	if len(h.keys) >= passkeysKept {
		return Ceremony{}, refuse(Conflict, "There are %d passkeys already; remove one first.", passkeysKept)
	}
	options, data, err := w.BeginRegistration(h, webauthn.WithExclusions(webauthn.Credentials(h.all).CredentialDescriptors()))
	if err != nil {
		return Ceremony{}, fmt.Errorf("begin to enrol a passkey: %w", err)
	}
	return p.begun(options.Response, ceremony{data: *data, user: user, host: host})
}

// AddPasskey ends what BeginPasskey began. name is what the person calls the device. Invalid where the answer does not fit.
func (p *People) AddPasskey(ctx context.Context, actor store.Actor, answer Assertion, name string, prf bool) (Passkey, error) {
	name, err := checkLabel(name)
	if err != nil {
		return Passkey{}, err
	}
	c, err := p.finish(answer.Ceremony, actor.User, false)
	if err != nil {
		return Passkey{}, err
	}
	w, err := p.library(c.host)
	if err != nil {
		return Passkey{}, err
	}
	row, err := p.byID(ctx, actor.User)
	if err != nil {
		return Passkey{}, err
	}
	h, err := p.holder(ctx, row)
	if err != nil {
		return Passkey{}, err
	}
	made, err := p.attested(w, h, c, answer.Credential)
	if err != nil {
		p.cfg.Log.InfoContext(ctx, "passkey refused", "user", row.Name, "error", err)
		return Passkey{}, refuse(Invalid, "The authenticator's answer does not fit. Try again, and let it ask for your finger, face or PIN.")
	}
	record, err := json.Marshal(made)
	if err != nil {
		return Passkey{}, fmt.Errorf("encode the passkey: %w", err)
	}
	if err := p.note(ctx, store.Access{Action: "passkey.add", Actor: actor, Object: name}); err != nil {
		return Passkey{}, err
	}
	stored, err := p.cfg.DB.AddPasskey(ctx, store.Passkey{User: actor.User, Credential: made.ID, Record: record, Name: name, PRF: prf, Created: p.cfg.Now()})
	switch {
	case hasCode(err, store.Conflict):
		return Passkey{}, refuse(Conflict, "This passkey is known already.")
	case err != nil:
		return Passkey{}, fmt.Errorf("store the passkey: %w", err)
	}
	return passkey(stored), nil
}

func (p *People) attested(w *webauthn.WebAuthn, h holder, c ceremony, answer []byte) (*webauthn.Credential, error) {
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return nil, err
	}
	return w.CreateCredential(h, c.data, parsed)
}

// RemovePasskey forgets a passkey of actor's, and takes back what it opened. NotFound.
func (p *People) RemovePasskey(ctx context.Context, actor store.Actor, id store.ID) error {
	if err := p.note(ctx, store.Access{Action: "passkey.remove", Actor: actor, Object: id.String()}); err != nil {
		return err
	}
	switch err := p.cfg.DB.DeletePasskey(ctx, actor.User, id); {
	case hasCode(err, store.NotFound):
		return refuse(NotFound, "There is no such passkey.")
	case err != nil:
		return fmt.Errorf("delete the passkey: %w", err)
	}
	return nil
}

// BeginPasskeySignIn begins a sign-in, or a step-up, with a passkey. It tells nothing about who has one.
func (p *People) BeginPasskeySignIn(_ context.Context, host string) (Ceremony, error) {
	w, err := p.library(host)
	if err != nil {
		return Ceremony{}, err
	}
	options, data, err := w.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return Ceremony{}, fmt.Errorf("begin a sign-in with a passkey: %w", err)
	}
	return p.begun(options.Response, ceremony{data: *data, host: host})
}

// SignInPasskey begins a session for whose passkey it is. The authenticator has verified its person, so it stands for both factors.
func (p *People) SignInPasskey(ctx context.Context, a Assertion, from Client) (SignedIn, error) {
	try, err := p.limit.begin(ctx, p.byAddress(from.Addr))
	if err != nil {
		return SignedIn{}, err
	}
	user, err := p.checkPasskey(ctx, a, from)
	if err != nil {
		var e *Error
		if asError(err, &e) && e.Code == Denied {
			if err := try.fail(ctx); err != nil {
				return SignedIn{}, err
			}
			if err := p.noteSignIn(ctx, store.User{}, from, true, "passkey"); err != nil {
				return SignedIn{}, err
			}
			return SignedIn{}, err
		}
		try.drop()
		return SignedIn{}, err
	}
	try.drop()
	in, err := p.admit(ctx, user, from, "passkey")
	if err != nil {
		return SignedIn{}, err
	}
	p.cfg.Log.InfoContext(ctx, "signed in", "user", user.Name, "addr", from.Addr, "passkey", true)
	return in, nil
}

// admit records the sign-in of somebody whose passkey was right, and begins the session.
func (p *People) admit(ctx context.Context, user store.User, from Client, how string) (SignedIn, error) {
	if err := p.noteSignIn(ctx, user, from, false, how); err != nil {
		return SignedIn{}, err
	}
	in, err := p.again(ctx, user, from)
	if err != nil {
		return SignedIn{}, err
	}
	if in.RecoveryLeft, err = p.cfg.DB.RecoveryLeft(ctx, user.ID); err != nil {
		return SignedIn{}, fmt.Errorf("count recovery codes: %w", err)
	}
	return in, nil
}

// checkPasskey says who answered a ceremony. Denied where nobody of ours did.
func (p *People) checkPasskey(ctx context.Context, a Assertion, _ Client) (store.User, error) {
	denied := errPasskey()
	c, err := p.finish(a.Ceremony, store.ID{}, false)
	if err != nil {
		return store.User{}, err
	}
	w, err := p.library(c.host)
	if err != nil {
		return store.User{}, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(a.Credential)
	if err != nil {
		return store.User{}, denied
	}
	var who holder
	var fault error // of the box, not of the passkey
	_, credential, err := w.ValidatePasskeyLogin(func(_, handle []byte) (webauthn.User, error) {
		var id store.ID
		if copy(id[:], handle) != len(id) || len(handle) != len(id) {
			return nil, denied
		}
		row, err := p.cfg.DB.User(ctx, id)
		if err != nil || row.Disabled {
			if err != nil && !hasCode(err, store.NotFound) {
				fault = err
			}
			return nil, denied
		}
		who, fault = p.holder(ctx, row)
		return who, fault
	}, c.data, parsed)
	if fault != nil {
		return store.User{}, fmt.Errorf("read the account: %w", fault)
	}
	if err != nil {
		p.cfg.Log.InfoContext(ctx, "passkey refused", "error", err)
		return store.User{}, denied
	}
	if err := p.usePasskey(ctx, who, credential); err != nil {
		return store.User{}, err
	}
	return who.row, nil
}

// begun remembers a ceremony until it is answered or runs out.
func (p *People) begun(options any, c ceremony) (Ceremony, error) {
	text, err := json.Marshal(options)
	if err != nil {
		return Ceremony{}, fmt.Errorf("encode the ceremony: %w", err)
	}
	b, err := p.random(claimBytes)
	if err != nil {
		return Ceremony{}, err
	}
	id := strings.ToLower(plain32.EncodeToString(b))
	p.enrolMu.Lock()
	defer p.enrolMu.Unlock()
	now := p.cfg.Now()
	for len(p.ceremonyOrder) > 0 {
		oldest := p.ceremonyOrder[0]
		if kept, ok := p.ceremonies[oldest]; ok && now.Before(kept.until) && len(p.ceremonyOrder) < ceremoniesKept {
			break
		}
		delete(p.ceremonies, oldest)
		p.ceremonyOrder = p.ceremonyOrder[1:]
	}
	c.until = now.Add(ceremonyValid)
	p.ceremonies[id] = c
	p.ceremonyOrder = append(p.ceremonyOrder, id)
	return Ceremony{ID: id, Options: text}, nil
}

// finish takes a ceremony out, so that it is answered once. user and second are what it was begun with.
func (p *People) finish(id string, user store.ID, second bool) (ceremony, error) {
	p.enrolMu.Lock()
	defer p.enrolMu.Unlock()
	c, ok := p.ceremonies[id]
	delete(p.ceremonies, id)
	if !ok || c.user != user || c.second != second || !p.cfg.Now().Before(c.until) {
		return ceremony{}, refuse(Denied, "This took too long, or was answered already. Try again.")
	}
	return c, nil
}

func passkey(row store.Passkey) Passkey {
	return Passkey{row.ID, row.Name, row.Credential, row.PRF, row.Personal, row.Created, row.LastUsed}
}
