package pattern

import (
	"bytes"
	"math/bits"
)

// writer puts bits into a raw byte sequence payload, most significant bit first.
type writer struct {
	buf  []byte
	hold uint64 // the last n bits, not yet in buf
	n    uint
}

// u writes the low n bits of v, n ≤ 32.
func (w *writer) u(n uint, v uint32) {
	w.hold = w.hold<<n | uint64(v)
	w.n += n
	for w.n >= 8 {
		w.n -= 8
		w.buf = append(w.buf, byte(w.hold>>w.n))
	}
}

// ue writes an unsigned Exp-Golomb code (section 9.1).
func (w *writer) ue(v uint32) {
	n := uint(bits.Len32(v + 1))
	w.u(n-1, 0)
	w.u(n, v+1)
}

// se writes a signed Exp-Golomb code (section 9.1.1).
func (w *writer) se(v int32) {
	if v > 0 {
		w.ue(uint32(2*v - 1))
	} else {
		w.ue(uint32(-2 * v))
	}
}

// align fills the byte with zeros.
func (w *writer) align() {
	if w.n != 0 {
		w.u(8-w.n, 0)
	}
}

// trail ends the payload with rbsp_trailing_bits.
func (w *writer) trail() {
	w.u(1, 1)
	w.align()
}

// appendNAL appends a NAL unit: its header, and rbsp with emulation prevention bytes (section 7.4.1).
func appendNAL(to []byte, refIDC, kind byte, rbsp []byte) []byte {
	to = append(to, refIDC<<5|kind)
	for {
		// A zero is looked for with the vector instructions behind IndexByte; noise has none.
		i := bytes.IndexByte(rbsp, 0)
		if i < 0 || i+2 >= len(rbsp) {
			break
		}
		if rbsp[i+1] != 0 {
			to = append(to, rbsp[:i+2]...)
			rbsp = rbsp[i+2:]
			continue
		}
		to = append(to, rbsp[:i+2]...)
		rbsp = rbsp[i+2:]
		if rbsp[0] <= 3 {
			to = append(to, 3)
		}
	}
	return append(to, rbsp...)
}

// unescape removes emulation prevention bytes.
func unescape(nal []byte) []byte {
	out := make([]byte, 0, len(nal))
	zeros := 0
	for _, b := range nal {
		if zeros >= 2 && b == 3 {
			zeros = 0
			continue
		}
		if b == 0 {
			zeros++
		} else {
			zeros = 0
		}
		out = append(out, b)
	}
	return out
}
