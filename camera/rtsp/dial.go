package rtsp

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"time"
)

// link is an open connection to a camera, TLS handshake included; nothing was sent on it yet.
type link struct {
	// conn is written to and closed, src is read from, without blocking.
	conn net.Conn
	src  io.Reader
	low  *lowWater
	// version and spki are empty without TLS.
	version string
	spki    []byte
}

// dial connects and, for rtsps, checks the camera's key before anything of ours is sent.
func dial(ctx context.Context, cfg Config) (*link, error) {
	host := hostport(cfg.URL)
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", host)
	if err != nil {
		if ctx.Err() != nil && context.Cause(ctx) == context.Canceled {
			return nil, ctx.Err()
		}
		return nil, DialError(host, cfg.ConnectTimeout, err)
	}
	low, err := newLowWater(conn.(*net.TCPConn))
	if err != nil {
		conn.Close()
		return nil, DialError(host, cfg.ConnectTimeout, err)
	}
	if cfg.URL.Scheme == "rtsp" {
		low.async.Store(true)
		return &link{conn: low, src: low, low: low}, nil
	}

	l := &link{low: low}
	// TLS reads in small pieces; gathering them takes one system call for many records.
	tconn := tls.Client(buffered{low, bufio.NewReaderSize(low, readBuffer/2)}, cfg.tls(func(spki []byte) { l.spki = spki }))
	if err := tconn.HandshakeContext(ctx); err != nil {
		conn.Close()
		if ctx.Err() != nil && context.Cause(ctx) == context.Canceled {
			return nil, ctx.Err()
		}
		return nil, tlsError(host, cfg.ConnectTimeout, cfg.AllowTLS12, err)
	}
	// From here on reads do not block. That a record is half there is a timeout to TLS, which goes on from there.
	low.async.Store(true)
	l.conn, l.src, l.version = tconn, tconn, "1.3"
	if tconn.ConnectionState().Version == tls.VersionTLS12 {
		l.version = "1.2"
		cfg.Log.Warn("camera spoken to with TLS 1.2 by exception", "host", host)
	}
	return l, nil
}

// buffered reads a connection through a buffer.
type buffered struct {
	net.Conn
	r *bufio.Reader
}

func (b buffered) Read(p []byte) (int, error) { return b.r.Read(p) }

// tls makes the client side's configuration. The key is checked in VerifyConnection, which runs on each
// handshake; there is no session cache, so no handshake is ever resumed past it.
func (c Config) tls(presented func(spki []byte)) *tls.Config {
	if c.Mutual != nil {
		return c.mutual(presented)
	}
	conf := &tls.Config{
		ServerName:         c.URL.Hostname(),
		MinVersion:         tls.VersionTLS13,
		InsecureSkipVerify: true, // replaced by VerifyConnection
		VerifyConnection: func(state tls.ConnectionState) error {
			leaf := state.PeerCertificates[0]
			sum := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
			presented(sum[:])
			if len(c.Pin) != 0 {
				if subtle.ConstantTimeCompare(sum[:], c.Pin) != 1 {
					return ErrPin{Want: c.Pin, Got: sum[:]}
				}
				return nil
			}
			chain := x509.NewCertPool()
			for _, cert := range state.PeerCertificates[1:] {
				chain.AddCert(cert)
			}
			if _, err := leaf.Verify(x509.VerifyOptions{DNSName: c.URL.Hostname(), Intermediates: chain, CurrentTime: c.Now()}); err != nil {
				return ErrPin{Got: sum[:]}
			}
			return nil
		},
	}
	if c.AllowTLS12 {
		conf.MinVersion = tls.VersionTLS12
	}
	return conf
}

// mutual is the configuration for a paired camera.
func (c Config) mutual(presented func(spki []byte)) *tls.Config {
	conf := c.Mutual.Clone()
	verify := conf.VerifyConnection
	conf.VerifyConnection = func(state tls.ConnectionState) error {
		sum := sha256.Sum256(state.PeerCertificates[0].RawSubjectPublicKeyInfo)
		presented(sum[:])
		if err := verify(state); err != nil {
			return ErrIdentity{Err: err}
		}
		return nil
	}
	return conf
}

// udpBuffer is asked of the kernel for each UDP socket, so that the burst of a key frame is not lost. It gives
// what net.core.rmem_max allows.
const udpBuffer = 1 << 20

func listenPacket(network, address string) (net.PacketConn, error) {
	pc, err := net.ListenPacket(network, address)
	if err != nil {
		return nil, err
	}
	if u, ok := pc.(*net.UDPConn); ok {
		_ = u.SetReadBuffer(udpBuffer) // a smaller buffer works too, losses are counted
	}
	return pc, nil
}

// whenDone calls f when ctx is done, unless stop was called before. stop waits for f.
func whenDone(ctx context.Context, f func()) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-ctx.Done():
			f()
		case <-quit:
		}
	}()
	return func() {
		close(quit)
		<-done
	}
}

// writeTimeout bounds each write to a camera, and so how long a farewell to a dead one may take.
const writeTimeout = 2 * time.Second
