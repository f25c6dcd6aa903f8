// Package rtsp pulls one stream from one camera over RTSP or RTSPS and turns its packets into frames.
//
// Its nouns: Session, one connection from DESCRIBE to its end; Config, what is needed for it; Stats, what it counted;
// and the typed errors, which are sentences for people. It owns the sockets, the certificate pin, the order of
// access units, the timeline (PTS, DTS, Wall) and the defence against bytes that make no sense. It never
// reconnects (package camera does), never writes to a disk, and never logs or returns a credential.
//
// The RTSP dialogue (methods, Basic and Digest sign-in, SDP, keep-alives, UDP ports and reordering) is gortsplib's.
// Interleaved media (RFC 2326 section 10.12) is taken off the connection before it gets there, see demux, because
// one allocation for a frame instead of several for a packet is most of what receiving costs.
package rtsp

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/url"
	"time"

	"cardea/camera/frame"
)

// Transport says how media travels.
type Transport string

// The transports. Auto is interleaved TCP, and UDP where the camera refuses that. UDP falls back to TCP when the
// camera refuses it or nothing arrives within three seconds. With rtsps:// media always stays inside TLS.
const (
	Auto Transport = "auto"
	TCP  Transport = "tcp"
	UDP  Transport = "udp"
)

// Config says what to connect to and how. URL is required; the zero value of the rest works.
type Config struct {
	// URL is rtsp:// or rtsps:// and MUST NOT hold a user name or password.
	URL *url.URL
	// User and Password are the camera's account; both empty for none.
	User, Password string
	// Pin is SHA-256 of the SubjectPublicKeyInfo the camera has to present over rtsps://. With none, the
	// certificate has to be valid for the host by the system's roots; otherwise the session ends with ErrPin,
	// which holds the fingerprint for a person to confirm, before anything was sent.
	Pin []byte
	// Mutual, when not nil, is the client's side of mutual TLS with a paired camera. Its VerifyConnection takes the place of
	// Pin and of the system's roots and MUST NOT be nil; it is called on every connection, and its error comes back inside
	// of an ErrIdentity. Only for rtsps://.
	Mutual *tls.Config
	// Replay, when not nil, asks for what the camera kept in place of live; see ErrGone and ErrFinished. Times then follow the
	// camera's clock, and the sink may block: the camera waits.
	Replay *Replay
	// Transport is Auto when empty.
	Transport Transport
	// AllowTLS12 admits TLS 1.2 for this one camera. Each use is logged as a warning.
	AllowTLS12 bool
	// ConnectTimeout bounds everything before the first media packet: 10 s when zero.
	ConnectTimeout time.Duration
	// StallTimeout is how long no picture may come before the session ends with ErrStalled: 10 s when zero.
	StallTimeout time.Duration
	// KeyTimeout is how long pictures may come without a first key frame before the session ends with
	// ErrNoKeyFrame: 30 s when zero.
	KeyTimeout time.Duration
	// MaxFrame bounds one access unit in bytes: 8 MiB when zero. Bigger ones are dropped and counted.
	MaxFrame int
	// Now is time.Now when nil.
	Now func() time.Time
	// Log receives few, unusual things. Nothing is logged when nil.
	Log *slog.Logger
}

// Stats is what a session has counted since it began.
type Stats struct {
	// At is when this was counted.
	At time.Time
	// Stream is the description in force; nil before the first key frame.
	Stream *frame.Stream
	// Transport is what was settled on; TLS the version ("1.3"), empty without.
	Transport Transport
	TLS       string
	// SPKI is SHA-256 of the SubjectPublicKeyInfo that the camera presented; nil without TLS.
	SPKI []byte
	// Bytes counts what came over the wire, Pictures and Samples the video and audio frames delivered,
	// KeyFrames the key frames among them. Pictures that were left out for SetSparse count too.
	Bytes, Pictures, Samples, KeyFrames uint64
	// Lost counts RTP packets that never came, Damaged the access units dropped because of that or because
	// they made no sense, Oversize those dropped for their size, Garbage bytes between RTSP messages.
	Lost, Damaged, Oversize, Garbage uint64
	// Jumps counts breaks in the camera's timestamps, Changes new descriptions in mid-stream.
	Jumps, Changes uint64
	// ClockOffset is the camera's clock minus ours, valid when ClockKnown (from RTCP sender reports).
	ClockOffset time.Duration
	ClockKnown  bool
	// LastPicture and LastKey are when the last ones came; zero for never.
	LastPicture, LastKey time.Time
	// Sub is the path of a smaller stream at the same address, where the camera says so (see SubHeader).
	Sub string
	// AudioSilent is true when a track for sound was announced and brings nothing.
	AudioSilent bool
	// LowWater is the mark set on the socket in bytes; 1 means that every packet wakes the reader.
	LowWater int
}

func (c Config) withDefaults() Config {
	if c.Transport == "" {
		c.Transport = Auto
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = 10 * time.Second
	}
	if c.StallTimeout == 0 {
		c.StallTimeout = 10 * time.Second
	}
	if c.KeyTimeout == 0 {
		c.KeyTimeout = 30 * time.Second
	}
	if c.MaxFrame == 0 {
		c.MaxFrame = 8 << 20
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Validate says in a sentence (ErrURL) why the configuration cannot work.
func (c Config) Validate() error {
	switch {
	case c.URL == nil || c.URL.Host == "":
		return ErrURL{Reason: "it names no host"}
	case c.URL.Scheme != "rtsp" && c.URL.Scheme != "rtsps":
		return ErrURL{Reason: "it does not begin with rtsp:// or rtsps://"}
	case c.URL.User != nil:
		return ErrURL{Reason: "user name and password have to be given apart from it"}
	case len(c.Pin) != 0 && len(c.Pin) != 32:
		return ErrURL{Reason: "the fingerprint has to be 32 bytes (SHA-256)"}
	case c.Mutual != nil && (c.URL.Scheme != "rtsps" || c.Mutual.VerifyConnection == nil):
		return ErrURL{Reason: "a paired camera is reached over rtsps:// only"}
	case c.Transport != "" && c.Transport != Auto && c.Transport != TCP && c.Transport != UDP:
		return ErrURL{Reason: "the transport has to be auto, tcp or udp"}
	}
	return nil
}

// hostport is the address to dial: 554 is the port of rtsp (RFC 2326), 322 that of rtsps (RFC 7826).
func hostport(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "554"
		if u.Scheme == "rtsps" {
			port = "322"
		}
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// Run is NewSession(cfg, sink).Run(ctx).
func Run(ctx context.Context, cfg Config, sink func(*frame.Frame)) error {
	return NewSession(cfg, sink).Run(ctx)
}
