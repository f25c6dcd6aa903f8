// Package tls puts TLS 1.3 in front of the web app, from the first byte, under a certificate of the box's own
// authority. Its noun is Server: it keeps one certificate current and wraps listeners.
//
// certmagic does the keeping (storage, renewal, a cache that handshakes read without waiting) and is known to this
// package only; who signs is an Issuer, which is auth/ca for the local network. There is one certificate for all names
// and addresses of the box, and every client is served with it, whatever name it asks for or none, so that a handshake
// never makes the box look anything up. The key of the certificate stays the same when it is renewed.
//
// The package limits how long a handshake takes; how many connections there may be is the business of the listener
// below it.
package tls

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

// Issuer signs certificates. Issue makes one for the key pub and the names and returns it with what stands between it
// and the root, in PEM; names that the issuer may not certify are left out. ID names the issuer: where it
// changes, certificates of the old one are not used any more.
type Issuer interface {
	Issue(pub crypto.PublicKey, names []string) (chainPEM []byte, err error)
	ID() string
}

// Config is what a Server needs. Issuer, Dir, Name and Names MUST be set.
type Config struct {
	Issuer Issuer
	// Dir is the directory for the certificate and its key; files in it are 0600, directories 0700.
	Dir string
	// Name is the first name of the certificate and the one that stays, for example "cardea.local".
	Name string
	// Names lists all names and addresses the certificate should hold now, Name included. It is asked again and again
	// and MUST give the same list, in any order, as long as nothing has changed.
	Names func() []string
	// Every is how often Names is asked; default 30 s.
	Every time.Duration
	// Handshake is how long a client has for the handshake; default 5 s.
	Handshake time.Duration
	// Now is the clock, which should stand on the clock floor; default time.Now.
	Now func() time.Time
	// Log gets a line when the certificate changes; default slog.Default.
	Log *slog.Logger
}

// Server keeps the certificate. Close it after the listeners it wrapped are closed.
type Server struct {
	cfg   Config
	cache *certmagic.Cache
	magic *certmagic.Config

	mu    sync.Mutex // one renewal at a time
	names []string   // what the current certificate was made for
	aged  time.Time  // when a certificate was last replaced for its age
}

// Open loads the certificate, or has one made, so that a listener can be served at once. It does no network I/O.
func Open(ctx context.Context, cfg Config) (*Server, error) {
	if cfg.Issuer == nil || cfg.Dir == "" || cfg.Name == "" || cfg.Names == nil {
		return nil, errors.New("tls: Issuer, Dir, Name and Names must be set")
	}
	if cfg.Every <= 0 {
		cfg.Every = 30 * time.Second
	}
	if cfg.Handshake <= 0 {
		cfg.Handshake = 5 * time.Second
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	s := &Server{cfg: cfg}
	options := certmagic.CacheOptions{
		GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return nil, errors.New("not ready") },
		Logger:           zap.NewNop(),
	}
	s.cache = certmagic.NewCache(options)
	s.magic = certmagic.New(s.cache, certmagic.Config{
		Issuers:          []certmagic.Issuer{issuer{s}},
		Storage:          newStorage(cfg.Dir),
		KeySource:        certmagic.StandardKeyGenerator{KeyType: certmagic.P256},
		ReusePrivateKeys: true,
		OCSP:             certmagic.OCSPConfig{DisableStapling: true},
		DisableARI:       true,
		Logger:           zap.NewNop(),
	})
	// Set afterwards, because the upkeep of the cache runs already and each of the two needs the other.
	options.GetConfigForCert = func(certmagic.Certificate) (*certmagic.Config, error) { return s.magic, nil }
	s.cache.SetOptions(options)
	if err := s.manage(ctx); err != nil {
		s.cache.Stop()
		return nil, err
	}
	return s, nil
}

// manage makes a certificate ready for handshakes and replaces it where it does not fit any more.
func (s *Server) manage(ctx context.Context) error {
	if err := s.magic.ManageSync(ctx, []string{s.cfg.Name}); err != nil {
		return fmt.Errorf("get the certificate of the web app: %w", err)
	}
	if err := s.refresh(ctx); err != nil {
		return err
	}
	if s.leaf() == nil {
		return fmt.Errorf("the certificate of the web app cannot hold its name %s; choose a name under .local or .home.arpa", s.cfg.Name)
	}
	return nil
}

// Close ends the upkeep of the certificate.
func (s *Server) Close() error {
	s.cache.Stop()
	return nil
}

// Run looks for changed names and for a certificate that is getting old until ctx ends, and has a new one made then. It
// returns nil; what fails is logged and tried again, since the old certificate is better than none.
func (s *Server) Run(ctx context.Context) error {
	tick := time.NewTicker(s.cfg.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := s.refresh(ctx); err != nil && ctx.Err() == nil {
			s.cfg.Log.WarnContext(ctx, "the web certificate could not be renewed", "error", err)
		}
	}
}

// refresh replaces the certificate where it is stale.
func (s *Server) refresh(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := s.cfg.Names()
	slices.Sort(names)
	names = slices.Compact(names)
	leaf := s.leaf()
	why := ""
	switch {
	case leaf == nil:
		why = "none"
	case s.names == nil && !covers(leaf, names):
		why = "names"
	case s.names != nil && !slices.Equal(names, s.names):
		why = "names"
	case old(leaf, s.cfg.Now()) && s.cfg.Now().Sub(s.aged).Abs() >= time.Hour:
		// Not more often, because under a clock far ahead the next one is no better.
		why, s.aged = "age", s.cfg.Now()
	}
	if why == "" {
		s.names = names
		return nil
	}
	if err := s.magic.RenewCertSync(ctx, s.cfg.Name, true); err != nil {
		return fmt.Errorf("renew the certificate: %w", err)
	}
	before := s.cache.AllMatchingCertificates(s.cfg.Name)
	fresh, err := s.magic.CacheManagedCertificate(ctx, s.cfg.Name)
	if err != nil {
		return fmt.Errorf("load the renewed certificate: %w", err)
	}
	var gone []string
	for _, c := range before {
		if c.Hash() != fresh.Hash() {
			gone = append(gone, c.Hash())
		}
	}
	s.cache.Remove(gone)
	s.names = names
	s.cfg.Log.InfoContext(ctx, "web certificate renewed", "why", why, "names", fresh.Names, "until", fresh.Leaf.NotAfter)
	return nil
}

// leaf is the certificate that handshakes are served with.
func (s *Server) leaf() *x509.Certificate {
	for _, c := range s.cache.AllMatchingCertificates(s.cfg.Name) {
		if c.Leaf != nil {
			return c.Leaf
		}
	}
	return nil
}

// covers reports whether the certificate holds all of names that such a certificate can hold. One that could not be
// certified is missing in every certificate, so it is asked for once at each start.
func covers(leaf *x509.Certificate, names []string) bool {
	return !slices.ContainsFunc(names, func(name string) bool {
		if strings.Contains(name, ":") {
			name = "[" + name + "]"
		}
		return leaf.VerifyHostname(name) != nil
	})
}

// old reports whether two thirds of the life are over, or whether it was made under a clock that ran ahead.
func old(leaf *x509.Certificate, now time.Time) bool {
	life := leaf.NotAfter.Sub(leaf.NotBefore)
	return now.Before(leaf.NotBefore) || now.After(leaf.NotBefore.Add(life*2/3))
}

// Fingerprint is the SHA-256 of the current certificate in lower-case hex, which a browser shows beside its warning.
func (s *Server) Fingerprint() string {
	leaf := s.leaf()
	if leaf == nil {
		return ""
	}
	sum := sha256.Sum256(leaf.Raw)
	return hex.EncodeToString(sum[:])
}

// Config is for servers that do the handshake themselves: TLS 1.3 and HTTP/1.1 only.
func (s *Server) Config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		NextProtos: []string{"http/1.1"},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			// What the client asks for decides nothing: certmagic is to see the one name and no ACME challenge.
			one := *hello
			one.ServerName, one.SupportedProtos = s.cfg.Name, nil
			return s.magic.GetCertificate(&one)
		},
	}
}

// issuer is a certmagic issuer that asks ours. The name in the request is certmagic's handle for the certificate; the
// certificate is made for all names that hold at the moment.
type issuer struct{ s *Server }

// Issue implements certmagic.Issuer.
func (i issuer) Issue(_ context.Context, csr *x509.CertificateRequest) (*certmagic.IssuedCertificate, error) {
	if err := csr.CheckSignature(); err != nil {
		return nil, err
	}
	names := []string{i.s.cfg.Name}
	for _, n := range i.s.cfg.Names() {
		if n != i.s.cfg.Name {
			names = append(names, n)
		}
	}
	chain, err := i.s.cfg.Issuer.Issue(csr.PublicKey, names)
	if err != nil {
		return nil, err
	}
	return &certmagic.IssuedCertificate{Certificate: chain}, nil
}

// IssuerKey implements certmagic.Issuer.
func (i issuer) IssuerKey() string { return i.s.cfg.Issuer.ID() }
