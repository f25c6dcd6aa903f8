package pairing_test

import (
	"context"
	"testing"
)

// TestRevoked tells a camera that it was revoked: it remembers that over a restart and lets nobody watch; another NVR cannot tell it.
func TestRevoked(t *testing.T) {
	t.Parallel()
	clk := newClock(today)
	ctx := context.Background()
	c, b := startCamera(t, t.TempDir(), clk), newBox(t, clk)
	d := b.paired(t, c, "01A")
	if err := b.media(c, d); err != nil {
		t.Fatal(err)
	}
	stranger := newBox(t, clk)
	if err := stranger.Revoke(ctx, c.addr, d); err == nil || c.Revoked() {
		t.Fatalf("another NVR revokes the camera: %v", err)
	}
	for range 2 { // an answer that was lost is asked for again
		if err := b.Revoke(ctx, c.addr, d); err != nil {
			t.Fatal(err)
		}
	}
	if !c.Revoked() || b.media(c, d) == nil {
		t.Error("a camera that was revoked is watched")
	}
	c.stop()
	c = startCamera(t, c.dir, clk)
	if !c.Revoked() || b.media(c, d) == nil {
		t.Error("after a restart the camera believes that it is paired")
	}
}
