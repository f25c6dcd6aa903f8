package discovery

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"
)

// Bounds of a scan.
const (
	scanShortest = 22 // bits of the largest IPv4 network: 1022 addresses
	scanPackets  = 800
	scanDials    = 64              // at the same time
	scanTimeout  = 2 * time.Second // of one connection, question and answer
	scanResolve  = 1500 * time.Millisecond
	scanAnswer   = 8 << 10 // bytes read of an answer
)

// scanPorts are where cameras usually listen, with the question to ask there.
var scanPorts = []struct {
	port uint16
	kind string
	tls  bool
}{
	{554, kindRTSP, false}, {8554, kindRTSP, false}, {322, kindRTSPS, true}, {8322, kindRTSPS, true}, {80, kindONVIF, false}, {443, kindONVIF, true},
}

// ErrScanning means that a scan is under way; wait for it.
var ErrScanning = errors.New("a scan is under way already; wait for it to end")

// RangeError says why a network is not scanned; its text is for people.
type RangeError string

func (e RangeError) Error() string { return string(e) }

// Networks lists the IPv4 networks that Scan takes, those of the LAN interfaces, cut to the largest allowed size around this
// machine's address.
func (d *Discovery) Networks() []netip.Prefix {
	var list []netip.Prefix
	for _, s := range d.current() {
		for _, p := range s.prefixes {
			if p.Addr().Is4() {
				list = append(list, netip.PrefixFrom(p.Addr(), max(p.Bits(), scanShortest)).Masked())
			}
		}
	}
	return list
}

// Scan looks for cameras by asking each address of a private network that this machine is on, at most a /22; the invalid prefix
// means all of Networks. It asks only neighbours that exist: RTSP OPTIONS on the RTSP ports, the time of an ONVIF device on the web
// ports, never with a password. What answers is a candidate afterwards. Only a person should start it: a network may take it amiss.
func (d *Discovery) Scan(ctx context.Context, network netip.Prefix) error {
	if network.IsValid() {
		if err := checkRange(network); err != nil {
			return err
		}
	}
	d.listening(ctx)
	networks := d.Networks()
	if network.IsValid() {
		networks = []netip.Prefix{network.Masked()}
	}
	if len(networks) == 0 {
		return RangeError("This machine is on no private IPv4 network, so there is nothing to scan.")
	}
	if !d.scanning.TryLock() {
		return ErrScanning
	}
	defer d.scanning.Unlock()
	for _, n := range networks {
		s := d.segmentOf(n)
		if s == nil {
			return RangeError(fmt.Sprintf("This machine is not on the network %s. Only networks that it is on are scanned; a camera elsewhere is added by its address.", n))
		}
		d.Wake() // a scan may take longer than a minute
		if err := s.scan(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// listening has the interfaces opened, which they are not while nobody wants to know. It waits for a moment only, as there may be none.
func (d *Discovery) listening(ctx context.Context) {
	d.Wake()
	for range 40 {
		if len(d.current()) > 0 || ctx.Err() != nil {
			return
		}
		sleep(ctx, 50*time.Millisecond)
	}
}

// checkRange refuses what is no private IPv4 network of a sensible size.
func checkRange(n netip.Prefix) error {
	switch {
	case !n.Addr().Is4():
		return RangeError("Only IPv4 networks are scanned, such as 192.168.1.0/24; an IPv6 network has too many addresses.")
	case n.Bits() < scanShortest:
		return RangeError(fmt.Sprintf("The network %s is too large to scan. Name a part of it, at most a /%d.", n.Masked(), scanShortest))
	case !n.Masked().Addr().IsPrivate():
		return RangeError(fmt.Sprintf("%s is no private network (10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16), so it is not scanned.", n.Masked()))
	}
	return nil
}

// segmentOf is the one whose interface is on all of n.
func (d *Discovery) segmentOf(n netip.Prefix) *segment {
	for _, s := range d.current() {
		for _, p := range s.prefixes {
			if p.Addr().Is4() && p.Masked().Contains(n.Addr()) && p.Bits() <= n.Bits() {
				return s
			}
		}
	}
	return nil
}

func (s *segment) scan(ctx context.Context, n netip.Prefix) error {
	pace := rate.NewLimiter(scanPackets, 16)
	// An empty packet to each makes the kernel look for its link-layer address: whoever has none is not there.
	var all []netip.Addr
	for a := n.Addr(); n.Contains(a); a = a.Next() {
		if !s.neighbour(a) {
			continue
		}
		if err := pace.Wait(ctx); err != nil {
			return err
		}
		all = append(all, a)
		s.send(netip.AddrPortFrom(a, discard), nil)
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(scanResolve):
	}
	there := neighbours()
	var g errgroup.Group
	g.SetLimit(scanDials)
	for _, a := range all {
		if there[place{s.iface.Index, a}] == "" {
			continue
		}
		for _, p := range scanPorts {
			if err := pace.Wait(ctx); err != nil {
				return errors.Join(err, g.Wait())
			}
			g.Go(func() error {
				if seen, ok := s.knock(ctx, netip.AddrPortFrom(a, p.port), p.kind, p.tls); ok {
					s.sighted(a, seen)
				}
				return nil
			})
		}
	}
	return g.Wait()
}

// knock asks one port what is behind it.
func (s *segment) knock(ctx context.Context, at netip.AddrPort, kind string, secure bool) (seen sighting, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, scanTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", at.String())
	if err != nil {
		return seen, false
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	seen = sighting{Kind: kind, Via: ViaScan, Key: "scan " + strconv.Itoa(int(at.Port())), Port: at.Port(), TLS: secure}
	stream := net.Conn(conn)
	if secure {
		// Nobody is authenticated here and nothing is entrusted: the certificate is judged when a person adds the camera.
		asked := false
		client := tls.Client(conn, &tls.Config{
			InsecureSkipVerify: true, //nolint:gosec // see above
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				asked = true
				return &tls.Certificate{}, nil
			},
		})
		err := client.HandshakeContext(ctx)
		if kind == kindRTSPS && asked {
			return seen, true // it speaks to its own NVR only, which is what a paired camera does
		}
		if err != nil {
			return seen, false
		}
		stream = client
	}
	if kind == kindONVIF {
		return seen, isONVIF(stream, at)
	}
	answer := ask(stream, fmt.Sprintf("OPTIONS %s://%s/ RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: cardea\r\n\r\n", kind, at))
	if !strings.HasPrefix(answer, "RTSP/1.0 ") {
		return seen, false
	}
	for line := range strings.SplitSeq(answer, "\r\n") {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(name, "Server") {
			seen.Model = clean(value)
		}
	}
	return seen, true
}

// isONVIF asks for the time, which every ONVIF device gives without a password (ONVIF Core, 8.3.5).
func isONVIF(stream net.Conn, at netip.AddrPort) bool {
	body := `<?xml version="1.0" encoding="UTF-8"?><e:Envelope xmlns:e="` + nsSOAP + `"><e:Body><GetSystemDateAndTime xmlns="` + nsDevice + `"/></e:Body></e:Envelope>`
	answer := ask(stream, fmt.Sprintf("POST /onvif/device_service HTTP/1.1\r\nHost: %s\r\nContent-Type: application/soap+xml; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", at, len(body), body))
	return strings.HasPrefix(answer, "HTTP/1.") && strings.Contains(answer, "GetSystemDateAndTimeResponse")
}

// ask writes a question and reads an answer of bounded length until the other side or the deadline ends it.
func ask(stream net.Conn, question string) string {
	if _, err := io.WriteString(stream, question); err != nil {
		return ""
	}
	var answer []byte
	buf := make([]byte, 2048)
	for len(answer) < scanAnswer {
		n, err := stream.Read(buf)
		answer = append(answer, buf[:n]...)
		text := string(answer)
		if err != nil || strings.HasPrefix(text, "RTSP/") && strings.Contains(text, "\r\n\r\n") || strings.Contains(text, "Envelope>") {
			break
		}
	}
	return string(answer)
}
