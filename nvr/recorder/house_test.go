package recorder

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cardea/camera/agent/pattern"
	"cardea/camera/frame"
	"cardea/nvr/hub"
	"cardea/store"
	"cardea/store/disk"
	"cardea/store/vault"
)

// house is a recorder with real index, files and vault.
type house struct {
	*Recorder
	t     testing.TB
	db    *store.DB
	files *disk.Root
	id    *vault.Identity
	vault store.ID
	dir   string

	mu     sync.Mutex
	alarms map[string]bool
	stop   func()
}

func open(t testing.TB, dir, clips string, id *vault.Identity) (*store.DB, *disk.Root, store.ID) {
	t.Helper()
	db, err := store.Open(t.Context(), store.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	files, err := db.OpenRoot(t.Context(), clips)
	if err != nil {
		t.Fatal(err)
	}
	v, err := db.Vault(t.Context(), store.ID{})
	if store.ErrorCode(err) == store.NotFound {
		v, err = db.CreateVault(t.Context(), store.Vault{Name: "Home", Type: string(id.Type()), Recipient: id.Recipient().String()})
	}
	if err != nil {
		t.Fatal(err)
	}
	return db, files, v.ID
}

func newHouse(t testing.TB, clips string, edit func(*Config)) *house {
	t.Helper()
	id, err := vault.GenerateX25519()
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, id: id, alarms: map[string]bool{}}
	h.dir = t.TempDir()
	h.db, h.files, h.vault = open(t, h.dir, clips, id)
	cfg := Config{
		DB: h.db, Files: h.files, Period: 60 * time.Millisecond, Length: 4 * time.Second,
		Log: slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelDebug})),
		OnAlarm: func(code, _ string, raised bool) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.alarms[code] = raised
		},
	}
	if edit != nil {
		edit(&cfg)
	}
	h.Recorder = New(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := h.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	h.stop = sync.OnceFunc(func() {
		cancel()
		<-done
	})
	t.Cleanup(func() {
		h.stop()
		if err := h.files.Close(); err != nil {
			t.Error(err)
		}
		if err := h.db.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

func (h *house) alarm(code string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.alarms[code]
}

// lens makes pictures for one camera.
type lens struct {
	camera store.ID
	hub    *hub.Hub
	line   *Line
	enc    *pattern.Encoder
	stream *frame.Stream
	wall   time.Time
	n      int64 // pictures made, all streams
	dts    int64
}

func (h *house) lens(name string, mode store.Mode) *lens {
	h.t.Helper()
	row := store.NewCamera(name, "rtsp://192.0.2.1/"+name)
	row.Mode = mode
	row, err := h.db.CreateCamera(h.t.Context(), row)
	if err != nil {
		h.t.Fatal(err)
	}
	l := &lens{camera: row.ID, hub: hub.New(hub.Config{Preroll: 10 * time.Second, CacheBytes: 32 << 20}), wall: time.Now().Truncate(time.Millisecond)}
	if err := l.setUp(name); err != nil {
		h.t.Fatal(err)
	}
	l.line = h.Add(LineConfig{Camera: row.ID, Hub: l.hub, Settings: h.settings(mode)})
	return l
}

func (h *house) settings(mode store.Mode) Settings {
	return Settings{Mode: mode, Audio: true, PreRoll: 2 * time.Second, PostRoll: time.Second, Vault: h.vault, Recipient: h.id.Recipient()}
}

func (l *lens) setUp(name string) (err error) {
	l.enc, err = pattern.New(pattern.Config{Width: 160, Height: 96, FPS: 25, GOP: time.Second, BitRate: 1_000_000, Name: name})
	if err == nil {
		l.connect()
	}
	return err
}

// connect begins a new stream, as after a reconnect.
func (l *lens) connect() {
	l.stream = &frame.Stream{Tracks: []frame.Track{{Codec: frame.H264, ClockRate: 90000, Params: l.enc.Params(), Width: 160, Height: 96}}}
	l.dts = 0
}

// shoot publishes n pictures, 40 ms apart by their own time, and waits now and then as a slower camera would.
func (l *lens) shoot(n int, pause time.Duration) {
	for range n {
		p := l.enc.Next(l.wall)
		f := &frame.Frame{Stream: l.stream, PTS: l.dts, DTS: l.dts, Wall: l.wall, Key: p.Key, Payload: p.NALs, Size: p.Size}
		l.hub.Publish(f)
		l.dts += 3600
		l.wall = l.wall.Add(40 * time.Millisecond)
		l.n++
		if pause > 0 {
			time.Sleep(pause)
		}
	}
}

// eventually waits for a condition with a generous deadline.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("never happened: %s", what)
}

// clips lists a camera's clips.
func (h *house) clips(camera store.ID) []store.Clip {
	h.t.Helper()
	all, err := h.db.Clips(context.Background(), store.ClipQuery{Camera: camera})
	if err != nil {
		h.t.Fatal(err)
	}
	return all
}

func (h *house) gaps(camera store.ID) []store.Gap {
	h.t.Helper()
	all, err := h.db.Gaps(context.Background(), camera, time.Time{}, time.Time{})
	if err != nil {
		h.t.Fatal(err)
	}
	return all
}

// pictures opens a clip with the identity and gives the numbers of its pictures. It checks everything that can be checked of
// a closed or torn clip on the way.
func pictures(t testing.TB, db *store.DB, files *disk.Root, id *vault.Identity, clip store.Clip) []uint64 {
	t.Helper()
	clip, err := db.Clip(context.Background(), clip.ID)
	if err != nil {
		t.Fatal(err)
	}
	f, err := files.Open(clip.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // only read from
	sealed, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	if clip.State != store.ClipOpen {
		if sum := sha256.Sum256(sealed); !bytes.Equal(sum[:], clip.SHA256) || int64(len(sealed)) != clip.Bytes {
			t.Errorf("clip %s: hash or size is not that of its file", clip.ID)
		}
	}
	plain, err := vault.OpenTorn(bytes.NewReader(sealed), int64(len(sealed)), id)
	if err != nil {
		t.Fatal(err)
	}
	// A kill between the sync of the last chunk and the commit of the row leaves a whole file in a torn row (store/README.md).
	if clip.State == store.ClipClosed && !plain.Complete() || clip.State == store.ClipOpen && plain.Complete() {
		t.Errorf("clip %s: state %d, complete %v", clip.ID, clip.State, plain.Complete())
	}
	all, err := io.ReadAll(io.NewSectionReader(plain, 0, plain.Size()))
	if err != nil {
		t.Fatal(err)
	}
	if clip.Plain > plain.Size() {
		t.Errorf("clip %s: %d bytes announced, %d durable", clip.ID, clip.Plain, plain.Size())
	}
	if len(clip.Parts) == 0 || clip.Parts[0].Offset != int64(clip.InitBytes) || !clip.Parts[0].Key || !clip.Parts[0].Start.Equal(clip.Start) {
		t.Errorf("clip %s: first part %+v", clip.ID, clip.Parts)
	}
	for i, p := range clip.Parts {
		if string(all[p.Offset+4:p.Offset+8]) != "moof" {
			t.Errorf("clip %s: part %d does not begin with a moof", clip.ID, i)
		}
	}
	all = all[:clip.Plain]
	var numbers []uint64
	for len(all) > 8 {
		size := int(binary.BigEndian.Uint32(all))
		if clip.State == store.ClipTorn && size > len(all) {
			break // cut off in mid-part
		}
		if size < 8 || size > len(all) {
			t.Fatalf("clip %s: box of %d bytes, %d left", clip.ID, size, len(all))
		}
		if string(all[4:8]) == "mdat" {
			for data := all[8:size]; len(data) > 4; {
				n := int(binary.BigEndian.Uint32(data))
				if number, _, ok := pattern.ParseSEI(data[4 : 4+n]); ok {
					numbers = append(numbers, number)
				}
				data = data[4+n:]
			}
		}
		all = all[size:]
	}
	return numbers
}

// numbersOf reads all clips of a camera.
func (h *house) numbersOf(camera store.ID) (numbers []uint64) {
	h.t.Helper()
	for _, c := range h.clips(camera) {
		numbers = append(numbers, pictures(h.t, h.db, h.files, h.id, c)...)
	}
	return numbers
}

// consecutive fails unless the numbers are first, first+1, … to last.
func consecutive(t testing.TB, numbers []uint64, count int) {
	t.Helper()
	if len(numbers) != count {
		t.Errorf("%d pictures, want %d", len(numbers), count)
	}
	for i := 1; i < len(numbers); i++ {
		if numbers[i] != numbers[i-1]+1 {
			t.Fatalf("picture %d follows %d", numbers[i], numbers[i-1])
		}
	}
}

// ffprobe counts the pictures of a decrypted clip with somebody else's eyes.
func ffprobe(t testing.TB, plain []byte) string {
	t.Helper()
	tool, err := exec.LookPath("ffprobe")
	if err != nil {
		t.Skip("no ffprobe here")
	}
	path := filepath.Join(t.TempDir(), "clip.mp4")
	if err := os.WriteFile(path, plain, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(tool, "-v", "error", "-count_frames", "-select_streams", "v", "-show_entries",
		"stream=codec_name,nb_read_frames", "-of", "csv=p=0", path).CombinedOutput()
	if err != nil {
		t.Errorf("ffprobe: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// exists says whether a file is there.
func exists(t testing.TB, files *disk.Root, name string) bool {
	t.Helper()
	all, err := files.FS()
	if err != nil {
		t.Fatal(err)
	}
	_, err = fs.Stat(all, name)
	return err == nil
}

var zeroRecipient vault.Recipient

// publish sends one picture that was made elsewhere.
func (l *lens) publish(nals [][]byte, size int) {
	l.hub.Publish(&frame.Frame{Stream: l.stream, PTS: l.dts, DTS: l.dts, Wall: l.wall, Payload: nals, Size: size})
	l.dts += 3600
	l.wall = l.wall.Add(40 * time.Millisecond)
	l.n++
}

// warm waits until the first picture is being recorded; none is lost on the way.
func (l *lens) warm(t testing.TB) {
	t.Helper()
	l.shoot(1, 0)
	eventually(t, "recording", func() bool { return l.line.State().Active })
}
