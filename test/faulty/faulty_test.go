package faulty

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestCuts: what was synced survives every power cut, what was not survives as the cut says.
func TestCuts(t *testing.T) {
	d := Mount(t)
	dir := filepath.Join(d.Dir, "dir")
	check(t, os.Mkdir(dir, 0o700))
	syncDir(t, d.Dir)
	f, err := os.Create(filepath.Join(dir, "file"))
	check(t, err)
	write(t, f, "durable")
	check(t, f.Sync())
	named := d.Ops()
	syncDir(t, dir)
	write(t, f, ", lost")
	lost := d.Ops()
	check(t, f.Truncate(3))
	check(t, f.Close())
	check(t, os.Rename(filepath.Join(dir, "file"), filepath.Join(dir, "new")))
	renamed := d.Ops()
	syncDir(t, dir)
	for _, c := range []struct {
		ops  int
		cut  Cut
		name string
		want string
	}{
		{named, Synced, "file", "-"}, // its name was not synced
		{named, Ordered, "file", "durable"},
		{named, Written, "file", "durable"},
		{lost, Synced, "file", "durable"},
		{lost, Ordered, "file", "durable"},
		{lost, Written, "file", "durable, lost"},
		{renamed, Synced, "file", "durable"},
		{renamed, Synced, "new", "-"},
		{renamed, Written, "new", "dur"},
		{d.Ops(), Synced, "new", "durable"},
		{d.Ops(), Synced, "file", "-"},
	} {
		to := t.TempDir()
		check(t, d.Restore(to, c.ops, c.cut, nil))
		got, err := os.ReadFile(filepath.Join(to, "dir", c.name))
		if err != nil {
			got = []byte("-")
		}
		if string(got) != c.want {
			t.Errorf("%s after %d changes: %s is %q, want %q", c.cut, c.ops, c.name, got, c.want)
		}
	}
	random, seen := rand.New(rand.NewPCG(1, 1)), map[string]bool{}
	for range 40 {
		to := t.TempDir()
		check(t, d.Restore(to, renamed, Torn, random))
		for _, name := range []string{"file", "new"} {
			if got, err := os.ReadFile(filepath.Join(to, "dir", name)); err == nil {
				seen[name+" "+string(got)] = true
			}
		}
	}
	if len(seen) < 4 || seen["new "] {
		t.Errorf("torn cuts left %v", seen)
	}
}

// TestFail: one write and one sync fail, with what is asked for, and nothing else.
func TestFail(t *testing.T) {
	d := Mount(t)
	f, err := os.Create(filepath.Join(d.Dir, "file"))
	check(t, err)
	d.Fail(func(op Op) syscall.Errno {
		switch op.Kind {
		case Write:
			return syscall.EIO
		case Sync:
			return syscall.ENOSPC
		}
		return 0
	})
	if _, err := f.WriteString("x"); !errors.Is(err, syscall.EIO) {
		t.Errorf("write: %v", err)
	}
	if err := f.Sync(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("sync: %v", err)
	}
	d.Fail(nil)
	write(t, f, "sound")
	check(t, errors.Join(f.Sync(), f.Close()))
	if got, err := os.ReadFile(f.Name()); err != nil || string(got) != "sound" {
		t.Errorf("%q, %v", got, err)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, f *os.File, text string) {
	t.Helper()
	_, err := f.WriteString(text)
	check(t, err)
}

func syncDir(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Open(dir)
	check(t, err)
	check(t, errors.Join(f.Sync(), f.Close()))
}
