// Package isolation keeps cameras on a network of their own: it writes the firewall rules of that network, looks at what can be
// reached on it and from it, and gives its cameras the time, which they can no longer get from the internet.
//
// Its nouns: Plan, which becomes nftables rules; Finding, one thing that Look saw; TimeServer. It never changes a firewall: it
// writes rules for a person to read and load. What it cannot see from this machine it says, rather than call it safe.
package isolation

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// Table is the name of the nftables table (family inet) that the rules make. Loading them again replaces it, and deleting it undoes
// everything.
const Table = "cardea_cameras"

// Plan says what a network of cameras looks like. Interface is required.
type Plan struct {
	// Interface leads to the cameras, on the machine that loads the rules: the NVR with a second port or a VLAN, or the router.
	Interface string
	// NVR is set when the rules are for a router and the NVR is elsewhere: the addresses from which it reaches the cameras.
	NVR []netip.Addr
	// TimePort is where the NVR's time server listens, 0 where it is off. Cameras ask port 123; where the server has another
	// one, the rules lead them there.
	TimePort uint16
	// DHCP lets cameras ask this machine for their address.
	DHCP bool
	// Allow lists what cameras may reach beyond the NVR. Everything else is dropped.
	Allow []Egress
}

// Egress is one destination that cameras may reach.
type Egress struct {
	To       netip.Addr
	Protocol string // tcp or udp
	Port     uint16
}

// ParseEgress reads "udp:192.0.2.1:123" or "tcp:[2001:db8::1]:443".
func ParseEgress(text string) (Egress, error) {
	protocol, rest, _ := strings.Cut(text, ":")
	at, err := netip.ParseAddrPort(rest)
	if protocol != "tcp" && protocol != "udp" || err != nil || at.Port() == 0 || at.Addr().Zone() != "" {
		return Egress{}, fmt.Errorf("%q is no destination; it looks like udp:192.0.2.1:123 or tcp:[2001:db8::1]:443", text)
	}
	return Egress{at.Addr().Unmap(), protocol, at.Port()}, nil
}

// interfaceName is what the kernel and nftables both take without quoting tricks.
var interfaceName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,15}$`)

// Rules gives the plan as nftables rules, to be loaded by `nft -f`. The error is a sentence for the person who made the plan.
func (p Plan) Rules() (string, error) {
	if !interfaceName.MatchString(p.Interface) {
		return "", fmt.Errorf("%q is no name of a network interface", p.Interface)
	}
	for _, e := range p.Allow {
		if e.Protocol != "tcp" && e.Protocol != "udp" || !e.To.IsValid() || e.Port == 0 {
			return "", fmt.Errorf("%v is no destination", e)
		}
	}
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Cameras behind %s reach the NVR and what is allowed below, and nobody but the NVR reaches them.", p.Interface)
	line("# Written by `cardea doctor network`. Load: nft -f FILE   Look: nft list table inet %s   Undo: nft delete table inet %s", Table, Table)
	line("# Cameras on one switch still reach each other, because their packets do not pass here: use port isolation of the switch.")
	line("table inet %s", Table) // so that delete has something the first time
	line("delete table inet %s", Table)
	line("table inet %s {", Table)
	line("\t# What cameras may reach beyond the NVR: address . protocol . port")
	b.WriteString(egressSet("allowed4", "ipv4_addr", p.Allow, netip.Addr.Is4))
	b.WriteString(egressSet("allowed6", "ipv6_addr", p.Allow, netip.Addr.Is6))
	if len(p.NVR) > 0 {
		b.WriteString(addressSet("nvr4", "ipv4_addr", p.NVR, netip.Addr.Is4))
		b.WriteString(addressSet("nvr6", "ipv6_addr", p.NVR, netip.Addr.Is6))
	}
	line("")
	p.input(line)
	p.forward(line)
	if p.TimePort != 0 && p.TimePort != ntpPort && len(p.NVR) == 0 {
		line("")
		line("\t# Cameras ask port %d; the time server listens on one that needs no rights.", ntpPort)
		line("\tchain clients_of_time {")
		line("\t\ttype nat hook prerouting priority dstnat; policy accept;")
		line("\t\tiifname %q udp dport %d redirect to :%d", p.Interface, ntpPort, p.TimePort)
		line("\t}")
	}
	line("}")
	return b.String(), nil
}

// input is what reaches this machine itself from the cameras' side.
func (p Plan) input(line func(string, ...any)) {
	line("\t# From cameras to this machine: answers, neighbour discovery, announcements, the time. Nothing else.")
	line("\tchain input {")
	line("\t\ttype filter hook input priority filter; policy accept;")
	line("\t\tiifname %q jump camera_to_here", p.Interface)
	line("\t}")
	line("\tchain camera_to_here {")
	line("\t\tct state established,related accept")
	line("\t\tct state invalid drop")
	line("\t\ticmp type { echo-request, destination-unreachable, time-exceeded } limit rate 20/second accept")
	line("\t\ticmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, echo-request, destination-unreachable, packet-too-big, time-exceeded } limit rate 200/second accept")
	if len(p.NVR) == 0 {
		line("\t\t# mDNS and WS-Discovery; answers to a question by multicast are new connections to the firewall.")
		line("\t\tip daddr { 224.0.0.251, 239.255.255.250 } udp dport { 5353, 3702 } limit rate 400/second burst 800 packets accept")
		line("\t\tip6 daddr { ff02::fb, ff02::c } udp dport { 5353, 3702 } limit rate 400/second burst 800 packets accept")
		line("\t\tudp sport 3702 udp dport 32768-65535 limit rate 400/second burst 800 packets accept")
		if p.TimePort != 0 {
			line("\t\tudp dport %d limit rate 200/second accept", p.TimePort)
		}
	}
	if p.DHCP {
		line("\t\tudp sport 68 udp dport 67 limit rate 20/second accept")
	}
	line("\t\tlimit rate 5/minute log prefix \"cardea: camera to host: \"")
	line("\t\tcounter drop")
	line("\t}")
}

// forward is what this machine would pass on.
func (p Plan) forward(line func(string, ...any)) {
	line("\t# Through this machine: from cameras only to what is allowed; to cameras only answers, and the NVR where it is elsewhere.")
	line("\tchain forward {")
	line("\t\ttype filter hook forward priority filter; policy accept;")
	line("\t\tiifname %q jump camera_to_network", p.Interface)
	line("\t\toifname %q jump network_to_camera", p.Interface)
	line("\t}")
	line("\tchain camera_to_network {")
	line("\t\tct state established,related accept")
	if p.TimePort != 0 && len(p.NVR) > 0 {
		line("\t\tip daddr @nvr4 udp dport %d accept", p.TimePort)
		line("\t\tip6 daddr @nvr6 udp dport %d accept", p.TimePort)
	}
	line("\t\tip daddr . meta l4proto . th dport @allowed4 accept")
	line("\t\tip6 daddr . meta l4proto . th dport @allowed6 accept")
	line("\t\tlimit rate 5/minute log prefix \"cardea: camera to network: \"")
	line("\t\tcounter drop")
	line("\t}")
	line("\tchain network_to_camera {")
	line("\t\tct state established,related accept")
	if len(p.NVR) > 0 {
		line("\t\tip saddr @nvr4 accept")
		line("\t\tip6 saddr @nvr6 accept")
	}
	line("\t\tcounter drop")
	line("\t}")
}

func egressSet(name, kind string, all []Egress, family func(netip.Addr) bool) string {
	var elements []string
	for _, e := range all {
		if family(e.To) {
			elements = append(elements, fmt.Sprintf("%s . %s . %d", e.To, e.Protocol, e.Port))
		}
	}
	return set(name, kind+" . inet_proto . inet_service", elements)
}

func addressSet(name, kind string, all []netip.Addr, family func(netip.Addr) bool) string {
	var elements []string
	for _, a := range all {
		if a = a.Unmap().WithZone(""); family(a) {
			elements = append(elements, a.String())
		}
	}
	return set(name, kind, elements)
}

func set(name, kind string, elements []string) string {
	slices.Sort(elements)
	elements = slices.Compact(elements)
	text := "\tset " + name + " {\n\t\ttype " + kind + "\n"
	if len(elements) > 0 {
		text += "\t\telements = { " + strings.Join(elements, ", ") + " }\n"
	}
	return text + "\t}\n"
}
