package agent

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"cardea/camera/agent/pattern"
	"cardea/camera/frame"
)

// TestPatternClockSet: when the clock of the camera is set, sound and picture go along together.
func TestPatternClockSet(t *testing.T) {
	var off atomic.Int64
	src, err := NewPattern(PatternConfig{
		Config: pattern.Config{Width: 160, Height: 96}, Beep: true, Now: func() time.Time { return time.Now().Round(0).Add(time.Duration(off.Load())) },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var picture time.Time
	pictures, together := 0, 0
	err = src.Run(ctx, func(f *frame.Frame) {
		if f.Video() {
			picture, pictures = f.Wall, pictures+1
			if pictures == 10 {
				off.Store(int64(50 * 365 * 24 * time.Hour))
			}
			return
		}
		if pictures > 11 && f.Wall.Sub(picture).Abs() < 2*maxLate {
			if together++; together == 10 {
				cancel()
			}
		}
	})
	if err != nil || together < 10 {
		t.Errorf("%d packets of sound have the time of the pictures: %v", together, err)
	}
}
