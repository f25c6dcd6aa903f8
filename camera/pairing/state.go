package pairing

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// StateFile is the camera's memory in its directory.
const StateFile = "pairing.json"

// stored is that memory. Without Identity the camera is new.
type stored struct {
	Format int `json:"format"` // 1
	// Clock is the last time of day that the camera's NVR told it.
	Clock    time.Time       `json:"clock,omitzero"`
	Identity *storedIdentity `json:"identity,omitempty"`
}

type storedIdentity struct {
	Device string `json:"device"`
	NVR    string `json:"nvr"`
	// Pin is the SHA-256 of the NVR's SPKI.
	Pin    []byte   `json:"pin"`
	Key    []byte   `json:"key"`
	Leaf   []byte   `json:"leaf"`
	Bundle uint64   `json:"bundle"`
	Roots  [][]byte `json:"roots"`
	// Pending is when the certificate came, by the machine's own clock, until it is activated.
	Pending time.Time `json:"pending,omitzero"`
	// Revoked is set when the NVR said that it took the certificate back.
	Revoked bool `json:"revoked,omitempty"`
}

// identity is one ready for use.
type identity struct {
	storedIdentity
	pin   [32]byte
	roots []*x509.Certificate
	shown tls.Certificate
}

// load checks that the parts of an identity belong together.
func (s storedIdentity) load(keys Keys) (*identity, error) {
	id := &identity{storedIdentity: s}
	if len(s.Pin) != len(id.pin) || s.Device == "" || s.NVR == "" {
		return nil, errors.New("a part is missing")
	}
	copy(id.pin[:], s.Pin)
	key, err := keys.Open(s.Key)
	if err != nil {
		return nil, fmt.Errorf("the camera's key: %w", err)
	}
	if id.roots, err = parseRoots(s.Roots); err != nil {
		return nil, err
	}
	return id, id.show(key)
}

// show takes the leaf into use.
func (id *identity) show(key crypto.Signer) error {
	leaf, err := x509.ParseCertificate(id.Leaf)
	if err != nil {
		return fmt.Errorf("the camera's certificate: %w", err)
	}
	if pub, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !pub.Equal(leaf.PublicKey) {
		return errors.New("the camera's certificate is not for its key")
	}
	if len(leaf.URIs) != 1 || leaf.URIs[0].String() != CameraURI(id.NVR, id.Device) {
		return errors.New("the camera's certificate is for another device")
	}
	id.shown = tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
	return nil
}

// maxRoots is how many authorities a camera is told of at most.
const maxRoots = 3

func parseRoots(ders [][]byte) ([]*x509.Certificate, error) {
	if len(ders) == 0 || len(ders) > maxRoots {
		return nil, fmt.Errorf("%d authorities", len(ders))
	}
	var roots []*x509.Certificate
	for _, der := range ders {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("an authority: %w", err)
		}
		if !c.IsCA || c.CheckSignatureFrom(c) != nil {
			return nil, errors.New("an authority that is none")
		}
		roots = append(roots, c)
	}
	return roots, nil
}

// readState gives the memory in dir; an empty one where there is none. A damaged one is an error and stays as it is: the camera
// would else become anybody's.
func readState(dir string, keys Keys) (stored, *identity, error) {
	path := filepath.Join(dir, StateFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return stored{Format: 1}, nil, nil
	}
	if err != nil {
		return stored{}, nil, err
	}
	s, err := parseState(data)
	var id *identity
	if err == nil && s.Identity != nil {
		id, err = s.Identity.load(keys)
	}
	if err != nil {
		return stored{}, nil, fmt.Errorf("%s is damaged; `cardea camera --reset` makes this camera new, and it has to be paired again: %w", path, err)
	}
	return s, id, nil
}

func parseState(data []byte) (stored, error) {
	var s stored
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		return s, err
	}
	if s.Format != 1 {
		return s, fmt.Errorf("it has format %d", s.Format)
	}
	return s, nil
}

// writeState replaces the memory so that a cut of the power leaves the old or the new one.
func writeState(dir string, s stored) (err error) {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".pairing-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(append(data, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), filepath.Join(dir, StateFile)); err != nil {
		return err
	}
	return syncDir(dir)
}

// Reset makes the camera in dir new. Its NVR will not find it again, and has to be told to forget it. The camera MUST NOT run.
func Reset(dir string) error {
	err := os.Remove(filepath.Join(dir, StateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reset the camera: %w", err)
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
