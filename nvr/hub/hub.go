// Package hub hands the frames of one camera to everybody who wants them.
//
// A Hub is the fan-out of a camera: the camera publishes, a Reader is one consumer with a bounded queue of its
// own. Publishing never waits: a reader that does not keep up loses frames, which is counted, and goes on at a
// key frame. The hub also remembers the newest group of pictures, or as many seconds as pre-roll needs, so that
// a viewer has a picture at once and an event clip begins before the event.
//
// The package holds references to frames and never copies, changes or looks into their payload. It starts no
// goroutine.
package hub

import (
	"sync"
	"time"

	"cardea/camera/frame"
)

// DefaultCacheBytes bounds the cache where Config does not say otherwise: about 8 s of a 4 Mbit/s stream.
const DefaultCacheBytes = 4 << 20

// Config describes a hub. The zero value works.
type Config struct {
	// Preroll is how many seconds of the past are kept beyond the current group of pictures; see Subscribe.
	Preroll time.Duration
	// CacheBytes bounds the memory that the cache keeps alive. 0 means DefaultCacheBytes, less than 0 means
	// no cache at all. A group of pictures that is larger is reduced to its key frame.
	CacheBytes int
	// OnAttention, when set, is called with true when the first live reader comes and with false when the
	// last one has gone. Calls do not overlap. It MUST NOT subscribe to or close a reader of this hub.
	OnAttention func(live bool)
}

// Hub is the fan-out of one camera. All methods are safe for concurrent use.
type Hub struct {
	onAttention func(bool)

	mu      sync.Mutex // held for the time of some pointer copies only
	cache   cache
	readers []*Reader
	closed  bool

	attention sync.Mutex // orders the calls of onAttention; taken before mu, never by Publish
	live      int
}

// New returns a hub without readers.
func New(c Config) *Hub {
	h := &Hub{onAttention: c.OnAttention}
	h.cache.broken = true
	h.SetCache(c.Preroll, c.CacheBytes)
	return h
}

// SetCache changes what Config.Preroll and Config.CacheBytes said. Less takes effect at the next key frame,
// no cache at once.
func (h *Hub) SetCache(preroll time.Duration, maxBytes int) {
	if maxBytes == 0 {
		maxBytes = DefaultCacheBytes
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cache.keep, h.cache.maxBytes = preroll, maxBytes
	if maxBytes < 0 {
		h.cache.reset()
	}
}

// Publish gives a frame to all readers. It never blocks and, once the queues have grown to their working size,
// allocates nothing. The frame MUST NOT be changed any more. Frames have to come in the order of decoding.
func (h *Hub) Publish(f *frame.Frame) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cache.add(f)
	for _, r := range h.readers {
		r.put(f)
	}
}

// CachedBytes returns how much memory the cache keeps alive, payload and overhead.
func (h *Hub) CachedBytes() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.cache.bytes
}

// Subscribe adds a reader. The caller closes it. On a closed hub the reader is closed from the start.
func (h *Hub) Subscribe(c ReaderConfig) *Reader {
	if c.MaxBytes <= 0 {
		c.MaxBytes = DefaultReaderBytes
	}
	r := &Reader{hub: h, config: c, wake: make(chan struct{}, 1), waiting: c.KeyFirst}
	if c.Live {
		h.attention.Lock()
		defer h.attention.Unlock()
	}
	h.mu.Lock()
	if h.closed {
		r.closed = true
		h.mu.Unlock()
		return r
	}
	if c.KeyFirst || c.Preroll > 0 {
		r.prime(&h.cache)
	}
	h.readers = append(h.readers, r)
	h.mu.Unlock()
	if c.Live {
		h.attend(1)
	}
	return r
}

// attend counts live readers. The caller holds h.attention.
func (h *Hub) attend(n int) {
	before := h.live
	h.live += n
	if h.onAttention != nil && (before == 0) != (h.live == 0) {
		h.onAttention(h.live > 0)
	}
}

// remove takes a reader off the list and reports whether it was there.
func (h *Hub) remove(r *Reader) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, other := range h.readers {
		if other == r {
			last := len(h.readers) - 1
			h.readers[i], h.readers[last] = h.readers[last], nil
			h.readers = h.readers[:last]
			return true
		}
	}
	return false
}

// Close ends the hub: readers may still take what is queued for them and then get ErrClosed. Frames published
// later go nowhere. Readers have to be closed by their owners all the same.
func (h *Hub) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	h.cache.maxBytes = -1
	h.cache.reset()
	for _, r := range h.readers {
		r.end()
	}
}
