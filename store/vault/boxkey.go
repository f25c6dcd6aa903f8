package vault

import (
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/crypto/chacha20poly1305"

	"cardea/store/disk"
)

// BoxKey is a symmetric key of the box itself. It seals what the box must be able to read again, such as camera
// passwords and TOTP seeds, so that a copy of the database alone gives nothing away. It does not protect against
// who has the whole data directory.
type BoxKey struct{ aead cipher.AEAD }

// ErrSecret means that a sealed secret was made with another box key or for another purpose, or was changed.
var ErrSecret = errors.New("a stored secret does not open with this box's key")

// secretV1 is the first byte of every sealed secret: XChaCha20-Poly1305, 24 byte nonce, context as associated data.
const secretV1 = 1

// LoadBoxKey reads the key at path, or makes one where there is none. The file is 32 random bytes, mode 0600, in a
// directory of mode 0700 that is created where needed. It is on disk for good when LoadBoxKey returns.
func LoadBoxKey(path string) (*BoxKey, error) {
	key, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		key, err = createKey(path)
	}
	if err != nil {
		return nil, fmt.Errorf("load box key: %w", err)
	}
	if len(key) != chacha20poly1305.KeySize {
		return nil, fmt.Errorf("load box key: %s has %d bytes instead of 32; put the right file back from a backup", path, len(key))
	}
	// A copy made with a lax umask must not stay readable for others.
	if st, err := os.Stat(path); err == nil && st.Mode().Perm()&0o077 != 0 {
		if err := os.Chmod(path, 0o600); err != nil {
			return nil, fmt.Errorf("load box key: %w", err)
		}
	}
	return NewBoxKey(key)
}

// NewBoxKey uses the 32 bytes of key.
func NewBoxKey(key []byte) (*BoxKey, error) {
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return nil, fmt.Errorf("box key: %w", err)
	}
	return &BoxKey{aead: aead}, nil
}

func createKey(path string) ([]byte, error) {
	dir := filepath.Dir(path)
	if err := disk.MakeDir(dir); err != nil {
		return nil, err
	}
	key := make([]byte, chacha20poly1305.KeySize)
	rand.Read(key)
	f, err := os.CreateTemp(dir, ".box.key-*") // mode 0600
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.Write(key)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, err
	}
	// Link instead of rename: of two processes that start together, one makes the key and the other reads it.
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		// Some NAS file systems know no hard links.
		if err := os.Rename(f.Name(), path); err != nil {
			return nil, err
		}
	}
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	err = d.Sync()
	if cerr := d.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

// SealSecret encrypts plain for OpenSecret with the same context, which names the purpose and the row that the value
// belongs to, so that a sealed value cannot be moved elsewhere. It never fails; the error is there for keys that can,
// such as one in a TPM.
func (k *BoxKey) SealSecret(plain, context []byte) ([]byte, error) {
	n := k.aead.NonceSize()
	out := make([]byte, 1+n, 1+n+len(plain)+k.aead.Overhead())
	out[0] = secretV1
	rand.Read(out[1:])
	return k.aead.Seal(out, out[1:], plain, context), nil
}

// OpenSecret decrypts what SealSecret made with the same context. Anything else gives ErrSecret.
func (k *BoxKey) OpenSecret(sealed, context []byte) ([]byte, error) {
	n := k.aead.NonceSize()
	if len(sealed) < 1+n+k.aead.Overhead() || sealed[0] != secretV1 {
		return nil, ErrSecret
	}
	plain, err := k.aead.Open(nil, sealed[1:1+n], sealed[1+n:], context)
	if err != nil {
		return nil, ErrSecret
	}
	return plain, nil
}
