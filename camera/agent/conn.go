package agent

import (
	"bytes"
	"net"
	"sync"
)

// conn is a connection that tells when an answer was sent: recorded media may follow the answer to PLAY, never come before it. The
// library writes each message with one call.
type conn struct {
	net.Conn
	mu   sync.Mutex
	then func()
}

// after has fn called once, when the next answer has been written.
func (c *conn) after(fn func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.then = fn
}

// disarm takes that back, and says whether there was something to take back.
func (c *conn) disarm() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	armed := c.then != nil
	c.then = nil
	return armed
}

func (c *conn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if err == nil && bytes.HasPrefix(p, []byte("RTSP/")) {
		c.mu.Lock()
		then := c.then
		c.then = nil
		c.mu.Unlock()
		if then != nil {
			then()
		}
	}
	return n, err
}

// listener makes conns of the connections of another listener.
type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c}, nil
}
