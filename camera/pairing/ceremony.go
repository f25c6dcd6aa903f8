package pairing

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"time"
)

// pair is the camera's part of the ceremony: it checks the code, takes a certificate, and waits to be activated.
func (c *Camera) pair(conn *tls.Conn) error {
	w := newWire(conn)
	binding, err := bindingOf(conn)
	if err != nil {
		return err
	}
	hello, theirs, err := w.read("hello")
	if err != nil {
		return w.fail(err)
	}
	c.mu.Lock()
	taken, win, key, keyStored := c.id != nil, c.window, c.fresh, c.freshStored
	c.mu.Unlock()
	switch {
	case taken:
		return w.fail(ErrPaired)
	case win == nil:
		return w.fail(ErrSpent)
	case len(hello.Nonce) != 32 || len(hello.SPKI) != 32 || len(hello.CA) != 32 || hello.NVR == "":
		return w.fail(ErrProtocol)
	}
	rec, ok := win.records[hello.Code]
	if !ok {
		return w.fail(ErrProtocol)
	}
	spki, err := spkiOf(key)
	if err != nil {
		return w.fail(err)
	}
	own := message{Type: "hello", Nonce: make([]byte, 32), SPKI: spki[:], Salt: win.salt, Window: win.id, Name: c.cfg.Name, Model: c.cfg.Model}
	rand.Read(own.Nonce) //nolint:errcheck // never fails
	ours, err := w.write(own)
	if err != nil {
		return err
	}

	share, _, err := w.read("share")
	if err != nil {
		return w.fail(err)
	}
	if err := c.guard.take(win, c.cfg.Now()); err != nil {
		return w.fail(err)
	}
	wrong := func(why string) error {
		c.cfg.OnAlert("Somebody tried to pair with this camera and failed (" + conn.RemoteAddr().String() + "): " + why)
		return w.fail(ErrCode)
	}
	y, err := scalar(rand.Reader)
	if err != nil {
		return err
	}
	shareV, err := masked(y, rec.w0, pointN)
	if err != nil {
		return err
	}
	k, err := check(rec, y, share.Share, shareV, transcript(binding, theirs, ours), idProver, idVerifier)
	if err != nil {
		return wrong("what it sent made no sense.")
	}
	if _, err := w.write(message{Type: "share", Share: shareV, Confirm: k.confirmV}); err != nil {
		return err
	}
	confirm, _, err := w.read("confirm")
	if err != nil {
		return wrong("it went away when it saw that its code was wrong, or was stopped on the way.")
	}
	if subtle.ConstantTimeCompare(confirm.Confirm, k.confirmP) != 1 {
		return wrong("its code was wrong.")
	}
	if !c.guard.spend(win) {
		return w.fail(ErrSpent)
	}
	if err := w.seal(k.shared, false); err != nil {
		return err
	}
	return c.enrol(w, hello, key, keyStored)
}

// enrol is what follows once both sides know that the other one knows the code.
func (c *Camera) enrol(w *wire, hello message, key crypto.Signer, keyStored []byte) error {
	trust, _, err := w.read("trust")
	if err != nil {
		return err
	}
	if !bytes.Equal(rootsHash(trust.Bundle, trust.Roots), hello.CA) || trust.Device == "" || trust.Time.IsZero() {
		return w.fail(ErrProtocol)
	}
	if _, err := parseRoots(trust.Roots); err != nil {
		return w.fail(ErrProtocol)
	}
	csr, err := request(key, trust.Device)
	if err != nil {
		return err
	}
	if _, err := w.write(message{Type: "csr", CSR: csr}); err != nil {
		return err
	}
	cert, _, err := w.read("cert")
	if err != nil {
		return err
	}
	s := storedIdentity{
		Device: trust.Device, NVR: hello.NVR, Pin: hello.SPKI, Key: keyStored, Leaf: cert.Leaf,
		Bundle: trust.Bundle, Roots: trust.Roots, Pending: c.cfg.Now(),
	}
	id, err := s.load(c.cfg.Keys)
	if err != nil {
		return w.fail(ErrProtocol)
	}
	if _, err := id.shown.Leaf.Verify(x509.VerifyOptions{Roots: pool(id.roots), CurrentTime: trust.Time, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}); err != nil {
		return w.fail(ErrProtocol)
	}
	c.mu.Lock()
	if c.id != nil {
		err = ErrPaired
	} else {
		c.tell(trust.Time)
		err = c.keep(id)
	}
	c.mu.Unlock()
	if err != nil {
		return w.fail(err)
	}
	_, err = w.write(message{Type: "stored"})
	return err
}

// renew serves the NVR that the handshake has proved: the time, activation, a new bundle, a new leaf.
func (c *Camera) renew(conn *tls.Conn) error {
	w := newWire(conn)
	for {
		m, _, err := w.next()
		if err != nil {
			return nil // the NVR has what it wanted, or will come again
		}
		answer, err := c.answer(m)
		if err != nil {
			return w.fail(err)
		}
		if _, err := w.write(answer); err != nil {
			return err
		}
	}
}

// answer does what one message of the renewal protocol asks for.
func (c *Camera) answer(m message) (message, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.id == nil {
		return message{}, ErrUnknown
	}
	next := *c.id
	switch m.Type {
	case "sync":
		if m.Time.IsZero() {
			return message{}, ErrProtocol
		}
		before := c.now()
		c.tell(m.Time)
		if m.Active {
			next.Pending = time.Time{}
		}
		if err := c.keep(&next); err != nil {
			return message{}, err
		}
		if m.Active && c.window != nil {
			c.window = nil
			c.cfg.OnCode(Code{})
		}
		return message{Type: "state", Device: next.Device, Bundle: next.Bundle, Time: before, Active: next.Pending.IsZero()}, nil
	case "trust":
		if m.Bundle <= next.Bundle {
			return message{}, ErrProtocol // never back to authorities that were dropped
		}
		roots, err := parseRoots(m.Roots)
		if err != nil {
			return message{}, ErrProtocol
		}
		next.Bundle, next.Roots, next.roots = m.Bundle, m.Roots, roots
		if err := c.keep(&next); err != nil {
			return message{}, err
		}
		return message{Type: "state", Device: next.Device, Bundle: next.Bundle, Time: c.now(), Active: true}, nil
	case "revoke":
		return c.revoked(next)
	case "renew":
		key, err := c.cfg.Keys.Open(next.Key)
		if err != nil {
			return message{}, err
		}
		csr, err := request(key, next.Device)
		return message{Type: "csr", CSR: csr}, err
	case "cert":
		key, err := c.cfg.Keys.Open(next.Key)
		if err != nil {
			return message{}, err
		}
		next.Leaf = m.Leaf
		if err := next.show(key); err != nil {
			return message{}, ErrProtocol
		}
		if _, err := next.shown.Leaf.Verify(x509.VerifyOptions{Roots: pool(next.roots), CurrentTime: c.now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}); err != nil {
			return message{}, ErrProtocol
		}
		if err := c.keep(&next); err != nil {
			return message{}, err
		}
		return message{Type: "stored"}, nil
	}
	return message{}, ErrProtocol
}

// request is a PKCS #10 request, which proves that the camera has the key. What else stands in it the NVR ignores.
func request(key crypto.Signer, device string) ([]byte, error) {
	return x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: device}, SignatureAlgorithm: x509.ECDSAWithSHA256,
	}, key)
}

// checkRequest gives the key of a request that is signed with the key whose SPKI is known already.
func checkRequest(der []byte, spki [32]byte) (crypto.PublicKey, error) {
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, ErrProtocol
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, ErrIdentity{"The camera did not prove that it has its key."}
	}
	if sha256.Sum256(csr.RawSubjectPublicKeyInfo) != spki {
		return nil, ErrIdentity{"The camera asks for a certificate of another key."}
	}
	return csr.PublicKey, nil
}

func spkiOf(key crypto.Signer) ([32]byte, error) {
	if key == nil {
		return [32]byte{}, errors.New("there is no key")
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return [32]byte{}, fmt.Errorf("the camera's key: %w", err)
	}
	return sha256.Sum256(der), nil
}
