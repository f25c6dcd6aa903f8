package clock

import (
	"testing"
	"time"
)

// hands is a system clock whose hands can be moved while time passes truthfully.
type hands struct {
	wall time.Time
	mono time.Duration
}

func (h *hands) pass(d time.Duration) { h.wall, h.mono = h.wall.Add(d), h.mono+d }

func (h *hands) read() (time.Time, time.Duration) { return h.wall, h.mono }

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func TestSmallStepBackIsHidden(t *testing.T) {
	h := &hands{wall: noon}
	c := New(h.read, noon.Add(-time.Hour))
	before := c.Now()
	h.wall = h.wall.Add(-90 * time.Second)
	last := before
	for range 45 * 60 {
		h.pass(time.Second)
		now := c.Now()
		if !now.After(last) {
			t.Fatalf("time went from %v to %v", last, now)
		}
		last = now
	}
	if !last.Equal(h.wall) {
		t.Errorf("after 45 minutes the clock is still %v ahead", last.Sub(h.wall))
	}
	if s := c.Steps(); len(s) != 0 {
		t.Errorf("steps %v, want none", s)
	}
}

func TestStepForwardWhileAheadCatchesUp(t *testing.T) {
	h := &hands{wall: noon}
	c := New(h.read, noon.Add(-time.Hour))
	h.wall = h.wall.Add(-time.Minute)
	first := c.Now()
	h.wall = h.wall.Add(time.Minute)
	if got := c.Now(); got.Before(first) || !got.Equal(h.wall) {
		t.Errorf("now %v, hands %v", got, h.wall)
	}
	if s := c.Steps(); len(s) != 0 {
		t.Errorf("steps %v, want none", s)
	}
}

// TestLargeStepBackIsFollowedAndReported is attack case 71 of docs/attacks.md.
func TestLargeStepBackIsFollowedAndReported(t *testing.T) {
	h := &hands{wall: noon}
	c := New(h.read, noon.Add(-24*time.Hour))
	h.wall = h.wall.Add(-2 * time.Hour)
	if got := c.Now(); !got.Equal(h.wall) {
		t.Errorf("now %v, want %v", got, h.wall)
	}
	if s := c.Steps(); len(s) != 1 || s[0].After.Sub(s[0].Before) != -2*time.Hour {
		t.Errorf("steps %v", s)
	}
}

func TestFloor(t *testing.T) {
	h := &hands{wall: time.Unix(0, 0).UTC()}
	c := New(h.read, noon)
	if got := c.Now(); !got.Equal(noon) {
		t.Fatalf("now %v, want the floor", got)
	}
	if !c.Behind() {
		t.Error("the clock does not say that it guesses")
	}
	h.pass(10 * time.Second)
	if got := c.Now(); got.Before(noon) {
		t.Errorf("now %v is before the floor", got)
	}
	if got := c.Floor(); !got.Equal(noon) {
		t.Errorf("a guess raised the floor to %v", got)
	}
	h.wall = noon.Add(time.Hour)
	if got := c.Now(); !got.Equal(noon.Add(time.Hour)) || c.Behind() {
		t.Errorf("now %v after the time server answered", got)
	}
	if got := c.Floor(); !got.Equal(noon.Add(time.Hour)) {
		t.Errorf("floor %v", got)
	}
}

// TestJumpTo2099 is attack case 71 of docs/attacks.md.
func TestJumpTo2099(t *testing.T) {
	h := &hands{wall: noon}
	c := New(h.read, noon.Add(-time.Hour))
	if c.Suspect() {
		t.Fatal("suspect at the start")
	}
	floor := c.Floor()
	h.wall = time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
	if !c.Suspect() {
		t.Fatal("a jump of 72 years is not suspect")
	}
	h.pass(TrustAfter - time.Minute)
	if !c.Suspect() || !c.Floor().Equal(floor) {
		t.Fatal("trusted too early")
	}
	h.wall = noon.Add(TrustAfter)
	c.Now()
	if c.Suspect() {
		t.Error("still suspect after the clock came back")
	}
	if s := c.Steps(); len(s) != 2 {
		t.Errorf("steps %v, want 2", s)
	}
	// A start in 2099 is suspect too, until it has lasted.
	h.wall = time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
	c = New(h.read, floor)
	if !c.Suspect() || !c.Floor().Equal(floor) {
		t.Error("a start in 2099 is believed")
	}
	h.pass(TrustAfter)
	if c.Suspect() {
		t.Error("never trusted again")
	}
}

// A new box knows no floor, and that is nothing to worry about.
func TestNoFloor(t *testing.T) {
	h := &hands{wall: noon}
	if c := New(h.read, time.Time{}); c.Suspect() || c.Behind() || !c.Now().Equal(noon) {
		t.Error("the clock of a new box is doubted")
	}
}

func TestSystem(t *testing.T) {
	c := New(System(), noon.AddDate(-20, 0, 0))
	a := c.Now()
	if b := c.Now(); b.Before(a) {
		t.Errorf("%v then %v", a, b)
	}
}
