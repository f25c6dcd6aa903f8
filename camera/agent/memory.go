package agent

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"time"

	"cardea/camera/frame"
)

const (
	// remember is how much of the past a memory keeps at most.
	remember = 10 * time.Minute
	// recordHead is what each access unit costs beside its bytes, nalHead each NAL unit of it.
	recordHead = 4 + 1 + 8 + 8 + 4
	nalHead    = 4
)

// memory keeps the newest coded media of a stream, from a key frame on, so that an NVR which was away can fetch what it missed. It
// is one ring of bytes outside of the garbage collector's heap, which would otherwise take twice as much; pages are used as they
// are first written. Its methods may be called from any goroutine.
type memory struct {
	mu   sync.Mutex
	ring []byte
	// Offsets count all bytes ever written; a byte is at its offset modulo the size of the ring.
	head int64
	gops []gop // that are there, the oldest first
	// broken: what follows the newest group was left out, so nothing is kept up to the next key frame.
	broken bool
	newest int64 // stamp of the newest access unit
	life   uint64
	grown  chan struct{} // closed and made anew when something was added
	closed bool
}

// gop is where a group of pictures begins, and when it was captured.
type gop struct{ at, stamp int64 }

// record is one access unit as it is kept. Its payload is the reader's own.
type record struct {
	track    int
	key      bool
	stamp    int64
	dts, pts int64
	payload  [][]byte
}

// newMemory allocates address space, not memory yet.
func newMemory(size int64) (*memory, error) {
	ring, err := syscall.Mmap(-1, 0, int(size), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("%d bytes of memory for what the NVR may miss: %w; ask for less with --memory", size, err)
	}
	return &memory{ring: ring, life: newLife(), broken: true, grown: make(chan struct{})}, nil
}

// newLife draws the name of a run; 0 is none.
func newLife() uint64 { return max(1, rand.Uint64()) }

// close gives the memory back.
func (m *memory) close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	m.closed, m.gops = true, nil
	close(m.grown)
	return syscall.Munmap(m.ring)
}

// forget drops everything and begins another life: what follows has other tracks.
func (m *memory) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gops, m.broken, m.life = nil, true, newLife()
}

// name is the life.
func (m *memory) name() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.life
}

// add keeps a copy of an access unit. The oldest groups of pictures make room for it.
func (m *memory) add(f *frame.Frame, stamp int64) {
	size := int64(recordHead)
	for _, nal := range f.Payload {
		size += nalHead + int64(len(nal))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return
	}
	begins := f.Key && f.Video()
	if begins {
		m.broken = false
		m.gops = append(m.gops, gop{m.head, stamp})
	}
	if m.broken {
		return
	}
	for len(m.gops) > 1 && m.gops[1].stamp <= stamp-remember.Microseconds() {
		m.gops = m.gops[1:]
	}
	for len(m.gops) > 0 && m.head+size-m.gops[0].at > int64(len(m.ring)) {
		m.gops = m.gops[1:]
	}
	if len(m.gops) == 0 {
		m.broken = true // a group larger than the memory
		return
	}
	head := make([]byte, 0, recordHead)
	head = binary.BigEndian.AppendUint32(head, uint32(size))
	flags := byte(f.Track) << 1
	if f.Key {
		flags |= 1
	}
	head = append(head, flags)
	head = binary.BigEndian.AppendUint64(head, uint64(stamp))
	head = binary.BigEndian.AppendUint64(head, uint64(f.DTS))
	head = binary.BigEndian.AppendUint32(head, uint32(f.PTS-f.DTS))
	m.write(head)
	for _, nal := range f.Payload {
		m.write(binary.BigEndian.AppendUint32(head[:0], uint32(len(nal))))
		m.write(nal)
	}
	m.newest = stamp
	close(m.grown)
	m.grown = make(chan struct{})
}

func (m *memory) write(p []byte) {
	for len(p) > 0 {
		n := copy(m.ring[m.head%int64(len(m.ring)):], p)
		m.head += int64(n)
		p = p[n:]
	}
}

// kept is what is there: the stamps of the oldest key frame and of the newest access unit. ok is false for nothing.
func (m *memory) kept() (oldest, newest int64, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.gops) == 0 {
		return 0, 0, false
	}
	return m.gops[0].stamp, m.newest, true
}

// seek finds the last key frame that is not after stamp: where it is, and its own stamp. ok is false when that is gone, or is not there
// yet.
func (m *memory) seek(stamp int64) (at, begin int64, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if stamp > m.newest {
		return 0, 0, false
	}
	for i := len(m.gops) - 1; i >= 0; i-- {
		if m.gops[i].stamp <= stamp {
			return m.gops[i].at, m.gops[i].stamp, true
		}
	}
	return 0, 0, false
}

// next reads the access unit at an offset that seek or next gave, in the life that was asked for. When it is not there yet, wait is
// closed once it may be. gone says that it has made room for others, or that the life is over.
func (m *memory) next(at int64, life uint64) (r record, after int64, wait <-chan struct{}, gone bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closed, m.life != life, len(m.gops) == 0, at < m.gops[0].at:
		return record{}, 0, nil, true
	case at >= m.head:
		return record{}, 0, m.grown, false
	}
	head := m.read(at, recordHead)
	size := int64(binary.BigEndian.Uint32(head))
	r = record{
		track: int(head[4] >> 1), key: head[4]&1 != 0, stamp: int64(binary.BigEndian.Uint64(head[5:])),
		dts: int64(binary.BigEndian.Uint64(head[13:])),
	}
	r.pts = r.dts + int64(int32(binary.BigEndian.Uint32(head[21:])))
	body := m.read(at+recordHead, size-recordHead)
	for len(body) > 0 {
		n := nalHead + int(binary.BigEndian.Uint32(body))
		r.payload = append(r.payload, body[nalHead:n:n])
		body = body[n:]
	}
	return r, at + size, nil, false
}

// read copies bytes out of the ring.
func (m *memory) read(at, n int64) []byte {
	out := make([]byte, n)
	for got := int64(0); got < n; {
		got += int64(copy(out[got:], m.ring[(at+got)%int64(len(m.ring)):]))
	}
	return out
}

// stamper gives the times of capture of one track, by a clock that nobody sets: the machine's time of day when the agent began, and
// what has passed since.
type stamper struct {
	begun     bool
	last, dts int64
}

const (
	// stampJump is how far times of capture and the source's may drift apart before the source is taken to have jumped.
	stampJump = 500 * time.Millisecond
	// stampFollow is the share of a difference that is followed with each access unit.
	stampFollow = 64
)

// next is the stamp of an access unit that was captured at, in microseconds, as exactly as that is known; dts and rate are its time by
// the source, which knows distances better.
func (s *stamper) next(at, dts int64, rate int) int64 {
	stamp := at
	if s.begun {
		expected := s.last + (dts-s.dts)*1e6/int64(rate)
		if diff := at - expected; diff < stampJump.Microseconds() && diff > -stampJump.Microseconds() {
			stamp = expected + diff/stampFollow
		}
		stamp = max(stamp, s.last+1)
	}
	s.begun, s.last, s.dts = true, stamp, dts
	return stamp
}

// captured is when a frame was captured, in microseconds since 1970 by the clock described at stamper.
func captured(begin time.Time, f *frame.Frame) int64 {
	now := time.Now()
	at := begin.Round(0).Add(now.Sub(begin)) // monotonic
	// How long ago that was is a difference of two readings of the time of day, made one after the other.
	if ago := now.Round(0).Sub(f.Wall.Round(0)); ago > 0 && ago < 2*time.Second {
		at = at.Add(-ago)
	}
	return at.UnixMicro()
}
