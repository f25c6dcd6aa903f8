package web

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"cardea/auth"
	"cardea/store"
	"cardea/web/api"
	"cardea/web/caller"
)

func (f *fixture) event(e store.Event) store.Event {
	f.t.Helper()
	if e.Start.IsZero() {
		e.Start = time.Now()
	}
	e.Source = "test"
	e, err := f.db.AddEvent(f.t.Context(), e)
	check(f.t, err)
	return e
}

func (f *fixture) camera(name string) store.ID {
	f.t.Helper()
	c, err := f.db.CreateCamera(f.t.Context(), store.NewCamera(name, "rtsp://192.0.2.1/"+name))
	check(f.t, err)
	return c.ID
}

// ids is what a listing of events holds.
func (f *fixture) ids(cookie, query string) (ids []string) {
	f.t.Helper()
	var all []api.Event
	got := f.send("GET", "/api/events?"+query, cookie, nil)
	if got.status != 200 {
		f.t.Fatalf("events?%s: %d %s", query, got.status, got.body)
	}
	got.json(f.t, &all)
	for _, e := range all {
		ids = append(ids, e.ID)
	}
	return ids
}

func TestEvents(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	cookies := f.signIn()
	owner, member := cookies[caller.Owner], cookies[caller.Member]
	v, err := f.db.CreateVault(t.Context(), store.Vault{Name: "Home", Type: "x25519", Recipient: "age1example"})
	check(t, err)
	door, yard := f.camera("door"), f.camera("yard")
	at := time.Now().Add(-time.Hour).Truncate(time.Second)
	moved := f.event(store.Event{Camera: door, Kind: "motion", Start: at, End: at.Add(time.Second)})
	off := f.event(store.Event{Camera: yard, Kind: "camera.offline", Start: at.Add(time.Minute)})
	guessed := f.event(store.Event{Kind: "system", Start: at.Add(2 * time.Minute), Labels: []string{auth.EventLabel}})
	full := f.event(store.Event{Kind: "storage", Start: at.Add(3 * time.Minute)})
	hidden, _ := f.join("Hid", auth.Member, auth.SeesOnly(door))

	then := "to=" + at.Add(10*time.Minute).UTC().Format(time.RFC3339) // without the alarms of the fixture
	for _, c := range []struct {
		who, query string
		want       []store.Event
	}{
		{owner, then, []store.Event{full, guessed, off, moved}},
		{member, then, []store.Event{full, off, moved}},
		{hidden, "", []store.Event{moved}},
		{owner, then + "&limit=2", []store.Event{full, guessed}},
		{owner, "limit=2&before=" + guessed.ID.String(), []store.Event{off, moved}},
		{owner, "camera=" + door.String() + "," + yard.String(), []store.Event{off, moved}},
		{owner, then + "&kind=storage,motion", []store.Event{full, moved}},
		{owner, "from=" + off.Start.UTC().Format(time.RFC3339) + "&to=" + full.Start.UTC().Format(time.RFC3339), []store.Event{guessed, off}},
		{owner, "reviewed=true", nil},
		{owner, "keep=false&kind=motion", []store.Event{moved}},
	} {
		want := []string{}
		for _, e := range c.want {
			want = append(want, e.ID.String())
		}
		if got := f.ids(c.who, c.query); strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("events?%s: %v, want %v", c.query, got, want)
		}
	}
	f.send("GET", "/api/events?camera="+yard.String(), hidden, nil).detail(t, 404)
	f.send("GET", "/api/events?before=x", owner, nil).detail(t, 422)
	for _, e := range []store.Event{off, full, guessed} {
		f.send("GET", "/api/events/"+e.ID.String(), hidden, nil).detail(t, 404)
		f.send("PATCH", "/api/events/"+e.ID.String(), hidden, map[string]any{"keep": true}).detail(t, 404)
		f.send("POST", "/api/events/review", hidden, map[string]any{"ids": []string{moved.ID.String(), e.ID.String()}, "reviewed": true}).detail(t, 404)
	}
	if got := f.ids(owner, "reviewed=true"); len(got) != 0 {
		t.Errorf("a request that was refused changed %v", got)
	}

	// A part of time is kept by an event that somebody makes. Nothing was recorded here.
	part := func(camera store.ID, from, to time.Time) map[string]any {
		return map[string]any{"camera": camera.String(), "start": from, "end": to}
	}
	f.send("POST", "/api/events", hidden, part(yard, at, at.Add(time.Minute))).detail(t, 404)
	f.send("POST", "/api/events", hidden, part(door, at, at.Add(time.Minute))).detail(t, 409)
	for _, to := range []time.Time{at, at.Add(48 * time.Hour)} {
		f.send("POST", "/api/events", hidden, part(door, at, to)).detail(t, 422)
	}

	// Seen, kept, noted; each of them taken back.
	path := "/api/events/" + moved.ID.String()
	note := map[string]any{"vault": v.ID.String(), "sealed": []byte("age-encryption.org/v1\n-> X25519 ...")}
	var e api.Event
	f.send("PATCH", path, hidden, map[string]any{"reviewed": true, "keep": true, "note": note}).json(t, &e)
	if e.Reviewed == nil || e.Reviewed.By != "Hid" || !e.Keep || e.Note == nil || e.Note.Vault != v.ID.String() || !strings.HasPrefix(string(e.Note.Sealed), "age-") {
		t.Errorf("changed: %+v", e)
	}
	f.send("PATCH", path, member, map[string]any{"reviewed": true}).json(t, &e)
	if e.Reviewed.By != "Hid" || !e.Keep || e.Note == nil {
		t.Errorf("who saw it first, and what was not named, stay: %+v", e)
	}
	for _, bad := range []map[string]any{
		{"note": map[string]any{"vault": v.ID.String(), "sealed": []byte("in the clear")}},
		{"note": map[string]any{"vault": "", "sealed": note["sealed"]}},
		{"note": map[string]any{"vault": v.ID.String(), "sealed": make([]byte, 9000)}},
	} {
		if got := f.send("PATCH", path, member, bad); got.status != 400 && got.status != 422 {
			t.Errorf("%v: %d %s", bad, got.status, got.body)
		}
	}
	e = api.Event{}
	if got := f.send("PATCH", path, member, map[string]any{"reviewed": false, "keep": false, "note": map[string]any{}}); got.status != 200 {
		t.Fatalf("take back: %d %s", got.status, got.body)
	} else {
		got.json(t, &e)
	}
	if e.Reviewed != nil || e.Keep || e.Note != nil {
		t.Errorf("taken back: %+v", e)
	}
	var all []api.Event
	f.send("POST", "/api/events/review", member, map[string]any{"ids": []string{moved.ID.String(), off.ID.String()}, "reviewed": true}).json(t, &all)
	if len(all) != 2 || all[0].Reviewed == nil || all[1].Reviewed.By != "Mem" || len(f.ids(owner, "reviewed=true")) != 2 || len(f.ids(owner, then+"&reviewed=false")) != 2 {
		t.Errorf("reviewed together: %+v", all)
	}

	// What retention is told, and what was written, is in the log; what was seen is not.
	acts := map[string]int{}
	var records []api.LogEntry
	f.send("GET", "/api/log?log=access", owner, nil).json(t, &records)
	for _, r := range records {
		acts[r.Action]++
	}
	if acts["event.keep"] != 1 || acts["event.release"] != 1 || acts["event.note"] != 2 || acts["event.review"] != 0 {
		t.Errorf("the log has %v", acts)
	}
}

// feed opens the socket and waits until nothing is missed any more.
func (f *fixture) feed(cookie string) *websocket.Conn {
	f.t.Helper()
	header := http.Header{"Cookie": {api.SessionCookie + "=" + cookie}, "Origin": {strings.Replace(f.base, "http:", "https:", 1)}}
	conn, _, err := websocket.DefaultDialer.Dial(strings.Replace(f.base, "http:", "ws:", 1)+"/api/events/live", header)
	check(f.t, err)
	f.t.Cleanup(func() { conn.Close() })
	if got := f.heard(conn); got.Type != "ready" {
		f.t.Fatalf("first came %+v", got)
	}
	return conn
}

type heard struct {
	Type  string
	Event api.Event
}

func (f *fixture) heard(conn *websocket.Conn) (m heard) {
	f.t.Helper()
	check(f.t, conn.SetReadDeadline(time.Now().Add(time.Minute)))
	check(f.t, conn.ReadJSON(&m))
	return m
}

// The feed tells each caller of what they may know of, and ends with the session.
func TestFeed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	cookies := f.signIn()
	door, yard := f.camera("door"), f.camera("yard")
	hidden, _ := f.join("Hid", auth.Viewer, auth.SeesOnly(door))
	owner, guest := f.feed(cookies[caller.Owner]), f.feed(hidden)
	off := f.event(store.Event{Camera: yard, Kind: "camera.offline"})
	f.event(store.Event{Kind: "system", Labels: []string{auth.EventLabel}})
	moved := f.event(store.Event{Camera: door, Kind: "motion"})
	if got := f.heard(guest); got.Event.ID != moved.ID.String() {
		t.Errorf("the guest hears of %+v", got)
	}
	for _, kind := range []string{"camera.offline", "system", "motion"} {
		if got := f.heard(owner); got.Type != "event" || got.Event.Kind != kind {
			t.Errorf("the owner hears of %+v, want %s", got, kind)
		}
	}
	// So it does of changes.
	f.send("PATCH", "/api/events/"+off.ID.String(), cookies[caller.Member], map[string]any{"keep": true})
	if got := f.heard(owner); got.Event.ID != off.ID.String() || !got.Event.Keep {
		t.Errorf("a change: %+v", got)
	}
	if got := f.send("DELETE", "/api/session", hidden, nil); got.status != 204 {
		t.Fatalf("sign out: %d", got.status)
	}
	check(t, guest.SetReadDeadline(time.Now().Add(time.Minute)))
	if _, _, err := guest.ReadMessage(); !websocket.IsCloseError(err, websocket.ClosePolicyViolation) {
		t.Errorf("signed out: %v", err)
	}
	// Whoever speaks is put out.
	check(t, owner.WriteMessage(websocket.TextMessage, []byte("hello")))
	if _, _, err := owner.ReadMessage(); err == nil {
		t.Error("the feed goes on")
	}
	if got := f.send("GET", "/api/events/live", cookies[caller.Owner], nil); got.status != 426 {
		t.Errorf("without an upgrade: %d", got.status)
	}
}
