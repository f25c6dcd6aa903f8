package pattern

import "math"

// color is a sample of each component: Y, Cb, Cr of BT.709 in limited range.
type color [3]float64

// rgb converts a colour written as 0xRRGGBB.
func rgb(v uint32) color {
	r, g, b := float64(v>>16&255)/255, float64(v>>8&255)/255, float64(v&255)/255
	y := .2126*r + .7152*g + .0722*b
	return color{16 + 219*y, 128 + 224*(b-y)/1.8556, 128 + 224*(r-y)/1.5748}
}

// mix goes from c to d as f goes from 0 to 1.
func (c color) mix(d color, f float64) color {
	for i := range c {
		c[i] += (d[i] - c[i]) * f
	}
	return c
}

// theme is a set of colours.
type theme struct {
	zenith, horizon  color
	hills            [3]color // far to near
	ball, text, soft color
}

var themes = [...]theme{
	{ // dusk
		rgb(0x1b2a52), rgb(0xe39a78), [3]color{rgb(0x6d5578), rgb(0x4a3a5e), rgb(0x2a2140)},
		rgb(0xffcf70), rgb(0xffffff), rgb(0xdfe4f2),
	},
	{ // morning
		rgb(0x1f5f8f), rgb(0xb9dfe6), [3]color{rgb(0x6fa58c), rgb(0x467e69), rgb(0x24503f)},
		rgb(0xff8a55), rgb(0xffffff), rgb(0xeaf6f6),
	},
	{ // night
		rgb(0x0a1028), rgb(0x3a4d80), [3]color{rgb(0x2a3b66), rgb(0x1d2a4e), rgb(0x111a36)},
		rgb(0xf1efdc), rgb(0xffffff), rgb(0xc3cfee),
	},
	{ // desert
		rgb(0x40305c), rgb(0xf2b56b), [3]color{rgb(0xb0694f), rgb(0x7e4443), rgb(0x4b2a36)},
		rgb(0x7fd6c2), rgb(0xffffff), rgb(0xf6e9df),
	},
}

// sample rounds a colour to what a component holds.
func (c color) sample(i int) byte { return byte(math.Round(c[i])) }

// fillRow sets one row of luma, and of chroma where the row is even.
func (m *image) fillRow(y, x0, x1 int, c color) {
	fill(m.y.pix[y*m.y.stride+x0:y*m.y.stride+x1], c.sample(0))
	if y&1 == 0 {
		for i, p := range []*plane{&m.cb, &m.cr} {
			fill(p.pix[y/2*p.stride+x0/2:y/2*p.stride+x1/2], c.sample(i+1))
		}
	}
}

// fill sets a rectangle.
func (m *image) fill(r rect, c color) {
	for y := r.y0; y < r.y1; y++ {
		m.fillRow(y, r.x0, r.x1, c)
	}
}

// blend puts a colour over one pixel, alpha out of 255; chroma follows the even pixels.
func (m *image) blend(x, y int, c color, alpha int) {
	for i, p := range m.planes() {
		if i > 0 && (x|y)&1 != 0 {
			return
		}
		at := y*p.stride + x
		if i > 0 {
			at = y/2*p.stride + x/2
		}
		p.pix[at] = over(p.pix[at], c.sample(i), alpha)
	}
}

// over is b where alpha is 0 and v where it is 255.
func over(b, v byte, alpha int) byte {
	return byte((int(b)*(255-alpha) + int(v)*alpha + 127) / 255)
}

// stamp draws a mask in a colour on what back has at (x, y), which is even, cut off at the edges.
func (m *image) stamp(back *image, k *mask, x, y int, c color) rect {
	for i, p := range m.planes() {
		alpha, width, height, x, y := k.luma, k.width, k.height, x, y
		if i > 0 {
			alpha, width, height, x, y = k.chroma, width/2, height/2, x/2, y/2
		}
		from, v := back.planes()[i], c.sample(i)
		for r := range min(height, len(p.pix)/p.stride-y) {
			at := (y+r)*p.stride + x
			for i, a := range alpha[r*width:][:min(width, p.stride-x)] {
				p.pix[at+i] = over(from.pix[at+i], v, int(a))
			}
		}
	}
	return rect{x, y, min(x+k.width, m.y.stride), y + k.height}
}

// sprite is a small picture with an outline.
type sprite struct {
	size  int
	image [3][]byte
	alpha [2][]byte // for luma and for chroma
}

// newBall draws a shaded ball. size is even.
func newBall(size int, c color) sprite {
	s := sprite{size: size}
	light, dark := c.mix(rgb(0xffffff), .55), c.mix(rgb(0x000000), .45)
	for i := range s.image {
		step := min(i+1, 2)
		n := size / step
		s.image[i] = make([]byte, n*n)
		alpha := make([]byte, n*n)
		for y := range n {
			for x := range n {
				px := (float64(x)+.5)*float64(step)/float64(size)*2 - 1
				py := (float64(y)+.5)*float64(step)/float64(size)*2 - 1
				// Light falls from the upper left: the farther from there, the darker.
				far := math.Hypot(px+.4, py+.45) / 1.6
				shade := light.mix(c, min(far*2, 1)).mix(dark, max(far*2-1, 0))
				s.image[i][y*n+x] = shade.sample(i)
				edge := (1 - math.Hypot(px, py)) * float64(n) / 2
				alpha[y*n+x] = byte(255 * min(max(edge+.5, 0), 1))
			}
		}
		s.alpha[min(i, 1)] = alpha
	}
	return s
}

// put draws the sprite over what is there at (x, y), which is even.
func (s *sprite) put(to *image, x, y int) rect {
	for i, p := range to.planes() {
		n, x, y := s.size, x, y
		if i > 0 {
			n, x, y = n/2, x/2, y/2
		}
		for r := range n {
			at := (y+r)*p.stride + x
			for i2, v := range s.image[i][r*n:][:n] {
				p.pix[at+i2] = over(p.pix[at+i2], v, int(s.alpha[min(i, 1)][r*n+i2]))
			}
		}
	}
	return rect{x, y, x + s.size, y + s.size}
}
