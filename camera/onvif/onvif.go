// Package onvif speaks with a camera over ONVIF: what it is, where its streams are, what it notices, where it looks, and which
// certificate it shows.
//
// Its nouns: Client, one camera's ONVIF services; Config, what is needed for it; Info, Profile and Streams, what the camera
// says of itself; Notification and Signal, what it notices; Enrolment, the certificates that were put on it. It owns the SOAP 1.2
// dialogue: the clock offset that signing needs, WS-UsernameToken and HTTP digest, the bounds on what a camera may answer, and the
// rule that nothing is ever asked of another host than the one a person named.
// It never sends a password, not even over TLS: only digests, and over TLS only after the camera's key was verified. It never
// follows a redirect, resolves an entity or stores anything, and it decides about no event and no trust: package nvr does.
package onvif

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"cardea/camera/rtsp"
)

// DevicePath is where the device service answers (ONVIF Core, 5.1.1).
const DevicePath = "/onvif/device_service"

// The namespaces of the services (ONVIF Core, 8.1.2).
const (
	nsDevice   = "http://www.onvif.org/ver10/device/wsdl"
	nsMedia    = "http://www.onvif.org/ver10/media/wsdl"
	nsMedia2   = "http://www.onvif.org/ver20/media/wsdl"
	nsEvents   = "http://www.onvif.org/ver10/events/wsdl"
	nsPTZ      = "http://www.onvif.org/ver20/ptz/wsdl"
	nsImaging  = "http://www.onvif.org/ver20/imaging/wsdl"
	nsSecurity = "http://www.onvif.org/ver10/advancedsecurity/wsdl"
)

// Config says which camera. URL is required; the zero value of the rest works.
type Config struct {
	// URL is the device service, http:// or https://, without user and password.
	URL *url.URL
	// User and Password are the camera's account; both empty for none.
	User, Password string
	// Pin is SHA-256 of the SubjectPublicKeyInfo that the camera has to present over https://. With none, its certificate has to be
	// valid for the host by the system's roots; otherwise rtsp.ErrPin holds the fingerprint for a person to confirm, and nothing was sent.
	Pin []byte
	// Mutual, when not nil, is the client's side of mutual TLS with an enrolled camera. Its VerifyConnection takes the place of Pin and of
	// the system's roots and MUST NOT be nil; it is called on every connection, and its error comes back inside of an rtsp.ErrIdentity.
	// Only for https://.
	Mutual *tls.Config
	// Timeout bounds each request with its answer: 8 s when zero.
	Timeout time.Duration
	// Now is time.Now and Rand crypto/rand.Reader when nil.
	Now  func() time.Time
	Rand io.Reader
}

// Client speaks with one camera. Its methods may be called from any goroutine and block for Config.Timeout per request at most.
type Client struct {
	cfg      Config
	http     *http.Client
	offset   time.Duration     // the camera's clock is ahead by so much
	services map[string]string // namespace → path and query at the camera

	mu     sync.Mutex
	digest *challenge // the camera wants HTTP digest; nil until it says so
}

// Dial measures the camera's clock and learns its services. The errors are sentences for people: those of package rtsp for an
// unreachable camera, a refused account and a key that is not the pinned one, else those of this package. The caller closes the client.
func Dial(ctx context.Context, cfg Config) (*Client, error) {
	if cfg.Timeout == 0 {
		cfg.Timeout = 8 * time.Second
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	c := &Client{cfg: cfg, services: map[string]string{nsDevice: cfg.URL.RequestURI()}}
	c.http = &http.Client{
		Transport: &http.Transport{
			DialContext:            (&net.Dialer{}).DialContext, // no proxy: cameras are near
			TLSClientConfig:        cfg.tls(),
			MaxIdleConnsPerHost:    1,
			IdleConnTimeout:        30 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
			DisableCompression:     true, // an answer is as long as it is
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if err := c.measureClock(ctx); err != nil {
		c.Close()
		return nil, err
	}
	if err := c.findServices(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// ClockOffset is how far the camera's clock was ahead of ours when the client was dialled; negative when behind.
func (c *Client) ClockOffset() time.Duration { return c.offset }

// tls checks the camera's key before the first byte of a request. There is no session cache, so no handshake is resumed past it.
func (cfg Config) tls() *tls.Config {
	if cfg.Mutual != nil {
		mutual := cfg.Mutual.Clone()
		mutual.ServerName, mutual.InsecureSkipVerify, mutual.ClientSessionCache = cfg.URL.Hostname(), true, nil
		mutual.VerifyConnection = func(state tls.ConnectionState) error {
			if err := cfg.Mutual.VerifyConnection(state); err != nil {
				return rtsp.ErrIdentity{Err: err}
			}
			return nil
		}
		return mutual
	}
	return &tls.Config{
		ServerName:         cfg.URL.Hostname(),
		MinVersion:         tls.VersionTLS13,
		InsecureSkipVerify: true, // replaced by VerifyConnection
		VerifyConnection: func(state tls.ConnectionState) error {
			leaf := state.PeerCertificates[0]
			sum := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
			if len(cfg.Pin) != 0 {
				if subtle.ConstantTimeCompare(sum[:], cfg.Pin) != 1 {
					return rtsp.ErrPin{Want: cfg.Pin, Got: sum[:]}
				}
				return nil
			}
			chain := x509.NewCertPool()
			for _, cert := range state.PeerCertificates[1:] {
				chain.AddCert(cert)
			}
			if _, err := leaf.Verify(x509.VerifyOptions{DNSName: cfg.URL.Hostname(), Intermediates: chain, CurrentTime: cfg.Now()}); err != nil {
				return rtsp.ErrPin{Got: sum[:]}
			}
			return nil
		},
	}
}

// here turns an address that the camera gave into a path at the address a person gave. Cameras name hosts and ports that were
// theirs once, or behind another router; and no answer may send our digests to anybody else.
func here(xaddr string) (path string, ok bool) {
	u, err := url.Parse(strings.TrimSpace(xaddr))
	if err != nil || u.Opaque != "" || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "" {
		return "", false
	}
	path = u.RequestURI()
	return path, strings.HasPrefix(path, "/")
}
