// Package webrtc hands the pictures of a camera to a browser over WebRTC, as the camera sent them, and takes what somebody says to a
// camera. Signalling is one offer and one answer (WHEP, draft-ietf-wish-whep, and WHIP, RFC 9725); who may make them is not known here.
//
// Its nouns: Server, the one UDP socket; Offer, what a browser can and wants, after a strict reading; View, one browser that watches;
// Talk, one that speaks. Nothing is transcoded: H.264, H.265, Opus and G.711 pass, everything else is for the fMP4 of package live.
//
// There is no STUN or TURN server and no connection is ever opened to an address that an offer names: the server is ICE-lite (RFC 8445,
// 2.5), so a browser comes to the socket, shows the password from the answer, and only then DTLS begins, with the certificate whose
// fingerprint the offer carried. DTLS is 1.2 with ECDHE and an AEAD; SRTP uses AES-GCM where the browser has it.
package webrtc

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/nack"
	"github.com/pion/logging"
	pion "github.com/pion/webrtc/v4"
)

const (
	// connectTime is how long a browser may take from the answer to the end of the DTLS handshake.
	connectTime = 15 * time.Second
	// A browser shows every few seconds that it still wants to receive (RFC 7675); without that the session ends.
	silentAfter, goneAfter, keepAlive = 6 * time.Second, 6 * time.Second, 2 * time.Second
	// resendPackets is how many packets a browser may ask for again: about a second of 4 Mbit/s.
	resendPackets = 512
)

// Errors that a session ends with. ErrGone is the browser's own doing; the others mean that the same view is possible over fMP4.
var (
	ErrGone        = errors.New("the browser has gone")
	ErrUnreachable = errors.New("no connection came about over UDP")
	ErrReordered   = errors.New("the pictures of this camera are sent in another order than they are shown in (B-frames), which WebRTC cannot carry")
	ErrCodec       = errors.New("the camera has changed what it sends")
)

// Server is the UDP socket that all sessions share. Make one with New; the sessions MUST have ended before Close.
type Server struct {
	mux  *ice.UDPMuxDefault
	conn net.PacketConn
	port uint16
}

// New takes over a UDP socket.
func New(conn *net.UDPConn) *Server {
	return &Server{
		mux:  ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: conn, Logger: quiet().NewLogger("ice")}),
		conn: conn,
		port: conn.LocalAddr().(*net.UDPAddr).AddrPort().Port(),
	}
}

// Addr is the address of the socket.
func (s *Server) Addr() net.Addr { return s.conn.LocalAddr() }

// Close closes the socket.
func (s *Server) Close() error { return errors.Join(s.mux.Close(), s.closeConn()) }

func (s *Server) closeConn() error {
	if err := s.conn.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// quiet keeps the library from printing: what matters ends a session with an error.
func quiet() logging.LoggerFactory {
	return &logging.DefaultLoggerFactory{Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled}
}

// local is the socket as one ICE agent sees it: one local candidate for each family of addresses. What the browser is told is
// written into the answer, see answer.go; behind a published port of a container the two differ.
type local struct {
	*ice.UDPMuxDefault
	addrs []net.Addr
}

func (l local) GetListenAddresses() []net.Addr { return l.addrs }

func (l local) GetConn(ufrag string, addr net.Addr) (net.PacketConn, error) {
	own, _ := l.LocalAddr().(*net.UDPAddr)
	if own != nil && !own.IP.IsUnspecified() {
		addr = own // it answers to its own address only
	}
	return l.UDPMuxDefault.GetConn(ufrag, addr)
}

// families gives one address of each family among those that the browser is told.
func (s *Server) families(at []netip.Addr) []net.Addr {
	var addrs []net.Addr
	var four, six bool
	for _, a := range at {
		if a = a.Unmap(); a.Is4() && !four || a.Is6() && !six {
			addrs = append(addrs, net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, s.port)))
			four, six = four || a.Is4(), six || a.Is6()
		}
	}
	return addrs
}

// peer makes the connection of one session with just the codecs that were chosen.
func (s *Server) peer(at []netip.Addr, codecs ...*codec) (*pion.PeerConnection, error) {
	var media pion.MediaEngine
	for _, c := range codecs {
		if c == nil {
			continue
		}
		if err := media.RegisterCodec(c.parameters(), c.kind()); err != nil {
			return nil, fmt.Errorf("register %s: %w", c.name, err)
		}
	}
	var chain interceptor.Registry
	resend, err := nack.NewResponderInterceptor(nack.ResponderSize(resendPackets), nack.WithResponderLoggerFactory(quiet()))
	if err != nil {
		return nil, fmt.Errorf("make responder: %w", err)
	}
	chain.Add(resend)
	var e pion.SettingEngine
	e.LoggerFactory = quiet()
	e.SetLite(true)
	e.SetICEUDPMux(local{s.mux, s.families(at)})
	e.SetIncludeLoopbackCandidate(true)
	e.SetNetworkTypes([]pion.NetworkType{pion.NetworkTypeUDP4, pion.NetworkTypeUDP6})
	e.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	e.SetICETimeouts(silentAfter, goneAfter, keepAlive)
	e.SetDTLSInsecureSkipHelloVerify(true) // ICE has proved the address already
	e.SetDTLSCipherSuites(
		dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, dtls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, dtls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	)
	e.SetSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_256_GCM, dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80)
	if err := e.SetAnsweringDTLSRole(pion.DTLSRoleServer); err != nil {
		return nil, fmt.Errorf("set role: %w", err)
	}
	api := pion.NewAPI(pion.WithMediaEngine(&media), pion.WithInterceptorRegistry(&chain), pion.WithSettingEngine(e))
	pc, err := api.NewPeerConnection(pion.Configuration{})
	if err != nil {
		return nil, fmt.Errorf("make connection: %w", err)
	}
	return pc, nil
}
