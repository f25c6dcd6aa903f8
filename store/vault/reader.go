package vault

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"filippo.io/age"
	"golang.org/x/crypto/chacha20poly1305"
)

// The sizes of the age v1 payload.
const (
	// ChunkSize is the plaintext of every chunk but the last, in bytes.
	ChunkSize = 64 << 10
	// SealedChunkSize is the same chunk in the file, with its authentication tag.
	SealedChunkSize = ChunkSize + chacha20poly1305.Overhead
	// NonceSize is the length of the payload's nonce between header and first chunk.
	NonceSize = 16
	// maxHeader bounds what is read in search of a header's end. A hybrid header is about 1.8 kB.
	maxHeader = 64 << 10
)

// OpenAt opens a whole sealed file of size bytes for random access and returns its plaintext and the plaintext's
// length. It reads and authenticates the final chunk first, so a file that was cut off is refused: use OpenTorn
// for those. Reads may run in parallel.
func OpenAt(r io.ReaderAt, size int64, id *Identity) (io.ReaderAt, int64, error) {
	plain, n, err := age.DecryptReaderAt(r, size, id.age)
	if err != nil {
		return nil, 0, fmt.Errorf("open sealed file: %w", identityError(err))
	}
	return plain, n, nil
}

// Open decrypts a whole sealed file in a stream. Plaintext is handed out before the end is seen: it is verified only
// once Read has returned io.EOF.
func Open(r io.Reader, id *Identity) (io.Reader, error) {
	plain, err := age.Decrypt(r, id.age)
	if err != nil {
		return nil, fmt.Errorf("open sealed file: %w", identityError(err))
	}
	return plain, nil
}

// identityError replaces age's no-match error by ErrIdentity.
func identityError(err error) error {
	var no *age.NoIdentityMatchError
	if errors.As(err, &no) {
		return ErrIdentity
	}
	return err
}

// Reader reads the plaintext of a sealed file that may be cut off. It implements io.ReaderAt; every chunk is
// authenticated when it is read. It may be used by several goroutines.
type Reader struct {
	src      io.ReaderAt
	aead     cipher.AEAD
	base     int64 // offset of the first chunk in src
	size     int64 // plaintext bytes
	whole    int64 // chunks, the last included
	lastSize int   // sealed bytes of the last chunk
	complete bool

	mu     sync.Mutex
	cached int64 // index of the chunk in plain, -1 = none
	plain  []byte
	sealed []byte
}

// OpenTorn opens the first size bytes of a sealed file that may still be growing or may have lost its end. The
// plaintext ends with the last chunk that authenticates: where a power cut left blocks of zeros at the end, they are
// passed over. Reader.Complete tells whether that chunk was the marked final one.
func OpenTorn(r io.ReaderAt, size int64, id *Identity) (*Reader, error) {
	header, err := age.ExtractHeader(io.NewSectionReader(r, 0, min(size, maxHeader)))
	if err != nil {
		return nil, fmt.Errorf("open sealed file: %w", err)
	}
	fileKey, err := age.DecryptHeader(header, id.age)
	if err != nil {
		return nil, fmt.Errorf("open sealed file: %w", identityError(err))
	}
	return openChunks(r, size, int64(len(header)), fileKey)
}

// openChunks finds the end of the payload that starts with a nonce at offset header.
func openChunks(r io.ReaderAt, size, header int64, fileKey []byte) (*Reader, error) {
	nonce := make([]byte, NonceSize)
	if err := readFull(r, nonce, header); err != nil {
		return nil, fmt.Errorf("open sealed file: read nonce: %w", err)
	}
	// Payload key: HKDF-SHA-256 with the nonce as salt, age-encryption.org/v1 section "Payload".
	key, err := hkdf.Key(sha256.New, fileKey, nonce, "payload", chacha20poly1305.KeySize)
	if err != nil {
		return nil, fmt.Errorf("open sealed file: derive payload key: %w", err)
	}
	aead, err := chacha20poly1305.New(key)
	if err != nil {
		return nil, fmt.Errorf("open sealed file: %w", err)
	}
	t := &Reader{src: r, aead: aead, base: header + NonceSize, cached: -1,
		plain: make([]byte, 0, ChunkSize), sealed: make([]byte, SealedChunkSize)}
	payload := max(0, size-t.base)
	chunks, rest := payload/SealedChunkSize, payload%SealedChunkSize
	if rest >= chacha20poly1305.Overhead && !(chunks > 0 && rest == chacha20poly1305.Overhead) {
		// A short chunk can only be the final one.
		if t.probe(chunks, int(rest), true) {
			return t, nil
		}
	}
	for n := chunks; n > 0; n-- {
		if n == chunks && rest == 0 && t.probe(n-1, SealedChunkSize, true) {
			return t, nil
		}
		if t.probe(n-1, SealedChunkSize, false) {
			return t, nil
		}
	}
	return t, nil
}

// probe tries chunk i with the given sealed length; when it authenticates it becomes the end of the plaintext.
func (t *Reader) probe(i int64, sealed int, last bool) bool {
	if t.load(i, sealed, last) != nil {
		return false
	}
	t.whole, t.lastSize, t.complete = i+1, sealed, last
	t.size = i*ChunkSize + int64(sealed-chacha20poly1305.Overhead)
	return true
}

// Size returns the length of the plaintext in bytes.
func (t *Reader) Size() int64 { return t.size }

// Complete reports whether the file ends with its marked final chunk.
func (t *Reader) Complete() bool { return t.complete }

// ReadAt implements io.ReaderAt over the plaintext. A chunk that does not authenticate is an error, never data.
func (t *Reader) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, errors.New("read sealed file: negative offset")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(p) > 0 {
		if off >= t.size {
			return n, io.EOF
		}
		i := off / ChunkSize
		if t.cached != i {
			sealed, last := SealedChunkSize, false
			if i == t.whole-1 {
				sealed, last = t.lastSize, t.complete
			}
			if err := t.load(i, sealed, last); err != nil {
				return n, err
			}
		}
		c := copy(p, t.plain[off-i*ChunkSize:])
		p, n, off = p[c:], n+c, off+int64(c)
	}
	return n, nil
}

// load decrypts chunk i into t.plain.
func (t *Reader) load(i int64, sealed int, last bool) error {
	t.cached = -1
	buf := t.sealed[:sealed]
	if err := readFull(t.src, buf, t.base+i*SealedChunkSize); err != nil {
		return fmt.Errorf("read chunk %d of sealed file: %w", i, err)
	}
	// The nonce is an 11 byte big-endian counter and a flag for the final chunk.
	var nonce [chacha20poly1305.NonceSize]byte
	binary.BigEndian.PutUint64(nonce[3:11], uint64(i))
	if last {
		nonce[11] = 1
	}
	plain, err := t.aead.Open(t.plain[:0], nonce[:], buf, nil)
	if err != nil {
		return fmt.Errorf("read chunk %d of sealed file: it was damaged or changed", i)
	}
	t.plain, t.cached = plain, i
	return nil
}

// readFull fills p from offset off; io.EOF exactly at the end is no error.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
