package retention

import (
	"slices"
	"strings"
	"testing"
	"time"

	"cardea/store"
)

// keep adds an event of a minute and keeps it for ever.
func (c *cellar) keep(camera store.Camera, start time.Time) store.Event {
	c.t.Helper()
	e, err := c.db.AddEvent(c.t.Context(), store.Event{Camera: camera.ID, Kind: "motion", Start: start, End: start.Add(time.Second), Source: "test"})
	if err == nil {
		e, err = c.db.UpdateEvent(c.t.Context(), e.ID, func(e *store.Event) error { e.Keep = true; return nil })
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return e
}

func (c *cellar) release(e store.Event) {
	c.t.Helper()
	if _, err := c.db.UpdateEvent(c.t.Context(), e.ID, func(e *store.Event) error { e.Keep = false; return nil }); err != nil {
		c.t.Fatal(err)
	}
}

// passes lets hours go by. Index and files are compared at the end.
func (c *cellar) passes(n int) {
	c.t.Helper()
	for range n {
		for i := range c.aged {
			c.aged[i].at = c.aged[i].at.Add(-AgeWindow)
		}
		if err := c.Pass(c.t.Context()); err != nil {
			c.t.Fatal(err)
		}
	}
	c.pass()
}

// No rule takes the clips of an event that is kept for ever, only a person does.
func TestKeptEvents(t *testing.T) {
	t.Parallel()
	for what, rule := range map[string]func(*cellar){
		"age": func(c *cellar) { c.policy(func(p *Policy) { p.Days = 1 }) },
		"bytes of the camera": func(c *cellar) {
			if _, err := c.db.UpdateCamera(t.Context(), c.camera.ID, func(row *store.Camera) error { row.RetentionBytes = 1; return nil }); err != nil {
				t.Fatal(err)
			}
		},
		"space": func(c *cellar) { c.policy(func(p *Policy) { p.MinFree = 1 << 60 }) },
		"a full disk": func(c *cellar) {
			if _, err := c.MakeSpace(t.Context(), 1<<50); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(what, func(t *testing.T) {
			c := newCellar(t)
			c.aged = append(c.aged, deletion{}) // long ago
			clips := c.fill(c.camera, c.now.AddDate(0, 0, -3), 20)
			kept := c.keep(c.camera, clips[7].Start.Add(35*time.Second)) // 25 s before the next clip
			rule(c)
			c.passes(25) // age takes a little an hour
			left := c.left(c.camera)
			if len(left) != 2 || left[0].ID != clips[7].ID || left[1].ID != clips[8].ID {
				t.Fatalf("left %+v", left)
			}
			if e, err := c.db.Event(t.Context(), kept.ID); err != nil || !e.Keep {
				t.Errorf("the event went with its time: %v", err)
			}
			c.release(kept)
			rule(c)
			c.passes(5)
			if left := c.left(c.camera); len(left) != 0 {
				t.Errorf("released and still there: %+v", left)
			}
		})
	}
	t.Run("a person", func(t *testing.T) {
		c := newCellar(t)
		clips := c.fill(c.camera, c.now.Add(-time.Hour), 3)
		c.keep(c.camera, clips[1].Start)
		if err := c.db.RemoveCamera(t.Context(), c.camera.ID, false); err != nil {
			t.Fatal(err)
		}
		c.pass()
		if left := c.left(c.camera); len(left) != 0 {
			t.Errorf("left %+v", left)
		}
	})
}

// What is kept counts towards a limit, but never for more than half of it: what is new is not pushed out by it.
func TestKeptBytes(t *testing.T) {
	t.Parallel()
	c := newCellar(t)
	on := false
	c.cfg.OnAlarm = func(_, _ string, raised bool) { on = raised }
	old := c.fill(c.camera, c.now.Add(-5*time.Hour), 20)
	c.fill(c.camera, c.now.Add(-2*time.Hour), 35)
	for i, step := range []struct {
		limit int64
		left  int
		alarm bool
	}{{45, 45, false}, {40, 40, false}, {30, 35, true}, {1, 20, true}} {
		if i == 0 {
			for _, clip := range old {
				c.keep(c.camera, clip.Start.Add(30*time.Second))
			}
		}
		if _, err := c.db.UpdateCamera(t.Context(), c.camera.ID, func(row *store.Camera) error { row.RetentionBytes = step.limit * size; return nil }); err != nil {
			t.Fatal(err)
		}
		c.pass()
		if n := len(c.left(c.camera)); n != step.left || on != step.alarm {
			t.Errorf("a limit of %d leaves %d clips and the alarm %v, want %d and %v", step.limit, n, on, step.left, step.alarm)
		}
	}
}

// Kept clips fill the disk: the newest of the others stay, people are told, and when the disk is really full these go first.
func TestOnlyKeptLeft(t *testing.T) {
	t.Parallel()
	c := newCellar(t)
	type call struct {
		detail string
		on     bool
	}
	var calls []call
	c.cfg.OnAlarm = func(code, detail string, on bool) {
		if code != AlarmKept {
			t.Errorf("alarm %s", code)
		}
		calls = append(calls, call{detail, on})
	}
	clips := c.fill(c.camera, c.now.Add(-2*time.Hour), 120)
	kept := c.keep(c.camera, clips[3].Start.Add(15*time.Second)) // and the clip before it
	c.pass()
	if len(calls) != 1 || calls[0].on {
		t.Fatalf("alarms %+v while there is room", calls)
	}
	c.policy(func(p *Policy) { p.MinFree = 1 << 60 })
	c.pass()
	if left := c.left(c.camera); len(left) != 33 || left[0].ID != clips[2].ID {
		t.Errorf("%d clips left, want two that are kept and those of half an hour", len(left))
	}
	if last := calls[len(calls)-1]; !last.on || !strings.Contains(last.detail, "kept for ever") {
		t.Errorf("alarms %+v", calls)
	}
	if freed, err := c.MakeSpace(t.Context(), 5*size); err != nil || freed != 5*size {
		t.Errorf("a full disk freed %d, %v", freed, err)
	}
	if freed, err := c.MakeSpace(t.Context(), 1<<40); err != nil || freed != 26*size {
		t.Errorf("then it freed %d, %v", freed, err)
	}
	if freed, err := c.MakeSpace(t.Context(), 1); err != nil || freed != 0 {
		t.Errorf("then there is %d to free, %v", freed, err)
	}
	if left := c.left(c.camera); len(left) != 2 || left[0].ID != clips[2].ID {
		t.Errorf("left %+v", left)
	}
	c.release(kept)
	c.now = c.now.Add(time.Hour)
	c.pass()
	if last := calls[len(calls)-1]; last.on {
		t.Errorf("the alarm goes on: %+v", last)
	}
}

// A clip that is kept for years does not keep every small event of these years.
func TestKeptLetsSurroundingsGo(t *testing.T) {
	t.Parallel()
	c := newCellar(t)
	long := c.fill(c.camera, c.now.AddDate(-1, 0, 0), 1)[0]
	kept := c.keep(c.camera, long.Start)
	for _, days := range []int{300, 40, 2} {
		if _, err := c.db.AddEvent(t.Context(), store.Event{Camera: c.camera.ID, Kind: "motion", Start: c.now.AddDate(0, 0, -days), Source: "test"}); err != nil {
			t.Fatal(err)
		}
	}
	c.pass()
	left, err := c.db.Events(t.Context(), store.EventQuery{})
	if err != nil || len(left) != 2 || left[1].ID != kept.ID {
		t.Errorf("events %+v, %v", left, err)
	}
}

func TestForecastOfCameras(t *testing.T) {
	t.Parallel()
	c := newCellar(t)
	other := c.add("garden")
	const hour = 60 * size
	c.fill(c.camera, c.now.Add(-2*time.Hour), 120)
	first := c.fill(other, c.now.Add(-3*time.Hour), 180)[0]
	gone := c.add("gone")
	c.fill(gone, c.now.Add(-time.Hour), 10)
	if err := c.db.RemoveCamera(t.Context(), gone.ID, true); err != nil {
		t.Fatal(err)
	}
	c.policy(func(p *Policy) { p.Bytes, p.Days = 48*2*5*100*size*10, 30 })
	find := func(f Forecast, id store.ID) CameraForecast {
		return f.Cameras[slices.IndexFunc(f.Cameras, func(one CameraForecast) bool { return one.Camera == id })]
	}
	near := func(got, want float64) bool { return got > want*0.95 && got < want*1.05 }
	f, err := c.Forecast(t.Context())
	if err != nil || len(f.Cameras) != 3 || !near(float64(f.PerDay), 48*hour) || f.Used != 310*size || f.Kept != 0 {
		t.Fatalf("forecast %+v, %v", f, err)
	}
	if one := find(f, c.camera.ID); !near(float64(one.PerDay), 24*hour) || one.Days != 30 || one.Limit != "age" || one.Name != "front" {
		t.Errorf("the first camera: %+v", one)
	}
	if one := find(f, gone.ID); !one.Removed || one.PerDay != 0 || one.Days != 0 {
		t.Errorf("the removed camera: %+v", one)
	}
	if f.Next.Clip != first.ID || f.Next.Reason != "age" || !f.Next.At.Equal(first.End.AddDate(0, 0, 30)) {
		t.Errorf("next goes %+v", f.Next)
	}
	// A camera with a limit of its own loses the first clip when that is full.
	if _, err := c.db.UpdateCamera(t.Context(), c.camera.ID, func(row *store.Camera) error { row.RetentionBytes = 240 * size; return nil }); err != nil {
		t.Fatal(err)
	}
	if f, err = c.Forecast(t.Context()); err != nil {
		t.Fatal(err)
	}
	if one := find(f, c.camera.ID); one.Limit != "bytes" || !near(one.Days, 4.0/24) {
		t.Errorf("with a limit of its own: %+v", one)
	}
	if f.Next.Camera != c.camera.ID || f.Next.Reason != "bytes" || f.Next.At.Sub(c.now) < time.Hour || f.Next.At.Sub(c.now) > 3*time.Hour {
		t.Errorf("next goes %+v", f.Next)
	}
}
