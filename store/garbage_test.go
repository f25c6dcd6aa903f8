package store_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"cardea/store"
	"cardea/store/disk"
)

// root opens the clips directory of a house.
func (h *house) root(t testing.TB) *disk.Root {
	t.Helper()
	root := must[*disk.Root](t)(h.OpenRoot(t.Context(), ""))
	t.Cleanup(func() { root.Close() })
	return root
}

// file makes the file of a clip.
func file(t testing.TB, root *disk.Root, clip store.Clip, data []byte) {
	t.Helper()
	f := must[*disk.File](t)(root.Create(clip.Path()))
	ok(t, errors.Join(f.Append(data), f.Datasync(), f.Close()))
}

func gone(t testing.TB, root *disk.Root, clip store.Clip) bool {
	t.Helper()
	_, err := root.Stat(clip.Path())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return err != nil
}

func TestDeletionSurvivesACrash(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h := furnish(t, open(t, dir))
	root := h.root(t)
	ctx := t.Context()
	var ids []store.ID
	var clips []store.Clip
	for i := range 3 {
		clip := h.record(t, noon.Add(minutes(i)), 60)
		file(t, root, clip, []byte("sealed"))
		clips, ids = append(clips, clip), append(ids, clip.ID)
	}
	n, size, err := h.DeleteClips(ctx, append(ids[:2:2], ids[0]), "age")
	if err != nil || n != 2 || size != clips[0].Bytes+clips[1].Bytes {
		t.Fatalf("deleted %d clips of %d bytes, %v", n, size, err)
	}
	// Cut off here: rows gone, files there. Then once more after one file was unlinked.
	ok(t, h.Close())
	ok(t, root.Remove(clips[0].Path()))

	db := open(t, dir)
	waiting := must[[]store.Garbage](t)(db.Garbage(ctx, 10))
	if len(waiting) != 2 || waiting[0].Reason != "age" || waiting[0].Path != clips[0].Path() {
		t.Fatalf("garbage is %+v", waiting)
	}
	var heard []string
	freed := must[int64](t)(db.Sweep(ctx, root, func(g store.Garbage) { heard = append(heard, g.Path) }))
	if freed != size || len(heard) != 2 {
		t.Errorf("freed %d bytes, heard of %v", freed, heard)
	}
	if !gone(t, root, clips[0]) || !gone(t, root, clips[1]) || gone(t, root, clips[2]) {
		t.Error("the wrong files are gone")
	}
	if waiting := must[[]store.Garbage](t)(db.Garbage(ctx, 10)); len(waiting) != 0 {
		t.Errorf("garbage is still %+v", waiting)
	}
	use := must[[]store.Usage](t)(db.Usage(ctx))
	if use[0].Clips != 1 || use[0].Bytes != clips[2].Bytes {
		t.Errorf("usage is %+v", use)
	}
}

func TestSweepOnMissingDisk(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	dir := t.TempDir()
	root := must[*disk.Root](t)(h.OpenRoot(t.Context(), dir))
	defer root.Close()
	clip := h.record(t, noon, 60)
	file(t, root, clip, []byte("sealed"))
	must2(t)(h.DeleteClips(t.Context(), []store.ID{clip.ID}, "age"))
	ok(t, os.Rename(filepath.Join(dir, disk.Marker), filepath.Join(dir, "away")))
	if _, err := h.Sweep(t.Context(), root, nil); !errors.Is(err, disk.ErrNotMounted) {
		t.Errorf("got %v", err)
	}
	ok(t, os.Rename(filepath.Join(dir, "away"), filepath.Join(dir, disk.Marker)))
	must[int64](t)(h.Sweep(t.Context(), root, nil))
	if !gone(t, root, clip) {
		t.Error("the file is there")
	}
}

func must2(t testing.TB) func(int, int64, error) {
	return func(_ int, _ int64, err error) {
		t.Helper()
		ok(t, err)
	}
}

func TestRemoveCamera(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	root := h.root(t)
	clip := h.record(t, noon, 60)
	file(t, root, clip, []byte("sealed"))
	ok(t, h.OpenGap(ctx, store.Gap{Camera: h.camera.ID, Start: noon.Add(minutes(-5)), Reason: store.GapOffline}))

	ok(t, h.RemoveCamera(ctx, h.camera.ID, true))
	wantCode(t, h.RemoveCamera(ctx, h.camera.ID, true), store.NotFound)
	if all := must[[]store.Camera](t)(h.Cameras(ctx)); len(all) != 0 {
		t.Errorf("cameras are %+v", all)
	}
	if kept := must[[]store.Clip](t)(h.Clips(ctx, store.ClipQuery{Camera: h.camera.ID})); len(kept) != 1 {
		t.Errorf("clips are %+v", kept)
	}
	if open := must[[]store.Gap](t)(h.OpenGaps(ctx)); len(open) != 0 {
		t.Errorf("gaps are %+v", open)
	}
	// The name is free again, and the old camera goes with its last clip.
	must[store.Camera](t)(h.CreateCamera(ctx, store.NewCamera(h.camera.Name, "rtsp://192.0.2.7/main")))
	must2(t)(h.DeleteClips(ctx, []store.ID{clip.ID}, "age"))
	_, err := h.Camera(ctx, h.camera.ID)
	wantCode(t, err, store.NotFound)
}

func TestPurgeCamera(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	clip := h.record(t, noon, 60)
	other := must[store.Camera](t)(h.CreateCamera(ctx, store.NewCamera("Garden", "rtsp://192.0.2.8/main")))
	ok(t, h.RemoveCamera(ctx, h.camera.ID, false))
	ok(t, h.RemoveCamera(ctx, other.ID, false)) // has no clip: goes at once
	purging := must[[]store.Camera](t)(h.Purging(ctx))
	if len(purging) != 1 || purging[0].ID != h.camera.ID || purging[0].Removed.IsZero() {
		t.Fatalf("purging %+v", purging)
	}
	must2(t)(h.DeleteClips(ctx, []store.ID{clip.ID}, "camera"))
	if purging := must[[]store.Camera](t)(h.Purging(ctx)); len(purging) != 0 {
		t.Errorf("still purging %+v", purging)
	}
}

func TestReplacementSurvivesACrash(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"before the rename", "after the rename"} {
		t.Run(at, func(t *testing.T) {
			h := newHouse(t)
			ctx := t.Context()
			root := h.root(t)
			clip := h.begin(t, noon)
			sum := sha256.Sum256([]byte("torn"))
			file(t, root, clip, []byte("torn"))
			must[store.Clip](t)(h.SettleTorn(ctx, store.ClosedClip{Clip: clip.ID, Bytes: 4, SHA256: sum[:]}))
			whole := []byte("whole again")
			sum = sha256.Sum256(whole)
			crash := errors.New("crash")
			err := root.Replace(clip.Path(), func(w io.Writer) error {
				_, err := w.Write(whole)
				ok(t, err)
				ok(t, h.PlanReplacement(ctx, store.Replacement{Clip: clip.ID, HeaderBytes: 1, Bytes: int64(len(whole)), SHA256: sum[:]}))
				if strings.HasPrefix(at, "before") {
					return crash
				}
				return nil
			})
			if err != nil && !errors.Is(err, crash) {
				t.Fatal(err)
			}
			ok(t, h.SettleReplacements(ctx, root))
			ok(t, h.SettleReplacements(ctx, root))
			got := must[store.Clip](t)(h.Clip(ctx, clip.ID))
			data := must[[]byte](t)(os.ReadFile(filepath.Join(root.Dir(), clip.Path())))
			if hash := sha256.Sum256(data); !bytes.Equal(got.SHA256, hash[:]) || got.Bytes != int64(len(data)) {
				t.Errorf("row %+v does not fit the file %q", got, data)
			}
			if (got.State == store.ClipClosed) != strings.HasPrefix(at, "after") {
				t.Errorf("state is %v", got.State)
			}
		})
	}
}

func TestClipsDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h := furnish(t, open(t, dir))
	ctx := t.Context()
	outside := t.TempDir()
	refuse := func(clips string, code store.Code, words ...string) {
		t.Helper()
		root, err := h.OpenRoot(ctx, clips)
		if err == nil {
			root.Close()
		}
		wantCode(t, err, code)
		for _, word := range words {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("the message does not say %q: %v", word, err)
			}
		}
	}
	refuse(filepath.Join(outside, "typo"), store.Unavailable, "is not there", "Nothing was written")
	ok(t, h.root(t).Close())                                     // DATA/clips is made by itself
	ok(t, must[*disk.Root](t)(h.OpenRoot(ctx, outside)).Close()) // nothing recorded yet: any directory will do
	h.record(t, noon, 60)                                        // from now on the clips are in outside
	ok(t, must[*disk.Root](t)(h.OpenRoot(ctx, outside+"/../"+filepath.Base(outside))).Close())
	fresh := t.TempDir()
	refuse(fresh, store.Unavailable, "the clips are in "+outside, disk.Marker)
	ok(t, os.Rename(filepath.Join(outside, disk.Marker), filepath.Join(fresh, disk.Marker)))
	ok(t, must[*disk.Root](t)(h.OpenRoot(ctx, fresh)).Close()) // moved
	ok(t, os.Rename(filepath.Join(fresh, disk.Marker), filepath.Join(outside, disk.Marker)))
	waiting := must[*disk.Root](t)(h.OpenRoot(ctx, fresh)) // used last, and not there: wait
	if err := waiting.Check(); !errors.Is(err, disk.ErrNotMounted) {
		t.Errorf("got %v", err)
	}
	ok(t, waiting.Close())
	ok(t, os.WriteFile(filepath.Join(fresh, disk.Marker), []byte("01JNXZ3V5H8Q2W4E6R8T0Y1M3A\n"), 0o600))
	refuse(fresh, store.Conflict, "another Cardea", "cardea restore")
}

func TestCrashOfTheProcess(t *testing.T) {
	t.Parallel()
	// The directory is copied while the store is in use, between transactions: what a kill leaves behind.
	dir := t.TempDir()
	h := furnish(t, open(t, dir))
	h.record(t, noon, 60)
	clip := h.begin(t, noon.Add(minutes(1)))
	add := seconds(clip.Start, 0, 12)
	add.Clip = clip.ID
	ok(t, h.AppendParts(t.Context(), []store.ClipParts{add}))

	crashed := t.TempDir()
	for _, name := range []string{store.FileName, store.FileName + "-wal"} {
		ok(t, os.WriteFile(filepath.Join(crashed, name), must[[]byte](t)(os.ReadFile(filepath.Join(dir, name))), 0o600))
	}
	// A transaction torn in the middle of the log counts as not done.
	log := must[*os.File](t)(os.OpenFile(filepath.Join(crashed, store.FileName+"-wal"), os.O_WRONLY|syscall.O_APPEND, 0))
	_, err := log.Write(bytes.Repeat([]byte{7}, 3000))
	ok(t, errors.Join(err, log.Close()))

	left := must[[]store.Clip](t)(open(t, crashed).OpenClips(t.Context()))
	if len(left) != 1 || len(left[0].Parts) != 12 || !left[0].End.Equal(add.End) {
		t.Errorf("left open: %+v", left)
	}
}
