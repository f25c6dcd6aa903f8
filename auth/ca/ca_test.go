package ca

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"encoding/xml"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func open(t *testing.T, dir string, now time.Time) *Web {
	t.Helper()
	w, err := OpenWeb(Config{Dir: dir, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func chain(t *testing.T, data []byte) (leaf, inter *x509.Certificate) {
	t.Helper()
	var certs []*x509.Certificate
	for b, rest := pem.Decode(data); b != nil; b, rest = pem.Decode(rest) {
		c, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		certs = append(certs, c)
	}
	if len(certs) != 2 {
		t.Fatalf("%d certificates", len(certs))
	}
	return certs[0], certs[1]
}

func verify(w *Web, leaf, inter *x509.Certificate, name string, at time.Time) error {
	roots, inters := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(w.root)
	inters.AddCert(inter)
	_, err := leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots, Intermediates: inters, CurrentTime: at})
	return err
}

var names = []string{"cardea.local", "localhost", "192.168.1.10", "127.0.0.1", "::1", "fd00::7", "box.home.arpa"}

func TestIssue(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	w := open(t, t.TempDir(), now)
	out, err := w.Issue(newKey(t).Public(), append(names, "CARDEA.local", "example.com", "8.8.8.8", "2001:db8::1", "local.example", "-x.local", "fe80::1%eth0", "*.local"))
	if err != nil {
		t.Fatal(err)
	}
	leaf, inter := chain(t, out)
	for _, n := range names {
		if strings.Contains(n, ":") {
			n = "[" + n + "]"
		}
		if err := verify(w, leaf, inter, n, now); err != nil {
			t.Errorf("%s: %v", n, err)
		}
	}
	if len(leaf.DNSNames) != 3 || len(leaf.IPAddresses) != 4 {
		t.Errorf("holds %v %v", leaf.DNSNames, leaf.IPAddresses)
	}
	if life := leaf.NotAfter.Sub(leaf.NotBefore); life > leafLife || leaf.NotAfter.Before(now.Add(80*24*time.Hour)) {
		t.Errorf("valid %v to %v", leaf.NotBefore, leaf.NotAfter)
	}
	if leaf.IsCA || leaf.KeyUsage != x509.KeyUsageDigitalSignature || !slices.Equal(leaf.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}) {
		t.Error("the leaf may do too much")
	}
	if inter.MaxPathLen != 0 || !inter.MaxPathLenZero || !inter.PermittedDNSDomainsCritical || !w.root.PermittedDNSDomainsCritical {
		t.Error("the authority is not limited")
	}
	for _, c := range []*x509.Certificate{leaf, inter, w.root} {
		if c.SerialNumber.Sign() <= 0 || c.SerialNumber.BitLen() > 159 || c.SerialNumber.BitLen() < 64 || len(c.SubjectKeyId) == 0 || c.Version != 3 {
			t.Errorf("%s: serial %x, key id %x", c.Subject, c.SerialNumber, c.SubjectKeyId)
		}
	}
	if !bytes.Equal(leaf.AuthorityKeyId, inter.SubjectKeyId) || !bytes.Equal(inter.AuthorityKeyId, w.root.SubjectKeyId) {
		t.Error("the key identifiers do not chain")
	}
	for _, none := range [][]string{nil, {"example.com"}, {"8.8.8.8", "cardea"}} {
		if _, err := w.Issue(newKey(t).Public(), none); err == nil {
			t.Errorf("%v was certified", none)
		}
	}
}

// TestConstraints: even who holds the key of the intermediate cannot make a certificate for a public name that
// verifies, nor a further authority.
// Attack case 8 of docs/attacks.md.
func TestConstraints(t *testing.T) {
	now := time.Now()
	w := open(t, t.TempDir(), now)
	forge := func(c *x509.Certificate) *x509.Certificate {
		c.SerialNumber, c.NotBefore, c.NotAfter = big.NewInt(7), now.Add(-time.Hour), now.Add(time.Hour)
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		leaf, err := sign(c, w.inter, newKey(t).Public(), w.key)
		if err != nil {
			t.Fatal(err)
		}
		return leaf
	}
	for name, c := range map[string]*x509.Certificate{
		"bank.example":  {DNSNames: []string{"bank.example"}},
		"evil.local":    {DNSNames: []string{"evil.local", "bank.example"}},
		"8.8.8.8":       {IPAddresses: []net.IP{net.IPv4(8, 8, 8, 8)}},
		"[2001:db8::1]": {IPAddresses: []net.IP{net.ParseIP("2001:db8::1")}},
		"172.32.0.1":    {IPAddresses: []net.IP{net.IPv4(172, 32, 0, 1)}},
		"notlocal":      {DNSNames: []string{"notlocal"}},
	} {
		leaf := forge(c)
		if err := verify(w, leaf, w.inter, name, now); err == nil {
			t.Errorf("Go accepts %s", name)
		}
		if out, err := openssl(t, w, leaf, strings.Trim(name, "[]")); err == nil || !strings.Contains(out, "subtree") {
			t.Errorf("openssl accepts %s: %s", name, out)
		}
	}
	key := newKey(t)
	sub, err := sign(&x509.Certificate{
		SerialNumber: big.NewInt(8), Subject: pkix.Name{CommonName: "sub"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, w.inter, key.Public(), w.key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := sign(&x509.Certificate{SerialNumber: big.NewInt(9), DNSNames: []string{"x.local"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)}, sub, newKey(t).Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	roots, inters := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(w.root)
	inters.AddCert(w.inter)
	inters.AddCert(sub)
	if _, err := leaf.Verify(x509.VerifyOptions{DNSName: "x.local", Roots: roots, Intermediates: inters}); err == nil {
		t.Error("the intermediate can make authorities")
	}
}

// openssl verifies a leaf strictly, as a second opinion.
func openssl(t *testing.T, w *Web, leaf *x509.Certificate, name string) (string, error) {
	t.Helper()
	bin, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	dir := t.TempDir()
	write := func(file string, data []byte) string {
		path := filepath.Join(dir, file)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	kind := "-verify_hostname"
	if net.ParseIP(name) != nil {
		kind = "-verify_ip"
	}
	out, err := exec.Command(bin, "verify", "-x509_strict", "-purpose", "sslserver", "-no-CApath", "-no-CAstore", kind, name,
		"-CAfile", write("root.pem", w.RootPEM()), "-untrusted", write("inter.pem", pemCert(w.inter)), write("leaf.pem", pemCert(leaf))).CombinedOutput()
	return string(out), err
}

func TestOpenSSL(t *testing.T) {
	w := open(t, t.TempDir(), time.Now())
	out, err := w.Issue(newKey(t).Public(), names)
	if err != nil {
		t.Fatal(err)
	}
	leaf, _ := chain(t, out)
	for _, n := range names {
		if out, err := openssl(t, w, leaf, n); err != nil {
			t.Errorf("%s: %v\n%s", n, err, out)
		}
	}
	if _, err := openssl(t, w, leaf, "other.local"); err == nil {
		t.Error("accepted for another name")
	}
}

func TestReopen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	now := time.Now()
	w := open(t, dir, now)
	path := filepath.Join(dir, fileName)
	for p, mode := range map[string]os.FileMode{dir: 0o700, path: 0o600} {
		if info, err := os.Stat(p); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v %v", p, info.Mode(), err)
		}
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if again := open(t, dir, now.Add(time.Hour)); again.Fingerprint() != w.Fingerprint() || again.SPKI() != w.SPKI() || again.ID() != w.ID() {
		t.Error("another authority after a restart")
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("others may read the key: %v", info.Mode())
	}
	if files, _ := filepath.Glob(filepath.Join(dir, ".new*")); len(files) > 0 {
		t.Errorf("left over: %v", files)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(data, []byte("PRIVATE KEY-----\n")); n != 2 {
		t.Errorf("%d lines about private keys: the root's should be gone", n)
	}
	for _, bad := range [][]byte{nil, data[:len(data)/2], bytes.Replace(data, []byte("CERTIFICATE"), []byte("CERTIFICAT3"), 1)} {
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenWeb(Config{Dir: dir}); err == nil {
			t.Error("a damaged authority was opened or replaced")
		}
		if now, _ := os.ReadFile(path); !bytes.Equal(now, bad) {
			t.Error("the damaged file was changed")
		}
	}
}

// TestClocks: an authority made under a clock in the future is replaced; one that the clock has overtaken still issues.
// Attack case 71 of docs/attacks.md.
func TestClocks(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	wrong := open(t, dir, now.AddDate(70, 0, 0))
	w := open(t, dir, now)
	if w.Fingerprint() == wrong.Fingerprint() {
		t.Error("kept an authority of the future")
	}
	late := open(t, dir, now.AddDate(70, 0, 0))
	if late.Fingerprint() != w.Fingerprint() {
		t.Error("a clock that jumps ahead destroyed the authority")
	}
	out, err := late.Issue(newKey(t).Public(), names)
	if err != nil {
		t.Fatal(err)
	}
	if leaf, _ := chain(t, out); leaf.NotAfter.After(w.NotAfter()) {
		t.Error("the leaf outlives its authority")
	}
}

func TestNames(t *testing.T) {
	ip := func(s string) net.Addr {
		a, n, err := net.ParseCIDR(s)
		if err != nil {
			t.Fatal(err)
		}
		n.IP = a
		return n
	}
	got := Names("cardea.local", "NAS.fritz.box", []net.Addr{
		ip("192.168.1.10/24"), ip("127.0.0.1/8"), ip("203.0.113.4/24"), ip("2001:db8::4/64"), ip("fd00::9/64"), ip("fe80::1/64"), ip("::1/128"), ip("172.17.0.1/16"), ip("169.254.8.8/16"), ip("10.0.0.3/8"), ip("10.0.0.3/8"),
	})
	want := []string{"cardea.local", "localhost", "nas.local", "127.0.0.1", "::1", "10.0.0.3", "169.254.8.8", "172.17.0.1", "192.168.1.10", "fd00::9"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	if got := Names("cardea.local", "b_d", nil); slices.Contains(got, "b_d.local") {
		t.Errorf("got %v", got)
	}
	many := []string{"cardea.local"}
	for i := range 200 {
		many = append(many, net.IPv4(10, 0, 0, byte(i)).String())
	}
	if dns, ips := split(many); len(dns)+len(ips) != maxNames || dns[0] != "cardea.local" {
		t.Errorf("%d names", len(dns)+len(ips))
	}
}

func TestMobileConfig(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir, time.Now())
	profile := w.MobileConfig()
	d := xml.NewDecoder(bytes.NewReader(profile))
	var text []string
	for {
		tok, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if c, ok := tok.(xml.CharData); ok {
			text = append(text, strings.TrimSpace(string(c)))
		}
	}
	if !slices.Contains(text, base64.StdEncoding.EncodeToString(w.RootDER())) || !slices.Contains(text, "com.apple.security.root") {
		t.Error("the profile does not hold the root")
	}
	uuids := regexp.MustCompile(`[0-9A-F]{8}-[0-9A-F]{4}-8[0-9A-F]{3}-[89AB][0-9A-F]{3}-[0-9A-F]{12}`).FindAllString(string(profile), -1)
	if len(uuids) != 2 || uuids[0] == uuids[1] {
		t.Errorf("uuids %v", uuids)
	}
	if !bytes.Equal(open(t, dir, time.Now()).MobileConfig(), profile) {
		t.Error("installing it again would add a second one")
	}
}

// TestHandshake serves the leaf and lets a client that knows the root only connect.
func TestHandshake(t *testing.T) {
	w := open(t, t.TempDir(), time.Now())
	key := newKey(t)
	out, err := w.Issue(key.Public(), names)
	if err != nil {
		t.Fatal(err)
	}
	leaf, inter := chain(t, out)
	a, b := net.Pipe()
	server := tls.Server(a, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.Raw, inter.Raw}, PrivateKey: key}}})
	done := make(chan error, 1)
	go func() { done <- server.Handshake() }()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(w.RootPEM())
	if err := tls.Client(b, &tls.Config{RootCAs: roots, ServerName: "192.168.1.10"}).Handshake(); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func FuzzParseWeb(f *testing.F) {
	w, err := OpenWeb(Config{Dir: f.TempDir()})
	if err != nil {
		f.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(w.key)
	if err != nil {
		f.Fatal(err)
	}
	good := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})
	good = append(append(good, pemCert(w.inter)...), pemCert(w.root)...)
	f.Add(good)
	f.Add(good[:100])
	f.Fuzz(func(t *testing.T, data []byte) {
		if w, err := parseWeb(data); err == nil && (w.root == nil || w.inter == nil || w.key == nil) {
			t.Fatal("half an authority")
		}
	})
}

func FuzzPermitted(f *testing.F) {
	for _, s := range []string{"cardea.local", "local", "xlocal", "::ffff:8.8.8.8", "fe80::1%x", ".local", "a..local", "1.2.3.4.local", "10.0.0.1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if dns, ips := split([]string{s}); len(dns)+len(ips) > 0 && !Permitted(s) {
			t.Fatalf("%q is not permitted and would be certified", s)
		}
	})
}
