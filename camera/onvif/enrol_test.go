package onvif_test

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"cardea/auth/ca"
	"cardea/camera/onvif"
	"cardea/camera/onvif/sim"
	"cardea/camera/pairing"
	"cardea/camera/rtsp"
)

const deviceID = "01JDEVICE00000000000000000"

// authority is the one that paired cameras have.
func authority(t *testing.T, now func() time.Time) *ca.Device {
	t.Helper()
	d, err := ca.OpenDevice(ca.Config{Dir: t.TempDir(), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// enrolled is a camera that went through everything.
type enrolled struct {
	d     *sim.Device
	keys  *sim.Keystore
	mint  *ca.Device
	e     onvif.Enrolment
	leaf  *x509.Certificate
	known pairing.Device
	// latest is what is taken back in the end.
	latest *onvif.Enrolment
}

// mutual is how the NVR speaks with it. at is by which clock.
func (e enrolled) mutual(now func() time.Time, renewing bool) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, GetClientCertificate: e.mint.ClientCertificate,
		VerifyConnection: func(s tls.ConnectionState) error { return pairing.VerifyCamera(s, e.mint, e.known, now(), renewing) },
	}
}

func enrol(t *testing.T, kind sim.Kind, now func() time.Time) enrolled {
	t.Helper()
	keys, err := sim.NewKeystore(now)
	if err != nil {
		t.Fatal(err)
	}
	out := enrolled{keys: keys, mint: authority(t, now), d: device(t, sim.Config{Kind: kind, User: account, Password: secret, Keystore: keys, Now: now})}
	c, err := dial(t, out.d.URL(), func(cfg *onvif.Config) { cfg.Now = now })
	if err != nil {
		t.Fatal(err)
	}
	before := keys.Contents()
	out.e, err = c.Enrol(t.Context(), deviceID, "cardea test", out.mint, func(e onvif.Enrolment, leaf []byte) error {
		if e.Path == "" || e.Policy == "" || e.Before != "PathID_factory" || !strings.Contains(keys.Contents(), "shows PathID_factory") {
			t.Errorf("prepared with %+v, %s", e, keys.Contents())
		}
		parsed, err := x509.ParseCertificate(leaf)
		out.leaf = parsed
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	out.known = pairing.Device{ID: deviceID, SPKI: pairing.SPKI(out.leaf)}
	if !out.e.HTTPS {
		t.Error("HTTPS was not switched on")
	}
	if err := c.Require(t.Context(), &out.e); err != nil {
		t.Fatal(err)
	}
	latest := out.e
	out.latest = &latest
	t.Cleanup(func() {
		if err := c.Unenrol(context.Background(), latest); err != nil {
			t.Errorf("undone: %v", err)
		}
		if after := keys.Contents(); after != before {
			t.Errorf("left behind:\n%s\nfrom:\n%s", after, before)
		}
	})
	return out
}

// TestEnrol: in the end the camera shows a certificate of ours and lets nobody in without one.
func TestEnrol(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string]sim.Kind{"Axis": sim.Axis, "Hikvision": sim.Hikvision} {
		t.Run(name, func(t *testing.T) {
			c := enrol(t, kind, time.Now)
			if !c.keys.Required() {
				t.Error("no certificate is demanded")
			}
			over, err := dial(t, c.d.SecureURL(), func(cfg *onvif.Config) { cfg.Mutual = c.mutual(time.Now, false) })
			if err != nil {
				t.Fatal(err)
			}
			if at, err := over.Secure(t.Context()); err != nil || at.String() != c.d.SecureURL() {
				t.Errorf("%s %v", at, err)
			}
			// The pinned key alone is not enough any more.
			if _, err := dial(t, c.d.SecureURL(), func(cfg *onvif.Config) { cfg.Pin = c.known.SPKI[:] }); err == nil {
				t.Error("a client without a certificate was let in")
			}
			// Another device in its place is not believed.
			wrong := c
			wrong.known.SPKI = sha256.Sum256([]byte("another"))
			var who rtsp.ErrIdentity
			if _, err := dial(t, c.d.SecureURL(), func(cfg *onvif.Config) { cfg.Mutual = wrong.mutual(time.Now, false) }); !errors.As(err, &who) {
				t.Errorf("another key: %v", err)
			}
		})
	}
}

// TestEnrolOverTLS: enrolled over the pinned key that it came with, which ends in the middle of it.
func TestEnrolOverTLS(t *testing.T) {
	t.Parallel()
	keys, err := sim.NewKeystore(nil)
	if err != nil {
		t.Fatal(err)
	}
	mint := authority(t, time.Now)
	d := device(t, sim.Config{User: account, Password: secret, Keystore: keys, HTTPS: true})
	var pin rtsp.ErrPin
	if _, err := dial(t, d.SecureURL(), nil); !errors.As(err, &pin) {
		t.Fatal(err)
	}
	known := pairing.Device{ID: deviceID}
	c, err := dial(t, d.SecureURL(), func(cfg *onvif.Config) {
		cfg.Mutual = &tls.Config{MinVersion: tls.VersionTLS13, GetClientCertificate: mint.ClientCertificate, VerifyConnection: func(s tls.ConnectionState) error {
			if sum := pairing.SPKI(s.PeerCertificates[0]); string(sum[:]) == string(pin.Got) {
				return nil
			}
			return pairing.VerifyCamera(s, mint, known, time.Now(), false)
		}}
	})
	if err != nil {
		t.Fatal(err)
	}
	before := keys.Contents()
	e, err := c.Enrol(t.Context(), deviceID, "x", mint, func(_ onvif.Enrolment, leaf []byte) error {
		parsed, err := x509.ParseCertificate(leaf)
		known.SPKI = pairing.SPKI(parsed)
		return err
	})
	if err == nil {
		err = c.Require(t.Context(), &e)
	}
	if err != nil || e.HTTPS || !keys.Required() {
		t.Fatalf("%+v %v", e, err)
	}
	c.Close() // and begin a new connection, which shows the new key and wants ours
	if err := c.Unenrol(t.Context(), e); err != nil || keys.Contents() != before {
		t.Errorf("undone: %v, %s", err, keys.Contents())
	}
}

// TestEnrolFails: whichever step fails, what came before is undone, the error says which it was, and the camera is as it was.
func TestEnrolFails(t *testing.T) {
	t.Parallel()
	for operation, step := range map[string]string{
		"GetServiceCapabilities": "say what it can do", "CreateECCKeyPair": "make a key", "GetKeyStatus": "make a key", "CreateCertPathValidationPolicy": "take our authority",
		"CreatePKCS10CSR": "take a certificate", "UploadCertificate": "take our authority", "CreateCertificationPath": "take a certificate", "GetAssignedServerCertificates": "take a certificate",
		"ReplaceServerCertificateAssignment": "show its new certificate", "GetNetworkProtocols": "switch HTTPS on", "SetNetworkProtocols": "switch HTTPS on",
		"GetAssignedCertPathValidationPolicies": "demand certificates", "AddCertPathValidationPolicyAssignment": "demand certificates", "SetClientAuthenticationRequired": "demand certificates",
	} {
		t.Run(operation, func(t *testing.T) {
			t.Parallel()
			keys, err := sim.NewKeystore(nil)
			if err != nil {
				t.Fatal(err)
			}
			failed := false
			d := device(t, sim.Config{User: account, Password: secret, Keystore: keys, Tamper: func(w http.ResponseWriter, asked string) bool {
				if asked != operation || failed {
					return false
				}
				failed = true
				w.WriteHeader(http.StatusInternalServerError)
				fmt.Fprint(w, `<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Body><e:Fault><e:Code><e:Value>e:Receiver</e:Value></e:Code><e:Reason><e:Text>flash is full</e:Text></e:Reason></e:Fault></e:Body></e:Envelope>`)
				return true
			}})
			c, err := dial(t, d.URL(), nil)
			if err != nil {
				t.Fatal(err)
			}
			before := keys.Contents()
			e, err := c.Enrol(t.Context(), deviceID, "x", authority(t, time.Now), func(onvif.Enrolment, []byte) error { return nil })
			if err == nil {
				err = c.Require(t.Context(), &e)
			}
			var at onvif.ErrStep
			if !errors.As(err, &at) || at.Step != step || !strings.Contains(err.Error(), "flash is full") {
				t.Errorf("%v", err)
			}
			if err := c.Unenrol(t.Context(), e); err != nil {
				t.Errorf("undo: %v", err)
			}
			after := strings.ReplaceAll(keys.Contents(), " KeyID_1 ", " ") // a key whose name was never told stays
			if operation == "UploadCertificate" || after == before {
				after = before
			}
			if after != before {
				t.Errorf("left behind:\n%s\nfrom:\n%s", after, before)
			}
			if _, err := c.Info(t.Context()); err != nil {
				t.Errorf("the camera is not usable: %v", err)
			}
		})
	}
}

// TestEnrolUnable: a camera that cannot do it is left alone.
func TestEnrolUnable(t *testing.T) {
	t.Parallel()
	mint := authority(t, time.Now)
	for name, change := range map[string]func(string) string{
		"no service": nil,
		"RSA only":   func(s string) string { return strings.Replace(s, "secp256r1 secp384r1", "secp384r1", 1) },
		"TLS 1.2":    func(s string) string { return strings.Replace(s, "1.2 1.3", "1.0 1.1 1.2", 1) },
		"no clients": func(s string) string {
			return strings.Replace(s, `TLSClientAuthSupported="true"`, `TLSClientAuthSupported="false"`, 1)
		},
		"what is it":    func(string) string { return `<x/>` },
		"ten megabytes": func(string) string { return strings.Repeat("x", 10<<20) },
		"a bomb":        func(string) string { return `<!DOCTYPE a [<!ENTITY b "cc">]><a>&b;</a>` },
	} {
		t.Run(name, func(t *testing.T) {
			keys, err := sim.NewKeystore(nil)
			if err != nil {
				t.Fatal(err)
			}
			cfg := sim.Config{User: account, Password: secret, Keystore: keys}
			if change == nil {
				cfg.Keystore = nil
			} else {
				cfg.Tamper = func(w http.ResponseWriter, asked string) bool {
					if asked != "GetServiceCapabilities" {
						return false
					}
					fmt.Fprint(w, change(`<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Body><r><Capabilities><KeystoreCapabilities EllipticCurves="secp256r1 secp384r1"/><TLSServerCapabilities TLSServerSupported="1.2 1.3" TLSClientAuthSupported="true"/></Capabilities></r></e:Body></e:Envelope>`))
					return true
				}
			}
			d := device(t, cfg)
			c, err := dial(t, d.URL(), nil)
			if err != nil {
				t.Fatal(err)
			}
			before := keys.Contents()
			var at onvif.ErrStep
			if _, err := c.Enrol(t.Context(), deviceID, "x", mint, func(onvif.Enrolment, []byte) error { return nil }); !errors.As(err, &at) || at.Step != "say what it can do" {
				t.Errorf("%v", err)
			}
			if keys.Contents() != before {
				t.Errorf("changed: %s", keys.Contents())
			}
		})
	}
}

// TestEnrolRenew: the same key gets a new leaf at the same service, also after the old one has run out, and learns of a new authority.
func TestEnrolRenew(t *testing.T) {
	t.Parallel()
	now := time.Now()
	clock := func() time.Time { return now }
	c := enrol(t, sim.Axis, clock)
	now = now.Add(40 * 24 * time.Hour) // switched off for longer than the leaf lives
	if _, err := dial(t, c.d.SecureURL(), func(cfg *onvif.Config) { cfg.Mutual, cfg.Now = c.mutual(clock, false), clock }); err == nil {
		t.Error("an expired camera is believed")
	}
	over, err := dial(t, c.d.SecureURL(), func(cfg *onvif.Config) { cfg.Mutual, cfg.Now = c.mutual(clock, true), clock })
	if err != nil {
		t.Fatal(err)
	}
	things := strings.Count(c.keys.Contents(), "_")
	if err := c.mint.Announce(); err != nil {
		t.Fatal(err)
	}
	next, leaf, err := over.Renew(t.Context(), deviceID, c.e, c.mint, true)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(leaf)
	if err != nil || pairing.SPKI(parsed) != c.known.SPKI || !parsed.NotAfter.After(now) {
		t.Errorf("the new leaf: %v", err)
	}
	if len(next.Anchors) != 2 || next.Path == c.e.Path || next.Key != c.e.Key || next.Before != c.e.Before {
		t.Errorf("%+v", next)
	}
	if n := strings.Count(c.keys.Contents(), "_"); n != things+2 { // one more authority, with its key
		t.Errorf("%d things on the camera, were %d: %s", n, things, c.keys.Contents())
	}
	if _, err := dial(t, c.d.SecureURL(), func(cfg *onvif.Config) { cfg.Mutual, cfg.Now = c.mutual(clock, false), clock }); err != nil {
		t.Errorf("after the renewal: %v", err)
	}
	if err := c.mint.Advance(); err != nil {
		t.Fatal(err)
	}
	if _, err := dial(t, c.d.SecureURL(), func(cfg *onvif.Config) { cfg.Mutual, cfg.Now = c.mutual(clock, false), clock }); err != nil {
		t.Errorf("after the authority changed: %v", err)
	}
	// What fails leaves what is there.
	old, err := dial(t, c.d.URL(), func(cfg *onvif.Config) { cfg.Now = clock })
	if err != nil {
		t.Fatal(err)
	}
	kept := c.keys.Contents()
	broken := failing{c.mint}
	if again, _, err := old.Renew(t.Context(), deviceID, next, broken, false); err == nil || again.Path != next.Path {
		t.Errorf("%+v %v", again, err)
	}
	if c.keys.Contents() != kept {
		t.Errorf("a renewal that failed left %s", c.keys.Contents())
	}
	// The end of the test takes everything back, by what it is called now.
	*c.latest = next
}

// failing certifies nobody.
type failing struct{ *ca.Device }

func (failing) Certify(string, crypto.PublicKey) ([]byte, error) { return nil, errors.New("no") }
