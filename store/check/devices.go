package check

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"database/sql"
	"strings"

	"github.com/oklog/ulid/v2"
)

const pairAgain = "pair the camera again; if that is not enough, report this as a mistake in Cardea"

// devices checks I25.
func (c *checker) devices(ctx context.Context) error {
	for _, check := range []struct{ what, query string }{
		{"the device %s is in a state that its times contradict", `SELECT hex(id) FROM device WHERE
			(state IN ('active', 'revoked')) <> (activated IS NOT NULL) OR (state = 'revoked') <> (revoked IS NOT NULL) OR activated < created OR revoked < activated`},
		{"the camera %s is said to be paired, and no device ever was it", `SELECT name FROM camera WHERE trust = 'paired' AND removed IS NULL
			AND NOT EXISTS (SELECT 1 FROM device WHERE camera_no = camera.no AND state IN ('active', 'revoked'))`},
		{"the device of the camera %s is in use, and the camera is not said to be paired with its key", `SELECT camera.name FROM device JOIN camera ON camera.no = camera_no
			WHERE state = 'active' AND removed IS NULL AND (trust <> 'paired' OR pin IS NOT spki)`},
		{"two devices share the key of device %s", `SELECT hex(id) FROM device AS one WHERE state = 'active' AND EXISTS
			(SELECT 1 FROM device AS two WHERE two.state = 'active' AND two.spki = one.spki AND two.no > one.no)`},
	} {
		err := c.each(ctx, func(row *sql.Rows) error {
			var found string
			if err := row.Scan(&found); err != nil {
				return err
			}
			return c.report(25, "device", pairAgain, check.what, readable(found))
		}, check.query)
		if err != nil {
			return err
		}
	}
	return c.each(ctx, func(row *sql.Rows) error {
		var id, spki, leaf []byte
		if err := row.Scan(&id, &spki, &leaf); err != nil {
			return err
		}
		var device ulid.ULID
		copy(device[:], id)
		cert, err := x509.ParseCertificate(leaf)
		if err != nil {
			return c.report(25, "device", pairAgain, "the certificate of device %s cannot be read: %v", device, err)
		}
		if sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo); !bytes.Equal(sum[:], spki) {
			return c.report(25, "device", pairAgain, "the certificate of device %s is for another key", device)
		}
		if len(cert.URIs) != 1 || !strings.HasSuffix(cert.URIs[0].String(), ":cam:"+device.String()) {
			return c.report(25, "device", pairAgain, "the certificate of device %s names another one", device)
		}
		return nil
	}, `SELECT id, spki, leaf FROM device WHERE state = 'active'`)
}
