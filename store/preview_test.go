package store_test

import (
	"crypto/sha256"
	"testing"
	"time"

	"cardea/store"
	"cardea/store/disk"
)

// withPreview stores a closed clip of a minute with a preview of 3,000 bytes that is not written yet.
func (h *house) withPreview(t testing.TB, start time.Time) (store.Clip, []byte) {
	t.Helper()
	clip := h.begin(t, start)
	all := seconds(start, 0, 60)
	data := append([]byte("age-encryption.org/v1\n"), make([]byte, 2978)...)
	sum, small := sha256.Sum256(clip.ID[:]), sha256.Sum256(data)
	p := &store.Preview{Bytes: 3000, HeaderBytes: 216, InitBytes: 700, SHA256: small[:], Codecs: "avc1.42c01e", Parts: []store.Part{
		{Start: start, Offset: 700, Key: true}, {Start: start.Add(4 * time.Second), Offset: 1700, Key: true},
	}}
	clip = must[store.Clip](t)(h.CloseClip(t.Context(), store.ClosedClip{
		Clip: clip.ID, Parts: all.Parts, End: all.End, Plain: all.Plain, Bytes: all.Bytes, SHA256: sum[:], Preview: p,
	}))
	return clip, data
}

// TestPreview: a preview is listed when its file is there, its bytes count, and it goes with its clip.
func TestPreview(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	root := must[*disk.Root](t)(h.OpenRoot(ctx, t.TempDir()))
	defer root.Close()
	first, data := h.withPreview(t, noon)
	second, _ := h.withPreview(t, noon.Add(time.Minute))
	third, _ := h.withPreview(t, noon.Add(2*time.Minute))
	h.record(t, noon.Add(3*time.Minute), 60)
	list := func(from, to time.Time, limit int) []store.Preview {
		return must[[]store.Preview](t)(h.Previews(ctx, store.ClipQuery{Camera: h.camera.ID, From: from, To: to, Limit: limit}))
	}
	if all := list(time.Time{}, time.Time{}, 10); len(all) != 0 {
		t.Fatalf("previews that are not written are listed: %+v", all)
	}
	_, err := h.Preview(ctx, first.ID)
	wantCode(t, err, store.NotFound)

	// A crash: the first file is whole, the second one cut off, the third not there.
	for i, clip := range []store.Clip{first, second} {
		f := must[*disk.File](t)(root.Create(disk.PreviewPath(clip.Camera, clip.Start, clip.ID)))
		ok(t, f.Append(data[:len(data)-i*100]))
		ok(t, f.Close())
	}
	ok(t, h.SettlePreviews(ctx, root))
	p := must[store.Preview](t)(h.Preview(ctx, first.ID))
	if p.Path() != disk.PreviewPath(first.Camera, first.Start, first.ID) || len(p.Parts) != 2 || p.Codecs != "avc1.42c01e" || !p.End.Equal(first.End) {
		t.Errorf("preview is %+v", p)
	}
	for _, clip := range []store.Clip{second, third} {
		_, err := h.Preview(ctx, clip.ID)
		wantCode(t, err, store.NotFound)
		if _, err := root.Stat(disk.PreviewPath(clip.Camera, clip.Start, clip.ID)); err == nil {
			t.Error("what was cut off is still there")
		}
	}
	if waiting := must[[]store.Garbage](t)(h.Garbage(ctx, 10)); len(waiting) != 0 {
		t.Errorf("garbage is %+v", waiting)
	}

	fourth, _ := h.withPreview(t, noon.Add(4*time.Minute))
	ok(t, h.PreviewWritten(ctx, fourth.ID))
	if all := list(time.Time{}, time.Time{}, 10); len(all) != 2 || all[0].Clip != first.ID || all[1].Clip != fourth.ID {
		t.Errorf("listed are %+v", all)
	}
	if all := list(noon.Add(30*time.Second), noon.Add(2*time.Minute), 10); len(all) != 1 || all[0].Clip != first.ID {
		t.Errorf("listed from the middle of the first are %+v", all)
	}
	if all := list(noon.Add(90*time.Second), time.Time{}, 1); len(all) != 1 || all[0].Clip != fourth.ID {
		t.Errorf("listed later are %+v", all)
	}
	_, err = h.Previews(ctx, store.ClipQuery{Camera: h.camera.ID})
	wantCode(t, err, store.Invalid)

	use := func() store.Usage { return must[[]store.Usage](t)(h.Usage(ctx))[0] }
	if u, recent := use(), must[map[store.ID]int64](t)(h.Recent(ctx))[h.camera.ID]; u.Bytes != 5*61200+2*3000 || recent != u.Bytes {
		t.Errorf("usage is %+v, %d bytes of the last day", u, recent)
	}
	ok(t, h.KeepClip(ctx, first.ID, true))
	if u := use(); u.KeptBytes != 61200+3000 {
		t.Errorf("kept are %d bytes", u.KeptBytes)
	}
	if n, bytes, err := h.DeleteClips(ctx, []store.ID{first.ID, second.ID}, "age"); n != 2 || bytes != 2*61200+3000 || err != nil {
		t.Errorf("deleted %d clips, %d bytes, %v", n, bytes, err)
	}
	if u := use(); u.Bytes != 3*61200+3000 || u.KeptBytes != 0 {
		t.Errorf("usage is then %+v", u)
	}
	if waiting := must[[]store.Garbage](t)(h.Garbage(ctx, 10)); len(waiting) != 3 || waiting[1].Path != disk.PreviewPath(first.Camera, first.Start, first.ID) {
		t.Errorf("garbage is %+v", waiting)
	}
	must[int64](t)(h.Sweep(ctx, root, nil))
	if _, err := root.Stat(p.Path()); err == nil {
		t.Error("the preview outlived its clip")
	}
}

// TestPreviewOnMissingDisk: nothing is decided while the disk is away.
func TestPreviewOnMissingDisk(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	dir := t.TempDir()
	root := must[*disk.Root](t)(h.OpenRoot(t.Context(), dir))
	defer root.Close()
	h.withPreview(t, noon)
	ok(t, root.Remove(disk.Marker))
	if err := h.SettlePreviews(t.Context(), root); err == nil {
		t.Error("previews were settled without their disk")
	}
	if u := must[[]store.Usage](t)(h.Usage(t.Context())); u[0].Bytes != 61200+3000 {
		t.Errorf("usage is %+v", u[0])
	}
}
