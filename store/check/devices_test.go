package check_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"math/big"
	"net/url"
	"testing"
	"time"

	"cardea/store"
	"cardea/store/check"
)

// pair makes a camera that is paired.
func (h *home) pair(t *testing.T, name string) store.Device {
	t.Helper()
	ctx := t.Context()
	id, err := h.db.NewID(noon)
	ok(t, err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ok(t, err)
	named, err := url.Parse("urn:nvr:0123:cam:" + id.String())
	ok(t, err)
	leaf, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), URIs: []*url.URL{named}},
		&x509.Certificate{}, &key.PublicKey, key)
	ok(t, err)
	cert, err := x509.ParseCertificate(leaf)
	ok(t, err)
	spki := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	d := store.Device{ID: id, SPKI: spki[:], Address: "192.0.2.8:8322", Name: name, Leaf: leaf, Bundle: 1}
	ok(t, h.db.AddDevice(ctx, d))
	ok(t, h.db.BeginActivation(ctx, id))
	row := store.NewCamera(name, "rtsps://192.0.2.8:8322/stream")
	row.Trust, row.Pin = store.TrustPaired, d.SPKI
	_, err = h.db.Activate(ctx, id, row)
	ok(t, err)
	return d
}

// TestDevices: I25 holds through the life of paired cameras, and each damage to it is found.
func TestDevices(t *testing.T) {
	t.Parallel()
	furnished := func(t *testing.T) *home {
		h := furnish(t)
		h.pair(t, "Garden")
		d := h.pair(t, "Gate")
		gate, err := h.db.Cameras(t.Context())
		ok(t, err)
		ok(t, h.db.RevokeDevice(t.Context(), gate[1].ID)) // Garden's
		id, err := h.db.NewID(noon)
		ok(t, err)
		ok(t, h.db.AddDevice(t.Context(), store.Device{ID: id, SPKI: d.SPKI, Name: "cut off", Leaf: []byte{}}))
		return h
	}
	h := furnished(t)
	if faults := run(t, check.Config{Dir: h.dir}); len(faults) != 0 {
		t.Fatalf("sound: %v", faults)
	}
	for what, damage := range map[string]string{
		"another key":            `UPDATE device SET spki = zeroblob(32) WHERE state = 'active'`,
		"a certificate of noise": `UPDATE device SET leaf = x'3000' WHERE state = 'active'`,
		"a certificate of another device": `UPDATE device SET (leaf, spki) = (SELECT leaf, spki FROM device WHERE state = 'revoked') WHERE state = 'active';
			UPDATE camera SET pin = (SELECT spki FROM device WHERE state = 'active') WHERE no = (SELECT camera_no FROM device WHERE state = 'active')`,
		"another pin":         `UPDATE camera SET pin = zeroblob(32) WHERE no = (SELECT camera_no FROM device WHERE state = 'active')`,
		"another trust":       `UPDATE camera SET trust = 'pinned' WHERE no = (SELECT camera_no FROM device WHERE state = 'active')`,
		"no device":           `DELETE FROM device WHERE state = 'active'`,
		"never activated":     `UPDATE device SET activated = NULL WHERE state = 'active'`,
		"revoked and in use":  `UPDATE device SET revoked = 1 WHERE state = 'active'`,
		"revoked before used": `UPDATE device SET state = 'revoked', revoked = activated - 1 WHERE state = 'active'`,
		"one key for two":     `UPDATE device SET state = 'active', revoked = NULL, spki = (SELECT spki FROM device WHERE state = 'active') WHERE state = 'revoked'`,
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			h := furnished(t)
			h.sql(t, damage)
			found := 0
			for _, f := range run(t, check.Config{Dir: h.dir, Quick: true}) {
				if f.Invariant == 25 {
					found++
				}
			}
			if found == 0 {
				t.Error("not found")
			}
		})
	}
}
