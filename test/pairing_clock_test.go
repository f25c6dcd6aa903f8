package test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cardea/camera/pairing"
	"cardea/test/lab"
)

// until is how far a clock has to be off to show the year.
func until(year int) time.Duration {
	return time.Until(time.Date(year, 1, 1, 0, 5, 0, 0, time.UTC)).Round(time.Second)
}

// TestAttack21ClocksInTheLab: cameras whose clocks are in 1970 and in 2099 pair, stream, and stream after a new start. That the clock of one is set from one to the other
// while it streams disturbs nothing, and people are told.
func TestAttack21ClocksInTheLab(t *testing.T) {
	p := newPairingLab(t)
	p.agent.Stop()
	type camera struct {
		on    *lab.Host
		name  string
		year  int
		agent *lab.Process
	}
	pair := func(c *camera) (again func()) {
		t.Helper()
		dir := filepath.Join(t.TempDir(), c.name)
		c.agent = agentAt(t, c.on, until(c.year), p.b.Binary, dir, c.name)
		if err := p.pair(p.nvr, p.b.Dir, c.on.Addr().String(), codeOf(t, c.agent)); err != nil {
			t.Fatalf("a camera in %d does not pair: %v", c.year, err)
		}
		waitFor(t, "the first picture", func() bool { return p.healthOf(c.name).Phase == "streaming" })
		c.agent.Stop()
		waitFor(t, "the end of the pictures", func() bool { return p.healthOf(c.name).Phase != "streaming" })
		c.agent = agentAt(t, c.on, until(c.year)+time.Hour, p.b.Binary, dir, c.name)
		return func() {
			t.Helper()
			waitFor(t, "pictures after a new start", func() bool { return p.healthOf(c.name).Phase == "streaming" })
		}
	}
	old, future := camera{on: p.camera, name: "Old", year: 1970}, camera{on: p.attacker, name: "Future", year: 2099}
	again := pair(&old)
	pair(&future)()
	again()
	waitFor(t, "the clock to be known", func() bool {
		return time.Duration(p.healthOf("Old").ClockOffsetMS)*time.Millisecond < -50*365*24*time.Hour
	})
	old.agent.Shift(t, until(2099))
	waitFor(t, "the jump to be told of", func() bool { return strings.Contains(p.events("camera.anomaly"), `"clock"`) })
	for _, c := range []camera{old, future} {
		if h := p.healthOf(c.name); h.Phase != "streaming" || h.Reconnects != 1 {
			t.Errorf("the stream of %s did not last: %+v", c.name, h)
		}
	}
}

// TestAttack21BoxInTheLab: an NVR that is years ahead pairs and records, and says what is wrong. When it is right again, so is the certificate that it issued. One that is
// beyond the life of its authority says that instead.
func TestAttack21BoxInTheLab(t *testing.T) {
	p := newPairingLab(t)
	p.serve.Stop()
	p.start(until(2099))
	alarmed := func() bool {
		var health struct{ Alarms []struct{ Code string } }
		p.get("/api/health", &health)
		for _, a := range health.Alarms {
			if a.Code == "clock" {
				return true
			}
		}
		return false
	}
	if err := p.pair(p.nvr, p.b.Dir, p.camera.Addr().String(), p.code()); err == nil || !strings.Contains(err.Error(), "date") {
		t.Errorf("after the end of the authority: %v", err)
	}
	p.serve.Shift(t, until(2033))
	waitFor(t, "the clock to be doubted", alarmed)
	waitFor(t, "a pairing with another code", func() bool { return p.pair(p.nvr, p.b.Dir, p.camera.Addr().String(), p.code()) == nil })
	waitFor(t, "the first picture", func() bool { return p.state() == "streaming" })
	future := p.certificate()
	p.serve.Stop()
	p.start(0)
	waitFor(t, "pictures at the right time", func() bool { return p.state() == "streaming" })
	if alarmed() {
		t.Error("a clock that is right is doubted")
	}
	if now := p.certificate(); now.NotBefore.After(time.Now()) || !future.NotBefore.After(time.Now()) {
		t.Errorf("the camera has a certificate from %v, after one from %v", now.NotBefore, future.NotBefore)
	}
}

// TestAttack04OffForAMonthInTheLab: a camera that was off while its certificate ran out gets another one by its key, and streams. After half a year it is not
// taken any more, and a person decides.
func TestAttack04OffForAMonthInTheLab(t *testing.T) {
	p := newPairingLab(t)
	if err := p.pair(p.nvr, p.b.Dir, p.camera.Addr().String(), p.code()); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the first picture", func() bool { return p.state() == "streaming" })
	first := p.certificate()
	sleep := func(off time.Duration) {
		t.Helper()
		p.serve.Stop()
		p.agent.Stop()
		p.start(off)
		// It has no clock of its own: it is when it was, as a board without a battery.
		p.agent = agentOn(t, p.camera, p.b.Binary, p.dir, "Front")
	}
	const month, half = 45 * 24 * time.Hour, 250 * 24 * time.Hour
	sleep(month)
	waitFor(t, "pictures after a month", func() bool { return p.state() == "streaming" })
	second := p.certificate()
	if now := time.Now().Add(month); now.Before(first.NotAfter) || now.After(second.NotAfter) || pairing.SPKI(second) != pairing.SPKI(first) {
		t.Errorf("a certificate until %v follows one until %v", second.NotAfter, first.NotAfter)
	}
	sleep(half)
	waitFor(t, "a person to be asked after half a year", func() bool { return p.state() == "isolated" })
	if !p.certificate().Equal(second) {
		t.Error("it was renewed all the same")
	}
}
