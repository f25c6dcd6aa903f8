package camera_test

import (
	"context"
	"crypto/tls"
	"errors"
	"testing"
	"time"

	"cardea/camera"
	"cardea/camera/frame"
	"cardea/camera/rtsp"
)

// TestBefore: what is done before a connection can end the attempt; doubt about the identity has a phase of its own, anything else is waited
// for.
func TestBefore(t *testing.T) {
	address, _, _, err := camera.ParseURL("rtsps://127.0.0.1:1/x")
	if err != nil {
		t.Fatal(err)
	}
	for phase, before := range map[camera.Phase]error{
		camera.Doubted: rtsp.ErrIdentity{Err: errors.New("Another device answers.")},
		camera.Waiting: errors.New("nothing answers"),
	} {
		ctx, cancel := context.WithCancel(t.Context())
		seen := make(chan camera.State, 16)
		c := camera.New(camera.Config{
			URL: address, Mutual: &tls.Config{VerifyConnection: func(tls.ConnectionState) error { return nil }},
			Before:  func(context.Context) error { return before },
			OnState: func(s camera.State) { seen <- s },
		})
		done := make(chan error, 1)
		go func() { done <- c.Run(ctx, func(*frame.Frame) {}) }()
		for s := range seen {
			if s.Phase == camera.Connecting {
				continue
			}
			if s.Phase != phase || s.Detail != before.Error() {
				t.Errorf("%v: %s %q", before, s.Phase, s.Detail)
			}
			break
		}
		cancel()
		select {
		case <-done:
		case <-time.After(time.Minute):
			t.Fatal("it does not end")
		}
	}
}
