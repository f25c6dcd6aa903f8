package isolation

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"cardea/camera/discovery"
)

// Levels of a finding.
const (
	OK   = "ok"   // as it should be
	Note = "note" // could be better
	Bad  = "bad"  // something that isolation is there to prevent is possible
)

// Finding is one thing that Look saw.
type Finding struct {
	Level, Detail string
	// Advice says what to do; empty where all is well.
	Advice string
}

// Camera is what Look needs to know of one.
type Camera struct {
	Name  string
	At    netip.AddrPort // of its stream; invalid where the address is a name
	Trust string         // paired, pinned or plain
}

// Scene is what Look looks at.
type Scene struct {
	Cameras []Camera
	// TimePort is the setting of the time server, 0 for off.
	TimePort uint16
	// WebPort is where the NVR listens for browsers.
	WebPort uint16
	// Wifi asks the system; nil for the real one.
	Wifi WifiSource
}

// Look says what can be seen from this machine of how well its cameras are kept apart. It connects to the cameras' well-known ports
// and changes nothing. What a camera can reach elsewhere on its own network cannot be seen from here, and is not called safe.
func Look(ctx context.Context, s Scene) []Finding {
	var out []Finding
	places := s.places()
	loaded := tableLoaded(ctx)
	out = append(out, s.aboutPlaces(places, loaded)...)
	out = append(out, s.aboutHost(places, loaded)...)
	out = append(out, s.aboutPorts(ctx)...)
	out = append(out, s.aboutTrust()...)
	for _, w := range LookWifi(ctx, s.Wifi) {
		out = append(out, aboutWifi(w))
	}
	if s.TimePort == 0 {
		if slices.ContainsFunc(places, func(p placed) bool { return !p.gateway }) {
			out = append(out, Finding{Note, "The time server is off, so cameras without internet have no clock to follow.", "Switch it on in the settings, under Time for cameras: port 123 or, without rights, one above 1023."})
		}
	} else {
		out = append(out, Finding{OK, fmt.Sprintf("The time server listens on port %d. Enter this machine's address as the NTP server in each camera.", s.TimePort), ""})
	}
	return out
}

// placed is an interface with the cameras behind it.
type placed struct {
	iface   net.Interface
	own     netip.Prefix
	gateway bool // the default route leads there too
	cameras []string
}

// places sorts cameras by the interface that they are on.
func (s Scene) places() []placed {
	all, err := discovery.LANInterfaces()
	if err != nil {
		return nil
	}
	routes := defaultRoutes()
	var out []placed
	for _, i := range all {
		for _, p := range discovery.OnLink(&i) {
			var names []string
			for _, c := range s.Cameras {
				if c.At.IsValid() && p.Masked().Contains(c.At.Addr().WithZone("")) {
					names = append(names, c.Name)
				}
			}
			if len(names) > 0 {
				out = append(out, placed{i, p, routes[i.Name], names})
			}
		}
	}
	return out
}

// CameraInterface guesses the interface of the cameras: the only one with cameras and without the default route. ok is false where
// there is none, or more than one.
func (s Scene) CameraInterface() (name string, ok bool) {
	for _, p := range s.places() {
		if !p.gateway && name != p.iface.Name {
			if name != "" {
				return "", false
			}
			name = p.iface.Name
		}
	}
	return name, name != ""
}

func (s Scene) aboutPlaces(places []placed, loaded bool) []Finding {
	var out []Finding
	for _, p := range places {
		names := strings.Join(p.cameras, ", ")
		switch {
		case p.gateway:
			out = append(out, Finding{
				Note, fmt.Sprintf("%s: on %s (%s), the network that leads to the internet too. These cameras can reach everything there, and everything there can reach them.", names, p.iface.Name, p.own.Masked()),
				"Give cameras a network of their own: docs/network.md has it step by step.",
			})
		case forwards() && !loaded:
			out = append(out, Finding{
				Bad, fmt.Sprintf("%s: on %s (%s), but this machine passes packets on between its networks, so these cameras may reach the internet through it.", names, p.iface.Name, p.own.Masked()),
				"Load the rules that `cardea doctor network --write FILE` writes, or switch forwarding off: sysctl net.ipv4.ip_forward=0",
			})
		default:
			out = append(out, Finding{OK, fmt.Sprintf("%s: on %s (%s), a network that this machine does not lead out of.", names, p.iface.Name, p.own.Masked()), ""})
		}
	}
	for _, c := range s.Cameras {
		if !c.At.IsValid() {
			out = append(out, Finding{Note, fmt.Sprintf("Camera %s is known by a host name, so its network is not known.", c.Name), "Enter its IP address instead: a name can be made to lead elsewhere."})
		} else if a := c.At.Addr(); !a.IsLoopback() && !slices.ContainsFunc(places, func(p placed) bool { return p.own.Masked().Contains(a.WithZone("")) }) {
			out = append(out, Finding{Note, fmt.Sprintf("Camera %s (%s) is behind a router. What it can reach is up to that router.", c.Name, a), "Load rules on the router: `cardea doctor network --write FILE --camera-interface NAME --nvr ADDRESS` writes them for one that runs nftables."})
		}
	}
	return out
}

// aboutHost says what of this machine its cameras can reach.
func (s Scene) aboutHost(places []placed, loaded bool) []Finding {
	if len(places) == 0 {
		return nil
	}
	if loaded {
		return []Finding{{OK, "The firewall table " + Table + " is loaded: cameras reach nothing of this machine but the time.", ""}}
	}
	var open []string
	for _, p := range listening() {
		if p != s.WebPort {
			open = append(open, strconv.Itoa(int(p)))
		}
	}
	if len(open) == 0 {
		return []Finding{{OK, "No other program of this machine listens where cameras could reach it.", ""}}
	}
	return []Finding{{Note, "Cameras can reach other programs on this machine: TCP port " + strings.Join(open, ", ") + ".", "Load the rules that `cardea doctor network --write FILE` writes."}}
}

// servicePorts are where cameras often listen besides their stream.
var servicePorts = []struct {
	port uint16
	what string
	bad  bool
}{
	{21, "FTP", true}, {22, "SSH", false}, {23, "telnet", true}, {80, "a web page", false}, {443, "a web page", false}, {554, "RTSP", false}, {2323, "telnet", true},
	{8000, "a vendor's service", false}, {8080, "a web page", false}, {9527, "a debug console", true}, {34567, "a vendor's service", false}, {37777, "a vendor's service", false},
}

// aboutPorts connects to the cameras' well-known ports.
func (s Scene) aboutPorts(ctx context.Context) []Finding {
	found := make([]Finding, len(s.Cameras))
	var group sync.WaitGroup
	for i, c := range s.Cameras {
		if !c.At.IsValid() || c.At.Addr().IsLoopback() || i >= 64 {
			continue
		}
		group.Go(func() {
			var more, worse []string
			for _, p := range servicePorts {
				if p.port == c.At.Port() || !answers(ctx, netip.AddrPortFrom(c.At.Addr(), p.port)) {
					continue
				}
				text := fmt.Sprintf("%d (%s)", p.port, p.what)
				if p.bad {
					worse = append(worse, text)
				} else {
					more = append(more, text)
				}
			}
			switch {
			case !answers(ctx, c.At):
				found[i] = Finding{Note, fmt.Sprintf("Camera %s does not answer at %s now.", c.Name, c.At), "Look at its power and its cable, and at the firewall between."}
			case len(worse) > 0:
				found[i] = Finding{Bad, fmt.Sprintf("Camera %s lets people in on port %s without encryption.", c.Name, strings.Join(append(worse, more...), ", ")), "Switch that service off in the camera, or replace it; until then keep it on a network that only the NVR reaches."}
			case len(more) > 0:
				found[i] = Finding{Note, fmt.Sprintf("Camera %s also answers on port %s.", c.Name, strings.Join(more, ", ")), "Switch off in the camera what you do not use."}
			default:
				found[i] = Finding{OK, fmt.Sprintf("Camera %s answers at %s and on no other well-known port.", c.Name, c.At), ""}
			}
		})
	}
	group.Wait()
	return slices.DeleteFunc(found, func(f Finding) bool { return f.Level == "" })
}

func answers(ctx context.Context, at netip.AddrPort) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", at.String())
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

func (s Scene) aboutTrust() []Finding {
	var plain []string
	for _, c := range s.Cameras {
		if c.Trust == "plain" {
			plain = append(plain, c.Name)
		}
	}
	if len(plain) == 0 {
		return nil
	}
	return []Finding{{
		Note, "Plain cameras, whose pictures and password anybody on their network can read and replace: " + strings.Join(plain, ", ") + ".",
		"Use the camera's rtsps:// address, put `cardea camera --source rtsp://…` beside it, or keep it on a cable of its own.",
	}}
}

func aboutWifi(w Wifi) Finding {
	name := fmt.Sprintf("Wi-Fi %s (%s)", w.Interface, cmp.Or(w.SSID, "unknown network"))
	switch {
	case w.Security == "":
		return Finding{Note, name + ": the system does not tell how it is encrypted.", "Look into the access point: it should say WPA2 or WPA3, and nothing older."}
	case w.Weak():
		return Finding{Bad, fmt.Sprintf("%s is %s, by word of %s: whoever is near reads and joins it.", name, w.Security, w.Source), "Set the access point to WPA3, or WPA2 with AES, and to nothing older."}
	}
	return Finding{OK, fmt.Sprintf("%s uses %s, by word of %s.", name, w.Security, w.Source), ""}
}

// tableLoaded says whether the rules are in the kernel. Only root may ask; for others they count as not loaded.
func tableLoaded(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return exec.CommandContext(ctx, "nft", "list", "table", "inet", Table).Run() == nil
}

// forwards says whether this machine passes IP packets on.
func forwards() bool {
	for _, path := range []string{"/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding"} {
		if text, err := os.ReadFile(path); err == nil && strings.TrimSpace(string(text)) == "1" {
			return true
		}
	}
	return false
}

// defaultRoutes lists the interfaces of default routes, from /proc/net/route and /proc/net/ipv6_route (proc_pid_net(5)).
func defaultRoutes() map[string]bool {
	out := map[string]bool{}
	v4, _ := os.ReadFile("/proc/net/route") // without the file there is no route
	for line := range strings.SplitSeq(string(v4), "\n") {
		if f := strings.Fields(line); len(f) >= 8 && f[1] == "00000000" && f[7] == "00000000" {
			out[f[0]] = true
		}
	}
	v6, _ := os.ReadFile("/proc/net/ipv6_route")
	for line := range strings.SplitSeq(string(v6), "\n") {
		if f := strings.Fields(line); len(f) == 10 && f[0] == strings.Repeat("0", 32) && f[1] == "00" && f[9] != "lo" {
			out[f[9]] = true
		}
	}
	return out
}

// listening lists the TCP ports on which this machine can be reached from outside, from /proc/net/tcp and tcp6.
func listening() []uint16 {
	var ports []uint16
	for _, path := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, _ := os.ReadFile(path) // a kernel without IPv6 has one of them
		for line := range strings.SplitSeq(string(text), "\n") {
			if p, ok := parseListener(line); ok && !slices.Contains(ports, p) {
				ports = append(ports, p)
			}
		}
	}
	slices.Sort(ports)
	return ports
}

// parseListener reads "  0: 00000000:1F90 00000000:0000 0A …"; 0A is LISTEN. Words of the address are in host order.
func parseListener(line string) (uint16, bool) {
	f := strings.Fields(line)
	if len(f) < 4 || f[3] != "0A" {
		return 0, false
	}
	address, port, _ := strings.Cut(f[1], ":")
	raw, err := hex.DecodeString(address)
	if err != nil || len(raw)%4 != 0 {
		return 0, false
	}
	for i := 0; i < len(raw); i += 4 {
		binary.BigEndian.PutUint32(raw[i:], binary.NativeEndian.Uint32(raw[i:]))
	}
	addr, ok := netip.AddrFromSlice(raw)
	n, err := strconv.ParseUint(port, 16, 16)
	return uint16(n), ok && err == nil && !addr.Unmap().IsLoopback()
}
