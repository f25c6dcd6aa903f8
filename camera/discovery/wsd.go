package discovery

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// maxWSD is the size of the largest message: what UDP carries in one packet (SOAP-over-UDP 1.1, 3.2 asks for no more).
const maxWSD = 65507

const wsdPort = 3702

// The groups of WS-Discovery (2005/04), 2.4.
var (
	wsdGroup4 = netip.AddrPortFrom(netip.AddrFrom4([4]byte{239, 255, 255, 250}), wsdPort)
	wsdGroup6 = netip.AddrPortFrom(netip.MustParseAddr("ff02::c"), wsdPort)
)

// probe asks for ONVIF devices on all groups of the segment. Some devices answer only to one of the two types.
func (s *segment) probe() {
	v4, v6 := s.families()
	for _, kind := range []string{"dn:NetworkVideoTransmitter", "tds:Device"} {
		packet := probeMessage(kind)
		if v4 {
			s.send(wsdGroup4, packet)
		}
		if v6 {
			s.send(wsdGroup6, packet)
		}
	}
}

// probeMessage is the Probe of ONVIF Core, 7.3.2.
func probeMessage(kind string) []byte {
	return fmt.Appendf(nil, `<?xml version="1.0" encoding="UTF-8"?>`+
		`<e:Envelope xmlns:e="`+nsSOAP+`" xmlns:w="`+nsAddressing+`" xmlns:d="`+nsDiscovery+`" xmlns:dn="`+nsNetwork+`" xmlns:tds="`+nsDevice+`">`+
		`<e:Header><w:MessageID>urn:uuid:%s</w:MessageID><w:To e:mustUnderstand="true">urn:schemas-xmlsoap-org:ws:2005:04:discovery</w:To>`+
		`<w:Action e:mustUnderstand="true">`+nsDiscovery+`/Probe</w:Action></e:Header>`+
		`<e:Body><d:Probe><d:Types>%s</d:Types></d:Probe></e:Body></e:Envelope>`, uuid(), kind)
}

// uuid is a random one (RFC 9562, version 4).
func uuid() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// hearWSD takes a message that came to the group or to our question.
func (s *segment) hearWSD(src netip.AddrPort, packet []byte) {
	m, err := parseWSD(packet)
	if err != nil {
		s.table.malformed()
		return
	}
	for _, device := range m.devices {
		seen, err := device.sightings(src.Addr(), m.bye)
		if err != nil {
			s.table.refused()
			continue
		}
		for _, one := range seen {
			s.sighted(src.Addr(), one)
		}
	}
}

// sightings makes the ONVIF services of a device that answered from src. Devices that are no cameras have none. An address
// counts only when it is the sender's; others are old addresses of the device, and left out, unless one leads where no camera can
// be: then all of the answer is refused.
func (d *wsdDevice) sightings(src netip.Addr, bye bool) ([]sighting, error) {
	id := token(d.epr)
	if id == "" {
		return nil, errMalformed
	}
	if bye {
		return []sighting{{Kind: kindONVIF, Via: ViaWSD, Key: id, Gone: true}, {Kind: kindONVIF, Via: ViaWSD, Key: id + " tls", Gone: true}}, nil
	}
	if !d.camera {
		return nil, nil
	}
	seen := sighting{Kind: kindONVIF, Via: ViaWSD, ID: id}
	for _, scope := range d.scopes {
		u, err := url.Parse(scope)
		if err != nil || u.Scheme != "onvif" || !strings.EqualFold(u.Host, "www.onvif.org") {
			continue
		}
		switch key, value, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/"); strings.ToLower(key) {
		case "name":
			seen.Name = clean(value)
		case "hardware":
			seen.Model = clean(value)
		}
	}
	var out []sighting
	for _, text := range d.xaddrs {
		one, err := transport(seen, text, src)
		if errors.Is(err, errElsewhere) {
			return nil, err
		}
		if err == nil && len(out) < 4 {
			out = append(out, one)
		}
	}
	if len(out) == 0 { // only old addresses, names, or none
		seen.Key, seen.Port = id, 80
		out = append(out, seen)
	}
	return out, nil
}

// transport reads one transport address. errElsewhere means that it leads where no camera can be.
func transport(seen sighting, text string, src netip.Addr) (sighting, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return seen, errMalformed
	}
	ip, err := netip.ParseAddr(u.Hostname())
	if err != nil {
		if host := strings.ToLower(strings.TrimSuffix(u.Hostname(), ".")); host == "localhost" || strings.HasSuffix(host, ".localhost") {
			return seen, errElsewhere
		}
		return seen, errMalformed // a name: it would have to be looked up, and whoever answers chooses
	}
	if ip = ip.Unmap().WithZone(""); ip != src.WithZone("") {
		if !ip.IsPrivate() && !(ip.Is6() && (ip.IsLinkLocalUnicast() || ip.IsGlobalUnicast())) || ip == awsMetadata6 {
			return seen, errElsewhere
		}
		return seen, errMalformed
	}
	seen.TLS, seen.Key, seen.Port = u.Scheme == "https", seen.ID, 80
	if seen.TLS {
		seen.Key, seen.Port = seen.ID+" tls", 443
	}
	if p := u.Port(); p != "" {
		var port uint16
		if _, err := fmt.Sscanf(p, "%d", &port); err != nil || port == 0 {
			return seen, errMalformed
		}
		seen.Port = port
	}
	seen.Path = urlPath(u.EscapedPath())
	return seen, nil
}
