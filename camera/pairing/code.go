package pairing

import (
	"crypto/rand"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"time"
)

// Code is what lets one NVR pair with the camera. Digits and Token are two forms of it: one for people, one for a QR code. Either
// is good once, for ten minutes and five attempts.
type Code struct {
	// Digits are eight.
	Digits string
	// Token is 128 bits and more.
	Token string
	// Expires is when it is replaced, by the camera's clock.
	Expires time.Time
}

// Text is the digits as the console shows them.
func (c Code) Text() string { return c.Digits[:4] + " " + c.Digits[4:] }

// newCode draws one.
func newCode(expires time.Time) (Code, error) {
	n, err := rand.Int(rand.Reader, big.NewInt(1e8))
	if err != nil {
		return Code{}, err
	}
	return Code{Digits: fmt.Sprintf("%08d", n), Token: rand.Text(), Expires: expires}, nil
}

// kind sorts what a person typed or scanned and brings it into the camera's form. It is "" for what cannot be a code.
func kind(typed string) (kind, code string) {
	code = strings.Map(func(r rune) rune {
		switch {
		case r == ' ' || r == '-':
			return -1
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		}
		return r
	}, strings.TrimSpace(typed))
	digits := strings.Trim(code, "0123456789") == ""
	switch {
	case len(code) == 8 && digits:
		return "digits", code
	case len(code) >= 26 && len(code) <= 64 && strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == "":
		return "token", code
	}
	return "", ""
}

// free is how many failures in a row cost no delay.
const free = 3

// window is one code with what is needed to check it, and counts its attempts.
type window struct {
	code    Code
	id      []byte // names it in the transcript
	salt    []byte
	records map[string]record
	tries   int
	spent   bool
}

func openWindow(expires time.Time) (*window, error) {
	code, err := newCode(expires)
	if err != nil {
		return nil, err
	}
	w := &window{code: code, id: make([]byte, 16), salt: make([]byte, 16), records: map[string]record{}}
	rand.Read(w.id)   //nolint:errcheck // never fails
	rand.Read(w.salt) //nolint:errcheck // never fails
	for kind, text := range map[string]string{"digits": code.Digits, "token": code.Token} {
		s, err := stretch(text, w.salt)
		if err != nil {
			return nil, err
		}
		if w.records[kind], err = s.record(); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// guard decides whether an attempt may be made. An attempt counts from the moment at which an answer could tell the other
// side whether its guess was right, so parallel ones gain nothing.
type guard struct {
	mu     sync.Mutex
	failed int       // in a row, over all codes
	until  time.Time // no attempt before
}

// take counts an attempt at w.
func (g *guard) take(w *window, now time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if w.spent || w.tries >= CodeTries || !now.Before(w.code.Expires) {
		return ErrSpent
	}
	if now.Before(g.until) {
		return ErrBusy
	}
	w.tries++
	g.failed++
	if g.failed >= free {
		g.until = now.Add(min(time.Second<<min(g.failed-free+1, 10), 5*time.Minute))
	}
	return nil
}

// spend uses a code up for the one who proved to know it; false where another one was faster.
func (g *guard) spend(w *window) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if w.spent {
		return false
	}
	w.spent = true
	g.failed, g.until = 0, time.Time{}
	return true
}

// over says whether w has to be replaced.
func (g *guard) over(w *window, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return w.spent || w.tries >= CodeTries || !now.Before(w.code.Expires)
}
