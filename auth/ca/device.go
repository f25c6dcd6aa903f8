package ca

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	"cardea/store/disk"
)

const (
	// deviceFile holds the keys and certificates of the device authority, all in one.
	deviceFile = "device-ca.json"
	deviceLife = 30 * 24 * time.Hour
	// deviceSlack is how far clocks of cameras may be behind.
	deviceSlack = 24 * time.Hour
	// clientFor is how long the NVR shows the same certificate.
	clientFor = 24 * time.Hour
)

// epoch is before any certificate of ours. A root begins here, and not when it was made, so that a clock that ran
// ahead on that day does no harm.
var epoch = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

// Device is the authority for paired cameras. It issues leaves of 30 days to them, and to the box itself as their client.
//
// It can be replaced while cameras go on trusting the box: Announce makes the next authority, which cameras learn of;
// Advance lets that one issue; Finish forgets the old one. Its methods are safe for concurrent use.
type Device struct {
	path string
	now  func() time.Time
	log  *slog.Logger

	mu      sync.Mutex
	nvr     string
	client  *ecdsa.PrivateKey
	version uint64
	// issuing is never nil; of next and previous at most one is not.
	issuing, next, previous *authorityKey
	shown                   map[*authorityKey]*tls.Certificate
}

// authorityKey is a root with its key.
type authorityKey struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// ErrRolling says that the authority is being replaced already, or that it is not, where that is asked for.
var ErrRolling = errors.New("the device authority is in another stage of being replaced")

// OpenDevice reads the authority in cfg.Dir, or makes one where there is none. A damaged file is an error and is left alone:
// a new authority would know none of the paired cameras.
func OpenDevice(cfg Config) (*Device, error) {
	if cfg.Dir == "" {
		return nil, errors.New("ca: Dir must be set")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if err := disk.MakeDir(cfg.Dir); err != nil {
		return nil, fmt.Errorf("make the directory for keys: %w", err)
	}
	d := &Device{path: filepath.Join(cfg.Dir, deviceFile), now: cfg.Now, log: cfg.Log, shown: map[*authorityKey]*tls.Certificate{}}
	data, err := readPrivate(d.path)
	if err == nil {
		err = d.parse(data)
	}
	switch {
	case err == nil:
		return d, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("the device certificate authority %s is damaged; restore it from a backup, or move it away and pair every camera again: %w", d.path, err)
	}
	id := make([]byte, 10)
	if _, err := rand.Read(id); err != nil {
		return nil, err
	}
	d.nvr, d.version = hex.EncodeToString(id), 1
	if d.client, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, fmt.Errorf("make the device certificate authority: %w", err)
	}
	if d.issuing, err = d.make(); err != nil {
		return nil, fmt.Errorf("make the device certificate authority: %w", err)
	}
	if err := d.write(); err != nil {
		return nil, fmt.Errorf("store the device certificate authority: %w", err)
	}
	d.log.Info("device certificate authority made", "nvr", d.nvr)
	return d, nil
}

// make makes a root, which can sign no further authority. It has no name constraints: crypto/x509 refuses a URI without a host,
// which a urn is, under any. Nobody but our own cameras is ever told to trust it.
func (d *Device) make() (*authorityKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	id, err := keyID(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	now := d.now()
	if now.Before(epoch) {
		now = epoch
	}
	root := &x509.Certificate{
		// The name holds a part of the key: a camera says by name whose certificates it takes.
		Subject:   pkix.Name{Organization: []string{"Cardea"}, CommonName: "Cardea devices " + hex.EncodeToString(id[:8])},
		NotBefore: epoch, NotAfter: now.Add(rootLife).UTC(),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if root, err = sign(root, root, &key.PublicKey, key); err != nil {
		return nil, err
	}
	return &authorityKey{cert: root, key: key}, nil
}

// deviceName is what may stand in the name of a device.
var deviceName = regexp.MustCompile(`^[0-9A-Za-z-]{1,58}$`)

// NVR is the identifier of the box in certificates; it never changes.
func (d *Device) NVR() string { return d.nvr }

// ClientSPKI is the SHA-256 of the SubjectPublicKeyInfo that the box shows to cameras; it never changes.
func (d *Device) ClientSPKI() [32]byte {
	der, err := x509.MarshalPKIXPublicKey(&d.client.PublicKey)
	if err != nil {
		panic(err) // a P-256 key always has that form
	}
	return sha256.Sum256(der)
}

// Bundle gives the roots that cameras have to trust, the one that issues first, and the number of the bundle, which grows with
// each change.
func (d *Device) Bundle() (version uint64, roots []*x509.Certificate) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, a := range []*authorityKey{d.issuing, d.next, d.previous} {
		if a != nil {
			roots = append(roots, a.cert)
		}
	}
	return d.version, roots
}

// Certify issues a leaf in DER to the camera called device: its key, the name urn:nvr:<NVR>:cam:<device>, the host name
// cam-<device>.internal, good for 30 days as server and client. It is an error unless the key is one of P-256.
func (d *Device) Certify(device string, key crypto.PublicKey) ([]byte, error) {
	if !deviceName.MatchString(device) {
		return nil, fmt.Errorf("certify a camera: %q is no name of a device", device)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	leaf, err := d.leaf(d.issuing, key, "cam:"+device, x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth)
	if err != nil {
		return nil, fmt.Errorf("certify a camera: %w", err)
	}
	return leaf.Raw, nil
}

// leaf makes one for urn:nvr:<NVR>:<name>. The caller holds d.mu.
func (d *Device) leaf(by *authorityKey, key crypto.PublicKey, name string, usage ...x509.ExtKeyUsage) (*x509.Certificate, error) {
	if k, ok := key.(*ecdsa.PublicKey); !ok || k.Curve != elliptic.P256() {
		return nil, errors.New("the key is not one of P-256")
	}
	id, err := keyID(key)
	if err != nil {
		return nil, err
	}
	uri, err := url.Parse("urn:nvr:" + d.nvr + ":" + name)
	if err != nil {
		return nil, err
	}
	now := d.now()
	if now.After(by.cert.NotAfter) {
		return nil, fmt.Errorf("it is %s by the clock of this NVR, and its certificate authority ended in %d: set the date, or replace the authority with `cardea ca roll`",
			now.Format(time.DateOnly), by.cert.NotAfter.Year())
	}
	from, until := now.Add(-deviceSlack), now.Add(deviceLife)
	if from.Before(by.cert.NotBefore) {
		from = by.cert.NotBefore
	}
	if until.After(by.cert.NotAfter) {
		until = by.cert.NotAfter
	}
	template := &x509.Certificate{
		NotBefore: from.UTC(), NotAfter: until.UTC(), URIs: []*url.URL{uri},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: usage, BasicConstraintsValid: true, SubjectKeyId: id,
	}
	if device, ok := bytes.CutPrefix([]byte(name), []byte("cam:")); ok {
		template.DNSNames = []string{"cam-" + string(device) + ".internal"}
	}
	return sign(template, by.cert, key, by.key)
}

// ClientCertificate is what the box shows to a camera: of the authority that issues, or of the one before where the camera
// has not heard of a new one yet.
func (d *Device) ClientCertificate(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	by := d.issuing
	accepts := func(a *authorityKey) bool {
		for _, subject := range info.AcceptableCAs {
			if a != nil && bytes.Equal(subject, a.cert.RawSubject) {
				return true
			}
		}
		return false
	}
	if !accepts(d.issuing) && accepts(d.previous) {
		by = d.previous
	}
	now := d.now()
	if c := d.shown[by]; c != nil && !now.Before(c.Leaf.NotBefore.Add(deviceSlack)) && now.Before(c.Leaf.NotBefore.Add(deviceSlack+clientFor)) {
		return c, nil
	}
	leaf, err := d.leaf(by, &d.client.PublicKey, "nvr", x509.ExtKeyUsageClientAuth)
	if err != nil {
		return nil, fmt.Errorf("certify the NVR: %w", err)
	}
	c := &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: d.client, Leaf: leaf}
	d.shown[by] = c
	return c, nil
}

// The stages of an authority.
const (
	DeviceSteady    = "steady"    // one root
	DeviceAnnounced = "announced" // a second root exists and issues nothing yet
	DeviceAdvanced  = "advanced"  // the second root issues, the first one is still trusted
)

// Stage says how far the replacement of the authority has come.
func (d *Device) Stage() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.next != nil:
		return DeviceAnnounced
	case d.previous != nil:
		return DeviceAdvanced
	}
	return DeviceSteady
}

// Announce makes the authority that is to follow. ErrRolling unless the stage is steady.
func (d *Device) Announce() error {
	return d.change(func() error {
		if d.next != nil || d.previous != nil {
			return ErrRolling
		}
		next, err := d.make()
		d.next, d.version = next, d.version+1
		return err
	})
}

// Advance lets the announced authority issue. A camera that has not heard of it by then still gets on, until Finish.
func (d *Device) Advance() error {
	return d.change(func() error {
		if d.next == nil {
			return ErrRolling
		}
		d.issuing, d.previous, d.next = d.next, d.issuing, nil
		return nil
	})
}

// Finish forgets the old authority and its key. A camera that has not heard of the new one has to be paired again.
func (d *Device) Finish() error {
	return d.change(func() error {
		if d.previous == nil {
			return ErrRolling
		}
		d.previous, d.version = nil, d.version+1
		return nil
	})
}

// change makes and stores a change, or neither.
func (d *Device) change(edit func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	version, issuing, next, previous := d.version, d.issuing, d.next, d.previous
	err := edit()
	if err == nil {
		err = d.write()
	}
	if err != nil {
		d.version, d.issuing, d.next, d.previous = version, issuing, next, previous
		return fmt.Errorf("replace the device authority: %w", err)
	}
	return nil
}

// RootsPEM is the bundle for people and other programs.
func (d *Device) RootsPEM() []byte {
	var out []byte
	_, roots := d.Bundle()
	for _, r := range roots {
		out = append(out, pemCert(r)...)
	}
	return out
}
