package pattern

// plane is one colour component, whole macroblocks wide and high.
type plane struct {
	pix    []byte
	stride int
}

// image is a picture in 4:2:0.
type image struct{ y, cb, cr plane }

func newImage(mbWidth, mbHeight int) image {
	return image{
		y:  plane{make([]byte, mbWidth*16*mbHeight*16), mbWidth * 16},
		cb: plane{make([]byte, mbWidth*8*mbHeight*8), mbWidth * 8},
		cr: plane{make([]byte, mbWidth*8*mbHeight*8), mbWidth * 8},
	}
}

// planes lists the components with the shift from luma to their coordinates.
func (m *image) planes() [3]*plane { return [3]*plane{&m.y, &m.cb, &m.cr} }

// copyRect copies a rectangle, given in luma samples and even, from another picture of the same size.
func (m *image) copyRect(from *image, r rect) {
	for i, p := range m.planes() {
		src, r := from.planes()[i], r.in(i)
		for y := r.y0; y < r.y1; y++ {
			copy(p.pix[y*p.stride+r.x0:y*p.stride+r.x1], src.pix[y*p.stride+r.x0:])
		}
	}
}

// same reports whether a macroblock has the same samples in both pictures.
func (m *image) same(other *image, mx, my int) bool {
	for i, p := range m.planes() {
		q, size := other.planes()[i], 16
		if i > 0 {
			size = 8
		}
		for r := range size {
			at := (my*size+r)*p.stride + mx*size
			if string(p.pix[at:at+size]) != string(q.pix[at:at+size]) {
				return false
			}
		}
	}
	return true
}

// dc is the mean of the samples above and to the left of a square at (x, y) in the macroblock that starts at at.
func (p *plane) dc(at int, left, top bool, x, y, size int) byte {
	sum, n := 0, 0
	if top {
		for _, v := range p.pix[at-p.stride+x:][:size] {
			sum += int(v)
		}
		n += size
	}
	if left {
		for r := range size {
			sum += int(p.pix[at+(y+r)*p.stride-1])
		}
		n += size
	}
	if n == 0 {
		return 128
	}
	return byte((sum + n/2) / n)
}

// put adds a residual to the prediction at (x, y). Levels 1 to 15 of b are looked at if ac is true.
func (p *plane) put(x, y int, b *block, pred []byte, predStride int, ac bool) {
	if ac {
		b.rescaleAC()
		b.inverse()
	} else {
		v := (b[0] + 32) >> 6
		if v == 0 {
			for r := range 4 {
				copy(p.pix[(y+r)*p.stride+x:][:4], pred[r*predStride:][:4])
			}
			return
		}
		for i := range b {
			b[i] = v
		}
	}
	for r := range 4 {
		row, from, add := (*[4]byte)(p.pix[(y+r)*p.stride+x:]), (*[4]byte)(pred[r*predStride:]), (*[4]int32)(b[r*4:])
		for i := range row {
			v := int32(from[i]) + add[i]
			if uint32(v) > 255 {
				v = ^v >> 31 & 255
			}
			row[i] = byte(v)
		}
	}
}

// diff sets b to samples minus prediction and reports whether there is a difference.
func (b *block) diff(pix []byte, stride int, pred []byte, predStride int) bool {
	any := int32(0)
	for r := range 4 {
		row, from, to := (*[4]byte)(pix[r*stride:]), (*[4]byte)(pred[r*predStride:]), (*[4]int32)(b[r*4:])
		for i := range row {
			d := int32(row[i]) - int32(from[i])
			to[i] = d
			any |= d
		}
	}
	return any != 0
}

// rect is a rectangle in samples; x1 and y1 are not part of it.
type rect struct{ x0, y0, x1, y1 int }

// in is the rectangle in the coordinates of component i.
func (r rect) in(i int) rect {
	if i == 0 {
		return r
	}
	return rect{r.x0 / 2, r.y0 / 2, r.x1 / 2, r.y1 / 2}
}
