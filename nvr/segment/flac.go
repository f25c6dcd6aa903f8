package segment

import (
	"math/bits"

	"cardea/camera/frame"
)

// flacBlock is the largest number of samples in a FLAC frame. The streamable subset (RFC 9639, 7) allows 4608.
const flacBlock = 4096

// flacEncoder turns G.711 into FLAC frames of RFC 9639, 9, each of which stands for itself. The decoder gets the
// 16-bit values of ITU-T G.711 back. It uses the fixed predictors and partitioned Rice codes, which bring the 13
// and 14 bits of G.711 to about half; both channels of a stereo stream are coded apart.
type flacEncoder struct {
	expand   [256]int16
	rateCode uint64
	rateBits int // of the rate behind the frame header
	rate     uint64
	channels int

	crc16    [256]uint16
	bits     bitWriter
	samples  []int32
	residual [5][]int32
}

func newFLACEncoder(codec frame.Codec, rate, channels int) *flacEncoder {
	e := &flacEncoder{channels: channels}
	for i := range e.expand {
		if codec == frame.PCMA {
			e.expand[i] = expandA(byte(i))
		} else {
			e.expand[i] = expandMu(byte(i))
		}
	}
	for i := range e.crc16 {
		crc := uint16(i) << 8
		for range 8 {
			crc = crc<<1 ^ crc>>15*0x8005
		}
		e.crc16[i] = crc
	}
	switch {
	case rate == 8000:
		e.rateCode = 4
	case rate == 16000:
		e.rateCode = 5
	case rate%1000 == 0 && rate < 256000:
		e.rateCode, e.rateBits, e.rate = 12, 8, uint64(rate/1000)
	case rate < 1<<16:
		e.rateCode, e.rateBits, e.rate = 13, 16, uint64(rate)
	case rate%10 == 0 && rate/10 < 1<<16:
		e.rateCode, e.rateBits, e.rate = 14, 16, uint64(rate/10)
	} // else 0: as STREAMINFO says
	return e
}

// expandA and expandMu are the decoders of ITU-T G.711 (tables 1a to 2b), scaled to 16 bits.
func expandA(b byte) int16 {
	b ^= 0x55
	v := int16(b&0x0f)<<4 + 8
	if exp := b >> 4 & 7; exp > 0 {
		v = (v + 0x100) << (exp - 1)
	}
	if b&0x80 == 0 {
		return -v
	}
	return v
}

func expandMu(b byte) int16 {
	b = ^b
	v := (int16(b&0x0f)<<3+0x84)<<(b>>4&7) - 0x84
	if b&0x80 != 0 {
		return -v
	}
	return v
}

// encode appends a frame with the samples of pcm, interleaved G.711 of at most flacBlock samples a channel. The
// first one is sample number at of the stream.
func (e *flacEncoder) encode(dst, pcm []byte, at int64) []byte {
	n := len(pcm) / e.channels
	e.header(n, at)
	for c := range e.channels {
		e.samples = e.samples[:0]
		for i := range n {
			e.samples = append(e.samples, int32(e.expand[pcm[i*e.channels+c]]))
		}
		e.subframe(e.samples)
	}
	return e.finish(dst)
}

// silence appends a frame of n zero samples.
func (e *flacEncoder) silence(dst []byte, n int, at int64) []byte {
	e.header(n, at)
	for range e.channels {
		e.constant(0)
	}
	return e.finish(dst)
}

// header writes the frame header (9.1). Blocks vary in length, so frames carry a sample number.
func (e *flacEncoder) header(n int, at int64) {
	w := &e.bits
	w.reset()
	w.put(0xfff9, 16)
	w.put(7, 4) // number of samples follows in 16 bits
	w.put(e.rateCode, 4)
	w.put(uint64(e.channels-1), 4)
	w.put(4, 3) // 16 bits
	w.put(0, 1)
	w.number(uint64(at) & (1<<36 - 1))
	w.put(uint64(n-1), 16)
	w.put(e.rate, e.rateBits)
	w.put(uint64(crc8(w.buf)), 8)
}

// finish writes the frame footer (9.3).
func (e *flacEncoder) finish(dst []byte) []byte {
	from := len(dst)
	dst = e.bits.flush(dst)
	var crc uint16
	for _, b := range dst[from:] {
		crc = crc<<8 ^ e.crc16[byte(crc>>8)^b]
	}
	return append(dst, byte(crc>>8), byte(crc))
}

func (e *flacEncoder) constant(v int32) {
	e.bits.put(0, 8)
	e.bits.put(uint64(uint16(v)), 16)
}

// subframe writes one channel (9.2).
func (e *flacEncoder) subframe(s []int32) {
	var all, differ int32
	for _, v := range s {
		all |= v
		differ |= v ^ s[0]
	}
	if differ == 0 {
		e.constant(s[0])
		return
	}
	// G.711 leaves two or three low bits empty: wasted bits (9.2.2).
	wasted := bits.TrailingZeros32(uint32(all))
	if wasted > 0 {
		for i := range s {
			s[i] >>= wasted
		}
	}
	depth := 16 - wasted
	order, cost := e.predict(s)
	if cost >= depth*len(s) {
		e.open(1, wasted)
		for _, v := range s {
			e.bits.put(uint64(v)&(1<<depth-1), depth)
		}
		return
	}
	e.open(8+order, wasted)
	for _, v := range s[:order] {
		e.bits.put(uint64(v)&(1<<depth-1), depth)
	}
	e.rice(e.residual[order][:len(s)], order)
}

// open writes the subframe header.
func (e *flacEncoder) open(kind, wasted int) {
	e.bits.put(uint64(kind), 7)
	if wasted == 0 {
		e.bits.put(0, 1)
		return
	}
	e.bits.put(1, 1)
	e.bits.put(1, wasted) // wasted-1 zeros, then a one
}

// predict fills e.residual for each fixed predictor (9.2.5) and returns the best order and about how many bits it
// needs.
func (e *flacEncoder) predict(s []int32) (order, cost int) {
	cost = 1 << 30
	for o := range 5 {
		if o > len(s) {
			break
		}
		r := append(e.residual[o][:0], s...)
		if o > 0 {
			// Each order is the difference of the order below.
			below := e.residual[o-1]
			for i := o; i < len(s); i++ {
				r[i] = below[i] - below[i-1]
			}
		}
		e.residual[o] = r
		var sum uint64
		for _, v := range r[o:] {
			sum += uint64(zigzag(v))
		}
		if c := o*16 + riceCost(sum, len(s)-o, riceParameter(sum, len(s)-o)); c < cost {
			order, cost = o, c
		}
	}
	return order, cost
}

// rice writes the residual (9.2.7) in the number of partitions that takes the fewest bits.
func (e *flacEncoder) rice(r []int32, order int) {
	best, cost := 0, 1<<30
	for p := 0; p <= 5 && len(r)%(1<<p) == 0 && len(r)>>p > order; p++ {
		total := 0
		for i := range 1 << p {
			part := partition(r, order, p, i)
			var sum uint64
			for _, v := range part {
				sum += uint64(zigzag(v))
			}
			total += 4 + riceCost(sum, len(part), riceParameter(sum, len(part)))
		}
		if total < cost {
			best, cost = p, total
		}
	}
	w := &e.bits
	w.put(0, 2) // parameters have four bits
	w.put(uint64(best), 4)
	for i := range 1 << best {
		part := partition(r, order, best, i)
		var sum uint64
		for _, v := range part {
			sum += uint64(zigzag(v))
		}
		k := riceParameter(sum, len(part))
		w.put(uint64(k), 4)
		for _, v := range part {
			z := zigzag(v)
			for q := z >> k; q > 0; {
				n := min(q, 32)
				w.put(0, int(n))
				q -= n
			}
			w.put(1<<k|uint64(z)&(1<<k-1), k+1)
		}
	}
}

// partition returns part i of 2^p; the warm-up samples are missing from the first.
func partition(r []int32, order, p, i int) []int32 {
	size := len(r) >> p
	from := i * size
	if i == 0 {
		from = order
	}
	return r[from : (i+1)*size]
}

func zigzag(v int32) uint32 { return uint32(v<<1 ^ v>>31) }

// riceParameter returns the parameter that suits the mean of n values. 15 would be the escape code.
func riceParameter(sum uint64, n int) int {
	k := 0
	for k < 14 && uint64(n)<<(k+1) <= sum {
		k++
	}
	return k
}

// riceCost returns at most how many bits n values with that sum take.
func riceCost(sum uint64, n, k int) int { return n*(k+1) + int(sum>>k) }

// crc8 has the polynomial x^8 + x^2 + x + 1; headers are too short for a table.
func crc8(p []byte) byte {
	var crc byte
	for _, b := range p {
		crc ^= b
		for range 8 {
			crc = crc<<1 ^ crc>>7*7
		}
	}
	return crc
}

// bitWriter writes bits, the highest first.
type bitWriter struct {
	buf  []byte
	acc  uint64
	have int // bits in acc, fewer than 8 between calls
}

func (w *bitWriter) reset() { w.buf, w.acc, w.have = w.buf[:0], 0, 0 }

// put writes the low n bits of v, n ≤ 48; the others MUST be zero.
func (w *bitWriter) put(v uint64, n int) {
	w.acc = w.acc<<n | v
	w.have += n
	for w.have >= 8 {
		w.have -= 8
		w.buf = append(w.buf, byte(w.acc>>w.have))
	}
	w.acc &= 1<<w.have - 1
}

// number writes a value of up to 36 bits in the manner of UTF-8 (9.1.5). The writer stands at a byte boundary.
func (w *bitWriter) number(v uint64) {
	if v < 0x80 {
		w.put(v, 8)
		return
	}
	n := (bits.Len64(v) + 3) / 5 // bytes in all: one of n holds 5n + 1 bits
	w.put(0xff<<(8-n)&0xff|v>>(6*(n-1)), 8)
	for i := n - 2; i >= 0; i-- {
		w.put(0x80|v>>(6*i)&0x3f, 8)
	}
}

// flush fills the last byte with zeros and appends everything to dst.
func (w *bitWriter) flush(dst []byte) []byte {
	if w.have > 0 {
		w.put(0, 8-w.have)
	}
	return append(dst, w.buf...)
}
