package discovery

import (
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// virtual are the names of interfaces that lead to containers, virtual machines and tunnels: no camera is there.
var virtual = []string{"docker", "veth", "virbr", "vnet", "cni", "flannel", "cali", "podman", "lxc", "lxd", "tun", "tap", "wg", "tailscale", "zt", "ppp"}

// LANInterfaces lists the interfaces on which a camera can be: up, able to multicast, neither loopback nor tunnel nor bridge of
// containers.
func LANInterfaces() ([]net.Interface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(i net.Interface) bool {
		const need = net.FlagUp | net.FlagRunning | net.FlagMulticast
		return i.Flags&need != need || i.Flags&(net.FlagLoopback|net.FlagPointToPoint) != 0 ||
			dockerBridge.MatchString(i.Name) || slices.ContainsFunc(virtual, func(p string) bool { return strings.HasPrefix(i.Name, p) })
	}), nil
}

// dockerBridge is the name that Docker gives the bridge of a network; br-lan and its like are real.
var dockerBridge = regexp.MustCompile(`^br-[0-9a-f]{12}$`)

// OnLink gives the private networks that an interface is on: IPv4 of RFC 1918, IPv6 of fc00::/7 and fe80::/10. The address in
// each prefix is the interface's own.
func OnLink(i *net.Interface) []netip.Prefix {
	addrs, err := i.Addrs()
	if err != nil {
		return nil // it has just gone
	}
	var on []netip.Prefix
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
		ip = ip.Unmap()
		if ones > bits-1 || ones < 8 { // one address has no neighbours, and a very short mask is a tunnel
			continue
		}
		if ip.IsPrivate() || ip.Is6() && ip.IsLinkLocalUnicast() {
			on = append(on, netip.PrefixFrom(ip, ones))
		}
	}
	slices.SortFunc(on, func(a, b netip.Prefix) int { return a.Addr().Compare(b.Addr()) })
	return on
}

// neighbour says whether addr can be a camera on a link with these networks: a private address of one of them. Loopback,
// 169.254.0.0/16 with the metadata services of clouds, multicast, broadcast, public addresses and other networks are not. The zone
// of addr does not matter: the caller knows the interface.
func neighbour(on []netip.Prefix, addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	if !addr.IsPrivate() && !(addr.Is6() && addr.IsLinkLocalUnicast()) || addr.IsMulticast() || addr.IsUnspecified() {
		return false
	}
	for _, p := range on {
		if !p.Masked().Contains(addr) {
			continue
		}
		if addr.Is6() {
			return addr != awsMetadata6
		}
		// The first and the last address of a network are nobody's.
		return p.Bits() == 31 || addr != p.Masked().Addr() && addr != broadcast(p)
	}
	return false
}

// awsMetadata6 hands out credentials to whoever asks from inside; it lies in the private range.
var awsMetadata6 = netip.MustParseAddr("fd00:ec2::254")

func broadcast(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().As4()
	for i := p.Bits(); i < 32; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	return netip.AddrFrom4(b)
}
