package onvif_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"cardea/camera/onvif"
	"cardea/camera/onvif/sim"
	"cardea/camera/rtsp"
)

func TestControl(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string]sim.Kind{"Axis": sim.Axis, "Hikvision": sim.Hikvision, "Dahua": sim.Dahua} {
		t.Run(name, func(t *testing.T) {
			d := device(t, sim.Config{Kind: kind, User: account, Password: secret, Clock: time.Hour})
			c, err := dial(t, d.URL(), nil)
			if err != nil {
				t.Fatal(err)
			}
			ctx := t.Context()
			s, err := c.Streams(ctx)
			if err != nil || s.Moves.Token != "main" || !s.Moves.PanTilt || !s.Moves.Zoom {
				t.Fatalf("%+v %v", s.Moves, err)
			}
			if a := c.Abilities(ctx, s); a != (onvif.Abilities{PTZ: true, Snapshot: true, Imaging: true, Events: true}) {
				t.Errorf("%+v", a)
			}
			presets, err := c.Presets(ctx, s.Moves.Token)
			if err != nil || len(presets) != 2 || presets[0] != (onvif.Preset{Token: "1", Name: "gate"}) || strings.Contains(presets[1].Name, "<") {
				t.Errorf("%v %v", presets, err)
			}
			for _, err := range []error{
				c.Move(ctx, s.Moves, onvif.Velocity{Pan: 0.5, Tilt: -7, Zoom: 0}, 1500*time.Millisecond), c.Stop(ctx, s.Moves),
				c.GotoPreset(ctx, s.Moves.Token, "1"), c.GotoHome(ctx, s.Moves.Token),
			} {
				if err != nil {
					t.Error(err)
				}
			}
			if got := strings.Join(d.Moves(), ", "); got != "move 0.500 -1.000 0.000 for PT1.5S, stop, preset gate, home" {
				t.Errorf("moved: %s", got)
			}
			var fault onvif.ErrFault
			if err := c.GotoPreset(ctx, s.Moves.Token, `"><x/>`); !errors.As(err, &fault) {
				t.Errorf("a preset that does not exist: %v", err)
			}
			half := &onvif.Range{Value: 50, Min: 0, Max: 80}
			want := onvif.Imaging{Brightness: half, Contrast: half, Saturation: half, Sharpness: half, DayNight: onvif.Auto, DayNights: []string{onvif.Auto, onvif.Day, onvif.Night}}
			if kind == sim.Dahua {
				want.Sharpness, want.DayNights = nil, want.DayNights[1:]
			}
			if i, err := c.Imaging(ctx, s.Main.Source); err != nil || !reflect.DeepEqual(i, want) {
				t.Errorf("%+v %v", i, err)
			}
			bright, flat, grey, soft := 62.5, 10.0, 0.0, 20.0
			if err := c.SetImaging(ctx, s.Main.Source, onvif.ImagingChange{Brightness: &bright, Contrast: &flat, Saturation: &grey, Sharpness: &soft, DayNight: onvif.Night}); err != nil {
				t.Error(err)
			}
			for name, value := range map[string]string{"Brightness": "62.5", "Contrast": "10", "ColorSaturation": "0", "IrCutFilter": "OFF"} {
				if got := d.Lens(name); got != value {
					t.Errorf("%s is at %s", name, got)
				}
			}
			if got := d.Lens("Sharpness"); (got == "20") != (kind != sim.Dahua) {
				t.Errorf("the sharpness is at %s", got)
			}
			picture, err := c.Snapshot(ctx, s.Main)
			if err != nil || !bytes.HasPrefix(picture, []byte{0xff, 0xd8}) {
				t.Errorf("%q %v", picture, err)
			}
			for _, r := range d.Requests() {
				if strings.Contains(r.Body, "pa$$") || strings.HasPrefix(r.Header.Get("Authorization"), "Basic") {
					t.Errorf("%s sends the password", r.Operation)
				}
			}
		})
	}
}

// TestSnapshotBounds: what is no JPEG, too large, elsewhere or behind Basic is refused.
func TestSnapshotBounds(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("another host was asked") }))
	defer elsewhere.Close()
	hangs := make(chan struct{})
	defer close(hangs)
	for name, answer := range map[string]func(http.ResponseWriter){
		"no JPEG": func(w http.ResponseWriter) { _, _ = io.WriteString(w, "<svg onload=alert(1)>") },
		"10 MB":   func(w http.ResponseWriter) { _, _ = w.Write(append([]byte{0xff, 0xd8, 0xff}, make([]byte, 10<<20)...)) },
		"redirect": func(w http.ResponseWriter) {
			w.Header().Set("Location", elsewhere.URL)
			w.WriteHeader(http.StatusFound)
		},
		"Basic":     func(w http.ResponseWriter) { w.Header().Set("WWW-Authenticate", `Basic realm="x"`); w.WriteHeader(401) },
		"too slow":  func(http.ResponseWriter) { <-hangs },
		"forbidden": func(w http.ResponseWriter) { w.WriteHeader(403) },
	} {
		d := device(t, sim.Config{User: account, Password: secret, Tamper: func(w http.ResponseWriter, operation string) bool {
			if operation != "still" {
				return false
			}
			answer(w)
			return true
		}})
		within := 40 * time.Second // on a busy machine what is in order takes its time too
		if name == "too slow" {
			within = 3 * time.Second
		}
		c, err := dial(t, d.URL(), func(cfg *onvif.Config) { cfg.Timeout = within })
		if err != nil {
			t.Fatal(err)
		}
		s, err := c.Streams(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.Snapshot(t.Context(), s.Main); err == nil || got != nil {
			t.Errorf("%s: %d bytes", name, len(got))
		}
		for _, r := range d.Requests() {
			if strings.HasPrefix(r.Header.Get("Authorization"), "Basic") {
				t.Errorf("%s: the password was sent", name)
			}
		}
	}
}

func TestSetCodec(t *testing.T) {
	t.Parallel()
	mixed := []sim.Stream{
		{Token: "main", Name: "main", Codec: "H264", Width: 1920, Height: 1080, URL: "rtsp://192.0.2.1/main"},
		{Token: "sub", Name: "sub", Codec: "H265", Width: 704, Height: 396, URL: "rtsp://192.0.2.1/sub"},
	}
	d := device(t, sim.Config{User: account, Password: secret, Streams: mixed})
	c, err := dial(t, d.URL(), nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.Streams(t.Context())
	if err != nil || s.Sub.Codec != "H265" {
		t.Fatalf("%+v %v", s.Sub, err)
	}
	if err := c.SetCodec(t.Context(), s.Sub, "H264"); err != nil {
		t.Fatal(err)
	}
	// The nearest size that the camera has in that codec.
	if got := d.Streams()[1]; got.Codec != "H264" || got.Width != 640 || got.Height != 360 {
		t.Errorf("%+v", got)
	}
	var no onvif.ErrCodec
	if err := c.SetCodec(t.Context(), s.Sub, "AV1"); !errors.As(err, &no) {
		t.Errorf("%v", err)
	}
	old := device(t, sim.Config{Kind: sim.Dahua, User: account, Password: secret})
	if c, err = dial(t, old.URL(), nil); err != nil {
		t.Fatal(err)
	}
	var without onvif.ErrNotOffered
	if s, err = c.Streams(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.SetCodec(t.Context(), s.Sub, "H264"); !errors.As(err, &without) {
		t.Errorf("without Media 2: %v", err)
	}
}

// TestSnapshotPinned: over https:// the picture comes from the pinned key or not at all.
func TestSnapshotPinned(t *testing.T) {
	t.Parallel()
	keys, err := sim.NewKeystore(nil)
	if err != nil {
		t.Fatal(err)
	}
	d := device(t, sim.Config{User: account, Password: secret, Keystore: keys, HTTPS: true})
	var pin rtsp.ErrPin
	if _, err := dial(t, d.SecureURL(), nil); !errors.As(err, &pin) || len(pin.Got) != sha256.Size {
		t.Fatalf("%v", err)
	}
	c, err := dial(t, d.SecureURL(), func(cfg *onvif.Config) { cfg.Pin = pin.Got })
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.Streams(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	before := len(d.Requests())
	if _, err := c.Snapshot(t.Context(), s.Main); err != nil {
		t.Error(err)
	}
	if len(d.Requests()) != before+3 { // where it is, the challenge, the picture
		t.Errorf("%d requests", len(d.Requests())-before)
	}
}
