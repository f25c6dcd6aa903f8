package hub

import (
	"context"
	"errors"
	"sync"
	"time"

	"cardea/camera/frame"
)

// DefaultReaderBytes bounds the queue of a reader where ReaderConfig does not say otherwise.
const DefaultReaderBytes = 8 << 20

// ErrClosed is returned by Next when the reader or its hub was closed and nothing is queued. Stop reading.
var ErrClosed = errors.New("hub: closed")

// ErrInterrupted is returned by Next after Interrupt. The reader can be read on.
var ErrInterrupted = errors.New("hub: interrupted")

// ReaderConfig describes a reader. The zero value is a reader of everything from now on, to be polled.
type ReaderConfig struct {
	// Live says that a person is waiting: Next is woken at each frame, the hub's OnAttention counts this
	// reader, and when the queue is full the queued frames go, since old pictures are of no use to a viewer.
	// Otherwise the queue keeps what it has and new frames go, so that a clip ends where it can be decoded.
	Live bool
	// KeyFirst starts with a key frame: one from the cache where there is one. With it each new frame.Stream
	// starts with a key frame too; what comes before that is left out and not counted as dropped.
	KeyFirst bool
	// Preroll asks for that much of the past. The hub gives what its own Config lets it keep, from a key frame
	// on.
	Preroll time.Duration
	// MaxBytes bounds the memory that the queue keeps alive. 0 means DefaultReaderBytes. It is raised to twice
	// what the cache gives.
	MaxBytes int
}

// Drops tells what a reader lost because it did not keep up.
type Drops struct {
	// Frames and Bytes count since the reader was made.
	Frames, Bytes uint64
	// From is the capture time of the first frame lost in the latest run, Until that of the key frame at which
	// the reader went on. Until is zero while the run lasts; both are while nothing was lost.
	From, Until time.Time
}

// Reader is one consumer of a hub. One goroutine reads; Close and Dropped may be called from any.
type Reader struct {
	hub    *Hub
	config ReaderConfig
	wake   chan struct{} // holds at most one token; only live readers are sent one

	mu      sync.Mutex
	queue   ring
	stream  *frame.Stream // of the newest queued frame
	waiting bool          // for a key frame
	lost    bool          // waiting because frames were lost
	drops   Drops
	closed  bool
	// interrupted makes Next return.
	interrupted bool
}

// prime queues what the cache has. Only Subscribe calls it, before the reader is shared.
func (r *Reader) prime(c *cache) {
	for i := c.from(r.config.Preroll); i < c.n; i++ {
		f := c.at(i)
		r.queue.push(f)
		r.stream = f.Stream
	}
	// What it begins with must not fill the queue, or a viewer would lose his first picture to the second.
	r.config.MaxBytes = max(r.config.MaxBytes, 2*r.queue.bytes)
	if c.n > 0 {
		// A reduced group of pictures cannot be continued; the cache takes part in that by being broken.
		r.waiting = c.broken
		r.signal()
	}
}

// put is called by Publish.
func (r *Reader) put(f *frame.Frame) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	key := isKey(f)
	if r.config.KeyFirst && f.Stream != r.stream && !key {
		r.waiting = true
	}
	if r.waiting && !key {
		if r.lost {
			r.count(f)
		}
		return
	}
	if r.queue.bytes+cost(f) > r.config.MaxBytes {
		if r.config.Live {
			for r.queue.n > 0 {
				r.count(r.queue.pop())
			}
		}
		if !r.config.Live || !key || cost(f) > r.config.MaxBytes {
			r.count(f)
			r.waiting = true
			return
		}
	}
	if r.lost {
		r.lost, r.drops.Until = false, f.Wall
	}
	r.waiting, r.stream = false, f.Stream
	r.queue.push(f)
	r.signal()
}

func (r *Reader) count(f *frame.Frame) {
	if !r.lost {
		r.lost = true
		r.drops.From, r.drops.Until = f.Wall, time.Time{}
	}
	r.drops.Frames++
	r.drops.Bytes += uint64(f.Size)
}

func (r *Reader) signal() {
	if !r.config.Live {
		return
	}
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Drain appends all queued frames to dst and returns it. It does not wait.
func (r *Reader) Drain(dst []*frame.Frame) []*frame.Frame {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.queue.n > 0 {
		dst = append(dst, r.queue.pop())
	}
	return dst
}

// Next waits for a frame. It returns ErrClosed after the end, ErrInterrupted after Interrupt, and the context's error when that is done. Only
// live readers are woken; MUST NOT be called on others.
func (r *Reader) Next(ctx context.Context) (*frame.Frame, error) {
	for {
		r.mu.Lock()
		if r.interrupted {
			r.interrupted = false
			r.mu.Unlock()
			return nil, ErrInterrupted
		}
		if r.queue.n > 0 {
			f := r.queue.pop()
			r.mu.Unlock()
			return f, nil
		}
		closed := r.closed
		r.mu.Unlock()
		if closed {
			return nil, ErrClosed
		}
		select {
		case <-r.wake:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Dropped tells what was lost so far.
func (r *Reader) Dropped() Drops {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.drops
}

// end lets what is queued be read and then ends Next.
func (r *Reader) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.signal()
}

// Close ends the reader and lets go of its frames. Closing twice is harmless.
func (r *Reader) Close() {
	if r.config.Live {
		r.hub.attention.Lock()
		defer r.hub.attention.Unlock()
	}
	listed := r.hub.remove(r)
	r.end()
	r.mu.Lock()
	r.queue.clear()
	r.mu.Unlock()
	if listed && r.config.Live {
		r.hub.attend(-1)
	}
}

// Interrupt makes Next return ErrInterrupted, the one that waits or the next one. It may be called from any goroutine.
func (r *Reader) Interrupt() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.interrupted = true
	r.signal()
}
