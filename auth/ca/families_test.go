package ca

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net"
	"net/url"
	"testing"
	"time"

	"cardea/camera/pairing"
)

// TestAttack08Families is attack case 8, more of it: the families of cases that x509-limbo has (RFC 5280 and web PKI profiles, pathological chains), written for what a
// camera may show. All but the few "other" ones are signed by the device authority's real key for the pinned key, as nobody but a broken
// authority could: the check holds by itself.
func TestAttack08Families(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	d := openDevice(t, t.TempDir(), &now)
	const id = "01JNXCDFG0B1EYBWX9YAEKXY2E"
	var key crypto.Signer = newKey(t)
	der, err := d.Certify(id, key.Public())
	if err != nil {
		t.Fatal(err)
	}
	good, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	judge := func(key crypto.PublicKey, version uint16, ders ...[]byte) error {
		state := tls.ConnectionState{Version: version}
		for _, der := range ders {
			cert, err := x509.ParseCertificate(der)
			if err != nil {
				return err // crypto/tls gives up there
			}
			state.PeerCertificates = append(state.PeerCertificates, cert)
		}
		spki, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return pairing.VerifyCamera(state, d, pairing.Device{ID: id, SPKI: sha256.Sum256(spki), Leaf: der}, now, false)
	}
	if err := judge(key.Public(), tls.VersionTLS13, der); err != nil {
		t.Fatalf("the camera itself: %v", err)
	}

	uri := func(text string) *url.URL {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	name := good.URIs[0].String()
	other := newKey(t)
	sub := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "sub"}, NotBefore: good.NotBefore, NotAfter: good.NotAfter, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	}
	subDER, err := x509.CreateCertificate(rand.Reader, sub, d.issuing.cert, other.Public(), d.issuing.key)
	if err != nil {
		t.Fatal(err)
	}
	if sub, err = x509.ParseCertificate(subDER); err != nil {
		t.Fatal(err)
	}
	extension := func(critical bool, id ...int) pkix.Extension {
		return pkix.Extension{Id: id, Critical: critical, Value: []byte{5, 0}}
	}
	// minted is signed by the real authority unless by says otherwise.
	minted := func(edit func(*x509.Certificate), by *x509.Certificate, signer crypto.Signer) []byte {
		t.Helper()
		c := &x509.Certificate{
			SerialNumber: big.NewInt(99), NotBefore: good.NotBefore, NotAfter: good.NotAfter, URIs: good.URIs, DNSNames: good.DNSNames, KeyUsage: good.KeyUsage,
			ExtKeyUsage: good.ExtKeyUsage, BasicConstraintsValid: true,
		}
		edit(c)
		if by == nil {
			by, signer = d.issuing.cert, d.issuing.key
		}
		der, err := x509.CreateCertificate(rand.Reader, c, by, key.Public(), signer)
		if err != nil {
			t.Log("cannot even be made:", err)
			return nil
		}
		return der
	}
	if err := judge(key.Public(), tls.VersionTLS13, minted(func(*x509.Certificate) {}, nil, nil)); err != nil {
		t.Fatalf("one made here: %v", err)
	}
	for what, edit := range map[string]func(*x509.Certificate){
		"validity: over since a second":   func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Second) },
		"validity: begins in a second":    func(c *x509.Certificate) { c.NotBefore = now.Add(time.Second) },
		"validity: ends before it begins": func(c *x509.Certificate) { c.NotBefore, c.NotAfter = now.Add(time.Hour), now.Add(-time.Hour) },
		"names: none":                     func(c *x509.Certificate) { c.URIs = nil },
		"names: none at all":              func(c *x509.Certificate) { c.URIs, c.DNSNames = nil, nil },
		"names: another camera":           func(c *x509.Certificate) { c.URIs = []*url.URL{uri(name[:len(name)-1] + "F")} },
		"names: two":                      func(c *x509.Certificate) { c.URIs = append(c.URIs[:1:1], uri("urn:nvr:1:cam:2")) },
		"names: twice the same":           func(c *x509.Certificate) { c.URIs = append(c.URIs[:1:1], c.URIs[0]) },
		"names: longer":                   func(c *x509.Certificate) { c.URIs = []*url.URL{uri(name + "/x")} },
		"names: a wildcard":               func(c *x509.Certificate) { c.URIs = []*url.URL{uri("urn:nvr:" + d.NVR() + ":cam:*")} },
		"names: the NVR":                  func(c *x509.Certificate) { c.URIs = []*url.URL{uri(pairing.NVRURI(d.NVR()))} },
		"names: in the subject only":      func(c *x509.Certificate) { c.URIs, c.Subject = nil, pkix.Name{CommonName: name} },
		"names: as a DNS name":            func(c *x509.Certificate) { c.URIs, c.DNSNames = nil, []string{name} },
		"names: as an e-mail address":     func(c *x509.Certificate) { c.URIs, c.EmailAddresses = nil, []string{"cam@" + id} },
		"names: an address only":          func(c *x509.Certificate) { c.URIs, c.IPAddresses = nil, []net.IP{net.IPv4(192, 168, 1, 2)} },
		"usage: none":                     func(c *x509.Certificate) { c.ExtKeyUsage = nil },
		"usage: clients only":             func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} },
		"usage: signing code":             func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning} },
		"usage: an unknown one": func(c *x509.Certificate) {
			c.ExtKeyUsage, c.UnknownExtKeyUsage = nil, []asn1.ObjectIdentifier{{1, 2, 3}}
		},
		"constraints: an authority":         func(c *x509.Certificate) { c.IsCA = true },
		"constraints: an authority of none": func(c *x509.Certificate) { c.IsCA, c.MaxPathLenZero = true, true },
		"constraints: names excluded": func(c *x509.Certificate) {
			c.IsCA, c.PermittedDNSDomainsCritical, c.ExcludedDNSDomains = true, true, []string{"internal"}
		},
		"extensions: unknown and critical": func(c *x509.Certificate) { c.ExtraExtensions = []pkix.Extension{extension(true, 1, 2, 3, 4)} },
		"extensions: twice the same": func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{extension(false, 1, 2, 3, 4), extension(false, 1, 2, 3, 4)}
		},
		"extensions: usage that is no list": func(c *x509.Certificate) {
			c.ExtKeyUsage, c.ExtraExtensions = nil, []pkix.Extension{extension(true, 2, 5, 29, 37)}
		},
		"extensions: names that are no list": func(c *x509.Certificate) {
			c.URIs, c.DNSNames, c.ExtraExtensions = nil, nil, []pkix.Extension{extension(true, 2, 5, 29, 17)}
		},
		"extensions: critical policy mapping": func(c *x509.Certificate) { c.ExtraExtensions = []pkix.Extension{extension(true, 2, 5, 29, 33)} },
		"serial: negative":                    func(c *x509.Certificate) { c.SerialNumber = big.NewInt(-5) },
		"serial: of 30 bytes":                 func(c *x509.Certificate) { c.SerialNumber = new(big.Int).Lsh(big.NewInt(1), 240) },
		"signature: SHA-1":                    func(c *x509.Certificate) { c.SignatureAlgorithm = x509.ECDSAWithSHA1 },
	} {
		if der := minted(edit, nil, nil); der != nil && judge(key.Public(), tls.VersionTLS13, der) == nil {
			t.Errorf("%s is accepted", what)
		}
	}
	flipped := bytes.Clone(der)
	flipped[len(flipped)-3] ^= 1
	inner := bytes.Replace(der, []byte{0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02}, []byte{0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03}, 1)
	root := d.issuing.cert.Raw
	for what, chain := range map[string][][]byte{
		"nothing":                                 {},
		"signature: a bit turned":                 {flipped},
		"signature: of another authority":         {minted(func(*x509.Certificate) {}, d.issuing.cert, other)},
		"signature: its own":                      {minted(func(c *x509.Certificate) { c.Subject = d.issuing.cert.Subject }, &x509.Certificate{Subject: d.issuing.cert.Subject}, key)},
		"signature: algorithm said in two ways":   {inner},
		"encoding: cut off":                       {der[:len(der)-1]},
		"encoding: something behind it":           {append(bytes.Clone(der), 0)},
		"chain: the authority in place of a leaf": {root},
		"chain: with the authority":               {der, root},
		"chain: twice itself":                     {der, der},
		"chain: of a lower authority":             {minted(func(*x509.Certificate) {}, sub, other), subDER},
		"chain: of a lower authority, not shown":  {minted(func(*x509.Certificate) {}, sub, other)},
		"chain: in a ring":                        {der, subDER, root, subDER, root},
		"chain: of a hundred": append([][]byte{der}, func() (many [][]byte) {
			for range 100 {
				many = append(many, subDER)
			}
			return many
		}()...),
	} {
		if judge(key.Public(), tls.VersionTLS13, chain...) == nil {
			t.Errorf("%s is accepted", what)
		}
	}
	if judge(key.Public(), tls.VersionTLS12, der) == nil {
		t.Error("TLS 1.2 is accepted")
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	weak, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for what, other := range map[string]crypto.Signer{"P-384": p384, "P-224": p224, "RSA": weak, "Ed25519": edwards} {
		key = other // and pinned
		if judge(key.Public(), tls.VersionTLS13, minted(func(*x509.Certificate) {}, nil, nil)) == nil {
			t.Errorf("a key of %s is accepted", what)
		}
	}
}
