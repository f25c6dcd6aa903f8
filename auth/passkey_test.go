package auth

import (
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"

	"cardea/auth/softkey"
	"cardea/store"
)

// key is an authenticator in software.
type key struct {
	*softkey.Key
	t *testing.T
}

func newKey(t *testing.T, origin string) *key {
	made, err := softkey.New(origin)
	ok(t, err)
	return &key{made, t}
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// create answers a registration.
func (k *key) create(c Ceremony) json.RawMessage {
	answer, err := k.Create(c.Options)
	ok(k.t, err)
	return answer
}

// get answers a sign-in.
func (k *key) get(c Ceremony) Assertion {
	answer, err := k.Get(c.Options)
	ok(k.t, err)
	return Assertion{c.ID, answer}
}

const passkeyHost = "cardea.local:8443"

// withPasskey is a box whose owner Anna has enrolled one.
func withPasskey(t *testing.T) (*box, SignedIn, *key) {
	b := newBox(t, func(c *Config) { c.Name = "cardea.local" })
	in, err := b.signIn(b.owner(), home)
	ok(t, err)
	k := newKey(t, "https://"+passkeyHost)
	c, err := b.BeginPasskey(t.Context(), in.User.ID, passkeyHost)
	ok(t, err)
	_, err = b.AddPasskey(t.Context(), by(in), Assertion{c.ID, k.create(c)}, "Phone", true)
	ok(t, err)
	return b, in, k
}

func by(in SignedIn) store.Actor {
	return store.Actor{User: in.User.ID, Name: in.User.Name, Role: string(in.User.Role)}
}

func TestPasskey(t *testing.T) {
	t.Parallel()
	b, in, k := withPasskey(t)
	list, err := b.Passkeys(t.Context(), in.User.ID)
	ok(t, err)
	if len(list) != 1 || list[0].Name != "Phone" || !list[0].PRF || string(list[0].Credential) != string(k.ID) {
		t.Fatalf("passkeys %+v", list)
	}
	c, err := b.BeginPasskeySignIn(t.Context(), passkeyHost)
	ok(t, err)
	answer := k.get(c)
	again, err := b.SignInPasskey(t.Context(), answer, home)
	ok(t, err)
	if again.User.ID != in.User.ID || !b.Fresh(again.Session) {
		t.Errorf("signed in %+v", again)
	}
	_, err = b.SignInPasskey(t.Context(), answer, home) // an answer is good once
	want(t, err, Denied)
	b.clock.add(6 * time.Minute)
	if _, s, err := b.Session(t.Context(), again.Token); err != nil || b.Fresh(s) {
		t.Errorf("after six minutes: %v", err)
	}
	c, err = b.BeginPasskeySignIn(t.Context(), passkeyHost)
	ok(t, err)
	assertion := k.get(c)
	up, err := b.StepUp(t.Context(), again.Token, Proof{Passkey: &assertion}, home)
	ok(t, err)
	if up.Token == again.Token || up.Session.ID != again.Session.ID || !b.Fresh(up.Session) {
		t.Errorf("step-up %+v", up)
	}
	_, err = b.ResetTOTP(t.Context(), "Anna") // the phone is lost, and the passkey with it
	ok(t, err)
	want(t, b.RemovePasskey(t.Context(), by(in), list[0].ID), NotFound)
	c, err = b.BeginPasskeySignIn(t.Context(), passkeyHost)
	ok(t, err)
	_, err = b.SignInPasskey(t.Context(), k.get(c), home)
	want(t, err, Denied)
}

func TestPasskeyRefused(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*box, *key, *Assertion){
		"another origin":    func(_ *box, k *key, _ *Assertion) { k.Origin = "https://cardea.local.evil.example" },
		"another port":      func(_ *box, k *key, _ *Assertion) { k.Origin = "https://cardea.local" },
		"person not seen":   func(_ *box, k *key, _ *Assertion) { k.Flags = softkey.Present },
		"counter runs back": func(_ *box, k *key, _ *Assertion) { k.Count = 0 },
		"another key":       func(_ *box, k *key, _ *Assertion) { k.Private = newKey(k.t, "").Private },
		"nobody's":          func(_ *box, k *key, _ *Assertion) { k.User = make([]byte, 16) },
		"a short handle":    func(_ *box, k *key, _ *Assertion) { k.User = k.User[:3] },
		"too late":          func(b *box, _ *key, _ *Assertion) { b.clock.add(6 * time.Minute) },
		"no ceremony":       func(_ *box, _ *key, a *Assertion) { a.Ceremony = "x" },
		"garbage":           func(_ *box, _ *key, a *Assertion) { a.Credential = json.RawMessage(`{"id":"x"}`) },
	} {
		t.Run(name, func(t *testing.T) {
			b, _, k := withPasskey(t)
			k.Count = 10
			c, err := b.BeginPasskeySignIn(t.Context(), passkeyHost)
			ok(t, err)
			_, err = b.SignInPasskey(t.Context(), k.get(c), home) // the counter stands at 11 from here on
			ok(t, err)
			c, err = b.BeginPasskeySignIn(t.Context(), passkeyHost)
			ok(t, err)
			a := Assertion{Ceremony: c.ID}
			spoil(b, k, &a)
			answer := k.get(c)
			if a.Ceremony != c.ID {
				answer.Ceremony = a.Ceremony
			}
			if a.Credential != nil {
				answer.Credential = a.Credential
			}
			_, err = b.SignInPasskey(t.Context(), answer, home)
			want(t, err, Denied)
		})
	}
}

func TestPasskeysNeedTheName(t *testing.T) {
	t.Parallel()
	b, in, _ := withPasskey(t)
	for _, host := range []string{"192.168.1.5:8443", "192.168.1.5", "[fd00::1]:8443", "localhost:8443", "evilcardea.local", ""} {
		if b.PasskeysPossible(host) {
			t.Errorf("possible under %q", host)
		}
		_, err := b.BeginPasskeySignIn(t.Context(), host)
		want(t, err, Conflict)
		_, err = b.BeginPasskey(t.Context(), in.User.ID, host)
		want(t, err, Conflict)
	}
	for _, host := range []string{"cardea.local", "CARDEA.local:8443", "cardea.local.:443"} {
		if !b.PasskeysPossible(host) {
			t.Errorf("impossible under %q", host)
		}
	}
}

// TestCeremoniesAreBounded: whoever begins a million sign-ins costs nobody else memory.
func TestCeremoniesAreBounded(t *testing.T) {
	t.Parallel()
	b := newBox(t, func(c *Config) { c.Name = "cardea.local" })
	for range ceremoniesKept + 100 {
		_, err := b.BeginPasskeySignIn(t.Context(), passkeyHost)
		ok(t, err)
	}
	if len(b.ceremonies) > ceremoniesKept || len(b.ceremonyOrder) > ceremoniesKept {
		t.Errorf("%d ceremonies", len(b.ceremonies))
	}
}
