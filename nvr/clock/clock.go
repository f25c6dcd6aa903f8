// Package clock gives the recorder one time of day that stays usable when the box's own clock is wrong.
//
// A Raspberry Pi starts in 1970 until it has reached a time server; a network may tell nonsense. Clock reads the system
// clock and adds three rules. Its noun is the floor: a time that certainly has passed.
//
//   - Now is never before the floor. When the system clock is, Now runs on from the floor.
//   - A step back by MaxSlew or less is hidden: Now goes on, slower by Slew, until the system clock has caught up. So
//     the times of a camera's clips do not go back for a leap, a time server's correction or a few minutes of drift.
//   - A larger step back, and any step forward, is followed at once and reported by Steps. Clips before and after it
//     may overlap in time; no recording stops for it.
//
// A step forward by more than MaxTrust makes the clock suspect until it has run on for TrustAfter: meanwhile the floor
// does not rise and nothing is deleted for its age. So a jump to 2099 destroys nothing, and no later start is bound to it.
//
// The package reads no file and sets no clock; the caller stores the floor.
package clock

import (
	"sync"
	"time"
)

// The fixed limits, see the package comment.
const (
	MaxSlew    = 10 * time.Minute
	MaxTrust   = 24 * time.Hour
	TrustAfter = 24 * time.Hour
	// MaxOff is how long a box may have been off before its clock is suspect at the start.
	MaxOff = 60 * 24 * time.Hour
	// Slew is the part by which Now runs slower while it waits for the system clock.
	Slew = 0.05

	stepLimit = 500 * time.Millisecond // a smaller difference is drift
	maxSteps  = 16                     // kept until somebody asks
)

// Step is one jump of the system clock that Now followed.
type Step struct {
	// Before and After are the readings around it; the difference that passed in truth is taken off already.
	Before, After time.Time
}

// Source reads the system clock: its hands, and the time that truly passed since some moment.
type Source func() (wall time.Time, passed time.Duration)

// System reads this machine's clocks.
func System() Source {
	start := time.Now()
	return func() (time.Time, time.Duration) {
		now := time.Now()
		return now.Round(0), now.Sub(start)
	}
}

// Clock is the box's time of day. It is safe for concurrent use.
type Clock struct {
	source Source

	mu      sync.Mutex
	floor   time.Time     // Now is never before it
	rise    time.Time     // what Floor gives
	wall    time.Time     // last reading of the hands
	mono    time.Duration // last reading of the time passed
	ahead   time.Duration // what Now adds to the hands, never negative
	suspect bool          // a jump has not been confirmed yet
	until   time.Duration // by mono, when it will be
	sane    time.Time     // what the time was before the jump
	steps   []Step        // not yet reported
}

// New starts a clock. floor is the value that Floor gave last, or the time the program was built, whichever is later; the zero
// time when neither is known.
func New(source Source, floor time.Time) *Clock {
	c := &Clock{source: source, floor: floor.Round(0), rise: floor.Round(0)}
	c.wall, c.mono = source()
	c.ahead = max(0, c.floor.Sub(c.wall))
	if !floor.IsZero() && c.wall.Sub(c.floor) > MaxOff {
		// Off for long, or the clock is wrong: good enough for showing, not for deleting.
		c.doubt(c.floor)
	}
	return c
}

// Now returns the time of day, without a monotonic part.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now()
}

func (c *Clock) now() time.Time {
	wall, mono := c.source()
	passed := mono - c.mono
	expect := c.wall.Add(c.ahead + passed) // what Now would be had nobody touched the hands
	jump := wall.Sub(c.wall) - passed
	c.wall, c.mono = wall, mono
	switch {
	case jump < -stepLimit || jump > stepLimit:
		// While Now is ahead, a step forward is the hands catching up.
		c.ahead -= jump
		if c.ahead < 0 || c.ahead > MaxSlew {
			c.ahead = 0
		}
	case c.ahead > 0 && passed > 0:
		c.ahead = max(0, c.ahead-time.Duration(float64(passed)*Slew))
	}
	c.ahead = max(c.ahead, c.floor.Sub(wall))
	now := wall.Add(c.ahead)
	if d := now.Sub(expect); d < -MaxSlew || d > stepLimit {
		c.step(Step{Before: expect, After: now})
	}
	if c.suspect && mono >= c.until {
		c.suspect = false
	}
	return now
}

// step notes a jump that Now followed.
func (c *Clock) step(s Step) {
	if len(c.steps) < maxSteps {
		c.steps = append(c.steps, s)
	}
	switch d := s.After.Sub(s.Before); {
	case d > MaxTrust:
		c.doubt(s.Before)
	case d < 0 && c.suspect && s.After.Sub(c.sane) < MaxTrust+TrustAfter:
		c.suspect = false // back to where it was before the jump
	}
}

func (c *Clock) doubt(sane time.Time) {
	if !c.suspect {
		c.sane = sane
	}
	c.suspect, c.until = true, c.mono+TrustAfter
}

// Steps returns the jumps since the last call that Now followed.
func (c *Clock) Steps() []Step {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now()
	s := c.steps
	c.steps = nil
	return s
}

// Suspect reports whether the time of day may be far off: nothing may be deleted for its age.
func (c *Clock) Suspect() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now()
	return c.suspect
}

// Behind reports whether the system clock is before the floor, so that Now is a guess.
func (c *Clock) Behind() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now()
	return c.wall.Before(c.floor)
}

// Floor returns the time to store and to give to New at the next start: that of Now, or the last one from before the
// clock became suspect.
func (c *Clock) Floor() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if !c.suspect && !c.wall.Before(c.floor) && now.After(c.rise) {
		c.rise = now
	}
	return c.rise
}
