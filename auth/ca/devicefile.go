package ca

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
)

// storedDevice is the device authority at rest. Keys are PKCS #8, certificates DER, both in base64.
type storedDevice struct {
	Format   int              `json:"format"` // 1
	NVR      string           `json:"nvr"`
	Client   []byte           `json:"client_key"`
	Version  uint64           `json:"bundle"`
	Issuing  *storedAuthority `json:"issuing"`
	Next     *storedAuthority `json:"next,omitempty"`
	Previous *storedAuthority `json:"previous,omitempty"`
}

type storedAuthority struct {
	Key         []byte `json:"key"`
	Certificate []byte `json:"certificate"`
}

// write stores the authority.
func (d *Device) write() error {
	out := storedDevice{Format: 1, NVR: d.nvr, Version: d.version}
	var err error
	if out.Client, err = x509.MarshalPKCS8PrivateKey(d.client); err != nil {
		return err
	}
	for _, a := range []struct {
		from *authorityKey
		to   **storedAuthority
	}{{d.issuing, &out.Issuing}, {d.next, &out.Next}, {d.previous, &out.Previous}} {
		if a.from == nil {
			continue
		}
		key, err := x509.MarshalPKCS8PrivateKey(a.from.key)
		if err != nil {
			return err
		}
		*a.to = &storedAuthority{Key: key, Certificate: a.from.cert.Raw}
	}
	data, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(d.path, append(data, '\n'))
}

// parse reads what write wrote and checks that it belongs together.
func (d *Device) parse(data []byte) error {
	var in storedDevice
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return err
	}
	switch {
	case in.Format != 1:
		return fmt.Errorf("it has format %d", in.Format)
	case !deviceName.MatchString(in.NVR) || in.Version == 0 || in.Issuing == nil || in.Next != nil && in.Previous != nil:
		return errors.New("a part of it is missing")
	}
	client, err := privateKey(in.Client)
	if err != nil {
		return err
	}
	for _, a := range []struct {
		from *storedAuthority
		to   **authorityKey
	}{{in.Issuing, &d.issuing}, {in.Next, &d.next}, {in.Previous, &d.previous}} {
		if a.from == nil {
			continue
		}
		key, err := privateKey(a.from.Key)
		if err != nil {
			return err
		}
		cert, err := x509.ParseCertificate(a.from.Certificate)
		if err != nil {
			return err
		}
		if !cert.IsCA || !key.PublicKey.Equal(cert.PublicKey) {
			return errors.New("key and certificate do not belong together")
		}
		*a.to = &authorityKey{cert: cert, key: key}
	}
	d.nvr, d.client, d.version = in.NVR, client, in.Version
	return nil
}

func privateKey(der []byte) (*ecdsa.PrivateKey, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, errors.New("a key is not one of P-256")
	}
	return key, nil
}
