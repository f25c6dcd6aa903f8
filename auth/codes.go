package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"
)

// Sizes of the secrets this package makes, in bytes. Anything above 112 bits may be kept under a plain hash, because
// it cannot be guessed (OWASP ASVS 5.0, 6.5.2); recovery codes fill base32 without a remainder.
const (
	claimBytes    = 20 // 160 bits, 32 characters
	recoveryBytes = 15 // 120 bits, 24 characters
	recoveryCodes = 10
	sessionBytes  = 32
	sidBytes      = 10 // names a session and opens nothing
	seedBytes     = 20 // the HMAC-SHA-1 output, RFC 4226 section 4 R6
	totpPeriod    = 30
)

var plain32 = base32.StdEncoding.WithPadding(base32.NoPadding)

// parse32 reads n bytes of base32 as people type it: any case, blanks and dashes between groups.
func parse32(s string, n int) ([]byte, bool) {
	if len(s) > 4*n+16 {
		return nil, false
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case r == ' ' || r == '-':
			return -1
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		}
		return r
	}, s)
	b, err := plain32.DecodeString(s)
	// Encoding again refuses spare bits and line breaks, so that one code has one spelling.
	if err != nil || len(b) != n || plain32.EncodeToString(b) != s {
		return nil, false
	}
	return b, true
}

// hashToken is what the index keeps of a random secret; kind keeps one sort of token from passing for another.
func hashToken(kind string, secret []byte) []byte {
	h := sha256.New()
	io.WriteString(h, "cardea "+kind+"\x00")
	h.Write(secret)
	return h.Sum(nil)
}

// parseSession returns the hash of a session token as a cookie carries it.
func parseSession(token string) ([]byte, bool) {
	if len(token) != base64.RawURLEncoding.EncodedLen(sessionBytes) {
		return nil, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(b) != sessionBytes {
		return nil, false
	}
	return hashToken("session", b), true
}

// newRecovery draws a set of recovery codes: the codes in groups of four, and their hashes.
func (p *People) newRecovery() (codes []string, hashes [][]byte, err error) {
	for range recoveryCodes {
		b, err := p.random(recoveryBytes)
		if err != nil {
			return nil, nil, err
		}
		s := plain32.EncodeToString(b)
		var groups []string
		for ; s != ""; s = s[4:] {
			groups = append(groups, s[:4])
		}
		codes = append(codes, strings.Join(groups, "-"))
		hashes = append(hashes, hashToken("recovery", b))
	}
	return codes, hashes, nil
}

// code is what was typed as the second factor: a TOTP code or a recovery code.
type code struct {
	digits   string
	recovery []byte
}

// parseCode reads a second factor. What is neither six digits nor a recovery code fits nothing.
func parseCode(s string) (code, bool) {
	if b, ok := parse32(s, recoveryBytes); ok {
		return code{recovery: b}, true
	}
	if len(s) > 16 {
		return code{}, false
	}
	s = strings.ReplaceAll(strings.TrimSpace(s), " ", "") // apps show "123 456"
	if len(s) != 6 || strings.Trim(s, "0123456789") != "" {
		return code{}, false
	}
	return code{digits: s}, true
}

// step returns the TOTP time step that digits belong to: the current or the one before, for a clock that is late
// and a person who types slowly; never a future one. ok is false where they fit neither.
func step(seed []byte, digits string, now time.Time) (at int64, ok bool, err error) {
	secret := plain32.EncodeToString(seed)
	current := now.Unix() / totpPeriod
	for _, s := range []int64{current, current - 1} {
		want, err := hotp.GenerateCodeCustom(secret, uint64(s), hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err != nil {
			return 0, false, fmt.Errorf("compute a code: %w", err)
		}
		if subtle.ConstantTimeCompare([]byte(want), []byte(digits)) == 1 && !ok {
			at, ok = s, true
		}
	}
	return at, ok, nil
}

// totpURI is the otpauth URI of a seed, as authenticator apps read it from a QR code.
func (p *People) totpURI(name string, seed []byte) (string, error) {
	key, err := totp.Generate(totp.GenerateOpts{
		Issuer: p.cfg.Issuer, AccountName: name, Secret: seed,
		Period: totpPeriod, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1,
	})
	if err != nil {
		return "", fmt.Errorf("write the otpauth URI: %w", err)
	}
	return key.URL(), nil
}
