// Package softkey is a passkey authenticator in software, for tests: one ES256 credential without attestation (WebAuthn level 3, 6.5 and
// 8.7). The program never uses it.
//
// Its noun is the Key. Its fields are there to be spoilt: a test that takes a flag away or sets the counter back has an authenticator that must be
// refused.
package softkey

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
)

// Flags of authenticator data, WebAuthn level 3, 6.1.
const (
	Present  = 1 << 0
	Verified = 1 << 2
	attested = 1 << 6
)

// Key is one credential and the browser that it is in.
type Key struct {
	Private *ecdsa.PrivateKey
	// ID is the credential's, User the handle that it was made for.
	ID, User []byte
	// Count grows with each answer.
	Count uint32
	// Flags of each answer: user present and user verified.
	Flags byte
	// Origin is what the browser says it is at.
	Origin string
}

// New makes a credential in a browser that is at origin.
func New(origin string) (*Key, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	return &Key{Private: private, ID: []byte("credential of a test"), Flags: Present | Verified, Origin: origin}, err
}

// Create answers PublicKeyCredentialCreationOptionsJSON with a RegistrationResponseJSON.
func (k *Key) Create(options []byte) (json.RawMessage, error) {
	var o struct {
		Challenge string
		RP        struct{ ID string }
		User      struct{ ID string }
	}
	if err := json.Unmarshal(options, &o); err != nil {
		return nil, fmt.Errorf("read what the authenticator is asked for: %w", err)
	}
	var err error
	if k.User, err = base64.RawURLEncoding.DecodeString(o.User.ID); err != nil {
		return nil, fmt.Errorf("read the user handle: %w", err)
	}
	point, err := k.Private.PublicKey.Bytes()
	if err != nil {
		return nil, err
	}
	data := k.data(o.RP.ID, k.Flags|attested)
	data = append(data, make([]byte, 16)...) // AAGUID
	data = binary.BigEndian.AppendUint16(data, uint16(len(k.ID)))
	data = append(data, k.ID...)
	// COSE key: {1: 2, 3: -7, -1: 1, -2: x, -3: y} in CBOR.
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
	client, err := k.client("webauthn.create", o.Challenge)
	if err != nil {
		return nil, err
	}
	return k.answer(map[string]any{"clientDataJSON": text(client), "attestationObject": text(object)})
}

// Get answers PublicKeyCredentialRequestOptionsJSON with an AuthenticationResponseJSON.
func (k *Key) Get(options []byte) (json.RawMessage, error) {
	var o struct{ Challenge, RPID string }
	if err := json.Unmarshal(options, &o); err != nil {
		return nil, fmt.Errorf("read what the authenticator is asked for: %w", err)
	}
	data := k.data(o.RPID, k.Flags)
	client, err := k.client("webauthn.get", o.Challenge)
	if err != nil {
		return nil, err
	}
	clientSum := sha256.Sum256(client)
	sum := sha256.Sum256(append(append([]byte{}, data...), clientSum[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, k.Private, sum[:])
	if err != nil {
		return nil, err
	}
	return k.answer(map[string]any{
		"clientDataJSON": text(client), "authenticatorData": text(data), "signature": text(signature), "userHandle": text(k.User),
	})
}

func (k *Key) client(kind, challenge string) ([]byte, error) {
	return json.Marshal(map[string]any{"type": kind, "challenge": challenge, "origin": k.Origin, "crossOrigin": false})
}

func (k *Key) data(rp string, flags byte) []byte {
	k.Count++
	sum := sha256.Sum256([]byte(rp))
	return binary.BigEndian.AppendUint32(append(sum[:], flags), k.Count)
}

func (k *Key) answer(response map[string]any) (json.RawMessage, error) {
	return json.Marshal(map[string]any{
		"id": text(k.ID), "rawId": text(k.ID), "type": "public-key", "response": response, "clientExtensionResults": map[string]any{},
	})
}

func text(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
