package rtsp

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/auth"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/liberrors"

	"cardea/camera/frame"
)

// servedCamera is a well-behaved camera: gortsplib's server with video and sound.
type servedCamera struct {
	gortsplib.Server
	t        *testing.T
	desc     *description.Session
	stream   *gortsplib.ServerStream
	methods  []auth.VerifyMethod
	noTCP    bool
	noUDP    bool
	mu       sync.Mutex
	basic    int // requests that brought a password in the clear
	playing  int
	quit     chan struct{}
	wg       sync.WaitGroup
	protocol string
}

const (
	user   = "admin"
	secret = "pass@word/with all?"
)

func (c *servedCamera) OnDescribe(ctx *gortsplib.ServerHandlerOnDescribeCtx) (*base.Response, *gortsplib.ServerStream, error) {
	c.mu.Lock()
	if h := ctx.Request.Header["Authorization"]; len(h) > 0 && strings.HasPrefix(h[0], "Basic") {
		c.basic++
	}
	c.mu.Unlock()
	if c.methods != nil && !ctx.Conn.VerifyCredentials(ctx.Request, user, secret) {
		return &base.Response{StatusCode: base.StatusUnauthorized}, nil, liberrors.ErrServerAuth{}
	}
	return &base.Response{StatusCode: base.StatusOK}, c.stream, nil
}

func (c *servedCamera) OnSetup(ctx *gortsplib.ServerHandlerOnSetupCtx) (*base.Response, *gortsplib.ServerStream, error) {
	if c.noTCP && ctx.Transport == gortsplib.TransportTCP || c.noUDP && ctx.Transport == gortsplib.TransportUDP {
		return &base.Response{StatusCode: base.StatusUnsupportedTransport}, nil, nil
	}
	return &base.Response{StatusCode: base.StatusOK}, c.stream, nil
}

func (c *servedCamera) OnPlay(*gortsplib.ServerHandlerOnPlayCtx) (*base.Response, error) {
	c.mu.Lock()
	c.playing++
	c.mu.Unlock()
	return &base.Response{StatusCode: base.StatusOK}, nil
}

// serve starts a camera; change it before by setup.
func serve(t *testing.T, setup func(*servedCamera)) *servedCamera {
	t.Helper()
	c := &servedCamera{t: t, quit: make(chan struct{}), protocol: "rtsp"}
	c.desc = &description.Session{Medias: []*description.Media{h264Media(), aacMedia()}}
	c.Handler = c
	c.RTSPAddress = "127.0.0.1:0"
	if setup != nil {
		setup(c)
	}
	c.AuthMethods = c.methods
	if c.TLSConfig != nil {
		c.protocol = "rtsps"
	}
	var ln net.Listener
	c.Listen = func(network, address string) (net.Listener, error) {
		var err error
		ln, err = net.Listen(network, address)
		return ln, err
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	c.RTSPAddress = ln.Addr().String()
	c.stream = &gortsplib.ServerStream{Server: &c.Server, Desc: c.desc}
	if err := c.stream.Initialize(); err != nil {
		t.Fatal(err)
	}
	c.wg.Go(c.film)
	t.Cleanup(func() {
		close(c.quit)
		c.wg.Wait()
		c.stream.Close()
		c.Close()
	})
	return c
}

func (c *servedCamera) film() {
	p, a := newPacker(c.t, c.desc.Medias[0].Formats[0], 1200), newPacker(c.t, c.desc.Medias[1].Formats[0], 0)
	aus := units(c.t, "small.h264")
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for i := uint32(0); ; i++ {
		select {
		case <-c.quit:
			return
		case <-tick.C:
		}
		for _, pkt := range p.pack(aus[int(i)%len(aus)], i*900) {
			c.stream.WritePacketRTP(c.desc.Medias[0], pkt)
		}
		for _, pkt := range a.pack([][]byte{{1, 2, 3, 4}}, i*480) {
			c.stream.WritePacketRTP(c.desc.Medias[1], pkt)
		}
	}
}

func (c *servedCamera) url() *url.URL {
	return &url.URL{Scheme: c.protocol, Host: c.RTSPAddress, Path: "/stream"}
}

func withUDP(c *servedCamera) {
	// Ports have to be named: RTP even, RTCP the next one.
	for port := 20000; port < 60000; port += 2 {
		a, err := net.ListenPacket("udp", net.JoinHostPort("127.0.0.1", itoa(port)))
		if err != nil {
			continue
		}
		b, err := net.ListenPacket("udp", net.JoinHostPort("127.0.0.1", itoa(port+1)))
		a.Close()
		if err != nil {
			continue
		}
		b.Close()
		c.UDPRTPAddress, c.UDPRTCPAddress = net.JoinHostPort("127.0.0.1", itoa(port)), net.JoinHostPort("127.0.0.1", itoa(port+1))
		return
	}
}

func itoa(n int) string { return big.NewInt(int64(n)).String() }

// certificate makes a key of its own, as cameras do.
func certificate(t testing.TB) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pin := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pin[:]
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]auth.VerifyMethod{"basic": auth.VerifyMethodBasic, "MD5": auth.VerifyMethodDigestMD5, "SHA-256": auth.VerifyMethodDigestSHA256} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cam := serve(t, func(c *servedCamera) { c.methods = []auth.VerifyMethod{m} })
			_, c, stop := play(t, Config{URL: cam.url(), User: user, Password: secret})
			eventually(t, "frames", func() bool { return len(c.list()) > 10 })
			stop()
			growing(t, c.list())

			for want, cfg := range map[string]Config{
				"refused the user name": {URL: cam.url(), User: user, Password: "wrong-" + secret},
				"asks for a user name":  {URL: cam.url()},
			} {
				var log bytes.Buffer
				cfg.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
				_, _, err := run(t, cfg)
				if !isType[ErrAuth](err) || !Credentials(err) || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v", err)
				}
				if strings.Contains(err.Error()+log.String(), "wrong-") || strings.Contains(err.Error()+log.String(), url.QueryEscape(secret)) {
					t.Error("the password is told")
				}
			}
		})
	}
}

func TestDigestIsPreferred(t *testing.T) {
	t.Parallel()
	cam := serve(t, func(c *servedCamera) {
		c.methods = []auth.VerifyMethod{auth.VerifyMethodBasic, auth.VerifyMethodDigestMD5, auth.VerifyMethodDigestSHA256}
	})
	_, c, stop := play(t, Config{URL: cam.url(), User: user, Password: secret})
	eventually(t, "frames", func() bool { return len(c.list()) > 0 })
	stop()
	cam.mu.Lock()
	defer cam.mu.Unlock()
	if cam.basic != 0 {
		t.Error("the password went over in the clear although the camera offers Digest")
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	cert, pin := certificate(t)
	cam := serve(t, func(c *servedCamera) {
		c.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}}
		c.methods = []auth.VerifyMethod{auth.VerifyMethodBasic}
	})
	t.Run("pinned", func(t *testing.T) {
		s, c, stop := play(t, Config{URL: cam.url(), Pin: pin, User: user, Password: secret})
		eventually(t, "pictures and sound", func() bool { return s.Stats().Pictures > 20 && s.Stats().Samples > 20 })
		if st := s.Stats(); st.TLS != "1.3" || !bytes.Equal(st.SPKI, pin) || st.Transport != TCP {
			t.Errorf("%+v", st)
		}
		stop()
		growing(t, c.list())
	})
	t.Run("another key", func(t *testing.T) {
		cam.mu.Lock()
		before := cam.basic
		cam.mu.Unlock()
		for _, want := range [][]byte{bytes.Repeat([]byte{7}, 32), nil} {
			_, _, err := run(t, Config{URL: cam.url(), Pin: want, User: user, Password: secret})
			var e ErrPin
			if !errors.As(err, &e) || !bytes.Equal(e.Got, pin) || !bytes.Equal(e.Want, want) || !strings.Contains(err.Error(), hex.EncodeToString(pin)) {
				t.Errorf("got %v", err)
			}
		}
		cam.mu.Lock()
		defer cam.mu.Unlock()
		if cam.basic != before {
			t.Error("the password was sent")
		}
	})
	t.Run("plain to a TLS port", func(t *testing.T) {
		u := cam.url()
		u.Scheme = "rtsp"
		_, _, err := run(t, Config{URL: u, User: user, Password: secret})
		if err == nil || !strings.Contains(err.Error(), "rtsps://") {
			t.Errorf("got %v", err)
		}
	})
}

// TestOldTLS is attack case 7 of docs/attacks.md.
func TestOldTLS(t *testing.T) {
	t.Parallel()
	cert, pin := certificate(t)
	cam := serve(t, func(c *servedCamera) {
		c.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}, MaxVersion: tls.VersionTLS12}
	})
	_, _, err := run(t, Config{URL: cam.url(), Pin: pin})
	if !isType[ErrTLSVersion](err) {
		t.Errorf("got %v", err)
	}
	var log bytes.Buffer
	s, c, stop := play(t, Config{URL: cam.url(), Pin: pin, AllowTLS12: true, Log: slog.New(slog.NewTextHandler(&log, nil))})
	eventually(t, "frames", func() bool { return len(c.list()) > 3 })
	if s.Stats().TLS != "1.2" {
		t.Errorf("%+v", s.Stats())
	}
	stop()
	if !strings.Contains(log.String(), "TLS 1.2") {
		t.Error("the exception is not logged")
	}

	older := serve(t, func(c *servedCamera) {
		c.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	})
	_, _, err = run(t, Config{URL: older.url(), Pin: pin, AllowTLS12: true})
	if !isType[ErrTLSVersion](err) || !strings.Contains(err.Error(), "older than 1.2") {
		t.Errorf("got %v", err)
	}
}

func TestTransports(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		setup func(*servedCamera)
		ask   Transport
		want  Transport
	}{
		"auto":            {withUDP, Auto, TCP},
		"auto, no TCP":    {func(c *servedCamera) { withUDP(c); c.noTCP = true }, Auto, UDP},
		"udp":             {withUDP, UDP, UDP},
		"udp refused":     {func(c *servedCamera) { withUDP(c); c.noUDP = true }, UDP, TCP},
		"udp not offered": {nil, UDP, TCP},
		"tcp":             {withUDP, TCP, TCP},
	} {
		t.Run(name, func(t *testing.T) {
			cam := serve(t, tc.setup)
			s, c, stop := play(t, Config{URL: cam.url(), Transport: tc.ask})
			eventually(t, "pictures and sound", func() bool { return s.Stats().Pictures > 20 && s.Stats().Samples > 20 })
			if got := s.Stats().Transport; got != tc.want {
				t.Errorf("got %s", got)
			}
			stop()
			growing(t, c.list())
		})
	}
	cam := serve(t, func(c *servedCamera) { withUDP(c); c.noTCP = true })
	_, _, err := run(t, Config{URL: cam.url(), Transport: TCP})
	if !isType[ErrRefused](err) {
		t.Errorf("got %v", err)
	}
}

func TestUDPThatNeverArrives(t *testing.T) {
	t.Parallel()
	cam := newRawCamera(t, func(c *rawConn, n int) {
		if n == 0 {
			<-c.gone // nothing is sent to the UDP ports
			return
		}
		for p, i := newPacker(t, h264Media().Formats[0], 1400), 0; c.film(p, i, 1, 5*time.Millisecond); i++ {
		}
	})
	cam.udp = true
	s, c, stop := play(t, Config{URL: cam.url("/x"), Transport: UDP})
	eventually(t, "frames over TCP", func() bool { return len(c.list()) > 3 })
	if got := s.Stats().Transport; got != TCP {
		t.Errorf("got %s", got)
	}
	stop()
}

func TestProbe(t *testing.T) {
	t.Parallel()
	cert, pin := certificate(t)
	cam := serve(t, func(c *servedCamera) { c.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}} })
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if _, err := Probe(ctx, Config{URL: cam.url()}); !isType[ErrPin](err) {
		t.Errorf("unknown key: %v", err)
	}
	p, err := Probe(ctx, Config{URL: cam.url(), Pin: pin})
	if err != nil {
		t.Fatal(err)
	}
	if !p.Frames[0].Key || !p.Frames[0].Video() || p.Stream.Tracks[0].Codec != frame.H264 || p.Trust != "pinned" || !bytes.Equal(p.SPKI, pin) || p.TLS != "1.3" || p.FPS < 1 {
		t.Errorf("%+v", p)
	}

	one := newRawCamera(t, func(c *rawConn, _ int) {
		c.film(newPacker(t, h264Media().Formats[0], 1400), 0, 1, 0)
		<-c.gone
	})
	p, err = Probe(ctx, Config{URL: one.url("/x")})
	if err != nil || len(p.Frames) != 1 || p.Trust != "plain" || p.FPS != 0 {
		t.Errorf("%v, %+v", err, p)
	}
}
