package rtsp

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/base"
)

// The errors of this package are sentences for the person who owns the camera: what is wrong, then what to do.
// None of them ever holds a user name, a password or a URL with either. Match them with errors.As.

// ErrURL says that the address itself cannot be used. It is wrong until a person changes it.
type ErrURL struct {
	// Reason is the rest of the sentence.
	Reason string
}

func (e ErrURL) Error() string {
	return "This address cannot be used: " + e.Reason + ". A camera's address looks like rtsp://192.168.1.20:554/stream1."
}

// ErrUnreachable says that no connection came about. Trying again later is right.
type ErrUnreachable struct {
	// Host is the host and port that was tried.
	Host string
	// Reason is a short cause, for people.
	Reason string
	// Err is what the operating system said.
	Err error
}

func (e ErrUnreachable) Error() string {
	return fmt.Sprintf("The camera at %s cannot be reached: %s. Check that it has power, is on this network, and that address and port are right.", e.Host, e.Reason)
}

// Unwrap returns the cause from the operating system.
func (e ErrUnreachable) Unwrap() error { return e.Err }

// ErrTimeout says that the camera took the connection and then did not answer. Trying again later is right.
type ErrTimeout struct {
	// Host is the host and port, Doing what it was asked for, After how long was waited.
	Host, Doing string
	After       time.Duration
}

func (e ErrTimeout) Error() string {
	return fmt.Sprintf("The camera at %s did not answer within %s while %s. It may be busy or starting; if this stays so, restart the camera and check the port.", e.Host, e.After.Round(time.Second), e.Doing)
}

// ErrAuth says that the camera refused the user name or password. Callers MUST NOT try again quickly: many
// cameras lock the account after a few failures.
type ErrAuth struct {
	// Given is false when no user name was configured at all.
	Given bool
}

func (e ErrAuth) Error() string {
	if !e.Given {
		return "The camera asks for a user name and a password. Enter those of the camera's own account."
	}
	return "The camera refused the user name or the password. Check both; some cameras keep a separate account for RTSP or ONVIF."
}

// ErrPin says that the camera presented a key that is not the pinned one, or, where Want is empty, one that
// nobody vouches for. Nothing was sent to it. A person has to decide.
type ErrPin struct {
	// Want and Got are SHA-256 of the SubjectPublicKeyInfo.
	Want, Got []byte
}

func (e ErrPin) Error() string {
	got := hex.EncodeToString(e.Got) + " (base64 " + base64.StdEncoding.EncodeToString(e.Got) + ")"
	if len(e.Want) == 0 {
		return "The camera's certificate is not vouched for by anybody. If this fingerprint is the one the camera shows, confirm it: " + got + ". Nothing was sent to the camera."
	}
	return "The camera's key is not the one that was confirmed before; it may have been reset, replaced, or somebody answers in its place. Expected fingerprint " +
		hex.EncodeToString(e.Want) + ", got " + got + ". No password was sent. Confirm the new fingerprint only if you know why it changed."
}

// ErrIdentity says that whoever answered is not the camera that was paired, or cannot prove it any more. Nothing was sent to it. A
// person has to decide.
type ErrIdentity struct {
	// Err says in a sentence what is in doubt.
	Err error
}

func (e ErrIdentity) Error() string {
	return "The camera's identity is in doubt. " + e.Err.Error() + " Nothing was sent to it. If it was reset or replaced, pair it again."
}

// Unwrap returns what was wrong.
func (e ErrIdentity) Unwrap() error { return e.Err }

// ErrTLSVersion says that the camera only speaks a TLS that is too old.
type ErrTLSVersion struct {
	// Needed is the oldest version that was allowed, for instance "1.3".
	Needed string
}

func (e ErrTLSVersion) Error() string {
	if e.Needed == "1.3" {
		return "The camera does not speak TLS 1.3. Update its firmware, or allow TLS 1.2 for this one camera."
	}
	return "The camera's TLS is older than 1.2 and not safe. Update its firmware, or use rtsp:// on a network of its own."
}

// ErrNotTLS says that rtsps:// was asked for and something without TLS answered.
type ErrNotTLS struct{ Host string }

func (e ErrNotTLS) Error() string {
	return fmt.Sprintf("The camera at %s does not speak TLS on this port. Use its RTSPS port (often 322 or 8322), or rtsp:// for an unprotected connection.", e.Host)
}

// ErrTLS says that the TLS handshake came to nothing for another reason.
type ErrTLS struct {
	Host string
	// Err is the cause; it holds no secret.
	Err error
}

func (e ErrTLS) Error() string {
	return fmt.Sprintf("No protected connection to the camera at %s came about (%v). Check the port and the camera's certificate settings.", e.Host, e.Err)
}

// Unwrap returns what the TLS stack said.
func (e ErrTLS) Unwrap() error { return e.Err }

// ErrNotRTSP says that something else than RTSP answered.
type ErrNotRTSP struct {
	Host string
	// Hint says what it seems to be and what to do.
	Hint string
}

func (e ErrNotRTSP) Error() string {
	return fmt.Sprintf("What answers at %s is not an RTSP camera: %s.", e.Host, e.Hint)
}

// ErrNotFound says that the camera does not know the path. Credentials in it are not shown.
type ErrNotFound struct{ Path string }

func (e ErrNotFound) Error() string {
	return fmt.Sprintf("The camera has no stream at the path %q. Look up the path in its manual or its ONVIF profile; /stream1, /h264 and /live are common.", Redact(e.Path))
}

// ErrRefused says that the camera answered with another RTSP error.
type ErrRefused struct {
	// Code is the RTSP status (RFC 2326 section 7.1.1).
	Code int
	// Message is the camera's own words, shortened.
	Message string
}

func (e ErrRefused) Error() string {
	switch e.Code {
	case int(base.StatusNotEnoughBandwidth), int(base.StatusServiceUnavailable):
		return fmt.Sprintf("The camera is at its limit (RTSP %d %s). Close other viewers of this camera, or use a smaller stream.", e.Code, e.Message)
	case int(base.StatusForbidden):
		return fmt.Sprintf("The camera does not let this account see the stream (RTSP %d %s). Give the account the right to view in the camera's settings.", e.Code, e.Message)
	}
	return fmt.Sprintf("The camera refused the stream (RTSP %d %s). Check path and settings of the camera, and restart it if this stays so.", e.Code, e.Message)
}

// ErrNoVideo says that the stream holds no picture at all.
type ErrNoVideo struct {
	// Codecs names what it holds instead.
	Codecs []string
}

func (e ErrNoVideo) Error() string {
	if len(e.Codecs) == 0 {
		return "The camera describes an empty stream. Switch its video encoder on, or try another path."
	}
	return "This stream has no picture, only " + strings.Join(e.Codecs, ", ") + ". Try another path of the camera."
}

// ErrUnsupported says that the camera's video encoding is not one that Cardea records.
type ErrUnsupported struct {
	// Codecs names the encodings offered.
	Codecs []string
}

func (e ErrUnsupported) Error() string {
	return "The camera sends " + strings.Join(e.Codecs, ", ") + ", which cannot be recorded. Set its video encoding to H.264 or H.265."
}

// ErrStalled says that a running stream brought no picture any more (0 fps). Reconnecting is right.
type ErrStalled struct {
	// For is how long there was nothing; Bytes is true when data without pictures still came.
	For   time.Duration
	Bytes bool
}

func (e ErrStalled) Error() string {
	if e.Bytes {
		return fmt.Sprintf("The camera stays connected but has sent no picture for %s. If this stays so, restart it and check its frame rate setting.", e.For.Round(time.Second))
	}
	return fmt.Sprintf("The camera has sent nothing for %s. Check its power and network.", e.For.Round(time.Second))
}

// ErrNoKeyFrame says that video came without any key frame, so that nothing of it can be shown.
type ErrNoKeyFrame struct{ For time.Duration }

func (e ErrNoKeyFrame) Error() string {
	return fmt.Sprintf("The camera sent no key frame for %s, so no picture can be made. Set its I-frame interval (GOP) to 1–4 seconds.", e.For.Round(time.Second))
}

// ErrGarbage says that the bytes do not make sense as RTSP or RTP any more. Reconnecting is right.
type ErrGarbage struct {
	// Detail says what was seen.
	Detail string
}

func (e ErrGarbage) Error() string {
	return "The camera sends data that makes no sense (" + e.Detail + "). Check its network cable or Wi-Fi, and update its firmware."
}

// ErrInternal says that reading this camera's data hit a fault in Cardea; the connection was dropped, nothing
// else suffered. Reconnecting is right, a report is welcome.
type ErrInternal struct {
	// Detail is the panic value.
	Detail string
}

func (e ErrInternal) Error() string {
	return "The camera sent data that Cardea could not digest (" + e.Detail + "). It reconnects; please report this with the camera's model."
}

// ErrEnded says that the camera closed the connection. Reconnecting is right.
type ErrEnded struct {
	// Early is true when that happened before the stream began.
	Early bool
	// Err is the cause where there is one.
	Err error
}

func (e ErrEnded) Error() string {
	if e.Early {
		return "The camera closed the connection before the stream began. If it wants a protected connection, use rtsps://; else restart the camera."
	}
	return "The camera closed the connection."
}

// Unwrap returns the cause where there is one.
func (e ErrEnded) Unwrap() error { return e.Err }

// ErrAnew says that over UDP the camera began another stream in place of the one that was asked for, as after a
// restart. Reconnecting at once is right.
type ErrAnew struct{}

func (ErrAnew) Error() string {
	return "The camera began its stream anew; it is connected to again."
}

// Credentials reports whether err means that trying again with the same credentials and pin cannot help and may
// lock an account: a person has to decide first.
func Credentials(err error) bool {
	var auth ErrAuth
	var pin ErrPin
	var identity ErrIdentity
	return errors.As(err, &auth) || errors.As(err, &pin) || errors.As(err, &identity)
}

// Settings reports whether err stays until somebody changes the camera's or Cardea's settings.
func Settings(err error) bool {
	var (
		u  ErrURL
		nf ErrNotFound
		nv ErrNoVideo
		us ErrUnsupported
		tv ErrTLSVersion
		nt ErrNotTLS
		nr ErrNotRTSP
	)
	return errors.As(err, &u) || errors.As(err, &nf) || errors.As(err, &nv) || errors.As(err, &us) ||
		errors.As(err, &tv) || errors.As(err, &nt) || errors.As(err, &nr)
}
