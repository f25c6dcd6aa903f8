package pattern

import (
	"math/rand/v2"
	"time"
)

// Encoder makes the pictures of one stream. It is not safe for use by several goroutines at once.
type Encoder struct {
	config            Config
	mbWidth, mbHeight int
	gop               uint64 // in pictures
	params            [][]byte
	number            uint64
	keys              uint32 // key frames so far

	scene   *scene
	canvas  image // what the picture should look like
	sent    image // what the canvas held when each macroblock was last coded
	recon   image // what a decoder has
	touched []bool

	vlc                      *cavlc
	totalY, totalCb, totalCr totals
	payload                  writer // of the slice, kept for its memory
	scanned                  [16]int32
	noise                    *noise
}

// New allocates an encoder and draws the background. It fails on a size or rate that cannot be drawn.
func New(config Config) (*Encoder, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	w, h := (config.Width+15)/16, (config.Height+15)/16
	e := &Encoder{
		config: config, mbWidth: w, mbHeight: h,
		gop:    uint64(gopLength(config)),
		params: [][]byte{makeSPS(config, w, h), makePPS()},
		canvas: newImage(w, h), sent: newImage(w, h), recon: newImage(w, h),
		touched: make([]bool, w*h),
		vlc:     newCAVLC(),
		totalY:  newTotals(w*4, h*4), totalCb: newTotals(w*2, h*2), totalCr: newTotals(w*2, h*2),
	}
	bottom := h
	if config.BitRate > 0 {
		e.noise = newNoise(config, int(e.gop), w, h)
		bottom -= e.noise.rows
	}
	e.scene = newScene(config, w, h, bottom)
	e.canvas.copyRect(&e.scene.back, rect{0, 0, w * 16, h * 16})
	return e, nil
}

// gopLength is the number of pictures from one key frame to the next.
func gopLength(c Config) int { return max(1, int(c.GOP.Seconds()*float64(c.FPS)+.5)) }

// Config is the configuration with defaults filled in.
func (e *Encoder) Config() Config { return e.config }

// Params are the SPS and the PPS, the same for the whole stream.
func (e *Encoder) Params() [][]byte { return e.params }

// Next draws and encodes the next picture, which shows the time wall in its location.
func (e *Encoder) Next(wall time.Time) Picture {
	p := Picture{Number: e.number, Wall: wall.Truncate(time.Microsecond), Key: e.number%e.gop == 0}
	e.number++
	e.scene.draw(&e.canvas, p.Number, p.Wall, e.touch)

	kind := byte(nalSlice)
	if p.Key {
		kind = nalIDR
		p.NALs = append(p.NALs, e.params...)
	}
	e.slice(p.Key, uint32(p.Number%e.gop))
	// One spare byte in 64 for emulation prevention is more than pictures need.
	nal := appendNAL(make([]byte, 0, len(e.payload.buf)+len(e.payload.buf)/64+8), 3, kind, e.payload.buf)
	p.NALs = append(p.NALs, makeSEI(p.Number, p.Wall), nal)
	for _, n := range p.NALs {
		p.Size += len(n)
	}
	return p
}

// touch marks the macroblocks of a rectangle as possibly changed.
func (e *Encoder) touch(r rect) {
	for my := r.y0 / 16; my < min((r.y1+15)/16, e.mbHeight); my++ {
		for mx := r.x0 / 16; mx < min((r.x1+15)/16, e.mbWidth); mx++ {
			e.touched[my*e.mbWidth+mx] = true
		}
	}
}

// slice codes the picture into e.payload: all of it when key is true, else what was touched and differs.
func (e *Encoder) slice(key bool, inGOP uint32) {
	w := &e.payload
	*w = writer{buf: w.buf[:0]}
	sliceHeader(w, key, inGOP&(1<<frameNumBits-1), e.keys&1)
	typeOffset := uint32(5)
	if key {
		e.keys++
		typeOffset = 0
	}
	for _, t := range []*totals{&e.totalY, &e.totalCb, &e.totalCr} {
		t.reset()
	}
	if e.noise != nil {
		e.noise.begin(key)
	}
	skipped := uint32(0)
	for my := range e.mbHeight {
		noisy := 0
		if e.noise != nil && my >= e.mbHeight-e.noise.rows {
			noisy = e.noise.span(e.mbWidth, len(w.buf))
		}
		for mx := range e.mbWidth {
			i := my*e.mbWidth + mx
			snow := mx < noisy
			if !key && !snow && (!e.touched[i] || e.canvas.same(&e.sent, mx, my)) {
				e.touched[i] = false
				skipped++
				continue
			}
			if !key {
				w.ue(skipped) // mb_skip_run
				skipped = 0
			}
			if snow {
				y, c := e.noise.next()
				e.pcm(w, mx, my, typeOffset, y, c)
				continue
			}
			e.intra(w, mx, my, typeOffset)
			e.touched[i] = false
			if !key {
				e.sent.copyRect(&e.canvas, rect{mx * 16, my * 16, mx*16 + 16, my*16 + 16})
			}
		}
	}
	if key {
		e.sent.copyRect(&e.canvas, rect{0, 0, e.mbWidth * 16, e.mbHeight * 16})
	}
	if skipped > 0 {
		w.ue(skipped)
	}
	w.trail()
	if e.noise != nil {
		e.noise.spent(len(w.buf))
	}
}

// noise fills a stream up to its bit rate with macroblocks of snow in the lowest rows.
type noise struct {
	rows           int
	perKey, perOne float64 // bytes that a key frame and another picture should have
	credit         float64 // bytes that the picture being coded should have
	rand           *rand.Rand
	luma           [256 * 64]byte
	chroma         [128 * 16]byte
}

// keyWeight is how much larger a key frame is than another picture, as with an encoder of a real camera.
const keyWeight = 6

// pcmBytes is the size of an I_PCM macroblock with its type.
const pcmBytes = 256 + 128 + 2

func newNoise(c Config, gop, mbWidth, mbHeight int) *noise {
	perGOP := float64(c.BitRate) / 8 * float64(gop) / float64(c.FPS)
	n := &noise{
		perOne: perGOP / float64(gop-1+keyWeight),
		rand:   rand.New(rand.NewPCG(uint64(c.Theme), uint64(len(c.Name)))),
	}
	n.perKey = keyWeight * n.perOne
	n.rows = min(int(n.perKey/pcmBytes)/mbWidth+1, mbHeight/2)
	for i := range n.luma {
		// No sample is 0, so that noise needs no emulation prevention.
		n.luma[i] = byte(32 + n.rand.IntN(64) + n.rand.IntN(64))
	}
	for i := range n.chroma {
		n.chroma[i] = byte(124 + n.rand.IntN(9))
	}
	return n
}

// span says how many macroblocks of a row are to be snow, given the size of the slice so far.
func (n *noise) span(mbWidth, bytes int) int {
	return min(max(int(n.credit-float64(bytes))/pcmBytes, 0), mbWidth)
}

// begin sets the goal of the next picture: its share, and what earlier ones left or took in advance.
func (n *noise) begin(key bool) {
	if key {
		n.credit += n.perKey
	} else {
		n.credit += n.perOne
	}
}

// spent is told how large the picture became.
func (n *noise) spent(bytes int) { n.credit = max(n.credit-float64(bytes), -n.perKey) }

// next returns the samples of a macroblock: luma, then both chroma components.
func (n *noise) next() (*[256]byte, *[128]byte) {
	r := n.rand.Uint32()
	y, c := r%(uint32(len(n.luma))-256), (r>>16)%(uint32(len(n.chroma))-128)
	return (*[256]byte)(n.luma[y:]), (*[128]byte)(n.chroma[c:])
}
