package nvr

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"cardea/camera/agent"
	"cardea/camera/agent/pattern"
	"cardea/camera/onvif/sim"
	"cardea/camera/rtsp"
	"cardea/store"
)

// TestLook: what is to be stored for a camera is looked at with its own account first, and that account goes nowhere else and never less
// protected than before.
func TestLook(t *testing.T) {
	t.Parallel()
	c := startONVIF(t, sim.Axis, func(cfg *sim.Config) { cfg.HTTPS = true })
	b := openBox(t, t.TempDir())
	ctx := t.Context()
	// Added by its stream: nothing is known but that.
	main := c.Streams()[1]
	st, err := b.AddCamera(ctx, anna, NewCamera{Name: "Yard", URL: strings.Replace(main.URL, "rtsp://", "rtsp://cam:"+onvifPassword+"@", 1), Mode: "off"})
	if err != nil {
		t.Fatal(err)
	}
	id := st.Camera.ID

	if p, err := b.Look(ctx, anna, id, SideSub, c.Streams()[0].URL, ""); err != nil || len(p.Picture) == 0 || p.Tracks[0].Width != 160 {
		t.Errorf("the smaller stream: %+v %v", p, err)
	}
	if p, err := b.Look(ctx, anna, id, SideONVIF, c.URL(), ""); err != nil || p.Sub != c.Streams()[0].URL || !strings.Contains(p.Model, "SIM-1") {
		t.Errorf("the service: %+v %v", p, err)
	}
	_, err = b.Look(ctx, anna, id, SideONVIF, c.SecureURL(), "")
	var key rtsp.ErrPin
	if !errors.As(err, &key) {
		t.Fatalf("a service whose key nobody has confirmed: %v", err)
	}
	print := hex.EncodeToString(key.Got)
	if p, err := b.Look(ctx, anna, id, SideONVIF, c.SecureURL(), print); err != nil || p.Trust != "pinned" {
		t.Errorf("with its key: %+v %v", p, err)
	}
	for address, side := range map[string]Side{
		"rtsp://127.0.0.2/sub": SideSub, "http://127.0.0.2/": SideONVIF, "rtsps://127.0.0.1/sub": SideSub,
	} {
		if _, err := b.Look(ctx, anna, id, side, address, ""); store.ErrorCode(err) != store.Invalid {
			t.Errorf("%s: %v", address, err)
		}
	}

	// The key is that of the service alone; it is used, and stays for as long as the service does.
	secure, plain := c.SecureURL(), c.URL()
	if st, err = b.ChangeCamera(ctx, anna, id, CameraChange{ONVIF: &secure, Fingerprint: &print}); err != nil || hex.EncodeToString(st.Camera.Pin) != print || st.Camera.Trust != store.TrustPlain {
		t.Fatalf("%+v %v", st.Camera, err)
	}
	if _, err := b.PTZ(ctx, id); err != nil {
		t.Errorf("over https: %v", err)
	}
	address := strings.Replace(main.URL, "rtsp://", "rtsp://cam:"+onvifPassword+"@", 1)
	if st, err = b.ChangeCamera(ctx, anna, id, CameraChange{URL: &address}); err != nil || hex.EncodeToString(st.Camera.Pin) != print {
		t.Errorf("with its password entered again: %+v %v", st.Camera, err)
	}
	if st, err = b.ChangeCamera(ctx, anna, id, CameraChange{ONVIF: &plain}); err != nil || len(st.Camera.Pin) != 0 {
		t.Errorf("without a key: %+v %v", st.Camera, err)
	}
	if _, err = b.ChangeCamera(ctx, anna, id, CameraChange{Fingerprint: &print}); store.ErrorCode(err) != store.Invalid {
		t.Errorf("a key of nothing: %v", err)
	}

	// A camera that is known by its key.
	safe := strings.Replace(main.Secure, "rtsps://", "rtsps://cam:"+onvifPassword+"@", 1)
	if st, err = b.ChangeCamera(ctx, anna, id, CameraChange{URL: &safe, Fingerprint: &print}); err != nil || st.Camera.Trust != store.TrustPinned {
		t.Fatalf("%+v %v", st.Camera, err)
	}
	if p, err := b.Look(ctx, anna, id, SideSub, c.Streams()[0].Secure, ""); err != nil || p.Trust != "pinned" {
		t.Errorf("the smaller stream: %+v %v", p, err)
	}
	for address, side := range map[string]Side{plain: SideONVIF, main.URL: SideMain} {
		if _, err := b.Look(ctx, anna, id, side, address, ""); store.ErrorCode(err) != store.Conflict {
			t.Errorf("its password over %s: %v", address, err)
		}
	}
	keys, err := sim.NewKeystore(nil)
	if err != nil {
		t.Fatal(err)
	}
	source, err := agent.NewPattern(agent.PatternConfig{Config: pattern.Config{Width: 160, Height: 96, FPS: 10, Name: "other"}})
	if err != nil {
		t.Fatal(err)
	}
	other := startLens(t, agent.Config{Streams: []agent.Stream{{Path: "sub", Source: source}}, TLS: keys.TLS()})
	if _, err := b.Look(ctx, anna, id, SideSub, other.URL("sub"), ""); store.ErrorCode(err) != store.Conflict || !strings.Contains(err.Error(), "another key") {
		t.Errorf("another key at the smaller stream: %v", err)
	}
	b.stop()
}
