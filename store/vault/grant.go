package vault

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
)

// SealIdentity returns an age file of the identity's line, sealed to the personal key of somebody who is granted a vault.
func SealIdentity(id *Identity, to Recipient) ([]byte, error) {
	var b bytes.Buffer
	w, _, err := Seal(&b, to)
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(w, id.Secret()+"\n"); err != nil {
		return nil, err
	}
	err = w.Close()
	return b.Bytes(), err
}

// UnsealIdentity opens what SealIdentity made, with the personal key.
func UnsealIdentity(sealed []byte, key *Identity) (*Identity, error) {
	plain, err := Open(bytes.NewReader(sealed), key)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(plain, maxWrapped))
	if err != nil {
		return nil, fmt.Errorf("open grant: %w", err)
	}
	return ParseIdentity(string(text))
}

// SealedGrant reports whether b looks like an age file sealed to one public key, as SealIdentity and the browser make
// them, without opening it. To whom it is sealed does not show from outside.
func SealedGrant(b []byte) error {
	if len(b) > maxWrapped {
		return errors.New("sealed identity is too long")
	}
	header, err := age.ExtractHeader(bytes.NewReader(b))
	if err != nil {
		return errors.New("sealed identity is not an age file")
	}
	lines := strings.Split(string(header), "\n")
	stanzas := 0
	for _, l := range lines {
		if strings.HasPrefix(l, "-> ") {
			stanzas++
		}
	}
	if stanzas != 1 || !strings.HasPrefix(lines[1], "-> X25519 ") && !strings.HasPrefix(lines[1], "-> mlkem768x25519 ") {
		return errors.New("sealed identity is not sealed to one public key")
	}
	return nil
}

// Rewrap gives another header for a sealed file: put in the place of its own, it lets the identity of `to` open the
// same payload. So one file can be handed on without the vault's identity and without sealing it anew. header is what
// stands in front of the payload's nonce, or more of the file.
func Rewrap(header []byte, id *Identity, to Recipient) ([]byte, error) {
	own, err := age.ExtractHeader(bytes.NewReader(header))
	if err != nil {
		return nil, fmt.Errorf("rewrap: %w", err)
	}
	fileKey, err := age.DecryptHeader(own, id.age)
	if err != nil {
		return nil, fmt.Errorf("rewrap: %w", identityError(err))
	}
	stanzas, err := to.age.Wrap(fileKey)
	if err != nil {
		return nil, fmt.Errorf("rewrap: %w", err)
	}
	// The header of age v1, https://c2sp.org/age, section "Header": stanzas, and an HMAC over everything up to "---".
	var b bytes.Buffer
	b.WriteString("age-encryption.org/v1\n")
	for _, s := range stanzas {
		b.WriteString("-> " + strings.Join(append([]string{s.Type}, s.Args...), " ") + "\n")
		body := base64.RawStdEncoding.EncodeToString(s.Body)
		for ; len(body) >= 64; body = body[64:] {
			b.WriteString(body[:64] + "\n")
		}
		b.WriteString(body + "\n") // a last line of less than 64 characters, maybe none, ends the body
	}
	b.WriteString("---")
	key, err := hkdf.Key(sha256.New, fileKey, nil, "header", sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("rewrap: %w", err)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(b.Bytes())
	b.WriteString(" " + base64.RawStdEncoding.EncodeToString(mac.Sum(nil)) + "\n")
	return b.Bytes(), nil
}

// SplitHeader says where the header of a sealed file ends and its payload's nonce begins.
func SplitHeader(start []byte) (header []byte, err error) {
	if header, err = age.ExtractHeader(bytes.NewReader(start)); err != nil {
		return nil, fmt.Errorf("read header: %w", err)
	}
	return header, nil
}

// Fingerprint is a personal key as two people compare it by voice: 128 bits of the SHA-256 of its line, in eight groups of four
// hexadecimal digits.
func Fingerprint(r Recipient) string {
	sum := sha256.Sum256([]byte(r.text))
	groups := make([]string, 8)
	for i := range groups {
		groups[i] = fmt.Sprintf("%x", sum[2*i:2*i+2])
	}
	return strings.Join(groups, " ")
}
