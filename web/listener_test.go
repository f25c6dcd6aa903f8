package web

import (
	"net"
	"os"
	"testing"
	"time"
)

// TestLimitBoundsConnections is attack case 54 of docs/attacks.md.
func TestLimitBoundsConnections(t *testing.T) {
	t.Parallel()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	ln := Limit(inner).(*limitListener)
	accepted := make(chan net.Conn, 2*connsPerAddress)
	go func() {
		defer close(accepted)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			accepted <- conn
		}
	}()
	defer func() {
		check(t, ln.Close())
		for conn := range accepted {
			conn.Close()
		}
	}()
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", inner.Addr().String())
		check(t, err)
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	var one net.Conn
	for range connsPerAddress {
		dial()
		one = <-accepted
	}
	over := dial()
	check(t, over.SetReadDeadline(time.Now().Add(time.Minute)))
	if _, err := over.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Errorf("one connection too many stays open: %v", err)
	}
	check(t, one.Close())
	_ = one.Close() // twice counts once
	dial()
	(<-accepted).Close()
	eventually(t, "the count to fall", func() bool {
		ln.mu.Lock()
		defer ln.mu.Unlock()
		return ln.total == connsPerAddress-1
	})
}

// TestDeadlineOfTheLayersAbove: the stall deadline never extends one that was set from above.
// Attack case 53 of docs/attacks.md.
func TestDeadlineOfTheLayersAbove(t *testing.T) {
	t.Parallel()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	ln := Limit(inner)
	defer ln.Close()
	peer, err := net.Dial("tcp", inner.Addr().String())
	check(t, err)
	defer peer.Close()
	conn, err := ln.Accept()
	check(t, err)
	defer conn.Close()
	check(t, conn.SetDeadline(time.Unix(1, 0)))
	if _, err := conn.Write([]byte("x")); !os.IsTimeout(err) {
		t.Errorf("a write after its deadline: %v", err)
	}
	check(t, conn.SetWriteDeadline(time.Time{}))
	if _, err := conn.Write([]byte("x")); err != nil {
		t.Errorf("a write without a deadline: %v", err)
	}
}
