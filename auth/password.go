package auth

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

// Password rules. Length is what counts (NIST SP 800-63B section 5.1.1.2), so there are no rules about kinds of
// characters; the upper bound only keeps a megabyte from being hashed.
const (
	minPassword = 12
	maxPassword = 1024
	maxName     = 64
)

// Argon2 is the cost of one password hash, RFC 9106 section 3.1.
type Argon2 struct {
	// MemoryKiB is the memory of one hash.
	MemoryKiB uint32
	// Passes over that memory.
	Passes uint32
	// Lanes computed in parallel. One leaves the other cores to the recording.
	Lanes uint8
}

// hasher computes Argon2id with a bounded number at the same time and a bounded number waiting.
type hasher struct {
	cost  Argon2
	slots chan struct{}
	queue chan struct{}
	// dummy is a hash no password fits, verified where there is no such account.
	dummy string
	rand  io.Reader
	// ran counts verifications, so that a test can tell that unknown names cost one too.
	ran func()
}

func (h *hasher) init(cost Argon2, parallel int, rand io.Reader) error {
	if cost.MemoryKiB < 8 || cost.Passes < 1 || cost.Lanes < 1 || parallel < 1 {
		return errors.New("the password cost is too small to be valid")
	}
	h.cost, h.rand = cost, rand
	h.slots = make(chan struct{}, parallel)
	h.queue = make(chan struct{}, parallel+32)
	salt := make([]byte, 48)
	if _, err := io.ReadFull(rand, salt); err != nil {
		return fmt.Errorf("draw a salt: %w", err)
	}
	h.dummy = encodeHash(cost, salt[:16], salt[16:])
	return nil
}

// turn waits until a hash may be computed and returns what ends the turn. A full queue is refused at once: whoever
// floods the sign-in waits, not the goroutines of the box.
func (h *hasher) turn(ctx context.Context) (func(), error) {
	select {
	case h.queue <- struct{}{}:
	default:
		return nil, throttled(2*time.Second, "Too many people are signing in at this moment.")
	}
	select {
	case h.slots <- struct{}{}:
		return func() { h.release(); <-h.slots; <-h.queue }, nil
	case <-ctx.Done():
		<-h.queue
		return nil, ctx.Err()
	}
}

// release gives the memory of a hash back at once. Left to itself the collector lets three hashes pile up and keeps
// the room for minutes: 220 MB resident instead of 90 at the peak and 24 after it, on a box that may have 512.
func (h *hasher) release() {
	if h.cost.MemoryKiB >= 16<<10 {
		debug.FreeOSMemory()
	}
}

// make hashes a password into the PHC string that the index keeps.
func (h *hasher) make(ctx context.Context, password string) (string, error) {
	done, err := h.turn(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	salt := make([]byte, 16)
	if _, err := io.ReadFull(h.rand, salt); err != nil {
		return "", fmt.Errorf("draw a salt: %w", err)
	}
	key := argon2.IDKey([]byte(normal(password)), salt, h.cost.Passes, h.cost.MemoryKiB, h.cost.Lanes, 32)
	return encodeHash(h.cost, salt, key), nil
}

// verify reports whether the password fits the encoded hash. An empty hash means there is no such account: the dummy
// is computed, which takes the same time and fits nothing.
func (h *hasher) verify(ctx context.Context, encoded, password string) (bool, error) {
	known := encoded != ""
	if !known {
		encoded = h.dummy
	}
	cost, salt, want, err := decodeHash(encoded)
	if err != nil {
		return false, err
	}
	done, err := h.turn(ctx)
	if err != nil {
		return false, err
	}
	defer done()
	if h.ran != nil {
		h.ran()
	}
	got := argon2.IDKey([]byte(normal(password)), salt, cost.Passes, cost.MemoryKiB, cost.Lanes, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1 && known, nil
}

// normal is the form of a password that is hashed: NFC, as RFC 8265 section 4.2.2 wants, because one keyboard sends
// an umlaut as one character and another one as two.
func normal(password string) string { return norm.NFC.String(password) }

func encodeHash(c Argon2, salt, key []byte) string {
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, c.MemoryKiB, c.Passes, c.Lanes, b64(salt), b64(key))
}

// decodeHash reads a PHC string of Argon2id. The bounds keep a damaged row from asking for all memory.
func decodeHash(encoded string) (c Argon2, salt, key []byte, err error) {
	bad := errors.New("the stored password hash is damaged; run `cardea users reset-password`")
	f := strings.Split(encoded, "$")
	if len(f) != 6 || f[0] != "" || f[1] != "argon2id" || f[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return c, nil, nil, bad
	}
	var rest string
	if n, _ := fmt.Sscanf(f[3]+" .", "m=%d,t=%d,p=%d %s", &c.MemoryKiB, &c.Passes, &c.Lanes, &rest); n != 4 || rest != "." {
		return c, nil, nil, bad
	}
	if c.MemoryKiB < 8 || c.MemoryKiB > 1<<20 || c.Passes < 1 || c.Passes > 64 || c.Lanes < 1 {
		return c, nil, nil, bad
	}
	if salt, err = base64.RawStdEncoding.DecodeString(f[4]); err != nil || len(salt) < 8 || len(salt) > 64 {
		return c, nil, nil, bad
	}
	if key, err = base64.RawStdEncoding.DecodeString(f[5]); err != nil || len(key) < 16 || len(key) > 64 {
		return c, nil, nil, bad
	}
	return c, salt, key, nil
}

// checkName returns the name as it will be kept. Letters, digits and a few signs are enough for people, and keep
// look-alikes made of invisible characters out.
func checkName(name string) (string, error) {
	name = typed(name)
	if n := utf8.RuneCountInString(name); n == 0 || n > maxName || !utf8.ValidString(name) {
		return "", refuse(Invalid, "A name needs 1 to %d characters.", maxName)
	}
	for _, r := range name {
		if !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r) && !strings.ContainsRune(" ._-@'", r) {
			return "", refuse(Invalid, "A name may hold letters, digits, spaces and the signs . _ - @ ' only.")
		}
	}
	return name, nil
}

// checkPassword refuses what guesses of a few thousand tries would find. name is who the password is for.
func checkPassword(name, password string) error {
	if !utf8.ValidString(password) {
		return refuse(Invalid, "The password is not valid text.")
	}
	p := normal(password)
	switch n := utf8.RuneCountInString(p); {
	case n < minPassword:
		return refuse(Invalid, "The password is too short: it needs at least %d characters. A sentence of four words is easy to keep.", minPassword)
	case len(p) > maxPassword:
		return refuse(Invalid, "The password is too long: %d bytes are the most.", maxPassword)
	}
	if guessable(p, name) {
		return refuse(Invalid, "This password is among the first that are tried: it is a common one, a pattern, or made from the name. Choose another one.")
	}
	return nil
}

// Acceptable says what CreateOwner and its like would say to a name and a password, for who asks before anything is made.
func Acceptable(name, password string) error {
	name, err := checkName(name)
	if err != nil {
		return err
	}
	return checkPassword(name, password)
}
