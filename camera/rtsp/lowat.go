package rtsp

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// lazyFor is how much of the measured bit rate may gather in the socket while nobody watches, pulledFor while
	// somebody pulls as well: then the mark is only a net below Pull.
	lazyFor   = 250 * time.Millisecond
	pulledFor = 1500 * time.Millisecond
	// minMark is below what is worth a mark; the others keep clear of the receive window.
	minMark       = 4 << 10
	maxMark       = 192 << 10
	maxPulledMark = 1 << 20
)

// errAgain says that nothing is there now. It is a timeout, which crypto/tls knows not to be the end.
var errAgain = os.ErrDeadlineExceeded

// lowWater is a TCP connection whose reader is only woken when enough bytes wait (SO_RCVLOWAT, socket(7)).
// Wake-ups, not bytes, are what receiving costs. It acts on the socket, so it works below TLS as well.
//
// Read blocks like any other until async is set; from then on it returns errAgain instead, and wait blocks.
type lowWater struct {
	*net.TCPConn
	raw   syscall.RawConn
	async atomic.Bool
	// try reads into p; it is made once, so that reading does not allocate. Asynchronous reads are never made at
	// the same time: demux sees to that.
	try func(fd uintptr)
	p   []byte
	n   int
	err error

	mu   sync.Mutex
	mark int
}

func newLowWater(c *net.TCPConn) (*lowWater, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	l := &lowWater{TCPConn: c, raw: raw, mark: 1}
	l.try = func(fd uintptr) { l.n, l.err = tryRead(fd, l.p) }
	return l, nil
}

// setMark sets the mark in bytes, 1 for none. A reader that sleeps is woken at once when it has become due.
func (l *lowWater) setMark(bytes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mark == bytes {
		return
	}
	if setLowWater(l.raw, bytes) != nil {
		bytes = 1 // A system without the option: each packet wakes the reader, nothing is lost but time.
	}
	l.mark = bytes
}

func (l *lowWater) markNow() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mark
}

// Read takes what is there, whatever the mark says: that only governs the waking.
func (l *lowWater) Read(p []byte) (int, error) {
	if !l.async.Load() {
		return l.TCPConn.Read(p)
	}
	l.p = p
	if err := l.raw.Control(l.try); err != nil {
		return 0, err
	}
	n, err := l.n, l.err
	switch {
	case errors.Is(err, syscall.EAGAIN):
		return 0, errAgain
	case err != nil:
		return 0, err
	case n == 0 && len(p) > 0:
		return 0, io.EOF
	}
	return n, nil
}

// wait calls ready until it reports true: at once, and each time that the mark is reached. wake ends it.
func (l *lowWater) wait(ready func(fd uintptr) bool) error { return l.raw.Read(ready) }

// wake makes wait return errAgain, the next one if none is under way; calm takes that back.
func (l *lowWater) wake() { _ = l.SetReadDeadline(time.Unix(1, 0)) }
func (l *lowWater) calm() { _ = l.SetReadDeadline(time.Time{}) }

// markFor is the mark for a bit rate.
func markFor(bytesPerSecond float64, pulled bool) int {
	period, most := lazyFor, maxMark
	if pulled {
		period, most = pulledFor, maxPulledMark
	}
	mark := int(bytesPerSecond * period.Seconds())
	if mark < minMark {
		return 1
	}
	return min(mark, most)
}
