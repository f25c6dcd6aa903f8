package discovery

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

func header(name string, kind uint16, ttl uint32) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET | cacheFlush, Ttl: ttl}
}

// answerOf packs an answer as a camera sends it.
func answerOf(t testing.TB, instance, service, host string, port uint16, text []string, addrs ...string) []byte {
	t.Helper()
	full := instanceLabel(instance) + "." + service + ".local."
	m := new(dns.Msg)
	m.Response, m.Compress = true, true
	ptr := header(service+".local.", dns.TypePTR, 4500)
	ptr.Class = dns.ClassINET
	m.Answer = []dns.RR{&dns.PTR{Hdr: ptr, Ptr: full}}
	m.Extra = []dns.RR{
		&dns.SRV{Hdr: header(full, dns.TypeSRV, 120), Port: port, Target: host},
		&dns.TXT{Hdr: header(full, dns.TypeTXT, 4500), Txt: text},
	}
	for _, a := range addrs {
		if ip := netip.MustParseAddr(a); ip.Is4() {
			m.Extra = append(m.Extra, &dns.A{Hdr: header(host, dns.TypeA, 120), A: ip.AsSlice()})
		} else {
			m.Extra = append(m.Extra, &dns.AAAA{Hdr: header(host, dns.TypeAAAA, 120), AAAA: ip.AsSlice()})
		}
	}
	packet, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return packet
}

func TestParseMDNS(t *testing.T) {
	src := netip.MustParseAddr("192.168.1.20")
	for _, c := range []struct {
		name    string
		packet  []byte
		src     netip.Addr
		want    []sighting
		refused error
	}{
		{
			name:   "agent with a difficult name",
			packet: answerOf(t, `Mr. Smith's "Café" (2)`, serviceCardea, "cam.local.", 8322, []string{"id=01J", "model=Agent\x1b[31m", "state=new", "id=other"}, "192.168.1.20"),
			want:   []sighting{{Kind: kindCardea, Name: `Mr. Smith's "Café" (2)`, Model: "Agent [31m", ID: "01J", Port: 8322}},
		},
		{
			name:   "rtsp with a path",
			packet: answerOf(t, "Front", serviceRTSP, "cam.local.", 554, []string{"path=stream1?x=1", "md=M1"}, "192.168.1.20", "fd00::5"),
			want:   []sighting{{Kind: kindRTSP, Name: "Front", Model: "M1", Port: 554, Path: "/stream1?x=1"}},
		},
		{
			name:   "a path that is more",
			packet: answerOf(t, "Front", serviceRTSP, "cam.local.", 554, []string{"path=/evil.example/x"}, "192.168.1.20"),
			want:   []sighting{{Kind: kindRTSP, Name: "Front", Port: 554, Path: "/evil.example/x"}},
		},
		{
			name:   "a path with a user",
			packet: answerOf(t, "Front", serviceRTSP, "cam.local.", 554, []string{"path=//a@evil.example/x"}, "192.168.1.20"),
			want:   []sighting{{Kind: kindRTSP, Name: "Front", Port: 554}},
		},
		{name: "no addresses", packet: answerOf(t, "Front", serviceRTSPS, "cam.local.", 322, nil), want: []sighting{{Kind: kindRTSPS, Name: "Front", Port: 322, Path: "/", TLS: true}}},
		{name: "loopback", packet: answerOf(t, "Front", serviceRTSP, "cam.local.", 554, nil, "127.0.0.1"), refused: errElsewhere},
		{name: "metadata", packet: answerOf(t, "Front", serviceRTSP, "cam.local.", 80, nil, "169.254.169.254"), refused: errElsewhere},
		{name: "another host", packet: answerOf(t, "Front", serviceRTSP, "cam.local.", 554, nil, "192.168.1.21"), refused: errElsewhere},
		{name: "IPv6 loopback", packet: answerOf(t, "Front", serviceRTSP, "cam.local.", 554, nil, "::1"), src: netip.MustParseAddr("fe80::1%eth0"), refused: errElsewhere},
		{
			name: "IPv6 sender with other addresses", packet: answerOf(t, "Front", serviceRTSP, "cam.local.", 554, nil, "fd00::5", "192.168.1.20"), src: netip.MustParseAddr("fe80::1%eth0"),
			want: []sighting{{Kind: kindRTSP, Name: "Front", Port: 554, Path: "/"}},
		},
		{name: "a printer", packet: answerOf(t, "Laser", "_ipp._tcp", "printer.local.", 631, nil, "192.168.1.20")},
		{name: "port 0", packet: answerOf(t, "Front", serviceRTSP, "cam.local.", 0, nil, "192.168.1.20")},
		{name: "empty", refused: errMalformed},
	} {
		from := src
		if c.src.IsValid() {
			from = c.src
		}
		got, err := parseMDNS(c.packet, from)
		for i := range got {
			if got[i].Via != ViaMDNS || !strings.HasSuffix(got[i].Key, "._tcp.local.") {
				t.Errorf("%s: %+v", c.name, got[i])
			}
			got[i].Via, got[i].Key = "", ""
		}
		if !errors.Is(err, c.refused) || !slices.Equal(got, c.want) {
			t.Errorf("%s: %+v, %v; want %+v, %v", c.name, got, err, c.want, c.refused)
		}
	}
}

func TestGoodbye(t *testing.T) {
	m := new(dns.Msg)
	m.Response = true
	m.Answer = []dns.RR{&dns.PTR{Hdr: dns.RR_Header{Name: "_rtsp._tcp.local.", Rrtype: dns.TypePTR, Class: dns.ClassINET}, Ptr: `Front\ door._rtsp._tcp.local.`}}
	packet, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	got, err := parseMDNS(packet, netip.MustParseAddr("192.168.1.20"))
	if err != nil || len(got) != 1 || !got[0].Gone || got[0].Key != `front\ door._rtsp._tcp.local.` {
		t.Errorf("%+v %v", got, err)
	}
}

// TestMalformed has what attackers send: a pointer to itself, a ring of pointers, lengths and counts beyond the end.
func TestMalformed(t *testing.T) {
	good := answerOf(t, "Front", serviceRTSP, "cam.local.", 554, []string{"path=/x"}, "192.168.1.20")
	loop := append([]byte{0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0}, 0xc0, 12, 0, 12, 0, 1, 0, 0, 0, 9, 0, 2, 0xc0, 12)
	ring := append([]byte{0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0}, 0xc0, 14, 0xc0, 12, 0, 12, 0, 1, 0, 0, 0, 9, 0, 2, 0xc0, 12)
	many := slices.Clone(good)
	many[6], many[7] = 0xff, 0xff
	for name, packet := range map[string][]byte{"loop": loop, "ring": ring, "many": many, "short": good[:11], "cut": good[:len(good)-3], "opcode": append([]byte{0, 0, 0xfc}, good[3:]...)} {
		if got, err := parseMDNS(packet, netip.MustParseAddr("192.168.1.20")); !errors.Is(err, errMalformed) || got != nil {
			t.Errorf("%s: %v %v", name, got, err)
		}
	}
}

// TestUnreadableRecord has an NSEC record that package dns does not read, as python-zeroconf sends it.
func TestUnreadableRecord(t *testing.T) {
	packet := answerOf(t, "Front", serviceRTSP, "cam.local.", 554, nil, "192.168.1.20")
	packet = append(packet, 0, 0, 47, 0x80, 1, 0, 0, 0, 120, 0, 5, 0, 9, 0xff, 1, 2)
	packet[11]++ // additional records
	if new(dns.Msg).Unpack(packet) == nil {
		t.Fatal("package dns reads it now; zeroconf may do as well")
	}
	if got, err := parseMDNS(packet, netip.MustParseAddr("192.168.1.20")); err != nil || len(got) != 1 {
		t.Errorf("%v %v", got, err)
	}
}

// FuzzMDNS is attack cases 10 and 58 of docs/attacks.md.
func FuzzMDNS(f *testing.F) {
	f.Add(answerOf(f, "Front door", serviceRTSP, "cam.local.", 554, []string{"path=/x"}, "192.168.1.20", "fd00::1"))
	f.Add(answerOf(f, "Ä.b", serviceCardea, "cam.local.", 8322, []string{"id=1", "state=paired"}, "192.168.1.20"))
	f.Add([]byte{0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0xc0, 12, 0, 12, 0, 1, 0, 0, 0, 9, 0, 2, 0xc0, 12})
	src := netip.MustParseAddr("192.168.1.20")
	f.Fuzz(func(t *testing.T, packet []byte) {
		got, err := parseMDNS(packet, src)
		if errors.Is(err, errMalformed) && got != nil {
			t.Errorf("%v with %v", got, err)
		}
		fuzzed(t, got)
	})
}

// fuzzed holds what became of an attacker's packet against the promises of a sighting.
func fuzzed(t *testing.T, got []sighting) {
	t.Helper()
	if len(got) > maxServicesMessage {
		t.Errorf("%d services", len(got))
	}
	for _, s := range got {
		for _, text := range []string{s.Name, s.Model} {
			if text != clean(text) {
				t.Errorf("%q is not clean", text)
			}
		}
		if s.ID != token(s.ID) || s.Path != "" && s.Path != urlPath(s.Path) || s.Port == 0 && !s.Gone {
			t.Errorf("%+v", s)
		}
	}
}

func TestLabels(t *testing.T) {
	for _, name := range []string{"Front door", `a\b`, "Käfig", "dots.in.it", `"quoted" (x); @`, strings.Repeat("ü", 60)} {
		packet := answerOf(t, name, serviceRTSP, "cam.local.", 1, nil)
		got, err := parseMDNS(packet, netip.MustParseAddr("10.0.0.1"))
		want := name
		for len(want) > 63 {
			want = strings.TrimSuffix(want, "ü")
		}
		if err != nil || len(got) != 1 || got[0].Name != want {
			t.Errorf("%q: %+v %v", name, got, err)
		}
		// What we announce is what package dns reads.
		if label := instanceLabel(name); len(got) == 1 && got[0].Key != strings.ToLower(label)+"._rtsp._tcp.local." {
			t.Errorf("%q: announced as %q, read as %q", name, label, got[0].Key)
		}
	}
	if !Local("cardea.local") || Local("nvr.example.org") || Local("a.b.local") {
		t.Error("Local")
	}
}
