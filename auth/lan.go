package auth

import (
	"net"
	"net/netip"
)

// OnLAN reports whether addr belongs to the local network: loopback, private (RFC 1918, fc00::/7), link-local, or
// inside the network of one of this box's interfaces. A Docker bridge is private, so the first run works from
// there too. An invalid address, which is what a connection through the relay has, is not on the LAN. The caller
// MUST pass the address of the connection, never one that a header claims.
func (p *People) OnLAN(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	if !addr.IsValid() || addr.IsUnspecified() || addr.IsMulticast() {
		return false
	}
	if addr.IsLoopback() || addr.IsPrivate() || addr.IsLinkLocalUnicast() {
		return true
	}
	addrs, err := p.cfg.Interfaces()
	if err != nil {
		return false // what cannot be known is not trusted
	}
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		ip, ok := netip.AddrFromSlice(n.IP)
		ones, bits := n.Mask.Size()
		if !ok || bits == 0 {
			continue
		}
		if ip.Is4In6() && bits == 32 {
			ip = ip.Unmap()
		}
		// A mask of 0 is a tunnel that takes everything, not a neighbourhood.
		if net, err := ip.Prefix(ones); err == nil && ones > 0 && net.Contains(addr) {
			return true
		}
	}
	return false
}

// block is the part of an address that one subscriber usually holds, the unit in which failures are counted:
// an IPv4 address, or the /64 of an IPv6 address.
func block(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := 64
	if addr.Is4() {
		bits = 32
	}
	pre, _ := addr.Prefix(bits) // an invalid address has the invalid block, shared by all of them
	return pre
}
