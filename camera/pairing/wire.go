package pairing

import (
	"bytes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/crypto/chacha20poly1305"
)

// maxMessage bounds a message: a bundle of three roots takes about 3 kB.
const maxMessage = 16 << 10

// message is what travels in either protocol: JSON behind its length in four bytes. Which fields a type has is in README.md; a
// field that nobody knows is an error, so that a later version has to take another ALPN name.
type message struct {
	Type string `json:"type"`

	// hello, both ways. Code is "digits" or "token".
	Code   string `json:"code,omitempty"`
	Nonce  []byte `json:"nonce,omitempty"`
	NVR    string `json:"nvr,omitempty"`
	SPKI   []byte `json:"spki,omitempty"`
	CA     []byte `json:"ca,omitempty"`
	Salt   []byte `json:"salt,omitempty"`
	Window []byte `json:"window,omitempty"`
	Name   string `json:"name,omitempty"`
	Model  string `json:"model,omitempty"`

	// share and confirm
	Share   []byte `json:"share,omitempty"`
	Confirm []byte `json:"confirm,omitempty"`

	// trust, csr, cert, sync, state
	Device string    `json:"device,omitempty"`
	Bundle uint64    `json:"bundle,omitempty"`
	Roots  [][]byte  `json:"roots,omitempty"`
	Time   time.Time `json:"time,omitzero"`
	CSR    []byte    `json:"csr,omitempty"`
	Leaf   []byte    `json:"leaf,omitempty"`
	Active bool      `json:"active,omitempty"`

	// error: one of the words of faults
	Fault string `json:"fault,omitempty"`
}

// faults are the words by which the camera says why it goes no further.
var faults = map[string]error{
	"code": ErrCode, "spent": ErrSpent, "paired": ErrPaired, "busy": ErrBusy, "protocol": ErrProtocol, "unknown": ErrUnknown,
}

func faultOf(err error) string {
	for word, e := range faults {
		if errors.Is(err, e) {
			return word
		}
	}
	return "protocol"
}

// encode is the body of a frame.
func encode(m message) ([]byte, error) {
	body, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	if len(body) > maxMessage {
		return nil, fmt.Errorf("message %s: %d bytes are too many", m.Type, len(body))
	}
	return body, nil
}

// decode reads the body of a frame. Every error is ErrProtocol.
func decode(body []byte) (message, error) {
	var m message
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&m); err != nil || dec.More() {
		return message{}, ErrProtocol
	}
	return m, nil
}

// wire is a connection that messages travel on, one at a time.
type wire struct {
	conn net.Conn
	wait time.Duration // for each message
	// out and in are nil until seal.
	out, in   cipher.AEAD
	sent, got uint64
}

func newWire(conn net.Conn) *wire { return &wire{conn: conn, wait: step} }

// seal encrypts what follows once more, under the key that the code gave: whoever ends the TLS connection without having
// taken part in SPAKE2+ can then read and write nothing.
func (w *wire) seal(shared []byte, nvr bool) error {
	var aeads [2]cipher.AEAD
	for i, direction := range []string{"cardea nvr to camera", "cardea camera to nvr"} {
		key, err := hkdf.Key(sha256.New, shared, nil, direction, chacha20poly1305.KeySize)
		if err != nil {
			return err
		}
		if aeads[i], err = chacha20poly1305.New(key); err != nil {
			return err
		}
	}
	w.out, w.in = aeads[0], aeads[1]
	if !nvr {
		w.out, w.in = w.in, w.out
	}
	return nil
}

// nonce is the number of a message in its direction.
func nonce(n uint64) []byte {
	return binary.LittleEndian.AppendUint64(make([]byte, 4, chacha20poly1305.NonceSize), n)
}

// write sends m and gives back what it looks like in the transcript.
func (w *wire) write(m message) ([]byte, error) {
	body, err := encode(m)
	if err != nil {
		return nil, err
	}
	frame := body
	if w.out != nil {
		frame = w.out.Seal(nil, nonce(w.sent), body, nil)
		w.sent++
	}
	frame = append(binary.BigEndian.AppendUint32(nil, uint32(len(frame))), frame...)
	if err := w.conn.SetWriteDeadline(time.Now().Add(w.wait)); err != nil {
		return nil, err
	}
	if _, err := w.conn.Write(frame); err != nil {
		return nil, fmt.Errorf("send %s: %w", m.Type, err)
	}
	return body, nil
}

// next receives a message of any type.
func (w *wire) next() (message, []byte, error) {
	if err := w.conn.SetReadDeadline(time.Now().Add(w.wait)); err != nil {
		return message{}, nil, err
	}
	var head [4]byte
	if _, err := io.ReadFull(w.conn, head[:]); err != nil {
		return message{}, nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > maxMessage+chacha20poly1305.Overhead {
		return message{}, nil, ErrProtocol
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(w.conn, body); err != nil {
		return message{}, nil, err
	}
	if w.in != nil {
		var err error
		if body, err = w.in.Open(body[:0], nonce(w.got), body, nil); err != nil {
			return message{}, nil, ErrProtocol
		}
		w.got++
	}
	m, err := decode(body)
	return m, body, err
}

// read receives a message of the type given. The other side's error becomes one of ours.
func (w *wire) read(kind string) (message, []byte, error) {
	m, body, err := w.next()
	if err != nil {
		if errors.Is(err, ErrProtocol) {
			return m, nil, err
		}
		return m, nil, fmt.Errorf("wait for %s: %w", kind, err)
	}
	if m.Type == "error" {
		if err := faults[m.Fault]; err != nil {
			return m, nil, err
		}
		return m, nil, ErrProtocol
	}
	if m.Type != kind {
		return m, nil, ErrProtocol
	}
	return m, body, nil
}

// fail tells the other side why it ends here and gives the reason back.
func (w *wire) fail(err error) error {
	_, _ = w.write(message{Type: "error", Fault: faultOf(err)}) // the other side learns from the end of the connection otherwise
	return err
}

// transcript is the context of SPAKE2+ (section 3.3): what both sides must have seen alike. It holds both hellos, and with them
// both keys, the hash of the authorities and what names the code; and the channel binding of the TLS connection
// (RFC 9266), which differs on the two sides of anybody in between.
func transcript(binding, nvr, camera []byte) []byte {
	out := []byte(ProtoPair)
	for _, part := range [][]byte{binding, nvr, camera} {
		out = binary.BigEndian.AppendUint32(out, uint32(len(part)))
		out = append(out, part...)
	}
	return out
}

// rootsHash names a bundle.
func rootsHash(version uint64, roots [][]byte) []byte {
	h := sha256.New()
	h.Write(binary.BigEndian.AppendUint64(nil, version))
	for _, r := range roots {
		sum := sha256.Sum256(r)
		h.Write(sum[:])
	}
	return h.Sum(nil)
}
