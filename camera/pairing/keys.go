package pairing

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
)

// Keys is where the private key of a camera comes from: FileKeys, or a TPM (package agent).
type Keys interface {
	// New makes a P-256 key. stored is what Open needs; it is kept in the camera's directory with mode 0600.
	New() (key crypto.Signer, stored []byte, err error)
	// Open gives the key back.
	Open(stored []byte) (crypto.Signer, error)
}

// FileKeys keeps the key itself in the camera's directory.
type FileKeys struct{}

// New makes a key.
func (FileKeys) New() (crypto.Signer, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	stored, err := x509.MarshalPKCS8PrivateKey(key)
	return key, stored, err
}

// Open reads a key in PKCS #8.
func (FileKeys) Open(stored []byte) (crypto.Signer, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(stored)
	if err != nil {
		return nil, err
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, errors.New("the key is not one of P-256")
	}
	return key, nil
}
