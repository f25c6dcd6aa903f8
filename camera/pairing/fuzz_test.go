package pairing

import (
	"encoding/binary"
	"net"
	"testing"
	"time"
)

// FuzzMessage: whatever arrives is a message or ErrProtocol, and what is read can be written.
func FuzzMessage(f *testing.F) {
	for _, s := range []string{`{"type":"hello","code":"digits","nonce":"AAAA"}`, `{"type":"sync","time":"2026-01-02T03:04:05Z"}`, `{}`, `{"x":1}`, `[`, `{"type":"a"}{}`, ``} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := decode(body)
		if err != nil {
			return
		}
		if out, err := encode(m); err == nil {
			if _, err := decode(out); err != nil {
				t.Fatalf("%s: %v", out, err)
			}
		}
	})
}

// FuzzWire: bytes on the line never take more memory than a message, nor wait for more than there is.
func FuzzWire(f *testing.F) {
	f.Add([]byte{0, 0, 0, 2, '{', '}'})
	f.Add([]byte{255, 255, 255, 255})
	f.Add(append(binary.BigEndian.AppendUint32(nil, 16), `{"type":"hello"}`...))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, b := net.Pipe()
		go func() {
			a.SetDeadline(time.Now().Add(time.Second)) //nolint:errcheck // a pipe takes it
			a.Write(data)                              //nolint:errcheck // the reader may have had enough
			a.Close()
		}()
		w := newWire(b)
		for range 3 {
			if _, _, err := w.next(); err != nil {
				break
			}
		}
		b.Close()
	})
}

func FuzzState(f *testing.F) {
	f.Add([]byte(`{"format":1}`))
	f.Add([]byte(`{"format":1,"identity":{"device":"a","nvr":"b","pin":"","key":"","leaf":"","bundle":1,"roots":[]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := parseState(data)
		if err != nil || s.Identity == nil {
			return
		}
		if id, err := s.Identity.load(FileKeys{}); err == nil && (id.shown.Leaf == nil || len(id.roots) == 0) {
			t.Fatal("half an identity")
		}
	})
}
