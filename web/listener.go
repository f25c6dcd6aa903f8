package web

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// connsPerAddress is how many connections one address may hold. A browser opens six and one WebSocket.
	connsPerAddress = 64
	// connsTotal bounds the memory that connections take.
	connsTotal = 1024
	// writeStall is how long a client may accept no byte at all before it is dropped.
	writeStall = 20 * time.Second
)

// Limit wraps a TCP listener, below TLS: it bounds the connections of one address and of all, and gives each write
// a deadline of its own, so that a slow client may take as long as it likes for a clip but one that stops reading
// is dropped.
func Limit(ln net.Listener) net.Listener {
	return &limitListener{Listener: ln, open: map[netip.Prefix]int{}}
}

type limitListener struct {
	net.Listener

	mu    sync.Mutex
	open  map[netip.Prefix]int
	total int
}

func (l *limitListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		addr, _ := addrOf(conn.RemoteAddr())
		n := network(addr)
		if l.take(n) {
			return &limitConn{Conn: conn, release: sync.OnceFunc(func() { l.give(n) })}, nil
		}
		conn.Close()
	}
}

func (l *limitListener) take(n netip.Prefix) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.total >= connsTotal || l.open[n] >= connsPerAddress {
		return false
	}
	l.total++
	l.open[n]++
	return true
}

func (l *limitListener) give(n netip.Prefix) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total--
	if l.open[n]--; l.open[n] == 0 {
		delete(l.open, n)
	}
}

type limitConn struct {
	net.Conn
	release  func()
	deadline atomic.Int64 // for writes as the layers above set it, in Unix nanoseconds; 0 = none
}

func (c *limitConn) SetDeadline(t time.Time) error {
	c.note(t)
	return c.Conn.SetDeadline(t)
}

func (c *limitConn) SetWriteDeadline(t time.Time) error {
	c.note(t)
	return c.Conn.SetWriteDeadline(t)
}

func (c *limitConn) note(t time.Time) {
	if t.IsZero() {
		c.deadline.Store(0)
	} else {
		c.deadline.Store(t.UnixNano())
	}
}

func (c *limitConn) Write(b []byte) (int, error) {
	stall := time.Now().Add(writeStall)
	if set := c.deadline.Load(); set == 0 || set > stall.UnixNano() {
		if err := c.Conn.SetWriteDeadline(stall); err != nil {
			return 0, err
		}
	}
	return c.Conn.Write(b)
}

func (c *limitConn) Close() error {
	c.release()
	return c.Conn.Close()
}
