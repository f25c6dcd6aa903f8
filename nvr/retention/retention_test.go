package retention

import (
	"context"
	"errors"
	"io/fs"
	"testing"
	"time"

	"cardea/store"
	"cardea/store/check"
	"cardea/store/disk"
)

// cellar is a store with clips of a camera, one a minute, 1 MB each by the index and 1 kB on the disk.
type cellar struct {
	*Keeper
	t      *testing.T
	dir    string
	db     *store.DB
	files  *disk.Root
	vault  store.ID
	now    time.Time
	doubt  bool
	camera store.Camera
}

const size = 1000

func newCellar(t *testing.T) *cellar {
	t.Helper()
	c := &cellar{t: t, dir: t.TempDir(), now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}
	var err error
	clock := func() time.Time { return c.now }
	if c.db, err = store.Open(t.Context(), store.Config{Dir: c.dir, Now: clock}); err != nil {
		t.Fatal(err)
	}
	if c.files, err = c.db.OpenRoot(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(c.files.Close(), c.db.Close()); err != nil {
			t.Error(err)
		}
	})
	v, err := c.db.CreateVault(t.Context(), store.Vault{Name: "Home", Type: "x25519", Recipient: "age1x"})
	if err != nil {
		t.Fatal(err)
	}
	c.vault = v.ID
	c.camera = c.add("front")
	c.Keeper = New(Config{DB: c.db, Files: c.files, Now: clock, Suspect: func() bool { return c.doubt }})
	// The disk of the test may be as full as it likes.
	c.policy(func(p *Policy) { p.MinFree = 1 })
	return c
}

func (c *cellar) add(name string) store.Camera {
	c.t.Helper()
	row, err := c.db.CreateCamera(c.t.Context(), store.NewCamera(name, "rtsp://192.0.2.1/"))
	if err != nil {
		c.t.Fatal(err)
	}
	return row
}

func (c *cellar) policy(edit func(*Policy)) {
	c.t.Helper()
	p, err := Load(c.t.Context(), c.db)
	if err != nil {
		c.t.Fatal(err)
	}
	edit(&p)
	if err := Save(c.t.Context(), c.db, p); err != nil {
		c.t.Fatal(err)
	}
}

// fill stores n clips of a minute, the first one at start.
func (c *cellar) fill(camera store.Camera, start time.Time, n int) (clips []store.Clip) {
	c.t.Helper()
	for i := range n {
		row, err := c.db.OpenClip(c.t.Context(), store.Clip{
			Camera: camera.ID, Start: start.Add(time.Duration(i) * time.Minute), Vault: c.vault, Codecs: "avc1.42c015", HeaderBytes: 200, InitBytes: 10,
		})
		if err != nil {
			c.t.Fatal(err)
		}
		f, err := c.files.Create(row.Path())
		if err != nil {
			c.t.Fatal(err)
		}
		if err := errors.Join(f.Append(make([]byte, size)), f.Close()); err != nil {
			c.t.Fatal(err)
		}
		row, err = c.db.CloseClip(c.t.Context(), store.ClosedClip{
			Clip: row.ID, Parts: []store.Part{{Start: row.Start, Offset: 10, Key: true}}, End: row.Start.Add(time.Minute), Plain: 784, Bytes: size, SHA256: make([]byte, 32),
		})
		if err != nil {
			c.t.Fatal(err)
		}
		clips = append(clips, row)
	}
	return clips
}

func (c *cellar) left(camera store.Camera) []store.Clip {
	c.t.Helper()
	all, err := c.db.Clips(c.t.Context(), store.ClipQuery{Camera: camera.ID})
	if err != nil && store.ErrorCode(err) != store.NotFound {
		c.t.Fatal(err)
	}
	return all
}

func (c *cellar) pass() {
	c.t.Helper()
	if err := c.Pass(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	// Index and files agree at any moment.
	faults, err := check.Run(c.t.Context(), check.Config{Dir: c.dir, Quick: true})
	if err != nil {
		c.t.Fatal(err)
	}
	for _, f := range faults {
		if f.Invariant == 2 || f.Invariant == 3 || f.Invariant == 9 {
			c.t.Error(f)
		}
	}
}

func TestByAge(t *testing.T) {
	t.Parallel()
	c := newCellar(t)
	short := c.add("garden")
	short, err := c.db.UpdateCamera(t.Context(), short.ID, func(row *store.Camera) error {
		row.RetentionDays = 2
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	c.fill(c.camera, c.now.AddDate(0, 0, -31), 2)       // too old
	c.fill(c.camera, c.now.AddDate(0, 0, -29), 100)     // not yet
	old := c.fill(short, c.now.AddDate(0, 0, -3), 1)[0] // too old for this camera
	c.fill(short, c.now.AddDate(0, 0, -1), 10)
	c.pass()
	if n := len(c.left(c.camera)); n != 100 {
		t.Errorf("%d clips left, want 100", n)
	}
	if n := len(c.left(short)); n != 10 {
		t.Errorf("%d clips of the camera with its own rule left, want 10", n)
	}
	files, err := c.files.FS()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fs.Stat(files, old.Path()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file of a deleted clip: %v", err)
	}
}

// The clock jumps to 2099: nothing goes while it is doubted, and little when it is believed.
// Attack case 71 of docs/attacks.md.
func TestJumpDestroysNothing(t *testing.T) {
	t.Parallel()
	c := newCellar(t)
	c.fill(c.camera, c.now.Add(-3*time.Hour), 150)
	c.now = time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
	c.doubt = true
	c.pass()
	if n := len(c.left(c.camera)); n != 150 {
		t.Fatalf("%d clips left while the clock is suspect", n)
	}
	c.doubt = false
	for range 5 {
		c.pass()
	}
	if n := len(c.left(c.camera)); n != 143 { // 5 % of 150 are 7
		t.Errorf("%d clips left within an hour, want 143", n)
	}
	// An hour later some more may go.
	for i := range c.aged {
		c.aged[i].at = c.aged[i].at.Add(-AgeWindow)
	}
	c.pass()
	if n := len(c.left(c.camera)); n != 136 {
		t.Errorf("%d clips left after another hour, want 136", n)
	}
}

// Where one clip is more than the share, one an hour goes, or the last ones would stay for ever.
func TestSmallStore(t *testing.T) {
	t.Parallel()
	c := newCellar(t)
	c.fill(c.camera, c.now.AddDate(0, 0, -40), 3)
	c.pass()
	c.pass()
	if n := len(c.left(c.camera)); n != 2 {
		t.Errorf("%d clips left, want 2", n)
	}
}

func TestByBytes(t *testing.T) {
	t.Parallel()
	c := newCellar(t)
	other := c.add("garden")
	first := c.fill(c.camera, c.now.Add(-2*time.Hour), 60)
	c.fill(other, c.now.Add(-time.Hour), 30)
	if err := c.db.KeepClip(t.Context(), first[0].ID, true); err != nil {
		t.Fatal(err)
	}
	_, err := c.db.UpdateCamera(t.Context(), c.camera.ID, func(row *store.Camera) error {
		row.RetentionBytes = 50 * size
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	c.pass()
	left := c.left(c.camera)
	if len(left) != 50 || left[0].ID != first[0].ID || left[1].ID != first[11].ID {
		t.Errorf("%d clips left, the second is %v", len(left), left[1].Start)
	}
	// The limit of the box: the oldest of all cameras go.
	if _, err := c.oldest(t.Context(), store.OldestQuery{}, 45*size, "bytes"); err != nil {
		t.Fatal(err)
	}
	if a, b := len(c.left(c.camera)), len(c.left(other)); a != 5 || b != 30 {
		t.Errorf("%d and %d clips left, want 5 and 30", a, b)
	}
	for _, bad := range []Policy{{Days: 0}, {Days: 30, Bytes: 5}, {Days: 30, MinFree: -1}, {Days: 40000}} {
		if err := Save(t.Context(), c.db, bad); store.ErrorCode(err) != store.Invalid {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

func TestBySpace(t *testing.T) {
	t.Parallel()
	c := newCellar(t)
	c.fill(c.camera, c.now.Add(-time.Hour), 20)
	space, err := c.files.Free()
	if err != nil {
		t.Fatal(err)
	}
	// More than there is: everything but what is kept goes, and it is no error.
	keep := c.left(c.camera)[3]
	if err := c.db.KeepClip(t.Context(), keep.ID, true); err != nil {
		t.Fatal(err)
	}
	c.policy(func(p *Policy) { p.MinFree = space.Total * 2 })
	c.pass()
	if left := c.left(c.camera); len(left) != 1 || left[0].ID != keep.ID {
		t.Errorf("left %+v", left)
	}
	if n, err := c.MakeSpace(t.Context(), space.Total); n != 0 || err != nil {
		t.Errorf("made %d bytes of space from nothing, %v", n, err)
	}
	p := Policy{}
	if got := p.minFree(1 << 40); got != (1<<40)/20 {
		t.Errorf("1 TiB disk: %d", got)
	}
	if got := p.minFree(10 << 30); got != 2<<30 {
		t.Errorf("10 GiB disk: %d", got)
	}
	if got := p.minFree(4 << 20); got != 1<<20 {
		t.Errorf("4 MiB disk: %d", got)
	}
}

func TestRemovedCamera(t *testing.T) {
	t.Parallel()
	c := newCellar(t)
	c.fill(c.camera, c.now.Add(-3*time.Hour), 120)
	if err := c.db.RemoveCamera(t.Context(), c.camera.ID, false); err != nil {
		t.Fatal(err)
	}
	c.pass()
	if n := len(c.left(c.camera)); n != 0 {
		t.Errorf("%d clips left", n)
	}
	if gone, err := c.db.Purging(t.Context()); err != nil || len(gone) != 0 {
		t.Errorf("%+v, %v", gone, err)
	}
}

// A deletion that was cut off is finished by the next pass.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	c := newCellar(t)
	clip := c.fill(c.camera, c.now.Add(-time.Hour), 1)[0]
	if _, _, err := c.db.DeleteClips(t.Context(), []store.ID{clip.ID}, "person"); err != nil {
		t.Fatal(err)
	}
	c.pass()
	if all, err := c.db.Garbage(t.Context(), 10); err != nil || len(all) != 0 {
		t.Errorf("garbage %+v, %v", all, err)
	}
}

func TestForecast(t *testing.T) {
	t.Parallel()
	c := newCellar(t)
	if f, err := c.Forecast(t.Context()); err != nil || f.Days != 0 {
		t.Errorf("forecast of nothing: %+v, %v", f, err)
	}
	c.fill(c.camera, c.now.Add(-time.Hour), 60) // 60 kB an hour
	c.policy(func(p *Policy) { p.Bytes = 144 * 1000 * 1000 })
	f, err := c.Forecast(t.Context())
	if err != nil || f.Days < 99 || f.Days > 101 {
		t.Errorf("forecast %v days, want 100, %v", f.Days, err)
	}
}

func TestRunEnds(t *testing.T) {
	t.Parallel()
	c := newCellar(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- c.Run(ctx) }()
	c.Wake()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
