package evidence

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cardea/store/tlog"
	"cardea/store/vault"
)

const clipID = "01JNXCDFG0B1EYBWX9YAEKXY2E"

// leaves is a log source in memory.
type leaves []tlog.Leaf

func (l leaves) Size(context.Context) (int64, error) { return int64(len(l)), nil }

func (l leaves) Leaves(_ context.Context, from int64, limit int) ([]tlog.Leaf, error) {
	return l[from:min(len(l), int(from)+limit)], nil
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// bundle makes a bundle of one clip in a log of five records, and the key of that log.
func bundle(t testing.TB) (data []byte, vkey string) {
	t.Helper()
	id, err := vault.GenerateX25519()
	ok(t, err)
	opener, err := vault.GenerateX25519()
	ok(t, err)
	plain := bytes.Repeat([]byte("video "), 20_000)
	var sealed bytes.Buffer
	w, _, err := vault.Seal(&sealed, id.Recipient())
	ok(t, err)
	_, err = w.Write(plain)
	ok(t, err)
	ok(t, w.Close())
	sum := sha256.Sum256(sealed.Bytes())
	start := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	clip := Clip{ID: clipID, Camera: "01JNXCDFG0B1EYBWX9YAEKXY2F", CameraName: "Front", Start: start, End: start.Add(time.Minute), Bytes: int64(sealed.Len()), SHA256: hex.EncodeToString(sum[:]), Seq: 3}
	record, err := json.Marshal(map[string]any{
		"v": 1, "seq": 3, "action": "clip", "camera": clip.Camera, "camera_name": "Front", "clip": clip.ID, "start": start, "end": clip.End, "bytes": clip.Bytes, "sha256": clip.SHA256,
	})
	ok(t, err)
	salt := bytes.Repeat([]byte{7}, tlog.SaltSize)
	source := make(leaves, 5)
	source[3] = tlog.Commit(salt, record)
	dir := t.TempDir()
	log, err := tlog.Open(tlog.Config{Dir: filepath.Join(dir, "log"), KeyFile: filepath.Join(dir, "keys", "log.key"), Origin: "cardea.local/x/footage", Source: source})
	ok(t, err)
	ok(t, log.Integrate(t.Context()))
	proof, err := log.Proof(3)
	ok(t, err)
	var b bytes.Buffer
	out, err := NewWriter(&b, Manifest{Made: start, By: "Anna", Note: "the parcel", Origin: "cardea.local/x/footage", Clips: []Clip{clip}}, log.Key())
	ok(t, err)
	ok(t, out.Clip(clip.ID, bytes.NewReader(sealed.Bytes()), Record{record, salt, proof}))
	ok(t, out.Checkpoint(log.Checkpoint().Text))
	ok(t, out.Close())

	// As the command line adds what it opened.
	first, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	ok(t, err)
	var full bytes.Buffer
	out, err = Extend(&full, first)
	ok(t, err)
	header, err := vault.Rewrap(sealed.Bytes(), id, opener.Recipient())
	ok(t, err)
	ok(t, out.Opened(clip.ID, header, bytes.NewReader(plain)))
	ok(t, out.Key(opener.Secret()))
	ok(t, out.Close())
	return full.Bytes(), log.Key()
}

func verify(t testing.TB, data []byte, vkey string) Report {
	t.Helper()
	report, err := Verify(t.Context(), bytes.NewReader(data), int64(len(data)), vkey)
	ok(t, err)
	return report
}

// remake writes a bundle anew with each file as edit leaves it; nil leaves it out.
func remake(t testing.TB, data []byte, edit func(name string, data []byte) []byte) []byte {
	t.Helper()
	from, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	ok(t, err)
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, f := range from.File {
		r, err := f.Open()
		ok(t, err)
		text, err := io.ReadAll(r)
		ok(t, err)
		if text = edit(f.Name, text); text == nil {
			continue
		}
		to, err := w.CreateHeader(&zip.FileHeader{Name: f.Name, Method: zip.Store})
		ok(t, err)
		_, err = to.Write(text)
		ok(t, err)
	}
	ok(t, w.Close())
	return b.Bytes()
}

func TestVerify(t *testing.T) {
	t.Parallel()
	data, vkey := bundle(t)
	for _, known := range []string{"", vkey} {
		report := verify(t, data, known)
		if len(report.Faults) != 0 || report.Opened != 1 || report.Key != vkey || report.Newest.Size != 5 || report.Manifest.By != "Anna" {
			t.Errorf("a sound bundle: %+v", report)
		}
	}
	flip := func(at int) func([]byte) []byte {
		return func(data []byte) []byte { data[at] ^= 1; return data }
	}
	swap := func(old, new string) func([]byte) []byte {
		return func(data []byte) []byte { return bytes.Replace(data, []byte(old), []byte(new), 1) }
	}
	gone := func([]byte) []byte { return nil }
	for _, c := range []struct {
		file string
		edit func([]byte) []byte
		want string // where the fault is
	}{
		{"clips/" + clipID + ".mp4.age", flip(5000), "clips/" + clipID + ".mp4.age"},
		{"clips/" + clipID + ".mp4.age", flip(3), "clips/" + clipID + ".mp4.age"},
		{"clips/" + clipID + ".mp4.age", func(b []byte) []byte { return b[:len(b)-1] }, "clips/" + clipID + ".mp4.age"},
		{"clips/" + clipID + ".mp4.age", gone, "clips/" + clipID + ".mp4.age"},
		{"records/" + clipID + ".json", swap("12:00:00", "13:00:00"), "records/" + clipID + ".tlog-proof"},
		{"records/" + clipID + ".salt", swap("07", "08"), "records/" + clipID + ".tlog-proof"},
		{"records/" + clipID + ".salt", swap("07", ""), "records/" + clipID + ".salt"},
		{"records/" + clipID + ".tlog-proof", swap("index 3", "index 2"), "records/" + clipID + ".tlog-proof"},
		{"records/" + clipID + ".tlog-proof", swap("\n5\n", "\n6\n"), "records/" + clipID + ".tlog-proof"},
		{"records/" + clipID + ".tlog-proof", gone, "records/" + clipID + ".tlog-proof"},
		{"manifest.json", swap("Front", "Back"), "manifest.json"},
		{"manifest.json", swap("12:01:00", "12:02:00"), "manifest.json"},
		{"manifest.json", swap("x/footage", "y/footage"), "manifest.json"},
		{"manifest.json", swap(clipID, "../../../etc/passwd"), "manifest.json"},
		{"manifest.json", swap("{", "["), "manifest.json"},
		{"SHA256SUMS", swap("clips", "other"), "SHA256SUMS"},
		{"checkpoint", swap("\n5\n", "\n6\n"), "checkpoint"},
		{"opened/" + clipID + ".mp4", flip(100), "opened/" + clipID + ".mp4"},
		{"opened/" + clipID + ".mp4", func(b []byte) []byte { return b[:70_000] }, "opened/" + clipID + ".mp4"},
		{"opened/" + clipID + ".header", flip(60), "opened/" + clipID + ".mp4"},
		{"opened/key.txt", swap("AGE-SECRET-KEY-1", "AGE-SECRET-KEY-2"), "opened/key.txt"},
	} {
		report := verify(t, remake(t, data, func(name string, text []byte) []byte {
			if name == c.file {
				return c.edit(text)
			}
			return text
		}), "")
		found := false
		for _, f := range report.Faults {
			found = found || f.File == c.want
		}
		if !found {
			t.Errorf("%s changed: faults %v, want one at %s", c.file, report.Faults, c.want)
		}
	}

	// A forger's own log is sound in itself, and named as another one.
	forged, _ := bundle(t)
	if report := verify(t, forged, vkey); len(report.Faults) == 0 || report.Faults[0].File != keyName {
		t.Errorf("another log: %v", report.Faults)
	}
}

// TestAttack52 gives Verify archives that want to be unpacked; see attack cases 50 and 52.
func TestAttack52(t *testing.T) {
	t.Parallel()
	data, _ := bundle(t)
	for name, add := range map[string]func(*zip.Writer) error{
		"path":         plant("../../etc/cron.d/evil", zip.Store, 0o644, 10),
		"absolute":     plant("/etc/passwd", zip.Store, 0o644, 10),
		"backslashes":  plant(`clips\..\..\evil`, zip.Store, 0o644, 10),
		"line breaks":  plant("clips/x\r\nSet-Cookie: a=b", zip.Store, 0o644, 10),
		"escape":       plant("clips/\x1b[2J", zip.Store, 0o644, 10),
		"symlink":      plant("opened/01JNXCDFG0B1EYBWX9YAEKXY2G.mp4", zip.Store, fs.ModeSymlink|0o777, 10),
		"bomb":         plant("clips/01JNXCDFG0B1EYBWX9YAEKXY2G.mp4.age", zip.Deflate, 0o644, 64<<20),
		"twice":        plant("manifest.json", zip.Store, 0o644, 10),
		"stowaway":     plant("clips/01JNXCDFG0B1EYBWX9YAEKXY2G.mp4.age", zip.Store, 0o644, 10),
		"other viewer": plant("viewer.exe", zip.Store, 0o755, 10),
	} {
		t.Run(name, func(t *testing.T) {
			from, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
			ok(t, err)
			var b bytes.Buffer
			w := zip.NewWriter(&b)
			for _, f := range from.File {
				ok(t, w.Copy(f))
			}
			ok(t, add(w))
			ok(t, w.Close())
			report := verify(t, b.Bytes(), "")
			if len(report.Faults) != 1 {
				t.Fatalf("faults %v", report.Faults)
			}
			if s := report.Faults[0].String(); strings.ContainsAny(s, "\r\n\x1b") {
				t.Errorf("control characters reach the terminal: %q", s)
			}
		})
	}
	for name, raw := range map[string][]byte{"nothing": nil, "text": []byte("no zip"), "half": data[:len(data)/2]} {
		if _, err := Verify(t.Context(), bytes.NewReader(raw), int64(len(raw)), ""); err == nil {
			t.Errorf("%s passes as a bundle", name)
		}
	}
	many := &bytes.Buffer{}
	w := zip.NewWriter(many)
	for i := range 16 + 6*maxClips + 1 {
		ok(t, plant(fmt.Sprint(i), zip.Store, 0o644, 0)(w))
	}
	ok(t, w.Close())
	if _, err := Verify(t.Context(), bytes.NewReader(many.Bytes()), int64(many.Len()), ""); err == nil {
		t.Error("an archive of thousands of files passes as a bundle")
	}
}

func plant(name string, method uint16, mode fs.FileMode, size int) func(*zip.Writer) error {
	return func(w *zip.Writer) error {
		h := &zip.FileHeader{Name: name, Method: method}
		h.SetMode(mode)
		to, err := w.CreateHeader(h)
		if err == nil {
			_, err = to.Write(make([]byte, size))
		}
		return err
	}
}

func FuzzVerify(f *testing.F) {
	data, _ := bundle(f)
	f.Add(data)
	f.Add([]byte("PK\x05\x06"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<20 {
			return
		}
		report, err := Verify(t.Context(), bytes.NewReader(data), int64(len(data)), "")
		if err == nil && len(report.Faults) == 0 && len(report.Manifest.Clips) != 1 {
			t.Errorf("%d clips and no fault", len(report.Manifest.Clips))
		}
	})
}
