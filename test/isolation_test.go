package test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"cardea/camera/agent"
	"cardea/camera/agent/pattern"
	"cardea/test/box"
	"cardea/test/lab"
)

// serveOn is serveAgent on a host, with one camera at path 0.
func serveOn(t *testing.T, on *lab.Host, port int) {
	t.Helper()
	source, err := agent.NewPattern(agent.PatternConfig{Config: pattern.Config{Width: 320, Height: 180, FPS: 10, GOP: time.Second, BitRate: 300_000}})
	if err != nil {
		t.Fatal(err)
	}
	var cameras *agent.Agent
	if err := on.Do(func() (err error) {
		cameras, err = agent.Open(agent.Config{Listen: net.JoinHostPort("", strconv.Itoa(port)), Streams: []agent.Stream{{Path: "0", Source: source}}})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- cameras.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// listenOn accepts on a TCP port of a host until the test ends.
func listenOn(t *testing.T, on *lab.Host, port int) {
	t.Helper()
	var ln net.Listener
	if err := on.Do(func() (err error) {
		ln, err = net.Listen("tcp", net.JoinHostPort("", strconv.Itoa(port)))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
}

// reaches says whether a host gets a TCP connection. A firewall drops, so a no takes the whole wait.
func reaches(t *testing.T, from *lab.Host, to string, port int, wait time.Duration) bool {
	t.Helper()
	err := from.Do(func() error {
		conn, err := net.DialTimeout("tcp", net.JoinHostPort(to, strconv.Itoa(port)), wait)
		if err == nil {
			conn.Close()
		}
		return err
	})
	return err == nil
}

const (
	patient = 15 * time.Second
	dropped = 1500 * time.Millisecond
)

// TestIsolation has an NVR with one foot at home and one on the cameras' network, and shows what the rules that it writes do: before
// them cameras reach everything, after them only the NVR's clock and what is allowed, and nobody but the NVR reaches cameras.
func TestIsolation(t *testing.T) {
	l := lab.New(t)
	home, cams := l.Network(), l.Network()
	nvr := l.HostOn("nvr", home, cams)
	laptop, camera, onvif := l.HostOn("laptop", home), l.HostOn("camera", cams), l.HostOn("onvif", cams)
	nvr.Forward()
	nvr.IP("route", "add", "default", "via", laptop.Addr().String()) // home leads to the internet
	laptop.IP("route", "add", cams.Prefix().String(), "via", nvr.AddrOn(home).String())
	laptop.IP("-6", "route", "add", cams.Prefix6().String(), "via", nvr.Addr6().String())
	camera.IP("route", "add", "default", "via", nvr.AddrOn(cams).String())
	serveOn(t, camera, 554)
	listenOn(t, camera, 23) // telnet
	listenOn(t, laptop, 8080)
	listenOn(t, laptop, 9090)
	listenOn(t, nvr, 5432)
	onvif.Start("/usr/bin/python3", script(t, "wsd_device.py"), "eth0", "11111111-2222-4333-8444-555555555555", "dn:NetworkVideoTransmitter", "Garden", "M1", "http://"+onvif.Addr().String()+"/onvif/device_service").WaitOutput(t, "ready")
	announceAgent(t, camera, "Front", "01JAGENT")

	b, err := box.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	serve := nvr.Start(b.Binary, "serve", "--data", b.Dir, "--listen", ":8443")
	serve.WaitOutput(t, "Certificate")
	if err := b.AddCamera("Front", "rtsp://"+camera.Addr().String()+":554/0"); err != nil {
		t.Fatalf("%v\n%s", err, serve.Output())
	}
	doctor := func(args ...string) (string, error) {
		out, err := nvr.Exec(b.Binary, append([]string{"doctor", "network", "--data", b.Dir}, args...)...)
		return string(out), err
	}
	says := func(text string, parts ...string) {
		t.Helper()
		for _, part := range parts {
			if !strings.Contains(text, part) {
				t.Errorf("the doctor does not say %q:\n%s", part, text)
			}
		}
	}

	// Before: the doctor is right, cameras reach everything.
	text, err := doctor()
	if err == nil {
		t.Error("the doctor calls a camera that reaches the internet well")
	}
	says(text, "this machine passes packets on", "23 (telnet)", "TCP port 5432", "Plain cameras", "The time server is off")
	for _, c := range []struct {
		from, to *lab.Host
		at       string
		port     int
	}{
		{camera, laptop, laptop.Addr().String(), 8080}, {camera, nvr, nvr.AddrOn(cams).String(), 5432}, {laptop, camera, camera.Addr().String(), 554},
	} {
		if !reaches(t, c.from, c.at, c.port, patient) {
			t.Fatalf("%s does not reach %s:%d without rules, so the test would show nothing", c.from.Name(), c.at, c.port)
		}
	}

	// The time server, on a port that needs no rights.
	const timePort = 11123
	if out, err := nvr.Exec("curl", "-sf", "--unix-socket", filepath.Join(b.Dir, "cardea.sock"), "-X", "PATCH", "-H", "Content-Type: application/json",
		"-d", fmt.Sprintf(`{"time_server_port":%d}`, timePort), "http://cardea/api/settings"); err != nil {
		t.Fatalf("%v %s", err, out)
	}

	// The rules.
	rules := filepath.Join(t.TempDir(), "cameras.nft")
	text, _ = doctor("--write", rules, "--allow", fmt.Sprintf("tcp:%s:9090", laptop.Addr())) // it still finds the telnet
	says(text, "Rules for the cameras behind eth1", "nft has read the rules and would load them", "tcp:"+laptop.Addr().String()+":9090", "written, not loaded")
	if out, err := nvr.Exec("nft", "-f", rules); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	if out, err := nvr.Exec("nft", "-f", rules); err != nil { // loading again replaces
		t.Fatalf("%v %s", err, out)
	}
	for _, c := range []struct {
		what string
		from *lab.Host
		at   string
		port int
		want bool
	}{
		{"a camera reaches a host at home", camera, laptop.Addr().String(), 8080, false},
		{"a camera reaches a host at home by IPv6", camera, laptop.Addr6().String(), 8080, false},
		{"a camera reaches what is allowed", camera, laptop.Addr().String(), 9090, true},
		{"a camera reaches another program of the NVR", camera, nvr.AddrOn(cams).String(), 5432, false},
		{"a camera reaches it by the NVR's other address", camera, nvr.AddrOn(home).String(), 5432, false},
		{"a camera reaches the NVR's web app", camera, nvr.AddrOn(cams).String(), 8443, false},
		{"a host at home reaches a camera", laptop, camera.Addr().String(), 554, false},
		{"a host at home reaches a camera by IPv6", laptop, camera.Addr6().String(), 554, false},
		{"a host at home reaches the NVR's web app", laptop, nvr.AddrOn(home).String(), 8443, true},
		{"the NVR reaches a camera", nvr, camera.Addr().String(), 554, true},
	} {
		wait := dropped
		if c.want {
			wait = patient
		}
		if got := reaches(t, c.from, c.at, c.port, wait); got != c.want {
			t.Errorf("%s: %v, want %v", c.what, got, c.want)
		}
	}

	// Cameras are still found, over both ways.
	eventually(t, nvr, t.TempDir(), "cameras are not found through the rules", func(list []found) bool {
		return at(list, onvif.Addr().String()) != nil && at(list, camera.Addr().String()+":"+strconv.Itoa(agentPort)) != nil
	})

	// A camera gets the time at the usual port, by two foreign clients.
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Second) {
		out, err := camera.Exec("chronyd", "-Q", "-t", "10", "-f", "/dev/null", "server "+nvr.AddrOn(cams).String()+" iburst maxsamples 1")
		if err == nil && strings.Contains(string(out), "System clock wrong by 0.0") || strings.Contains(string(out), "System clock wrong by -0.0") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("chrony gets no time: %v %s\n%s", err, out, serve.Output())
		}
	}
	if out, err := camera.Exec("ntpdate", "-q", nvr.AddrOn(cams).String()); err != nil || !strings.Contains(string(out), nvr.AddrOn(cams).String()) {
		t.Errorf("ntpdate: %v %s", err, out)
	}

	// And the doctor sees it.
	text, _ = doctor()
	says(text, "The firewall table cardea_cameras is loaded", "a network that this machine does not lead out of", "The time server listens on port 11123")
	serve.Stop()
}

// TestIsolationOnRouter has the rules on a router between the cameras' network and the NVR.
func TestIsolationOnRouter(t *testing.T) {
	l := lab.New(t)
	home, cams := l.Network(), l.Network()
	router, nvr, laptop, camera := l.HostOn("router", home, cams), l.HostOn("nvr", home), l.HostOn("laptop", home), l.HostOn("camera", cams)
	router.Forward()
	for _, h := range []*lab.Host{nvr, laptop} {
		h.IP("route", "add", cams.Prefix().String(), "via", router.AddrOn(home).String())
	}
	camera.IP("route", "add", "default", "via", router.AddrOn(cams).String())
	listenOn(t, camera, 554)
	listenOn(t, laptop, 8080)
	listenOn(t, router, 22)
	if !reaches(t, camera, laptop.Addr().String(), 8080, patient) || !reaches(t, laptop, camera.Addr().String(), 554, patient) {
		t.Fatal("the network does not work without rules, so the test would show nothing")
	}
	binary, err := box.Binary()
	if err != nil {
		t.Fatal(err)
	}
	rules := filepath.Join(t.TempDir(), "cameras.nft")
	out, err := nvr.Exec(binary, "doctor", "network", "--data", t.TempDir(), "--write", rules, "--camera-interface", "eth1", "--nvr", nvr.Addr().String())
	if err != nil {
		t.Fatalf("%v %s", err, out)
	}
	if out, err := router.Exec("nft", "-f", rules); err != nil {
		text, _ := os.ReadFile(rules)
		t.Fatalf("%v %s\n%s", err, out, text)
	}
	for _, c := range []struct {
		what string
		from *lab.Host
		at   string
		port int
		want bool
	}{
		{"the NVR reaches a camera", nvr, camera.Addr().String(), 554, true},
		{"a host at home reaches a camera", laptop, camera.Addr().String(), 554, false},
		{"a camera reaches a host at home", camera, laptop.Addr().String(), 8080, false},
		{"a camera reaches the router", camera, router.AddrOn(cams).String(), 22, false},
	} {
		wait := dropped
		if c.want {
			wait = patient
		}
		if got := reaches(t, c.from, c.at, c.port, wait); got != c.want {
			t.Errorf("%s: %v, want %v", c.what, got, c.want)
		}
	}
}
