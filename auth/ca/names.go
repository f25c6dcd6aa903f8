package ca

import (
	"net"
	"net/netip"
	"slices"
	"strings"
)

// maxNames keeps the certificate of a box with hundreds of container networks small enough to send.
const maxNames = 64

// permittedDomains are the domains that never exist outside a home: RFC 6762 (.local), RFC 8375 (home.arpa) and
// RFC 6761 (localhost). In a constraint the name stands for itself and everything below it.
func permittedDomains() []string { return []string{"local", "home.arpa", "localhost"} }

// permittedPrefixes are loopback, RFC 1918, RFC 4193 and link-local.
func permittedPrefixes() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"),
		netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("169.254.0.0/16"),
		netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("fc00::/7"), netip.MustParsePrefix("fe80::/10"),
	}
}

func permittedRanges() []*net.IPNet {
	var list []*net.IPNet
	for _, p := range permittedPrefixes() {
		list = append(list, &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())})
	}
	return list
}

// Permitted reports whether the web authority may certify name, a DNS name or an IP address without a zone.
func Permitted(name string) bool {
	if ip, err := netip.ParseAddr(name); err == nil {
		return ip.Zone() == "" && slices.ContainsFunc(permittedPrefixes(), func(p netip.Prefix) bool { return p.Contains(ip.Unmap()) })
	}
	if !hostname(name) {
		return false
	}
	name = strings.ToLower(name)
	return slices.ContainsFunc(permittedDomains(), func(d string) bool { return name == d || strings.HasSuffix(name, "."+d) })
}

// hostname reports whether name is a host name by RFC 1123 section 2.1, without a final dot.
func hostname(name string) bool {
	if len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.Trim(strings.ToLower(label), "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return true
}

// split sorts names into what goes where in a certificate, each once and in its one spelling, and leaves out what is
// not permitted.
func split(names []string) (dns []string, ips []net.IP) {
	seen := map[string]bool{}
	for _, name := range names {
		name = strings.ToLower(name)
		if ip, err := netip.ParseAddr(name); err == nil {
			name = ip.Unmap().String()
		}
		if seen[name] || !Permitted(name) || len(seen) == maxNames {
			continue
		}
		seen[name] = true
		if ip, err := netip.ParseAddr(name); err == nil {
			ips = append(ips, ip.AsSlice())
		} else {
			dns = append(dns, name)
		}
	}
	return dns, ips
}

// Names lists what the leaf of this box should hold: primary first, localhost, the host's own name under .local, and
// each address of addrs (as net.InterfaceAddrs gives them) that is permitted. Link-local IPv6 is left out, as browsers
// cannot write its zone. The order of the addresses does not depend on the order of the interfaces.
func Names(primary, host string, addrs []net.Addr) []string {
	names := []string{primary, "localhost"}
	if label, _, _ := strings.Cut(host, "."); label != "" && hostname(label) && !strings.EqualFold(label, "localhost") {
		names = append(names, strings.ToLower(label)+".local")
	}
	ips := []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()}
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		ip, ok := netip.AddrFromSlice(n.IP)
		if ip = ip.Unmap(); !ok || (ip.Is6() && ip.IsLinkLocalUnicast()) || !Permitted(ip.String()) {
			continue
		}
		ips = append(ips, ip)
	}
	slices.SortFunc(ips[2:], netip.Addr.Compare)
	for _, ip := range slices.Compact(ips) {
		if s := ip.String(); !slices.Contains(names, s) {
			names = append(names, s)
		}
	}
	return slices.Compact(names)
}
