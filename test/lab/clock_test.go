package lab

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestClock: a process has the time of day that it is given, which changes while it runs. Its timers and the processes beside it do not mind.
func TestClock(t *testing.T) {
	program := filepath.Join(t.TempDir(), "clock")
	if out, err := exec.Command("go", "build", "-o", program, "./testdata/clock").CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	a := New(t).Host("a")
	now := time.Now()
	p := a.StartWithClock(-time.Duration(now.Unix())*time.Second, program)
	p.WaitOutput(t, "1970-01-01 00:0")
	p.Shift(t, time.Date(2099, 6, 1, 12, 0, 0, 0, time.UTC).Sub(now))
	p.WaitOutput(t, "2099-06-01 12:0")
	p.Shift(t, 0)
	p.WaitOutput(t, now.UTC().Format("2006-"))
	if out, err := a.Exec("date", "-u", "+%Y"); err != nil || strings.TrimSpace(string(out)) != now.UTC().Format("2006") {
		t.Errorf("the host has %s %v", out, err)
	}
	p.Stop()
}
