package nvr

import (
	"fmt"
	"testing"
	"time"

	"cardea/camera/onvif"
)

func TestDetectors(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	motion := func(key string, on bool) onvif.Signal { return onvif.Signal{Kind: "motion", Key: key, On: on} }
	at := func(s float64) time.Time { return start.Add(time.Duration(s * float64(time.Second))) }

	t.Run("two detectors of one camera are one movement", func(t *testing.T) {
		d := newDetectors()
		if !d.take(motion("a", true), at(0)) || d.take(motion("b", true), at(1)) || d.take(motion("a", false), at(2)) {
			t.Error("not one event")
		}
		if over := d.tick(at(30)); over != nil {
			t.Errorf("over while one is on: %+v", over)
		}
		d.take(motion("b", false), at(40))
		if over := d.tick(at(41)); over != nil {
			t.Errorf("over at once: %+v", over)
		}
		if over := d.tick(at(42.5)); len(over) != 1 || over[0] != (ended{kind: "motion", at: at(40)}) {
			t.Errorf("%+v", over)
		}
		if active, on := d.active(); active || on {
			t.Error("still active")
		}
	})
	t.Run("a stuck detector ends and begins nothing before it was off", func(t *testing.T) {
		d := newDetectors()
		d.take(motion("a", true), at(0))
		if over := d.tick(at(599)); over != nil {
			t.Errorf("%+v", over)
		}
		if over := d.tick(at(601)); len(over) != 1 || !over[0].stuck {
			t.Errorf("%+v", over)
		}
		if d.take(motion("a", true), at(700)) {
			t.Error("begins anew")
		}
		d.take(motion("a", false), at(800))
		if !d.take(motion("a", true), at(801)) {
			t.Error("never again")
		}
	})
	t.Run("what a camera asserts for ever ends after an hour", func(t *testing.T) {
		d := newDetectors()
		events, over := 0, 0
		for s := 0; s < 3*3600; s += 5 {
			if d.take(motion("a", true), at(float64(s))) {
				events++
			}
			over += len(d.tick(at(float64(s))))
		}
		if events != 1 || over != 1 {
			t.Errorf("%d events, %d over", events, over)
		}
	})
	t.Run("a restless camera makes few events", func(t *testing.T) {
		d := newDetectors()
		events, end := 0, 0.
		for s := 0.; s < 3600; s += 4 { // on for a second, off for three
			if d.take(motion("a", true), at(s)) {
				events++
			}
			d.tick(at(s + 0.5))
			d.take(motion("a", false), at(s+1))
			d.tick(at(s + 3.9))
			end = s
		}
		if events > 66 {
			t.Errorf("%d events in an hour", events)
		}
		if over := d.tick(at(end + 120)); len(over) > 1 {
			t.Errorf("%+v", over)
		}
	})
	t.Run("a moment has an end", func(t *testing.T) {
		d := newDetectors()
		if !d.take(onvif.Signal{Kind: "doorbell", Key: "a", On: true, Moment: true}, at(0)) {
			t.Error("no event")
		}
		if over := d.tick(at(4)); over != nil {
			t.Errorf("%+v", over)
		}
		d.tick(at(5))
		if over := d.tick(at(8)); len(over) != 1 || over[0].stuck {
			t.Errorf("%+v", over)
		}
		if !d.take(onvif.Signal{Kind: "doorbell", Key: "a", On: true, Moment: true}, at(9)) {
			t.Error("rings only once")
		}
	})
	t.Run("a flood of detectors is bounded", func(t *testing.T) {
		d := newDetectors()
		for i := range 10_000 {
			d.take(motion(fmt.Sprint(i), true), at(0))
		}
		if n := len(d.spells["motion"].on); n > maxDetectors {
			t.Errorf("%d detectors", n)
		}
		d.tick(at(3600))
		if len(d.stuck) > maxDetectors {
			t.Errorf("%d stuck", len(d.stuck))
		}
	})
}
