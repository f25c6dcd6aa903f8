package pattern

import "time"

// The strip is a row of macroblocks at the lower edge by which a program that sees decoded pixels only, such as a
// page in a browser, can tell which picture it has: two marks, dark then light, then StripBits bits of the picture
// number and StripBits bits of the time in milliseconds since 1970, most significant first. Light is 1.
const (
	// StripBits is the number of bits of each of the two numbers.
	StripBits = 24
	stripMark = 2
	stripAll  = stripMark + 2*StripBits
)

// StripCell returns the middle of cell i of the strip in a picture of the given configuration, in pixels, and
// whether the picture is wide enough to have one. Cells 0 and 1 are the dark and the light mark.
func StripCell(c Config, i int) (x, y int, ok bool) {
	c, err := c.withDefaults()
	if err != nil {
		return 0, 0, false
	}
	e := Encoder{mbWidth: (c.Width + 15) / 16, mbHeight: (c.Height + 15) / 16}
	bottom := c.Height
	if c.BitRate > 0 {
		bottom = min(bottom, (e.mbHeight-newNoise(c, gopLength(c), e.mbWidth, e.mbHeight).rows)*16)
	}
	s := newStrip(e.mbWidth, bottom)
	return s.x + i*16 + 8, s.y + 8, s.cells == stripAll && i >= 0 && i < stripAll
}

// strip is where it is in one picture. cells is 0 where there is no room.
type strip struct {
	x, y, cells int
	shown       [stripAll]byte // 1 + what each cell shows
}

func newStrip(mbWidth, bottom int) strip {
	// The last row of macroblocks may be cut off, so it is the last whole one.
	s := strip{y: bottom/16*16 - 16}
	if mbWidth >= stripAll+2 {
		s.cells, s.x = stripAll, (mbWidth-stripAll)/2*16
	}
	return s
}

func (s *strip) show(to *image, number uint64, wall time.Time, t theme, touch func(rect)) {
	ms := uint64(wall.UnixMilli())
	for i := range s.cells {
		bit := byte(i & 1) // the marks
		if n := i - stripMark; n >= StripBits {
			bit = byte(ms >> (2*StripBits - 1 - n) & 1)
		} else if n >= 0 {
			bit = byte(number >> (StripBits - 1 - n) & 1)
		}
		if s.shown[i] == bit+1 {
			continue
		}
		s.shown[i] = bit + 1
		c := t.hills[2].mix(rgb(0), .5)
		if bit == 1 {
			c = t.soft
		}
		r := rect{s.x + i*16, s.y, s.x + i*16 + 16, s.y + 16}
		to.fill(r, c)
		touch(r)
	}
}
