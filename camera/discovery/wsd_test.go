package discovery

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// probeMatch is an answer as devices send it; more goes into the attributes of the envelope.
func probeMatch(types, scopes, xaddrs, more string) string {
	return `<?xml version="1.0"?><s:Envelope xmlns:s="` + nsSOAP + `" xmlns:a="` + nsAddressing + `" xmlns:d="` + nsDiscovery + `" ` + more + `>
<s:Header><a:Action>` + nsDiscovery + `/ProbeMatches</a:Action></s:Header><s:Body><d:ProbeMatches><d:ProbeMatch>
<a:EndpointReference><a:Address>urn:uuid:1</a:Address></a:EndpointReference><d:Types>` + types + `</d:Types><d:Scopes>` + scopes + `</d:Scopes>
<d:XAddrs>` + xaddrs + `</d:XAddrs></d:ProbeMatch></d:ProbeMatches></s:Body></s:Envelope>`
}

const (
	onvifNS = `xmlns:dn="` + nsNetwork + `" xmlns:tds="` + nsDevice + `"`
	dpwsNS  = `xmlns:tds="http://schemas.xmlsoap.org/ws/2006/02/devprof" xmlns:pub="http://schemas.microsoft.com/windows/pub/2005/07"`
)

func TestParseWSD(t *testing.T) {
	src := netip.MustParseAddr("192.168.1.20")
	cam := sighting{Kind: kindONVIF, Via: ViaWSD, Key: "urn:uuid:1", ID: "urn:uuid:1", Port: 80}
	with := func(change func(*sighting)) []sighting {
		s := cam
		change(&s)
		return []sighting{s}
	}
	for _, c := range []struct {
		name, xml string
		want      []sighting
		refused   error
	}{
		{"camera", probeMatch("dn:NetworkVideoTransmitter", "onvif://www.onvif.org/name/Front%20door onvif://www.onvif.org/hardware/IPC%0A1", "http://192.168.1.20/onvif/device_service http://[fd00::1]/x", onvifNS),
			with(func(s *sighting) { s.Name, s.Model, s.Path = "Front door", "IPC 1", "/onvif/device_service" }), nil},
		{"device, TLS and a port", probeMatch("tds:Device", "", "https://192.168.1.20:8443/d http://192.168.1.20:8080/d", onvifNS), []sighting{
			{Kind: kindONVIF, Via: ViaWSD, Key: "urn:uuid:1 tls", ID: "urn:uuid:1", Port: 8443, Path: "/d", TLS: true},
			{Kind: kindONVIF, Via: ViaWSD, Key: "urn:uuid:1", ID: "urn:uuid:1", Port: 8080, Path: "/d"},
		}, nil},
		{"prefix declared nowhere", probeMatch("x:NetworkVideoTransmitter", "", "", ""), with(func(*sighting) {}), nil},
		{"stale address", probeMatch("dn:NetworkVideoTransmitter", "", "http://192.168.0.64/onvif/device_service", onvifNS), with(func(*sighting) {}), nil},
		{"a name", probeMatch("dn:NetworkVideoTransmitter", "", "http://cam.example/onvif/device_service", onvifNS), with(func(*sighting) {}), nil},
		{"computer", probeMatch("tds:Device pub:Computer", "", "http://192.168.1.20:5357/1", dpwsNS), nil, nil},
		{"loopback", probeMatch("dn:NetworkVideoTransmitter", "", "http://127.0.0.1:8443/api", onvifNS), nil, errElsewhere},
		{"localhost", probeMatch("dn:NetworkVideoTransmitter", "", "http://localhost/", onvifNS), nil, errElsewhere},
		{"metadata", probeMatch("dn:NetworkVideoTransmitter", "", "http://192.168.1.20/ http://169.254.169.254/latest", onvifNS), nil, errElsewhere},
		{"mapped loopback", probeMatch("dn:NetworkVideoTransmitter", "", "http://[::ffff:127.0.0.1]/", onvifNS), nil, errElsewhere},
		{"public", probeMatch("dn:NetworkVideoTransmitter", "", "http://93.184.216.34/", onvifNS), nil, errElsewhere},
		{"user", probeMatch("dn:NetworkVideoTransmitter", "", "http://a:b@192.168.1.20/", onvifNS), with(func(*sighting) {}), nil},
		{"file", probeMatch("dn:NetworkVideoTransmitter", "", "file:///etc/passwd", onvifNS), with(func(*sighting) {}), nil},
	} {
		m, err := parseWSD([]byte(c.xml))
		if err != nil || len(m.devices) != 1 {
			t.Errorf("%s: %+v %v", c.name, m, err)
			continue
		}
		got, err := m.devices[0].sightings(src, m.bye)
		if !errors.Is(err, c.refused) || !slices.Equal(got, c.want) {
			t.Errorf("%s: %+v, %v; want %+v", c.name, got, err, c.want)
		}
	}
}

func TestWSDBounds(t *testing.T) {
	deep := `<s:Envelope xmlns:s="` + nsSOAP + `">` + strings.Repeat("<a>", 5000)
	for name, text := range map[string]string{
		"doctype":   `<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><Envelope>&b;</Envelope>`,
		"entity":    `<Envelope>&b;</Envelope>`,
		"external":  `<!DOCTYPE x SYSTEM "file:///etc/passwd"><Envelope/>`,
		"deep":      deep,
		"wide":      `<Envelope>` + strings.Repeat("<a/>", 5000) + `</Envelope>`,
		"long text": `<Envelope>` + strings.Repeat("a", maxXMLText+1) + `</Envelope>`,
		"two roots": `<Envelope/><Envelope/>`,
		"other":     `<html/>`, "nothing": "", "cut": `<Envelope>`, "charset": `<?xml version="1.0" encoding="UTF-16"?><Envelope/>`,
	} {
		if m, err := parseWSD([]byte(text)); !errors.Is(err, errMalformed) || m.devices != nil {
			t.Errorf("%s: %+v %v", name, m, err)
		}
	}
	// Our own question is none of anybody's answers.
	if m, err := parseWSD(probeMessage("tds:Device")); err != nil || m.devices != nil {
		t.Errorf("%+v %v", m, err)
	}
}

func FuzzWSD(f *testing.F) {
	f.Add([]byte(probeMatch("dn:NetworkVideoTransmitter", "onvif://www.onvif.org/name/x", "http://192.168.1.20/onvif/device_service", onvifNS)))
	f.Add([]byte(strings.ReplaceAll(probeMatch("tds:Device", "", "https://192.168.1.20", onvifNS), "ProbeMatch", "Bye")))
	f.Add([]byte(`<!DOCTYPE x [<!ENTITY a "a">]><Envelope>&a;</Envelope>`))
	src := netip.MustParseAddr("192.168.1.20")
	f.Fuzz(func(t *testing.T, packet []byte) {
		m, err := parseWSD(packet)
		if err != nil && m.devices != nil || len(m.devices) > maxWSDDevices {
			t.Errorf("%+v %v", m, err)
		}
		for _, d := range m.devices {
			got, err := d.sightings(src, m.bye)
			if err == nil {
				fuzzed(t, got)
			}
		}
	})
}
