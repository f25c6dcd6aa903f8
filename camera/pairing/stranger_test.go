package pairing_test

import (
	"context"
	"crypto/tls"
	"errors"
	"testing"

	"cardea/camera/pairing"
)

// TestNoCameraThere: a TLS server of something else is called that, and not a camera that has forgotten this NVR.
func TestNoCameraThere(t *testing.T) {
	b := newBox(t, newClock(today))
	for name, protocols := range map[string][]string{"another protocol": {"http/1.1"}, "no protocol": nil} {
		ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{forged(t, nil, nil)}, NextProtos: protocols})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			_ = conn.(*tls.Conn).Handshake() // what comes of it is what the test looks at
			_ = conn.Close()
		}()
		if _, err := b.Pair(context.Background(), ln.Addr().String(), "12345678", "01A", fine); !errors.Is(err, pairing.ErrProtocol) {
			t.Errorf("%s: %v", name, err)
		}
		_ = ln.Close()
		<-done
	}
}
