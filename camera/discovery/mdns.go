package discovery

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/grandcat/zeroconf"
	"github.com/miekg/dns"
	"golang.org/x/sync/errgroup"
)

// maxMDNS is the size of the largest packet (RFC 6762, 17).
const maxMDNS = 9000

const mdnsPort = 5353

// The groups of RFC 6762, 3.
var (
	mdnsGroup4 = netip.AddrPortFrom(netip.AddrFrom4([4]byte{224, 0, 0, 251}), mdnsPort)
	mdnsGroup6 = netip.AddrPortFrom(netip.MustParseAddr("ff02::fb"), mdnsPort)
)

// The services that cameras announce, ours among them.
const (
	serviceCardea = "_cardea-camera._tcp"
	serviceRTSP   = "_rtsp._tcp"
	serviceRTSPS  = "_rtsps._tcp"
	serviceONVIF  = "_onvif._tcp"
	serviceAxis   = "_axis-video._tcp"
	mdnsDomain    = "local"
)

// kindOf maps the services that are asked for to kinds.
func kindOf(service string) string {
	switch service {
	case serviceCardea:
		return kindCardea
	case serviceRTSP:
		return kindRTSP
	case serviceRTSPS:
		return kindRTSPS
	case serviceONVIF:
		return kindONVIF
	case serviceAxis:
		return kindAxis
	}
	return ""
}

// askFor is how long zeroconf stays after it has asked. It reads every packet of the network once for each service, without limits, so
// it should not stay for a flood.
const askFor = 250 * time.Millisecond

// drainMost is how many answers a round takes before it ends early. zeroconf keeps what it gave out, so this bounds its memory.
const drainMost = 1000

// browse has zeroconf ask for all services once. A round is fresh each time: zeroconf reports every instance once and never its end. Its entries are only counted. They do not say who sent them, and the first answer under a name hides all others
// under it, so somebody who answers first could hide a camera. What counts is heard by the segments, with its sender (hearMDNS).
func (d *Discovery) browse(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	var interfaces []net.Interface
	for _, s := range d.current() {
		interfaces = append(interfaces, s.iface)
	}
	if len(interfaces) == 0 {
		return nil
	}
	var g errgroup.Group
	for _, service := range []string{serviceCardea, serviceRTSP, serviceRTSPS, serviceONVIF, serviceAxis} {
		resolver, err := resolve(interfaces)
		if err != nil {
			return errors.Join(err, g.Wait())
		}
		g.Go(func() error {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			entries := make(chan *zeroconf.ServiceEntry, 16)
			err := resolver.Browse(ctx, service, mdnsDomain, entries)
			taken := 0
			for range entries { // zeroconf closes it when ctx has ended
				if taken++; taken >= drainMost {
					cancel()
				}
			}
			return err
		})
	}
	return g.Wait()
}

// resolve makes a resolver for both families, or for the one that works.
func resolve(interfaces []net.Interface) (*zeroconf.Resolver, error) {
	r, err := zeroconf.NewResolver(zeroconf.SelectIfaces(interfaces))
	for _, only := range []zeroconf.IPType{zeroconf.IPv4, zeroconf.IPv6} {
		if err != nil {
			r, err = zeroconf.NewResolver(zeroconf.SelectIfaces(interfaces), zeroconf.SelectIPTraffic(only))
		}
	}
	return r, err
}

// hearMDNS takes an answer that came to the group.
func (s *segment) hearMDNS(src netip.AddrPort, packet []byte) {
	if src.Port() != mdnsPort { // RFC 6762, 6: a responder sends from there
		return
	}
	seen, err := parseMDNS(packet, src.Addr())
	switch {
	case errors.Is(err, errElsewhere):
		s.table.refused()
	case err != nil:
		s.table.malformed()
	}
	for _, one := range seen {
		s.sighted(src.Addr(), one)
	}
}

var (
	errElsewhere = errors.New("the answer points to another address than its sender")
	errMalformed = errors.New("malformed")
)

// parseMDNS reads the services that the sender of an answer says are its own. Questions have none. Services whose host has
// addresses of the sender's family, but not the sender's, are left out and reported as errElsewhere.
func parseMDNS(packet []byte, src netip.Addr) ([]sighting, error) {
	m, err := readMessage(packet)
	if err != nil || !m.response {
		return nil, err
	}
	r := records{srv: map[string]*dns.SRV{}, txt: map[string][]string{}, addrs: map[string][]netip.Addr{}, gone: map[string]bool{}}
	for _, rr := range m.records {
		r.take(rr)
	}
	var out []sighting
	for _, name := range r.names {
		seen, ok := r.sighting(name)
		if !ok {
			continue
		}
		if !seen.Gone && !r.at(name, src) {
			err = errElsewhere
			continue
		}
		if out = append(out, seen); len(out) >= maxServicesMessage {
			break
		}
	}
	return out, err
}

// records are those of one packet, by lower-case name.
type records struct {
	names []string // of instances of our services, in order of appearance
	srv   map[string]*dns.SRV
	txt   map[string][]string
	addrs map[string][]netip.Addr // by host
	gone  map[string]bool
}

func (r *records) take(rr dns.RR) {
	header := rr.Header()
	owner := strings.ToLower(header.Name)
	switch rr := rr.(type) {
	case *dns.PTR:
		if instance := strings.ToLower(rr.Ptr); header.Ttl == 0 && strings.HasSuffix(instance, "."+owner) {
			r.name(instance)
			r.gone[instance] = true
		}
	case *dns.SRV:
		r.name(owner)
		r.srv[owner] = rr
		if header.Ttl == 0 {
			r.gone[owner] = true
		}
	case *dns.TXT:
		r.txt[owner] = rr.Txt
	case *dns.A:
		if a, ok := netip.AddrFromSlice(rr.A); ok {
			r.addrs[owner] = append(r.addrs[owner], a.Unmap())
		}
	case *dns.AAAA:
		if a, ok := netip.AddrFromSlice(rr.AAAA); ok {
			r.addrs[owner] = append(r.addrs[owner], a)
		}
	}
}

func (r *records) name(instance string) {
	if len(r.names) < maxServicesMessage && r.srv[instance] == nil && !r.gone[instance] {
		r.names = append(r.names, instance)
	}
}

// at says whether an instance is at src. A packet without addresses of the family is believed to speak of its sender, and so is
// one from a link-local address, whose sender often lists its other addresses only.
func (r *records) at(name string, src netip.Addr) bool {
	srv := r.srv[name]
	if srv == nil {
		return false
	}
	bare, found := src.WithZone(""), false
	for _, a := range r.addrs[strings.ToLower(srv.Target)] {
		if a == bare {
			return true
		}
		// IPv6 link-local senders may name ULAs, but never an address that leads nowhere good.
		if a.Is4() == bare.Is4() && (!bare.IsLinkLocalUnicast() || a.IsLoopback() || a.IsUnspecified() || a.IsMulticast() || a == awsMetadata6) {
			found = true
		}
	}
	return !found
}

// sighting makes one of an instance's records.
func (r *records) sighting(name string) (sighting, bool) {
	label, service, ok := splitInstance(name)
	kind := kindOf(service)
	if !ok || kind == "" {
		return sighting{}, false
	}
	seen := sighting{Kind: kind, Via: ViaMDNS, Key: name, Gone: r.gone[name]}
	srv := r.srv[name]
	if seen.Gone || srv == nil || srv.Port == 0 {
		return seen, seen.Gone
	}
	// The name as it was written, not in lower case.
	if written, _, ok := splitInstance(srv.Hdr.Name); ok {
		label = written
	}
	seen.Name, seen.Port = clean(label), srv.Port
	text := attributes(r.txt[name])
	switch kind {
	case kindCardea:
		seen.ID, seen.Model, seen.Paired = token(text["id"]), clean(text["model"]), text["state"] == "paired"
	case kindAxis:
		seen.ID = token(strings.ToLower(text["macaddress"]))
		seen.Model = clean(text["model"])
	default:
		seen.Path = urlPath("/" + strings.TrimPrefix(text["path"], "/"))
		seen.Model = clean(firstOf(text, "model", "md", "hardware", "ty"))
		seen.TLS = kind == kindRTSPS
		if kind == kindONVIF {
			seen.Path, seen.TLS = "", srv.Port == 443
		}
	}
	return seen, true
}

func firstOf(text map[string]string, keys ...string) string {
	for _, k := range keys {
		if text[k] != "" {
			return text[k]
		}
	}
	return ""
}

// attributes reads key=value strings (RFC 6763, 6.4): keys are ASCII without case, and the first of several counts. Strings come
// in presentation form.
func attributes(txt []string) map[string]string {
	out := map[string]string{}
	for _, s := range txt {
		key, value, _ := strings.Cut(unescape(s), "=")
		key = strings.ToLower(key)
		if _, twice := out[key]; key == "" || twice || len(out) >= 32 {
			continue
		}
		out[key] = value
	}
	return out
}

// splitInstance takes "Front\ door._rtsp._tcp.local." apart into "Front door" and "_rtsp._tcp".
func splitInstance(name string) (label, service string, ok bool) {
	labels := dns.SplitDomainName(name)
	if len(labels) != 4 || !strings.EqualFold(labels[3], mdnsDomain) {
		return "", "", false
	}
	return unescape(labels[0]), strings.ToLower(labels[1] + "." + labels[2]), true
}

// unescape undoes the presentation form of package dns: \DDD and \X.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	out := make([]byte, 0, len(s))
	digit := func(i int) bool { return i < len(s) && s[i] >= '0' && s[i] <= '9' }
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] != '\\' || i+1 == len(s):
			out = append(out, s[i])
		case digit(i+1) && digit(i+2) && digit(i+3):
			out = append(out, byte(int(s[i+1]-'0')*100+int(s[i+2]-'0')*10+int(s[i+3]-'0')))
			i += 3
		default:
			out = append(out, s[i+1])
			i++
		}
	}
	return string(out)
}
