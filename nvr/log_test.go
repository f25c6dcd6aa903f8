package nvr

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3" // to break what the index writes

	"cardea/nvr/live"
	"cardea/store"
	"cardea/store/check"
)

// acts gives the access log as words, oldest first.
func (b *box) acts() []string {
	b.t.Helper()
	all, err := b.db.LogRecordsFrom(b.t.Context(), store.LogAccess, 0, 1000)
	if err != nil {
		b.t.Fatal(err)
	}
	var words []string
	for _, r := range all {
		words = append(words, strings.TrimSpace(r.Action+" "+r.Name))
	}
	return words
}

// TestEveryUseCaseIsLogged drives the use cases and looks for them in the log, before a failing log refuses each of them.
func TestEveryUseCaseIsLogged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := openBox(t, dir)
	ctx := t.Context()
	identity := b.makeVault()
	a := lens(t, "secret-of-the-lens")
	cam, err := b.AddCamera(ctx, anna, NewCamera{Name: "Front", URL: address(a, "secret-of-the-lens")})
	if err != nil {
		t.Fatal(err)
	}
	id := cam.Camera.ID
	eventually(t, "two finished clips", func() bool {
		clips := b.clips(id)
		return len(clips) > 2 && clips[1].State == store.ClipClosed
	})
	clips := b.clips(id)
	days, name := 7, "Front door"
	bert := store.Actor{Name: "bert", Role: store.RoleViewer, Addr: "192.0.2.8"}
	uses := []struct {
		act string
		do  func() error
	}{
		{"playback bert", func() error {
			file, err := b.OpenClip(ctx, bert, clips[0].ID)
			if err == nil {
				err = file.Close()
			}
			return err
		}},
		{"live bert", func() error {
			viewer, err := b.Live(ctx, bert, id, Main, live.Config{})
			if err == nil {
				viewer.Close()
			}
			return err
		}},
		{"camera.record anna", func() error { _, err := b.Record(ctx, anna, id, time.Second); return err }},
		{"camera.change anna", func() error { _, err := b.ChangeCamera(ctx, anna, id, CameraChange{Name: &name}); return err }},
		{"settings.change anna", func() error { _, err := b.ChangeSettings(ctx, anna, SettingsChange{LogDays: &days}); return err }},
		{"backup anna", func() error { _, err := b.Backup(ctx, anna); return err }},
		{"log.read anna", func() error { _, err := b.LogRecords(ctx, anna, store.LogQuery{Log: store.LogAccess}); return err }},
		{"vault.create anna", func() error {
			_, err := b.CreateVault(ctx, anna, NewVault{Name: "Second", Type: "hybrid", Recipient: identity.Recipient().String()})
			if store.ErrorCode(err) == store.Conflict { // the key is the first vault's; it was tried, and that is recorded
				return nil
			}
			return err
		}},
	}
	for _, use := range uses {
		if err := use.do(); err != nil {
			t.Errorf("%s: %v", use.act, err)
		}
		if acts := b.acts(); acts[len(acts)-1] != use.act {
			t.Errorf("the last record is %q, want %q", acts[len(acts)-1], use.act)
		}
	}
	// The ranges of one viewing session are one record; another clip or another person is another.
	before := len(b.acts())
	for range 5 {
		if err := uses[0].do(); err != nil {
			t.Error(err)
		}
	}
	if n := len(b.acts()) - before; n != 0 {
		t.Errorf("watching on made %d records more", n)
	}
	for _, view := range []struct {
		who  store.Actor
		clip store.ID
	}{{bert, clips[1].ID}, {anna, clips[0].ID}, {store.Actor{Name: "bert", Role: store.RoleViewer, Addr: "192.0.2.99"}, clips[0].ID}} {
		file, err := b.OpenClip(ctx, view.who, view.clip)
		if err != nil {
			t.Fatal(err)
		}
		file.Close()
	}
	if n := len(b.acts()) - before; n != 3 {
		t.Errorf("three views made %d records", n)
	}

	// 86: the log cannot be written. Nobody gets anything, nothing changes, and the recording goes on.
	index, err := sql.Open("sqlite3", filepath.Join(dir, store.FileName))
	if err != nil {
		t.Fatal(err)
	}
	defer index.Close()
	if _, err := index.Exec(`CREATE TRIGGER blocked BEFORE INSERT ON log_record WHEN NEW.log = 1 BEGIN SELECT RAISE(ABORT, 'blocked'); END`); err != nil {
		t.Fatal(err)
	}
	clear(b.logs.seen)
	for _, use := range append(uses, struct {
		act string
		do  func() error
	}{"camera.remove", func() error { return b.RemoveCamera(ctx, anna, id, true) }}) {
		if err := use.do(); err == nil {
			t.Errorf("%s goes on without its record", use.act)
		}
	}
	clips = b.clips(id)
	eventually(t, "recording to go on", func() bool { return len(b.clips(id)) > len(clips)+1 })
	if _, err := index.Exec(`DROP TRIGGER blocked`); err != nil {
		t.Fatal(err)
	}
	if err := b.RemoveCamera(ctx, anna, id, true); err != nil {
		t.Error(err)
	}
	if acts := b.acts(); acts[len(acts)-1] != "camera.remove anna" {
		t.Errorf("the last record is %q", acts[len(acts)-1])
	}
	// The trees follow, to the last record.
	b.stop()
	faults, err := check.Run(ctx, check.Config{Dir: dir})
	if err != nil || len(faults) > 0 {
		t.Errorf("faults %v, %v", faults, err)
	}
	for _, name := range []store.LogName{store.LogAccess, store.LogFootage} {
		if view, err := b.Log(ctx, name); store.ErrorCode(err) != store.Unavailable { // the index is closed by now
			t.Errorf("log %s: %+v, %v", name, view, err)
		}
		if cp := b.logs.get(name).Checkpoint(); cp.Size < 5 {
			t.Errorf("the %s log has a checkpoint over %d records", name, cp.Size)
		}
	}
}

// TestLogsOfAnOlderBox: a data directory from before there were logs starts them, and one whose index was rolled back does not give
// numbers twice.
func TestLogsOfAnOlderBox(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := openBox(t, dir)
	if acts := b.acts(); len(acts) != 1 || acts[0] != "log.start" {
		t.Fatalf("a new box has logged %q", acts)
	}
	eventually(t, "a checkpoint", func() bool { return b.logs.get(store.LogAccess).Checkpoint().Size == 1 })
	b.stop()

	index, err := sql.Open("sqlite3", filepath.Join(dir, store.FileName))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := index.Exec(`DELETE FROM log_record; UPDATE counter SET value = 0 WHERE name LIKE 'log.%'`); err != nil {
		t.Fatal(err)
	}
	index.Close()
	if faults, err := check.Run(t.Context(), check.Config{Dir: dir}); err != nil || len(faults) == 0 || faults[0].Invariant != 18 {
		t.Errorf("a rolled back index gives %v, %v", faults, err)
	}
	b = openBox(t, dir)
	if acts := b.acts(); len(acts) != 1 || acts[0] != "log.lost" {
		t.Errorf("after the roll-back %q is logged", acts)
	}
	health, err := b.Health(t.Context())
	if err != nil || len(health.Alarms) == 0 || health.Alarms[0].Code != "log-lost" {
		t.Errorf("alarms are %+v, %v", health.Alarms, err)
	}
	eventually(t, "the tree to go on", func() bool { return b.logs.get(store.LogAccess).Checkpoint().Size == 2 })
}

// TestDailyCheck finds what somebody did to the index, says so until it is gone, and leaves an event.
func TestDailyCheck(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := openBox(t, dir)
	ctx := t.Context()
	integrity := func() (detail string) {
		t.Helper()
		if err := b.checkIntegrity(ctx); err != nil {
			t.Fatal(err)
		}
		for _, alarm := range b.alarms.list() {
			if alarm.Code == "integrity" {
				detail = alarm.Detail
			}
		}
		return detail
	}
	if due, err := b.checkDue(ctx); err != nil || !due {
		t.Errorf("the first check: due %v, %v", due, err)
	}
	eventually(t, "a checkpoint", func() bool { return b.logs.get(store.LogAccess).Checkpoint().Size == 1 })
	if detail := integrity(); detail != "" {
		t.Fatalf("a sound box: %s", detail)
	}
	if due, err := b.checkDue(ctx); err != nil || due {
		t.Errorf("after a check: due %v, %v", due, err)
	}
	index, err := sql.Open("sqlite3", filepath.Join(dir, store.FileName))
	if err != nil {
		t.Fatal(err)
	}
	defer index.Close()
	for _, change := range []struct{ statement, want string }{
		{`UPDATE log_record SET record = replace(record, 'log.start', 'log.stark') WHERE log = 1`, "access log, record 0"},
		{`UPDATE log_record SET record = replace(record, 'log.stark', 'log.start') WHERE log = 1`, ""},
	} {
		if _, err := index.Exec(change.statement); err != nil {
			t.Fatal(err)
		}
		if detail := integrity(); !strings.Contains(detail, change.want) || (detail == "") != (change.want == "") {
			t.Errorf("after %s: %q", change.statement, detail)
		}
	}
	eventually(t, "the event", func() bool {
		events, err := b.Events(ctx, store.EventQuery{Kind: "system"})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if len(e.Labels) == 1 && e.Labels[0] == "integrity" && !e.End.IsZero() {
				return true
			}
		}
		return false
	})
}

// TestRecordsAreErased: after their time the contents go, and everything that is left still fits together.
func TestRecordsAreErased(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := openBox(t, dir)
	ctx := t.Context()
	for range 5 {
		if err := b.note(ctx, anna, "playback", store.Access{}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "a checkpoint", func() bool { return b.logs.get(store.LogAccess).Checkpoint().Size == 6 })
	if err := b.eraseLogs(ctx, b.Now().AddDate(0, 0, 29)); err != nil || len(b.acts()) != 6 {
		t.Fatalf("too early: %q, %v", b.acts(), err)
	}
	if err := b.eraseLogs(ctx, b.Now().AddDate(0, 0, 31)); err != nil {
		t.Fatal(err)
	}
	if acts := b.acts(); len(acts) != 1 || acts[0] != "log.erase" {
		t.Errorf("left are %q", acts)
	}
	eventually(t, "a checkpoint", func() bool { return b.logs.get(store.LogAccess).Checkpoint().Size == 7 })
	view, err := b.Log(ctx, store.LogAccess)
	if err != nil || view.ErasedBefore != 6 {
		t.Errorf("%+v, %v", view, err)
	}
	if _, _, _, err := b.LogInclusion(ctx, store.LogAccess, 2, 0); err != nil {
		t.Errorf("the proof of an erased record: %v", err)
	}
	b.stop()
	if faults, err := check.Run(ctx, check.Config{Dir: dir}); err != nil || len(faults) > 0 {
		t.Errorf("faults %v, %v", faults, err)
	}
}
