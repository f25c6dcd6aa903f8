package anomaly

import (
	"strings"
	"testing"
	"time"
)

// feed hands over a sample every five seconds and returns what was found.
type feed struct {
	w  Watch
	at time.Time
	s  Sample
}

func newFeed() *feed {
	return &feed{
		at: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC),
		s:  Sample{Streaming: true, BitRate: 4_000_000, Codecs: []string{"h264", "aac"}, ClockKnown: true},
	}
}

func (f *feed) run(d time.Duration) (found []Finding) {
	for ; d > 0; d -= 5 * time.Second {
		f.at = f.at.Add(5 * time.Second)
		f.s.At = f.at
		found = append(found, f.w.Look(f.s)...)
	}
	return found
}

func (f *feed) expect(t *testing.T, what string, d time.Duration, rule string, isolate bool) {
	t.Helper()
	found := f.run(d)
	if rule == "" {
		if len(found) != 0 {
			t.Fatalf("%s: found %v", what, found)
		}
		return
	}
	if len(found) == 0 || found[len(found)-1].Rule != rule || found[len(found)-1].Isolate != isolate {
		t.Fatalf("%s: found %v", what, found)
	}
	for _, one := range found {
		if !strings.HasSuffix(one.Detail, ".") {
			t.Errorf("%s: %q is no sentence", what, one.Detail)
		}
	}
}

// TestBitRate is attack case 62 of docs/attacks.md.
func TestBitRate(t *testing.T) {
	f := newFeed()
	f.expect(t, "a calm start", 5*time.Minute, "", false)
	f.s.BitRate = 16_000_000
	f.expect(t, "a busy scene", time.Minute, "", false)
	f.s.BitRate = 4_000_000
	f.expect(t, "calm again", 20*time.Minute, "", false)
	f.s.BitRate = 24_000_000
	f.expect(t, "a short peak", 5*time.Second, "", false)
	f.s.BitRate = 4_000_000
	f.expect(t, "calm again", time.Minute, "", false)
	f.s.BitRate = 30_000_000
	f.expect(t, "seven times as much", 30*time.Second, BitRate, false)
	f.expect(t, "still: no news", 30*time.Minute, "", false)
	f.s.BitRate = 200_000_000
	f.expect(t, "fifty times as much", 30*time.Second, BitRate, true)
}

func TestBitRateNeedsAUsual(t *testing.T) {
	f := newFeed()
	f.s.BitRate = 100_000
	f.expect(t, "a minute of night", time.Minute, "", false)
	f.s.BitRate = 80_000_000
	f.expect(t, "what is usual is not known yet", time.Minute, "", false)
	f = newFeed()
	f.s.BitRate = 500_000
	f.expect(t, "a sleepy camera", 10*time.Minute, "", false)
	f.s.BitRate = 15_000_000
	f.expect(t, "thirty times, but what other cameras send all day", time.Minute, BitRate, false)
}

func TestCodecs(t *testing.T) {
	f := newFeed()
	f.expect(t, "as it is", time.Minute, "", false)
	f.s.Streaming, f.s.Codecs = false, nil
	f.expect(t, "gone", time.Minute, "", false)
	f.s.Streaming, f.s.Codecs = true, []string{"hevc"}
	f.expect(t, "back with another encoding", 10*time.Second, Codecs, false)
}

func TestClock(t *testing.T) {
	f := newFeed()
	f.s.ClockOffset = -time.Hour
	f.expect(t, "a wrong clock is no jump", time.Minute, "", false)
	f.s.ClockOffset += 2 * time.Second
	f.expect(t, "a correction", time.Minute, "", false)
	f.s.ClockOffset = 0
	f.expect(t, "an hour", 5*time.Second, Clock, false)
}

func TestStorm(t *testing.T) {
	f := newFeed()
	for range 30 {
		f.s.Sessions++
		f.expect(t, "now and then", time.Minute, "", false)
	}
	for range 3 {
		f.s.Sessions++
		f.run(5 * time.Second)
	}
	f.s.Sessions += 3
	f.expect(t, "ten in a minute", 5*time.Second, Storm, false)
	f.s.Sessions = 0
	f.expect(t, "counted anew", 2*time.Hour, "", false)
}

func TestTimeThatStandsStill(t *testing.T) {
	f := newFeed()
	f.expect(t, "as it is", 5*time.Minute, "", false)
	f.s.BitRate = 400_000_000
	for range 100 {
		if found := f.w.Look(f.s); len(found) != 0 {
			t.Fatalf("found %v in no time", found)
		}
	}
	f.at = f.at.Add(8 * time.Hour)
	f.expect(t, "one sample after a night's sleep", 5*time.Second, "", false)
}
