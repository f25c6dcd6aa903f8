package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cardea/store"
	"cardea/store/tlog"
	"cardea/store/vault"
)

type house struct {
	*Maker
	t    *testing.T
	dir  string
	id   *vault.Identity
	now  time.Time
	log  *tlog.Log
	path func(string) string
}

func newHouse(t *testing.T, withVault bool) *house {
	t.Helper()
	h := &house{t: t, dir: t.TempDir(), now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.Local)}
	db, err := store.Open(t.Context(), store.Config{Dir: h.dir})
	if err != nil {
		t.Fatal(err)
	}
	files, err := db.OpenRoot(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(files.Close(), db.Close()); err != nil {
			t.Error(err)
		}
	})
	if h.id, err = vault.GenerateHybrid(); err != nil {
		t.Fatal(err)
	}
	if withVault {
		if _, err := db.CreateVault(t.Context(), store.Vault{Name: "Home", Type: "hybrid", Recipient: h.id.Recipient().String()}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.CreateCamera(t.Context(), store.NewCamera("Front", "rtsp://192.0.2.1/")); err != nil {
		t.Fatal(err)
	}
	if _, err := vault.LoadBoxKey(filepath.Join(h.dir, "keys", "box.key")); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(h.dir, "keys", "web"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"keys/web/root.pem": "root", "keys/.box.key-123": "temporary"} {
		if err := os.WriteFile(filepath.Join(h.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if err := db.LogAccess(t.Context(), store.Access{Action: "playback"}); err != nil {
			t.Fatal(err)
		}
	}
	h.log, err = tlog.Open(tlog.Config{
		Dir: filepath.Join(h.dir, "log", "access"), KeyFile: filepath.Join(h.dir, "keys", "log-access.key"), Origin: "test", Source: db.LogSource(store.LogAccess),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.log.Integrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.Maker = New(Config{DB: db, Files: files, Dir: h.dir, Now: func() time.Time { return h.now }})
	h.path = func(name string) string { return filepath.Join(files.Dir(), name) }
	return h
}

// TestBackupAndRestore is attack case 77 of docs/attacks.md.
func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	name, err := h.Make(t.Context())
	if err != nil || name != "backup/2026-11-24.tar.age" {
		t.Fatalf("%s, %v", name, err)
	}
	sealed, err := os.ReadFile(h.path(name))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, []byte("SQLite")) || bytes.Contains(sealed, []byte("192.0.2.1")) {
		t.Error("the backup is not sealed")
	}
	if left, err := filepath.Glob(filepath.Join(h.dir, "*.tmp*")); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	into := filepath.Join(t.TempDir(), "new")
	m, err := Restore(t.Context(), h.id, h.path(name), into)
	if err != nil {
		t.Fatal(err)
	}
	if m.Format != format || !m.Created.Equal(h.now) {
		t.Errorf("manifest %+v", m)
	}
	for _, f := range []string{"keys/box.key", "keys/web/root.pem"} {
		want, err := os.ReadFile(filepath.Join(h.dir, f))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join(into, f)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %v", f, err)
		}
	}
	before, faults, err := tlog.Verify(t.Context(), tlog.Verification{Dir: filepath.Join(into, "log", "access"), Key: h.log.Key(), Witnessed: [][]byte{h.log.Checkpoint().Text}})
	if err != nil || len(faults) > 0 || before.Size != 3 {
		t.Errorf("the restored log has %d records, %v, %v", before.Size, faults, err)
	}
	if list, err := os.ReadDir(into); err != nil || len(list) != 3 {
		t.Errorf("restored %v, %v", list, err)
	}
	db, err := store.Open(t.Context(), store.Config{Dir: into})
	if err != nil {
		t.Fatal(err)
	}
	if last, err := db.LogRecord(t.Context(), store.LogAccess, 3); err != nil || last.Action != "restore" {
		t.Errorf("the restored log says %+v, %v", last, err)
	}
	if cameras, err := db.Cameras(t.Context()); err != nil || len(cameras) != 1 || cameras[0].Name != "Front" {
		t.Errorf("%+v, %v", cameras, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	// Not twice.
	if _, err := Restore(t.Context(), h.id, h.path(name), into); store.ErrorCode(err) != store.Conflict {
		t.Errorf("into a directory that is not empty: %v", err)
	}
}

func TestWithoutVault(t *testing.T) {
	t.Parallel()
	h := newHouse(t, false)
	if _, err := h.Make(t.Context()); store.ErrorCode(err) != store.Conflict {
		t.Errorf("%v", err)
	}
}

func TestKeepsSeven(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	for range 9 {
		if !h.due() {
			t.Errorf("not due on %v", h.now)
		}
		if _, err := h.Make(t.Context()); err != nil {
			t.Fatal(err)
		}
		if h.due() {
			t.Errorf("due again on %v", h.now)
		}
		h.now = h.now.AddDate(0, 0, 1)
	}
	names, err := h.list()
	if err != nil || len(names) != Keep || names[0] != "2026-11-26.tar.age" {
		t.Errorf("%v, %v", names, err)
	}
}

// entry is one file of a forged archive.
type entry struct {
	name, text string
	kind       byte
	link       string
}

// forge seals an archive that Make would never write.
func forge(t testing.TB, id *vault.Identity, entries ...entry) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "forged.tar.age")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w, _, err := vault.Seal(f, id.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	out := tar.NewWriter(w)
	for _, e := range entries {
		if e.kind == 0 {
			e.kind = tar.TypeReg
		}
		if err := out.WriteHeader(&tar.Header{Name: e.name, Typeflag: e.kind, Size: int64(len(e.text)), Linkname: e.link, Mode: 0o600}); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Write([]byte(e.text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(out.Close(), w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestForgedBackups is attack case 52 of docs/attacks.md.
func TestForgedBackups(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	name, err := h.Make(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := os.ReadFile(h.path(name))
	if err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(t.TempDir(), "cut.tar.age")
	if err := os.WriteFile(cut, sealed[:len(sealed)-1000], 0o600); err != nil {
		t.Fatal(err)
	}
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	about := entry{name: manifestName, text: `{"format":1,"store":"x"}`}
	for what, file := range map[string]string{
		"cut off":          cut,
		"no age file":      plain,
		"missing":          filepath.Join(t.TempDir(), "none"),
		"empty archive":    forge(t, h.id),
		"no manifest":      forge(t, h.id, entry{name: "cardea.db", text: "x"}),
		"no database":      forge(t, h.id, about),
		"other database":   forge(t, h.id, about, entry{name: "cardea.db", text: "hello"}),
		"newer":            forge(t, h.id, entry{name: manifestName, text: `{"format":3}`}),
		"traversal":        forge(t, h.id, about, entry{name: "../evil", text: "x"}),
		"traversal inside": forge(t, h.id, about, entry{name: "keys/../../evil", text: "x"}),
		"absolute":         forge(t, h.id, about, entry{name: "/etc/evil", text: "x"}),
		"link":             forge(t, h.id, about, entry{name: "keys/box.key", kind: tar.TypeSymlink, link: "/etc/passwd"}),
		"hard link":        forge(t, h.id, about, entry{name: "keys/box.key", kind: tar.TypeLink, link: "/etc/passwd"}),
		"twice":            forge(t, h.id, about, entry{name: "keys/a", text: "x"}, entry{name: "keys/a", text: "y"}),
		"large key":        forge(t, h.id, about, entry{name: "keys/a", text: strings.Repeat("x", maxKeyBytes+1)}),
		"device":           forge(t, h.id, about, entry{name: "keys/a", kind: tar.TypeChar}),
	} {
		into := filepath.Join(t.TempDir(), "into")
		_, err := Restore(t.Context(), h.id, file, into)
		if code := store.ErrorCode(err); code == "" {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := os.Stat(into); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: something was left behind, %v", what, err)
		}
	}
	other, err := vault.GenerateHybrid()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(t.Context(), other, h.path(name), filepath.Join(t.TempDir(), "x")); store.ErrorCode(err) != store.Denied {
		t.Errorf("another identity: %v", err)
	}
}

// FuzzUnpack is attack case 52 of docs/attacks.md.
func FuzzUnpack(f *testing.F) {
	var good bytes.Buffer
	w := tar.NewWriter(&good)
	for _, e := range []entry{{name: manifestName, text: `{"format":1}`}, {name: "cardea.db", text: "x"}, {name: "keys/a", text: "x"}} {
		if err := w.WriteHeader(&tar.Header{Name: e.name, Typeflag: tar.TypeReg, Size: int64(len(e.text))}); err != nil {
			f.Fatal(err)
		}
		if _, err := w.Write([]byte(e.text)); err != nil {
			f.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add(good.Bytes())
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{0x20}, 1024))
	f.Fuzz(func(t *testing.T, b []byte) {
		half := filepath.Join(t.TempDir(), "half")
		_, _ = unpack(context.Background(), bytes.NewReader(b), half, int64(len(b)))
	})
}
