package nvr

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"cardea/camera/agent"
	"cardea/camera/agent/pattern"
	"cardea/nvr/live"
	"cardea/store"
	"cardea/store/disk"
	"cardea/store/vault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var anna = store.Actor{Name: "anna", Role: store.RoleOwner}

// box is an NVR with everything around it.
type box struct {
	*NVR
	t    *testing.T
	dir  string
	db   *store.DB
	disk *disk.Root
	log  *logBuffer
	stop func()
}

// logBuffer keeps the log for the test to look for what must not be there.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
	t  *testing.T
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.t.Log(strings.TrimSpace(string(p)))
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func openBox(t *testing.T, dir string, edit ...func(*Config)) *box {
	t.Helper()
	b := &box{t: t, dir: dir, log: &logBuffer{t: t}}
	var err error
	if b.db, err = store.Open(t.Context(), store.Config{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	if b.disk, err = b.db.OpenRoot(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	key, err := vault.LoadBoxKey(dir + "/keys/box.key")
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		DB: b.db, Clips: b.disk, Dir: dir, BoxKey: key, Devices: testAuthority(t, dir), Period: 100 * time.Millisecond, Length: time.Second,
		Log: slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, e := range edit {
		e(&cfg)
	}
	b.NVR, err = Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	b.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(time.Minute):
			t.Error("the recorder does not end")
		}
		if err := errors.Join(b.disk.Close(), b.db.Close()); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(b.stop)
	select {
	case <-b.Ready():
	case <-time.After(time.Minute):
		t.Fatal("never ready")
	}
	return b
}

// lens starts a virtual camera at /front with an account.
func lens(t *testing.T, password string) *agent.Agent {
	t.Helper()
	source, err := agent.NewPattern(agent.PatternConfig{
		Config: pattern.Config{Width: 160, Height: 96, FPS: 25, GOP: 400 * time.Millisecond, Name: "front", BitRate: 800_000}, Beep: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return startLens(t, agent.Config{User: "cam", Password: password, Streams: []agent.Stream{{Path: "front", Source: source}}})
}

// startLens runs a virtual camera until the test ends.
func startLens(t *testing.T, cfg agent.Config) *agent.Agent {
	t.Helper()
	a, err := agent.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = a.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return a
}

// address is where the camera is, with its account.
func address(a *agent.Agent, password string) string {
	return "rtsp://cam:" + password + "@" + a.Addr().String() + "/front"
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("never happened: %s", what)
}

func (b *box) camera(id store.ID) CameraStatus {
	b.t.Helper()
	st, err := b.Camera(b.t.Context(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	return st
}

func (b *box) clips(id store.ID) []Clip {
	b.t.Helper()
	all, err := b.Clips(b.t.Context(), store.ClipQuery{Camera: id})
	if err != nil {
		b.t.Fatal(err)
	}
	return all
}

// makeVault creates a vault whose identity only the test has.
func (b *box) makeVault() *vault.Identity {
	b.t.Helper()
	id, err := vault.GenerateHybrid()
	if err != nil {
		b.t.Fatal(err)
	}
	_, err = b.CreateVault(b.t.Context(), anna, NewVault{Name: "Home", Type: "hybrid", Recipient: id.Recipient().String()})
	if err != nil {
		b.t.Fatal(err)
	}
	return id
}

// TestFromLensToVault is the main line: a camera is added, waits for a vault, is recorded, watched, changed and removed.
func TestFromLensToVault(t *testing.T) {
	t.Parallel()
	const password = "s3cr3t-pass"
	a := lens(t, password)
	b := openBox(t, t.TempDir())
	st, err := b.AddCamera(t.Context(), anna, NewCamera{Name: "Front door", URL: address(a, password)})
	if err != nil {
		t.Fatal(err)
	}
	id := st.Camera.ID
	if st.User != "cam" || strings.Contains(st.Camera.URL, "cam") || st.Camera.Secret != nil || st.Camera.Trust != store.TrustPlain {
		t.Errorf("status %+v", st)
	}
	eventually(t, "streaming without a vault", func() bool {
		st := b.camera(id)
		return st.Connection.Phase == "streaming" && st.Recording.Reason == "no-vault"
	})
	if h, err := b.Health(t.Context()); err != nil || len(h.Alarms) != 1 || h.Alarms[0].Code != "no-vault" || h.Cameras["streaming"] != 1 {
		t.Errorf("health %+v, %v", h, err)
	}
	if len(b.clips(id)) != 0 {
		t.Error("recorded for nobody")
	}
	identity := b.makeVault()
	eventually(t, "two clips", func() bool { return len(b.clips(id)) > 2 })
	if h, err := b.Health(t.Context()); err != nil || len(h.Alarms) != 0 || h.Disk.State != "ok" || h.Disk.Free == 0 {
		t.Errorf("health %+v, %v", h, err)
	}
	st = b.camera(id)
	if !st.Recording.Active || st.Connection.Width != 160 || st.Usage.Bytes == 0 || len(st.Connection.Codecs) != 2 {
		t.Errorf("status %+v", st)
	}
	b.opens(identity, b.clips(id)[0].ID, true)
	eventually(t, "an open clip with parts", func() bool {
		c := b.clips(id)
		if last := c[len(c)-1]; last.Plain > 0 && !last.Complete() {
			b.opens(identity, last.ID, false)
			return true
		}
		return false
	})

	viewer, err := b.Live(t.Context(), anna, id, Main, live.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if m, err := viewer.Next(t.Context()); err != nil || !strings.HasPrefix(m.MIME, "video/mp4") {
		t.Errorf("first message %q, %v", m.MIME, err)
	}
	viewer.Close()

	// A wrong address takes effect at once, and so does the right one.
	wrong := "rtsp://127.0.0.1:1/front"
	if _, err := b.ChangeCamera(t.Context(), anna, id, CameraChange{URL: &wrong}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "offline", func() bool {
		st := b.camera(id)
		return st.Connection.Phase == "waiting" && st.Recording.Reason == "offline" && st.User == ""
	})
	right := address(a, password)
	if _, err := b.ChangeCamera(t.Context(), anna, id, CameraChange{URL: &right}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "back", func() bool { return b.camera(id).Recording.Active })
	eventually(t, "events", func() bool {
		all, err := b.Events(t.Context(), store.EventQuery{Camera: id})
		if err != nil {
			t.Fatal(err)
		}
		return len(all) == 2 && all[0].Kind == "camera.online" && all[1].Kind == "camera.offline" && all[1].End.Equal(all[0].Start)
	})
	if h, err := b.CameraHealth(t.Context(), id); err != nil || len(h.History) < 4 || h.History[0].Phase != "streaming" {
		t.Errorf("health %+v, %v", h, err)
	}
	tl, err := b.Timeline(t.Context(), id, time.Now().Add(-time.Hour), time.Now().Add(time.Minute), time.Minute)
	if err != nil || len(tl.Spans) == 0 || len(tl.Gaps) == 0 {
		t.Errorf("timeline %+v, %v", tl, err)
	}
	if err := b.RemoveCamera(t.Context(), anna, id, true); err != nil {
		t.Fatal(err)
	}
	eventually(t, "clips are deleted", func() bool {
		all, err := b.Clips(t.Context(), store.ClipQuery{})
		return err == nil && len(all) == 0
	})
	if _, err := b.Camera(t.Context(), id); store.ErrorCode(err) != store.NotFound {
		t.Errorf("removed camera: %v", err)
	}
	b.stop()
	if s := b.log.String(); strings.Contains(s, password) || strings.Contains(s, "AGE-SECRET") {
		t.Error("a secret is in the log")
	}
}

// opens checks that a clip can be read by who has the identity.
func (b *box) opens(id *vault.Identity, clip store.ID, whole bool) {
	b.t.Helper()
	f, err := b.OpenClip(b.t.Context(), anna, clip)
	if err != nil {
		b.t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // only read from
	r, err := vault.OpenTorn(f, f.Size, id)
	if err != nil {
		b.t.Fatal(err)
	}
	if r.Complete() != f.Clip.Complete() || whole && !r.Complete() {
		b.t.Errorf("clip %s complete: %v by the index, %v by the file", clip, f.Clip.Complete(), r.Complete())
	}
	plain, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
	if err != nil || whole && !bytes.Contains(plain, []byte("moof")) {
		b.t.Errorf("clip %s: %d bytes, %v", clip, len(plain), err)
	}
	for _, p := range f.Clip.Parts {
		if string(plain[p.Offset+4:p.Offset+8]) != "moof" {
			b.t.Errorf("clip %s: part at %d is not there", clip, p.Offset)
		}
	}
}

// A wrong password is refused by the camera, said so, and never shown.
func TestWrongPassword(t *testing.T) {
	t.Parallel()
	a := lens(t, "right")
	b := openBox(t, t.TempDir())
	b.makeVault()
	st, err := b.AddCamera(t.Context(), anna, NewCamera{Name: "Front", URL: address(a, "wr0ng-pass")})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "refused", func() bool {
		s := b.camera(st.Camera.ID)
		return s.Connection.Phase == "refused" && s.Recording.Reason == "refused"
	})
	if s := b.camera(st.Camera.ID); strings.Contains(s.Connection.Detail, "wr0ng") || s.Connection.Detail == "" {
		t.Errorf("detail %q", s.Connection.Detail)
	}
	b.stop()
	if strings.Contains(b.log.String(), "wr0ng") {
		t.Error("the password is in the log")
	}
}

func TestProbe(t *testing.T) {
	t.Parallel()
	a := lens(t, "right")
	b := openBox(t, t.TempDir())
	p, err := b.Probe(t.Context(), anna, address(a, "right"), "", "")
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Tracks) != 2 || p.Tracks[0].Width != 160 || p.Trust != "plain" || !bytes.Contains(p.Picture, []byte("moof")) || !strings.Contains(p.MIME, "avc1") {
		t.Errorf("%d tracks, trust %s, mime %s, %d bytes", len(p.Tracks), p.Trust, p.MIME, len(p.Picture))
	}
	for _, bad := range []string{"", "ftp://x", "http://169.254.169.254/", "169.254.169.254", "rtsp://169.254.169.254/", "rtsp://[fd00:ec2::254]/", "rtsp://0.0.0.0/", "rtsp://[::ffff:169.254.169.254]/", "rtsp://a:pass@"} {
		if _, err := b.Probe(t.Context(), anna, bad, "", ""); store.ErrorCode(err) != store.Invalid {
			t.Errorf("%q: %v", bad, err)
		} else if strings.Contains(err.Error(), "pass") {
			t.Errorf("%q: the error quotes it: %v", bad, err)
		}
	}
	if _, err := b.Probe(t.Context(), anna, address(a, "wrong"), "", ""); err == nil || strings.Contains(err.Error(), "wrong@") {
		t.Errorf("wrong password: %v", err)
	}
}

func TestFingerprint(t *testing.T) {
	t.Parallel()
	hex := "3f0a1b2c3d4e5f60718293a4b5c6d7e8f900112233445566778899aabbccddee"
	want, err := parseFingerprint(hex)
	if err != nil || len(want) != 32 {
		t.Fatal(err)
	}
	colons := ""
	for i := 0; i < len(hex); i += 2 {
		colons += ":" + hex[i:i+2]
	}
	for _, s := range []string{colons[1:], strings.ToUpper(hex), "PwobLD1OX2BxgpOktcbX6PkAESIzRFVmd4iZqrvM3e4=", "PwobLD1OX2BxgpOktcbX6PkAESIzRFVmd4iZqrvM3e4"} {
		if got, err := parseFingerprint(s); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %x, %v", s, got, err)
		}
	}
	for _, s := range []string{"abc", hex[2:], hex + "00"} {
		if _, err := parseFingerprint(s); store.ErrorCode(err) != store.Invalid {
			t.Errorf("%s: %v", s, err)
		}
	}
}

// Credentials stay with the host they are for.
func TestCredentialsStayWithTheirHost(t *testing.T) {
	t.Parallel()
	b := openBox(t, t.TempDir())
	st, err := b.AddCamera(t.Context(), anna, NewCamera{Name: "Front", URL: "rtsp://u:p@127.0.0.1:1/a", Mode: "off"})
	if err != nil {
		t.Fatal(err)
	}
	id := st.Camera.ID
	change := func(url string) CameraStatus {
		t.Helper()
		st, err := b.ChangeCamera(t.Context(), anna, id, CameraChange{URL: &url})
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	if st := change("rtsp://127.0.0.1:1/b"); st.User != "u" {
		t.Errorf("another path: user %q", st.User)
	}
	if st := change("rtsp://127.0.0.1:2/b"); st.User != "" {
		t.Errorf("another port: user %q", st.User)
	}
	// Nor does it help to write another host into the database.
	change("rtsp://u:p@127.0.0.1:1/a")
	row, err := b.db.UpdateCamera(t.Context(), id, func(c *store.Camera) error {
		c.URL = "rtsp://127.0.0.1:3/"
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.credentials(row); !errors.Is(err, vault.ErrSecret) {
		t.Errorf("moved credentials: %v", err)
	}
	if _, err := b.AddCamera(t.Context(), anna, NewCamera{Name: "front", URL: "rtsp://127.0.0.1:1/"}); store.ErrorCode(err) != store.Conflict {
		t.Errorf("same name: %v", err)
	}
	if _, err := b.AddCamera(t.Context(), anna, NewCamera{Name: "x", URL: "rtsp://127.0.0.1:1/", Fingerprint: strings.Repeat("ab", 32)}); store.ErrorCode(err) != store.Invalid {
		t.Errorf("fingerprint without TLS: %v", err)
	}
	if _, err := b.Record(t.Context(), anna, id, time.Second); store.ErrorCode(err) != store.Conflict {
		t.Errorf("record while off: %v", err)
	}
}

// Event mode records on demand, with what came before.
func TestRecordOnDemand(t *testing.T) {
	t.Parallel()
	a := lens(t, "x")
	b := openBox(t, t.TempDir())
	id := b.makeVault()
	st, err := b.AddCamera(t.Context(), anna, NewCamera{Name: "Front", URL: address(a, "x"), Mode: "event"})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "waiting for an event", func() bool {
		s := b.camera(st.Camera.ID)
		return s.Connection.Phase == "streaming" && s.Recording.Reason == "mode-event"
	})
	short := 100 * time.Millisecond
	if _, err := b.ChangeCamera(t.Context(), anna, st.Camera.ID, CameraChange{Postroll: &short}); err != nil {
		t.Fatal(err)
	}
	e, err := b.Record(t.Context(), anna, st.Camera.ID, time.Second)
	if err != nil || e.Kind != "manual" {
		t.Fatalf("%+v, %v", e, err)
	}
	eventually(t, "the end", func() bool {
		c := b.clips(st.Camera.ID)
		return len(c) > 0 && c[len(c)-1].Complete() && b.camera(st.Camera.ID).Recording.Reason == "mode-event"
	})
	b.opens(id, b.clips(st.Camera.ID)[0].ID, true)
}
