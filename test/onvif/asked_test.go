package onvif

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cardea/auth/ca"
	"cardea/camera/onvif"
	"cardea/camera/onvif/sim"
	"cardea/camera/pairing"
)

// TestOurRequests holds everything that our client asks of a camera against ONVIF's own interface definitions.
func TestOurRequests(t *testing.T) {
	definitions, err := filepath.Abs("../../../shared/onvif")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(definitions, "ver10/device/wsdl/devicemgmt.wsdl")); err != nil {
		t.Fatalf("ONVIF's interface definitions have to be in ../shared/onvif beside the repository: %v", err)
	}
	var lines []byte
	for _, kind := range []sim.Kind{sim.Axis, sim.Dahua} {
		d := startCamera(t, kind)
		askEverything(t, d)
		for _, r := range d.Requests() {
			if !strings.HasPrefix(r.Operation, "GET ") {
				line, err := json.Marshal(r.Body)
				if err != nil {
					t.Fatal(err)
				}
				lines = append(append(lines, line...), '\n')
			}
		}
	}
	file := filepath.Join(t.TempDir(), "asked")
	if err := os.WriteFile(file, lines, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("/usr/bin/python3", "asked.py", definitions, file).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, operation := range []string{
		"GetServices", "GetCapabilities", "GetProfiles", "GetStreamUri", "GetSnapshotUri", "SetVideoEncoderConfiguration", "CreatePullPointSubscription", "PullMessages",
		"ContinuousMove", "Stop", "GotoPreset", "GotoHomePosition", "SetImagingSettings", "CreateECCKeyPair", "CreatePKCS10CSR", "UploadCertificate", "CreateCertificationPath",
		"CreateCertPathValidationPolicy", "ReplaceServerCertificateAssignment", "AddCertPathValidationPolicyAssignment", "SetClientAuthenticationRequired", "SetNetworkProtocols", "DeleteKey",
	} {
		if !strings.Contains("\n"+string(out), "\n"+operation+"\n") {
			t.Errorf("%s was not asked, or not judged", operation)
		}
	}
	t.Logf("%d operations are as ONVIF defines them", strings.Count(string(out), "\n"))
}

// askEverything uses all that the client can.
func askEverything(t *testing.T, d camera) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	at, err := url.Parse(d.URL())
	if err != nil {
		t.Fatal(err)
	}
	c, err := onvif.Dial(ctx, onvif.Config{URL: at, User: user, Password: password})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := c.Streams(ctx)
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	_, err = c.Info(ctx)
	must(err)
	c.Abilities(ctx, s)
	_, err = c.Presets(ctx, s.Moves.Token)
	must(err)
	must(c.Move(ctx, s.Moves, onvif.Velocity{Pan: 1}, time.Second))
	must(c.Stop(ctx, s.Moves))
	must(c.GotoPreset(ctx, s.Moves.Token, "1"))
	must(c.GotoHome(ctx, s.Moves.Token))
	some := 12.5
	must(c.SetImaging(ctx, s.Main.Source, onvif.ImagingChange{Brightness: &some, Contrast: &some, Saturation: &some, Sharpness: &some, DayNight: onvif.Day}))
	pulling, stop := context.WithCancel(ctx)
	must(c.Watch(pulling, func() {}, func(onvif.Notification) { stop() }, nil))
	if s.Sub.Token == "" {
		return // a camera of the old kind: H.265 has no name there, nor have certificates
	}
	must(c.SetCodec(ctx, s.Sub, "H264"))
	mint, err := ca.OpenDevice(ca.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	known := pairing.Device{ID: "zeep"}
	e, err := c.Enrol(ctx, known.ID, "cardea", mint, func(_ onvif.Enrolment, leaf []byte) error {
		parsed, err := x509.ParseCertificate(leaf)
		known.SPKI = pairing.SPKI(parsed)
		return err
	})
	must(err)
	must(c.Require(ctx, &e))
	secure, err := c.Secure(ctx)
	if err != nil {
		t.Fatal(err)
	}
	over, err := onvif.Dial(ctx, onvif.Config{URL: secure, User: user, Password: password, Mutual: &tls.Config{
		MinVersion: tls.VersionTLS13, GetClientCertificate: mint.ClientCertificate,
		VerifyConnection: func(s tls.ConnectionState) error { return pairing.VerifyCamera(s, mint, known, time.Now(), false) },
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer over.Close()
	must(mint.Announce())
	e, _, err = over.Renew(ctx, known.ID, e, mint, true)
	must(err)
	must(c.Unenrol(ctx, e))
}
