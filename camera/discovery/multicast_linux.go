package discovery

import (
	"fmt"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// ipv6MulticastAll is IPV6_MULTICAST_ALL of linux/in6.h, which package unix does not name.
const ipv6MulticastAll = 29

// listenGroup opens a socket that hears what is sent to a multicast group on one interface, and nothing else: it is bound to the
// group, so it takes no unicast packet away from another program on the same port, and it is deaf on other interfaces.
func listenGroup(i *net.Interface, group netip.AddrPort) (*net.UDPConn, error) {
	return openUDP(i, group, true)
}

// listenUnicast opens a socket on a free port of one interface, for questions and the answers to them.
func listenUnicast(i *net.Interface, v6 bool) (*net.UDPConn, error) {
	any := netip.IPv4Unspecified()
	if v6 {
		any = netip.IPv6Unspecified()
	}
	return openUDP(i, netip.AddrPortFrom(any, 0), false)
}

func openUDP(i *net.Interface, at netip.AddrPort, group bool) (*net.UDPConn, error) {
	family := unix.AF_INET
	if at.Addr().Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_UDP)
	if err != nil {
		return nil, fmt.Errorf("listen on %s of %s: %w", at, i.Name, err)
	}
	file := os.NewFile(uintptr(fd), i.Name+" "+at.String())
	defer file.Close() // FilePacketConn has a copy
	if err := setUp(fd, i, at, group); err != nil {
		return nil, fmt.Errorf("listen on %s of %s: %w", at, i.Name, err)
	}
	conn, err := net.FilePacketConn(file)
	if err != nil {
		return nil, fmt.Errorf("listen on %s of %s: %w", at, i.Name, err)
	}
	return conn.(*net.UDPConn), nil
}

func setUp(fd int, i *net.Interface, at netip.AddrPort, group bool) error {
	// A kernel before 5.7 lets only root bind to a device; the check of the source's network remains then.
	_ = unix.BindToDevice(fd, i.Name)
	type option struct{ level, name, value int }
	var options []option
	var bind unix.Sockaddr
	if at.Addr().Is4() {
		options = []option{{unix.IPPROTO_IP, unix.IP_MULTICAST_ALL, 0}, {unix.IPPROTO_IP, unix.IP_MULTICAST_TTL, 255}}
		bind = &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}
		if err := unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, &unix.IPMreqn{Ifindex: int32(i.Index)}); err != nil {
			return err
		}
		if group {
			m := &unix.IPMreqn{Multiaddr: at.Addr().As4(), Ifindex: int32(i.Index)}
			if err := unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, m); err != nil {
				return err
			}
		}
	} else {
		options = []option{
			{unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1}, {unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, 255}, {unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_IF, i.Index},
		}
		sa := &unix.SockaddrInet6{Port: int(at.Port()), Addr: at.Addr().As16()}
		if group {
			sa.ZoneId = uint32(i.Index)
			if err := unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, unix.IPV6_JOIN_GROUP, &unix.IPv6Mreq{Multiaddr: at.Addr().As16(), Interface: uint32(i.Index)}); err != nil {
				return err
			}
		}
		bind = sa
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, ipv6MulticastAll, 0) // Linux 4.20; the zone says the same
	}
	if group {
		options = append(options, option{unix.SOL_SOCKET, unix.SO_REUSEADDR, 1}, option{unix.SOL_SOCKET, unix.SO_REUSEPORT, 1})
	}
	for _, o := range options {
		if err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
			return err
		}
	}
	return unix.Bind(fd, bind)
}
