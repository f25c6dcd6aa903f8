package recorder

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"cardea/store"
	"cardea/store/check"
	"cardea/store/vault"
	"cardea/test/faulty"
)

// announceEnv makes the victim say which clips the index calls closed.
const announceEnv = "CARDEA_TEST_ANNOUNCE"

// announce prints the clips that are closed, each once.
func announce(ctx context.Context, db *store.DB) {
	said := map[store.ID]bool{}
	for ; ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		clips, err := db.Clips(ctx, store.ClipQuery{})
		if err != nil {
			return
		}
		for _, c := range clips {
			if c.State == store.ClipClosed && !said[c.ID] {
				said[c.ID] = true
				fmt.Println("closed", c.ID)
			}
		}
	}
}

// TestAttack68 is attack case 68: a recorder works on a disk that keeps a journal of writes and syncs, from its first start on. Then the power is cut at
// moments of that journal, in each of the ways in which a disk may lose what was not synced. After each cut the box starts by itself, index and files agree,
// and every clip that was announced as closed is there and can be read. CARDEA_CUTS says how often; 32 without it.
func TestAttack68(t *testing.T) {
	t.Parallel()
	disk := faulty.Mount(t)
	dir := filepath.Join(disk.Dir, "data")
	closed := recordUntil(t, disk, dir, func() {}, func(closed int) bool { return closed >= 8 })
	ops := disk.Ops()
	cuts := 32
	if text := os.Getenv("CARDEA_CUTS"); text != "" {
		var err error
		if cuts, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	id, err := vault.ParseIdentity(testIdentity)
	if err != nil {
		t.Fatal(err)
	}
	kept := 0
	for i := range cuts {
		// Half of the cuts are within a few changes of a moment at which something was announced.
		at := random.IntN(ops + 1)
		if i%2 == 0 {
			for _, n := range closed {
				at = min(ops, n+random.IntN(20))
				break
			}
		}
		how := faulty.Cut(i / 2 % int(faulty.Cuts))
		name := fmt.Sprintf("seed %d, cut %d: %s after %d of %d changes", seed, i, how, at, ops)
		if err := afterCut(t, disk, at, how, random, id, closed, &kept); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if t.Failed() && i > 20 {
			break
		}
	}
	t.Logf("%d cuts of %d changes, %d announced clips read", cuts, ops, kept)
	if kept == 0 {
		t.Error("no cut left a clip that was announced")
	}
}

// TestAttack66 is attack case 66: single writes and syncs fail, of clips and of the index. Nothing that was announced is lost by that, nothing that was lost is
// announced, and recording goes on.
func TestAttack66(t *testing.T) {
	t.Parallel()
	disk := faulty.Mount(t)
	dir := filepath.Join(disk.Dir, "data")
	var failed, seen atomic.Int64
	closed := recordUntil(t, disk, dir, func() {
		disk.Fail(func(op faulty.Op) syscall.Errno {
			// The shared memory of SQLite is mapped: what fails there kills a process by SIGBUS, on any disk.
			if op.Kind != faulty.Write && op.Kind != faulty.Sync && op.Kind != faulty.SyncDir || strings.HasSuffix(op.Path, "-shm") || seen.Add(1)%41 != 0 {
				return 0
			}
			return []syscall.Errno{syscall.EIO, syscall.ENOSPC}[failed.Add(1)%2]
		})
	}, func(closed int) bool { return closed >= 5 && failed.Load() >= 20 })
	t.Logf("%d of %d writes and syncs failed, %d clips were closed beside them", failed.Load(), seen.Load(), len(closed))
	id, err := vault.ParseIdentity(testIdentity)
	if err != nil {
		t.Fatal(err)
	}
	kept := 0
	for _, how := range []faulty.Cut{faulty.Written, faulty.Synced} {
		if err := afterCut(t, disk, disk.Ops(), how, nil, id, closed, &kept); err != nil {
			t.Errorf("%s: %v", how, err)
		}
	}
}

// recordUntil runs the victim until so many clips are closed that it is enough, and kills it. first is called with the first of them. It says
// after how many changes each had been announced.
func recordUntil(t *testing.T, disk *faulty.Disk, dir string, first func(), enough func(closed int) bool) map[store.ID]int {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childEnv+"="+dir, announceEnv+"=1")
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(2*time.Minute, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	closed := map[store.ID]int{}
	in := bufio.NewScanner(out)
	for in.Scan() {
		text, ok := strings.CutPrefix(in.Text(), "closed ")
		if !ok {
			continue
		}
		if len(closed) == 0 {
			first()
		}
		id, err := store.ParseID(text)
		if err != nil {
			t.Fatal(err)
		}
		closed[id] = disk.Ops()
		if enough(len(closed)) {
			_ = cmd.Process.Kill()
		}
	}
	if !enough(len(closed)) {
		t.Errorf("only %d clips were closed in two minutes", len(closed))
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the victim ended by itself: %v", err)
	}
	return closed
}

// afterCut starts on what a cut left and holds it to the invariants.
func afterCut(t *testing.T, disk *faulty.Disk, at int, how faulty.Cut, random *rand.Rand, id *vault.Identity, closed map[store.ID]int, kept *int) (err error) {
	base, err := os.MkdirTemp("", "cut")
	if err != nil {
		return err
	}
	defer os.RemoveAll(base)
	if err := disk.Restore(base, at, how, random); err != nil {
		return err
	}
	dir := filepath.Join(base, "data")
	db, err := store.Open(t.Context(), store.Config{Dir: dir})
	if err != nil {
		return fmt.Errorf("start: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	files, err := db.OpenRoot(t.Context(), "")
	if err != nil {
		return fmt.Errorf("open the clips: %w", err)
	}
	defer files.Close()
	r := New(Config{DB: db, Files: files})
	if err := r.Recover(t.Context()); err != nil {
		return fmt.Errorf("recover: %w", err)
	}
	r.settleNow(t.Context())
	for clip, n := range closed {
		if n > at {
			continue
		}
		found, err := db.Clip(t.Context(), clip)
		if err != nil || found.State != store.ClipClosed {
			return fmt.Errorf("clip %s was announced as closed after %d changes: %v %w", clip, n, found.State, err)
		}
		if len(pictures(t, db, files, id, found)) == 0 {
			return fmt.Errorf("clip %s has no pictures", clip)
		}
		*kept++
	}
	faults, err := check.Run(t.Context(), check.Config{Dir: dir})
	for _, f := range faults {
		err = errors.Join(err, errors.New(f.String()))
	}
	return err
}
