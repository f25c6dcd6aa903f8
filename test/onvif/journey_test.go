// Package onvif holds the journey of a camera that is not ours: found by its ONVIF address, listened to, moved, enrolled.
package onvif

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cardea/camera/agent"
	"cardea/camera/agent/pattern"
	"cardea/camera/onvif/sim"
	"cardea/test/box"
	"cardea/web/console"
)

const (
	user     = "operator"
	password = "c0rrect/horse@battery"
)

// camera is a simulated one with its streams, in the clear and over its own TLS.
type camera struct {
	*sim.Device
	keys   *sim.Keystore
	secure *agent.Agent
}

func startCamera(t *testing.T, kind sim.Kind) camera {
	t.Helper()
	keys, err := sim.NewKeystore(nil)
	if err != nil {
		t.Fatal(err)
	}
	serve := func(cfg agent.Config) *agent.Agent {
		for _, s := range []struct {
			path          string
			width, height int
		}{{"main", 640, 360}, {"sub", 320, 180}} {
			source, err := agent.NewPattern(agent.PatternConfig{Config: pattern.Config{Name: s.path, Width: s.width, Height: s.height, FPS: 10}})
			if err != nil {
				t.Fatal(err)
			}
			cfg.Streams = append(cfg.Streams, agent.Stream{Path: s.path, Source: source})
		}
		cfg.User, cfg.Password = user, password
		a, err := agent.Open(cfg)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- a.Run(ctx) }()
		t.Cleanup(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("the camera's streams: %v", err)
			}
		})
		return a
	}
	plain, secure := serve(agent.Config{}), serve(agent.Config{TLS: keys.TLS()})
	d, err := sim.Open(sim.Config{
		Kind: kind, User: user, Password: password, Clock: time.Hour, Keystore: keys,
		Streams: []sim.Stream{
			{Token: "p_sub", Name: "sub", Codec: "H265", Width: 320, Height: 180, URL: plain.URL("sub"), Secure: secure.URL("sub")},
			{Token: "p_main", Name: "main", Codec: "H264", Width: 640, Height: 360, URL: plain.URL("main"), Secure: secure.URL("main")},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return camera{d, keys, secure}
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); !ok(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never happened: %s", what)
		}
	}
}

// event is an element of `cardea events list --json`.
type event struct {
	Kind, Source string
	Start        time.Time
	End          *time.Time
}

// TestForeignCamera is the way of an owner with a camera from a shop: its address and account are enough; what it sees moving is recorded;
// it is moved; it gets a certificate, and from then on nobody else gets a word out of it.
func TestForeignCamera(t *testing.T) {
	c := startCamera(t, sim.Axis)
	b, err := box.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Serve(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = b.Kill() // it may have ended
		if t.Failed() {
			t.Log(b.LogTail())
		}
	})
	account := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(account, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	host := strings.TrimSuffix(strings.TrimPrefix(c.URL(), "http://"), "/onvif/device_service")
	if _, err := b.Run("cameras", "add", "--name", "Yard", host, "--user", user, "--password-file", account); err != nil {
		t.Fatal(err)
	}
	cameras, err := b.Cameras()
	if err != nil || len(cameras) != 1 || cameras[0].Trust != "plain" {
		t.Fatalf("%+v %v", cameras, err)
	}
	id := cameras[0].ID
	app, err := console.Dial(t.Context(), b.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer app.Close()
	do := func(method, path string, in, out any) {
		t.Helper()
		if err := app.Do(t.Context(), method, "/api/cameras/"+id+path, in, out); err != nil {
			t.Fatalf("%s %s: %v", method, path, err)
		}
	}
	var shown struct {
		Trust, ONVIF, Mode string
		Sub                *struct{ URL string }
		Controls           struct{ PTZ, Snapshot, Imaging, Motion bool }
		Recording          struct{ Active bool }
		Pairing            *struct{ Expires, Renews time.Time }
	}
	do("PATCH", "", map[string]any{"mode": "event", "postroll_ms": 0}, &shown)
	if shown.ONVIF != c.URL() || shown.Sub == nil || !shown.Controls.PTZ || !shown.Controls.Motion || !shown.Controls.Imaging || !shown.Controls.Snapshot {
		t.Errorf("%+v", shown)
	}
	events := func() (motion []event) {
		var all []event
		if err := b.JSON(&all, "events", "list"); err != nil {
			t.Fatal(err)
		}
		for _, e := range all {
			if e.Kind == "motion" {
				motion = append(motion, e)
			}
		}
		return motion
	}

	// Seen moving, and recorded.
	waitFor(t, "it is listened to", func() bool { return c.Subscriptions() == 1 })
	clips, err := b.Recordings(id)
	if err != nil {
		t.Fatal(err)
	}
	before := len(clips)
	began := time.Now()
	c.SetMotion(true)
	waitFor(t, "a recording", func() bool {
		clips, err := b.Recordings(id)
		return err == nil && len(clips) > before && clips[len(clips)-1].Open
	})
	t.Logf("%v from the movement to the open clip, as a script sees it", time.Since(began).Round(time.Millisecond))
	c.SetMotion(false)
	waitFor(t, "an event with an end", func() bool { all := events(); return len(all) == 1 && all[0].End != nil && all[0].Source == "onvif" })
	waitFor(t, "the end of the recording", func() bool {
		clips, err := b.Recordings(id)
		return err == nil && !clips[len(clips)-1].Open
	})

	// Moved, lit, looked at.
	var ptz struct {
		Presets       []struct{ Token, Name string }
		Zoom, PanTilt bool
	}
	do("GET", "/ptz", nil, &ptz)
	do("POST", "/ptz", map[string]any{"move": map[string]any{"pan": 0.5, "tilt": -0.25}, "ms": 500}, nil)
	do("POST", "/ptz", map[string]any{"stop": true}, nil)
	do("POST", "/ptz", map[string]any{"preset": ptz.Presets[0].Token}, nil)
	if got := strings.Join(c.Moves(), ", "); got != "move 0.500 -0.250 0.000 for PT0.5S, stop, preset gate" {
		t.Errorf("moved: %s", got)
	}
	do("PUT", "/imaging", map[string]any{"day_night": "night"}, nil)
	do("POST", "/sub-codec", map[string]any{"codec": "h264"}, nil)
	if c.Lens("IrCutFilter") != "OFF" || c.Streams()[0].Codec != "H264" {
		t.Errorf("the filter is %s, the sub-stream %s", c.Lens("IrCutFilter"), c.Streams()[0].Codec)
	}
	var jpeg bytes.Buffer
	if _, err := app.Download(t.Context(), "/api/cameras/"+id+"/snapshot", &jpeg); err != nil || !bytes.HasPrefix(jpeg.Bytes(), []byte{0xff, 0xd8}) {
		t.Errorf("snapshot: %q %v", jpeg.Bytes(), err)
	}

	// Enrolled: a certificate of this NVR's on the camera, which lets in nobody without one.
	began = time.Now()
	do("POST", "/enrol", nil, &shown)
	t.Logf("%v to enrol", time.Since(began).Round(time.Millisecond))
	if shown.Trust != "paired" || shown.Pairing == nil || !strings.HasPrefix(shown.ONVIF, "https://") || !c.keys.Required() {
		t.Errorf("%+v", shown)
	}
	do("PATCH", "", map[string]any{"mode": "continuous"}, nil)
	waitFor(t, "a recording over mutual TLS", func() bool {
		clips, err := b.Recordings(id)
		return err == nil && clips[len(clips)-1].Open && c.secure.Readers("main") == 1
	})
	address := c.secure.Addr().String()
	out := openssl(t, "OPTIONS rtsps://"+address+"/main RTSP/1.0\r\nCSeq: 1\r\n\r\n", address)
	if strings.Contains(out, "RTSP/1.0 200") || !strings.Contains(out, "certificate required") {
		t.Errorf("openssl without a certificate: %s", out)
	}
	c.SetMotion(true)
	waitFor(t, "an event over mutual TLS", func() bool { return len(events()) == 2 })
	do("POST", "/ptz", map[string]any{"home": true}, nil)

	// Other keys in its place are noticed, and told nothing.
	asked := len(c.Requests())
	if err := c.keys.Replace(); err != nil {
		t.Fatal(err)
	}
	do("PATCH", "", map[string]any{"transport": "tcp"}, nil) // which connects anew
	waitFor(t, "it is isolated", func() bool {
		cameras, err := b.Cameras()
		return err == nil && cameras[0].State == "isolated"
	})
	for _, r := range c.Requests()[asked:] {
		if r.Operation != "Unsubscribe" && r.Operation != "PullMessages" {
			t.Errorf("a camera in doubt was asked for %s", r.Operation)
		}
	}
	if _, err := b.Run("verify"); err != nil {
		t.Errorf("verify: %v", err)
	}
	if log, err := os.ReadFile(b.LogFile); err != nil || bytes.Contains(log, []byte("battery")) {
		t.Errorf("the log holds the password, or: %v", err)
	}
}

// openssl says something over TLS without a certificate and gives what comes back.
func openssl(t *testing.T, says, address string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "openssl", "s_client", "-connect", address, "-tls1_3", "-quiet")
	cmd.Stdin = strings.NewReader(says)
	out, _ := cmd.CombinedOutput() // its exit status says that it was refused
	return string(out)
}
