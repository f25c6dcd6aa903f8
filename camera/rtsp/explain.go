package rtsp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/liberrors"
)

// typed reports whether err already is one of this package's sentences.
func typed(err error) bool {
	switch err.(type) {
	case ErrURL, ErrUnreachable, ErrTimeout, ErrAuth, ErrPin, ErrIdentity, ErrTLSVersion, ErrNotTLS, ErrTLS, ErrNotRTSP, ErrNotFound,
		ErrRefused, ErrGone, ErrFinished, ErrNoTalk, ErrNoVideo, ErrUnsupported, ErrStalled, ErrNoKeyFrame, ErrGarbage, ErrInternal, ErrEnded, ErrAnew:
		return true
	}
	return false
}

// DialError turns a TCP connection that did not come about within after into a sentence: an ErrUnreachable.
func DialError(host string, after time.Duration, err error) error {
	var dns *net.DNSError
	reason := "there was no answer"
	switch {
	case errors.As(err, &dns):
		reason = "its name is not known here"
	case errors.Is(err, syscall.ECONNREFUSED):
		reason = "nothing listens on this port"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		reason = "there is no way to this address"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		reason = fmt.Sprintf("there was no answer within %s", after.Round(time.Second))
	}
	return ErrUnreachable{Host: host, Reason: reason, Err: err}
}

// tlsError turns a failed handshake into a sentence.
func tlsError(host string, after time.Duration, tls12 bool, err error) error {
	var (
		pin    ErrPin
		who    ErrIdentity
		header tls.RecordHeaderError
		cert   *tls.CertificateVerificationError
		unk    x509.UnknownAuthorityError
	)
	needed := "1.3"
	if tls12 {
		needed = "1.2"
	}
	switch {
	case errors.As(err, &pin):
		return pin
	case errors.As(err, &who):
		return who
	case errors.As(err, &header):
		return ErrNotTLS{Host: host}
	case OldTLS(err):
		return ErrTLSVersion{Needed: needed}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return ErrTimeout{Host: host, Doing: "the TLS handshake was under way (a port without TLS often behaves like this: then use rtsp://)", After: after}
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return ErrNotTLS{Host: host}
	case errors.As(err, &cert), errors.As(err, &unk):
		return ErrTLS{Host: host, Err: errors.New("its certificate is not valid")}
	}
	return ErrTLS{Host: host, Err: err}
}

// OldTLS reports whether a handshake failed because the camera speaks no version of TLS that is new enough.
func OldTLS(err error) bool {
	var alert tls.AlertError
	if errors.As(err, &alert) && alert == 70 { // protocol_version, RFC 8446 section 6
		return true
	}
	// crypto/tls has no typed error for a ServerHello that picks an older version.
	return strings.Contains(err.Error(), "unsupported protocol version") || strings.Contains(err.Error(), "protocol version not supported")
}

// rtspError turns what the RTSP library returned for a request into a sentence. given says whether credentials
// were configured, path is the path of the stream.
//
// The library's own texts are never passed on: some quote the camera's headers, or a URL.
func rtspError(err error, given bool, path string) error {
	var status liberrors.ErrClientBadStatusCode
	var auth liberrors.ErrClientAuthSetup
	switch {
	case err == nil:
		return nil
	case typed(err):
		return err
	case errors.As(err, &status):
		switch status.Code {
		case base.StatusUnauthorized:
			return ErrAuth{Given: given}
		case base.StatusNotFound:
			return ErrNotFound{Path: path}
		}
		return ErrRefused{Code: int(status.Code), Message: Short(status.Message)}
	case errors.As(err, &auth):
		return ErrRefused{Code: int(base.StatusUnauthorized), Message: "the camera asks for a way of signing in that is not known here"}
	case isType[liberrors.ErrClientSDPInvalid](err):
		return ErrGarbage{Detail: "a stream description that cannot be read"}
	case isType[liberrors.ErrClientContentTypeMissing](err), isType[liberrors.ErrClientContentTypeUnsupported](err):
		return ErrGarbage{Detail: "no stream description where one was asked for"}
	case isType[liberrors.ErrClientSessionHeaderInvalid](err), isType[liberrors.ErrClientTransportHeaderInvalid](err),
		isType[liberrors.ErrClientTransportHeaderNoInterleavedIDs](err), isType[liberrors.ErrClientTransportHeaderInvalidInterleavedIDs](err),
		isType[liberrors.ErrClientTransportHeaderInterleavedIDsInUse](err), isType[liberrors.ErrClientTransportHeaderInvalidDelivery](err):
		return ErrGarbage{Detail: "an RTSP header that cannot be read"}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		return ErrEnded{Early: true, Err: errors.New("connection closed")}
	}
	var netErr net.Error
	if errors.As(err, &netErr) {
		return ErrEnded{Early: true, Err: errors.New("connection failed")}
	}
	return ErrGarbage{Detail: "an RTSP answer that cannot be read"}
}

func isType[T error](err error) bool {
	var t T
	return errors.As(err, &t)
}

// Short bounds text that comes from a camera and takes out what could disturb a log or a page.
func Short(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '<' || r == '>' || r == unicode.ReplacementChar || unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, s)
	if r := []rune(s); len(r) > 80 {
		s = string(r[:80]) + "…"
	}
	return strings.TrimSpace(s)
}
