package command

import (
	"crypto/rand"
	"strings"
)

// newPassphrase is a vault passphrase of 125 bits that a person can read, say and type: 25 letters of Crockford's
// base32, which has no I, L, O or U, in groups of five.
func newPassphrase() string {
	const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
	raw := make([]byte, 25)
	rand.Read(raw) // never fails, since Go 1.24
	var b strings.Builder
	for i, v := range raw {
		if i > 0 && i%5 == 0 {
			b.WriteByte('-')
		}
		b.WriteByte(alphabet[v%32])
	}
	return b.String()
}
