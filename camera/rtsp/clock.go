package rtsp

import "time"

const (
	// jumpAhead and jumpBack are how far a timestamp may run ahead of, or back from, the last one before it
	// counts as a break. B-frames go back by a few frames only.
	jumpAhead = 5 * time.Second
	jumpBack  = time.Second
	// maxLate is how far arrival may fall behind the timestamps for good before they count as broken (stuck,
	// or at another rate than announced).
	maxLate = 2 * time.Second
	// slewEvery is how often a camera's clock is followed.
	slewEvery = 5 * time.Second
	// stepLimit is the smallest step of our own clock that makes a new Stream.
	stepLimit = time.Second
)

// trackClock turns the 32-bit RTP timestamps of one track into a count that never wraps (RFC 3550 section 5.1)
// and bridges breaks by the time of arrival, so that the count stays in step with our clock.
type trackClock struct {
	rate    int
	started bool
	// torn makes the next timestamp a break whatever it is: the source began anew.
	torn    bool
	last    uint32
	count   int64
	arrival time.Duration
	// report is the last RTCP sender report: its NTP time and the count it belongs to.
	report      time.Time
	reportCount int64
}

// units converts a duration to units of the track's rate.
func (t *trackClock) units(d time.Duration) int64 {
	return int64(d/time.Second)*int64(t.rate) + int64(d%time.Second)*int64(t.rate)/int64(time.Second)
}

// duration converts a count to a duration.
func (t *trackClock) duration(n int64) time.Duration {
	r := int64(t.rate)
	return time.Duration(n/r)*time.Second + time.Duration(n%r)*time.Second/time.Duration(r)
}

// advance takes the timestamp of a packet that arrived at arrival. It reports a break.
func (t *trackClock) advance(ts uint32, arrival time.Duration) (count int64, broken bool) {
	if !t.started {
		t.started, t.last, t.arrival = true, ts, arrival
		return t.count, false
	}
	if ts == t.last && !t.torn {
		return t.count, false
	}
	step := int64(int32(ts - t.last))
	elapsed := arrival - t.arrival
	if d := t.duration(step); t.torn || d < -jumpBack || d > elapsed+jumpAhead {
		step = max(t.units(elapsed), 1)
		broken, t.torn = true, false
		t.report = time.Time{}
	}
	t.count += step
	t.last, t.arrival = ts, arrival
	return t.count, broken
}

// shift moves the count ahead, for good.
func (t *trackClock) shift(units int64) {
	t.count += units
	t.report = time.Time{}
}

// sender takes an RTCP sender report (RFC 3550 section 6.4.1): what the sender's clock showed at a timestamp.
func (t *trackClock) sender(at time.Time, rtp uint32) {
	if !t.started {
		return
	}
	t.report = at
	t.reportCount = t.count + int64(int32(rtp-t.last))
}

// origin is the sender's NTP time at count zero, known after a sender report.
func (t *trackClock) origin() (time.Time, bool) {
	if t.report.IsZero() {
		return time.Time{}, false
	}
	return t.report.Add(-t.duration(t.reportCount)), true
}

// ntpTime converts the 64-bit NTP format: seconds since 1900 and a fraction (RFC 5905 section 6). The seconds begin anew in 2036; which time
// it is about, near tells.
func ntpTime(v uint64, near time.Time) time.Time {
	const epoch = 2208988800
	away := int32(uint32(v>>32) - uint32(near.Unix()+epoch))
	return time.Unix(near.Unix()+int64(away), int64((v&0xffffffff)*1e9>>32))
}

// wallClock maps the camera's media time to our clock. A camera's own clock is never believed: the anchor is when
// packets arrive, and since nothing arrives before it was captured, the earliest arrivals tell the truth and the
// rest is jitter. All durations count from begin on the monotonic clock, which nobody steps.
type wallClock struct {
	// now is our time of day, beginDay what it was at begin.
	now             func() time.Time
	begin, beginDay time.Time
	// anchor is when media time zero was, on the monotonic clock.
	anchor   time.Duration
	anchored bool
	// late is the least lateness in the running and in the previous interval.
	late, lateBefore time.Duration
	since            time.Duration
	// step is what our own clock was stepped by since begin and has been taken over.
	step time.Duration
}

// arrival returns the time since begin and how far our own clock of the day was stepped beyond what was taken over.
func (w *wallClock) arrival() (since, stepped time.Duration) {
	since = time.Since(w.begin)
	return since, w.now().Round(0).Sub(w.beginDay) - since - w.step
}

func newWallClock(now func() time.Time) wallClock {
	return wallClock{now: now, begin: time.Now(), beginDay: now().Round(0)}
}

const never = time.Duration(1<<63 - 1)

// follow learns from media time t arriving now. It returns by how much timestamps have fallen behind for good,
// when that is too much to follow; the caller then shifts its count and the anchor stays.
func (w *wallClock) follow(t, arrival time.Duration) (behind time.Duration) {
	if !w.anchored {
		w.anchored = true
		w.anchor = arrival - t
		w.late, w.lateBefore, w.since = never, never, arrival
		return 0
	}
	late := arrival - (w.anchor + t)
	if late < 0 {
		w.anchor += late
		late = 0
	}
	w.late = min(w.late, late)
	if arrival-w.since < slewEvery {
		return 0
	}
	least := min(w.late, w.lateBefore)
	w.lateBefore, w.late, w.since = w.late, never, arrival
	if least > maxLate {
		w.lateBefore = never
		return least
	}
	w.anchor += least / 2
	if w.lateBefore != never {
		w.lateBefore -= least / 2
	}
	return 0
}

// wall is media time t on our clock of the day.
func (w *wallClock) wall(t time.Duration) time.Time {
	return w.beginDay.Add(w.anchor + t + w.step)
}
