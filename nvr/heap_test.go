package nvr

import (
	"context"
	"runtime"
	"testing"
	"time"
)

// TestAfterCollections counts collections, and stops counting.
func TestAfterCollections(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	collections := afterCollections(ctx)
	for i := range 5 {
		runtime.GC()
		select {
		case <-collections:
		case <-time.After(time.Minute):
			t.Fatalf("collection %d was not seen", i)
		}
	}
}

func TestPercentFor(t *testing.T) {
	t.Parallel()
	for live, want := range map[int]int{1 << 20: maxPercent, heapFloor / 2: 100, heapFloor: minPercent, 300 << 20: minPercent} {
		if got := percentFor(live); got != want {
			t.Errorf("%d bytes live: %d %%, want %d", live, got, want)
		}
	}
}
