package sim

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"net"
	"strings"
)

// The words of WS-Discovery (April 2005), which ONVIF uses.
const (
	nsDiscovery  = "http://schemas.xmlsoap.org/ws/2005/04/discovery"
	nsAddressing = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
	nsNetwork    = "http://www.onvif.org/ver10/network/wsdl"
	// endpoint names the device for ever.
	endpoint = "urn:uuid:4d454930-0000-1000-8000-00408c000001"
)

// Announce answers WS-Discovery probes that arrive at conn, which the caller joined to 239.255.255.250:3702 or sends to himself, until conn is
// closed. xaddr is the address that is told.
func Announce(conn net.PacketConn, xaddr string) error {
	buf := make([]byte, 64<<10)
	for n := 1; ; n++ {
		size, from, err := conn.ReadFrom(buf)
		if err != nil {
			return err
		}
		if answer := probed(buf[:size], xaddr, n); answer != nil {
			_, _ = conn.WriteTo(answer, from) // who asked will ask again
		}
	}
}

// probed answers a probe for a network video transmitter, or for anything; nil for what is none.
func probed(packet []byte, xaddr string, number int) []byte {
	var envelope element
	if xml.NewDecoder(bytes.NewReader(packet)).Decode(&envelope) != nil {
		return nil
	}
	probe := envelope.first("Probe")
	types := probe.text("Types")
	if probe.XMLName.Space != nsDiscovery || types != "" && !strings.Contains(types, "NetworkVideoTransmitter") && !strings.Contains(types, "Device") {
		return nil
	}
	return fmt.Appendf(nil, `<?xml version="1.0" encoding="UTF-8"?>
<SOAP-ENV:Envelope xmlns:SOAP-ENV="%s" xmlns:wsa="%s" xmlns:d="%s" xmlns:dn="%s"><SOAP-ENV:Header><wsa:MessageID>urn:uuid:00000000-0000-1000-8000-%012d</wsa:MessageID><wsa:RelatesTo>%s</wsa:RelatesTo>`+
		`<wsa:To>%[2]s/role/anonymous</wsa:To><wsa:Action>%[3]s/ProbeMatches</wsa:Action><d:AppSequence InstanceId="1" MessageNumber="%[5]d"/></SOAP-ENV:Header><SOAP-ENV:Body><d:ProbeMatches><d:ProbeMatch><wsa:EndpointReference><wsa:Address>%[7]s</wsa:Address></wsa:EndpointReference>`+
		`<d:Types>dn:NetworkVideoTransmitter</d:Types><d:Scopes>onvif://www.onvif.org/type/video_encoder onvif://www.onvif.org/hardware/SIM-1 onvif://www.onvif.org/name/Simulated</d:Scopes><d:XAddrs>%[8]s</d:XAddrs><d:MetadataVersion>1</d:MetadataVersion></d:ProbeMatch></d:ProbeMatches></SOAP-ENV:Body></SOAP-ENV:Envelope>`,
		nsSOAP, nsAddressing, nsDiscovery, nsNetwork, number, esc(envelope.text("MessageID")), endpoint, esc(xaddr))
}
