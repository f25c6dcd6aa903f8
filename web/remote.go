package web

import (
	"net"
	"net/netip"
)

// Through makes conn one that this box's own end of the tunnel took for somebody at client. Only that end may call it, with what the relay said
// when the connection began, below TLS; no header and no other listener ever leads here. The address is good for counting and for the log. It proves
// nothing, because the relay says it: who came this way is neither at home nor inside of any list of addresses, whatever the address.
func Through(conn net.Conn, client netip.AddrPort) net.Conn {
	return &through{Conn: conn, client: remoteAddr(client)}
}

type through struct {
	net.Conn
	client remoteAddr
}

func (c *through) RemoteAddr() net.Addr { return c.client }

// remoteAddr is the address of who came through the tunnel. It is a type of its own, so that it is never taken for that of a connection.
type remoteAddr netip.AddrPort

func (remoteAddr) Network() string  { return "tunnel" }
func (a remoteAddr) String() string { return netip.AddrPort(a).String() }

// addrOf is the address of a peer without its port, and whether it is only said by the relay. Invalid where there is none, as on a pipe.
func addrOf(a net.Addr) (addr netip.Addr, remote bool) {
	switch a := a.(type) {
	case *net.TCPAddr:
		return a.AddrPort().Addr().Unmap(), false
	case remoteAddr:
		return netip.AddrPort(a).Addr().Unmap(), true
	}
	return netip.Addr{}, false
}
