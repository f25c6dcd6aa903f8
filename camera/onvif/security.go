package onvif

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"
)

const (
	// keyWithin bounds the making of a key: small processors take their time.
	keyWithin = 2 * time.Minute
	// keyPoll is the first wait for it, keyPollMost the longest.
	keyPoll, keyPollMost = 50 * time.Millisecond, time.Second
	// ecdsaSHA256 is ecdsa-with-SHA256 (RFC 5758, section 3.2).
	ecdsaSHA256 = "1.2.840.10045.4.3.2"
)

// Enrolment is what was put on a camera, by the camera's own names. It holds no secret.
type Enrolment struct {
	// Alias stands beside everything that was put there.
	Alias string `json:"alias"`
	Key   string `json:"key"`
	// Certificate and Path are the camera's own, which Key is for; Before is the path that its TLS server showed before, "" for none.
	Certificate string `json:"certificate"`
	Path        string `json:"path"`
	Before      string `json:"before,omitempty"`
	// Anchors are our authorities there, Policy says that clients have to be from one of them; PolicyBefore is what was asked of clients before.
	Anchors      []string `json:"anchors"`
	Policy       string   `json:"policy"`
	PolicyBefore string   `json:"policy_before,omitempty"`
	// Required says that clients without a certificate are refused since; it was off before.
	Required bool `json:"required"`
	// HTTPS says that it was switched on for this.
	HTTPS bool `json:"https,omitempty"`
}

// Minter is what makes certificates; package auth/ca is.
type Minter interface {
	// Certify gives a leaf in DER for a key of the device.
	Certify(device string, key crypto.PublicKey) ([]byte, error)
	// Bundle gives the roots that the camera has to trust.
	Bundle() (version uint64, roots []*x509.Certificate)
}

// ErrStep says how far an enrolment came. What had been done before was undone, unless Left says what was not.
type ErrStep struct {
	// Step is the rest of a sentence: what was being done.
	Step string
	Err  error
	// Left is why something stayed behind on the camera; nil when nothing did.
	Left error
}

func (e ErrStep) Error() string {
	text := "The camera could not be enrolled: it failed to " + e.Step + ". " + e.Err.Error()
	if e.Left != nil {
		return text + " Not everything that had been changed on the camera could be put back (" + e.Left.Error() + "): look at the certificates in its settings."
	}
	return text + " It works as it did before."
}

// Unwrap gives the cause.
func (e ErrStep) Unwrap() error { return e.Err }

// errRSA says that a camera's keys are not for us.
var errRSA = ErrAnswer{Reason: "it makes no keys of the kind (P-256) that this NVR certifies"}

// Enrol gives the camera a key of its own, has it certified for device, lets its TLS server show that, and tells it our authorities. It does
// not demand certificates of clients yet: Require does, once the caller has seen that the new ones work. What was put on the camera
// is in the Enrolment, complete or not: where an error comes, the caller hands it to Unenrol. prepared is called before the TLS
// server changes, with the leaf: from then on the camera shows either key.
func (c *Client) Enrol(ctx context.Context, device, alias string, mint Minter, prepared func(Enrolment, []byte) error) (e Enrolment, err error) {
	e.Alias = alias
	steps := []struct {
		what string
		do   func() error
	}{
		{"say what it can do", func() error { return c.ableToEnrol(ctx) }},
		{"make a key", func() (err error) { e.Key, err = c.makeKey(ctx, alias); return err }},
		{"take our authority", func() error { return c.putAnchors(ctx, &e, mint) }},
		{"take a certificate", func() error {
			leaf, err := c.putLeaf(ctx, device, &e, mint)
			if err != nil {
				return err
			}
			assigned, err := c.call(ctx, nsSecurity, "GetAssignedServerCertificates", "")
			if err != nil {
				return err
			}
			e.Before = assigned.child("CertificationPathID").text
			return prepared(e, leaf)
		}},
		{"show its new certificate", func() error { return c.assign(ctx, e.Before, e.Path) }},
		{"switch HTTPS on", func() error { return c.enableHTTPS(ctx, &e) }},
	}
	for _, s := range steps {
		if err := s.do(); err != nil {
			return e, ErrStep{Step: s.what, Err: err}
		}
	}
	return e, nil
}

// ableToEnrol asks whether it is worth to begin.
func (c *Client) ableToEnrol(ctx context.Context) error {
	if c.services[nsSecurity] == "" {
		return ErrAnswer{Reason: "it has no ONVIF Security service. Its identity can be pinned (rtsps://), or a cardea camera beside it can vouch for it"}
	}
	n, err := c.call(ctx, nsSecurity, "GetServiceCapabilities", "")
	if err != nil {
		return err
	}
	keys, server := n.child("Capabilities", "KeystoreCapabilities"), n.child("Capabilities", "TLSServerCapabilities")
	if curves := strings.Fields(keys.attr("EllipticCurves")); keys.attr("ECCKeyPairGeneration") == "false" || len(curves) > 0 && !slices.Contains(curves, "secp256r1") {
		return errRSA
	}
	if versions := strings.Fields(server.attr("TLSServerSupported")); len(versions) > 0 && !slices.Contains(versions, "1.3") {
		return ErrAnswer{Reason: "it speaks no TLS 1.3"}
	}
	if on, known := truth(server.attr("TLSClientAuthSupported")); known && !on {
		return ErrAnswer{Reason: "it cannot ask clients for a certificate"}
	}
	return nil
}

// makeKey has the camera make a key that never leaves it.
func (c *Client) makeKey(ctx context.Context, alias string) (string, error) {
	n, err := c.call(ctx, nsSecurity, "CreateECCKeyPair", `<EllipticCurve>secp256r1</EllipticCurve><Alias>`+esc(alias)+`</Alias>`)
	var fault ErrFault
	if errors.As(err, &fault) && fault.is("ActionNotSupported", "UnknownAction") {
		return "", errRSA
	}
	if err != nil {
		return "", err
	}
	key := n.child("KeyID").text
	if key == "" {
		return "", ErrAnswer{Reason: "its new key has no name"}
	}
	ctx, cancel := context.WithTimeout(ctx, keyWithin)
	defer cancel()
	for wait := keyPoll; ; wait = min(2*wait, keyPollMost) {
		n, err := c.call(ctx, nsSecurity, "GetKeyStatus", `<KeyID>`+esc(key)+`</KeyID>`)
		if err != nil {
			return key, err
		}
		switch n.child("KeyStatus").text {
		case "ok":
			return key, nil
		case "generating":
		default:
			return key, ErrAnswer{Reason: "its new key is damaged"}
		}
		select {
		case <-ctx.Done():
			return key, ErrAnswer{Reason: "its new key is not ready after two minutes"}
		case <-time.After(wait):
		}
	}
}

// putAnchors uploads our roots and makes the rule that clients have to be from one of them.
func (c *Client) putAnchors(ctx context.Context, e *Enrolment, mint Minter) error {
	_, roots := mint.Bundle()
	anchors := ""
	e.Anchors = nil
	for _, r := range roots {
		id, err := c.upload(ctx, r.Raw, e.Alias, false)
		if err != nil {
			return err
		}
		e.Anchors = append(e.Anchors, id)
		anchors += `<TrustAnchor><CertificateID>` + esc(id) + `</CertificateID></TrustAnchor>`
	}
	// The default is that any certificate of ours would do, those of other cameras included.
	n, err := c.call(ctx, nsSecurity, "CreateCertPathValidationPolicy", `<Alias>`+esc(e.Alias)+`</Alias><Parameters><RequireTLSWWWClientAuthExtendedKeyUsage>true</RequireTLSWWWClientAuthExtendedKeyUsage></Parameters>`+anchors)
	if err != nil {
		return err
	}
	if e.Policy = n.child("CertPathValidationPolicyID").text; e.Policy == "" {
		return ErrAnswer{Reason: "its rule for clients has no name"}
	}
	return nil
}

// upload puts a certificate on the camera.
func (c *Client) upload(ctx context.Context, der []byte, alias string, own bool) (string, error) {
	body := `<Certificate>` + base64.StdEncoding.EncodeToString(der) + `</Certificate><Alias>` + esc(alias) + `</Alias>`
	if own {
		body += `<PrivateKeyRequired>true</PrivateKeyRequired>`
	}
	n, err := c.call(ctx, nsSecurity, "UploadCertificate", body)
	if err != nil {
		return "", err
	}
	id := n.child("CertificateID").text
	if id == "" {
		return "", ErrAnswer{Reason: "a certificate that it took has no name"}
	}
	return id, nil
}

// putLeaf has the camera's key certified: a PKCS#10 request (RFC 2986), which is signed by the key that it is for, and a path of one.
func (c *Client) putLeaf(ctx context.Context, device string, e *Enrolment, mint Minter) ([]byte, error) {
	n, err := c.call(ctx, nsSecurity, "CreatePKCS10CSR", `<Subject><CommonName>cam-`+esc(device)+`</CommonName></Subject><KeyID>`+esc(e.Key)+
		`</KeyID><SignatureAlgorithm><algorithm>`+ecdsaSHA256+`</algorithm></SignatureAlgorithm>`)
	if err != nil {
		return nil, err
	}
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(n.child("PKCS10CSR").text), ""))
	if err != nil {
		return nil, ErrAnswer{Reason: "its request for a certificate cannot be read"}
	}
	request, err := x509.ParseCertificateRequest(der)
	if err != nil || request.CheckSignature() != nil {
		return nil, ErrAnswer{Reason: "its request for a certificate is not signed by its key"}
	}
	leaf, err := mint.Certify(device, request.PublicKey)
	if err != nil {
		return nil, errRSA
	}
	if e.Certificate, err = c.upload(ctx, leaf, e.Alias, true); err != nil {
		return nil, err
	}
	n, err = c.call(ctx, nsSecurity, "CreateCertificationPath", `<CertificateIDs><CertificateID>`+esc(e.Certificate)+`</CertificateID></CertificateIDs><Alias>`+esc(e.Alias)+`</Alias>`)
	if err != nil {
		return nil, err
	}
	if e.Path = n.child("CertificationPathID").text; e.Path == "" {
		return nil, ErrAnswer{Reason: "its path of certificates has no name"}
	}
	return leaf, nil
}

// assign lets the TLS server show another path; before is the one that it shows, "" for none.
func (c *Client) assign(ctx context.Context, before, path string) error {
	if before == "" {
		_, err := c.call(ctx, nsSecurity, "AddServerCertificateAssignment", pathID("", path))
		return err
	}
	_, err := c.call(ctx, nsSecurity, "ReplaceServerCertificateAssignment", pathID("Old", before)+pathID("New", path))
	return err
}

func pathID(which, id string) string {
	return `<` + which + `CertificationPathID>` + esc(id) + `</` + which + `CertificationPathID>`
}

func policyID(which, id string) string {
	return `<` + which + `CertPathValidationPolicyID>` + esc(id) + `</` + which + `CertPathValidationPolicyID>`
}

// Require makes the camera's TLS server refuse clients without a certificate of ours.
func (c *Client) Require(ctx context.Context, e *Enrolment) error {
	n, err := c.call(ctx, nsSecurity, "GetAssignedCertPathValidationPolicies", "")
	if err != nil {
		return ErrStep{Step: "demand certificates", Err: err}
	}
	e.PolicyBefore = n.child("CertPathValidationPolicyID").text
	if err := c.assignPolicy(ctx, e.PolicyBefore, e.Policy); err != nil {
		e.PolicyBefore = ""
		return ErrStep{Step: "demand certificates", Err: err}
	}
	e.Required = true // asked for counts: undoing what is not there does no harm
	if _, err := c.call(ctx, nsSecurity, "SetClientAuthenticationRequired", "<clientAuthenticationRequired>true</clientAuthenticationRequired>"); err != nil {
		return ErrStep{Step: "demand certificates", Err: err}
	}
	return nil
}

func (c *Client) assignPolicy(ctx context.Context, before, policy string) error {
	if before == "" {
		_, err := c.call(ctx, nsSecurity, "AddCertPathValidationPolicyAssignment", policyID("", policy))
		return err
	}
	_, err := c.call(ctx, nsSecurity, "ReplaceCertPathValidationPolicyAssignment", policyID("Old", before)+policyID("New", policy))
	return err
}

// Unenrol takes everything back that an Enrolment names, in the order in which it is free to go: the camera is then as it was. It goes on
// after an error and gives the errors that mean that the camera does not work as before; keys and certificates that nothing uses any more do no harm.
func (c *Client) Unenrol(ctx context.Context, e Enrolment) error {
	var errs []error
	must := func(err error) { errs = append(errs, err) }
	may := func(operation, element, id string) {
		if id != "" {
			_, _ = c.call(ctx, nsSecurity, operation, `<`+element+`>`+esc(id)+`</`+element+`>`)
		}
	}
	if e.Required {
		_, err := c.call(ctx, nsSecurity, "SetClientAuthenticationRequired", "<clientAuthenticationRequired>false</clientAuthenticationRequired>")
		must(err)
		if e.PolicyBefore != "" {
			must(c.assignPolicy(ctx, e.Policy, e.PolicyBefore))
		} else {
			may("RemoveCertPathValidationPolicyAssignment", "CertPathValidationPolicyID", e.Policy)
		}
	}
	may("DeleteCertPathValidationPolicy", "CertPathValidationPolicyID", e.Policy)
	if e.Path != "" {
		must(c.unassign(ctx, e))
	}
	may("DeleteCertificationPath", "CertificationPathID", e.Path)
	may("DeleteCertificate", "CertificateID", e.Certificate)
	for _, id := range e.Anchors {
		may("DeleteCertificate", "CertificateID", id)
	}
	may("DeleteKey", "KeyID", e.Key)
	if e.HTTPS {
		must(c.setHTTPS(ctx, false))
	}
	return errors.Join(errs...)
}

// unassign lets the TLS server show what it did before, if it shows ours.
func (c *Client) unassign(ctx context.Context, e Enrolment) error {
	n, err := c.call(ctx, nsSecurity, "GetAssignedServerCertificates", "")
	if err != nil {
		return err
	}
	ours := false
	for _, id := range n.all("CertificationPathID") {
		ours = ours || id.text == e.Path
	}
	switch {
	case !ours:
		return nil
	case e.Before != "":
		return c.assign(ctx, e.Path, e.Before)
	}
	_, err = c.call(ctx, nsSecurity, "RemoveServerCertificateAssignment", pathID("", e.Path))
	return err
}

// Renew has the same key certified anew and, with anchors, tells the camera our authorities as they are now. The leaf that it shows since
// comes back. A failure leaves the camera with what it had.
func (c *Client) Renew(ctx context.Context, device string, e Enrolment, mint Minter, anchors bool) (Enrolment, []byte, error) {
	// Where a crash came between the camera and the index, the camera knows better what it uses.
	if assigned, err := c.call(ctx, nsSecurity, "GetAssignedServerCertificates", ""); err == nil && assigned.child("CertificationPathID").text != "" {
		e.Path = assigned.child("CertificationPathID").text
	}
	if assigned, err := c.call(ctx, nsSecurity, "GetAssignedCertPathValidationPolicies", ""); err == nil && assigned.child("CertPathValidationPolicyID").text != "" {
		e.Policy = assigned.child("CertPathValidationPolicyID").text
	}
	next := e
	leaf, err := c.putLeaf(ctx, device, &next, mint)
	if err == nil && anchors {
		if err = c.putAnchors(ctx, &next, mint); err == nil {
			err = c.assignPolicy(ctx, e.Policy, next.Policy)
		}
	}
	if err == nil {
		err = c.assign(ctx, e.Path, next.Path)
	}
	stale, kept := e, next
	if err != nil {
		stale, kept = next, e
		if anchors && next.Policy != e.Policy {
			_ = c.assignPolicy(ctx, next.Policy, e.Policy) // where it was not in use this is refused
		}
	}
	// What is no longer in use goes; where it stays it does no harm.
	drop := func(operation, element, id, inUse string) {
		if id != "" && id != inUse {
			_, _ = c.call(ctx, nsSecurity, operation, `<`+element+`>`+esc(id)+`</`+element+`>`)
		}
	}
	drop("DeleteCertificationPath", "CertificationPathID", stale.Path, kept.Path)
	drop("DeleteCertificate", "CertificateID", stale.Certificate, kept.Certificate)
	drop("DeleteCertPathValidationPolicy", "CertPathValidationPolicyID", stale.Policy, kept.Policy)
	for _, id := range stale.Anchors {
		if !slices.Contains(kept.Anchors, id) {
			drop("DeleteCertificate", "CertificateID", id, "")
		}
	}
	return kept, leaf, err
}
