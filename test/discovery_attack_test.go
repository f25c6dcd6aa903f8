package test

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"cardea/test/box"
	"cardea/test/lab"
)

// liar is a host that says whatever it likes by multicast.
type liar struct {
	t     *testing.T
	host  *lab.Host
	mdns  net.PacketConn // from port 5353, as a responder sends
	other net.PacketConn
}

func newLiar(t *testing.T, on *lab.Host) *liar {
	t.Helper()
	l := &liar{t: t, host: on}
	on.IP("route", "add", "224.0.0.0/4", "dev", "eth0")
	err := on.Do(func() (err error) {
		if l.mdns, err = net.ListenPacket("udp4", on.Addr().String()+":5353"); err != nil {
			return err
		}
		l.other, err = net.ListenPacket("udp4", on.Addr().String()+":0")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.mdns.Close(); l.other.Close() })
	return l
}

func (l *liar) say(packet []byte) {
	l.t.Helper()
	if _, err := l.mdns.WriteTo(packet, &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: 5353}); err != nil {
		l.t.Fatal(err)
	}
}

func (l *liar) sayWSD(text string) {
	l.t.Helper()
	if _, err := l.other.WriteTo([]byte(text), &net.UDPAddr{IP: net.IPv4(239, 255, 255, 250), Port: 3702}); err != nil {
		l.t.Fatal(err)
	}
}

// record is an answer for one service instance; ttl 0 says goodbye.
func record(t *testing.T, instance, service, host string, port uint16, addr netip.Addr, ttl uint32, text ...string) []byte {
	t.Helper()
	full := instance + "." + service + ".local."
	h := func(name string, kind uint16) dns.RR_Header {
		return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: ttl}
	}
	m := new(dns.Msg)
	m.Response, m.Authoritative, m.Compress = true, true, true
	m.Answer = []dns.RR{
		&dns.PTR{Hdr: h(service+".local.", dns.TypePTR), Ptr: full}, &dns.SRV{Hdr: h(full, dns.TypeSRV), Port: port, Target: host + ".local."},
		&dns.TXT{Hdr: h(full, dns.TypeTXT), Txt: text}, &dns.A{Hdr: h(host+".local.", dns.TypeA), A: addr.AsSlice()},
	}
	packet, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return packet
}

// residentMiB is the resident memory of a process.
func residentMiB(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmRSS:" {
			n, err := strconv.Atoi(f[1])
			if err != nil {
				t.Fatal(err)
			}
			return n >> 10
		}
	}
	t.Fatal("no VmRSS")
	return 0
}

// TestAttack10SpoofedMDNS is case 10: an attacker announces a camera's instance first, from another port, says goodbye for it, floods
// with ten thousand records, and sends malformed labels and rings of compression. Nothing is trusted, memory is bounded, and the real
// camera is still in the list, without any trust of its own.
func TestAttack10SpoofedMDNS(t *testing.T) {
	l := lab.New(t)
	nvr, camera, attacker, flooder := l.Host("nvr"), l.Host("camera"), l.Host("attacker"), l.Host("flooder")
	b, err := box.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	serve := nvr.Start(b.Binary, "serve", "--data", b.Dir, "--listen", ":8443")
	serve.WaitOutput(t, "Certificate")

	// The attacker is first.
	const service = "_cardea-camera._tcp"
	mallory := newLiar(t, attacker)
	lie := record(t, "Front", service, "cardea-camera-01jagent", 9999, attacker.Addr(), 120, "id=01JAGENT", "model=Cardea agent", "state=new")
	mallory.say(lie)
	fake := attacker.Addr().String() + ":9999"
	eventually(t, nvr, b.Dir, "the attacker is not listed, so the test shows nothing", func(list []found) bool { return at(list, fake) != nil })
	announceAgent(t, camera, "Front", "01JAGENT")
	real := camera.Addr().String() + ":" + strconv.Itoa(agentPort)
	both := func(list []found) bool { return len(list) == 2 && at(list, real) != nil && at(list, fake) != nil }
	eventually(t, nvr, b.Dir, "the real camera is hidden by the one that was first", both)

	trudy := newLiar(t, flooder)
	before := residentMiB(t, serve.Pid())
	goodbye := record(t, "Front", service, "cardea-camera-01jagent", agentPort, camera.Addr(), 0)
	elsewhere := record(t, "Door", "_rtsp._tcp", "door", 554, netip.MustParseAddr("127.0.0.1"), 120)
	metadata := record(t, "Cloud", "_rtsp._tcp", "cloud", 80, netip.MustParseAddr("169.254.169.254"), 120)
	victim := record(t, "Victim", "_rtsp._tcp", "victim", 554, nvr.Addr(), 120)
	ring := append([]byte{0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0}, 0xc0, 14, 0xc0, 12, 0, 12, 0, 1, 0, 0, 0, 9, 0, 2, 0xc0, 12)
	labels := slices.Concat([]byte{0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0}, []byte(strings.Repeat("\x3f"+strings.Repeat("a", 63), 100)))
	for i := range 10_000 {
		trudy.say(record(t, fmt.Sprintf("Flood %d", i), "_rtsp._tcp", fmt.Sprintf("h%d", i), 554, flooder.Addr(), 120))
		if i%50 == 0 {
			for _, packet := range [][]byte{lie, goodbye, elsewhere, metadata, victim, ring, labels, {}, make([]byte, 1400)} {
				trudy.say(packet)
			}
		}
	}
	list := eventually(t, nvr, b.Dir, "the real camera is lost in a flood", func(list []found) bool {
		mallory.say(lie)
		return at(list, real) != nil && at(list, fake) != nil
	})
	for _, f := range list {
		if f.Address != real && f.Address != fake && f.Address != flooder.Addr().String() && f.Address != flooder.Addr().String()+":9999" {
			t.Errorf("%+v was listed on an attacker's word", f)
		}
	}
	if grown := residentMiB(t, serve.Pid()) - before; grown > 64 {
		t.Errorf("the flood made the NVR grow by %d MiB", grown)
	}
	var added []box.Camera
	if err := b.JSON(&added, "cameras", "list"); err != nil || len(added) != 0 {
		t.Errorf("%v %v", added, err)
	}
	// Both that claim to be the same camera carry a doubt.
	out, err := nvr.Exec(b.Binary, "cameras", "discover", "--data", b.Dir)
	if err != nil || strings.Count(string(out), "claims to be the same camera") != 2 {
		t.Errorf("%v %s", err, out)
	}
	serve.Stop()
}

// TestAttack11ServerSideRequest is case 11: answers to WS-Discovery that point the NVR at itself, at a metadata service, at the internet
// or at another network are refused, and so are XML bombs and external entities (case 12).
func TestAttack11ServerSideRequest(t *testing.T) {
	l := lab.New(t)
	nvr, attacker, honest := l.Host("nvr"), l.Host("attacker"), l.Host("honest")
	b, err := box.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	serve := nvr.Start(b.Binary, "serve", "--data", b.Dir, "--listen", ":8443")
	serve.WaitOutput(t, "Certificate")
	mallory := newLiar(t, attacker)
	hello := func(n int, xaddr string) string {
		return fmt.Sprintf(`<?xml version="1.0"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" `+
			`xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery" xmlns:dn="http://www.onvif.org/ver10/network/wsdl"><s:Header/><s:Body><d:Hello>`+
			`<a:EndpointReference><a:Address>urn:uuid:%08d-2222-4333-8444-555555555555</a:Address></a:EndpointReference><d:Types>dn:NetworkVideoTransmitter</d:Types>`+
			`<d:Scopes>onvif://www.onvif.org/name/evil%d</d:Scopes><d:XAddrs>%s</d:XAddrs></d:Hello></s:Body></s:Envelope>`, n, n, xaddr)
	}
	attack := func() {
		for i, xaddr := range []string{
			"http://127.0.0.1:8443/api/cameras", "http://169.254.169.254/latest/meta-data/", "http://[::1]:8443/", "http://localhost:8443/", "http://93.184.216.34/",
			"http://[::ffff:169.254.169.254]/", "http://0.0.0.0/", "http://169.254.1.1/", "http://[fd00:ec2::254]/latest",
		} {
			mallory.sayWSD(hello(i, xaddr))
		}
		mallory.sayWSD(`<!DOCTYPE lolz [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>` + strings.ReplaceAll(hello(90, "http://"+attacker.Addr().String()), "evil", "&b;"))
		mallory.sayWSD(`<!DOCTYPE x [<!ENTITY x SYSTEM "file:///etc/passwd">]>` + hello(91, "&x;"))
		mallory.sayWSD(strings.Repeat("<a>", 20_000))
	}
	attack()
	// An honest camera shows that answers are heard; what it says of other networks is left out.
	honest.Start("/usr/bin/python3", script(t, "wsd_device.py"), "eth0", "11111111-2222-4333-8444-555555555555", "dn:NetworkVideoTransmitter", "Honest", "M1",
		"http://10.20.30.40/onvif/device_service http://"+honest.Addr().String()+"/onvif/device_service")
	list := eventually(t, nvr, b.Dir, "the honest camera is not found", func(list []found) bool {
		attack()
		return at(list, honest.Addr().String()) != nil
	})
	if len(list) != 1 {
		t.Errorf("the attacker's answers were taken: %+v", list)
	}
	out, err := nvr.Exec("curl", "-s", "--max-time", "20", "--unix-socket", b.Dir+"/cardea.sock", "http://cardea/api/discovery")
	if err != nil || !strings.Contains(string(out), `"http://`+honest.Addr().String()+`:80/onvif/device_service"`) || strings.Contains(string(out), "10.20.30.40") ||
		strings.Contains(string(out), "evil") {
		t.Errorf("%v %s", err, out)
	}
	serve.Stop()
}
