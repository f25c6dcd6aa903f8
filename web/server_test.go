package web

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/valyala/fasthttp/fasthttputil"

	"cardea/web/console"
)

// TestStoppedAtOnce: a server that is stopped before it has begun to serve ends all the same.
func TestStoppedAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for range 20 {
		server := New(f.server.cfg)
		tcp, err := net.Listen("tcp", "127.0.0.1:0")
		check(t, err)
		ctx, stop := context.WithCancel(t.Context())
		stop()
		done := make(chan error, 1)
		go func() {
			done <- server.Run(ctx, []net.Listener{Limit(tcp)}, []net.Listener{console.Mark(fasthttputil.NewInmemoryListener())})
		}()
		select {
		case err := <-done:
			check(t, err)
		case <-time.After(time.Minute):
			t.Fatal("it does not end")
		}
	}
}
