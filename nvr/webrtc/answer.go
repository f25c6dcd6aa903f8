package webrtc

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	pion "github.com/pion/webrtc/v4"
)

// session is what views and talks share: a connection, and how it stands.
type session struct {
	pc        *pion.PeerConnection
	answer    string
	connected chan struct{} // closed once DTLS is through
	gone      chan struct{} // closed when the browser has left or is not heard any more
}

// negotiate gives the library the cleaned offer and takes its answer. at is where the browser may find the socket, best first.
func (s *Server) negotiate(pc *pion.PeerConnection, at []netip.Addr, offer string) (*session, error) {
	n := &session{pc: pc, connected: make(chan struct{}), gone: make(chan struct{})}
	connected, gone := sync.OnceFunc(func() { close(n.connected) }), sync.OnceFunc(func() { close(n.gone) })
	pc.OnConnectionStateChange(func(state pion.PeerConnectionState) {
		switch state {
		case pion.PeerConnectionStateConnected:
			connected()
		case pion.PeerConnectionStateFailed, pion.PeerConnectionStateClosed, pion.PeerConnectionStateDisconnected:
			gone()
		default: // on the way
		}
	})
	if err := pc.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeOffer, SDP: offer}); err != nil {
		return nil, fmt.Errorf("take offer: %w", err)
	}
	answer, err := pc.CreateAnswer(nil)
	if err != nil {
		return nil, fmt.Errorf("make answer: %w", err)
	}
	gathered := pion.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(answer); err != nil {
		return nil, fmt.Errorf("set answer: %w", err)
	}
	select {
	case <-gathered:
	case <-time.After(connectTime): // there is nothing to ask anybody for
		return nil, errors.New("the candidates are not known in time")
	}
	n.answer = tell(pc.LocalDescription().SDP, at, s.port)
	return n, nil
}

// tell puts the addresses that the browser can use into an answer, in the place of those that this machine has.
func tell(answer string, at []netip.Addr, port uint16) string {
	var candidates strings.Builder
	for i, a := range at {
		// Host candidates only (RFC 8445, 5.1.2.1), those named first preferred.
		fmt.Fprintf(&candidates, "a=candidate:%d 1 udp %d %s %d typ host\r\n", i+1, 126<<24|(65535-i)<<8|255, a.Unmap(), port)
	}
	var b strings.Builder
	for line := range strings.Lines(answer) {
		switch {
		case strings.HasPrefix(line, "a=candidate:"):
		case strings.HasPrefix(line, "a=end-of-candidates"):
			b.WriteString(candidates.String())
			b.WriteString(line)
		default:
			b.WriteString(line)
		}
	}
	return b.String()
}

// wait returns when the browser is connected.
func (n *session) wait(ctx context.Context) error {
	late := time.NewTimer(connectTime)
	defer late.Stop()
	select {
	case <-n.connected:
		return nil
	case <-n.gone:
	case <-late.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	return ErrUnreachable
}

// until gives a context that ends with ctx and with the browser. stop MUST be called.
func (n *session) until(ctx context.Context) (watched context.Context, stop func()) {
	watched, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-n.gone:
			cancel()
		case <-watched.Done():
		}
	})
	return watched, func() {
		cancel()
		watch.Wait()
	}
}

// left reports whether the browser has gone.
func (n *session) left() bool {
	select {
	case <-n.gone:
		return true
	default:
		return false
	}
}

// end closes the connection and waits for what belongs to it.
func (n *session) end() { _ = n.pc.GracefulClose() }

// Addresses are where a browser may find the socket: the address that its own request came to, the one it has typed, and those that the
// owner gave for a machine that does not know its own, such as a container. Addresses that are not on the LAN are left out by onLAN.
func Addresses(onLAN func(netip.Addr) bool, candidates ...string) []netip.Addr {
	var at []netip.Addr
	for _, text := range candidates {
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" {
			continue
		}
		if a = a.Unmap(); !a.IsUnspecified() && onLAN(a) && !slices.Contains(at, a) && len(at) < 8 {
			at = append(at, a)
		}
	}
	return at
}
