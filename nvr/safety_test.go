package nvr

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cardea/nvr/machine"
	"cardea/nvr/retention"
	"cardea/nvr/syslog"
	"cardea/store"
)

// smartDisk is a kernel that has one disk, which says what report holds.
func smartDisk(t *testing.T, report *string) machine.Machine {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"proc/self/mountinfo": "30 1 8:0 / / rw - ext4 /dev/sda rw\n", "sys/devices/sda/queue/rotational": "1",
		"proc/self/status": "Uid:\t1000\t1000\t1000\t1000\nCapEff:\t0\nVmRSS:\t1024 kB\n", "proc/loadavg": "0.25 0.5 0.75 1/2 3\n",
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"sys/dev/block/8:0": "../../devices/sda", "sys/block/sda": "../devices/sda"} {
		path := filepath.Join(root, link)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, path); err != nil {
			t.Fatal(err)
		}
	}
	return machine.Machine{
		Root: root, Stat: func(string) (uint32, uint32, error) { return 8, 0, nil },
		SMART: func(context.Context, string) ([]byte, error) { return []byte(*report), nil },
	}
}

// check gives what Safety says of one thing.
func (b *box) check(of SafetyOf, id string) Check {
	b.t.Helper()
	all, err := b.Safety(b.t.Context(), of)
	if err != nil {
		b.t.Fatal(err)
	}
	var found []Check
	for _, c := range all {
		if c.ID == id {
			found = append(found, c)
		}
	}
	if len(found) != 1 {
		b.t.Fatalf("%d checks %q", len(found), id)
	}
	return found[0]
}

func (b *box) sql(do error) {
	b.t.Helper()
	if do != nil {
		b.t.Fatal(do)
	}
}

// TestSafety makes each state bad and good.
func TestSafety(t *testing.T) {
	t.Parallel()
	report := `{"model_name":"Disk","smart_status":{"passed":true}}`
	b := openBox(t, t.TempDir(), func(c *Config) { c.Machine = smartDisk(t, &report) })
	ctx := t.Context()
	ann := store.User{Name: "Ann", Role: store.RoleOwner, PasswordHash: "x", TOTPSecret: []byte("x")}
	b.sql(b.db.CreateUser(ctx, ann, [][]byte{make([]byte, 32)}, nil, nil))
	ann, err := b.db.UserByName(ctx, "Ann")
	b.sql(err)
	of := SafetyOf{User: ann.ID}
	is := func(id string, want Verdict) Check {
		t.Helper()
		c := b.check(of, id)
		if c.Verdict != want {
			t.Errorf("%s is %s, want %s: %+v", id, c.Verdict, want, c)
		}
		return c
	}

	// Nothing is there.
	is("recording", Advise)
	is("vault", Bad)
	is("plain", Good)
	a := lens(t, "pw")
	st, err := b.AddCamera(ctx, anna, NewCamera{Name: "Front", URL: address(a, "pw")})
	b.sql(err)
	id := st.Camera.ID
	eventually(t, "the camera without a vault", func() bool { return b.check(of, "recording").Verdict == Bad })
	b.makeVault()
	is("vault", Good)
	eventually(t, "recording", func() bool { return b.check(of, "recording").Verdict == Good })
	if c := is("plain", Bad); len(c.Cameras) != 1 || c.Cameras[0] != id {
		t.Errorf("plain cameras %+v", c)
	}
	is("network", Good) // a camera on this machine

	// The camera.
	off, continuous := string(store.ModeOff), string(store.ModeContinuous)
	is("switched-off", Good)
	_, err = b.ChangeCamera(ctx, anna, id, CameraChange{Mode: &off})
	b.sql(err)
	is("switched-off", Advise)
	is("recording", Good)
	_, err = b.ChangeCamera(ctx, anna, id, CameraChange{Mode: &continuous})
	b.sql(err)
	is("switched-off", Good)
	is("tls12", Good)
	is("isolated", Good)
	r, err := b.runner(id)
	b.sql(err)
	r.mu.Lock()
	r.row.AllowTLS12, r.row.Trust = true, store.TrustPinned
	r.mu.Unlock()
	is("tls12", Advise)
	is("plain", Good)
	b.isolate(ctx, suspicion{r, "identity", "another key", nil})
	if c := is("isolated", Bad); len(c.Cameras) != 1 {
		t.Errorf("isolated %+v", c)
	}
	_, err = b.AcceptCamera(ctx, anna, id, "")
	b.sql(err)
	is("isolated", Good)

	// The vault and its kit.
	v, err := b.db.Vault(ctx, store.ID{})
	b.sql(err)
	is("open", Good)
	b.sql(b.db.SetBoxGrant(ctx, v.ID, []byte("sealed")))
	if c := is("open", Advise); len(c.Names) != 1 || c.Names[0] != "Home" {
		t.Errorf("open %+v", c)
	}
	b.sql(b.db.SetBoxGrant(ctx, v.ID, nil))
	is("stale", Good)
	g, err := b.db.AddGrant(ctx, store.Grant{Vault: v.ID, User: ann.ID, Kind: "device", Wrapped: []byte("x")})
	b.sql(err)
	b.sql(b.db.RevokeGrant(ctx, g.ID))
	is("stale", Advise)
	if c := is("kit", Good); time.Since(c.At) > time.Hour {
		t.Errorf("the kit was tested when the vault was made: %+v", c)
	}
	b.sql(b.db.PutSettings(ctx, map[string]string{keyKit + v.ID.String(): "1000000000"}))
	is("kit", Advise)
	b.sql(b.KitTested(ctx, anna, v.ID))
	is("kit", Good)
	if err := b.KitTested(ctx, anna, id); store.ErrorCode(err) != store.NotFound {
		t.Errorf("the kit of no vault: %v", err)
	}

	// The people.
	if c := is("owners", Advise); c.Number != 1 || c.Wanted != 2 {
		t.Errorf("owners %+v", c)
	}
	b.sql(b.db.CreateUser(ctx, store.User{Name: "Bob", Role: store.RoleOwner, PasswordHash: "x", TOTPSecret: []byte("x")}, nil, nil, nil))
	is("owners", Good)
	is("codes", Advise)
	b.sql(b.db.SetRecovery(ctx, ann.ID, nil))
	is("codes", Bad)
	b.sql(b.db.SetRecovery(ctx, ann.ID, [][]byte{[]byte("1"), []byte("2"), []byte("3")}))
	is("codes", Good)
	is("passkey", Advise)
	_, err = b.db.AddPasskey(ctx, store.Passkey{User: ann.ID, Credential: []byte("c"), Record: []byte(`{}`), Name: "Key"})
	b.sql(err)
	is("passkey", Good)
	for i, agent := range []string{"Firefox", "Firefox", "Safari"} {
		if i > 0 {
			is("witness", Advise)
		}
		b.sql(b.db.BeginSession(ctx, store.Session{IDHash: bytes.Repeat([]byte{byte(i)}, 32), SID: []byte{byte(i)}, User: ann.ID, Created: b.Now(), LastSeen: b.Now(), Expires: b.Now().Add(time.Hour), Agent: agent}))
	}
	is("witness", Good)
	_, err = b.db.EndSessions(ctx, ann.ID, nil)
	b.sql(err)
	is("witness", Advise)
	b.sql(b.SetSyslog(ctx, anna, syslog.Settings{Address: "127.0.0.1:1"}))
	is("witness", Good)
	if c := b.check(SafetyOf{User: ann.ID, Admin: 3}, "allow-list"); c.Verdict != Good || c.Number != 3 {
		t.Errorf("allow-list %+v", c)
	}

	// What is stored.
	is("disk", Good)
	is("retention", Good)
	b.sql(retention.Save(ctx, b.db, retention.Policy{Days: 2}))
	is("retention", Advise)
	b.sql(retention.Save(ctx, b.db, retention.Policy{Days: 30}))
	is("backup", Advise)
	_, err = b.Backup(ctx, anna)
	b.sql(err)
	is("backup", Good)
	b.backedUp("", os.ErrInvalid)
	is("backup", Bad)
	b.backedUp("x", nil)
	is("backup", Good)
	for text, want := range map[string]Verdict{
		`{"smart_status":{"passed":true},"ata_smart_attributes":{"table":[{"id":5,"raw":{"value":9}}]}}`: Advise, `{"smart_status":{"passed":false}}`: Bad,
	} {
		report = text
		b.hardware.mu.Lock()
		b.hardware.at = time.Time{}
		b.hardware.mu.Unlock()
		is("disk", want)
	}

	// The box.
	is("clock", Good)
	b.alarm("clock", "It has jumped.", true)
	is("clock", Bad)
	is("logs", Good)
	b.alarm("log-access", "It is broken.", true)
	if c := is("logs", Bad); len(c.Names) != 1 || c.Names[0] != "log-access" {
		t.Errorf("logs %+v", c)
	}
	is("root", Good)
	b.sql(os.WriteFile(filepath.Join(b.hardware.machine.Root, "proc/self/status"), []byte("Uid:\t0\t0\t0\t0\n"), 0o600))
	is("root", Advise)
}

// A disk that says that it fails is an alarm, and a storage event.
func TestDiskFails(t *testing.T) {
	t.Parallel()
	report := `{"model_name":"Old disk","smart_status":{"passed":false}}`
	b := openBox(t, t.TempDir(), func(c *Config) { c.Machine = smartDisk(t, &report) })
	eventually(t, "the event", func() bool {
		all, err := b.Events(t.Context(), store.EventQuery{Kind: "storage"})
		return err == nil && len(all) == 1 && all[0].Labels[0] == "disk-health" && strings.Contains(string(all[0].Data), "Old disk")
	})
	s, err := b.Storage(t.Context())
	if err != nil || s.Hardware.State != machine.Fails || s.Index == 0 || s.Data != nil || s.Forecast.Policy.Days != 30 {
		t.Errorf("storage %+v, %v", s, err)
	}
	h, err := b.Health(t.Context())
	if err != nil || h.Figures.Load[1] != 0.5 || h.Figures.Own != 1<<20 || h.Clock != "ok" || !h.Layers.Known || h.Layers.Root {
		t.Errorf("health %+v, %v", h, err)
	}
}

// What was of a camera is told from its events, and nothing is told of the time when nobody looked.
func TestUptime(t *testing.T) {
	t.Parallel()
	b := openBox(t, t.TempDir())
	st, err := b.AddCamera(t.Context(), anna, NewCamera{Name: "Front", URL: "rtsp://127.0.0.1:1/x"})
	if err != nil {
		t.Fatal(err)
	}
	id := st.Camera.ID
	r, err := b.runner(id)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "its own event", func() bool {
		all, err := b.Events(t.Context(), store.EventQuery{Camera: id})
		return err == nil && len(all) == 1
	})
	now := b.Now()
	ago := func(minutes int) time.Time { return now.Add(-time.Duration(minutes) * time.Minute) }
	r.mu.Lock()
	r.row.Created = ago(200)
	r.mu.Unlock()
	for _, span := range [][2]int{{250, 170}, {100, 90}} {
		e := store.Event{Camera: id, Kind: "camera.offline", Start: ago(span[0]), End: ago(span[1]), Source: "test"}
		if _, err := b.db.AddEvent(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.db.AddGap(t.Context(), store.Gap{Camera: id, Start: ago(95), End: ago(75), Reason: store.GapOff}); err != nil {
		t.Fatal(err)
	}
	bars, err := b.Uptime(t.Context(), id, ago(240), time.Hour)
	if err != nil || len(bars) != 5 { // the last one has just begun
		t.Fatalf("%d bars, %v", len(bars), err)
	}
	for i, want := range []struct{ up, down, off float64 }{{0, 20, 0}, {50, 10, 0}, {35, 5, 20}, {60, 0, 0}} {
		got := bars[i]
		if near(got.Up, want.up) && near(got.Down, want.down) && near(got.Off, want.off) {
			continue
		}
		t.Errorf("bar %d is up %v, down %v, off %v; want %+v", i, got.Up, got.Down, got.Off, want)
	}
	if last := bars[4]; last.Down == 0 || last.Down > time.Minute || last.Off != 0 {
		t.Errorf("the camera that is away now: %+v", last)
	}
}

// near compares with minutes; a slow machine may lose some seconds.
func near(d time.Duration, minutes float64) bool {
	return (d - time.Duration(minutes*float64(time.Minute))).Abs() < time.Minute
}
