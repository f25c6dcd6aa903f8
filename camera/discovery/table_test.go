package discovery

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// heard is a table with a segment on 192.168.1.0/24, fd00::/64 and fe80::/64, and a clock of its own.
type heard struct {
	*table
	segment *segment
	clock   time.Time
}

func newHeard() *heard {
	h := &heard{clock: time.Unix(1e9, 0)}
	h.table = newTable(func() time.Time { return h.clock })
	h.segment = &segment{iface: net.Interface{Index: 7, Name: "eth0"}, table: h.table, prefixes: []netip.Prefix{
		netip.MustParsePrefix("192.168.1.2/24"), netip.MustParsePrefix("fd00::2/64"), netip.MustParsePrefix("fe80::2/64"),
	}}
	return h
}

func (h *heard) see(addr string, s sighting) {
	if s.Port == 0 && !s.Gone {
		s.Port = 554
	}
	if s.Via == "" {
		s.Via = ViaMDNS
	}
	h.observe(h.segment, netip.MustParseAddr(addr), s)
}

// macs makes a neighbour table of pairs.
func macs(pairs ...string) map[place]string {
	out := map[place]string{}
	for i := 0; i < len(pairs); i += 2 {
		out[place{7, netip.MustParseAddr(pairs[i])}] = pairs[i+1]
	}
	return out
}

func TestMerge(t *testing.T) {
	const a, b = "02:00:00:00:00:0a", "02:00:00:00:00:0b"
	onvif := func(id string) sighting { return sighting{Kind: kindONVIF, Via: ViaWSD, Key: id, ID: id, Port: 80} }
	rtsp := sighting{Kind: kindRTSP, Key: "front", Name: "Front"}
	for _, c := range []struct {
		name string
		see  func(*heard)
		macs map[place]string
		want []string // addresses of each candidate
	}{
		{"both families of one device", func(h *heard) {
			h.see("192.168.1.20", rtsp)
			h.see("fe80::a%eth0", rtsp)
			h.see("192.168.1.20", onvif("u1"))
		}, macs("192.168.1.20", a, "fe80::a", a), []string{"192.168.1.20 fe80::a%eth0"}},
		{"link-layer address out of the IPv6 address", func(h *heard) {
			h.see("192.168.1.20", rtsp)
			h.see("fe80::ff:fe00:a%eth0", rtsp)
		}, macs("192.168.1.20", a), []string{"192.168.1.20 fe80::ff:fe00:a%eth0"}},
		{"nobody knows the link-layer address", func(h *heard) {
			h.see("192.168.1.20", rtsp)
			h.see("fe80::a%eth0", rtsp)
		}, nil, []string{"192.168.1.20", "fe80::a%eth0"}},
		{"a claimed endpoint joins nobody to a camera", func(h *heard) {
			h.see("192.168.1.20", onvif("u1"))
			h.see("192.168.1.66", onvif("u1"))
		}, macs("192.168.1.20", a, "192.168.1.66", b), []string{"192.168.1.20", "192.168.1.66"}},
		{"two cameras behind one repeater", func(h *heard) {
			h.see("192.168.1.20", onvif("u1"))
			h.see("192.168.1.21", onvif("u2"))
			h.see("192.168.1.22", rtsp)
			h.see("192.168.1.23", rtsp)
		}, macs("192.168.1.20", a, "192.168.1.21", a, "192.168.1.22", a, "192.168.1.23", a), []string{"192.168.1.22", "192.168.1.23", "192.168.1.20", "192.168.1.21"}},
		{"one device with two addresses", func(h *heard) {
			h.see("192.168.1.20", onvif("u1"))
			h.see("192.168.1.21", onvif("u1"))
		}, macs("192.168.1.20", a, "192.168.1.21", a), []string{"192.168.1.20 192.168.1.21"}},
		{"agents that share a machine", func(h *heard) {
			h.see("192.168.1.20", sighting{Kind: kindCardea, Key: "x", ID: "1", Port: 8322})
			h.see("192.168.1.20", sighting{Kind: kindCardea, Key: "y", ID: "2", Port: 8323})
			h.see("192.168.1.20", sighting{Kind: kindRTSPS, Key: "y", Port: 8323})
			h.see("192.168.1.20", sighting{Kind: kindRTSP, Key: "z", Port: 554})
		}, macs("192.168.1.20", a), []string{"192.168.1.20", "192.168.1.20", "192.168.1.20"}},
	} {
		h := newHeard()
		c.see(h)
		var got []string
		for _, x := range h.candidates(c.macs) {
			var addrs []string
			for _, at := range x.Addresses {
				addrs = append(addrs, at.String())
			}
			got = append(got, strings.Join(addrs, " "))
		}
		slices.Sort(got)
		slices.Sort(c.want)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestCandidate(t *testing.T) {
	h := newHeard()
	h.see("192.168.1.20", sighting{Kind: kindRTSPS, Key: "a", Name: "Old name", Port: 322, Path: "/live"})
	h.see("192.168.1.20", sighting{Kind: kindONVIF, Via: ViaWSD, Key: "u1", ID: "u1", Name: "Front", Model: "M1", Port: 80})
	h.clock = h.clock.Add(time.Minute)
	h.see("fe80::a%eth0", sighting{Kind: kindRTSP, Key: "a", Port: 554, Path: "/live"})
	list := h.candidates(macs("192.168.1.20", "02:00:00:00:00:0a", "fe80::a", "02:00:00:00:00:0a"))
	if len(list) != 1 {
		t.Fatalf("%+v", list)
	}
	c := list[0]
	if c.Name != "Front" || c.Model != "M1" || c.Trust != "pinned" || !slices.Equal(c.Via, []string{ViaMDNS, ViaWSD}) || c.Address() != "192.168.1.20" ||
		c.ONVIF != "http://192.168.1.20:80/onvif/device_service" || !slices.Equal(c.URLs, []string{"rtsps://192.168.1.20:322/live", "rtsp://[fe80::a%25eth0]:554/live"}) ||
		c.LastSeen.Sub(c.FirstSeen) != time.Minute || len(c.ID) != 16 || c.Doubt != "" {
		t.Errorf("%+v", c)
	}
	again := h.candidates(macs("192.168.1.20", "02:00:00:00:00:0a", "fe80::a", "02:00:00:00:00:0a"))[0].ID
	if again != c.ID {
		t.Errorf("the id changed from %s to %s", c.ID, again)
	}
}

func TestDoubt(t *testing.T) {
	h := newHeard()
	h.see("192.168.1.20", sighting{Kind: kindCardea, Key: "front", Name: "Front", ID: "01J", Port: 8322})
	h.see("192.168.1.66", sighting{Kind: kindCardea, Key: "front", Name: "FRONT", ID: "01J", Port: 9999})
	list := h.candidates(macs("192.168.1.20", "02:00:00:00:00:0a", "192.168.1.66", "02:00:00:00:00:0b"))
	if len(list) != 2 || list[0].Doubt == "" || list[1].Doubt != list[0].Doubt || !strings.Contains(list[0].Doubt, "same camera") {
		t.Errorf("%+v", list)
	}
}

func TestAge(t *testing.T) {
	h := newHeard()
	h.see("192.168.1.20", sighting{Kind: kindRTSP, Key: "a"})
	h.see("192.168.1.21", sighting{Kind: kindRTSP, Key: "a", Via: ViaScan})
	// Nobody asked: both stay. Who does not answer when asked goes; a scan is not repeated by itself.
	h.clock = h.clock.Add(keepSilent + time.Second)
	if list := h.candidates(nil); len(list) != 2 {
		t.Errorf("%+v", list)
	}
	h.silence(time.Now().Add(-judgeSilence))
	if list := h.candidates(nil); len(list) != 1 || list[0].Via[0] != ViaScan {
		t.Errorf("%+v", list)
	}
	h.clock = h.clock.Add(keepHeard)
	if list := h.candidates(nil); len(list) != 0 {
		t.Errorf("%+v", list)
	}
	// A goodbye counts for its sender only.
	h.see("192.168.1.20", sighting{Kind: kindRTSP, Key: "a"})
	h.see("192.168.1.66", sighting{Kind: kindRTSP, Key: "a", Gone: true})
	if h.stats().Hosts != 1 {
		t.Error("somebody else's goodbye counts")
	}
	h.see("192.168.1.20", sighting{Kind: kindRTSP, Key: "a", Gone: true})
	if h.stats().Hosts != 0 {
		t.Error("a goodbye does not count")
	}
	// A clock that was set back loses nothing for good, and keeps nothing for ever.
	h.see("192.168.1.20", sighting{Kind: kindRTSP, Key: "a"})
	h.clock = h.clock.Add(-24 * time.Hour)
	if list := h.candidates(nil); len(list) != 0 {
		t.Errorf("%+v", list)
	}
}

// TestFlood is attack case 10 of docs/attacks.md.
func TestFlood(t *testing.T) {
	h := newHeard()
	// One source with many names is one host with some services.
	for i := range 10_000 {
		h.see("192.168.1.66", sighting{Kind: kindRTSP, Key: fmt.Sprint("name ", i)})
	}
	if n := len(h.hosts[place{7, netip.MustParseAddr("192.168.1.66")}].services); n != maxServices {
		t.Errorf("%d services", n)
	}
	if list := h.candidates(nil); len(list) != 1 || len(list[0].URLs) > 16 {
		t.Errorf("%d candidates", len(list))
	}
	// One source is heard as often as it may be, another one all the same.
	spoken := 0
	for range 10_000 {
		if h.admit(h.segment, netip.MustParseAddr("192.168.1.66")) {
			spoken++
		}
	}
	if spoken != sourceBurst || !h.admit(h.segment, netip.MustParseAddr("192.168.1.20")) {
		t.Errorf("%d packets of one source", spoken)
	}
	// Many forged sources fill the tables and no more.
	for i := range 20_000 {
		addr := fmt.Sprintf("fe80::%x%%eth0", i+1)
		h.see(addr, sighting{Kind: kindRTSP, Key: "x"})
		h.admit(h.segment, netip.MustParseAddr(addr))
	}
	if s := h.stats(); s.Hosts != maxHosts || len(h.young)+len(h.old) > maxSources || s.Flooded == 0 {
		t.Errorf("%+v, %d buckets", s, len(h.young)+len(h.old))
	}
}

func TestNeighbour(t *testing.T) {
	on := []netip.Prefix{netip.MustParsePrefix("192.168.1.2/24"), netip.MustParsePrefix("169.254.3.4/16"), netip.MustParsePrefix("fd00:ec2::2/64"), netip.MustParsePrefix("fe80::2/64")}
	for text, want := range map[string]bool{
		"192.168.1.20": true, "192.168.1.2": true, "::ffff:192.168.1.20": true, "fd00:ec2::20": true, "fe80::20%eth0": true,
		"192.168.2.20": false, "10.0.0.1": false, "192.168.1.255": false, "192.168.1.0": false, "127.0.0.1": false, "::1": false, "0.0.0.0": false, "::": false,
		"169.254.169.254": false, "169.254.3.5": false, "93.184.216.34": false, "2001:db8::1": false, "fd00:ec2::254": false, "fd01::1": false,
		"224.0.0.251": false, "ff02::fb": false, "255.255.255.255": false,
	} {
		if got := neighbour(on, netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	if neighbour(on, netip.Addr{}) {
		t.Error("no address at all")
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"Front door": "Front door", " a\r\n\tb\x00 ": "a b", "\x1b[31mred": "[31mred", "a\u202eb\u200bc": "abc", "\xff\xfe": "", "<img onerror=x>": "<img onerror=x>",
		strings.Repeat("ü", 500): strings.Repeat("ü", textRunes), "Küche 🎥": "Küche 🎥",
	} {
		if got := clean(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func TestRange(t *testing.T) {
	d := New(Config{})
	d.segments = []*segment{newHeard().segment}
	for text, want := range map[string]string{
		"192.168.0.0/21": "too large", "93.184.216.0/24": "no private", "fd00::/64": "IPv4", "192.168.7.0/24": "not on the network", "10.0.0.0/22": "not on the network",
		"127.0.0.0/24": "no private", "169.254.169.0/24": "no private", "192.168.0.0/22": "not on the network",
	} {
		err := d.Scan(t.Context(), netip.MustParsePrefix(text))
		if _, ok := err.(RangeError); !ok || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if got := d.Networks(); len(got) != 1 || got[0].String() != "192.168.1.0/24" {
		t.Error(got)
	}
}
