// Package link signs short-lived permissions that leave a session: a download that an <a> starts, an address for a
// device that plays video and knows no cookie, a guest's view of shared clips.
//
// Its noun is Signer. A permission is good for one method and one path, until it expires, and names the session or share
// behind it, which whoever checks it looks up: so it ends with that at once. Keys live in memory only and are renewed
// every day; a restart ends every permission. It never decides who may be given one.
package link

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"time"
)

// MaxLife is the longest that a permission may last. A key is kept for as long after it was renewed.
const MaxLife = time.Hour

// renewal is how long a key signs.
const renewal = 24 * time.Hour

// ErrDenied is the one error of Open, whatever is wrong.
var ErrDenied = errors.New("this link is not valid, or not any more")

// Grant is what a permission says.
type Grant struct {
	// Method and Path are what it is good for, byte for byte. They are signed and not in the text.
	Method, Path string
	// Holder is who it stands for: the account and ID of a session, or the ID of a share. 1 to 64 bytes.
	Holder []byte
	// Expires is when it ends, in whole seconds.
	Expires time.Time
}

// Signer makes and checks permissions. Now and Rand default to the machine's. It is safe for concurrent use.
type Signer struct {
	Now  func() time.Time
	Rand io.Reader

	mu    sync.Mutex
	keys  [2]key // the one that signs, and the one before it
	count uint32 // of keys made so far
}

type key struct {
	id     uint32 // 0 = no key
	made   time.Time
	secret [32]byte
}

// The text is base64url over: version, key id, expiry (Unix seconds), holder, MAC.
const (
	version   = 1
	headSize  = 1 + 4 + 8
	maxHolder = 64
)

// Sign gives the text of a permission that ends at g.Expires, at most MaxLife from now.
func (s *Signer) Sign(g Grant) (string, error) {
	now := s.now()
	if g.Expires.Sub(now) > MaxLife || len(g.Holder) == 0 || len(g.Holder) > maxHolder {
		return "", errors.New("sign link: its life or its holder is out of bounds")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if age := now.Sub(s.keys[0].made); s.keys[0].id == 0 || age >= renewal || age < 0 {
		s.count++
		next := key{id: s.count, made: now}
		source := s.Rand
		if source == nil {
			source = rand.Reader
		}
		if _, err := io.ReadFull(source, next.secret[:]); err != nil {
			return "", err
		}
		s.keys[0], s.keys[1] = next, s.keys[0]
	}
	head := make([]byte, headSize, headSize+len(g.Holder)+sha256.Size)
	head[0] = version
	binary.BigEndian.PutUint32(head[1:], s.keys[0].id)
	binary.BigEndian.PutUint64(head[5:], uint64(g.Expires.Unix()))
	text := append(head, g.Holder...)
	return base64.RawURLEncoding.EncodeToString(append(text, s.keys[0].mac(g.Method, g.Path, text)...)), nil
}

// Open checks a text for a request and gives what it grants. ErrDenied.
func (s *Signer) Open(text, method, path string) (Grant, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) <= headSize+sha256.Size || len(raw) > headSize+maxHolder+sha256.Size || raw[0] != version {
		return Grant{}, ErrDenied
	}
	signed, mac := raw[:len(raw)-sha256.Size], raw[len(raw)-sha256.Size:]
	now := s.now()
	expires := time.Unix(int64(binary.BigEndian.Uint64(raw[5:])), 0)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.keys {
		if k.id == 0 || k.id != binary.BigEndian.Uint32(raw[1:]) || now.Sub(k.made) >= renewal+MaxLife {
			continue
		}
		if !hmac.Equal(mac, k.mac(method, path, signed)) || !now.Before(expires) || expires.Sub(now) > MaxLife {
			return Grant{}, ErrDenied
		}
		return Grant{Method: method, Path: path, Holder: signed[headSize:], Expires: expires}, nil
	}
	return Grant{}, ErrDenied
}

// mac covers every field with its length, so that nothing moves from one into the next.
func (k *key) mac(method, path string, signed []byte) []byte {
	h := hmac.New(sha256.New, k.secret[:])
	for _, field := range [][]byte{[]byte("cardea link v1"), []byte(method), []byte(path), signed} {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(field)))
		h.Write(n[:])
		h.Write(field)
	}
	return h.Sum(nil)
}

func (s *Signer) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}
