package discovery

import (
	"encoding/binary"

	"github.com/miekg/dns"
)

// Bounds of a message. A device with all our services and ten addresses sends about thirty records.
const (
	maxQuestions = 64
	maxRecords   = 512
)

// message is what matters of an mDNS packet.
type message struct {
	response  bool
	id        uint16
	questions []dns.Question
	records   []dns.RR // PTR, SRV, TXT, A and AAAA of all sections, of the class Internet
}

// readMessage reads a packet record by record. Other types are stepped over unread: python-zeroconf's NSEC records, for one, are
// such that package dns, and so zeroconf, throws the whole message away. Names are followed by package dns, which bounds compression.
func readMessage(packet []byte) (m message, err error) {
	const header = 12
	if len(packet) < header {
		return m, errMalformed
	}
	count := func(i int) int { return int(binary.BigEndian.Uint16(packet[4+2*i:])) }
	m.id, m.response = binary.BigEndian.Uint16(packet), packet[2]&0x80 != 0
	if packet[2]&0x78 != 0 { // opcode; RFC 6762, 18.3
		return m, errMalformed
	}
	questions, records := count(0), count(1)+count(2)+count(3)
	if questions > maxQuestions || records > maxRecords {
		return m, errMalformed
	}
	at := header
	for range questions {
		name, next, err := dns.UnpackDomainName(packet, at)
		if err != nil || next+4 > len(packet) {
			return m, errMalformed
		}
		m.questions = append(m.questions, dns.Question{
			Name: name, Qtype: binary.BigEndian.Uint16(packet[next:]), Qclass: binary.BigEndian.Uint16(packet[next+2:]),
		})
		at = next + 4
	}
	for range records {
		name, next, err := dns.UnpackDomainName(packet, at)
		if err != nil || next+10 > len(packet) {
			return m, errMalformed
		}
		h := dns.RR_Header{
			Name: name, Rrtype: binary.BigEndian.Uint16(packet[next:]), Class: binary.BigEndian.Uint16(packet[next+2:]),
			Ttl: binary.BigEndian.Uint32(packet[next+4:]), Rdlength: binary.BigEndian.Uint16(packet[next+8:]),
		}
		start := next + 10
		if at = start + int(h.Rdlength); at > len(packet) {
			return m, errMalformed
		}
		switch h.Rrtype {
		case dns.TypePTR, dns.TypeSRV, dns.TypeTXT, dns.TypeA, dns.TypeAAAA:
		default:
			continue
		}
		if h.Class&^uint16(cacheFlush) != dns.ClassINET || h.Rdlength == 0 {
			continue
		}
		rr, end, err := dns.UnpackRRWithHeader(h, packet[:at], start) // a TXT record reaches to the end of what it is given
		if err != nil || end != at {
			return m, errMalformed
		}
		m.records = append(m.records, rr)
	}
	return m, nil
}
