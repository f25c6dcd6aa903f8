package vault

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
)

// ErrPassphrase means that the passphrase does not open the wrapped identity.
var ErrPassphrase = errors.New("wrong vault passphrase")

const (
	// workFactor is log2 of scrypt's N: about a second on a small computer, the same as the browser uses.
	workFactor = 18
	// maxWorkFactor bounds what a wrapped identity from elsewhere may cost to open (1 GiB at 20).
	maxWorkFactor = 20
	// maxWrapped bounds the plaintext of a wrapped identity.
	maxWrapped = 64 << 10
)

// WrapPassphrase returns an age file with one scrypt recipient that holds the identity's line. `age -d` opens it
// with the passphrase and gives an identity file.
func WrapPassphrase(id *Identity, passphrase string) ([]byte, error) {
	return wrap(id, passphrase, workFactor)
}

func wrap(id *Identity, passphrase string, logN int) ([]byte, error) {
	r, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, fmt.Errorf("wrap vault identity: %w", err)
	}
	r.SetWorkFactor(logN)
	var out bytes.Buffer
	w, err := age.Encrypt(&out, r)
	if err != nil {
		return nil, fmt.Errorf("wrap vault identity: %w", err)
	}
	if _, err := io.WriteString(w, id.secret+"\n"); err != nil {
		return nil, fmt.Errorf("wrap vault identity: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("wrap vault identity: %w", err)
	}
	return out.Bytes(), nil
}

// UnwrapPassphrase opens what WrapPassphrase made. A wrong passphrase gives ErrPassphrase.
func UnwrapPassphrase(wrapped []byte, passphrase string) (*Identity, error) {
	i, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, fmt.Errorf("unwrap vault identity: %w", err)
	}
	i.SetMaxWorkFactor(maxWorkFactor)
	plain, err := age.Decrypt(bytes.NewReader(wrapped), i)
	if err != nil {
		var no *age.NoIdentityMatchError
		if errors.As(err, &no) {
			return nil, ErrPassphrase
		}
		return nil, fmt.Errorf("unwrap vault identity: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(plain, maxWrapped))
	if err != nil {
		return nil, fmt.Errorf("unwrap vault identity: %w", err)
	}
	return ParseIdentity(string(text))
}

// Wrapped reports whether b looks like an age file for a single passphrase, as WrapPassphrase and the browser make
// them, without opening it. The box uses it to refuse storing anything else as a grant, above all a bare identity.
func Wrapped(b []byte) error {
	if len(b) > maxWrapped {
		return errors.New("wrapped identity is too long")
	}
	header, err := age.ExtractHeader(bytes.NewReader(b))
	if err != nil {
		return errors.New("wrapped identity is not an age file")
	}
	lines := bytes.Split(header, []byte("\n"))
	stanzas := 0
	for _, l := range lines {
		if bytes.HasPrefix(l, []byte("-> ")) {
			stanzas++
		}
	}
	if stanzas != 1 || !bytes.HasPrefix(lines[1], []byte("-> scrypt ")) {
		return errors.New("wrapped identity is not locked by a passphrase alone")
	}
	return nil
}
