package onvif

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"cardea/camera/agent"
	"cardea/camera/agent/pattern"
	"cardea/camera/onvif"
	"cardea/camera/rtsp"
)

// go2rtcVersion is the engine that Home Assistant ships.
const go2rtcVersion = "v1.9.14"

// go2rtc builds the real one. It is no dependency of ours: a module beside the test fetches it.
func go2rtc(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "go2rtc")
	for _, args := range [][]string{
		{"mod", "init", "scratch"}, {"get", "github.com/AlexxIT/go2rtc@" + go2rtcVersion}, {"build", "-o", binary, "github.com/AlexxIT/go2rtc"},
	} {
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=mod", "GOWORK=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %v: %v\n%s", args, err, out)
		}
	}
	return binary
}

// freePort gives one that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return port
}

// TestGo2rtc: our client against an ONVIF server that others wrote.
func TestGo2rtc(t *testing.T) {
	source, err := agent.NewPattern(agent.PatternConfig{Config: pattern.Config{Name: "yard", Width: 640, Height: 360, FPS: 10}})
	if err != nil {
		t.Fatal(err)
	}
	lens, err := agent.Open(agent.Config{Streams: []agent.Stream{{Path: "yard", Source: source}}})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- lens.Run(t.Context()) }()
	t.Cleanup(func() { <-done })

	api, media := freePort(t), freePort(t)
	config := filepath.Join(t.TempDir(), "go2rtc.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, "api:\n  listen: 127.0.0.1:%s\nrtsp:\n  listen: 127.0.0.1:%s\nwebrtc:\n  listen: \"\"\nstreams:\n  yard: %s\n", api, media, lens.URL("yard")), 0o600); err != nil {
		t.Fatal(err)
	}
	var says bytes.Buffer
	cmd := exec.CommandContext(t.Context(), go2rtc(t), "-config", config)
	cmd.Stdout, cmd.Stderr = &says, &says
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(says.String())
		}
	})
	waitFor(t, "go2rtc answers", func() bool {
		res, err := http.Get("http://127.0.0.1:" + api + "/api")
		if err == nil {
			res.Body.Close()
		}
		return err == nil
	})
	c, err := onvif.Dial(t.Context(), onvif.Config{URL: &url.URL{Scheme: "http", Host: "127.0.0.1:" + api, Path: onvif.DevicePath}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if off := c.ClockOffset(); off.Abs() > 5*time.Second {
		t.Errorf("its clock is ahead by %s", off)
	}
	info, err := c.Info(t.Context())
	if err != nil || info.Model != "go2rtc" {
		t.Errorf("%+v %v", info, err)
	}
	s, err := c.Streams(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a := c.Abilities(t.Context(), s)
	t.Logf("%s %s: %s at %s, %+v", info.Manufacturer, info.Model, s.Main.Codec, s.MainURL, a)
	if s.MainURL.Port() != media || a.PTZ || a.Enrol {
		t.Errorf("%s %+v", s.MainURL, a)
	}
	picture, err := rtsp.Probe(t.Context(), rtsp.Config{URL: s.MainURL})
	if err != nil || len(picture.Frames) == 0 {
		t.Errorf("its stream: %v", err)
	}
	// It makes its snapshots with ffmpeg.
	if jpeg, err := c.Snapshot(t.Context(), s.Main); err != nil || len(jpeg) < 1000 {
		t.Errorf("its snapshot: %d bytes, %v", len(jpeg), err)
	}
}
