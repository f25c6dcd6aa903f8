package discovery

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// segment is one interface with the networks it is on. It listens there, asks there, and judges what it hears by them.
type segment struct {
	iface    net.Interface
	prefixes []netip.Prefix
	table    *table
	log      *slog.Logger

	mdns, wsd, ask []*net.UDPConn // mDNS group, WS-Discovery group, questions with their answers
}

// lanSegments lists the interfaces that are on a private network now, not open yet.
func lanSegments(interfaces func() ([]net.Interface, error)) ([]*segment, error) {
	all, err := interfaces()
	if err != nil {
		return nil, err
	}
	var list []*segment
	for _, i := range all {
		if on := OnLink(&i); len(on) > 0 {
			list = append(list, &segment{iface: i, prefixes: on})
		}
	}
	return list, nil
}

// same says whether o is this interface in the same state, so that its sockets are still good.
func (s *segment) same(o *segment) bool {
	return s.iface.Index == o.iface.Index && s.iface.Name == o.iface.Name && slices.Equal(s.prefixes, o.prefixes)
}

func (s *segment) neighbour(addr netip.Addr) bool { return neighbour(s.prefixes, addr) }

// families says which kinds of addresses the interface has.
func (s *segment) families() (v4, v6 bool) {
	for _, p := range s.prefixes {
		v4, v6 = v4 || p.Addr().Is4(), v6 || p.Addr().Is6()
	}
	return v4, v6
}

// open makes the sockets. What one family cannot do, the other may; an error means that neither can.
func (s *segment) open() error {
	var problems []error
	add := func(list *[]*net.UDPConn, conn *net.UDPConn, err error) {
		if err != nil {
			problems = append(problems, err)
			return
		}
		*list = append(*list, conn)
	}
	group := func(list *[]*net.UDPConn, at netip.AddrPort) {
		conn, err := listenGroup(&s.iface, at)
		add(list, conn, err)
	}
	question := func(v6 bool) {
		conn, err := listenUnicast(&s.iface, v6)
		add(&s.ask, conn, err)
	}
	v4, v6 := s.families()
	if v4 {
		group(&s.mdns, mdnsGroup4)
		group(&s.wsd, wsdGroup4)
		question(false)
	}
	if v6 {
		group(&s.mdns, mdnsGroup6)
		group(&s.wsd, wsdGroup6)
		question(true)
	}
	if len(s.mdns) == 0 || len(s.ask) == 0 {
		return errors.Join(problems...)
	}
	for _, err := range problems {
		s.log.Warn("a part of discovery does not work on this interface", "interface", s.iface.Name, "error", err)
	}
	return nil
}

func (s *segment) close() {
	for _, list := range [][]*net.UDPConn{s.mdns, s.wsd, s.ask} {
		for _, conn := range list {
			conn.Close()
		}
	}
}

// run reads until ctx ends, and closes the sockets.
func (s *segment) run(ctx context.Context) {
	var readers sync.WaitGroup
	for _, conn := range s.mdns {
		readers.Go(func() { s.read(conn, maxMDNS, s.hearMDNS) })
	}
	for _, conn := range slices.Concat(s.wsd, s.ask) {
		readers.Go(func() { s.read(conn, maxWSD, s.hearWSD) })
	}
	<-ctx.Done()
	s.close()
	readers.Wait()
}

// read hands each packet of an admitted source to hear until the socket is closed.
func (s *segment) read(conn *net.UDPConn, size int, hear func(src netip.AddrPort, packet []byte)) {
	buf := make([]byte, size+1)
	for {
		n, src, err := conn.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// An ICMP error of an earlier packet, or the interface is going.
			time.Sleep(10 * time.Millisecond)
			continue
		}
		src = netip.AddrPortFrom(src.Addr().Unmap(), src.Port())
		if !s.table.admit(s, src.Addr()) {
			continue
		}
		if n > size {
			s.table.malformed()
			continue
		}
		hear(src, buf[:n])
	}
}

// send writes to a group or a neighbour by the socket of its family. A lost packet is like one that the network lost.
func (s *segment) send(to netip.AddrPort, packet []byte) {
	for _, conn := range s.ask {
		local := conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr()
		if local.Is4() != to.Addr().Is4() {
			continue
		}
		if to.Addr().Is6() && to.Addr().Zone() == "" && !to.Addr().IsPrivate() {
			to = netip.AddrPortFrom(to.Addr().WithZone(s.iface.Name), to.Port())
		}
		_, _ = conn.WriteToUDPAddrPort(packet, to)
	}
}

// discard is the port of RFC 863.
const discard = 9

// sighted takes what src said of itself. While its link-layer address, by which candidates are merged, is not known, an empty
// packet to its discard port now and then makes the kernel look for it.
func (s *segment) sighted(src netip.Addr, seen sighting) {
	if s.table.observe(s, src, seen) {
		s.send(netip.AddrPortFrom(src, discard), nil)
	}
}
