package pattern

import (
	"math"
	"strings"
	"unicode"
)

// strokes draws each character as lines between points of a grid of 5 × 7, column then row, with a space where the
// pen is lifted. They are drawn with a round pen, so corners come out soft.
var strokes = map[rune]string{
	'0': "10 30 41 45 36 16 05 01 10", '1': "11 20 26", '2': "01 10 30 41 42 06 46",
	'3': "01 10 30 41 42 33 23|33 44 45 36 16 05", '4': "36 30 04 44", '5': "40 00 02 32 43 45 36 16 05",
	'6': "41 30 10 01 05 16 36 45 44 33 13 04", '7': "00 40 16",
	'8': "10 30 41 42 33 13 02 01 10|13 04 05 16 36 45 44 33", '9': "05 16 36 45 41 30 10 01 02 13 33 42",
	'A': "06 02 20 42 46|04 44", 'B': "00 06 36 45 44 33 03|33 42 41 30 00", 'C': "41 30 10 01 05 16 36 45",
	'D': "00 06 26 44 42 20 00", 'E': "40 00 06 46|03 33", 'F': "40 00 06|03 33",
	'G': "41 30 10 01 05 16 36 45 43 23", 'H': "00 06|40 46|03 43", 'I': "10 30|20 26|16 36",
	'J': "40 45 36 16 05", 'K': "00 06|40 03 46", 'L': "00 06 46", 'M': "06 00 23 40 46", 'N': "06 00 46 40",
	'O': "10 30 41 45 36 16 05 01 10", 'P': "06 00 30 41 42 33 03", 'Q': "10 30 41 45 36 16 05 01 10|34 46",
	'R': "06 00 30 41 42 33 03|23 46", 'S': "41 30 10 01 02 13 33 44 45 36 16 05", 'T': "00 40|20 26",
	'U': "00 05 16 36 45 40", 'V': "00 26 40", 'W': "00 16 23 36 40", 'X': "00 46|40 06", 'Y': "00 23 40|23 26",
	'Z': "00 40 06 46", 'Ä': "06 02 20 42 46|04 44|00 00|40 40", 'Ö': "11 31 42 45 36 16 05 02 11|00 00|40 40",
	'Ü': "02 05 16 36 45 42|00 00|40 40",
	':': "22 22|25 25", '.': "26 26", ',': "25 16", '-': "13 33", '+': "13 33|22 24", '/': "06 40", '_': "06 46",
	'#': "10 16|30 36|02 42|04 44", '\'': "20 21", '(': "30 21 25 36", ')': "10 21 25 16", '!': "20 24|26 26",
	'&': "46 12 11 20 31 05 16 26 44", '?': "01 10 30 41 42 23 24|26 26",
}

// mask is a picture of a glyph: how much of each pixel the pen covers, 0 to 255. Sides are even.
type mask struct {
	width, height int
	luma          []byte
	chroma        []byte // the mean of each 2 × 2
}

// drawGlyph draws a character into a cell of the given even size, as high as the cell allows. A character that the
// font lacks is a gap.
func drawGlyph(r rune, width, height int, bold float64) *mask {
	m := &mask{width: width, height: height, luma: make([]byte, width*height), chroma: make([]byte, width*height/4)}
	pen := float64(height) * bold
	unitY := (float64(height) - 2*pen - 2) / 6
	// A seventh of the cell stays free, so that neighbours do not touch.
	unitX := min((float64(width)*6/7-2*pen)/4, unitY)
	left := (float64(width) - 4*unitX) / 2
	point := func(s string) (x, y float64) {
		return left + float64(s[0]-'0')*unitX, pen + 1 + float64(s[1]-'0')*unitY
	}
	for _, stroke := range strings.Split(strokes[unicode.ToUpper(r)], "|") {
		points := strings.Fields(stroke)
		for i := 1; i < len(points); i++ {
			x0, y0 := point(points[i-1])
			x1, y1 := point(points[i])
			m.line(x0, y0, x1, y1, pen)
		}
	}
	for y := 0; y < height; y += 2 {
		for x := 0; x < width; x += 2 {
			at := y*width + x
			sum := int(m.luma[at]) + int(m.luma[at+1]) + int(m.luma[at+width]) + int(m.luma[at+width+1])
			m.chroma[y/2*width/2+x/2] = byte(sum / 4)
		}
	}
	return m
}

// line draws with a round pen of radius pen: what counts is how far a pixel's centre is from the line.
func (m *mask) line(x0, y0, x1, y1, pen float64) {
	dx, dy := x1-x0, y1-y0
	length := dx*dx + dy*dy
	for y := max(0, int(min(y0, y1)-pen-1)); y < min(m.height, int(max(y0, y1)+pen+2)); y++ {
		for x := max(0, int(min(x0, x1)-pen-1)); x < min(m.width, int(max(x0, x1)+pen+2)); x++ {
			px, py := float64(x)+.5-x0, float64(y)+.5-y0
			t := 0.0
			if length > 0 {
				t = min(max((px*dx+py*dy)/length, 0), 1)
			}
			cover := pen + .5 - math.Hypot(px-t*dx, py-t*dy)
			v := byte(255 * min(max(cover, 0), 1))
			m.luma[y*m.width+x] = max(m.luma[y*m.width+x], v)
		}
	}
}
