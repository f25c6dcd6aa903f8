package discovery

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
)

// The namespaces of WS-Discovery as ONVIF uses it (Core specification, 7.3).
const (
	nsSOAP       = "http://www.w3.org/2003/05/soap-envelope"
	nsAddressing = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
	nsDiscovery  = "http://schemas.xmlsoap.org/ws/2005/04/discovery"
	nsNetwork    = "http://www.onvif.org/ver10/network/wsdl"
	nsDevice     = "http://www.onvif.org/ver10/device/wsdl"
)

// Bounds of a message.
const (
	maxXMLDepth   = 24
	maxXMLTokens  = 4000
	maxXMLText    = 16 << 10 // of one element
	maxWSDDevices = 16
	maxWSDWords   = 64 // scopes, or addresses
)

// wsdMessage is a ProbeMatches, ResolveMatches, Hello or Bye; other messages have no devices.
type wsdMessage struct {
	bye     bool
	devices []wsdDevice
}

type wsdDevice struct {
	epr            string
	camera         bool // its types say so
	scopes, xaddrs []string
}

// parseWSD reads a message token by token: there are no entities but those of XML itself, no document type, no depth, length or
// number of elements beyond the bounds, and nothing is fetched.
func parseWSD(packet []byte) (m wsdMessage, err error) {
	p := wsdParser{dec: xml.NewDecoder(bytes.NewReader(packet))}
	for {
		token, err := p.dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return wsdMessage{}, errMalformed
		}
		if err := p.take(token); err != nil {
			return wsdMessage{}, err
		}
	}
	if !p.envelope || len(p.path) > 0 {
		return wsdMessage{}, errMalformed
	}
	return p.message, nil
}

type wsdParser struct {
	dec      *xml.Decoder
	message  wsdMessage
	envelope bool
	tokens   int
	path     []xml.Name
	prefixes []map[string]string // of each element on path; nil for none of its own
	text     strings.Builder
	device   *wsdDevice // being read
	depth    int        // of its element
}

func (p *wsdParser) take(token xml.Token) error {
	if p.tokens++; p.tokens > maxXMLTokens {
		return errMalformed
	}
	switch token := token.(type) {
	case xml.Directive:
		return errMalformed // a document type
	case xml.StartElement:
		return p.start(token)
	case xml.EndElement:
		p.end(token)
	case xml.CharData:
		if p.text.Len()+len(token) > maxXMLText {
			return errMalformed
		}
		p.text.Write(token)
	}
	return nil
}

func (p *wsdParser) start(e xml.StartElement) error {
	if len(p.path) == 0 {
		if p.envelope || e.Name.Local != "Envelope" {
			return errMalformed
		}
		p.envelope = true
	}
	if len(p.path) >= maxXMLDepth {
		return errMalformed
	}
	var own map[string]string
	for _, a := range e.Attr {
		prefix, declares := "", a.Name.Space == "" && a.Name.Local == "xmlns"
		if a.Name.Space == "xmlns" {
			prefix, declares = a.Name.Local, true
		}
		if declares {
			if own == nil {
				own = map[string]string{}
			}
			own[prefix] = a.Value
		}
	}
	p.path, p.prefixes = append(p.path, e.Name), append(p.prefixes, own)
	p.text.Reset()
	if e.Name.Space != nsDiscovery || p.device != nil || len(p.message.devices) >= maxWSDDevices {
		return nil
	}
	switch e.Name.Local {
	case "ProbeMatch", "ResolveMatch", "Hello", "Bye":
		p.message.bye = p.message.bye || e.Name.Local == "Bye"
		p.device, p.depth = &wsdDevice{}, len(p.path)
	}
	return nil
}

func (p *wsdParser) end(e xml.EndElement) {
	if d := p.device; d != nil {
		words := strings.Fields(p.text.String())
		words = words[:min(len(words), maxWSDWords)]
		switch e.Name {
		case xml.Name{Space: nsAddressing, Local: "Address"}:
			if len(words) == 1 && d.epr == "" {
				d.epr = words[0]
			}
		case xml.Name{Space: nsDiscovery, Local: "Types"}:
			for _, w := range words {
				d.camera = d.camera || p.cameraType(w)
			}
		case xml.Name{Space: nsDiscovery, Local: "Scopes"}:
			d.scopes = words
		case xml.Name{Space: nsDiscovery, Local: "XAddrs"}:
			d.xaddrs = words
		}
		if len(p.path) == p.depth {
			p.message.devices = append(p.message.devices, *d)
			p.device = nil
		}
	}
	p.path, p.prefixes = p.path[:len(p.path)-1], p.prefixes[:len(p.prefixes)-1]
	p.text.Reset()
}

// cameraType says whether a qualified name is one of the types of ONVIF Core, 7.3.3. Computers and printers are Devices too, of
// the namespace of DPWS. A transmitter whose prefix is declared nowhere is believed: some cameras forget.
func (p *wsdParser) cameraType(name string) bool {
	prefix, local, qualified := strings.Cut(name, ":")
	if !qualified {
		prefix, local = "", name
	}
	space := ""
	for i := len(p.prefixes) - 1; i >= 0 && space == ""; i-- {
		space = p.prefixes[i][prefix]
	}
	switch local {
	case "NetworkVideoTransmitter":
		return space == nsNetwork || space == ""
	case "Device":
		return space == nsDevice
	}
	return false
}
