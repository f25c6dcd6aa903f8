package onvif

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"cardea/camera/rtsp"
)

// ErrNotONVIF says that what answers there is no ONVIF device service. It stays so until a person changes address or settings.
type ErrNotONVIF struct {
	// Status is the HTTP status that came in place of an answer.
	Status int
}

func (e ErrNotONVIF) Error() string {
	return fmt.Sprintf("What answers at this address does not speak ONVIF (HTTP %d). Switch ONVIF on in the camera's settings, check port and path, or enter its rtsp:// address.", e.Status)
}

// ErrAnswer says that an answer is refused or makes no sense.
type ErrAnswer struct {
	// Reason is the rest of the sentence.
	Reason string
}

func (e ErrAnswer) Error() string {
	return "The camera's ONVIF answer is refused: " + e.Reason + ". Update its firmware, or enter its rtsp:// address."
}

// ErrNotOffered says that the camera lacks a service.
type ErrNotOffered struct {
	// Operation is what was asked for.
	Operation string
}

func (e ErrNotOffered) Error() string {
	text := "The camera does not offer the ONVIF service that " + e.Operation + " belongs to."
	if aboutStreams(e.Operation) {
		text += " Enter its rtsp:// address."
	}
	return text
}

// ErrNoStream says that none of the camera's profiles can be recorded.
type ErrNoStream struct {
	// Codecs names what they are encoded in.
	Codecs []string
}

func (e ErrNoStream) Error() string {
	if len(e.Codecs) == 0 {
		return "The camera names no video profile over ONVIF. Set one up in its settings, or enter its rtsp:// address."
	}
	return "The camera offers its video as " + strings.Join(e.Codecs, ", ") + " only, which cannot be recorded. Set its video encoding to H.264 or H.265."
}

// ErrFault is the camera's refusal (SOAP 1.2 part 1, section 5.4).
type ErrFault struct {
	// Operation is what was asked for, Codes the local names of the fault's code and subcodes, Reason the camera's own words, shortened.
	Operation string
	Codes     []string
	Reason    string
}

func (e ErrFault) Error() string {
	what := strings.Join(e.Codes, "/")
	if e.Reason != "" {
		what += ": " + e.Reason
	}
	advice := "Check the account's rights in the camera's settings"
	if aboutStreams(e.Operation) {
		advice += ", or enter its rtsp:// address"
	}
	return fmt.Sprintf("The camera refuses %s over ONVIF (%s). %s.", e.Operation, what, advice)
}

// aboutStreams reports whether an rtsp:// address makes an operation needless.
func aboutStreams(operation string) bool {
	return slices.Contains([]string{"GetServices", "GetCapabilities", "GetProfiles", "GetStreamUri"}, operation)
}

func (e ErrFault) is(codes ...string) bool {
	return slices.ContainsFunc(e.Codes, func(c string) bool { return slices.Contains(codes, c) })
}

// readFault reads a fault of SOAP 1.2, or of 1.1, which some cameras send in an envelope of 1.2.
func readFault(operation string, n *node) ErrFault {
	f := ErrFault{Operation: operation, Reason: rtsp.Short(n.child("Reason", "Text").text)}
	add := func(qname string) {
		if _, local, found := strings.Cut(qname, ":"); found {
			qname = local
		}
		if qname != "" && len(f.Codes) < 6 {
			f.Codes = append(f.Codes, rtsp.Short(qname))
		}
	}
	for code := n.child("Code"); code.name.Local != ""; code = code.child("Subcode") {
		add(code.child("Value").text)
	}
	if len(f.Codes) == 0 {
		add(n.child("faultcode").text)
		f.Reason = rtsp.Short(n.child("faultstring").text)
	}
	return f
}

// dialError turns a request without an answer into a sentence.
func (c *Client) dialError(ctx context.Context, err error) error {
	var (
		pin    rtsp.ErrPin
		who    rtsp.ErrIdentity
		op     *net.OpError
		header tls.RecordHeaderError
	)
	host := c.cfg.URL.Host
	switch {
	case errors.As(err, &pin):
		return pin
	case errors.As(err, &who):
		return who
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	case errors.As(err, &op) && op.Op == "dial":
		return rtsp.DialError(host, c.cfg.Timeout, err)
	case errors.As(err, &header):
		return rtsp.ErrNotTLS{Host: host}
	case rtsp.OldTLS(err):
		return rtsp.ErrTLSVersion{Needed: "1.3"}
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return rtsp.ErrTimeout{Host: host, Doing: "it was asked over ONVIF", After: c.cfg.Timeout}
	}
	return ErrAnswer{Reason: "what came is not HTTP, or it was cut off"}
}
