package nvr

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	// heapFloor is a size of the heap that is worth no collection: a few cameras would otherwise cause one each second.
	heapFloor = 24 << 20
	// A collection comes when the heap has grown by so many percent of what lived through the last one. Frames live for
	// a second, so there is much to free and little to look at: a small heap costs little when it is not tiny.
	minPercent, maxPercent = 50, 300
)

// Tune sets how much memory the program may use for speed until Run knows better. Call it once, from main.
func Tune() { debug.SetGCPercent(2 * minPercent) }

// tuneHeap keeps the heap between the floor and half as much again as what lives. It looks after each collection, so that what a crowd of
// connections needs all at once is not multiplied by what suited the small heap before. It returns nil when ctx is done.
func tuneHeap(ctx context.Context) error {
	collections := afterCollections(ctx)
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	now := 0
	for {
		metrics.Read(sample)
		if live := int(sample[0].Value.Uint64()); live > 0 {
			// Setting it stops everything for a moment, so small changes are left alone.
			if want := percentFor(live); want < now-now/8 || want > now+now/8 {
				debug.SetGCPercent(want)
				now = want
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-collections:
		}
	}
}

// afterCollections says when the heap was collected, until ctx is done.
func afterCollections(ctx context.Context) <-chan struct{} {
	done := make(chan struct{}, 1)
	// What nothing points to is cleaned up once a collection, and then there is a new one.
	type leaf [64]byte // not so small that it shares its place with others, which would keep it
	var fall func(context.Context)
	fall = func(ctx context.Context) {
		if ctx.Err() != nil {
			return
		}
		runtime.AddCleanup(&leaf{}, fall, ctx)
		select {
		case done <- struct{}{}:
		default:
		}
	}
	fall(ctx)
	return done
}

// percentFor is the percentage for a heap of which so many bytes live.
func percentFor(live int) int {
	return min(max(100*(heapFloor-live)/live, minPercent), maxPercent)
}
