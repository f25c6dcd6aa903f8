package disk_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"cardea/store/disk"
)

var storeID = ulid.MustParse("01JNXZ3V5H8Q2W4E6R8T0Y1M3A")

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, dir string) *disk.Root {
	t.Helper()
	root, err := disk.Open(disk.Config{Dir: dir, Store: storeID, Make: true, Mark: true})
	ok(t, err)
	t.Cleanup(func() { root.Close() })
	return root
}

// put makes a file that holds data.
func put(root *disk.Root, name string, data []byte) error {
	file, err := root.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(file.Append(data), file.Datasync(), file.Close())
}

func read(root *disk.Root, name string) ([]byte, error) {
	files, err := root.FS()
	if err != nil {
		return nil, err
	}
	return fs.ReadFile(files, name)
}

// mount puts a tmpfs of the given options over a new directory.
func mount(t *testing.T, options string) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("mounting a tmpfs takes root")
	}
	dir := t.TempDir()
	ok(t, syscall.Mount("tmpfs", dir, "tmpfs", 0, options))
	t.Cleanup(func() {
		for syscall.Unmount(dir, syscall.MNT_DETACH) == nil { //nolint:revive // until nothing is mounted there
		}
	})
	return dir
}

func TestClipPath(t *testing.T) {
	t.Parallel()
	// 23:30 on the last day of the year in UTC, whatever the local date.
	start := time.Date(2026, 1, 1, 1, 30, 0, 0, time.FixedZone("", 2*3600))
	if got, want := disk.ClipPath(storeID, start, storeID), storeID.String()+"/2025/12/31/"+storeID.String()+".mp4.age"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestLifeOfAFile(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "clips")
	root := open(t, dir)
	name := disk.ClipPath(storeID, time.Unix(0, 0), storeID)
	file, err := root.Create(name)
	ok(t, err)
	ok(t, file.Append([]byte("hello ")))
	fmt.Fprint(file, "world")
	ok(t, file.Datasync())
	if file.Size() != 11 || file.Name() != name {
		t.Errorf("size %d, name %s", file.Size(), file.Name())
	}
	ok(t, file.Close())
	if _, err := root.Create(name); !errors.Is(err, fs.ErrExist) {
		t.Errorf("made twice: %v", err)
	}
	reader, err := root.Open(name)
	ok(t, err)
	data, err := io.ReadAll(reader)
	ok(t, errors.Join(err, reader.Close()))
	if string(data) != "hello world" {
		t.Errorf("it holds %q", data)
	}
	info, err := root.Stat(name)
	ok(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode is %v", info.Mode())
	}
	ok(t, root.Remove(name, name, "never/was/there"))
	if _, err := root.Open(name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("still there: %v", err)
	}
	entries, err := os.ReadDir(dir)
	ok(t, err)
	if len(entries) != 1 || entries[0].Name() != disk.Marker {
		t.Errorf("left behind: %v", entries)
	}
}

func TestRemoveKeepsNeighbours(t *testing.T) {
	t.Parallel()
	root := open(t, t.TempDir())
	ok(t, errors.Join(put(root, "a/b/1", nil), put(root, "a/b/2", nil), put(root, "a/c/3", nil)))
	ok(t, root.Remove("a/b/1", "a/c/3"))
	if _, err := root.Stat("a/b/2"); err != nil {
		t.Error(err)
	}
	if _, err := root.Stat("a/c"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the empty directory is there: %v", err)
	}
}

// TestEscape is attack case 46 of docs/attacks.md.
func TestEscape(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	dir := t.TempDir()
	root := open(t, dir)
	ok(t, os.Symlink(outside, filepath.Join(dir, "link")))
	ok(t, os.WriteFile(filepath.Join(outside, "file"), nil, 0o600))
	for _, name := range []string{"../x", "/etc/x", "link/x", "a/../../x", ""} {
		if _, err := root.Create(name); err == nil {
			t.Errorf("%q was made", name)
		}
	}
	if err := root.Remove("link/file"); err == nil {
		t.Error("a file outside was removed")
	}
	if _, err := root.Open("link/file"); err == nil {
		t.Error("a file outside was opened")
	}
	if entries, _ := os.ReadDir(outside); len(entries) != 1 {
		t.Errorf("outside has %v", entries)
	}
}

func TestCreateBesideRemove(t *testing.T) {
	t.Parallel()
	root := open(t, t.TempDir())
	var group sync.WaitGroup
	for worker := range 4 {
		group.Go(func() {
			for i := range 100 {
				name := fmt.Sprintf("camera/2025/01/01/%d-%d", worker, i)
				if err := put(root, name, []byte("x")); err != nil {
					t.Error(err)
					return
				}
				if err := root.Remove(name); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
}

func TestReplace(t *testing.T) {
	t.Parallel()
	root := open(t, t.TempDir())
	write := func(text string, err error) func(io.Writer) error {
		return func(w io.Writer) error {
			_, _ = io.WriteString(w, text)
			return err
		}
	}
	ok(t, put(root, "backup/db.part", []byte("left from a crash")))
	ok(t, root.Replace("backup/db", write("one", nil)))
	ok(t, root.Replace("backup/db", write("two", nil)))
	broken := errors.New("broken")
	if err := root.Replace("backup/db", write("half", broken)); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if data, err := read(root, "backup/db"); err != nil || string(data) != "two" {
		t.Errorf("it holds %q, %v", data, err)
	}
	if _, err := root.Stat("backup/db.part"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("left behind: %v", err)
	}
}

func TestMarker(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := disk.Open(disk.Config{Dir: dir, Store: storeID}); !errors.Is(err, disk.ErrNotMounted) {
		t.Errorf("without marker: %v", err)
	}
	if _, err := disk.Open(disk.Config{Dir: filepath.Join(dir, "no"), Store: storeID, Mark: true}); !errors.Is(err, disk.ErrNotMounted) {
		t.Errorf("without directory: %v", err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("something was written: %v", entries)
	}
	ok(t, open(t, dir).Close())
	root, err := disk.Open(disk.Config{Dir: dir, Store: storeID})
	ok(t, err)
	ok(t, root.Check())
	ok(t, root.Close())
	if _, err := disk.Open(disk.Config{Dir: dir, Store: ulid.Make(), Make: true, Mark: true}); !errors.Is(err, disk.ErrOtherStore) {
		t.Errorf("with another store's marker: %v", err)
	}
}

// TestDiskGoesAndComesBack is attack case 72 of docs/attacks.md.
func TestDiskGoesAndComesBack(t *testing.T) {
	t.Parallel()
	dir := mount(t, "size=1m")
	root := open(t, dir)
	ok(t, put(root, "a/1", []byte("x")))
	writing, err := root.Create("a/open")
	ok(t, err)

	// Something else is mounted over it, as when the disk below is not there.
	ok(t, syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"))
	for what, err := range map[string]error{
		"check": root.Check(), "create": put(root, "a/2", nil), "remove": root.Remove("a/1"),
		"replace": root.Replace("backup/x", func(io.Writer) error { return nil }),
	} {
		if !errors.Is(err, disk.ErrNotMounted) {
			t.Errorf("%s: %v", what, err)
		}
	}
	ok(t, writing.Append([]byte("stays on its own disk")))
	ok(t, writing.Close())
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("written to the wrong disk: %v", entries)
	}

	ok(t, syscall.Unmount(dir, 0))
	ok(t, root.Check())
	if data, err := read(root, "a/open"); err != nil || string(data) != "stays on its own disk" {
		t.Errorf("the open file holds %q, %v", data, err)
	}

	// Another mount with the marker, as after a replug: the root goes on with it.
	ok(t, syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"))
	ok(t, os.WriteFile(filepath.Join(dir, disk.Marker), []byte(storeID.String()+"\n"), 0o600))
	ok(t, put(root, "b/1", []byte("y")))
	if _, err := os.Stat(filepath.Join(dir, "b/1")); err != nil {
		t.Error(err)
	}
	if space, err := root.Free(); err != nil || space.Total != 2<<20 {
		t.Errorf("space is %+v, %v", space, err)
	}
}

func TestWaitForDisk(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "mnt")
	root, err := disk.Open(disk.Config{Dir: dir, Store: storeID, Wait: true})
	ok(t, err)
	defer root.Close()
	_, freeErr := root.Free()
	_, openErr := root.Open("a")
	_, statErr := root.Stat("a")
	_, fsErr := root.FS()
	for i, err := range []error{root.Check(), put(root, "a", nil), root.Remove("a"), freeErr, openErr, statErr, fsErr} {
		if !errors.Is(err, disk.ErrNotMounted) {
			t.Errorf("method %d says %v", i, err)
		}
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something was made: %v", err)
	}
	ok(t, open(t, dir).Close())
	ok(t, put(root, "a", nil)) // asks by itself
}

// TestFullDisk is attack case 65 of docs/attacks.md.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	root := open(t, mount(t, "size=256k"))
	file, err := root.Create("a/clip")
	ok(t, err)
	block := bytes.Repeat([]byte("0123456789abcdef"), 3000) // 48,000 bytes: the last one fits in part
	var failure error
	for failure == nil {
		failure = file.Append(block)
	}
	if !errors.Is(failure, disk.ErrFull) || !errors.Is(failure, syscall.ENOSPC) {
		t.Errorf("a full disk says %v", failure)
	}
	if file.Size()%int64(len(block)) != 0 {
		t.Errorf("size is %d after an append that did not work", file.Size())
	}
	space, err := root.Free()
	if err != nil || space.Free >= int64(len(block)) {
		t.Errorf("space is %+v, %v", space, err)
	}
	size := file.Size()
	ok(t, file.Close())
	if info, err := root.Stat("a/clip"); err != nil || info.Size() != size {
		t.Errorf("the file has %d bytes, want %d", info.Size(), size)
	}
	if err := root.Replace("backup/big", func(w io.Writer) error {
		_, err := w.Write(make([]byte, 1<<20))
		return err
	}); !errors.Is(err, disk.ErrFull) {
		t.Errorf("replace says %v", err)
	}
	ok(t, root.Remove("a/clip"))
	ok(t, put(root, "a/again", block))
}

// TestAppendAgainAfterFull is attack case 65 of docs/attacks.md.
func TestAppendAgainAfterFull(t *testing.T) {
	t.Parallel()
	dir := mount(t, "size=256k")
	root := open(t, dir)
	ballast := filepath.Join(dir, "ballast")
	_ = os.WriteFile(ballast, make([]byte, 160<<10), 0o600)
	file, err := root.Create("clip")
	ok(t, err)
	first, second := bytes.Repeat([]byte{1}, 50_000), bytes.Repeat([]byte{2}, 120_000)
	ok(t, file.Append(first))
	if err := file.Append(second); !errors.Is(err, disk.ErrFull) {
		t.Fatalf("got %v", err)
	}
	ok(t, os.Remove(ballast))
	ok(t, file.Append(second))
	ok(t, file.Close())
	if data, err := read(root, "clip"); err != nil || !bytes.Equal(data, append(first, second...)) {
		t.Errorf("it holds %d bytes, %v", len(data), err)
	}
}

// TestNoInodes is attack case 72 of docs/attacks.md.
func TestNoInodes(t *testing.T) {
	t.Parallel()
	root := open(t, mount(t, "size=1m,nr_inodes=8"))
	var failure error
	for i := 0; failure == nil; i++ {
		failure = put(root, fmt.Sprintf("f%d", i), nil)
	}
	if !errors.Is(failure, disk.ErrFull) {
		t.Errorf("no inodes says %v", failure)
	}
	if space, err := root.Free(); err != nil || space.Files != 0 || space.Free == 0 {
		t.Errorf("space is %+v, %v", space, err)
	}
}

// TestReadOnlyDisk is attack cases 66 and 72 of docs/attacks.md.
func TestReadOnlyDisk(t *testing.T) {
	t.Parallel()
	dir := mount(t, "size=1m")
	root := open(t, dir)
	ok(t, put(root, "a/1", nil))
	ok(t, syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
	for what, err := range map[string]error{"create": put(root, "a/2", nil), "remove": root.Remove("a/1")} {
		if !errors.Is(err, disk.ErrReadOnly) {
			t.Errorf("%s says %v", what, err)
		}
	}
	if _, err := root.Stat("a/1"); err != nil {
		t.Error(err)
	}
}
