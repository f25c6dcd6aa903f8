package pairing

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// Port is the camera's port where none is given.
const Port = "8322"

// NVR is the NVR's end. It keeps nothing itself: what has to outlive a crash goes through the functions that its methods
// take. Issuer is required. Its methods may be called from any goroutine, but for one camera not at the same time.
type NVR struct {
	Issuer Issuer
	// Now is the NVR's clock, time.Now when nil.
	Now func() time.Time
}

func (n *NVR) now() time.Time {
	if n.Now == nil {
		return time.Now()
	}
	return n.Now()
}

// ParseTarget reads what a person typed or scanned: an address and a code, or an address that is the text of the QR code,
// cardea-pair://HOST:PORT/TOKEN, without code. It gives host:port and the code. Errors are sentences for people.
func ParseTarget(address, code string) (host, secret string, err error) {
	address, code = strings.TrimSpace(address), strings.TrimSpace(code)
	for _, text := range []*string{&address, &code} {
		if rest, ok := strings.CutPrefix(*text, "cardea-pair://"); ok {
			at, token, _ := strings.Cut(rest, "/")
			if text == &code && address != "" {
				at = address // a person says where the camera is
			}
			address, code = at, token
			break
		}
	}
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		address = u.Host
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		host, port = strings.Trim(address, "[]"), Port
	}
	if host == "" || strings.ContainsAny(host, " /@") {
		return "", "", errors.New("the address of the camera looks like 192.168.1.20 or 192.168.1.20:8322")
	}
	if k, _ := kind(code); k == "" {
		return "", "", errors.New("the activation code is the eight digits that the camera shows, such as 1234 5678")
	}
	return net.JoinHostPort(host, port), code, nil
}

// Pair runs the ceremony with the camera at address (host:port) up to the point at which the camera has its certificate, which is good
// for nothing until Sync activates it. id is the new device's. pending is called when the camera has proved that it knows
// the code, before it gets the certificate; when it fails, so does Pair. Where Pair fails after that, the caller forgets
// the device; the camera does so by itself.
func (n *NVR) Pair(ctx context.Context, address, code, id string, pending func(Device) error) (Device, error) {
	form, code := kind(code)
	if form == "" {
		return Device{}, ErrCode
	}
	own, err := throwaway()
	if err != nil {
		return Device{}, err
	}
	conn, err := dial(ctx, address, &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{ProtoPair}, Certificates: []tls.Certificate{*own},
		InsecureSkipVerify: true, // there is no trust yet; SPAKE2+ makes it
	})
	if errors.Is(err, ErrUnknown) {
		return Device{}, ErrProtocol // a TLS server, but of something else: nobody was named yet that it could know
	}
	if err != nil {
		return Device{}, err
	}
	defer conn.Close() //nolint:errcheck // what there was to say is said
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if conn.ConnectionState().NegotiatedProtocol != ProtoPair {
		return Device{}, ErrProtocol
	}
	d, err := n.ceremony(newWire(conn), conn, form, code, id, pending)
	if err != nil && ctx.Err() != nil {
		return Device{}, ctx.Err()
	}
	return d, err
}

func (n *NVR) ceremony(w *wire, conn *tls.Conn, form, code, id string, pending func(Device) error) (Device, error) {
	binding, err := bindingOf(conn)
	if err != nil {
		return Device{}, err
	}
	version, roots := n.Issuer.Bundle()
	trust := message{Type: "trust", Device: id, Bundle: version, Roots: raw(roots)}
	spki := n.Issuer.ClientSPKI()
	hello := message{
		Type: "hello", Code: form, Nonce: make([]byte, 32), NVR: n.Issuer.NVR(), SPKI: spki[:], CA: rootsHash(version, trust.Roots),
	}
	rand.Read(hello.Nonce) //nolint:errcheck // never fails
	ours, err := w.write(hello)
	if err != nil {
		return Device{}, err
	}
	camera, theirs, err := w.read("hello")
	if err != nil {
		return Device{}, unwanted(err)
	}
	if len(camera.SPKI) != sha256.Size || len(camera.Nonce) != 32 || len(camera.Salt) != 16 {
		return Device{}, ErrProtocol
	}
	d := Device{ID: id, SPKI: [32]byte(camera.SPKI), Bundle: version, Name: camera.Name, Model: camera.Model}

	s, err := stretch(code, camera.Salt)
	if err != nil {
		return Device{}, err
	}
	x, err := scalar(rand.Reader)
	if err != nil {
		return Device{}, err
	}
	shareP, err := masked(x, s.w0, pointM)
	if err != nil {
		return Device{}, err
	}
	if _, err := w.write(message{Type: "share", Share: shareP}); err != nil {
		return Device{}, err
	}
	share, _, err := w.read("share")
	if err != nil {
		return Device{}, unwanted(err)
	}
	k, err := prove(s, x, shareP, share.Share, transcript(binding, ours, theirs), idProver, idVerifier)
	if err != nil || subtle.ConstantTimeCompare(share.Confirm, k.confirmV) != 1 {
		// Nothing that depends on the code is sent to whoever does not know it.
		return Device{}, w.fail(ErrCode)
	}
	if _, err := w.write(message{Type: "confirm", Confirm: k.confirmP}); err != nil {
		return Device{}, err
	}
	if err := w.seal(k.shared, true); err != nil {
		return Device{}, err
	}
	trust.Time = n.now()
	if _, err := w.write(trust); err != nil {
		return Device{}, err
	}
	csr, _, err := w.read("csr")
	if err != nil {
		return Device{}, unwanted(err)
	}
	if d.Leaf, err = n.certify(csr.CSR, d); err != nil {
		return Device{}, err
	}
	if err := pending(d); err != nil {
		return Device{}, err
	}
	if _, err := w.write(message{Type: "cert", Leaf: d.Leaf}); err != nil {
		return Device{}, err
	}
	if _, _, err := w.read("stored"); err != nil {
		return Device{}, unwanted(err)
	}
	return d, nil
}

// certify issues a leaf for a request of the device, whose key is known.
func (n *NVR) certify(csr []byte, d Device) ([]byte, error) {
	key, err := checkRequest(csr, d.SPKI)
	if err != nil {
		return nil, err
	}
	return n.Issuer.Certify(d.ID, key)
}

func raw(certs []*x509.Certificate) [][]byte {
	var out [][]byte
	for _, c := range certs {
		out = append(out, c.Raw)
	}
	return out
}

// unwanted makes the end of a connection a sentence.
func unwanted(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) {
		return errors.New("the camera ended the connection in the middle of pairing; try again with the code that it shows now")
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return errors.New("the camera does not answer; try again with the code that it shows now")
	}
	return err
}

// dial connects. An ErrIdentity of the check of the certificate comes out as it is.
func dial(ctx context.Context, address string, cfg *tls.Config) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, step)
	defer cancel()
	conn, err := (&tls.Dialer{Config: cfg}).DialContext(ctx, "tcp", address)
	if err == nil {
		return conn.(*tls.Conn), nil
	}
	var id ErrIdentity
	var op *net.OpError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &id):
		return nil, id
	case errors.As(err, &record):
		return nil, ErrProtocol
	case errors.As(err, &op) && op.Op == "dial", errors.Is(err, context.DeadlineExceeded):
		return nil, fmt.Errorf("nothing answers at %s; is the camera on, and on this network?", address)
	case errors.As(err, &op) && op.Op == "remote error":
		return nil, ErrUnknown
	}
	return nil, fmt.Errorf("connect to the camera at %s: %w", address, err)
}

// Result is what Sync found.
type Result struct {
	// Device is the one given, with what has changed.
	Device Device
	// Active says that the camera uses its certificate.
	Active bool
	// Renewed says that it got a new one.
	Renewed bool
	// Offset is the camera's clock minus ours, before it was set.
	Offset time.Duration
}

// Sync looks after a paired camera over mutual TLS, where alone a leaf that has run out is accepted: it tells the time,
// activates where activate is true, hands over a newer bundle, and renews the leaf where that is due. It is to be
// called before each media connection, which needs a leaf in force and a camera with the right time, and once a day.
// ErrIdentity when another one answers.
func (n *NVR) Sync(ctx context.Context, address string, d Device, activate bool) (Result, error) {
	r := Result{Device: d}
	conn, err := dial(ctx, address, n.TLS(d, true))
	if err != nil {
		return r, err
	}
	defer conn.Close() //nolint:errcheck // what there was to say is said
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	err = n.sync(newWire(conn), conn.ConnectionState().PeerCertificates[0], activate, &r)
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	return r, err
}

func (n *NVR) sync(w *wire, leaf *x509.Certificate, activate bool, r *Result) error {
	now := n.now()
	if _, err := w.write(message{Type: "sync", Time: now, Active: activate}); err != nil {
		return refusal(err)
	}
	state, _, err := w.read("state")
	if err != nil {
		return refusal(err)
	}
	if state.Device != r.Device.ID {
		return ErrProtocol
	}
	r.Active, r.Offset, r.Device.Bundle = state.Active, state.Time.Sub(now), state.Bundle
	if !r.Active {
		return nil
	}
	if version, roots := n.Issuer.Bundle(); version > state.Bundle {
		if _, err := w.write(message{Type: "trust", Bundle: version, Roots: raw(roots)}); err != nil {
			return err
		}
		if _, _, err := w.read("state"); err != nil {
			return err
		}
		r.Device.Bundle = version
	}
	r.Device.Leaf = leaf.Raw
	if !n.due(leaf, r.Device, now) {
		return nil
	}
	if _, err := w.write(message{Type: "renew"}); err != nil {
		return err
	}
	csr, _, err := w.read("csr")
	if err != nil {
		return err
	}
	fresh, err := n.certify(csr.CSR, r.Device)
	if err != nil {
		return err
	}
	if _, err := w.write(message{Type: "cert", Leaf: fresh}); err != nil {
		return err
	}
	if _, _, err := w.read("stored"); err != nil {
		return err
	}
	r.Device.Leaf, r.Renewed = fresh, true
	return nil
}

// refusal: in TLS 1.3 a server that does not like our certificate says so after the handshake.
func refusal(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "remote error" {
		return ErrUnknown
	}
	return err
}

// due says whether a leaf is to be replaced: for its age, for a date in the future, or because another authority issues now.
func (n *NVR) due(leaf *x509.Certificate, d Device, now time.Time) bool {
	_, roots := n.Issuer.Bundle()
	spread := float64(d.SPKI[0]) / 256
	return !now.Before(RenewAt(leaf, spread)) || now.Before(leaf.NotBefore) || !bytes.Equal(leaf.AuthorityKeyId, roots[0].SubjectKeyId)
}

// TLS is the client's side towards a paired camera, for RTSPS or for renewal.
func (n *NVR) TLS(d Device, renewing bool) *tls.Config {
	cfg := &tls.Config{
		MinVersion: tls.VersionTLS13, InsecureSkipVerify: true, // replaced by VerifyConnection
		GetClientCertificate: n.Issuer.ClientCertificate,
		VerifyConnection: func(state tls.ConnectionState) error {
			return VerifyCamera(state, n.Issuer, d, n.now(), renewing)
		},
	}
	if renewing {
		cfg.NextProtos = []string{ProtoRenew}
	}
	return cfg
}
