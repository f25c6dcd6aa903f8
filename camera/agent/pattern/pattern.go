// Package pattern writes the test picture of the virtual camera: an H.264 stream with a running clock, a frame
// number and a ball in a landscape, made without a codec library.
//
// It owns the drawing (scene), the small encoder (Constrained Baseline, intra macroblocks where the picture
// changes and skipped ones elsewhere) and the SEI message by which a receiver can tell which picture it holds and
// when it was taken. It never opens a socket, reads a clock or starts a goroutine: the caller says what time it is.
package pattern

import (
	"fmt"
	"time"
)

// Config describes a pattern. The zero value is a picture of 1280 × 720 at 25 frames a second.
type Config struct {
	// Width and Height are in pixels, even, from 96 to 4096. 0 means 1280 and 720. They need not be multiples
	// of 16.
	Width, Height int
	// FPS is the number of pictures a second, 1 to 120. 0 means 25. It is written into the stream and decides
	// how often a key frame comes; the caller does the pacing.
	FPS int
	// GOP is the time between key frames, at least one picture. 0 means 2 s.
	GOP time.Duration
	// Name is shown in the picture. Letters are shown as capitals; what the font lacks is shown as a gap.
	Name string
	// Theme chooses the colours; any number is valid.
	Theme int
	// BitRate is the average to reach in bits a second, by a strip of noise at the lower edge. 0 means no
	// noise, and as few bits as the picture needs. A rate below those is not reached.
	BitRate int
}

// Picture is one access unit.
type Picture struct {
	// NALs are the NAL units without start codes: SPS and PPS before a key frame, then always one SEI, then
	// one slice. They belong to the caller.
	NALs [][]byte
	// Size is the number of bytes in NALs.
	Size int
	// Key is true for an IDR picture.
	Key bool
	// Number counts pictures from 0. It is also in the picture and in the SEI.
	Number uint64
	// Wall is the time the caller gave, to the microsecond. It is also in the picture and in the SEI.
	Wall time.Time
}

// AnnexB appends the picture as a byte stream with start codes (ITU-T H.264 annex B) and returns the longer slice.
func (p *Picture) AnnexB(to []byte) []byte {
	for _, nal := range p.NALs {
		to = append(to, 0, 0, 0, 1)
		to = append(to, nal...)
	}
	return to
}

// withDefaults fills what is zero and says what cannot be drawn.
func (c Config) withDefaults() (Config, error) {
	if c.Width == 0 && c.Height == 0 {
		c.Width, c.Height = 1280, 720
	}
	if c.FPS == 0 {
		c.FPS = 25
	}
	if c.GOP == 0 {
		c.GOP = 2 * time.Second
	}
	switch {
	case c.Width < 96 || c.Height < 96 || c.Width > 4096 || c.Height > 4096 || c.Width%2+c.Height%2 != 0:
		return c, fmt.Errorf("a test picture of %d × %d: sides must be even and from 96 to 4096", c.Width, c.Height)
	case c.FPS < 1 || c.FPS > 120:
		return c, fmt.Errorf("a test picture at %d frames a second: must be from 1 to 120", c.FPS)
	case c.GOP < 0 || c.BitRate < 0:
		return c, fmt.Errorf("a test picture with a negative GOP or bit rate")
	}
	return c, nil
}
