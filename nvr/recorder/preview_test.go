package recorder

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"cardea/camera/agent/pattern"
	"cardea/nvr/hub"
	"cardea/nvr/preview"
	"cardea/store"
	"cardea/store/check"
	"cardea/store/vault"
)

// TestPreviews: each clip gets some key frames of the sub-stream, which open with the vault's identity alone; a preview that cannot be
// written costs nothing but itself.
func TestPreviews(t *testing.T) {
	t.Parallel()
	clips := t.TempDir()
	h := newHouse(t, clips, nil)
	small := &lens{hub: hub.New(hub.Config{}), wall: time.Now().Truncate(time.Millisecond)}
	if err := small.setUp("small"); err != nil {
		t.Fatal(err)
	}
	main := h.lens("front", store.ModeContinuous)
	if err := main.line.Close(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	wanted := make(chan bool, 10)
	settings := h.settings(store.ModeContinuous)
	settings.Previews = true
	main.line = h.Add(LineConfig{Camera: main.camera, Hub: main.hub, Settings: settings, Previews: &Previews{Hub: small.hub, Want: func(on bool) { wanted <- on }}})
	if !<-wanted {
		t.Error("previews are not wanted")
	}
	main.warm(t)
	for range 24 { // of half a second; a clip has four seconds at least
		main.shoot(12, 0)
		small.shoot(12, 0)
		time.Sleep(20 * time.Millisecond)
	}
	list := func() []store.Preview {
		all, err := h.db.Previews(t.Context(), store.ClipQuery{Camera: main.camera, Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	eventually(t, "a preview", func() bool { return len(list()) > 0 })

	settings.Previews = false
	main.line.Set(settings)
	if <-wanted {
		t.Error("previews are wanted still")
	}
	if err := main.line.Close(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	for _, p := range list() {
		f, err := h.files.Open(p.Path())
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := io.ReadAll(f)
		f.Close()
		if err != nil || int64(len(sealed)) != p.Bytes {
			t.Fatalf("%d bytes, %v", len(sealed), err)
		}
		r, err := vault.OpenTorn(bytes.NewReader(sealed), int64(len(sealed)), h.id)
		if err != nil || !r.Complete() {
			t.Fatalf("the preview does not open: %v", err)
		}
		plain := make([]byte, r.Size())
		if _, err := r.ReadAt(plain, 0); err != nil {
			t.Fatal(err)
		}
		if string(plain[4:8]) != "ftyp" || len(p.Parts) == 0 || len(p.Parts) > 4 {
			t.Errorf("%d parts, %q", len(p.Parts), plain[4:8])
		}
		for i, part := range p.Parts {
			if string(plain[part.Offset+4:part.Offset+8]) != "moof" || !part.Key {
				t.Errorf("part %d is %+v", i, part)
			}
			if part.Start.Before(p.Start) || part.Start.After(p.End) {
				t.Errorf("part %d starts at %v, outside of the clip", i, part.Start)
			}
			mdat := plain[part.Offset+int64(binary.BigEndian.Uint32(plain[part.Offset:])):]
			if _, _, ok := pattern.ParseSEI(mdat[12 : 12+binary.BigEndian.Uint32(mdat[8:])]); !ok && string(mdat[4:8]) != "mdat" {
				t.Errorf("part %d holds no picture", i)
			}
		}
		if out, want := ffprobe(t, plain), fmt.Sprint("h264,", len(p.Parts)); out != want {
			t.Errorf("ffprobe finds %q, want %q", out, want)
		}
	}
	h.stop()
	faults, err := check.Run(t.Context(), check.Config{Dir: h.db.Dir(), Clips: clips})
	if err != nil || len(faults) > 0 {
		t.Errorf("faults %v, %v", faults, err)
	}
}

// TestPreviewNotWritten: what cannot be written leaves the index without it.
func TestPreviewNotWritten(t *testing.T) {
	t.Parallel()
	clips := t.TempDir()
	h := newHouse(t, clips, nil)
	main := h.lens("front", store.ModeOff)
	row, err := h.db.OpenClip(t.Context(), store.Clip{Camera: main.camera, Start: time.Now(), Vault: h.vault, Codecs: "avc1.42c015", HeaderBytes: 200, InitBytes: 600})
	if err != nil {
		t.Fatal(err)
	}
	var c preview.Collector
	small := &lens{hub: hub.New(hub.Config{}), wall: time.Now()}
	if err := small.setUp("small"); err != nil {
		t.Fatal(err)
	}
	r := small.hub.Subscribe(hub.ReaderConfig{})
	small.shoot(1, 0)
	c.Add(r.Drain(nil)[0])
	r.Close()
	f, err := c.Seal(h.id.Recipient(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.db.CloseClip(t.Context(), store.ClosedClip{Clip: row.ID, Bytes: 1000, SHA256: make([]byte, 32), Preview: &f.Row}); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(clips, f.Row.Path()), 0o700); err != nil { // something is in its place
		t.Fatal(err)
	}
	main.line.keepSketch(t.Context(), f)
	if _, err := h.db.Preview(t.Context(), row.ID); store.ErrorCode(err) != store.NotFound {
		t.Errorf("the preview is listed, %v", err)
	}
	if waiting, err := h.db.Garbage(t.Context(), 10); err != nil || len(waiting) != 1 {
		t.Errorf("garbage %+v, %v", waiting, err)
	}
}
