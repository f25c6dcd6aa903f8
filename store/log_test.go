package store_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"cardea/store"
	"cardea/store/tlog"
)

// logged gives all records of a log, oldest first.
func logged(t testing.TB, db *store.DB, log store.LogName) []store.LoggedRecord {
	t.Helper()
	return must[[]store.LoggedRecord](t)(db.LogRecordsFrom(t.Context(), log, 0, 10_000))
}

// leaves gives what a tree would be made of.
func leaves(t testing.TB, db *store.DB, log store.LogName) []tlog.Leaf {
	t.Helper()
	return must[[]tlog.Leaf](t)(db.LogSource(log).Leaves(t.Context(), 0, 10_000))
}

func TestAccessLog(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	lost, err := h.StartLog(ctx, store.LogAccess, 0)
	if err != nil || lost != 0 {
		t.Fatal(lost, err)
	}
	news, stop := h.FollowLog()
	defer stop()
	ann := store.Actor{Name: "Ann", Role: store.RoleOwner, Addr: "192.0.2.9"}
	ok(t, h.LogAccess(ctx, store.Access{Action: "playback", Actor: ann, Camera: h.camera.ID, Start: noon, End: noon.Add(time.Minute)}))
	select {
	case <-news:
	default:
		t.Error("followers are not told")
	}
	ok(t, h.LogAccess(ctx, store.Access{Action: "sign-in", Actor: store.Actor{Name: "Bob"}, Refused: true}))
	ok(t, h.Heartbeat(ctx, store.LogAccess, noon))                  // something happened at noon
	ok(t, h.Heartbeat(ctx, store.LogAccess, noon.Add(time.Minute))) // nothing since
	wantCode(t, h.LogAccess(ctx, store.Access{Actor: ann}), store.Invalid)

	all := logged(t, h.DB, store.LogAccess)
	if len(all) != 4 || all[0].Action != "log.start" || all[1].CameraName != "Front door" || all[1].Result != "ok" || all[2].Result != "refused" || all[3].Action != "heartbeat" {
		t.Fatalf("records are %+v", all)
	}
	for i, r := range all {
		if r.Seq != int64(i) || !r.At.Equal(noon) || !json.Valid(r.Text) || len(r.Salt) != tlog.SaltSize {
			t.Errorf("record %d is %+v", i, r)
		}
		if leaf := leaves(t, h.DB, store.LogAccess)[i]; leaf != tlog.Commit(r.Salt, r.Text) {
			t.Errorf("leaf %d is %x", i, leaf)
		}
	}
	for _, test := range []struct {
		query store.LogQuery
		want  string // numbers, newest first
	}{
		{store.LogQuery{}, "210"},
		{store.LogQuery{Action: "heartbeat"}, "3"},
		{store.LogQuery{User: "ann"}, "1"},
		{store.LogQuery{User: "An"}, ""},
		{store.LogQuery{User: `' OR 1=1 --`}, ""},
		{store.LogQuery{Camera: h.camera.ID}, "1"},
		{store.LogQuery{Before: 2}, "10"},
		{store.LogQuery{Limit: 1}, "2"},
		{store.LogQuery{From: noon.Add(1)}, "210"}, // cut to microseconds
		{store.LogQuery{From: noon.Add(time.Second)}, ""},
		{store.LogQuery{To: noon}, ""},
	} {
		test.query.Log = store.LogAccess
		var got strings.Builder
		for _, r := range must[[]store.LoggedRecord](t)(h.LogRecords(ctx, test.query)) {
			got.WriteByte(byte('0' + r.Seq))
		}
		if got.String() != test.want {
			t.Errorf("%+v gives %s, want %s", test.query, got.String(), test.want)
		}
	}
	if _, err := h.LogRecord(ctx, store.LogAccess, 4); store.ErrorCode(err) != store.NotFound {
		t.Errorf("a record that is not there gives %v", err)
	}
}

// TestLogInjection: attack 64, whatever somebody sends as a name or a User-Agent stays inside of its field, on one line, without
// anything that a terminal or a collector obeys.
func TestLogInjection(t *testing.T) {
	t.Parallel()
	db := open(t, t.TempDir())
	for _, text := range []string{
		"a\nsign-in ok Ann", "\r\n<13>1 - - -", "\x1b[2J\x1b]0;title\x07", `"},{"action":"x"`, "\u202etxt.exe", "\u2028", "\x7f\u0085\u009b31m", "\xff\xfe", "\U000e0041", "\x00", `C:\new`, "日本語 ü", strings.Repeat("x", 5000),
	} {
		ok(t, db.LogAccess(t.Context(), store.Access{Action: "sign-in", Agent: text, Object: text, Detail: text, Actor: store.Actor{Name: text}}))
		all := logged(t, db, store.LogAccess)
		r := all[len(all)-1]
		for _, c := range string(r.Text) {
			if c != ' ' && !unicode.IsPrint(c) {
				t.Errorf("%q is kept as %q", text, r.Text)
			}
		}
		if len(r.Text) > 32<<10 || r.Action != "sign-in" {
			t.Errorf("%.50q is kept as %d bytes, %q", text, len(r.Text), r.Action)
		}
		if want := strings.ToValidUTF8(text, "\ufffd"); len(text) < 100 && text != "\xff\xfe" && r.Object != want {
			t.Errorf("%q comes back as %q", text, r.Object)
		}
	}
}

func TestFootageLog(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	clip := h.record(t, noon, 60)
	torn := h.begin(t, noon.Add(minutes(1)))
	sum := bytes.Repeat([]byte{9}, 32)
	must[store.Clip](t)(h.SettleTorn(ctx, store.ClosedClip{Clip: torn.ID, Parts: seconds(torn.Start, 0, 5).Parts, End: torn.Start.Add(5 * time.Second), Plain: 5900, Bytes: 7000, SHA256: sum}))
	ok(t, h.PlanReplacement(ctx, store.Replacement{Clip: torn.ID, HeaderBytes: 200, Bytes: 7100, SHA256: sum}))
	must[store.Clip](t)(h.ReplaceClip(ctx, torn.ID))
	ok(t, h.OpenGap(ctx, store.Gap{Camera: h.camera.ID, Start: noon.Add(minutes(3)), Reason: store.GapOffline, Detail: "The camera does not answer."}))
	ok(t, h.CloseGap(ctx, h.camera.ID, noon.Add(minutes(4))))
	ok(t, h.CloseGap(ctx, h.camera.ID, noon.Add(minutes(5)))) // there is none
	must2(t)(h.DeleteClips(ctx, []store.ID{clip.ID}, "age"))
	var got []string
	all := logged(t, h.DB, store.LogFootage)
	for _, r := range all {
		got = append(got, r.Action+" "+r.State+r.Reason)
		if r.Camera != h.camera.ID.String() || r.CameraName != "Front door" {
			t.Errorf("record %d is of camera %s", r.Seq, r.Camera)
		}
	}
	if want := "clip closed|clip torn|clip salvaged|gap offline|gap offline|deletion age"; strings.Join(got, "|") != want {
		t.Fatalf("records are %q, want %s", got, want)
	}
	if r := all[0]; r.Clip != clip.ID.String() || r.Bytes != clip.Bytes || len(r.SHA256) != 64 || r.Start == "" || r.End == "" {
		t.Errorf("the record of a clip is %+v", r)
	}
	if all[3].End != "" || all[4].End == "" || all[5].SHA256 != all[0].SHA256 {
		t.Errorf("records are %+v", all[3:])
	}
	if seq := must[int64](t)(h.FootageSeq(ctx, torn.ID)); seq != 2 {
		t.Errorf("the clip's record is %d", seq)
	}
	if _, err := h.FootageSeq(ctx, h.camera.ID); store.ErrorCode(err) != store.NotFound {
		t.Errorf("a clip without record gives %v", err)
	}
}

// TestLogThatCannotBeWritten: attack 86, the act is refused and recording goes on.
// Attack case 65 of docs/attacks.md.
func TestLogThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h := furnish(t, open(t, dir))
	sql := raw(t, filepath.Join(dir, store.FileName))
	_, err := sql.Exec(`CREATE TRIGGER blocked BEFORE INSERT ON log_record BEGIN SELECT RAISE(ABORT, 'blocked'); END`)
	ok(t, err)
	if err := h.LogAccess(t.Context(), store.Access{Action: "playback"}); err == nil {
		t.Error("an append that does not work is no error")
	}
	clip := h.record(t, noon, 60)
	if got := must[store.Clip](t)(h.Clip(t.Context(), clip.ID)); got.State != store.ClipClosed {
		t.Errorf("the clip is %+v", got)
	}
	if h.LogFault() == nil {
		t.Error("nobody is told that the footage log lacks a record")
	}
	_, err = sql.Exec(`DROP TRIGGER blocked`)
	ok(t, err)
	ok(t, h.LogAccess(t.Context(), store.Access{Action: "playback"}))
	h.record(t, noon.Add(minutes(1)), 60)
	for _, log := range []store.LogName{store.LogAccess, store.LogFootage} {
		if size := must[int64](t)(h.LogSource(log).Size(t.Context())); size != 1 || len(leaves(t, h.DB, log)) != 1 {
			t.Errorf("the %s log has %d records: a failed one has used up a number", log, size)
		}
	}
}

// TestErase: attack 85, after its time the contents of a record are nowhere in the database, its log or its free pages; the rest, and
// the records of clips that are still there, stay.
func TestErase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	now := &clock{at: noon}
	db, err := store.Open(t.Context(), store.Config{Dir: dir, Now: now.Now})
	ok(t, err)
	t.Cleanup(func() { ok(t, db.Close()) })
	h := furnish(t, db)
	ctx := t.Context()
	gone, kept := h.record(t, noon, 60), h.record(t, noon.Add(minutes(1)), 60)
	for range 50 {
		ok(t, db.LogAccess(ctx, store.Access{Action: "playback", Actor: store.Actor{Name: "Zacharias-the-watcher"}}))
	}
	must2(t)(db.DeleteClips(ctx, []store.ID{gone.ID}, "age"))
	before := leaves(t, db, store.LogAccess)
	now.Add(31 * 24 * time.Hour)
	ok(t, db.LogAccess(ctx, store.Access{Action: "playback", Actor: store.Actor{Name: "Yolanda"}}))
	limit := now.Now().AddDate(0, 0, -30)
	if n, err := db.EraseLog(ctx, store.LogAccess, limit, 10, 100); err != nil || n != 10 {
		t.Fatalf("what the tree has not got: %d, %v", n, err)
	}
	if n, err := db.EraseLog(ctx, store.LogAccess, limit, 1000, 100); err != nil || n != 40 {
		t.Fatalf("erased %d, %v", n, err)
	}
	if n, err := db.EraseLog(ctx, store.LogAccess, limit, 1000, 100); err != nil || n != 0 {
		t.Fatalf("erased again: %d, %v", n, err)
	}
	if n, err := db.EraseLog(ctx, store.LogFootage, limit, 1000, 100); err != nil || n != 2 {
		t.Fatalf("footage: %d, %v", n, err)
	}
	ok(t, db.Fold(ctx))
	for _, name := range []string{store.FileName, store.FileName + "-wal"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		ok(t, err)
		if bytes.Contains(data, []byte("Zacharias")) {
			t.Errorf("%s has what was erased", name)
		}
		if name == store.FileName && !bytes.Contains(data, []byte("Yolanda")) {
			t.Error("a newer record is gone too, or the test looks in the wrong place")
		}
	}
	all := logged(t, db, store.LogAccess)
	if len(all) != 3 || all[0].Name != "Yolanda" || all[1].Action != "log.erase" || all[1].LogRecord.Before != 10 || all[2].LogRecord.Before != 50 {
		t.Errorf("left are %+v", all)
	}
	if got := must[int64](t)(db.LogErased(ctx, store.LogAccess)); got != 50 {
		t.Errorf("erased before %d", got)
	}
	if size := must[int64](t)(db.LogSource(store.LogAccess).Size(ctx)); size != int64(len(before))+3 {
		t.Errorf("size is %d", size)
	}
	must[int64](t)(db.FootageSeq(ctx, kept.ID))
}

// TestRolledBackIndex: numbers that the tree has are not given twice.
// Attack case 69 of docs/attacks.md.
func TestRolledBackIndex(t *testing.T) {
	t.Parallel()
	db := open(t, t.TempDir())
	ctx := t.Context()
	if lost := must[int64](t)(db.StartLog(ctx, store.LogAccess, 0)); lost != 0 {
		t.Fatal(lost)
	}
	if lost := must[int64](t)(db.StartLog(ctx, store.LogAccess, 1)); lost != 0 {
		t.Fatal(lost)
	}
	if lost := must[int64](t)(db.StartLog(ctx, store.LogAccess, 7)); lost != 6 {
		t.Fatalf("lost %d", lost)
	}
	all := logged(t, db, store.LogAccess)
	if len(all) != 2 || all[1].Seq != 7 || all[1].Action != "log.lost" {
		t.Errorf("records are %+v", all)
	}
}
