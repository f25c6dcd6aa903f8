package ca

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func openDevice(t *testing.T, dir string, now *time.Time) *Device {
	t.Helper()
	d, err := OpenDevice(Config{Dir: dir, Now: func() time.Time { return *now }})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func deviceLeaf(t *testing.T, d *Device, device string) *x509.Certificate {
	t.Helper()
	der, err := d.Certify(device, newKey(t).Public())
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

func accepts(d *Device, leaf *x509.Certificate, at time.Time, usage x509.ExtKeyUsage) error {
	pool := x509.NewCertPool()
	_, roots := d.Bundle()
	for _, r := range roots {
		pool.AddCert(r)
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{usage}})
	return err
}

func TestDeviceLeaf(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	d := openDevice(t, t.TempDir(), &now)
	leaf := deviceLeaf(t, d, "01ABC")
	if len(leaf.URIs) != 1 || leaf.URIs[0].String() != "urn:nvr:"+d.NVR()+":cam:01ABC" || !slices.Equal(leaf.DNSNames, []string{"cam-01ABC.internal"}) {
		t.Errorf("names %v %v", leaf.URIs, leaf.DNSNames)
	}
	if leaf.IsCA || leaf.KeyUsage != x509.KeyUsageDigitalSignature || len(leaf.Subject.Names) != 0 || len(leaf.IPAddresses)+len(leaf.EmailAddresses) != 0 {
		t.Error("the leaf holds more than it should")
	}
	if !slices.Equal(leaf.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}) {
		t.Errorf("usage %v", leaf.ExtKeyUsage)
	}
	if !leaf.NotBefore.Equal(now.Add(-24*time.Hour)) || !leaf.NotAfter.Equal(now.Add(30*24*time.Hour)) {
		t.Errorf("valid %v to %v", leaf.NotBefore, leaf.NotAfter)
	}
	if leaf.SerialNumber.BitLen() < 64 {
		t.Errorf("serial %x", leaf.SerialNumber)
	}
	if err := accepts(d, leaf, now, x509.ExtKeyUsageServerAuth); err != nil {
		t.Error(err)
	}
	if err := accepts(d, leaf, now.Add(31*24*time.Hour), x509.ExtKeyUsageServerAuth); err == nil {
		t.Error("accepted after its end")
	}
}

// TestAttack08WeakKeys: keys other than of P-256 and odd names are not certified.
func TestAttack08WeakKeys(t *testing.T) {
	now := time.Now()
	d := openDevice(t, t.TempDir(), &now)
	weak, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []any{weak.Public(), p224.Public(), nil} {
		if _, err := d.Certify("a", key); err == nil {
			t.Errorf("%T was certified", key)
		}
	}
	for _, name := range []string{"", "a:b", "a/b", "a.b", "ä", "x:nvr", string(bytes.Repeat([]byte("a"), 70))} {
		if _, err := d.Certify(name, newKey(t).Public()); err == nil {
			t.Errorf("%q was certified", name)
		}
	}
}

func TestDeviceReopen(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	d := openDevice(t, dir, &now)
	leaf := deviceLeaf(t, d, "a")
	path := filepath.Join(dir, deviceFile)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	again := openDevice(t, dir, &now)
	if again.NVR() != d.NVR() || again.ClientSPKI() != d.ClientSPKI() || accepts(again, leaf, now, x509.ExtKeyUsageServerAuth) != nil {
		t.Error("another authority after a restart")
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range [][]byte{nil, good[:len(good)/2], bytes.Replace(good, []byte(`"format": 1`), []byte(`"format": 2`), 1)} {
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenDevice(Config{Dir: dir}); err == nil {
			t.Error("a damaged authority was opened or replaced")
		}
		if now, _ := os.ReadFile(path); !bytes.Equal(now, bad) {
			t.Error("the damaged file was changed")
		}
	}
}

// TestDeviceClock: an authority made under a clock of 2099, or of 1970, still works when the clock is right.
func TestDeviceClock(t *testing.T) {
	for _, year := range []int{1970, 2099} {
		made := time.Date(year, 5, 1, 0, 0, 0, 0, time.UTC)
		now := made
		d := openDevice(t, t.TempDir(), &now)
		now = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
		leaf := deviceLeaf(t, d, "a")
		if err := accepts(d, leaf, now, x509.ExtKeyUsageServerAuth); err != nil {
			t.Errorf("made in %d: %v", year, err)
		}
	}
}

func TestDeviceRoll(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	d := openDevice(t, dir, &now)
	old := deviceLeaf(t, d, "a")
	first, _ := d.Bundle()
	if err := d.Advance(); !errors.Is(err, ErrRolling) {
		t.Error(err)
	}
	if err := d.Announce(); err != nil {
		t.Fatal(err)
	}
	if err := d.Announce(); !errors.Is(err, ErrRolling) {
		t.Error(err)
	}
	version, roots := d.Bundle()
	if version != first+1 || len(roots) != 2 || d.Stage() != DeviceAnnounced {
		t.Errorf("bundle %d of %d roots", version, len(roots))
	}
	shown := func(accepted ...*x509.Certificate) *x509.Certificate {
		info := &tls.CertificateRequestInfo{Version: tls.VersionTLS13}
		for _, c := range accepted {
			info.AcceptableCAs = append(info.AcceptableCAs, c.RawSubject)
		}
		c, err := d.ClientCertificate(info)
		if err != nil {
			t.Fatal(err)
		}
		return c.Leaf
	}
	if shown(roots...).Issuer.CommonName != roots[0].Subject.CommonName {
		t.Error("the next authority issues already")
	}
	if err := d.Advance(); err != nil {
		t.Fatal(err)
	}
	if err := accepts(d, old, now, x509.ExtKeyUsageServerAuth); err != nil {
		t.Errorf("in the overlap: %v", err)
	}
	if shown(roots...).Issuer.CommonName != roots[1].Subject.CommonName || shown(roots[0]).Issuer.CommonName != roots[0].Subject.CommonName {
		t.Error("a camera is not shown what it accepts")
	}
	d = openDevice(t, dir, &now)
	if d.Stage() != DeviceAdvanced {
		t.Error("a restart forgets the stage")
	}
	fresh := deviceLeaf(t, d, "a")
	if err := d.Finish(); err != nil {
		t.Fatal(err)
	}
	if accepts(d, old, now, x509.ExtKeyUsageServerAuth) == nil || accepts(d, fresh, now, x509.ExtKeyUsageServerAuth) != nil {
		t.Error("after the end the old one counts, or the new one does not")
	}
	if version, roots := d.Bundle(); version != first+2 || len(roots) != 1 || d.Stage() != DeviceSteady {
		t.Errorf("bundle %d of %d roots", version, len(roots))
	}
}

func FuzzParseDevice(f *testing.F) {
	d, err := OpenDevice(Config{Dir: f.TempDir()})
	if err != nil {
		f.Fatal(err)
	}
	good, err := os.ReadFile(d.path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"format":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var d Device
		if err := d.parse(data); err == nil && (d.issuing == nil || d.client == nil) {
			t.Fatal("half an authority")
		}
	})
}
