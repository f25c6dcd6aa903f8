package webrtc_test

import (
	"slices"
	"testing"
	"time"
)

func (b *browser) len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.seen)
}

// report adds the middle and the slowest hundredth of what was measured.
func report(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	at := func(part int) float64 { return took[min(len(took)*part/100, len(took)-1)].Seconds() * 1000 }
	b.ReportMetric(at(50), "ms-p50")
	b.ReportMetric(at(99), "ms-p99")
}
