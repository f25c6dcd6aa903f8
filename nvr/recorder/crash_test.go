package recorder

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"cardea/nvr/hub"
	"cardea/store"
	"cardea/store/check"
	"cardea/store/disk"
	"cardea/store/vault"
)

// childEnv makes the test binary the victim of TestKill: it holds the directory to record into.
const childEnv = "CARDEA_TEST_RECORD_INTO"

const testIdentity = "AGE-SECRET-KEY-1HSMRJARGSNR7HTQ7JYMDFC9UVGDK2NKPFRFZU2Z7CYQHHEKHG7XQNSXN9P"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		if err := victim(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// victim records two cameras until it is killed, and says on stdout what it has published: "<camera> <number>".
func victim(dir string) error {
	ctx := context.Background()
	id, err := vault.ParseIdentity(testIdentity)
	if err != nil {
		return err
	}
	db, err := store.Open(ctx, store.Config{Dir: dir})
	if err != nil {
		return err
	}
	files, err := db.OpenRoot(ctx, "")
	if err != nil {
		return err
	}
	v, err := db.Vault(ctx, store.ID{})
	if store.ErrorCode(err) == store.NotFound {
		v, err = db.CreateVault(ctx, store.Vault{Name: "Home", Type: string(id.Type()), Recipient: id.Recipient().String()})
	}
	if err != nil {
		return err
	}
	r := New(Config{DB: db, Files: files, Period: 100 * time.Millisecond, Length: time.Second})
	if err := r.Recover(ctx); err != nil {
		return err
	}
	cameras, err := db.Cameras(ctx)
	if err != nil {
		return err
	}
	for i := len(cameras); i < 2; i++ {
		c, err := db.CreateCamera(ctx, store.NewCamera(fmt.Sprint("camera ", i), "rtsp://192.0.2.1/"))
		if err != nil {
			return err
		}
		cameras = append(cameras, c)
	}
	go func() { _ = r.Run(ctx) }()
	<-r.Settled()
	if os.Getenv(announceEnv) != "" {
		go announce(ctx, db)
	}
	var lenses []*lens
	for _, c := range cameras {
		l := &lens{camera: c.ID, hub: hub.New(hub.Config{}), wall: time.Now()}
		if err := l.setUp(c.Name); err != nil {
			return err
		}
		l.line = r.Add(LineConfig{Camera: c.ID, Hub: l.hub, Settings: Settings{
			Mode: store.ModeContinuous, Vault: v.ID, Recipient: id.Recipient(), Previews: true,
		}, Previews: &Previews{Hub: l.hub}})
		l.shoot(1, 0)
		lenses = append(lenses, l)
	}
	var before recorded
	for {
		for _, l := range lenses {
			l.wall = time.Now()
			l.shoot(1, 0)
			fmt.Println(l.camera, l.n-1)
		}
		time.Sleep(8 * time.Millisecond)
		// TestKill counts what is lost, and a machine that is kept from its ticks would lose more: the cameras wait for it.
		for os.Getenv(announceEnv) == "" && !before.keepsUp(r.Stats(), lenses[0].n) {
			time.Sleep(8 * time.Millisecond)
		}
	}
}

// recorded is what had become of the pictures when something was announced last.
type recorded struct {
	announced uint64
	pictures  int64
}

// keepsUp is false while a hundred pictures were made since.
func (r *recorded) keepsUp(s Stats, pictures int64) bool {
	if announced := s.Parts + s.Clips; announced != r.announced {
		*r = recorded{announced, pictures}
	}
	return pictures-r.pictures < 100
}

// TestKill kills a recorder at random moments. After each kill everything that was announced is there and can be read, no
// more is lost than what the period and one chunk hold, and the index and the files agree.
// Attack case 67 of docs/attacks.md.
func TestKill(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	id, err := vault.ParseIdentity(testIdentity)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[store.ID]bool{}
	previews := 0
	for round := range 6 {
		published := kill(t, dir, time.Duration(400+round*217)*time.Millisecond)
		db, files, _ := open(t, dir, "", id)
		r := New(Config{DB: db, Files: files})
		if err := r.Recover(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.settleNow(t.Context())
		cameras, err := db.Cameras(t.Context())
		if err != nil || len(cameras) != 2 {
			t.Fatalf("%d cameras, %v", len(cameras), err)
		}
		for _, c := range cameras {
			clips, err := db.Clips(t.Context(), store.ClipQuery{Camera: c.ID})
			if err != nil {
				t.Fatal(err)
			}
			last, n := uint64(0), 0
			for _, clip := range clips {
				if seen[clip.ID] {
					continue
				}
				seen[clip.ID] = true
				if clip.State == store.ClipOpen {
					t.Errorf("clip %s is still open", clip.ID)
					continue
				}
				numbers := pictures(t, db, files, id, clip)
				if len(numbers) == 0 {
					continue // its first part reaches beyond its first chunk
				}
				consecutive(t, numbers, len(numbers))
				last, n = numbers[len(numbers)-1], n+1
			}
			if n == 0 {
				continue // killed before the first chunk was durable
			}
			all, err := db.Previews(t.Context(), store.ClipQuery{Camera: c.ID, Limit: 1000})
			if err != nil {
				t.Fatal(err)
			}
			previews += len(all)
			// A picture has 5 kB, so a chunk holds about 13 of them; a period about 10 more. The pipe may hold a few that
			// were printed in between, and ticks that are late up to 100: this is a check of reason, the journey measures exactly.
			if lost := int64(published[c.ID.String()]) - int64(last); lost > 200 {
				t.Errorf("round %d: %d pictures lost", round, lost)
			}
		}
		if err := errors.Join(files.Close(), db.Close()); err != nil {
			t.Fatal(err)
		}
		faults, err := check.Run(t.Context(), check.Config{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range faults {
			t.Errorf("round %d: %v", round, f)
		}
	}
	if previews == 0 {
		t.Error("no clip has a preview")
	}
}

// kill runs the victim for a while after its first picture and gives the last number each camera has published.
func kill(t *testing.T, dir string, after time.Duration) map[string]uint64 {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childEnv+"="+dir)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	published := map[string]uint64{}
	in := bufio.NewScanner(out)
	for first := true; in.Scan(); first = false {
		if first {
			time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
		}
		var camera string
		var n uint64
		if _, err := fmt.Sscan(in.Text(), &camera, &n); err == nil {
			published[camera] = n
		}
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the victim ended by itself: %v", err)
	}
	return published
}

// What an earlier run left open is settled in every state it may be in.
// Attack case 68 of docs/attacks.md.
func TestRecover(t *testing.T) {
	t.Parallel()
	id, err := vault.ParseIdentity(testIdentity)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	db, files, v := open(t, dir, "", id)
	t.Cleanup(func() { _ = errors.Join(files.Close(), db.Close()) })
	c, err := db.CreateCamera(t.Context(), store.NewCamera("front", "rtsp://192.0.2.1/"))
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now().Add(-time.Hour).Truncate(time.Microsecond)
	row := func(n int) store.Clip {
		clip, err := db.OpenClip(t.Context(), store.Clip{Camera: c.ID, Start: start.Add(time.Duration(n) * time.Minute), Vault: v, Codecs: "avc1.42c015", HeaderBytes: 200, InitBytes: 600})
		if err != nil {
			t.Fatal(err)
		}
		return clip
	}
	write := func(clip store.Clip, n int) {
		f, err := files.Create(clip.Path())
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(f.Append(make([]byte, n)), f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	noFile := row(0)
	empty := row(1)
	write(empty, 0)
	fragment := row(2)
	write(fragment, 200+vault.SealedChunkSize-1)
	unannounced := row(3)
	write(unannounced, 200+vault.SealedChunkSize+7)
	announced := row(4)
	write(announced, 200+3*vault.SealedChunkSize+7)
	end := announced.Start.Add(30 * time.Second)
	err = db.AppendParts(t.Context(), []store.ClipParts{{
		Clip: announced.ID, Parts: []store.Part{{Start: announced.Start, Offset: 600, Key: true}}, End: end, Plain: 2 * vault.ChunkSize, Bytes: 200 + 2*vault.SealedChunkSize,
	}})
	if err != nil {
		t.Fatal(err)
	}
	r := New(Config{DB: db, Files: files})
	if err := r.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.settleNow(t.Context())
	for _, clip := range []store.Clip{noFile, empty, fragment} {
		if _, err := db.Clip(t.Context(), clip.ID); store.ErrorCode(err) != store.NotFound {
			t.Errorf("clip %s is still there: %v", clip.ID, err)
		}
		if exists(t, files, clip.Path()) {
			t.Errorf("file of clip %s is still there", clip.ID)
		}
	}
	got, err := db.Clip(t.Context(), announced.ID)
	if err != nil || got.State != store.ClipTorn || !got.End.Equal(end) || got.Bytes != 200+3*vault.SealedChunkSize+7 || len(got.Parts) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	got, err = db.Clip(t.Context(), unannounced.ID)
	if err != nil || got.State != store.ClipTorn || len(got.Parts) != 1 || !got.Parts[0].Key || got.Parts[0].Offset != 600 {
		t.Errorf("%+v, %v", got, err)
	}
	gaps, err := db.OpenGaps(t.Context())
	if err != nil || len(gaps) != 1 || gaps[0].Reason != store.GapRestart {
		t.Errorf("gaps %+v, %v", gaps, err)
	}
}

// A small disk fills up. Recording goes on as long as old clips can go, then stops with an alarm and a gap, and goes on by
// itself when there is room again.
// Attack case 65 of docs/attacks.md.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	clips := smallDisk(t, 3)
	var h *house
	var mayDelete bool
	h = newHouse(t, clips, func(c *Config) {
		c.Length = time.Second
		c.MakeSpace = func(ctx context.Context, need int64) (int64, error) {
			h.mu.Lock()
			defer h.mu.Unlock()
			if !mayDelete {
				return 0, nil
			}
			old, err := h.db.Oldest(ctx, store.OldestQuery{Limit: 3})
			if err != nil {
				return 0, err
			}
			var ids []store.ID
			for _, c := range old {
				ids = append(ids, c.ID)
			}
			_, n, err := h.db.DeleteClips(ctx, ids, "space")
			if err == nil {
				_, err = h.db.Sweep(ctx, h.files, nil)
			}
			return n, err
		}
	})
	may := func(ok bool) {
		h.mu.Lock()
		defer h.mu.Unlock()
		mayDelete = ok
	}
	may(true)
	l := h.lens("front", store.ModeContinuous)
	l.warm(t)
	for range 80 { // 32 seconds, 4 MB
		l.shoot(10, 0)
		time.Sleep(5 * time.Millisecond)
	}
	eventually(t, "clips of the end", func() bool {
		all := h.clips(l.camera)
		return len(all) > 3 && all[len(all)-1].Start.After(l.wall.Add(-3*time.Second))
	})
	if h.alarm("disk-full") || h.Stats().Errors > 0 || len(h.gaps(l.camera)) > 0 {
		t.Errorf("recording was disturbed: %+v, gaps %+v", h.Stats(), h.gaps(l.camera))
	}
	may(false)
	eventually(t, "the alarm", func() bool {
		l.shoot(10, 0)
		return h.alarm("disk-full")
	})
	eventually(t, "the gap", func() bool {
		g := h.gaps(l.camera)
		return len(g) == 1 && g[0].Reason == store.GapDiskFull && g[0].End.IsZero()
	})
	may(true)
	l.wall = time.Now().Add(time.Minute)
	eventually(t, "recording again", func() bool {
		l.shoot(5, 0)
		return !h.alarm("disk-full") && l.line.State().Active
	})
	if g := h.gaps(l.camera); len(g) != 1 || g[0].End.IsZero() {
		t.Errorf("gaps %+v", g)
	}
	may(false) // or what is listed may be gone when it is read
	h.settleNow(t.Context())
	for _, c := range h.clips(l.camera) {
		if c.State != store.ClipOpen {
			pictures(t, h.db, h.files, h.id, c)
		}
	}
}

// smallDisk mounts a tmpfs of a few MiB, or skips.
func smallDisk(t *testing.T, mib int) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", mib)); err != nil {
		t.Skipf("a small disk cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// The disk goes away in mid-clip and comes back.
// Attack cases 66 and 72 of docs/attacks.md.
func TestDiskMissing(t *testing.T) {
	t.Parallel()
	clips := smallDisk(t, 50)
	h := newHouse(t, clips, func(c *Config) { c.Length = time.Second })
	l := h.lens("front", store.ModeContinuous)
	l.warm(t)
	l.shoot(100, 0)
	if err := syscall.Mount("tmpfs", clips, "tmpfs", 0, "size=1m"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the alarm", func() bool {
		l.shoot(10, 0)
		return h.alarm("disk-missing")
	})
	if list, err := os.ReadDir(clips); err != nil || len(list) != 0 {
		t.Errorf("something was written to the wrong disk: %v, %v", list, err)
	}
	if err := syscall.Unmount(clips, 0); err != nil {
		t.Fatal(err)
	}
	if err := h.files.Check(); err != nil && !errors.Is(err, disk.ErrNotMounted) {
		t.Fatal(err)
	}
	eventually(t, "recording again", func() bool {
		l.shoot(5, 0)
		return !h.alarm("disk-missing") && l.line.State().Active
	})
}
