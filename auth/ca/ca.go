// Package ca keeps the certificate authorities of one box. Its nouns are Web, the authority that makes the certificate
// of the web app on the local network, so that browsers trust the box without a public name; and Device, the one that
// makes the certificates of paired cameras and of the box towards them. They have nothing in common but this package.
//
// Who installs a root of Web trusts it with every connection of that device, so this one is made as harmless as the standard
// allows: root and intermediate are critically constrained (RFC 5280 section 4.2.1.10) to names and addresses that
// exist on a home network only, the key of the root signs one intermediate and is then forgotten, and the intermediate
// can neither sign a further authority nor anything but servers. A thief of the box can pretend to be some box at
// home; he cannot pretend to be a bank.
//
// The package never makes a certificate for a public name or address, and never talks to the network.
package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"cardea/store/disk"
)

// Lifetimes. Browsers accept a leaf of an installed root for up to 825 days (Apple); a short one costs nothing here,
// because nobody has to renew it by hand.
const (
	rootLife = 10 * 365 * 24 * time.Hour
	leafLife = 90 * 24 * time.Hour
	// backdate allows for devices whose clock is behind.
	backdate = time.Hour
	// fileName holds the key and certificate of the intermediate and the certificate of the root, in one file, so that
	// there is never half of an authority.
	fileName = "web-ca.pem"
)

// Config is what an authority needs.
type Config struct {
	// Dir is the directory for keys; it is made with mode 0700. It MUST be set.
	Dir string
	// Now is the clock, which should stand on the clock floor: a root made in 1970 is of no use. Default time.Now.
	Now func() time.Time
	// Log gets one line when an authority is made. Default slog.Default.
	Log *slog.Logger
}

// Web is the authority for the web app. Its methods are safe for concurrent use.
type Web struct {
	root, inter *x509.Certificate
	key         *ecdsa.PrivateKey
	now         func() time.Time
}

// OpenWeb reads the authority in cfg.Dir, or makes one where there is none. A damaged file is an error and is left
// alone: making a new authority would silently undo the trust that people have set up.
func OpenWeb(cfg Config) (*Web, error) {
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
	path := filepath.Join(cfg.Dir, fileName)
	w, err := readWeb(path)
	switch {
	case err == nil:
		w.now = cfg.Now
		// Made while the clock was far ahead: no device accepts it, so nobody can have come to trust it.
		if w.root.NotBefore.Sub(cfg.Now()) < 24*time.Hour {
			return w, nil
		}
		old := path + "." + w.Fingerprint()[:8]
		if err := os.Rename(path, old); err != nil {
			return nil, fmt.Errorf("set the certificate authority aside: %w", err)
		}
		cfg.Log.Warn("the web certificate authority was made under a clock in the future; a new one replaces it", "old", old)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("the web certificate authority %s is damaged; restore it from a backup, or move it away to get a new one that every device has to install again: %w", path, err)
	}
	if w, err = makeWeb(cfg.Now()); err != nil {
		return nil, fmt.Errorf("make the web certificate authority: %w", err)
	}
	w.now = cfg.Now
	if err := w.write(path); err != nil {
		return nil, fmt.Errorf("store the web certificate authority: %w", err)
	}
	cfg.Log.Info("web certificate authority made", "fingerprint", w.Fingerprint())
	return w, nil
}

func makeWeb(now time.Time) (*Web, error) {
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	id, err := keyID(&rootKey.PublicKey)
	if err != nil {
		return nil, err
	}
	// The name holds a part of the key, so that the roots of two boxes on one phone can be told apart.
	name := hex.EncodeToString(id[:4])
	root := authority("Cardea "+name, now, rootLife)
	root.MaxPathLen = 1
	if root, err = sign(root, root, &rootKey.PublicKey, rootKey); err != nil {
		return nil, err
	}
	inter := authority("Cardea "+name+" web", now, rootLife)
	inter.MaxPathLenZero = true
	inter.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	if inter, err = sign(inter, root, &key.PublicKey, rootKey); err != nil {
		return nil, err
	}
	return &Web{root: root, inter: inter, key: key}, nil // and rootKey is gone
}

// authority is the template of a constrained CA certificate.
func authority(name string, now time.Time, life time.Duration) *x509.Certificate {
	return &x509.Certificate{
		Subject:   pkix.Name{Organization: []string{"Cardea"}, CommonName: name},
		NotBefore: now.Add(-backdate).UTC(), NotAfter: now.Add(life).UTC(),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, IsCA: true, BasicConstraintsValid: true,
		PermittedDNSDomainsCritical: true, // the whole extension is critical, addresses included
		PermittedDNSDomains:         permittedDomains(), PermittedIPRanges: permittedRanges(),
	}
}

// Issue makes a leaf for the key pub and the names, which are DNS names and IP addresses, and returns it with the
// intermediate in PEM. The first name is the common name. Names that the authority may not certify are left out; it is
// an error when none remains.
func (w *Web) Issue(pub crypto.PublicKey, names []string) (chainPEM []byte, err error) {
	dns, ips := split(names)
	if len(dns)+len(ips) == 0 {
		return nil, fmt.Errorf("issue a certificate: none of the names %q exists on a local network only", names)
	}
	id, err := keyID(pub)
	if err != nil {
		return nil, fmt.Errorf("issue a certificate: %w", err)
	}
	common := ""
	if len(dns) > 0 && len(dns[0]) <= 64 {
		common = dns[0]
	}
	from := w.now().Add(-backdate)
	until := from.Add(leafLife)
	if until.After(w.inter.NotAfter) {
		// The authority has run out, or the clock runs ahead. A leaf that browsers call expired still serves the app.
		from, until = w.inter.NotAfter.Add(-leafLife), w.inter.NotAfter
	}
	if from.Before(w.inter.NotBefore) {
		from = w.inter.NotBefore
	}
	leaf, err := sign(&x509.Certificate{
		Subject:   pkix.Name{Organization: []string{"Cardea"}, CommonName: common},
		NotBefore: from.UTC(), NotAfter: until.UTC(),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, SubjectKeyId: id,
		DNSNames: dns, IPAddresses: ips,
	}, w.inter, pub, w.key)
	if err != nil {
		return nil, fmt.Errorf("issue a certificate: %w", err)
	}
	return append(pemCert(leaf), pemCert(w.inter)...), nil
}

// sign makes a certificate; the serial is drawn by x509 as RFC 5280 section 4.1.2.2 wants it.
func sign(template, parent *x509.Certificate, pub crypto.PublicKey, by *ecdsa.PrivateKey) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, pub, by)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// keyID is a key identifier by RFC 7093 section 2, method 1.
func keyID(pub crypto.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(der)
	return sum[:20], nil
}

// ID names this authority; another one has another ID.
func (w *Web) ID() string { return "cardea-" + w.Fingerprint()[:16] }

// Name is the common name of the root, as devices list it.
func (w *Web) Name() string { return w.root.Subject.CommonName }

// NotAfter is when the root runs out.
func (w *Web) NotAfter() time.Time { return w.root.NotAfter }

// Fingerprint is the SHA-256 of the root certificate in lower-case hex, which is what devices show.
func (w *Web) Fingerprint() string {
	sum := sha256.Sum256(w.root.Raw)
	return hex.EncodeToString(sum[:])
}

// SPKI is the SHA-256 of the root's SubjectPublicKeyInfo in lower-case hex, which is what Chromium can be told to trust.
func (w *Web) SPKI() string {
	sum := sha256.Sum256(w.root.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

// RootDER is the root certificate to install, `application/x-x509-ca-cert`.
func (w *Web) RootDER() []byte { return append([]byte(nil), w.root.Raw...) }

// RootPEM is the root certificate in PEM.
func (w *Web) RootPEM() []byte { return pemCert(w.root) }

func pemCert(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}
