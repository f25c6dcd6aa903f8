// Package vault turns plaintext into age files and back: clips sealed to the public half of a vault, identities
// wrapped by a passphrase, and the box's own small secrets.
//
// Its nouns are Recipient (the public half of a vault, all that a recording box needs), Identity (the private half,
// which lives with the owner), Reader (random access to a sealed file, whole or cut off) and BoxKey (a key of the
// box itself, for secrets it must be able to read, such as camera passwords). Files are age v1
// (https://age-encryption.org/v1), so that the stock age tool opens every one. See README.md for the format and
// the threats.
//
// It is the only package that imports filippo.io/age. It never stores an identity and never decides who may hold one.
package vault

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
)

// Type names the kind of key pair behind a vault.
type Type string

// The kinds of vault. A file is sealed to exactly one recipient, since age refuses to mix the two.
const (
	// Hybrid is ML-KEM-768 with X25519: clips recorded today stay closed to a later quantum computer. It needs
	// age 1.3 or later.
	Hybrid Type = "hybrid"
	// X25519 is classic age, for owners with older tools.
	X25519 Type = "x25519"
)

// ErrIdentity means that the identity is not the one the file was sealed to. Ask for another one.
var ErrIdentity = errors.New("this vault identity does not open the file")

// Recipient is the public half of a vault. The zero value is no recipient.
type Recipient struct {
	text string
	kind Type
	age  age.Recipient
}

// ParseRecipient reads an age1… or age1pq1… line.
func ParseRecipient(s string) (Recipient, error) {
	s = strings.TrimSpace(s)
	if strings.HasPrefix(s, "age1pq1") {
		r, err := age.ParseHybridRecipient(s)
		if err != nil {
			return Recipient{}, fmt.Errorf("read vault recipient: %w", err)
		}
		return Recipient{text: r.String(), kind: Hybrid, age: r}, nil
	}
	r, err := age.ParseX25519Recipient(s)
	if err != nil {
		return Recipient{}, fmt.Errorf("read vault recipient: %w", err)
	}
	return Recipient{text: r.String(), kind: X25519, age: r}, nil
}

// String returns the line that ParseRecipient reads.
func (r Recipient) String() string { return r.text }

// Type returns the kind of vault.
func (r Recipient) Type() Type { return r.kind }

// IsZero reports whether r is no recipient.
func (r Recipient) IsZero() bool { return r.age == nil }

// Identity is the private half of a vault. It MUST NOT be logged; its default formatting hides it.
type Identity struct {
	secret    string
	recipient Recipient
	age       age.Identity
}

// GenerateHybrid makes a new identity of type Hybrid.
func GenerateHybrid() (*Identity, error) {
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		return nil, fmt.Errorf("make vault identity: %w", err)
	}
	return hybrid(id), nil
}

// GenerateX25519 makes a new identity of type X25519.
func GenerateX25519() (*Identity, error) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, fmt.Errorf("make vault identity: %w", err)
	}
	return classic(id), nil
}

// Generate makes a new identity of the given type.
func Generate(t Type) (*Identity, error) {
	switch t {
	case Hybrid:
		return GenerateHybrid()
	case X25519:
		return GenerateX25519()
	}
	return nil, fmt.Errorf("make vault identity: type %q is neither hybrid nor x25519", string(t))
}

// ParseIdentity reads an identity from text: the bare AGE-SECRET-KEY-… line, or an age identity file with comments
// and exactly one such line.
func ParseIdentity(text string) (*Identity, error) {
	line := ""
	for l := range strings.Lines(text) {
		l = strings.TrimSpace(l)
		if l == "" || strings.HasPrefix(l, "#") {
			continue
		}
		if line != "" {
			return nil, errors.New("read vault identity: more than one line that could be the identity")
		}
		line = l
	}
	// The errors of age may quote the input, which is a secret: they are replaced, not wrapped.
	switch {
	case strings.HasPrefix(line, "AGE-SECRET-KEY-PQ-1"):
		id, err := age.ParseHybridIdentity(line)
		if err != nil {
			return nil, errors.New("read vault identity: the AGE-SECRET-KEY-PQ-1… line is mistyped")
		}
		return hybrid(id), nil
	case strings.HasPrefix(line, "AGE-SECRET-KEY-1"):
		id, err := age.ParseX25519Identity(line)
		if err != nil {
			return nil, errors.New("read vault identity: the AGE-SECRET-KEY-1… line is mistyped")
		}
		return classic(id), nil
	}
	return nil, errors.New("read vault identity: no line that starts with AGE-SECRET-KEY-")
}

func hybrid(id *age.HybridIdentity) *Identity {
	r := id.Recipient()
	return &Identity{secret: id.String(), recipient: Recipient{text: r.String(), kind: Hybrid, age: r}, age: id}
}

func classic(id *age.X25519Identity) *Identity {
	r := id.Recipient()
	return &Identity{secret: id.String(), recipient: Recipient{text: r.String(), kind: X25519, age: r}, age: id}
}

// Secret returns the AGE-SECRET-KEY-… line.
func (i *Identity) Secret() string { return i.secret }

// Recipient returns the public half.
func (i *Identity) Recipient() Recipient { return i.recipient }

// Type returns the kind of vault.
func (i *Identity) Type() Type { return i.recipient.kind }

// String hides the secret, so that an identity that strays into a log or an error gives nothing away.
func (i *Identity) String() string { return "identity of " + i.recipient.text }

// GoString hides the secret from %#v.
func (i *Identity) GoString() string { return i.String() }

// Format hides the secret from every other verb of package fmt.
func (i *Identity) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, i.String()) }

// Seal writes the header of a new age file to w and returns a writer for the plaintext. headerBytes is the length
// of everything in front of the first chunk: the age header and the 16 byte nonce. The file key is fresh.
//
// Plaintext is held back until a chunk of ChunkSize is full and at least one more byte follows, so at most ChunkSize
// bytes are pending; each full chunk is one Write of SealedChunkSize bytes to w, in order. Close writes the final
// chunk and does not close w. Without Close the file is torn: OpenTorn reads it.
func Seal(w io.Writer, to Recipient) (wc io.WriteCloser, headerBytes int, err error) {
	if to.age == nil {
		return nil, 0, errors.New("seal: no recipient")
	}
	c := &counter{w: w}
	wc, err = age.Encrypt(c, to.age)
	if err != nil {
		return nil, 0, fmt.Errorf("seal: %w", err)
	}
	headerBytes = c.n
	// The count ends with the header; chunks go straight through.
	c.done = true
	return wc, headerBytes, nil
}

// counter counts what passes until done.
type counter struct {
	w    io.Writer
	n    int
	done bool
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	if !c.done {
		c.n += n
	}
	return n, err
}

// Bare reports whether b holds an unwrapped identity, which a box must never be given to keep.
func Bare(b []byte) bool { return bytes.Contains(bytes.ToUpper(b), []byte("AGE-SECRET-KEY-")) }

// HeaderBytes reads the header of a sealed file and returns what Seal returned as headerBytes. It may read further than
// that from r.
func HeaderBytes(r io.Reader) (int, error) {
	header, err := age.ExtractHeader(io.LimitReader(r, maxHeader))
	if err != nil {
		return 0, fmt.Errorf("read header of sealed file: %w", err)
	}
	return len(header) + NonceSize, nil
}

// PlainSize returns how much plaintext a whole payload of sealed bytes holds, the header not counted. ok is false for a
// length that no whole file has.
func PlainSize(sealed int64) (plain int64, ok bool) {
	const overhead = SealedChunkSize - ChunkSize
	chunks := (sealed + SealedChunkSize - 1) / SealedChunkSize
	plain = sealed - chunks*overhead
	// An empty final chunk is allowed only where it is the only one.
	return plain, plain >= 0 && chunks > 0 && (chunks == 1 || plain > (chunks-1)*ChunkSize)
}
