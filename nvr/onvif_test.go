package nvr

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cardea/auth/ca"
	"cardea/camera/agent"
	"cardea/camera/agent/pattern"
	"cardea/camera/onvif"
	"cardea/camera/onvif/sim"
	"cardea/nvr/clock"
	"cardea/store"
)

// onvifCamera is a simulated camera of a kind with its streams, in the clear and over its own TLS.
type onvifCamera struct {
	*sim.Device
	keys   *sim.Keystore
	secure *agent.Agent
}

const onvifPassword = "s3cr3t-pass"

func startONVIF(t *testing.T, kind sim.Kind, edit ...func(*sim.Config)) onvifCamera {
	t.Helper()
	cfg := sim.Config{Kind: kind, User: "cam", Password: onvifPassword, Clock: time.Hour}
	for _, e := range edit {
		e(&cfg)
	}
	keys, err := sim.NewKeystore(cfg.Now)
	if err != nil {
		t.Fatal(err)
	}
	sources := func() []agent.Stream {
		var out []agent.Stream
		for path, width := range map[string]int{"main": 320, "sub": 160} {
			source, err := agent.NewPattern(agent.PatternConfig{Config: pattern.Config{Width: width, Height: width * 3 / 5, FPS: 10, GOP: time.Second, Name: path}})
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, agent.Stream{Path: path, Source: source})
		}
		return out
	}
	plain := startLens(t, agent.Config{User: "cam", Password: onvifPassword, Streams: sources()})
	secure := startLens(t, agent.Config{User: "cam", Password: onvifPassword, Streams: sources(), TLS: keys.TLS()})
	cfg.Keystore = keys
	cfg.Streams = []sim.Stream{
		{Token: "p_sub", Name: "sub", Codec: "H264", Width: 160, Height: 96, URL: plain.URL("sub"), Secure: secure.URL("sub")},
		{Token: "p_main", Name: "main", Codec: "H264", Width: 320, Height: 192, URL: plain.URL("main"), Secure: secure.URL("main")},
	}
	d, err := sim.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return onvifCamera{d, keys, secure}
}

// address is what a person types.
func (c onvifCamera) address() string {
	return strings.Replace(c.URL(), "http://", "http://cam:"+onvifPassword+"@", 1)
}

// noticed are the events of a kind.
func (b *box) noticed(id store.ID, kind string) []store.Event {
	b.t.Helper()
	all, err := b.Events(b.t.Context(), store.EventQuery{Camera: id, Kind: kind})
	if err != nil {
		b.t.Fatal(err)
	}
	return all
}

// TestONVIFMotion: what a camera's detector sees becomes an event with a start and an end, and is recorded.
func TestONVIFMotion(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string]sim.Kind{"Axis": sim.Axis, "Hikvision": sim.Hikvision, "Dahua": sim.Dahua} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := startONVIF(t, kind)
			b := openBox(t, t.TempDir())
			b.makeVault()
			st, err := b.AddCamera(t.Context(), anna, NewCamera{Name: "Yard", URL: c.address(), Mode: "event"})
			if err != nil {
				t.Fatal(err)
			}
			id := st.Camera.ID
			want := store.ControlPTZ | store.ControlSnapshot | store.ControlImaging | store.ControlMotion
			if st.Camera.ONVIF != c.URL() || st.Camera.Controls != want || !strings.HasSuffix(st.Camera.SubURL, "/sub") {
				t.Errorf("%+v", st.Camera)
			}
			none := time.Duration(0)
			if _, err := b.ChangeCamera(t.Context(), anna, id, CameraChange{Postroll: &none}); err != nil {
				t.Fatal(err)
			}
			eventually(t, "it is listened to", func() bool { return c.Subscriptions() > 0 && b.camera(id).Connection.Phase == "streaming" })
			if b.camera(id).Recording.Active {
				t.Error("recorded before anything moved")
			}
			c.SetMotion(true)
			eventually(t, "an event", func() bool { return len(b.noticed(id, "motion")) == 1 })
			eventually(t, "a recording", func() bool { return b.camera(id).Recording.Active })
			c.SetMotion(false)
			eventually(t, "its end", func() bool { return !b.noticed(id, "motion")[0].End.IsZero() })
			e := b.noticed(id, "motion")[0]
			if e.Source != "onvif" || !e.End.After(e.Start) || time.Since(e.Start) > time.Minute {
				t.Errorf("%+v", e)
			}
			eventually(t, "the end of the recording", func() bool { return !b.camera(id).Recording.Active && len(b.clips(id)) > 0 })
			// What goes on when the program ends has an end afterwards.
			c.SetMotion(true)
			eventually(t, "a second event", func() bool { return len(b.noticed(id, "motion")) == 2 })
			b.stop()
			again := openBox(t, b.dir)
			eventually(t, "no event without an end but that of now", func() bool {
				open := 0
				for _, e := range again.noticed(id, "motion") {
					if e.End.IsZero() {
						open++
					}
				}
				return open <= 1 && len(again.noticed(id, "motion")) == 3
			})
			again.stop()
		})
	}
}

// TestONVIFControl: a camera is moved and looked at by people, each of which the access log knows, and a camera in doubt is told nothing.
func TestONVIFControl(t *testing.T) {
	t.Parallel()
	c := startONVIF(t, sim.Axis)
	b := openBox(t, t.TempDir())
	ctx := t.Context()
	st, err := b.AddCamera(ctx, anna, NewCamera{Name: "Yard", URL: c.address(), Mode: "off"})
	if err != nil {
		t.Fatal(err)
	}
	id := st.Camera.ID
	p, err := b.PTZ(ctx, id)
	if err != nil || len(p.Presets) != 2 || !p.PanTilt || !p.Zoom {
		t.Errorf("%+v %v", p, err)
	}
	for _, m := range []Movement{{Velocity: &onvif.Velocity{Pan: 1}, For: 2 * time.Second}, {Stop: true}, {Preset: "1"}, {Home: true}} {
		if err := b.MoveCamera(ctx, anna, id, m); err != nil {
			t.Error(err)
		}
	}
	if got := strings.Join(c.Moves(), ", "); got != "move 1.000 0.000 0.000 for PT2.0S, stop, preset gate, home" {
		t.Errorf("%s", got)
	}
	for _, m := range []Movement{{}, {Stop: true, Home: true}, {Velocity: &onvif.Velocity{}, For: time.Minute}} {
		if err := b.MoveCamera(ctx, anna, id, m); store.ErrorCode(err) != store.Invalid {
			t.Errorf("%+v: %v", m, err)
		}
	}
	if jpeg, err := b.Snapshot(ctx, anna, id); err != nil || !bytes.HasPrefix(jpeg, []byte{0xff, 0xd8}) {
		t.Errorf("%q %v", jpeg, err)
	}
	bright, sharp := 33., 7.
	if i, err := b.SetImaging(ctx, anna, id, onvif.ImagingChange{Brightness: &bright, Sharpness: &sharp, DayNight: onvif.Night}); err != nil || i.DayNight != onvif.Night || i.Brightness.Value != 33 || i.Sharpness.Value != 7 {
		t.Errorf("%+v %v", i, err)
	}
	if err := b.SetSubCodec(ctx, anna, id, "h265"); err != nil || c.Streams()[0].Codec != "H265" {
		t.Errorf("%+v %v", c.Streams()[0], err)
	}
	if err := b.SetSubCodec(ctx, anna, id, "h264"); err != nil || c.Streams()[0].Codec != "H264" {
		t.Errorf("%+v %v", c.Streams()[0], err)
	}
	records, err := b.db.LogRecords(ctx, store.LogQuery{Log: store.LogAccess})
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("%+v", records)
	for _, action := range []string{"camera.move", "snapshot", "camera.imaging", "camera.codec"} {
		if !strings.Contains(text, action) {
			t.Errorf("%s is not in the access log", action)
		}
	}
	// An address that got into the index by another way than this program's is not spoken to.
	r, err := b.runner(id)
	if err != nil {
		t.Fatal(err)
	}
	row := b.camera(id).Camera
	row.ONVIF = "http://127.0.0.2:80/onvif/device_service"
	if _, err := r.onvifConfig(row, false); store.ErrorCode(err) != store.Conflict {
		t.Errorf("another host: %v", err)
	}
	// Nobody knows who a camera in doubt is.
	eventually(t, "it is listened to", func() bool { return c.Subscriptions() > 0 })
	b.isolate(ctx, suspicion{r, "test", "for a test", nil})
	eventually(t, "it is left alone", func() bool { return b.camera(id).Connection.Phase == isolated })
	asked := len(c.Requests())
	if err := b.MoveCamera(ctx, anna, id, Movement{Home: true}); store.ErrorCode(err) != store.Conflict {
		t.Errorf("moved: %v", err)
	}
	if _, err := b.EnrolCamera(ctx, anna, id); store.ErrorCode(err) != store.Conflict {
		t.Errorf("enrolled: %v", err)
	}
	if len(c.Requests()) != asked {
		t.Error("a camera in doubt was spoken to")
	}
	for _, r := range c.Requests() {
		if r.Operation == "Unsubscribe" {
			t.Error("a camera in doubt was told good-bye")
		}
	}
}

// TestONVIFEnrol: a foreign camera ends as paired, recorded over mutual TLS, is renewed, and let go.
func TestONVIFEnrol(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64
	later := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	c := startONVIF(t, sim.Axis, func(cfg *sim.Config) { cfg.Now = later })
	factory := c.keys.Contents()
	system := clock.System()
	b := openBox(t, t.TempDir(), func(cfg *Config) {
		cfg.Clock = func() (time.Time, time.Duration) {
			wall, passed := system()
			return wall.Add(time.Duration(ahead.Load())), passed + time.Duration(ahead.Load())
		}
		devices, err := ca.OpenDevice(ca.Config{Dir: t.TempDir(), Now: later})
		if err != nil {
			t.Fatal(err)
		}
		cfg.Devices = devices
	})
	b.makeVault()
	ctx := t.Context()
	st, err := b.AddCamera(ctx, anna, NewCamera{Name: "Yard", URL: c.address()})
	if err != nil {
		t.Fatal(err)
	}
	id := st.Camera.ID
	eventually(t, "recorded in the clear", func() bool { return b.camera(id).Recording.Active })
	began := time.Now()
	if st, err = b.EnrolCamera(ctx, anna, id); err != nil {
		t.Fatal(err)
	}
	t.Logf("%v to enrol a camera", time.Since(began).Round(time.Millisecond))
	row := st.Camera
	if row.Trust != store.TrustPaired || row.URL != c.secure.URL("main") || row.SubURL != c.secure.URL("sub") || row.ONVIF != c.SecureURL() || len(row.Pin) != 32 || st.Pairing == nil {
		t.Errorf("%+v", row)
	}
	if !c.keys.Required() {
		t.Error("the camera demands no certificate")
	}
	before := len(b.clips(id))
	eventually(t, "recorded over mutual TLS", func() bool {
		return b.camera(id).Recording.Active && c.secure.Readers("main") == 1 && len(b.clips(id)) > before
	})
	// Without a certificate nobody gets a word out of it.
	u, _ := url.Parse(row.URL)
	conn, err := tls.Dial("tcp", u.Host, &tls.Config{InsecureSkipVerify: true})
	if err == nil {
		_, _ = fmt.Fprintf(conn, "OPTIONS %s RTSP/1.0\r\nCSeq: 1\r\n\r\n", row.URL)
		_, err = conn.Read(make([]byte, 1))
		conn.Close()
	}
	if err == nil {
		t.Error("a client without a certificate is heard")
	}
	// It is listened to and moved as before, over its certificate.
	c.SetMotion(true)
	eventually(t, "an event", func() bool { return len(b.noticed(id, "motion")) > 0 })
	if err := b.MoveCamera(ctx, anna, id, Movement{Home: true}); err != nil {
		t.Error(err)
	}
	if _, err := b.EnrolCamera(ctx, anna, id); store.ErrorCode(err) != store.Conflict {
		t.Errorf("enrolled twice: %v", err)
	}
	at := "http://127.0.0.1:1/onvif/device_service"
	if _, err := b.ChangeCamera(ctx, anna, id, CameraChange{ONVIF: &at}); err == nil {
		if _, err := b.PTZ(ctx, id); store.ErrorCode(err) != store.Conflict {
			t.Errorf("a paired camera is spoken with in the clear: %v", err)
		}
		back := c.SecureURL()
		if _, err := b.ChangeCamera(ctx, anna, id, CameraChange{ONVIF: &back}); err != nil {
			t.Fatal(err)
		}
	}

	// After two thirds of its life the certificate is another one, of the same key.
	expires := b.camera(id).Pairing.Expires
	ahead.Store(int64(22 * 24 * time.Hour))
	r, err := b.runner(id)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.sync(ctx); err != nil {
		t.Fatal(err)
	}
	if now := b.camera(id).Pairing; !now.Expires.After(expires) {
		t.Errorf("expires %s, before %s", now.Expires, expires)
	}
	if !bytes.Equal(b.camera(id).Camera.Pin, row.Pin) {
		t.Error("another key")
	}
	// A new authority reaches it by the same way, and by then the old one is forgotten.
	if _, err := b.RollAuthority(ctx, anna, false); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a new authority", func() bool {
		b.syncDevices(ctx)
		b.rollOn(ctx)
		a, err := b.Authority()
		return err == nil && a.Stage == "steady"
	})
	r.reconnect()
	eventually(t, "recorded under the new authority", func() bool {
		return b.camera(id).Recording.Active && b.camera(id).Connection.Phase == "streaming"
	})
	if err := b.RemoveCamera(ctx, anna, id, true); err != nil {
		t.Fatal(err)
	}
	if left := c.keys.Contents(); left != factory {
		t.Errorf("left behind: %s", left)
	}
}

// TestONVIFEnrolFails: a camera that fails at any step is recorded as before, and nothing is left of the attempt.
func TestONVIFEnrolFails(t *testing.T) {
	t.Parallel()
	for operation, says := range map[string]string{
		"CreateECCKeyPair": "make a key", "ReplaceServerCertificateAssignment": "show its new certificate", "SetClientAuthenticationRequired": "demand certificates",
	} {
		t.Run(operation, func(t *testing.T) {
			t.Parallel()
			var failed atomic.Bool
			c := startONVIF(t, sim.Hikvision, func(cfg *sim.Config) {
				cfg.Tamper = func(w http.ResponseWriter, asked string) bool {
					if asked != operation || failed.Swap(true) {
						return false
					}
					w.WriteHeader(http.StatusInternalServerError)
					return true
				}
			})
			factory := c.keys.Contents()
			b := openBox(t, t.TempDir())
			b.makeVault()
			st, err := b.AddCamera(t.Context(), anna, NewCamera{Name: "Yard", URL: c.address()})
			if err != nil {
				t.Fatal(err)
			}
			var about ErrCamera
			if _, err := b.EnrolCamera(t.Context(), anna, st.Camera.ID); !errors.As(err, &about) || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "works as it did before") {
				t.Errorf("%v", err)
			}
			if left := c.keys.Contents(); left != factory {
				t.Errorf("left behind: %s", left)
			}
			if devices, err := b.db.Devices(t.Context()); err != nil || len(devices) != 0 {
				t.Errorf("%+v %v", devices, err)
			}
			now := b.camera(st.Camera.ID)
			if now.Camera.Trust != store.TrustPlain || now.Camera.ONVIF != c.URL() {
				t.Errorf("%+v", now.Camera)
			}
			eventually(t, "recorded as before", func() bool { return b.camera(st.Camera.ID).Recording.Active })
		})
	}
}

// TestONVIFEnrolCut: a box that dies in the middle undoes what it began, when it is back.
func TestONVIFEnrolCut(t *testing.T) {
	t.Parallel()
	c := startONVIF(t, sim.Axis)
	factory := c.keys.Contents()
	b := openBox(t, t.TempDir())
	st, err := b.AddCamera(t.Context(), anna, NewCamera{Name: "Yard", URL: c.address(), Mode: "off"})
	if err != nil {
		t.Fatal(err)
	}
	r, err := b.runner(st.Camera.ID)
	if err != nil {
		t.Fatal(err)
	}
	device, err := b.db.NewID(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	e := &enrolment{r: r, row: st.Camera, id: device}
	e.known.ID = device.String()
	r.mu.Lock()
	e.row = r.row
	r.mu.Unlock()
	if _, err := e.run(t.Context()); err != nil || !c.keys.Required() {
		t.Fatal(err)
	}
	b.stop() // before it is activated
	again := openBox(t, b.dir)
	eventually(t, "undone", func() bool { return c.keys.Contents() == factory })
	eventually(t, "forgotten", func() bool {
		devices, err := again.db.Devices(context.Background())
		return err == nil && len(devices) == 0
	})
}
