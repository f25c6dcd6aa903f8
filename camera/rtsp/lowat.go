package rtsp

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

const (
	// lazyFor is how much of the measured bit rate may gather in the socket while nobody watches.
	lazyFor = 250 * time.Millisecond
	// lazyWait bounds how long bytes below the mark may stay unread: RTCP, answers to keep-alives and the stall
	// detector are never further behind than this, however slow the camera becomes.
	lazyWait = 500 * time.Millisecond
	// minMark is below what is worth a mark; maxMark keeps clear of the receive window.
	minMark = 4 << 10
	maxMark = 192 << 10
)

// lowWater is a TCP connection whose reader is only woken when enough bytes wait (SO_RCVLOWAT, socket(7)).
// Wake-ups, not bytes, are what receiving costs. It acts on the socket, so it works below TLS as well.
type lowWater struct {
	*net.TCPConn

	mu   sync.Mutex
	mark int
}

// setMark sets the mark in bytes, 1 for none. A reader that sleeps is woken at once when it has become due.
func (l *lowWater) setMark(bytes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mark == bytes {
		return
	}
	raw, err := l.SyscallConn()
	if err != nil {
		return
	}
	if setLowWater(raw, bytes) != nil {
		bytes = 1 // A system without the option: each packet wakes the reader, nothing is lost but time.
	}
	l.mark = bytes
}

func (l *lowWater) markNow() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mark
}

// Read returns what is there as soon as the mark is reached or lazyWait is over.
func (l *lowWater) Read(p []byte) (int, error) {
	for {
		if l.markNow() > 1 {
			// Always ahead of now: an expired deadline would refuse to read what is there.
			if err := l.SetReadDeadline(time.Now().Add(lazyWait)); err != nil {
				return 0, err
			}
		} else if err := l.SetReadDeadline(time.Time{}); err != nil {
			return 0, err
		}
		// A non-blocking read takes what is there whatever the mark says; the mark only governs the waking.
		n, err := l.TCPConn.Read(p)
		if n == 0 && err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
			continue
		}
		return n, err
	}
}

// markFor is the mark for a bit rate.
func markFor(bytesPerSecond float64) int {
	mark := int(bytesPerSecond * lazyFor.Seconds())
	if mark < minMark {
		return 1
	}
	return min(mark, maxMark)
}
