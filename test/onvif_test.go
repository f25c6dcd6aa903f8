package test

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cardea/auth/ca"
	"cardea/camera/agent"
	"cardea/camera/agent/pattern"
	"cardea/camera/onvif/sim"
	"cardea/test/box"
)

const (
	onvifUser     = "operator"
	onvifPassword = "c0rrect/horse@battery"
)

// onvifCamera is a simulated camera of a kind, with two real streams behind it. Its clock is an hour off, as after a change to summer time,
// unless edit says otherwise.
func onvifCamera(t *testing.T, kind sim.Kind, edit ...func(*sim.Config)) *sim.Device {
	t.Helper()
	keys, err := sim.NewKeystore(nil)
	if err != nil {
		t.Fatal(err)
	}
	var served []agent.Stream
	for _, s := range []struct {
		path          string
		width, height int
	}{{"main", 640, 360}, {"sub", 320, 180}} {
		source, err := agent.NewPattern(agent.PatternConfig{Config: pattern.Config{Name: s.path, Width: s.width, Height: s.height}})
		if err != nil {
			t.Fatal(err)
		}
		served = append(served, agent.Stream{Path: s.path, Source: source})
	}
	a, err := agent.Open(agent.Config{User: onvifUser, Password: onvifPassword, Streams: served})
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
	cfg := sim.Config{
		Kind: kind, User: onvifUser, Password: onvifPassword, Clock: time.Hour, Keystore: keys,
		Streams: []sim.Stream{
			{Token: "p_sub", Name: "sub", Codec: "H264", Width: 320, Height: 180, URL: a.URL("sub")},
			{Token: "p_main", Name: "main", Codec: "H264", Width: 640, Height: 360, URL: a.URL("main")},
		},
	}
	for _, e := range edit {
		e(&cfg)
	}
	d, err := sim.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// TestONVIFAdd: an address, a user and a password are enough; the camera says where its streams are, and the main one is recorded.
func TestONVIFAdd(t *testing.T) {
	b := newBox(t)
	right, wrong := filepath.Join(t.TempDir(), "right"), filepath.Join(t.TempDir(), "wrong")
	for path, password := range map[string]string{right: onvifPassword, wrong: "wr0ng-secret"} {
		if err := os.WriteFile(path, []byte(password+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, kind := range map[string]sim.Kind{"Axis": sim.Axis, "Hikvision": sim.Hikvision, "Dahua": sim.Dahua} {
		d := onvifCamera(t, kind)
		host := strings.TrimSuffix(strings.TrimPrefix(d.URL(), "http://"), "/onvif/device_service")
		if _, err := b.Run("cameras", "add", "--name", name, host, "--user", onvifUser, "--password-file", wrong); err == nil ||
			!strings.Contains(err.Error(), "refused the user name or the password") || strings.Contains(err.Error(), "wr0ng") {
			t.Errorf("%s with a wrong password: %v", name, err)
		}
		says := addSaying(t, b, "--name", name, host, "--user", onvifUser, "--password-file", right)
		for _, want := range []string{"SIM-1", "640 × 360", "320 × 180", "/main"} {
			if !strings.Contains(says, want) {
				t.Errorf("%s: %q is not in %q", name, want, says)
			}
		}
	}
	cameras, err := b.Cameras()
	if err != nil || len(cameras) != 3 {
		t.Fatalf("%+v %v", cameras, err)
	}
	for _, c := range cameras {
		if !strings.HasPrefix(c.URL, "rtsp://127.0.0.1:") || !strings.HasSuffix(c.URL, "/main") {
			t.Errorf("%s is at %s", c.Name, c.URL)
		}
		waitFor(t, "a recording of "+c.Name, func() bool {
			clips, err := b.Recordings(c.ID)
			return err == nil && len(clips) > 0 && clips[0].Bytes > 0
		})
	}
	// What a camera says of itself never brings a password to light.
	if log, err := os.ReadFile(b.LogFile); err != nil || bytes.Contains(log, []byte("leaked")) || bytes.Contains(log, []byte("battery")) {
		t.Errorf("the log holds a password, or: %v", err)
	}
}

// addSaying adds a camera and gives what is said about it on stderr.
func addSaying(t *testing.T, b *box.Box, args ...string) string {
	t.Helper()
	cmd := exec.Command(b.Binary, append(append([]string{"cameras", "add"}, args...), "--data", b.Dir)...)
	var says bytes.Buffer
	cmd.Stderr = &says
	if err := cmd.Run(); err != nil {
		t.Fatalf("cameras add: %v: %s", err, says.String())
	}
	return says.String()
}

// TestONVIFForeignClients holds the simulated cameras against clients that others wrote.
func TestONVIFForeignClients(t *testing.T) {
	definitions, err := filepath.Abs("../../shared/onvif")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(definitions, "ver10/device/wsdl/devicemgmt.wsdl")); err != nil {
		t.Fatalf("ONVIF's interface definitions have to be in ../shared/onvif beside the repository: %v", err)
	}
	clients := filepath.Join(t.TempDir(), "clients")
	if err := os.CopyFS(clients, os.DirFS("onvif")); err != nil {
		t.Fatal(err)
	}
	client(t, clients, "npm", "ci", "--no-audit", "--no-fund", "--loglevel=error")
	authority, err := ca.OpenDevice(ca.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	_, roots := authority.Bundle()
	root := filepath.Join(t.TempDir(), "root.der")
	if err := os.WriteFile(root, roots[0].Raw, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Run("WS-Discovery", func(t *testing.T) {
		conn, err := net.ListenMulticastUDP("udp4", nil, &net.UDPAddr{IP: net.IPv4(239, 255, 255, 250), Port: 3702})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- sim.Announce(conn, "http://192.168.1.20/onvif/device_service") }()
		if out := client(t, clients, "node", "discovery.mjs"); !strings.Contains(out, "http://192.168.1.20/onvif/device_service") {
			t.Errorf("npm onvif finds %s", out)
		}
		conn.Close()
		<-done
	})
	for name, kind := range map[string]sim.Kind{"Axis": sim.Axis, "Hikvision": sim.Hikvision, "Dahua": sim.Dahua} {
		t.Run(name, func(t *testing.T) {
			d := onvifCamera(t, kind)
			yes := map[bool]string{true: "yes", false: "no"}
			out := client(t, clients, "/usr/bin/python3", "zeep_client.py", definitions, d.URL(), onvifUser, onvifPassword, yes[kind != sim.Dahua], yes[kind == sim.Hikvision], root)
			for _, want := range []string{"media p_main rtsp://", "media p_sub rtsp://", "snapshot http://", "presets ['gate', 'door <b>']", "lens 40.0 ON", "noticed tns"} {
				if !strings.Contains(out, want) {
					t.Errorf("zeep does not see %q: %s", want, out)
				}
			}
			if kind != sim.Dahua && (!strings.Contains(out, "media2 p_main rtsp://") || !strings.Contains(out, "csr MI")) {
				t.Errorf("zeep sees no media 2 or no certificates: %s", out)
			}
			right := onvifCamera(t, sim.Axis, func(cfg *sim.Config) { cfg.Clock = 0 })
			for script, want := range map[string]string{"onvif.mjs": "/main", "onvif_nvt.mjs": "/main", "onvif_rx.mjs": "ver20/media"} {
				if kind == sim.Hikvision && script != "onvif.mjs" || kind == sim.Dahua && script == "onvif_rx.mjs" {
					continue // what these clients do not know, they say at their head
				}
				last := yes[kind != sim.Dahua]
				wants := []string{want, "gate"}
				switch {
				case script == "onvif_rx.mjs":
					last, wants = right.URL(), append(wants, "SubscriptionReference")
				case last == "yes":
					wants = append(wants, "noticed")
				}
				out := client(t, clients, "node", script, d.URL(), onvifUser, onvifPassword, last)
				for _, want := range wants {
					if !strings.Contains(out, want) {
						t.Errorf("%s does not see %q: %s", script, want, out)
					}
				}
			}
		})
	}
}

// client runs a program and gives what it prints.
func client(t *testing.T, dir string, command ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir = dir
	var out, messages bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &messages
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(command[:2], " "), err, out.String(), messages.String())
	}
	return out.String()
}
