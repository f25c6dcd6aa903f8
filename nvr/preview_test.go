package nvr

import (
	"bytes"
	"io"
	"testing"
	"time"

	"cardea/store"
	"cardea/store/vault"
)

// TestPreviewsOfCamera: clips of a camera with a sub-stream get previews, which only the vault's identity opens and whose reading is
// logged; without a sub-stream, or where a person does not want them, nothing is connected for it.
func TestPreviewsOfCamera(t *testing.T) {
	t.Parallel()
	const password = "s3cr3t-pass"
	a := twoLenses(t, password)
	b := openBox(t, t.TempDir())
	id := b.makeVault()
	st, err := b.AddCamera(t.Context(), anna, NewCamera{Name: "Door", URL: address(a, password), SubURL: "rtsp://" + a.Addr().String() + "/small"})
	if err != nil {
		t.Fatal(err)
	}
	camera := st.Camera.ID
	var p store.Preview
	eventually(t, "a preview", func() bool {
		all, err := b.Previews(t.Context(), camera, time.Time{}, time.Time{}, 10)
		if err != nil {
			t.Fatal(err)
		}
		if len(all) > 0 {
			p = all[0]
		}
		return len(all) > 0
	})
	if one, err := b.Preview(t.Context(), p.Clip); err != nil || one.Bytes != p.Bytes {
		t.Errorf("preview %+v, %v", one, err)
	}
	f, err := b.OpenPreview(t.Context(), anna, p.Clip)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sealed, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size))
	if err != nil {
		t.Fatal(err)
	}
	r, err := vault.OpenTorn(bytes.NewReader(sealed), f.Size, id)
	if err != nil {
		t.Fatal(err)
	}
	head := make([]byte, 8)
	if _, err := r.ReadAt(head, p.Parts[0].Offset); err != nil || string(head[4:]) != "moof" {
		t.Errorf("the first picture begins with %q, %v", head, err)
	}
	records, err := b.db.LogRecords(t.Context(), store.LogQuery{Log: store.LogAccess})
	if err != nil {
		t.Fatal(err)
	}
	if len(records) == 0 || records[0].Action != "preview" || records[0].Camera != camera.String() {
		t.Errorf("the newest record is %+v", records)
	}
	if s, err := b.Settings(t.Context()); err != nil || !s.Previews {
		t.Errorf("settings %+v, %v", s, err)
	}

	off := false
	if s, err := b.ChangeSettings(t.Context(), anna, SettingsChange{Previews: &off}); err != nil || s.Previews {
		t.Errorf("settings %+v, %v", s, err)
	}
	eventually(t, "the sub-stream is let go", func() bool { return a.Readers("small") == 0 })
	if !b.camera(camera).Recording.Active {
		t.Error("recording went with it")
	}
}
