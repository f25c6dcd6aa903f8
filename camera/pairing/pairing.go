// Package pairing makes a camera and an NVR know each other, with a short code that a person reads from one and types into
// the other, and keeps it so for years.
//
// Its nouns: Camera, the camera's end, which shows the code, holds the key and remembers its NVR; NVR, the other end, which
// dials, proves that it knows the code and issues the certificate through an Issuer; Device, what the NVR knows of a camera
// afterwards; Code, what a person reads. It owns the ceremony with its messages and states (README.md), the
// rules by which each end recognises the other (Verify…), renewal, and the change of the authority. It never serves
// video, never decides who may pair, and keeps nothing of a ceremony that was not finished.
//
// Three protocols share the camera's port and are told apart by ALPN (RFC 7301): cardea-pair/1 before there is trust,
// cardea-renew/1 to look after it, and none at all for RTSPS. All are TLS 1.3, without session tickets, so that every
// connection is checked anew.
package pairing

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// The protocols on the camera's port, as ALPN has them. RTSPS has no name.
const (
	ProtoPair  = "cardea-pair/1"
	ProtoRenew = "cardea-renew/1"
)

// The clocks of the ceremony.
const (
	// CodeLife is how long a code is good, CodeTries for how many attempts.
	CodeLife  = 10 * time.Minute
	CodeTries = 5
	// Undo is how long a camera keeps a certificate that nobody activates.
	Undo = 60 * time.Second
	// step bounds the wait for one message.
	step = 10 * time.Second
	// expiredFor is how long after its end a leaf can still be renewed. Later a person pairs again.
	expiredFor = 90 * 24 * time.Hour
)

// Issuer is the authority of an NVR; package auth/ca has it. Its methods are safe for concurrent use.
type Issuer interface {
	// NVR is the identifier in certificates; it never changes.
	NVR() string
	// Bundle gives the certificates that cameras have to trust, the one that issues first, and the number of the bundle,
	// which only grows.
	Bundle() (version uint64, roots []*x509.Certificate)
	// Certify issues a leaf in DER for the key of the camera called device. Nothing else goes into it, whatever was asked for.
	Certify(device string, key crypto.PublicKey) (leaf []byte, err error)
	// ClientCertificate is what the NVR shows to a camera that accepts the authorities in info.
	ClientCertificate(info *tls.CertificateRequestInfo) (*tls.Certificate, error)
	// ClientSPKI is the SHA-256 of the NVR's SubjectPublicKeyInfo, which cameras pin.
	ClientSPKI() [32]byte
}

// Device is what an NVR knows of a camera that it paired.
type Device struct {
	// ID stands in the camera's certificate. A camera that is paired again gets another one.
	ID string
	// SPKI is the SHA-256 of the camera's SubjectPublicKeyInfo.
	SPKI [32]byte
	// Leaf is the camera's certificate in DER.
	Leaf []byte
	// Bundle is the number of the bundle of authorities that the camera has.
	Bundle uint64
	// Name and Model are what the camera calls itself.
	Name, Model string
}

// ErrIdentity says that whoever answered is not who it should be. Nothing was sent to it. The sentence is for people.
type ErrIdentity struct{ Reason string }

func (e ErrIdentity) Error() string { return e.Reason }

// The ways in which a ceremony fails that a person can do something about.
var (
	// ErrCode: the code is not the one that the camera shows, or somebody stands in between. Read it again.
	ErrCode = errors.New("the code does not fit: read it again from the camera. If it is right, somebody on this network may be standing in between")
	// ErrSpent: the code was used or has run out; the camera shows a new one.
	ErrSpent = errors.New("this code is no longer good; the camera shows a new one")
	// ErrPaired: the camera belongs to an NVR. Reset it there (cardea camera --reset) if that is not yours any more.
	ErrPaired = errors.New("this camera is paired already; reset it with `cardea camera --reset` before it can be paired anew")
	// ErrBusy: wait and try again.
	ErrBusy = errors.New("the camera has had too many attempts; wait a little and try again")
	// ErrProtocol: it answers, but not as a camera of ours.
	ErrProtocol = errors.New("what answers there is no camera agent of this version")
	// ErrUnknown: the camera does not know this NVR (any more).
	ErrUnknown = errors.New("the camera does not know this NVR; if it was reset, pair it again")
)

// CameraURI and NVRURI are the names in certificates (RFC 5280, section 4.2.1.6, uniformResourceIdentifier).
func CameraURI(nvr, device string) string { return "urn:nvr:" + nvr + ":cam:" + device }

// NVRURI is the name of the NVR itself.
func NVRURI(nvr string) string { return "urn:nvr:" + nvr + ":nvr" }

// SPKI is the SHA-256 of a certificate's SubjectPublicKeyInfo.
func SPKI(c *x509.Certificate) [32]byte { return sha256.Sum256(c.RawSubjectPublicKeyInfo) }

// VerifyCamera checks what a camera presents against what the NVR knows of it. renewing admits a leaf that has run out, for a
// while. It MUST be called on every connection (tls.Config.VerifyConnection).
func VerifyCamera(state tls.ConnectionState, issuer Issuer, d Device, now time.Time, renewing bool) error {
	_, roots := issuer.Bundle()
	if renewing {
		now = clamp(state, now, expiredFor)
	}
	return verify(state, roots, d.SPKI, CameraURI(issuer.NVR(), d.ID), x509.ExtKeyUsageServerAuth, now)
}

// clamp moves now into the life of the presented leaf, but not by more than grace past its end.
func clamp(state tls.ConnectionState, now time.Time, grace time.Duration) time.Time {
	if len(state.PeerCertificates) == 0 {
		return now
	}
	switch leaf := state.PeerCertificates[0]; {
	case now.Before(leaf.NotBefore):
		return leaf.NotBefore
	case now.After(leaf.NotAfter) && now.Sub(leaf.NotAfter) < grace:
		return leaf.NotAfter
	}
	return now
}

// verify holds for both ends: TLS 1.3, one leaf of a P-256 key, the pinned key, signed by one of roots directly, for usage,
// with exactly the name, in its time.
func verify(state tls.ConnectionState, roots []*x509.Certificate, pin [32]byte, name string, usage x509.ExtKeyUsage, now time.Time) error {
	if state.Version != tls.VersionTLS13 {
		return ErrIdentity{"The connection is not TLS 1.3."}
	}
	if len(state.PeerCertificates) != 1 {
		return ErrIdentity{fmt.Sprintf("It shows %d certificates in place of one.", len(state.PeerCertificates))}
	}
	leaf := state.PeerCertificates[0]
	if SPKI(leaf) != pin {
		return ErrIdentity{"Another device answers: its key is not the one that was paired."}
	}
	if len(leaf.URIs) != 1 || leaf.URIs[0].String() != name {
		return ErrIdentity{"It shows the certificate of another device."}
	}
	key, ok := leaf.PublicKey.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() || leaf.IsCA || len(leaf.ExtKeyUsage) == 0 || leaf.SerialNumber.BitLen() > 20*8 { // RFC 5280, 4.1.2.2
		return ErrIdentity{"Its certificate is not one that this NVR issues."}
	}
	pool := x509.NewCertPool()
	for _, r := range roots {
		pool.AddCert(r)
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{usage}})
	var invalid x509.CertificateInvalidError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && now.Before(leaf.NotBefore):
		return ErrIdentity{"Its certificate is not valid yet."}
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return ErrIdentity{"Its certificate has run out on " + leaf.NotAfter.Format(time.DateOnly) + "."}
	}
	return ErrIdentity{"Its certificate is not from this NVR."}
}

// RenewAt is when a leaf is to be replaced: after two thirds of its life, a day earlier or later, so that not all cameras
// come at once. spread is in [0, 1).
func RenewAt(leaf *x509.Certificate, spread float64) time.Time {
	life := leaf.NotAfter.Sub(leaf.NotBefore)
	return leaf.NotBefore.Add(life*2/3 + time.Duration((spread-0.5)*float64(life/15)))
}
