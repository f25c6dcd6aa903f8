package check_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"cardea/store"
	"cardea/store/check"
)

// TestAttack69 is attack case 69 for the write-ahead log and single bits: what is lost from the log or turned over in a page is found, because files,
// hashes and the footage log know of it too. Torn pages and lost halves are in TestDamagedDatabase, here and in store.
func TestAttack69(t *testing.T) {
	t.Parallel()
	h := furnish(t)
	copied := func(t *testing.T) string {
		t.Helper()
		dir := filepath.Join(t.TempDir(), "data")
		ok(t, os.CopyFS(dir, os.DirFS(h.dir)))
		return dir
	}
	database, journal := func(dir string) string { return filepath.Join(dir, store.FileName) }, func(dir string) string { return filepath.Join(dir, store.FileName+"-wal") }
	if faults := run(t, check.Config{Dir: copied(t)}); len(faults) != 0 {
		t.Fatalf("before any damage: %v", faults)
	}
	info, err := os.Stat(journal(h.dir))
	ok(t, err)
	if info.Size() < 100_000 {
		t.Fatalf("the write-ahead log has %d bytes", info.Size())
	}

	t.Run("index of the log gone", func(t *testing.T) {
		dir := copied(t)
		ok(t, os.Remove(database(dir)+"-shm")) // SQLite makes it again; nothing is lost
		if faults := run(t, check.Config{Dir: dir}); len(faults) != 0 {
			t.Errorf("faults: %v", faults)
		}
	})
	for name, keep := range map[string]int64{"half of the log": info.Size() / 2, "a quarter of the log": info.Size() / 4} {
		t.Run(name, func(t *testing.T) {
			dir := copied(t)
			ok(t, os.Truncate(journal(dir), keep))
			ok(t, os.Remove(database(dir)+"-shm"))
			if faults := run(t, check.Config{Dir: dir}); len(faults) == 0 {
				t.Error("nothing was found")
			}
		})
	}
	ok(t, h.db.Close())
	sound, err := os.ReadFile(database(h.dir))
	ok(t, err)
	const page = 4096
	for name, at := range map[string]int{
		"a bit of the hash of a clip": bytes.Index(sound, h.closed.SHA256),
		"a bit of the id of a clip":   bytes.Index(sound, h.closed.ID[:]),
		"the kind of a page":          len(sound) / 2 / page * page,
	} {
		t.Run(name, func(t *testing.T) {
			if at < 0 {
				t.Fatal("it is not there")
			}
			dir := copied(t)
			flip(t, database(dir), int64(at))
			if faults := run(t, check.Config{Dir: dir}); len(faults) == 0 {
				t.Error("nothing was found")
			}
		})
	}
}
