package sim

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Keystore is what ONVIF's Security service works on: keys, certificates, paths of them, and rules for clients. It comes with one
// certificate that the camera made itself. All methods may be called from any goroutine.
type Keystore struct {
	now func() time.Time

	mu           sync.Mutex
	last         int
	keys         map[string]storedKey
	certificates map[string]storedCertificate
	paths        map[string][]string // certificates, the leaf first
	policies     map[string][]string // trust anchors
	path         string              // what the TLS server shows
	policy       string              // what it asks of clients; "" for none
	required     bool
}

type storedKey struct {
	alias string
	key   *ecdsa.PrivateKey
	polls int // how often it was asked after
}

type storedCertificate struct {
	alias, key string
	der        []byte
}

// NewKeystore makes one with a certificate of its own making. now is the camera's clock; time.Now when nil.
func NewKeystore(now func() time.Time) (*Keystore, error) {
	k := &Keystore{now: now}
	if now == nil {
		k.now = time.Now
	}
	return k, k.Replace()
}

// Replace makes it that of another device, just out of its box, which stands at the same address.
func (k *Keystore) Replace() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	own := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a camera out of its box"},
		NotBefore: now().Add(-48 * time.Hour), NotAfter: now().AddDate(10, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, own, own, &key.PublicKey, key)
	if err != nil {
		return err
	}
	k.last, k.path, k.policy, k.required = 0, "PathID_factory", "", false
	k.keys = map[string]storedKey{"KeyID_factory": {key: key}}
	k.certificates = map[string]storedCertificate{"CertID_factory": {key: "KeyID_factory", der: der}}
	k.paths, k.policies = map[string][]string{"PathID_factory": {"CertID_factory"}}, map[string][]string{}
	return nil
}

// TLS is what a TLS server of the camera works with: it follows every change at the next connection.
func (k *Keystore) TLS() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS13, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		k.mu.Lock()
		defer k.mu.Unlock()
		c := &tls.Config{MinVersion: tls.VersionTLS13, SessionTicketsDisabled: true, Time: k.now}
		var shown tls.Certificate
		for _, id := range k.paths[k.path] {
			shown.Certificate = append(shown.Certificate, k.certificates[id].der)
		}
		if len(shown.Certificate) == 0 {
			return nil, fmt.Errorf("no certificate")
		}
		shown.PrivateKey = k.keys[k.certificates[k.paths[k.path][0]].key].key
		c.Certificates = []tls.Certificate{shown}
		if k.required {
			// The rule of each policy here is that of RequireTLSWWWClientAuthExtendedKeyUsage, which crypto/tls always has.
			c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
			for _, id := range k.policies[k.policy] {
				if root, err := x509.ParseCertificate(k.certificates[id].der); err == nil {
					c.ClientCAs.AddCert(root)
				}
			}
		}
		return c, nil
	}}
}

// Contents names everything in the store, sorted, and what the TLS server does, so that two states can be compared.
func (k *Keystore) Contents() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var all []string
	for id := range k.keys {
		all = append(all, id)
	}
	for id := range k.certificates {
		all = append(all, id)
	}
	for id := range k.paths {
		all = append(all, id)
	}
	for id := range k.policies {
		all = append(all, id)
	}
	slices.Sort(all)
	return fmt.Sprintf("%s; shows %s, policy %q, required %t", strings.Join(all, " "), k.path, k.policy, k.required)
}

// Required reports whether clients have to show a certificate.
func (k *Keystore) Required() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.required
}

func (k *Keystore) id(kind string) string {
	k.last++
	return kind + "_" + strconv.Itoa(k.last)
}

func invalid(what string) *refusal { return &refusal{"ter:" + what, "There is no such thing"} }

// inUse refuses to delete what something else needs.
var inUse = &refusal{"ter:ReferencedByOthers", "It is in use"}

// answer is the service (ONVIF Security Configuration, sections 5.2 to 5.4).
func (k *Keystore) answer(q query) (string, *refusal) {
	k.mu.Lock()
	defer k.mu.Unlock()
	said := func(inside string) (string, *refusal) {
		return `<tas:` + q.operation + `Response>` + inside + `</tas:` + q.operation + `Response>`, nil
	}
	switch q.operation {
	case "GetServiceCapabilities":
		return said(`<tas:Capabilities><tas:KeystoreCapabilities MaximumNumberOfKeys="16" MaximumNumberOfCertificates="16" MaximumNumberOfCertificationPaths="8" ECCKeyPairGeneration="true" EllipticCurves="secp256r1 secp384r1" PKCS10="true" MaximumNumberOfCertificationPathValidationPolicies="4" EnforceTLSWebClientAuthExtKeyUsage="true"/>` +
			`<tas:TLSServerCapabilities TLSServerSupported="1.2 1.3" MaximumNumberOfTLSCertificationPaths="1" TLSClientAuthSupported="true" MaximumNumberOfTLSCertificationPathValidationPolicies="1"/></tas:Capabilities>`)
	case "CreateECCKeyPair":
		if q.text("EllipticCurve") != "secp256r1" {
			return "", &refusal{"ter:EllipticCurve", "Unknown curve"}
		}
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return "", &refusal{"ter:KeyGenerationFailed", err.Error()}
		}
		id := k.id("KeyID")
		k.keys[id] = storedKey{alias: q.text("Alias"), key: key}
		return said(`<tas:KeyID>` + id + `</tas:KeyID><tas:EstimatedCreationTime>PT1S</tas:EstimatedCreationTime>`)
	case "GetKeyStatus":
		stored, ok := k.keys[q.text("KeyID")]
		if !ok {
			return "", invalid("KeyID")
		}
		stored.polls++
		k.keys[q.text("KeyID")] = stored
		if stored.polls < 2 {
			return said(`<tas:KeyStatus>generating</tas:KeyStatus>`)
		}
		return said(`<tas:KeyStatus>ok</tas:KeyStatus>`)
	case "CreatePKCS10CSR":
		return k.request(q, said)
	case "UploadCertificate":
		return k.upload(q, said)
	case "CreateCertificationPath":
		var ids []string
		for _, c := range q.first("CertificateIDs").Children {
			id := strings.TrimSpace(c.Text)
			if _, ok := k.certificates[id]; !ok {
				return "", invalid("CertificateID")
			}
			ids = append(ids, id)
		}
		if len(ids) == 0 {
			return "", invalid("CertificateID")
		}
		id := k.id("PathID")
		k.paths[id] = ids
		return said(`<tas:CertificationPathID>` + id + `</tas:CertificationPathID>`)
	case "CreateCertPathValidationPolicy":
		var anchors []string
		for _, c := range q.Children {
			if c.XMLName.Local != "TrustAnchor" {
				continue
			}
			id := c.text("CertificateID")
			if _, ok := k.certificates[id]; !ok {
				return "", invalid("CertificateID")
			}
			anchors = append(anchors, id)
		}
		if q.text("RequireTLSWWWClientAuthExtendedKeyUsage") != "true" {
			return "", &refusal{"ter:Unsupported", "This simulator wants the client's purpose to be checked"}
		}
		id := k.id("PolicyID")
		k.policies[id] = anchors
		return said(`<tas:CertPathValidationPolicyID>` + id + `</tas:CertPathValidationPolicyID>`)
	case "SetClientAuthenticationRequired":
		on := q.text("clientAuthenticationRequired") == "true"
		if on && k.policy == "" {
			return "", &refusal{"ter:NoCertPathValidationPolicyAssigned", "There is no rule for clients"}
		}
		k.required = on
		return said("")
	case "GetClientAuthenticationRequired":
		return said(`<tas:clientAuthenticationRequired>` + strconv.FormatBool(k.required) + `</tas:clientAuthenticationRequired>`)
	}
	return k.assign(q, said)
}

// assign is what the TLS server uses, and what may be deleted. The caller holds k.mu.
func (k *Keystore) assign(q query, said func(string) (string, *refusal)) (string, *refusal) {
	path, policy, certificate, key := q.text("CertificationPathID"), q.text("CertPathValidationPolicyID"), q.text("CertificateID"), q.text("KeyID")
	switch q.operation {
	case "GetAssignedServerCertificates":
		if k.path == "" {
			return said("")
		}
		return said(`<tas:CertificationPathID>` + k.path + `</tas:CertificationPathID>`)
	case "AddServerCertificateAssignment":
		if k.path != "" {
			return "", &refusal{"ter:MaximumNumberOfTLSCertificationPathsReached", "There is one already"}
		}
		return k.show(path, said)
	case "ReplaceServerCertificateAssignment":
		if q.text("OldCertificationPathID") != k.path {
			return "", invalid("OldCertificationPathID")
		}
		return k.show(q.text("NewCertificationPathID"), said)
	case "RemoveServerCertificateAssignment":
		if path != k.path {
			return "", invalid("CertificationPathID")
		}
		k.path = ""
		return said("")
	case "GetAssignedCertPathValidationPolicies":
		if k.policy == "" {
			return said("")
		}
		return said(`<tas:CertPathValidationPolicyID>` + k.policy + `</tas:CertPathValidationPolicyID>`)
	case "AddCertPathValidationPolicyAssignment", "ReplaceCertPathValidationPolicyAssignment":
		if q.operation[0] == 'R' {
			if q.text("OldCertPathValidationPolicyID") != k.policy {
				return "", invalid("OldCertPathValidationPolicyID")
			}
			policy = q.text("NewCertPathValidationPolicyID")
		} else if k.policy != "" {
			return "", &refusal{"ter:MaximumNumberOfTLSCertificationPathValidationPoliciesReached", "There is one already"}
		}
		if _, ok := k.policies[policy]; !ok {
			return "", invalid("CertPathValidationPolicyID")
		}
		k.policy = policy
		return said("")
	case "RemoveCertPathValidationPolicyAssignment":
		if policy != k.policy || k.required {
			return "", inUse
		}
		k.policy = ""
		return said("")
	case "DeleteCertPathValidationPolicy":
		if policy == k.policy {
			return "", inUse
		}
		delete(k.policies, policy)
		return said("")
	case "DeleteCertificationPath":
		if path == k.path {
			return "", inUse
		}
		delete(k.paths, path)
		return said("")
	case "DeleteCertificate":
		if uses(k.paths, certificate) || uses(k.policies, certificate) {
			return "", inUse
		}
		// The key that came with a certificate of somebody else goes with it.
		if own := k.certificates[certificate]; own.key != "" && k.keys[own.key].key == nil {
			delete(k.keys, own.key)
		}
		delete(k.certificates, certificate)
		return said("")
	case "DeleteKey":
		for _, c := range k.certificates {
			if c.key == key {
				return "", inUse
			}
		}
		delete(k.keys, key)
		return said("")
	}
	return "", nil
}

func uses(all map[string][]string, id string) bool {
	for _, ids := range all {
		if slices.Contains(ids, id) {
			return true
		}
	}
	return false
}

// show changes the certificate of the TLS server.
func (k *Keystore) show(path string, said func(string) (string, *refusal)) (string, *refusal) {
	if _, ok := k.paths[path]; !ok {
		return "", invalid("CertificationPathID")
	}
	k.path = path
	return said("")
}

// request makes a PKCS#10 request.
func (k *Keystore) request(q query, said func(string) (string, *refusal)) (string, *refusal) {
	stored, ok := k.keys[q.text("KeyID")]
	if !ok || stored.key == nil {
		return "", invalid("KeyID")
	}
	if q.text("algorithm") != "1.2.840.10045.4.3.2" {
		return "", &refusal{"ter:UnsupportedSignatureAlgorithm", "Unknown algorithm"}
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: q.text("CommonName")}}, stored.key)
	if err != nil {
		return "", &refusal{"ter:CSRCreationFailed", err.Error()}
	}
	return said(`<tas:PKCS10CSR>` + base64.StdEncoding.EncodeToString(der) + `</tas:PKCS10CSR>`)
}

// upload takes a certificate and finds the key that it is for.
func (k *Keystore) upload(q query, said func(string) (string, *refusal)) (string, *refusal) {
	der, err := base64.StdEncoding.DecodeString(q.text("Certificate"))
	if err != nil {
		return "", &refusal{"ter:BadCertificate", "No base64"}
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return "", &refusal{"ter:BadCertificate", "No certificate"}
	}
	keyID := ""
	for id, stored := range k.keys {
		if public, ok := parsed.PublicKey.(*ecdsa.PublicKey); ok && stored.key != nil && stored.key.PublicKey.Equal(public) {
			keyID = id
		}
	}
	if keyID == "" {
		if q.text("PrivateKeyRequired") == "true" {
			return "", &refusal{"ter:NoMatchingPrivateKey", "There is no key for it"}
		}
		keyID = k.id("KeyID")
		k.keys[keyID] = storedKey{alias: q.text("Alias")}
	}
	id := k.id("CertID")
	k.certificates[id] = storedCertificate{alias: q.text("Alias"), key: keyID, der: der}
	return said(`<tas:CertificateID>` + id + `</tas:CertificateID><tas:KeyID>` + keyID + `</tas:KeyID>`)
}
