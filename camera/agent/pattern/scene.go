package pattern

import (
	"fmt"
	"math"
	"time"
)

// scene draws the picture: a sky with hills, on it a clock, the name and numbers, and a ball that bounces along.
// Everything that never changes is in back.
type scene struct {
	config Config
	theme  theme
	back   image
	unit   float64 // pixels for one of 720 lines, less where the picture is narrow

	clock, date, count *line
	ball               sprite
	ballAt             rect
	ground, apex       int // of the ball's upper edge
	bar                rect
	barAt              int
	strip              strip
}

func newScene(c Config, mbWidth, mbHeight, bottomMB int) *scene {
	s := &scene{
		config: c, theme: themes[((c.Theme%len(themes))+len(themes))%len(themes)],
		back: newImage(mbWidth, mbHeight),
		unit: min(float64(c.Height)/720, float64(c.Width)/1280),
	}
	bottom := min(bottomMB*16, c.Height)
	s.drawBackground(mbWidth*16, mbHeight*16, bottom)

	// The large clock stands on whole macroblocks where the picture is large enough, so that a digit touches few.
	grid := 2
	if s.unit >= .5 {
		grid = 16
	}
	align := func(v float64, to int) int { return int(v) / to * to }
	cellW, cellH := max(align(72*s.unit, grid), 4), max(align(128*s.unit, grid), 8)
	x := align(float64(c.Width-12*cellW)/2, grid)
	y := align(float64(bottom)*.2, grid)
	s.clock = newLine(x, y, cellW, cellH, 12, .055, s.theme.text)

	small, tall := max(align(24*s.unit, 2), 4), max(align(40*s.unit, 2), 8)
	barY := y + cellH + align(12*s.unit, 2)
	s.bar = rect{x, barY, x + 12*cellW, barY + max(align(8*s.unit, 2), 2)}
	textY := s.bar.y1 + align(14*s.unit, 2)
	s.date = newLine(x, textY, small, tall, 16, .06, s.theme.soft)
	s.count = newLine(x+12*cellW-9*small, textY, small, tall, 9, .06, s.theme.soft)

	margin := align(32*s.unit, 2)
	nameW, nameH := max(align(32*s.unit, 2), 4), max(align(52*s.unit, 2), 8)
	runes := []rune(c.Name)
	runes = runes[:min(len(runes), (c.Width-2*margin)/nameW)]
	name := newLine(margin, margin, nameW, nameH, len(runes), .065, s.theme.text)
	name.show(&s.back, &s.back, string(runes), func(rect) {})

	s.strip = newStrip(mbWidth, bottom)
	size := align(112*s.unit, 2)
	s.ball = newBall(max(size, 8), s.theme.ball)
	s.ground = s.strip.y - s.ball.size - align(24*s.unit, 2)
	s.apex = min(textY+tall+align(16*s.unit, 2), s.ground)
	return s
}

// draw updates the canvas for a picture and calls touch for each rectangle it may have changed.
func (s *scene) draw(to *image, number uint64, wall time.Time, touch func(rect)) {
	s.clock.show(to, &s.back, wall.Format("15:04:05.000"), touch)
	s.date.show(to, &s.back, fmt.Sprintf("%-16s", wall.Format("2006-01-02 MST")), touch)
	s.count.show(to, &s.back, fmt.Sprintf("%9s", fmt.Sprintf("#%d", number%1e8)), touch)

	// The bar fills in the course of a second.
	full := (s.bar.x1 - s.bar.x0) / 2
	s.fillBar(to, s.bar.x0+full*wall.Nanosecond()/1e9*2, touch)

	// One bounce takes a second and a quarter of the numbers' time, one crossing eight seconds, whatever the frame
	// rate; the ball turns back at the edges.
	t := float64(number) / float64(s.config.FPS)
	way := float64(s.config.Width - s.ball.size)
	x := int(way*math.Abs(math.Mod(t/8, 2)-1)) &^ 1
	phase := math.Mod(t/1.25, 1)*2 - 1
	y := (s.ground - int(float64(s.ground-s.apex)*(1-phase*phase))) &^ 1
	to.copyRect(&s.back, s.ballAt)
	touch(s.ballAt)
	s.ballAt = s.ball.put(to, x, y)
	touch(s.ballAt)

	s.strip.show(to, number, wall, s.theme, touch)
}

// fillBar moves the end of the bar to x.
func (s *scene) fillBar(to *image, x int, touch func(rect)) {
	switch {
	case x < s.barAt || s.barAt == 0:
		to.fill(rect{s.bar.x0, s.bar.y0, x, s.bar.y1}, s.theme.ball)
		to.fill(rect{x, s.bar.y0, s.bar.x1, s.bar.y1}, s.theme.hills[0])
		touch(s.bar)
	case x > s.barAt:
		r := rect{s.barAt, s.bar.y0, x, s.bar.y1}
		to.fill(r, s.theme.ball)
		touch(r)
	}
	s.barAt = x
}

// drawBackground draws sky and hills over the whole of the padded picture; the hills stand on bottom.
func (s *scene) drawBackground(width, height, bottom int) {
	ridge := func(layer int, x float64) float64 {
		x = x/float64(s.config.Width)*2*math.Pi + float64(layer)*1.7
		wave := .5*math.Sin(x*(1+.4*float64(layer))) + .3*math.Sin(2.3*x+1) + .1*math.Sin(5.1*x)
		return float64(bottom) * (.66 + .11*float64(layer) - .05*wave)
	}
	for y := range height {
		f := min(float64(y)/(float64(bottom)*.8), 1)
		s.back.fillRow(y, 0, width, s.theme.zenith.mix(s.theme.horizon, f*f))
	}
	for layer, c := range s.theme.hills {
		for x := range width {
			top := ridge(layer, float64(x))
			for y := int(top); y < height; y++ {
				// The pixel on the ridge is covered in part, so that the line is smooth.
				cover := min(max(float64(y)+1-top, 0), 1)
				shade := c.mix(s.theme.hills[len(s.theme.hills)-1], min((float64(y)-top)/float64(bottom)*1.5, 1)*.4)
				s.back.blend(x, y, shade, int(cover*255))
			}
		}
	}
}

// line is a row of characters of one size and colour.
type line struct {
	x, y, width, height int // of the first cell
	shown               []rune
	bold                float64
	color               color
	glyphs              map[rune]*mask
}

func newLine(x, y, width, height, n int, bold float64, c color) *line {
	return &line{
		x: x, y: y, width: width, height: height, shown: make([]rune, n), bold: bold, color: c,
		glyphs: make(map[rune]*mask),
	}
}

// show draws what differs from what is shown.
func (l *line) show(to, back *image, text string, touch func(rect)) {
	i := 0
	for _, r := range text {
		if i >= len(l.shown) {
			return
		}
		if l.shown[i] != r {
			l.shown[i] = r
			m := l.glyphs[r]
			if m == nil {
				m = drawGlyph(r, l.width, l.height, l.bold)
				l.glyphs[r] = m
			}
			touch(to.stamp(back, m, l.x+i*l.width, l.y, l.color))
		}
		i++
	}
}
