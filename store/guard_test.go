package store_test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	_ "github.com/mattn/go-sqlite3"

	"cardea/store"
	"cardea/store/migration"
)

// raw opens the database as another program would.
func raw(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite3", path)
	ok(t, err)
	t.Cleanup(func() { db.Close() })
	return db
}

// refused opens dir, wants a refusal that mentions words, and that no file in dir changed.
func refused(t *testing.T, dir string, code store.Code, words ...string) {
	t.Helper()
	before := contents(t, dir)
	db, err := store.Open(t.Context(), store.Config{Dir: dir})
	if err == nil {
		db.Close()
		t.Fatal("it was opened")
	}
	wantCode(t, err, code)
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the message does not say %q: %v", word, err)
		}
	}
	after := contents(t, dir)
	for name, data := range before {
		if !bytes.Equal(after[name], data) {
			t.Errorf("%s was changed", name)
		}
	}
}

func contents(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return all
	}
	ok(t, err)
	for _, entry := range entries {
		// The lock names the last process; SQLite's shared memory is scratch.
		if name := entry.Name(); name != "lock" && !strings.HasSuffix(name, "-shm") {
			all[name], _ = os.ReadFile(filepath.Join(dir, name))
		}
	}
	return all
}

// closedHouse is a data directory with something in it and nobody using it.
func closedHouse(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	h := furnish(t, open(t, dir))
	for i := range 50 {
		h.record(t, noon.Add(minutes(i)), 60)
	}
	ok(t, h.Close())
	return dir
}

// TestSecondProcess is attack case 70 of docs/attacks.md.
func TestSecondProcess(t *testing.T) {
	if dir := os.Getenv("STORE_TEST_HOLD"); dir != "" { // this is the second process
		_, err := store.Open(t.Context(), store.Config{Dir: dir})
		fmt.Println("ANSWER", store.ErrorCode(err), err)
		return
	}
	dir := t.TempDir()
	db := open(t, dir)
	command := exec.Command(os.Args[0], "-test.run=^TestSecondProcess$", "-test.v")
	command.Env = append(os.Environ(), "STORE_TEST_HOLD="+dir)
	out, err := command.CombinedOutput()
	if want := fmt.Sprintf("ANSWER conflict process %d works on %s already", os.Getpid(), dir); err != nil || !strings.Contains(string(out), want) {
		t.Errorf("the second process says %s (%v), want %q", out, err, want)
	}
	ok(t, db.Close())
	open(t, dir)
}

func TestNewerSchema(t *testing.T) {
	t.Parallel()
	dir := closedHouse(t)
	db := raw(t, filepath.Join(dir, store.FileName))
	_, err := db.Exec(`PRAGMA user_version = 9000`)
	ok(t, err)
	ok(t, db.Close())
	refused(t, dir, store.Conflict, "newer Cardea", "schema 9000", "nothing was changed")
}

func TestForeignDatabase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := raw(t, filepath.Join(dir, store.FileName))
	_, err := db.Exec(`CREATE TABLE a (b)`)
	ok(t, err)
	ok(t, db.Close())
	refused(t, dir, store.Invalid, "another program")
}

// TestDamagedDatabase is attack case 69 of docs/attacks.md.
func TestDamagedDatabase(t *testing.T) {
	t.Parallel()
	damage := map[string]func(path string, size int64) error{
		"empty":        func(path string, _ int64) error { return os.Truncate(path, 0) },
		"half":         func(path string, size int64) error { return os.Truncate(path, size/2) },
		"a byte short": func(path string, size int64) error { return os.Truncate(path, size-1) },
		"no header":    func(path string, _ int64) error { return overwrite(path, 0, 16) },
		"first page":   func(path string, _ int64) error { return overwrite(path, 100, 1000) },
		"everything":   func(path string, size int64) error { return overwrite(path, 100, int(size-100)) },
		"other contents": func(path string, _ int64) error {
			return os.WriteFile(path, bytes.Repeat([]byte("hello "), 5000), 0o600)
		},
	}
	for name, hurt := range damage {
		t.Run(name, func(t *testing.T) {
			dir := closedHouse(t)
			path := filepath.Join(dir, store.FileName)
			info, err := os.Stat(path)
			ok(t, err)
			ok(t, hurt(path, info.Size()))
			refused(t, dir, store.Unavailable, "is damaged", "cardea verify", "cardea restore")
		})
	}
}

func overwrite(path string, offset int64, n int) error {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteAt(bytes.Repeat([]byte{0xa5}, n), offset)
	return errors.Join(err, file.Close())
}

func TestLostDatabase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ok(t, os.WriteFile(filepath.Join(dir, store.FileName+"-wal"), []byte("something"), 0o600))
	refused(t, dir, store.Unavailable, "is missing", "cardea restore")
}

func TestFirstStartCutOff(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ok(t, os.WriteFile(filepath.Join(dir, store.FileName+".new"), []byte("half a database"), 0o600))
	open(t, dir)
}

func TestDirectoryIsFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	ok(t, os.WriteFile(path, nil, 0o600))
	refused(t, path, store.Invalid, "--data DIR")
}

func TestUnwritableDirectory(t *testing.T) {
	if os.Getuid() == 0 {
		// root may write everywhere, so another user tries, in a process of its own.
		if os.Getenv("STORE_TEST_DENIED") == "" {
			dir, err := os.MkdirTemp("/tmp", "store-denied-")
			ok(t, err)
			defer os.RemoveAll(dir)
			binary := filepath.Join(dir, "test")
			program, err := os.ReadFile(os.Args[0])
			ok(t, err)
			ok(t, errors.Join(os.WriteFile(binary, program, 0o755), os.Chmod(dir, 0o755), os.Mkdir(filepath.Join(dir, "it's"), 0o755)))
			command := exec.Command(binary, "-test.run=^TestUnwritableDirectory$", "-test.v")
			command.Dir = "/"
			command.Env = append(os.Environ(), "STORE_TEST_DENIED="+filepath.Join(dir, "it's"))
			command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
			if out, err := command.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
			return
		}
	}
	dir := os.Getenv("STORE_TEST_DENIED")
	if dir == "" {
		dir = filepath.Join(t.TempDir(), "it's")
		ok(t, os.Mkdir(dir, 0o500))
	}
	refused(t, dir, store.Unavailable, fmt.Sprintf("sudo chown -R %d:%d '", os.Getuid(), os.Getgid()), `it'\''s'`)
	refused(t, filepath.Join(dir, "below"), store.Unavailable, "sudo mkdir -p")
}

// TestReadOnlyDisk is attack case 66 of docs/attacks.md.
func TestReadOnlyDisk(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("mounting a tmpfs takes root")
	}
	dir := t.TempDir()
	ok(t, syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"))
	defer syscall.Unmount(dir, syscall.MNT_DETACH)
	ok(t, syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
	refused(t, dir, store.Unavailable, "read-only")
}

// TestFullDisk is attack case 65 of docs/attacks.md.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("mounting a tmpfs takes root")
	}
	dir := t.TempDir()
	ok(t, syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1536k"))
	db, err := store.Open(t.Context(), store.Config{Dir: dir})
	ok(t, err)
	defer syscall.Unmount(dir, syscall.MNT_DETACH)
	defer db.Close()
	h := furnish(t, db)
	ballast := filepath.Join(dir, "ballast")
	_ = os.WriteFile(ballast, make([]byte, 2<<20), 0o600) // as far as it goes
	var failure error
	for i := 0; i < 5000 && failure == nil; i++ {
		_, failure = h.OpenClip(t.Context(), store.Clip{
			Camera: h.camera.ID, Start: noon.Add(minutes(i)), Vault: h.vault.ID, Codecs: "avc1.64001f", HeaderBytes: 200, InitBytes: 700,
		})
	}
	wantCode(t, failure, store.Unavailable)
	ok(t, os.Remove(ballast))
	h.begin(t, noon.Add(minutes(6000))) // it goes on by itself when there is room again
	ok(t, db.Close())
	_ = os.WriteFile(ballast, make([]byte, 2<<20), 0o600)
	refused(t, dir, store.Unavailable, "is full; free some space there") // the start says the same
}

func TestMigrationBacksUp(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, store.FileName)
	db := raw(t, path)
	// A database from before the first migration: ours by its mark, version 0.
	_, err := db.Exec(fmt.Sprintf(`PRAGMA journal_mode = WAL; CREATE TABLE old (x); INSERT INTO old VALUES (42); PRAGMA application_id = %d`, migration.ApplicationID))
	ok(t, err)
	ok(t, db.Close())
	// It has no store.id, so that it is refused after all; but the copy was made first.
	_, err = store.Open(t.Context(), store.Config{Dir: dir, Now: (&clock{at: noon}).Now})
	if err == nil {
		t.Fatal("a database without identifier was opened")
	}
	backup := raw(t, path+".v0-20250309T120000Z.backup")
	var x int
	if err := backup.QueryRow(`SELECT x FROM old`).Scan(&x); err != nil || x != 42 {
		t.Errorf("the backup has %d, %v", x, err)
	}
}
