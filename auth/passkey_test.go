package auth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"testing"
	"time"

	"cardea/store"
)

// key is an authenticator in software: ES256, one credential, no attestation (WebAuthn level 3, 6.5 and 8.7).
type key struct {
	t       *testing.T
	private *ecdsa.PrivateKey
	id      []byte
	user    []byte
	count   uint32
	// flags are user present and user verified unless a test takes one away.
	flags byte
	// origin is what the browser says it is at.
	origin string
}

const (
	present  = 1 << 0
	verified = 1 << 2
	attested = 1 << 6
)

func newKey(t *testing.T, origin string) *key {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ok(t, err)
	return &key{t: t, private: private, id: []byte("credential of a test"), flags: present | verified, origin: origin}
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (k *key) client(kind, challenge string) []byte {
	b, err := json.Marshal(map[string]any{"type": kind, "challenge": challenge, "origin": k.origin, "crossOrigin": false})
	ok(k.t, err)
	return b
}

func (k *key) data(rp string, flags byte) []byte {
	k.count++
	sum := sha256.Sum256([]byte(rp))
	return binary.BigEndian.AppendUint32(append(sum[:], flags), k.count)
}

// create answers a registration.
func (k *key) create(c Ceremony) json.RawMessage {
	var o struct {
		Challenge string
		RP        struct{ ID string }
		User      struct{ ID string }
	}
	ok(k.t, json.Unmarshal(c.Options, &o))
	var err error
	k.user, err = base64.RawURLEncoding.DecodeString(o.User.ID)
	ok(k.t, err)
	data := k.data(o.RP.ID, k.flags|attested)
	data = append(data, make([]byte, 16)...) // AAGUID
	data = binary.BigEndian.AppendUint16(data, uint16(len(k.id)))
	data = append(data, k.id...)
	// COSE key: {1: 2, 3: -7, -1: 1, -2: x, -3: y} in CBOR.
	point, err := k.private.PublicKey.Bytes()
	ok(k.t, err)
	data = append(data, 0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20)
	data = append(append(data, point[1:33]...), 0x22, 0x58, 0x20)
	data = append(data, point[33:]...)
	// {"fmt": "none", "attStmt": {}, "authData": data}
	object := append([]byte{0xa3, 0x63}, "fmt"...)
	object = append(append(object, 0x64), "none"...)
	object = append(append(object, 0x67), "attStmt"...)
	object = append(append(object, 0xa0, 0x68), "authData"...)
	object = append(object, 0x58, byte(len(data)))
	object = append(object, data...)
	return k.json(map[string]any{"clientDataJSON": b64(k.client("webauthn.create", o.Challenge)), "attestationObject": b64(object)})
}

// get answers a sign-in.
func (k *key) get(c Ceremony) Assertion {
	var o struct{ Challenge, RPID string }
	ok(k.t, json.Unmarshal(c.Options, &o))
	data, client := k.data(o.RPID, k.flags), k.client("webauthn.get", o.Challenge)
	clientSum := sha256.Sum256(client)
	sum := sha256.Sum256(append(append([]byte{}, data...), clientSum[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, k.private, sum[:])
	ok(k.t, err)
	return Assertion{c.ID, k.json(map[string]any{
		"clientDataJSON": b64(client), "authenticatorData": b64(data), "signature": b64(signature), "userHandle": b64(k.user),
	})}
}

func (k *key) json(response map[string]any) json.RawMessage {
	b, err := json.Marshal(map[string]any{"id": b64(k.id), "rawId": b64(k.id), "type": "public-key", "response": response, "clientExtensionResults": map[string]any{}})
	ok(k.t, err)
	return b
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
	b, in, k := withPasskey(t)
	list, err := b.Passkeys(t.Context(), in.User.ID)
	ok(t, err)
	if len(list) != 1 || list[0].Name != "Phone" || !list[0].PRF || string(list[0].Credential) != string(k.id) {
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
	for name, spoil := range map[string]func(*box, *key, *Assertion){
		"another origin":    func(_ *box, k *key, _ *Assertion) { k.origin = "https://cardea.local.evil.example" },
		"another port":      func(_ *box, k *key, _ *Assertion) { k.origin = "https://cardea.local" },
		"person not seen":   func(_ *box, k *key, _ *Assertion) { k.flags = present },
		"counter runs back": func(_ *box, k *key, _ *Assertion) { k.count = 0 },
		"another key":       func(_ *box, k *key, _ *Assertion) { k.private = newKey(k.t, "").private },
		"nobody's":          func(_ *box, k *key, _ *Assertion) { k.user = make([]byte, 16) },
		"a short handle":    func(_ *box, k *key, _ *Assertion) { k.user = k.user[:3] },
		"too late":          func(b *box, _ *key, _ *Assertion) { b.clock.add(6 * time.Minute) },
		"no ceremony":       func(_ *box, _ *key, a *Assertion) { a.Ceremony = "x" },
		"garbage":           func(_ *box, _ *key, a *Assertion) { a.Credential = json.RawMessage(`{"id":"x"}`) },
	} {
		t.Run(name, func(t *testing.T) {
			b, _, k := withPasskey(t)
			k.count = 10
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
	b := newBox(t, func(c *Config) { c.Name = "cardea.local" })
	for range ceremoniesKept + 100 {
		_, err := b.BeginPasskeySignIn(t.Context(), passkeyHost)
		ok(t, err)
	}
	if len(b.ceremonies) > ceremoniesKept || len(b.ceremonyOrder) > ceremoniesKept {
		t.Errorf("%d ceremonies", len(b.ceremonies))
	}
}
