package web

import (
	"testing"
	"time"

	"cardea/auth"
	"cardea/web/api"
)

// TestExport: an export is in the access log before anything is saved, and only for cameras that the caller sees.
func TestExport(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	owner, door, _ := f.withCamera()
	var clips []api.Clip
	eventually(t, "a clip", func() bool {
		f.send("GET", "/api/clips?camera="+door.ID, owner, nil).json(t, &clips)
		return len(clips) > 0 && clips[0].End.Sub(clips[0].Start) > time.Second
	})
	// The page says so where the NVR's clock shows another time than the viewer's.
	var line api.Timeline
	f.send("GET", "/api/timeline?camera="+door.ID+"&from=2026-07-01T00:00:00Z&to=2026-07-02T00:00:00Z", owner, nil).json(t, &line)
	if zone, offset := time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC).Local().Zone(); line.Zone != zone || line.Offset != offset {
		t.Errorf("zone %s %d, want %s %d", line.Zone, line.Offset, zone, offset)
	}
	blind, _ := f.join("Mia", auth.Member, auth.SeesOnly())
	viewer, _ := f.join("Vera", auth.Viewer, auth.SeesAll())
	sees, _ := f.join("Max", auth.Member, auth.SeesAll())
	body := func(from, to time.Time) map[string]any {
		return map[string]any{"camera": door.ID, "from": from, "to": to, "note": "the parcel"}
	}
	good := body(clips[0].Start, clips[0].Start.Add(time.Second))
	f.send("POST", "/api/exports", blind, good).detail(t, 404)
	f.send("POST", "/api/exports", viewer, good).detail(t, 403)
	f.send("POST", "/api/exports", sees, body(clips[0].Start, clips[0].Start)).detail(t, 422)
	f.send("POST", "/api/exports", sees, body(clips[0].Start, clips[0].Start.Add(8*24*time.Hour))).detail(t, 422)
	f.send("POST", "/api/exports", sees, body(clips[0].Start.Add(-time.Hour), clips[0].Start.Add(-time.Minute))).detail(t, 404)
	list := func() (log []api.LogEntry) {
		f.send("GET", "/api/log?action=clip.export", owner, nil).json(t, &log)
		return log
	}
	if log := list(); len(log) != 0 {
		t.Fatalf("before the first one: %+v", log)
	}
	if got := f.send("POST", "/api/exports", sees, good); got.status != 204 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if log := list(); len(log) != 1 || log[0].Name != "Max" || log[0].Object != "the parcel" || log[0].Camera != door.ID {
		t.Errorf("the log has %+v", log)
	}
}
