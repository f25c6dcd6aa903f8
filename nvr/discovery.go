package nvr

import (
	"context"
	"net/netip"
	"net/url"
	"slices"
	"strconv"

	"cardea/camera/discovery"
)

// NotAdded leaves out the candidates that are cameras of this NVR already, by the address of their stream. An agent of ours has a
// port of its own, and so may share its address with others.
func (n *NVR) NotAdded(ctx context.Context, found []discovery.Candidate) ([]discovery.Candidate, error) {
	cameras, err := n.db.Cameras(ctx)
	if err != nil {
		return nil, err
	}
	hosts, ports := map[netip.Addr]bool{}, map[netip.AddrPort]bool{}
	for _, c := range cameras {
		u, err := url.Parse(c.URL)
		if err != nil {
			continue
		}
		addr, err := netip.ParseAddr(u.Hostname())
		if err != nil {
			continue // a name; discovery knows addresses only
		}
		addr = addr.WithZone("")
		hosts[addr] = true
		if port, err := strconv.ParseUint(u.Port(), 10, 16); err == nil {
			ports[netip.AddrPortFrom(addr, uint16(port))] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(found), func(c discovery.Candidate) bool {
		return slices.ContainsFunc(c.Addresses, func(a netip.Addr) bool {
			a = a.WithZone("")
			if c.Pair.IsValid() {
				return ports[netip.AddrPortFrom(a, c.Pair.Port())]
			}
			return hosts[a]
		})
	}), nil
}
