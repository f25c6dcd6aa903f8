package store_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"cardea/store"
)

// noon is a fixed time, so that nothing here depends on the clock.
var noon = time.Date(2025, 3, 9, 12, 0, 0, 0, time.UTC)

// clock is a clock that a test moves.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func open(t testing.TB, dir string) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), store.Config{Dir: dir, Now: (&clock{at: noon}).Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}

func must[T any](t testing.TB) func(T, error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCode(t testing.TB, err error, code store.Code) {
	t.Helper()
	if store.ErrorCode(err) != code {
		t.Fatalf("got %v, want an error with code %s", err, code)
	}
}

// house is a store with a vault and a camera.
type house struct {
	*store.DB
	vault  store.Vault
	camera store.Camera
}

func newHouse(t testing.TB) *house {
	t.Helper()
	return furnish(t, open(t, t.TempDir()))
}

func furnish(t testing.TB, db *store.DB) *house {
	t.Helper()
	vault := must[store.Vault](t)(db.CreateVault(t.Context(), store.Vault{Name: "Home", Type: "x25519", Recipient: "age1example"}))
	camera := must[store.Camera](t)(db.CreateCamera(t.Context(), store.NewCamera("Front door", "rtsp://192.0.2.7/main")))
	return &house{db, vault, camera}
}

// begin opens a clip of the house's camera.
func (h *house) begin(t testing.TB, start time.Time) store.Clip {
	t.Helper()
	return must[store.Clip](t)(h.OpenClip(t.Context(), store.Clip{
		Camera: h.camera.ID, Start: start, Vault: h.vault.ID, Codecs: "avc1.64001f,mp4a.40.2", HeaderBytes: 216, InitBytes: 900,
	}))
}

// seconds are n parts of a second each, the first part having the number first.
func seconds(start time.Time, first, n int) store.ClipParts {
	add := store.ClipParts{End: start.Add(time.Duration(first+n) * time.Second), Plain: 900 + int64(first+n)*1000, Bytes: 1200 + int64(first+n)*1000}
	for i := first; i < first+n; i++ {
		add.Parts = append(add.Parts, store.Part{Start: start.Add(time.Duration(i) * time.Second), Offset: 900 + int64(i)*1000, Key: i%2 == 0})
	}
	return add
}

// record stores a closed clip of length n seconds.
func (h *house) record(t testing.TB, start time.Time, n int) store.Clip {
	t.Helper()
	clip := h.begin(t, start)
	all := seconds(start, 0, n)
	sum := sha256.Sum256(clip.ID[:])
	return must[store.Clip](t)(h.CloseClip(t.Context(), store.ClosedClip{
		Clip: clip.ID, Parts: all.Parts, End: all.End, Plain: all.Plain, Bytes: all.Bytes, SHA256: sum[:],
	}))
}

func TestFirstStart(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "data dir?#%")
	db := open(t, dir)
	if db.ID() == (store.ID{}) {
		t.Error("the store has no identifier")
	}
	for _, name := range []string{dir, filepath.Join(dir, store.FileName)} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: mode %v, %v; others must not read it", name, info.Mode(), err)
		}
	}
	id := db.ID()
	ok(t, db.Close())
	ok(t, db.Close())
	if _, err := db.Cameras(t.Context()); store.ErrorCode(err) != store.Unavailable {
		t.Errorf("a closed store says %v", err)
	}
	if again := open(t, dir); again.ID() != id {
		t.Error("the identifier changed")
	}
}

func TestCanceledWait(t *testing.T) {
	t.Parallel()
	db := open(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 { // a select between two ready channels is random
		if err := db.PutSettings(ctx, map[string]string{"a": "b"}); err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	ok(t, db.PutSettings(t.Context(), map[string]string{"a": "b"}))
}

func TestSettings(t *testing.T) {
	t.Parallel()
	db := open(t, t.TempDir())
	ctx := t.Context()
	_, err := db.Setting(ctx, "retention.days")
	wantCode(t, err, store.NotFound)
	ok(t, db.PutSettings(ctx, map[string]string{"retention.days": "30", "web.listen": ":8443"}))
	ok(t, db.PutSettings(ctx, map[string]string{"retention.days": "14"}))
	if got := must[map[string]string](t)(db.Settings(ctx)); got["retention.days"] != "14" || got["web.listen"] != ":8443" {
		t.Errorf("settings are %v", got)
	}
	ok(t, db.DropSetting(ctx, "retention.days"))
	_, err = db.Setting(ctx, "retention.days")
	wantCode(t, err, store.NotFound)
	wantCode(t, db.PutSettings(ctx, map[string]string{"x": "y", "store.id": "z"}), store.Invalid)
	_, err = db.Setting(ctx, "x")
	wantCode(t, err, store.NotFound) // nothing of a refused change stays
}

func TestClockFloor(t *testing.T) {
	t.Parallel()
	db := open(t, t.TempDir())
	ctx := t.Context()
	if floor := must[time.Time](t)(db.ClockFloor(ctx)); !floor.IsZero() {
		t.Errorf("floor at first is %v", floor)
	}
	ok(t, db.RaiseClockFloor(ctx, noon))
	ok(t, db.RaiseClockFloor(ctx, noon.Add(-time.Hour)))
	if floor := must[time.Time](t)(db.ClockFloor(ctx)); !floor.Equal(noon) {
		t.Errorf("floor is %v, want %v", floor, noon)
	}
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(worker)))
			for i := range 20 {
				start := noon.Add(time.Duration(worker)*time.Hour + time.Duration(i)*time.Minute)
				clip, err := h.OpenClip(ctx, store.Clip{
					Camera: h.camera.ID, Start: start, Vault: h.vault.ID, Codecs: "avc1.64001f", HeaderBytes: 200, InitBytes: 700,
				})
				if err != nil {
					t.Error(err)
					return
				}
				add := seconds(start, 0, 1+random.IntN(5))
				add.Clip = clip.ID
				if err := h.AppendParts(ctx, []store.ClipParts{add}); err != nil {
					t.Error(err)
				}
				if _, err := h.Timeline(ctx, h.camera.ID, noon, noon.Add(24*time.Hour), time.Hour); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if n := len(must[[]store.Clip](t)(h.OpenClips(ctx))); n != 160 {
		t.Errorf("%d open clips, want 160", n)
	}
}

func TestSnapshot(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	clip := h.record(t, noon, 60)
	copied := filepath.Join(t.TempDir(), store.FileName)
	ok(t, h.Snapshot(t.Context(), copied))
	wantCode(t, h.Snapshot(t.Context(), copied), store.Conflict)
	h.record(t, noon.Add(time.Minute), 60)

	other := open(t, filepath.Dir(copied))
	if got := must[store.Clip](t)(other.Clip(t.Context(), clip.ID)); len(got.Parts) != 60 || !bytes.Equal(got.SHA256, clip.SHA256) {
		t.Errorf("the copy has %+v", got)
	}
	if n := len(must[[]store.Clip](t)(other.Clips(t.Context(), store.ClipQuery{}))); n != 1 {
		t.Errorf("the copy has %d clips, want the 1 from before", n)
	}
}
