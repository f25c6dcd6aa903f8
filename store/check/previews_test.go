package check_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"testing"
	"time"

	"cardea/store"
	"cardea/store/check"
	"cardea/store/disk"
)

// preview adds a clip with a preview, whose file is there when written says so.
func (h *home) preview(t *testing.T, start time.Time, written bool) (store.Clip, string) {
	t.Helper()
	clip := h.begin(t, start)
	h.grow(t, clip, 0)
	data, _ := contents(clip.ID, 1)
	clipSum := sha256.Sum256(data)
	small := append([]byte("age-encryption.org/v1\n"), bytes.Repeat(clip.ID[:], 200)...)
	sum := sha256.Sum256(small)
	clip, err := h.db.CloseClip(t.Context(), store.ClosedClip{
		Clip: clip.ID, Bytes: int64(len(data)), SHA256: clipSum[:],
		Preview: &store.Preview{
			Bytes: int64(len(small)), HeaderBytes: 216, InitBytes: 700, SHA256: sum[:], Codecs: "avc1.42c01e",
			Parts: []store.Part{{Start: start, Offset: 700, Key: true}, {Start: start.Add(time.Second), Offset: 1500, Key: true}},
		},
	})
	ok(t, err)
	path := disk.PreviewPath(h.camera.ID, clip.Start, clip.ID)
	if written {
		file, err := h.root.Create(path)
		ok(t, err)
		ok(t, errors.Join(file.Append(small), file.Datasync(), file.Close()))
		ok(t, h.db.PreviewWritten(t.Context(), clip.ID))
	}
	return clip, h.root.Dir() + "/" + path
}

func TestPreviewFaults(t *testing.T) {
	t.Parallel()
	at := noon.Add(time.Hour)
	h := furnish(t)
	h.preview(t, at, true)
	h.preview(t, at.Add(time.Minute), false) // a crash before its first byte
	if faults := run(t, check.Config{Dir: h.dir}); len(faults) != 0 {
		t.Errorf("without damage: %v", faults)
	}
	for _, test := range []struct {
		name      string
		invariant int
		slow      bool
		damage    func(t *testing.T, h *home, clip store.Clip, path string)
	}{
		{"a lost file", 23, false, func(t *testing.T, _ *home, _ store.Clip, path string) { ok(t, os.Remove(path)) }},
		{"a shortened file", 23, false, func(t *testing.T, _ *home, _ store.Clip, path string) { ok(t, os.Truncate(path, 100)) }},
		{"a changed byte", 23, true, func(t *testing.T, _ *home, _ store.Clip, path string) { flip(t, path, 1000) }},
		{"a lost row", 3, false, func(t *testing.T, h *home, _ store.Clip, _ string) {
			h.sql(t, `DROP TRIGGER preview_delete; DELETE FROM preview`)
		}},
		{"a row without clip", 23, false, func(t *testing.T, h *home, _ store.Clip, _ string) {
			h.sql(t, `INSERT INTO preview SELECT zeroblob(16), state, bytes, header_bytes, init_bytes, sha256, codec_no, packed FROM preview`)
		}},
		{"damaged parts", 23, false, func(t *testing.T, h *home, _ store.Clip, _ string) { h.sql(t, `UPDATE preview SET packed = x'0105'`) }},
		{"no parts", 23, false, func(t *testing.T, h *home, _ store.Clip, _ string) { h.sql(t, `UPDATE preview SET packed = x'0100'`) }},
		{"lengths that cannot be", 23, false, func(t *testing.T, h *home, _ store.Clip, _ string) {
			h.sql(t, `UPDATE preview SET header_bytes = bytes`)
		}},
		{"another file than was logged", 23, false, func(t *testing.T, h *home, _ store.Clip, path string) {
			data, err := os.ReadFile(path)
			ok(t, err)
			data[1000] ^= 1
			sum := sha256.Sum256(data)
			ok(t, os.WriteFile(path, data, 0o600))
			h.sql(t, `UPDATE preview SET sha256 = ?`, sum[:])
		}},
		{"a file that is not sealed", 23, true, func(t *testing.T, h *home, _ store.Clip, path string) {
			data, err := os.ReadFile(path)
			ok(t, err)
			before := sha256.Sum256(data)
			copy(data, "\x00\x00\x00\x20ftypiso5")
			sum := sha256.Sum256(data)
			ok(t, os.WriteFile(path, data, 0o600))
			h.sql(t, `UPDATE log_record SET record = replace(record, ?, ?)`, hex.EncodeToString(before[:]), hex.EncodeToString(sum[:]))
			h.sql(t, `UPDATE preview SET sha256 = ?`, sum[:])
		}},
		{"a preview in the garbage", 14, false, func(t *testing.T, h *home, clip store.Clip, _ string) {
			h.sql(t, `INSERT INTO garbage (path, bytes, reason, deleted) VALUES (?, 1, 'age', 1)`, disk.PreviewPath(h.camera.ID, clip.Start, clip.ID))
		}},
		{"a wrong counter", 9, false, func(t *testing.T, h *home, _ store.Clip, _ string) {
			h.sql(t, `DROP TRIGGER preview_insert; UPDATE preview SET bytes = bytes + 1`)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := furnish(t)
			clip, path := h.preview(t, at, true)
			test.damage(t, h, clip, path)
			found := false
			for _, fault := range run(t, check.Config{Dir: h.dir}) {
				found = found || fault.Invariant == test.invariant
			}
			if !found {
				t.Errorf("not found: I%d", test.invariant)
			}
			if quick := run(t, check.Config{Dir: h.dir, Quick: true}); test.slow != (len(quick) == 0) {
				t.Errorf("quick gives %v", quick)
			}
		})
	}
}
