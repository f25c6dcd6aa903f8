package store_test

import (
	"crypto/sha256"
	"slices"
	"testing"
	"time"

	"cardea/store"
)

// TestMissed files what was fetched into the gap: the gap shrinks with each part that becomes durable, what is left to fetch does too,
// and a fetch that ended leaves nothing of itself.
func TestMissed(t *testing.T) {
	t.Parallel()
	h := furnish(t, open(t, t.TempDir()))
	ctx := t.Context()
	camera := h.camera.ID
	at := func(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }
	stamp := func(seconds int) int64 { return int64(1_000_000 * (5000 + seconds)) } // the camera's clock shows 1970
	live := h.begin(t, at(0))
	sum := sha256.Sum256([]byte("x"))
	finish := func(c store.Clip, n int, missed int64) {
		add := seconds(c.Start, 0, n)
		must[store.Clip](t)(h.CloseClip(ctx, store.ClosedClip{
			Clip: c.ID, Parts: add.Parts, End: add.End, Plain: add.Plain, Bytes: 99_999, SHA256: sum[:],
			Mark: store.Mark{Life: 7, Stamp: stamp(int(add.End.Sub(noon) / time.Second))}, Missed: missed,
		}))
	}
	finish(live, 10, 0)
	if m := must[store.Mark](t)(h.Mark(ctx, camera)); m != (store.Mark{Life: 7, Stamp: stamp(10)}) {
		t.Fatalf("the mark is %+v", m)
	}
	ok(t, h.AddGap(ctx, store.Gap{Camera: camera, Start: at(10), End: at(20), Reason: store.GapOffline, Detail: "no answer"}))
	ok(t, h.AddGap(ctx, store.Gap{Camera: camera, Start: at(20), End: at(40), Reason: store.GapRestart}))
	ok(t, h.AddMissed(ctx, store.Missed{Camera: camera, Life: 1<<64 - 3, After: stamp(10), Before: stamp(40), Start: at(10), End: at(40)}))
	if err := h.AddMissed(ctx, store.Missed{Camera: camera, Life: 7, After: 5, Before: 5, Start: at(1), End: at(2)}); store.ErrorCode(err) != store.Invalid {
		t.Errorf("nothing can be missed: %v", err)
	}
	m := must[[]store.Missed](t)(h.AllMissed(ctx))[0]
	if m.Life != 1<<64-3 || m.After != stamp(10) || !m.End.Equal(at(40)) {
		t.Fatalf("missed is %+v", m)
	}

	begin := func(seconds int) store.Clip {
		return must[store.Clip](t)(h.OpenClip(ctx, store.Clip{
			Camera: camera, Start: at(seconds), Vault: h.vault.ID, Codecs: "avc1.64001f,mp4a.40.2", HeaderBytes: 200, InitBytes: 900, Fetched: true,
		}))
	}
	gaps := func() (all []string) {
		for _, g := range must[[]store.Gap](t)(h.Gaps(ctx, camera, time.Time{}, time.Time{})) {
			all = append(all, string(g.Reason)+g.Start.Format(" 5-")+g.End.Format("5"))
		}
		return all
	}
	expect := func(want ...string) {
		t.Helper()
		if got := gaps(); !slices.Equal(got, want) {
			t.Errorf("gaps %q, want %q", got, want)
		}
	}
	expect("offline 10-20", "restart 20-40")
	clip := begin(10)
	add := seconds(clip.Start, 0, 5)
	add.Clip, add.Missed, add.Mark = clip.ID, m.No, store.Mark{Life: 7, Stamp: stamp(15)}
	ok(t, h.AppendParts(ctx, []store.ClipParts{add}))
	expect("offline 15-20", "restart 20-40")
	if m := must[[]store.Missed](t)(h.AllMissed(ctx))[0]; m.After != stamp(15) || !m.Start.Equal(at(15)) {
		t.Errorf("missed is %+v", m)
	}
	if m := must[store.Mark](t)(h.Mark(ctx, camera)); m.Stamp != stamp(10) {
		t.Errorf("what was fetched moved the mark to %+v", m)
	}
	// A hole in the middle, as the camera left it.
	finish(begin(25), 5, m.No)
	expect("offline 15-20", "restart 20-25", "restart 30-40")
	ok(t, h.DropMissed(ctx, m, true))
	if all := must[[]store.Missed](t)(h.AllMissed(ctx)); len(all) != 0 {
		t.Errorf("still missed: %+v", all)
	}
	if c := must[store.Clip](t)(h.Clip(ctx, clip.ID)); !c.Fetched {
		t.Error("the clip does not say that it was fetched")
	}
	logged := must[[]store.LoggedRecord](t)(h.LogRecords(ctx, store.LogQuery{Log: store.LogFootage, Limit: 100}))
	if !slices.ContainsFunc(logged, func(r store.LoggedRecord) bool { return r.Detail == "Fetched later from the camera's memory." }) {
		t.Errorf("the footage log has %+v", logged)
	}
	ok(t, h.DropMark(ctx, camera))
	if m := must[store.Mark](t)(h.Mark(ctx, camera)); m != (store.Mark{}) {
		t.Errorf("the mark is %+v", m)
	}
}
