package segment

import "encoding/binary"

// box builds nested boxes in a buffer that is used again and again. A box is opened by begin, which returns where it
// started, and closed by end, which fills in its size.
type box struct{ b []byte }

func (b *box) reset()         { b.b = b.b[:0] }
func (b *box) u8(v uint8)     { b.b = append(b.b, v) }
func (b *box) u16(v uint16)   { b.b = binary.BigEndian.AppendUint16(b.b, v) }
func (b *box) u32(v uint32)   { b.b = binary.BigEndian.AppendUint32(b.b, v) }
func (b *box) u64(v uint64)   { b.b = binary.BigEndian.AppendUint64(b.b, v) }
func (b *box) str(s string)   { b.b = append(b.b, s...) }
func (b *box) bytes(p []byte) { b.b = append(b.b, p...) }

// zero appends n zero bytes.
func (b *box) zero(n int) {
	for range n {
		b.b = append(b.b, 0)
	}
}

func (b *box) begin(kind string) int {
	at := len(b.b)
	b.u32(0)
	b.str(kind)
	return at
}

// full begins a FullBox.
func (b *box) full(kind string, version uint8, flags uint32) int {
	at := b.begin(kind)
	b.u32(uint32(version)<<24 | flags)
	return at
}

func (b *box) end(at int) { b.patch(at, uint32(len(b.b)-at)) }

func (b *box) patch(at int, v uint32) { binary.BigEndian.PutUint32(b.b[at:], v) }
