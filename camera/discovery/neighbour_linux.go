package discovery

import (
	"encoding/binary"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// place is an address on an interface.
type place struct {
	iface int
	addr  netip.Addr // without zone
}

// neighbours reads the kernel's tables of link-layer addresses (ARP and NDP) by rtnetlink(7), and adds this machine's own. An
// address that nobody answers for is not in it. It is nil where the kernel does not tell.
func neighbours() map[place]string {
	found := map[place]string{}
	if all, err := net.Interfaces(); err == nil {
		for _, i := range all {
			addrs, _ := i.Addrs() // gone just now
			for _, a := range addrs {
				if n, ok := a.(*net.IPNet); ok && len(i.HardwareAddr) == 6 {
					if ip, ok := netip.AddrFromSlice(n.IP); ok {
						found[place{i.Index, ip.Unmap()}] = i.HardwareAddr.String()
					}
				}
			}
		}
	}
	raw, err := syscall.NetlinkRIB(unix.RTM_GETNEIGH, unix.AF_UNSPEC)
	if err != nil {
		return found
	}
	messages, err := syscall.ParseNetlinkMessage(raw)
	if err != nil {
		return found
	}
	for _, m := range messages {
		if at, mac, ok := parseNeighbour(m); ok {
			found[at] = mac
		}
	}
	return found
}

// parseNeighbour reads one struct ndmsg with its attributes.
func parseNeighbour(m syscall.NetlinkMessage) (at place, mac string, ok bool) {
	const header = 12 // family, three bytes of padding, index, state, flags, type
	if m.Header.Type != unix.RTM_NEWNEIGH || len(m.Data) < header {
		return at, "", false
	}
	state := binary.NativeEndian.Uint16(m.Data[8:])
	if state&(unix.NUD_REACHABLE|unix.NUD_STALE|unix.NUD_DELAY|unix.NUD_PROBE|unix.NUD_PERMANENT) == 0 {
		return at, "", false
	}
	at.iface = int(binary.NativeEndian.Uint32(m.Data[4:]))
	for rest := m.Data[header:]; len(rest) >= 4; {
		size, kind := int(binary.NativeEndian.Uint16(rest)), binary.NativeEndian.Uint16(rest[2:])
		if size < 4 || size > len(rest) {
			break
		}
		switch value := rest[4:size]; kind {
		case unix.NDA_DST:
			if ip, valid := netip.AddrFromSlice(value); valid {
				at.addr = ip.Unmap()
			}
		case unix.NDA_LLADDR:
			if len(value) == 6 {
				mac = net.HardwareAddr(value).String()
			}
		}
		rest = rest[min(len(rest), (size+3)&^3):]
	}
	return at, mac, at.addr.IsValid() && mac != "" && mac != "00:00:00:00:00:00"
}
