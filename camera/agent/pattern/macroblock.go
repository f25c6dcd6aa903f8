package pattern

import "math"

// Prediction modes of luma (table 8-4); chroma counts them differently (table 8-5).
const (
	predVertical   = 0
	predHorizontal = 1
	predDC         = 2
)

// intra codes macroblock (mx, my) as Intra_16x16 from what the canvas holds and leaves in recon what a decoder will
// have. typeOffset is 0 in an I slice and 5 in a P slice.
func (e *Encoder) intra(w *writer, mx, my int, typeOffset uint32) {
	var pred [256]byte
	mode := choose(&e.recon.y, &e.canvas.y, mx, my, 16, pred[:])
	var luma [16]block
	var dc block
	anyAC := e.lumaLevels(mx, my, &pred, &luma, &dc)

	var predC [2][64]byte
	modeC := choose(&e.recon.cb, &e.canvas.cb, mx, my, 8, predC[0][:])
	predict(&e.recon.cr, mx, my, 8, modeC, predC[1][:])
	var chroma [2][4]block
	var dcC [2]dc2
	anyDCC, anyACC := false, false
	for i, p := range [2]*plane{&e.canvas.cb, &e.canvas.cr} {
		d, a := chromaLevels(p, mx, my, &predC[i], &chroma[i], &dcC[i])
		anyDCC, anyACC = anyDCC || d, anyACC || a
	}

	mbType := 1 + uint32(mode)
	switch {
	case anyACC:
		mbType += 8
	case anyDCC:
		mbType += 4
	}
	if anyAC {
		mbType += 12
	}
	w.ue(typeOffset + mbType)
	w.ue([3]uint32{predVertical: 2, predHorizontal: 1, predDC: 0}[modeC])
	w.se(0) // mb_qp_delta

	e.writeLuma(w, mx, my, anyAC, &luma, &dc)
	if anyDCC || anyACC {
		for i := range dcC {
			e.vlc.residual(w, dcC[i][:], chromaDC)
		}
	}
	for i, total := range [2]*totals{&e.totalCb, &e.totalCr} {
		for b := range 4 {
			x, y := mx*2+b&1, my*2+b>>1
			n := 0
			if anyACC {
				n = e.vlc.residual(w, e.scan(&chroma[i][b])[1:], total.around(x, y))
			}
			total.set(x, y, n)
		}
	}

	dc.rescaleDC()
	for b := range luma {
		luma[b][0] = dc[b]
		e.recon.y.put(mx*16+b&3*4, my*16+b>>2*4, &luma[b], pred[b>>2*64+b&3*4:], 16, anyAC)
	}
	for i, p := range [2]*plane{&e.recon.cb, &e.recon.cr} {
		dcC[i].rescale()
		for b := range 4 {
			chroma[i][b][0] = dcC[i][b]
			p.put(mx*8+b&1*4, my*8+b>>1*4, &chroma[i][b], predC[i][b>>1*32+b&1*4:], 8, anyACC)
		}
	}
}

// lumaLevels transforms and quantises the difference to the prediction. Blocks are in raster order.
func (e *Encoder) lumaLevels(mx, my int, pred *[256]byte, luma *[16]block, dc *block) (anyAC bool) {
	p := &e.canvas.y
	for b := range luma {
		x, y := b&3*4, b>>2*4
		if !luma[b].diff(p.pix[(my*16+y)*p.stride+mx*16+x:], p.stride, pred[y*16+x:], 16) {
			continue
		}
		luma[b].forward()
		dc[b] = luma[b][0]
		if luma[b].quantizeAC() {
			anyAC = true
		}
	}
	dc.quantizeDC()
	return anyAC
}

func chromaLevels(p *plane, mx, my int, pred *[64]byte, blocks *[4]block, dc *dc2) (anyDC, anyAC bool) {
	for b := range blocks {
		x, y := b&1*4, b>>1*4
		if !blocks[b].diff(p.pix[(my*8+y)*p.stride+mx*8+x:], p.stride, pred[y*8+x:], 8) {
			continue
		}
		blocks[b].forward()
		dc[b] = blocks[b][0]
		if blocks[b].quantizeAC() {
			anyAC = true
		}
	}
	return dc.quantize(), anyAC
}

// lumaOrder is the order in which luma blocks are sent, as places in raster order (figure 6-10).
var lumaOrder = [16]int{0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15}

func (e *Encoder) writeLuma(w *writer, mx, my int, anyAC bool, luma *[16]block, dc *block) {
	t := &e.totalY
	e.vlc.residual(w, e.scan(dc), t.around(mx*4, my*4))
	for _, b := range lumaOrder {
		x, y := mx*4+b&3, my*4+b>>2
		n := 0
		if anyAC {
			n = e.vlc.residual(w, e.scan(&luma[b])[1:], t.around(x, y))
		}
		t.set(x, y, n)
	}
}

// scan returns the block in the order it is sent, valid until the next call.
func (e *Encoder) scan(b *block) []int32 {
	for i, at := range zigzag {
		e.scanned[i] = b[at]
	}
	return e.scanned[:]
}

// pcm codes a macroblock as I_PCM: the samples themselves.
func (e *Encoder) pcm(w *writer, mx, my int, typeOffset uint32, y *[256]byte, c *[128]byte) {
	w.ue(typeOffset + 25)
	w.align()
	w.buf = append(append(w.buf, y[:]...), c[:]...)
	for r := range 16 {
		copy(e.recon.y.pix[(my*16+r)*e.recon.y.stride+mx*16:], y[r*16:r*16+16])
	}
	for r := range 8 {
		at := (my*8+r)*e.recon.cb.stride + mx*8
		copy(e.recon.cb.pix[at:], c[r*8:r*8+8])
		copy(e.recon.cr.pix[at:], c[64+r*8:64+r*8+8])
	}
	e.setTotals(mx, my, 16)
}

// setTotals notes the same number of coefficients for every block of a macroblock.
func (e *Encoder) setTotals(mx, my, n int) {
	for b := range 16 {
		e.totalY.set(mx*4+b&3, my*4+b>>2, n)
	}
	for b := range 4 {
		e.totalCb.set(mx*2+b&1, my*2+b>>1, n)
		e.totalCr.set(mx*2+b&1, my*2+b>>1, n)
	}
}

// totals remembers how many coefficients each 4 × 4 block of the picture has, with a border of blocks that are not
// there at the left and at the top.
type totals struct {
	n      []int8
	stride int
}

func newTotals(width, height int) totals {
	t := totals{n: make([]int8, (width+1)*(height+1)), stride: width + 1}
	for i := range t.stride {
		t.n[i] = -1
	}
	for i := 0; i < len(t.n); i += t.stride {
		t.n[i] = -1
	}
	return t
}

// reset sets every block to no coefficients, as in a picture of skipped macroblocks.
func (t *totals) reset() {
	for row := t.stride; row < len(t.n); row += t.stride {
		clear(t.n[row+1 : row+t.stride])
	}
}

func (t *totals) set(x, y, n int) { t.n[(y+1)*t.stride+x+1] = int8(n) }

// around is nC for the block at (x, y) (section 9.2.1).
func (t *totals) around(x, y int) int {
	left, top := int(t.n[(y+1)*t.stride+x]), int(t.n[y*t.stride+x+1])
	switch {
	case left >= 0 && top >= 0:
		return (left + top + 1) >> 1
	case left >= 0:
		return left
	case top >= 0:
		return top
	}
	return 0
}

// choose finds the prediction mode with the least difference and fills pred with it. size is 16 or 8.
func choose(recon, want *plane, mx, my, size int, pred []byte) (mode int) {
	best := int32(math.MaxInt32)
	var try [256]byte
	for _, m := range [3]int{predHorizontal, predVertical, predDC} {
		if m == predHorizontal && mx == 0 || m == predVertical && my == 0 {
			continue
		}
		predict(recon, mx, my, size, m, try[:size*size])
		sad := int32(0)
		for r := 0; r < size && sad < best; r++ {
			from := try[r*size:][:size]
			row := want.pix[(my*size+r)*want.stride+mx*size:][:len(from)]
			for i, p := range from {
				d := int32(row[i]) - int32(p)
				sad += max(d, -d)
			}
		}
		if sad < best {
			best, mode = sad, m
			copy(pred, try[:size*size])
			if sad < int32(size*size)/2 {
				break // what is left is less than rounding
			}
		}
	}
	return mode
}

// predict fills pred from the samples around the macroblock (sections 8.3.3 and 8.3.4).
func predict(recon *plane, mx, my, size, mode int, pred []byte) {
	at := my*size*recon.stride + mx*size
	switch mode {
	case predVertical:
		top := recon.pix[at-recon.stride:][:size]
		for r := range size {
			copy(pred[r*size:], top)
		}
	case predHorizontal:
		for r := range size {
			fill(pred[r*size:][:size], recon.pix[at+r*recon.stride-1])
		}
	case predDC:
		if size == 16 {
			fill(pred, recon.dc(at, mx > 0, my > 0, 0, 0, 16))
			return
		}
		for b := range 4 {
			x, y := b&1*4, b>>1*4
			left, top := mx > 0, my > 0
			// Off the diagonal one side is preferred to the mean of both (section 8.3.4.1–3).
			if b == 1 && top {
				left = false
			} else if b == 2 && left {
				top = false
			}
			v := recon.dc(at, left, top, x, y, 4)
			for r := range 4 {
				fill(pred[(y+r)*8+x:][:4], v)
			}
		}
	}
}

func fill(dst []byte, v byte) {
	for i := range dst {
		dst[i] = v
	}
}
