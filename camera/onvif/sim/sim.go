// Package sim is an ONVIF camera for tests: its services over HTTP or HTTPS, with the faults of real ones.
//
// Its nouns: Device, one simulated camera; Config, how it behaves; Kind, whose habits it has; and Keystore, its keys and certificates, by which
// any TLS server can be made one of the camera's. Its answers are held against ONVIF's own interface definitions by foreign clients
// in package test. It has no streams of its own: Config says where they are. It is not part of the product.
package sim

import (
	"crypto/tls"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Kind is whose habits a device has.
type Kind int

const (
	// Axis signs in by WS-UsernameToken and has Media 2.
	Axis Kind = iota
	// Hikvision wants HTTP digest, names the address that it had behind another router, and prolongs subscriptions by pulling only.
	Hikvision
	// Dahua has no Media 2, sends the faults of SOAP 1.1 with namespaces of its own, puts the account into its stream's address, wants
	// the end of a subscription by its own clock, answers each pull at once, and knows no Unsubscribe.
	Dahua
)

// Stream is one of the device's profiles.
type Stream struct {
	Token, Name, Codec string // Codec is H264, H265 or JPEG
	Width, Height      int
	URL                string // rtsp://
	Secure             string // rtsps:// of the same; "" for none
}

// Config says how a device behaves. Streams is required.
type Config struct {
	Kind           Kind
	User, Password string // "" lets everybody in
	// Clock is how far the device's clock is ahead.
	Clock   time.Duration
	Streams []Stream
	// TLS, when not nil, makes it HTTPS.
	TLS *tls.Config
	// Keystore, when not nil, gives it the Security service, and HTTPS on a port of its own beside, switched on or not as HTTPS says.
	Keystore *Keystore
	HTTPS    bool
	// Still is the JPEG that it gives as its snapshot; a tiny one when nil.
	Still []byte
	// Tamper, when not nil, may answer in the device's place: it is true when it did.
	Tamper func(w http.ResponseWriter, operation string) bool
	// Moved, when not nil, hears each of Moves as it comes, and Encoded each stream that was told to be encoded otherwise.
	Moved   func(act string)
	Encoded func(Stream)
	Now     func() time.Time // time.Now when nil
}

// Device is a simulated camera. All methods may be called from any goroutine.
type Device struct {
	cfg    Config
	ln     net.Listener
	server *http.Server
	done   chan struct{}

	secure       net.Listener // HTTPS, with a keystore
	secureServer *http.Server
	secureDone   chan struct{}

	mu    sync.Mutex
	nonce string
	seen  []Request
	https bool
	state state
	subs  subscriptions
}

// Request is what a device was asked.
type Request struct {
	Operation string
	// Header and Body are as they came.
	Header http.Header
	Body   string
}

// Open starts a device on a free port of the loopback. The caller closes it.
func Open(cfg Config) (*Device, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	if cfg.Still == nil {
		cfg.Still = append([]byte{0xff, 0xd8, 0xff, 0xe0}, "a very small picture"...)
	}
	d := &Device{cfg: cfg, ln: ln, done: make(chan struct{}), nonce: "5b0f2e5d", https: cfg.HTTPS, state: newState(cfg.Streams)}
	if cfg.TLS != nil {
		ln = tls.NewListener(ln, cfg.TLS)
	}
	serve := func(ln net.Listener, done chan struct{}) *http.Server {
		s := &http.Server{Handler: http.HandlerFunc(d.serve), ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
		go func() {
			defer close(done)
			_ = s.Serve(ln) // Close ends it
		}()
		return s
	}
	if cfg.Keystore != nil {
		if d.secure, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return nil, errors.Join(err, ln.Close())
		}
		d.secureDone = make(chan struct{})
		d.secureServer = serve(tls.NewListener(gate{d.secure, d}, cfg.Keystore.TLS()), d.secureDone)
	}
	d.server = serve(ln, d.done)
	return d, nil
}

// gate lets nobody in while HTTPS is switched off.
type gate struct {
	net.Listener
	d *Device
}

func (g gate) Accept() (net.Conn, error) {
	for {
		conn, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		g.d.mu.Lock()
		on := g.d.https
		g.d.mu.Unlock()
		if on {
			return conn, nil
		}
		_ = conn.Close()
	}
}

// Close ends the device and every connection to it.
func (d *Device) Close() error {
	err := d.server.Close()
	<-d.done
	if d.secureServer != nil {
		err = errors.Join(err, d.secureServer.Close())
		<-d.secureDone
	}
	return err
}

// URL is the address of the device service.
func (d *Device) URL() string { return d.base() + "/onvif/device_service" }

// SecureURL is the address of the device service over HTTPS; only with a keystore.
func (d *Device) SecureURL() string {
	return "https://" + d.secure.Addr().String() + "/onvif/device_service"
}

func (d *Device) base() string {
	scheme := "http"
	if d.cfg.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + d.ln.Addr().String()
}

// Requests gives what the device was asked, oldest first.
func (d *Device) Requests() []Request {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]Request(nil), d.seen...)
}

const (
	nsSOAP   = "http://www.w3.org/2003/05/soap-envelope"
	maxAsked = 1 << 20
)

// open are the operations that everybody may ask for (ONVIF Core, 5.9.4.3).
var open = map[string]bool{"GetSystemDateAndTime": true, "GetServices": true, "GetCapabilities": true, "GetServiceCapabilities": true}

func (d *Device) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		d.still(w, r)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxAsked))
	if err != nil {
		return
	}
	q, err := read(body)
	if err != nil {
		http.Error(w, "not SOAP", http.StatusBadRequest)
		return
	}
	q.path, q.done = r.URL.RequestURI(), r.Context().Done()
	d.mu.Lock()
	d.seen = append(d.seen, Request{q.operation, r.Header.Clone(), string(body)})
	d.mu.Unlock()
	if d.cfg.Tamper != nil && d.cfg.Tamper(w, q.operation) {
		return
	}
	if !open[q.operation] && d.cfg.User != "" && !d.admit(r, q) {
		d.refuse(w)
		return
	}
	answer, refusal := d.answer(q)
	switch {
	case refusal != nil:
		d.fault(w, http.StatusBadRequest, refusal.code, refusal.reason)
	case answer == "":
		d.fault(w, http.StatusInternalServerError, "ter:ActionNotSupported", "Optional Action Not Implemented")
	default:
		d.send(w, http.StatusOK, answer)
	}
}

func (d *Device) send(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/soap+xml; charset=utf-8")
	w.Header().Set("Date", d.now().Format(http.TimeFormat))
	w.WriteHeader(status)
	fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?>
<SOAP-ENV:Envelope xmlns:SOAP-ENV="%s" xmlns:tt="http://www.onvif.org/ver10/schema" xmlns:tds="%s" xmlns:trt="%s" xmlns:tr2="%s" xmlns:tev="%s" xmlns:tptz="%s" xmlns:timg="%s" xmlns:tas="%s" xmlns:wsnt="%s" xmlns:wsa="%s" xmlns:tns1="http://www.onvif.org/ver10/topics" xmlns:tnsaxis="http://www.axis.com/2009/event/topics" xmlns:ter="http://www.onvif.org/ver10/error"><SOAP-ENV:Body>%s</SOAP-ENV:Body></SOAP-ENV:Envelope>`,
		nsSOAP, nsDevice, nsMedia, nsMedia2, nsEvents, nsPTZ, nsImaging, nsSecurity, nsNotify, nsAddress, body)
}

// refuse says that the account is wrong, each kind in its way.
func (d *Device) refuse(w http.ResponseWriter) {
	switch d.cfg.Kind {
	case Hikvision:
		w.Header().Add("WWW-Authenticate", `Basic realm="device"`)
		w.Header().Add("WWW-Authenticate", `Digest qop="auth", realm="IP Camera(1,2)", nonce="`+d.nonce+`", stale="FALSE"`)
		http.Error(w, "Document Error: Unauthorized", http.StatusUnauthorized)
	case Dahua:
		w.Header().Set("Content-Type", "text/xml")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `<?xml version="1.0"?><e:Envelope xmlns:e="%s" xmlns:q="urn:odd"><e:Body><e:Fault><faultcode>q:NotAuthorized</faultcode><faultstring>Sender not authorized</faultstring></e:Fault></e:Body></e:Envelope>`, nsSOAP)
	default:
		d.fault(w, http.StatusBadRequest, "ter:NotAuthorized", "Sender not authorized")
	}
}

// refusal is a fault that a service answers with: code is its subcode with a prefix.
type refusal struct{ code, reason string }

func (d *Device) fault(w http.ResponseWriter, status int, code, reason string) {
	if d.cfg.Kind == Dahua && status == http.StatusBadRequest {
		w.Header().Set("Content-Type", "text/xml")
		w.WriteHeader(status)
		fmt.Fprintf(w, `<?xml version="1.0"?><e:Envelope xmlns:e="%s" xmlns:q="urn:odd"><e:Body><e:Fault><faultcode>q:%s</faultcode><faultstring>%s</faultstring></e:Fault></e:Body></e:Envelope>`, nsSOAP, esc(code), esc(reason))
		return
	}
	d.send(w, status, fmt.Sprintf(`<SOAP-ENV:Fault><SOAP-ENV:Code><SOAP-ENV:Value>SOAP-ENV:Sender</SOAP-ENV:Value><SOAP-ENV:Subcode><SOAP-ENV:Value>%s</SOAP-ENV:Value></SOAP-ENV:Subcode></SOAP-ENV:Code><SOAP-ENV:Reason><SOAP-ENV:Text xml:lang="en">%s</SOAP-ENV:Text></SOAP-ENV:Reason></SOAP-ENV:Fault>`, code, reason))
}

func (d *Device) now() time.Time { return d.cfg.Now().Add(d.cfg.Clock).UTC() }

func esc(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder takes everything
	return b.String()
}
