package pattern

// The quantiser is the same everywhere: 20 keeps thin strokes clean and flat sky flat. Chroma uses the same one
// (table 8-15 differs from 30 on).
const (
	qp       = 20
	qpPer    = qp / 6
	qpBits   = 15 + qpPer
	rounding = 1 << qpBits / 3
	scaleA   = 13 // of section 8.5.9 for qp % 6 = 2: positions with both indices even,
	scaleB   = 20 // both odd,
	scaleC   = 16 // and the rest
	quantA   = 10082
	quantB   = 4194
	quantC   = 6554
)

// zigzag is the scan of a 4 × 4 block (table 8-2).
var zigzag = [16]uint8{0, 1, 4, 8, 5, 2, 3, 6, 9, 12, 13, 10, 7, 11, 14, 15}

var (
	quantOf = [16]int32{quantA, quantC, quantA, quantC, quantC, quantB, quantC, quantB,
		quantA, quantC, quantA, quantC, quantC, quantB, quantC, quantB}
	scaleOf = [16]int32{scaleA, scaleC, scaleA, scaleC, scaleC, scaleB, scaleC, scaleB,
		scaleA, scaleC, scaleA, scaleC, scaleC, scaleB, scaleC, scaleB}
)

// block is a 4 × 4 block in raster order.
type block [16]int32

// forward is the core transform.
func (b *block) forward() {
	for i := 0; i < 16; i += 4 {
		s0, s1 := b[i]+b[i+3], b[i+1]+b[i+2]
		d0, d1 := b[i]-b[i+3], b[i+1]-b[i+2]
		b[i], b[i+1], b[i+2], b[i+3] = s0+s1, 2*d0+d1, s0-s1, d0-2*d1
	}
	for i := range 4 {
		s0, s1 := b[i]+b[i+12], b[i+4]+b[i+8]
		d0, d1 := b[i]-b[i+12], b[i+4]-b[i+8]
		b[i], b[i+4], b[i+8], b[i+12] = s0+s1, 2*d0+d1, s0-s1, d0-2*d1
	}
}

// inverse is the transform of section 8.5.12.2, with its final rounding.
func (b *block) inverse() {
	for i := 0; i < 16; i += 4 {
		e, f := b[i]+b[i+2], b[i]-b[i+2]
		g, h := b[i+1]>>1-b[i+3], b[i+1]+b[i+3]>>1
		b[i], b[i+1], b[i+2], b[i+3] = e+h, f+g, f-g, e-h
	}
	for i := range 4 {
		e, f := b[i]+b[i+8], b[i]-b[i+8]
		g, h := b[i+4]>>1-b[i+12], b[i+4]+b[i+12]>>1
		b[i], b[i+4], b[i+8], b[i+12] = (e+h+32)>>6, (f+g+32)>>6, (f-g+32)>>6, (e-h+32)>>6
	}
}

// hadamard is the 4 × 4 transform of luma DC, its own inverse but for scale.
func (b *block) hadamard() {
	for i := 0; i < 16; i += 4 {
		s0, s1 := b[i]+b[i+3], b[i+1]+b[i+2]
		d0, d1 := b[i]-b[i+3], b[i+1]-b[i+2]
		b[i], b[i+1], b[i+2], b[i+3] = s0+s1, d0+d1, s0-s1, d0-d1
	}
	for i := range 4 {
		s0, s1 := b[i]+b[i+12], b[i+4]+b[i+8]
		d0, d1 := b[i]-b[i+12], b[i+4]-b[i+8]
		b[i], b[i+4], b[i+8], b[i+12] = s0+s1, d0+d1, s0-s1, d0-d1
	}
}

// quantize divides v, rounding intra-style; extra is 1 for DC, whose transform is twice as large.
func quantize(v, factor int32, extra uint) int32 {
	negative := v < 0
	if negative {
		v = -v
	}
	l := int32((int64(v)*int64(factor) + rounding<<extra) >> (qpBits + extra))
	l = min(l, maxLevel)
	if negative {
		return -l
	}
	return l
}

// quantizeAC replaces coefficients 1 to 15 by levels and reports whether any is left.
func (b *block) quantizeAC() bool {
	var any int32
	for i := 1; i < 16; i++ {
		// Most are too small for a level, which one comparison tells.
		if uint32(b[i]+tooSmall) <= 2*tooSmall {
			b[i] = 0
			continue
		}
		b[i] = quantize(b[i], quantOf[i], 0)
		any |= b[i]
	}
	return any != 0
}

// tooSmall is the largest coefficient that quantize makes 0 at every position.
const tooSmall = (1<<qpBits - rounding - 1) / quantA

// rescaleAC turns levels 1 to 15 back into coefficients (section 8.5.12.1).
func (b *block) rescaleAC() {
	for i := 1; i < 16; i++ {
		b[i] *= scaleOf[i] << qpPer
	}
}

// quantizeDC transforms the DC values of 16 luma blocks, given by their place in the macroblock, and replaces them
// by levels.
func (b *block) quantizeDC() {
	b.hadamard()
	for i, v := range b {
		b[i] = quantize(v>>1, quantA, 1)
	}
}

// rescaleDC turns the levels back into DC values (section 8.5.10).
func (b *block) rescaleDC() {
	b.hadamard()
	for i, v := range b {
		b[i] = v * scaleA << (qpPer - 2)
	}
}

// dc2 is the four DC values of a chroma plane in raster order.
type dc2 [4]int32

func (d *dc2) hadamard() {
	a, b, c, e := d[0]+d[1], d[0]-d[1], d[2]+d[3], d[2]-d[3]
	d[0], d[1], d[2], d[3] = a+c, b+e, a-c, b-e
}

func (d *dc2) quantize() (any bool) {
	d.hadamard()
	for i, v := range d {
		d[i] = quantize(v, quantA, 1)
		any = any || d[i] != 0
	}
	return any
}

// rescale is section 8.5.11.
func (d *dc2) rescale() {
	d.hadamard()
	for i, v := range d {
		d[i] = v * scaleA << qpPer >> 1
	}
}
