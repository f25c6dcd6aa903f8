package hub

import (
	"time"

	"cardea/camera/frame"
)

// cache remembers the newest pictures from a key frame on, so that a new reader sees something at once. It
// holds references only. Its first frame is always a key frame of video.
type cache struct {
	ring
	keep     time.Duration // pre-roll: the first GOP begins at least this long before the newest frame
	maxBytes int           // 0 means that nothing is kept

	stream *frame.Stream // of the newest GOP
	// broken is true from the moment on at which frames that belong to the newest GOP were left out. They
	// cannot be decoded without each other, so everything up to the next key frame is left out as well.
	broken bool
	keys   int // number of key frames in the ring
}

func isKey(f *frame.Frame) bool { return f.Key && f.Video() }

func (c *cache) add(f *frame.Frame) {
	if c.maxBytes <= 0 {
		return
	}
	if isKey(f) {
		c.stream, c.broken = f.Stream, false
		c.push(f)
		c.keys++
		c.trim(f.Wall)
	} else {
		if c.broken || c.n == 0 || f.Stream != c.stream {
			return
		}
		c.push(f)
	}
	for c.bytes > c.maxBytes && c.keys > 1 {
		c.dropGOP()
	}
	if c.bytes > c.maxBytes {
		c.shrink()
	}
}

// trim drops what is older than the pre-roll asks for: the first GOP goes when the one behind it still begins
// early enough.
func (c *cache) trim(now time.Time) {
	for c.keys > 1 {
		second := 1
		for !isKey(c.at(second)) {
			second++
		}
		if c.at(second).Wall.After(now.Add(-c.keep)) {
			return
		}
		c.dropGOP()
	}
}

func (c *cache) dropGOP() {
	c.pop()
	c.keys--
	for c.n > 0 && !isKey(c.at(0)) {
		c.pop()
	}
}

// shrink is called when one GOP alone is too large. The key frame stays, because a still picture is better
// than none; the rest waits for the next key frame.
func (c *cache) shrink() {
	key := c.at(0)
	c.reset()
	if cost(key) <= c.maxBytes {
		c.push(key)
		c.keys, c.stream = 1, key.Stream
	}
}

func (c *cache) reset() {
	c.clear()
	c.keys, c.broken, c.stream = 0, true, nil
}

// from returns the index of the last key frame that is at least preroll older than the newest frame, or of
// the oldest one where none is.
func (c *cache) from(preroll time.Duration) int {
	if c.n == 0 {
		return 0
	}
	start := c.at(c.n - 1).Wall.Add(-preroll)
	for i := c.n - 1; i > 0; i-- {
		if f := c.at(i); isKey(f) && !f.Wall.After(start) {
			return i
		}
	}
	return 0
}
