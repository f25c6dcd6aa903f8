package check_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3"

	"cardea/store"
	"cardea/store/check"
	"cardea/store/disk"
)

var noon = time.Date(2025, 3, 9, 12, 0, 0, 0, time.UTC)

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// home is a data directory with some of everything in it, as a running NVR has.
type home struct {
	dir    string
	db     *store.DB
	root   *disk.Root
	camera store.Camera
	vault  store.Vault
	closed store.Clip
	torn   store.Clip
	open   store.Clip
}

func furnish(t *testing.T) *home {
	t.Helper()
	ctx := t.Context()
	h := &home{dir: t.TempDir()}
	var err error
	h.db, err = store.Open(ctx, store.Config{Dir: h.dir})
	ok(t, err)
	t.Cleanup(func() { h.db.Close() })
	h.root, err = h.db.OpenRoot(ctx, "")
	ok(t, err)
	t.Cleanup(func() { h.root.Close() })
	h.vault, err = h.db.CreateVault(ctx, store.Vault{Name: "Home", Type: "x25519", Recipient: "age1example"})
	ok(t, err)
	h.camera, err = h.db.CreateCamera(ctx, store.NewCamera("Front", "rtsp://192.0.2.7/a:b@c"))
	ok(t, err)
	h.closed = h.record(t, noon, true)
	h.torn = h.record(t, noon.Add(time.Minute), false)
	h.open = h.begin(t, noon.Add(2*time.Minute))
	h.grow(t, h.open, 0)
	h.begin(t, noon.Add(3*time.Minute))
	ok(t, os.Remove(filepath.Join(h.root.Dir(), h.lastPath(t)))) // the moment between row and file
	ok(t, h.db.AddGap(ctx, store.Gap{Camera: h.camera.ID, Start: noon.Add(-time.Hour), End: noon.Add(time.Second), Reason: store.GapOff}))
	_, err = h.db.AddEvent(ctx, store.Event{Kind: "system", Start: noon, Source: "test"})
	ok(t, err)
	ok(t, os.MkdirAll(filepath.Join(h.root.Dir(), "backup"), 0o700))
	ok(t, os.WriteFile(filepath.Join(h.root.Dir(), "backup", "x.mp4.age"), nil, 0o600)) // not a clip there
	return h
}

const header = 216

// contents is what the file of a clip holds with n parts: an age header, and plain bytes and tags that nobody can tell from noise.
func contents(id store.ID, n int) (data []byte, plain int64) {
	plain = 900 + int64(n)*1000
	data = append([]byte("age-encryption.org/v1\n"), bytes.Repeat(id[:], 1+int(plain)/16+header/16)...)
	return data[:header+plain+16], plain
}

func (h *home) begin(t *testing.T, start time.Time) store.Clip {
	t.Helper()
	clip, err := h.db.OpenClip(t.Context(), store.Clip{
		Camera: h.camera.ID, Start: start, Vault: h.vault.ID, Codecs: "avc1.64001f", HeaderBytes: header, InitBytes: 900,
	})
	ok(t, err)
	file, err := h.root.Create(clip.Path())
	ok(t, err)
	ok(t, file.Close())
	return clip
}

// grow makes second n of a clip durable.
func (h *home) grow(t *testing.T, clip store.Clip, n int) {
	t.Helper()
	data, plain := contents(clip.ID, n+1)
	file, err := os.OpenFile(h.path(clip), os.O_WRONLY, 0)
	ok(t, err)
	info, err := file.Stat()
	ok(t, err)
	_, err = file.WriteAt(data[info.Size():], info.Size()) // only ever longer, as the recorder does it
	ok(t, errors.Join(err, file.Close()))
	at := clip.Start.Add(time.Duration(n) * time.Second)
	ok(t, h.db.AppendParts(t.Context(), []store.ClipParts{{
		Clip: clip.ID, End: at.Add(time.Second), Plain: plain, Bytes: int64(len(data)),
		Parts: []store.Part{{Start: at, Offset: 900 + int64(n)*1000, Key: true}},
	}}))
}

func (h *home) record(t *testing.T, start time.Time, whole bool) store.Clip {
	t.Helper()
	clip := h.begin(t, start)
	for n := range 3 {
		h.grow(t, clip, n)
	}
	data, _ := contents(clip.ID, 3)
	sum := sha256.Sum256(data)
	end := store.ClosedClip{Clip: clip.ID, Bytes: int64(len(data)), SHA256: sum[:]}
	settle := h.db.CloseClip
	if !whole {
		settle = h.db.SettleTorn
	}
	clip, err := settle(t.Context(), end)
	ok(t, err)
	return clip
}

func (h *home) lastPath(t *testing.T) string {
	t.Helper()
	clip, err := h.db.LastClip(t.Context(), h.camera.ID)
	ok(t, err)
	return clip.Path()
}

func (h *home) path(clip store.Clip) string { return filepath.Join(h.root.Dir(), clip.Path()) }

// sql changes the database behind the store's back. Triggers and foreign keys are off, as damage does not ask for them.
func (h *home) sql(t *testing.T, statements string, args ...any) {
	t.Helper()
	db, err := sql.Open("sqlite3", filepath.Join(h.dir, store.FileName)+"?_foreign_keys=off&_busy_timeout=10000")
	ok(t, err)
	_, err = db.Exec(statements, args...)
	ok(t, errors.Join(err, db.Close()))
}

func run(t *testing.T, config check.Config) []check.Fault {
	t.Helper()
	faults, err := check.Run(t.Context(), config)
	ok(t, err)
	return faults
}

func TestSound(t *testing.T) {
	t.Parallel()
	h := furnish(t)
	seen := int64(0)
	if faults := run(t, check.Config{Dir: h.dir, Progress: func(n int64) { seen = n }}); len(faults) != 0 {
		t.Errorf("beside a running store: %v", faults)
	}
	if seen != 4 {
		t.Errorf("%d clips were looked at", seen)
	}
	ok(t, h.db.Close())
	if faults := run(t, check.Config{Dir: h.dir, Clips: h.root.Dir(), Quick: true}); len(faults) != 0 {
		t.Errorf("with nobody running: %v", faults)
	}
}

// TestReadOnlyDisk: a box is examined without writing to its disk. What is still in the write-ahead log is not passed over in silence.
func TestReadOnlyDisk(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("mounting a tmpfs takes root")
	}
	h := furnish(t)
	image := t.TempDir()
	ok(t, syscall.Mount("tmpfs", image, "tmpfs", 0, ""))
	defer syscall.Unmount(image, syscall.MNT_DETACH) //nolint:errcheck // the test has its verdict
	mode := func(flags uintptr) { ok(t, syscall.Mount("tmpfs", image, "tmpfs", syscall.MS_REMOUNT|flags, "")) }

	ok(t, os.CopyFS(filepath.Join(image, "running"), os.DirFS(h.dir)))
	ok(t, os.Remove(filepath.Join(image, "running", "cardea.db-shm"))) // as a machine without power leaves it
	ok(t, h.db.Close())
	ok(t, os.CopyFS(filepath.Join(image, "stopped"), os.DirFS(h.dir)))
	mode(syscall.MS_RDONLY)
	if faults := run(t, check.Config{Dir: filepath.Join(image, "stopped")}); len(faults) != 0 {
		t.Errorf("faults: %v", faults)
	}
	if _, err := check.Run(t.Context(), check.Config{Dir: filepath.Join(image, "running")}); err == nil || !strings.Contains(err.Error(), "copy the directory") {
		t.Errorf("with a write-ahead log: %v", err)
	}
}

// TestCopy: of a data directory that was copied its own clips are checked, not those of the original.
func TestCopy(t *testing.T) {
	t.Parallel()
	h := furnish(t)
	ok(t, h.db.Close())
	twin := filepath.Join(t.TempDir(), "twin")
	ok(t, os.CopyFS(twin, os.DirFS(h.dir)))
	clip := filepath.Join(twin, "clips", h.closed.Path())
	data, err := os.ReadFile(clip)
	ok(t, err)
	data[len(data)/2] ^= 1
	ok(t, os.WriteFile(clip, data, 0o600))
	if faults := run(t, check.Config{Dir: twin}); len(faults) != 1 || !strings.Contains(faults[0].Where, filepath.Base(clip)) {
		t.Errorf("a changed clip of the copy: %v", faults)
	}
	if faults := run(t, check.Config{Dir: h.dir}); len(faults) != 0 {
		t.Errorf("the original: %v", faults)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	other := "01JNXZ3V5H8Q2W4E6R8T0Y1M3A"
	for _, test := range []struct {
		name      string
		invariant int
		slow      bool // found only by reading whole files
		damage    func(t *testing.T, h *home)
	}{
		{"a table without its index", 1, false, func(t *testing.T, h *home) {
			h.sql(t, `PRAGMA writable_schema = on; UPDATE sqlite_schema SET sql = replace(sql, 'clip (id)', 'clip (id, keep)') WHERE name = 'clip_id'`)
		}},
		{"a clip of an unknown vault", 1, false, func(t *testing.T, h *home) { h.sql(t, `UPDATE clip SET vault_no = 77`) }},
		{"a lost file", 2, false, func(t *testing.T, h *home) { ok(t, os.Remove(h.path(h.closed))) }},
		{"a lost torn file", 2, false, func(t *testing.T, h *home) { ok(t, os.Remove(h.path(h.torn))) }},
		{"a lost open file", 2, false, func(t *testing.T, h *home) { ok(t, os.Remove(h.path(h.open))) }},
		{"a lost row", 3, false, func(t *testing.T, h *home) { h.sql(t, `DELETE FROM clip WHERE id = ?`, h.closed.ID[:]) }},
		{"a file that was copied", 3, false, func(t *testing.T, h *home) {
			ok(t, os.Link(h.path(h.closed), strings.Replace(h.path(h.closed), h.closed.ID.String(), other, 1)))
		}},
		{"a file that was moved", 3, false, func(t *testing.T, h *home) {
			ok(t, os.Link(h.path(h.closed), filepath.Join(h.root.Dir(), filepath.Base(h.path(h.closed)))))
		}},
		{"an old salvage", 3, false, func(t *testing.T, h *home) {
			ok(t, os.WriteFile(h.path(h.torn)+".part", nil, 0o600))
			ok(t, os.Chtimes(h.path(h.torn)+".part", noon, noon))
		}},
		{"a shortened file", 4, false, func(t *testing.T, h *home) { ok(t, os.Truncate(h.path(h.closed), 1000)) }},
		{"a longer file", 4, false, func(t *testing.T, h *home) { ok(t, os.Truncate(h.path(h.torn), 10000)) }},
		{"a changed byte", 5, true, func(t *testing.T, h *home) { flip(t, h.path(h.closed), 3000) }},
		{"a changed byte at the end", 5, true, func(t *testing.T, h *home) { flip(t, h.path(h.torn), int64(h.torn.Bytes)-1) }},
		{"an open file that lost bytes", 6, false, func(t *testing.T, h *home) { ok(t, os.Truncate(h.path(h.open), 100)) }},
		{"damaged parts", 7, false, func(t *testing.T, h *home) { h.sql(t, `UPDATE clip_parts SET packed = x'0105' WHERE no = 1`) }},
		{"parts of another clip", 7, false, func(t *testing.T, h *home) {
			h.sql(t, `UPDATE clip_parts SET packed = (SELECT packed FROM clip_parts WHERE no = 2) WHERE no = 1`)
		}},
		{"no parts", 8, false, func(t *testing.T, h *home) { h.sql(t, `DELETE FROM clip_parts WHERE no = 1`) }},
		{"parts of no clip", 8, false, func(t *testing.T, h *home) { h.sql(t, `INSERT INTO clip_parts (packed) VALUES (x'0100')`) }},
		{"open parts of a closed clip", 8, false, func(t *testing.T, h *home) {
			h.sql(t, `UPDATE open_part SET clip = ?`, h.closed.ID[:])
		}},
		{"a wrong counter", 9, false, func(t *testing.T, h *home) { h.sql(t, `UPDATE usage SET bytes = bytes + 1`) }},
		{"a missing counter", 9, false, func(t *testing.T, h *home) { h.sql(t, `DELETE FROM usage`) }},
		{"a password in a URL", 10, false, func(t *testing.T, h *home) { h.sql(t, `UPDATE camera SET url = 'rtsp://me:secret@192.0.2.7/'`) }},
		{"a password in a setting", 10, false, func(t *testing.T, h *home) {
			ok(t, h.db.PutSettings(t.Context(), map[string]string{"mqtt.url": "mqtt://me:secret@192.0.2.7"}))
		}},
		{"a clip that runs backwards", 11, false, func(t *testing.T, h *home) { h.sql(t, `UPDATE clip SET "end" = start - 1 WHERE state = 1`) }},
		{"a fetched clip over another one", 24, false, func(t *testing.T, h *home) {
			h.sql(t, `UPDATE clip SET fetched = 1, "end" = start + 63000000 WHERE id = ?`, h.closed.ID[:])
		}},
		{"a fetch of nothing", 24, false, func(t *testing.T, h *home) {
			h.sql(t, `INSERT INTO missed (camera_no, life, after, before, start, "end") VALUES (1, 7, 5, 5, 1, 2)`)
		}},
		{"a gap over a clip", 12, false, func(t *testing.T, h *home) {
			h.sql(t, `UPDATE clip SET "end" = start + 60000000 WHERE state = 1`)
			h.sql(t, `UPDATE gap SET "end" = (SELECT max(start) FROM clip)`)
		}},
		{"a gap that runs backwards", 12, false, func(t *testing.T, h *home) { h.sql(t, `UPDATE gap SET "end" = start`) }},
		{"a file that is not sealed", 13, true, func(t *testing.T, h *home) {
			data, err := os.ReadFile(h.path(h.closed))
			ok(t, err)
			copy(data, "\x00\x00\x00\x20ftypiso5")
			ok(t, os.WriteFile(h.path(h.closed), data, 0o600))
			sum := sha256.Sum256(data)
			h.sql(t, `UPDATE log_record SET record = replace(record, ?, ?)`, hex.EncodeToString(h.closed.SHA256), hex.EncodeToString(sum[:]))
			h.sql(t, `UPDATE clip SET sha256 = ? WHERE id = ?`, sum[:], h.closed.ID[:])
		}},
		{"a clip in the garbage", 14, false, func(t *testing.T, h *home) {
			h.sql(t, `INSERT INTO garbage (path, bytes, reason, deleted) VALUES (?, 1, 'age', 1)`, h.closed.Path())
		}},
		{"something else in the garbage", 14, false, func(t *testing.T, h *home) {
			h.sql(t, `INSERT INTO garbage (path, bytes, reason, deleted) VALUES ('../cardea.db', 1, 'age', 1)`)
		}},
		{"no marker", 15, false, func(t *testing.T, h *home) { ok(t, os.Remove(filepath.Join(h.root.Dir(), disk.Marker))) }},
		{"another marker", 15, false, func(t *testing.T, h *home) {
			ok(t, os.WriteFile(filepath.Join(h.root.Dir(), disk.Marker), []byte(other), 0o600))
		}},
		{"a record that is missing", 18, false, func(t *testing.T, h *home) { h.sql(t, `DELETE FROM log_record WHERE log = 2 AND seq = 0`) }},
		{"a record under another number", 18, false, func(t *testing.T, h *home) {
			h.sql(t, `UPDATE log_record SET seq = -1 WHERE log = 2 AND seq = 0`)
			h.sql(t, `UPDATE log_record SET seq = 0 WHERE log = 2 AND seq = 1`)
			h.sql(t, `UPDATE log_record SET seq = 1 WHERE log = 2 AND seq = -1`)
		}},
		{"a record that filters do not find", 18, false, func(t *testing.T, h *home) { h.sql(t, `UPDATE log_record SET camera = NULL WHERE log = 2`) }},
		{"another hash than was logged", 19, false, func(t *testing.T, h *home) {
			h.sql(t, `UPDATE clip SET sha256 = zeroblob(32) WHERE id = ?`, h.closed.ID[:])
		}},
		{"a clip of a kept event that may go", 21, false, func(t *testing.T, h *home) {
			e, err := h.db.AddEvent(t.Context(), store.Event{Camera: h.camera.ID, Kind: "motion", Start: noon, End: noon.Add(time.Second), Source: "test"})
			ok(t, err)
			_, err = h.db.UpdateEvent(t.Context(), e.ID, func(e *store.Event) error { e.Keep = true; return nil })
			ok(t, err)
			if faults := run(t, check.Config{Dir: h.dir}); len(faults) != 0 {
				t.Errorf("before the damage: %v", faults)
			}
			h.sql(t, `DROP TRIGGER clip_update; UPDATE usage SET kept_bytes = 0; UPDATE clip SET keep = 0`)
		}},
		{"a note that is not sealed", 22, false, func(t *testing.T, h *home) {
			h.sql(t, `UPDATE event SET note = CAST('in the clear' AS BLOB), note_vault_no = 1`)
		}},
		{"a note without a vault", 22, false, func(t *testing.T, h *home) {
			h.sql(t, `UPDATE event SET note = CAST('age-encryption.org/v1' || char(10) AS BLOB)`)
		}},
		{"a review of nobody", 22, false, func(t *testing.T, h *home) { h.sql(t, `UPDATE event SET reviewed = 1`) }},
		{"a grant that nothing opens", 20, false, func(t *testing.T, h *home) {
			h.sql(t, `INSERT INTO user (no, id, name, role, password_hash, totp_secret, created) VALUES (99, zeroblob(16), 'Eve', 'viewer', 'x', x'00', 1)`)
			h.sql(t, `INSERT INTO vault_grant (id, vault_no, user_no, kind, wrapped, created) VALUES (randomblob(16), 1, 99, 'passkey', x'01', 1)`)
		}},
		{"a number from the future", 16, false, func(t *testing.T, h *home) { h.sql(t, `UPDATE event SET seq = 999`) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := furnish(t)
			test.damage(t, h)
			faults := run(t, check.Config{Dir: h.dir})
			found := false
			for _, fault := range faults {
				found = found || fault.Invariant == test.invariant
				if fault.What == "" || fault.Where == "" || fault.Do == "" || strings.Contains(fault.String(), "secret") || strings.Contains(fault.String(), "%!") {
					t.Errorf("a fault says %q", fault)
				}
			}
			if !found {
				t.Errorf("want I%d, got %v", test.invariant, faults)
			}
			if quick := run(t, check.Config{Dir: h.dir, Quick: true}); test.slow != (len(quick) == 0) {
				t.Errorf("quick gives %v", quick)
			}
		})
	}
}

func flip(t *testing.T, path string, at int64) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	ok(t, err)
	b := make([]byte, 1)
	_, err = file.ReadAt(b, at)
	ok(t, err)
	b[0] ^= 1
	_, err = file.WriteAt(b, at)
	ok(t, errors.Join(err, file.Close()))
}

// TestDamagedDatabase is attack case 69 of docs/attacks.md.
func TestDamagedDatabase(t *testing.T) {
	t.Parallel()
	h := furnish(t)
	ok(t, h.db.Close())
	path := filepath.Join(h.dir, store.FileName)
	data, err := os.ReadFile(path)
	ok(t, err)
	for what, hurt := range map[string]func([]byte) []byte{
		"no database": func([]byte) []byte {
			return []byte("this is not a database, whatever its name says. It goes on for a while, because SQLite wants to see a hundred bytes.")
		},
		"noise in a page": func(data []byte) []byte {
			_, err := rand.Read(data[len(data)/2 : len(data)/2+9000])
			ok(t, err)
			return data
		},
		"half of it": func(data []byte) []byte { return data[:len(data)/2] },
	} {
		hurtData := hurt(bytes.Clone(data))
		ok(t, os.WriteFile(path, hurtData, 0o600))
		faults, err := check.Run(t.Context(), check.Config{Dir: h.dir})
		if err != nil || len(faults) == 0 || faults[0].Invariant != 1 || !strings.Contains(faults[0].Do, "cardea restore") {
			t.Errorf("%s: %v, %v", what, faults, err)
		}
		if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, hurtData) {
			t.Errorf("%s: the file was changed, %v", what, err)
		}
	}
	if _, err := check.Run(t.Context(), check.Config{Dir: t.TempDir()}); err == nil {
		t.Error("an empty directory is sound")
	}
}

func TestBesideARecorder(t *testing.T) {
	t.Parallel()
	h := furnish(t)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { // records and deletes as fast as it can
		defer close(done)
		for i := 10; ctx.Err() == nil; i++ {
			clip := h.record(t, noon.Add(time.Duration(i)*time.Minute), i%2 == 0)
			if i%3 == 0 {
				continue
			}
			if _, _, err := h.db.DeleteClips(t.Context(), []store.ID{clip.ID}, "age"); err != nil {
				t.Error(err)
			}
			if _, err := h.db.Sweep(t.Context(), h.root, nil); err != nil {
				t.Error(err)
			}
		}
	}()
	for range 3 {
		if faults := run(t, check.Config{Dir: h.dir}); len(faults) != 0 {
			t.Errorf("faults: %v", faults)
		}
	}
	stop()
	<-done
}
