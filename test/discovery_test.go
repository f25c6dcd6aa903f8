package test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"cardea/camera/discovery"
	"cardea/test/box"
	"cardea/test/lab"
)

// found is an element of `cardea cameras discover --json`.
type found struct {
	Name, Model, Address string
	Via                  []string
	Trust                string
}

// discover runs the command on a host. data may be a directory without an NVR: then the command looks for itself.
func discover(t *testing.T, on *lab.Host, data string) []found {
	t.Helper()
	binary, err := box.Binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := on.Command(t.Context(), binary, "cameras", "discover", "--json", "--data", data)
	var messages strings.Builder
	cmd.Stderr = &messages
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, messages.String())
	}
	var list []found
	if err := json.Unmarshal(out, &list); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return list
}

// eventually discovers until ok agrees, for a minute at most.
func eventually(t *testing.T, on *lab.Host, data string, what string, ok func([]found) bool) []found {
	t.Helper()
	var last []found
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if last = discover(t, on, data); ok(last) {
			return last
		}
	}
	t.Fatalf("%s: %+v", what, last)
	return nil
}

func at(list []found, address string) *found {
	i := slices.IndexFunc(list, func(f found) bool { return f.Address == address })
	if i < 0 {
		return nil
	}
	return &list[i]
}

// script is the path of one of the cameras in test/network.
func script(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("network", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// agentPort is where our agents say that they are paired.
const agentPort = 8322

// announceAgent runs our agent's announcement on a host.
func announceAgent(t *testing.T, on *lab.Host, name, id string) *lab.Process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := on.Command(t.Context(), self, "-test.run=^TestAnnouncingAgent$", "-test.v")
	cmd.Env = append(os.Environ(), "CARDEA_TEST_AGENT="+name, "CARDEA_TEST_AGENT_ID="+id)
	return on.StartCommand(cmd)
}

// TestAnnouncingAgent is the other end of announceAgent.
func TestAnnouncingAgent(t *testing.T) {
	name := os.Getenv("CARDEA_TEST_AGENT")
	if name == "" {
		t.Skip("runs inside of other tests")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	err := discovery.AnnounceCamera(ctx, name, os.Getenv("CARDEA_TEST_AGENT_ID"), "Cardea agent", agentPort, func() bool { return false }, slog.Default())
	if err != nil {
		t.Fatal(err)
	}
}

// TestDiscovery meets avahi, python-zeroconf, ONVIF devices over IPv4 and IPv6, our agent, and what is no camera, on one switch.
func TestDiscovery(t *testing.T) {
	l := lab.New(t)
	nvr := l.Host("nvr")
	front, axis, onvif, ours := l.Host("front"), l.Host("axis"), l.Host("onvif"), l.Host("ours")
	computer, printer := l.Host("computer"), l.Host("printer")

	avahi := front.Start("sh", script(t, "avahi.sh"), "front-cam", "Front door", "_rtsp._tcp", "554", "path=/stream1", "model=Model One")
	axisCam := axis.Start("/usr/bin/python3", script(t, "zeroconf_camera.py"), axis.Addr().String(), "_axis-video._tcp", "AXIS M3046-V - ACCC8E000001", "80", "macaddress=ACCC8E000001")
	onvifCam := onvif.Start("/usr/bin/python3", script(t, "wsd_device.py"), "eth0", "11111111-2222-4333-8444-555555555555", "dn:NetworkVideoTransmitter tds:Device", "Garden cam", "IPC-B<&>", "http://"+onvif.Addr().String()+"/onvif/device_service", "http://["+onvif.Addr6().String()+"]/onvif/device_service")
	binary, err := box.Binary()
	if err != nil {
		t.Fatal(err)
	}
	agent := ours.Start(binary, "camera", "--data", t.TempDir(), "--source", "test:", "--name", "Nursery (2nd floor)", "--listen", fmt.Sprint(":", agentPort))
	computer.Start("wsdd", "-i", "eth0", "-n", "OFFICE-PC")
	printer.Start("/usr/bin/python3", script(t, "wsd_device.py"), "eth0", "99999999-2222-4333-8444-555555555555", "wsdp:Device wprt:PrintDeviceType", "Printer", "Laser", "http://"+printer.Addr().String()+"/")
	axisCam.WaitOutput(t, "announced")
	onvifCam.WaitOutput(t, "ready")
	avahi.WaitOutput(t, "Established")

	check := func(list []found) bool {
		f, a, o, c := at(list, front.Addr().String()), at(list, axis.Addr().String()), at(list, onvif.Addr().String()), at(list, ours.Addr().String()+":"+strconv.Itoa(agentPort))
		return f != nil && a != nil && o != nil && c != nil &&
			f.Name == "Front door" && f.Model == "Model One" && f.Trust == "plain" && slices.Equal(f.Via, []string{"mdns"}) &&
			strings.HasPrefix(a.Name, "AXIS M3046-V") && o.Name == "Garden cam" && o.Model == "IPC-B<&>" && slices.Equal(o.Via, []string{"ws-discovery"}) &&
			c.Name == "Nursery (2nd floor)" && c.Trust == "paired" && len(list) == 4
	}
	list := eventually(t, nvr, t.TempDir(), "not exactly the four cameras were found", check)
	t.Logf("%+v", list)

	// An NVR that runs knows them too, and notices when its cable is pulled and plugged in again.
	b, err := box.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cmd := nvr.Command(t.Context(), b.Binary, "serve", "--data", b.Dir, "--listen", ":8443")
	serve := nvr.StartCommand(cmd)
	serve.WaitOutput(t, "Certificate")
	eventually(t, nvr, b.Dir, "the running NVR does not find the four cameras", check)
	nvr.Down()
	eventually(t, nvr, b.Dir, "cameras stay although the cable is pulled", func(list []found) bool { return len(list) == 0 })
	nvr.Up()
	eventually(t, nvr, b.Dir, "the cameras do not come back", check)

	// Who says goodbye is gone at once.
	for _, p := range []*lab.Process{avahi, axisCam, onvifCam, agent} {
		p.Stop()
	}
	eventually(t, nvr, b.Dir, "cameras that said goodbye stay", func(list []found) bool { return len(list) == 0 })
	serve.Stop()
	if t.Failed() {
		t.Log(serve.Output())
	}
}

// TestDiscoverTwenty shows twenty agents to one run of the command.
func TestDiscoverTwenty(t *testing.T) {
	const agents = 20
	l := lab.New(t)
	nvr := l.Host("nvr")
	for i := range agents {
		announceAgent(t, l.Host(fmt.Sprint("cam", i)), fmt.Sprintf("Camera %02d", i), fmt.Sprintf("01JAGENT%02d", i))
	}
	list := eventually(t, nvr, t.TempDir(), "not all agents are found within three seconds", func(list []found) bool { return len(list) == agents })
	for i, f := range list {
		if f.Name != fmt.Sprintf("Camera %02d", i) || f.Trust != "paired" {
			t.Errorf("%d: %+v", i, f)
		}
	}
}

// TestScan looks for cameras that announce nothing, over the API of a running NVR.
func TestScan(t *testing.T) {
	l := lab.New(t)
	nvr, quiet, secure, onvif, web := l.Host("nvr"), l.Host("quiet"), l.Host("secure"), l.Host("onvif"), l.Host("web")
	serveOn(t, quiet, 8554)
	secure.Start("sh", script(t, "tls_rtsp.sh"), t.TempDir())
	onvif.Start("/usr/bin/python3", script(t, "onvif_time.py")).WaitOutput(t, "ready")
	listenOn(t, web, 80) // open, and no camera
	b, err := box.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	serve := nvr.Start(b.Binary, "serve", "--data", b.Dir, "--listen", ":8443")
	serve.WaitOutput(t, "Certificate")
	scan := func(prefix string) (int, string) {
		t.Helper()
		out, err := nvr.Exec("curl", "-s", "--unix-socket", filepath.Join(b.Dir, "cardea.sock"), "-w", "\n%{http_code}", "-H", "Content-Type: application/json",
			"-d", `{"prefix":"`+prefix+`"}`, "http://cardea/api/discovery/scan")
		if err != nil {
			t.Fatal(err)
		}
		text := strings.TrimSpace(string(out))
		at := strings.LastIndexByte(text, '\n')
		status, _ := strconv.Atoi(text[at+1:])
		return status, text[:at]
	}
	for prefix, sentence := range map[string]string{
		"192.168.0.0/16": "too large", "8.8.8.0/24": "no private network", "10.0.0.0/24": "not on the network", "fd77:0:0:77::/120": "Only IPv4", "x": "192.168.1.0/24",
	} {
		if status, text := scan(prefix); status != 422 || !strings.Contains(text, sentence) {
			t.Errorf("%s: %d %s", prefix, status, text)
		}
	}
	var text string
	for deadline := time.Now().Add(time.Minute); ; {
		var status int
		if status, text = scan(""); status != 200 {
			t.Fatalf("%d %s", status, text)
		}
		if strings.Contains(text, quiet.Addr().String()) && strings.Contains(text, secure.Addr().String()) && strings.Contains(text, onvif.Addr().String()) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("not all are found: %s", text)
		}
	}
	var list []struct {
		Address, Trust string
		URL, ONVIF     *string
		Via            []string
	}
	if err := json.Unmarshal([]byte(text), &list); err != nil || len(list) != 3 {
		t.Fatalf("%v %s", err, text)
	}
	for _, c := range list {
		ok := slices.Equal(c.Via, []string{"scan"})
		switch c.Address {
		case quiet.Addr().String():
			ok = ok && c.Trust == "plain" && c.URL != nil && *c.URL == "rtsp://"+c.Address+":8554"
		case secure.Addr().String():
			ok = ok && c.Trust == "pinned" && c.URL != nil && *c.URL == "rtsps://"+c.Address+":322"
		case onvif.Addr().String():
			ok = ok && c.Trust == "plain" && c.ONVIF != nil && *c.ONVIF == "http://"+c.Address+":80/onvif/device_service"
		default:
			ok = false
		}
		if !ok {
			t.Errorf("%+v in %s", c, text)
		}
	}
	serve.Stop()
	// The same by the command, without an NVR.
	for deadline := time.Now().Add(time.Minute); ; {
		out, err := nvr.Exec(b.Binary, "cameras", "discover", "--scan", nvr.Addr().String()+"/24", "--data", t.TempDir())
		if err != nil {
			t.Fatalf("%v %s", err, out)
		}
		if strings.Contains(string(out), quiet.Addr().String()+" ") && strings.Contains(string(out), secure.Addr().String()+" ") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the command's scan does not find all: %s", out)
		}
	}
}

// TestHostName resolves the NVR's name by avahi and by python-zeroconf, and starts a second NVR of the same name.
func TestHostName(t *testing.T) {
	l := lab.New(t)
	first, second, laptop := l.Host("first"), l.Host("second"), l.Host("laptop")
	start := func(on *lab.Host) *lab.Process {
		b, err := box.New(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		p := on.Start(b.Binary, "serve", "--data", b.Dir, "--listen", ":8443")
		p.WaitOutput(t, "Certificate")
		return p
	}
	one := start(first)
	resolve := func(ok func(string) bool) {
		t.Helper()
		var out []byte
		for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
			if out, _ = laptop.Exec("/usr/bin/python3", script(t, "resolve.py"), laptop.Addr().String(), "cardea.local"); ok(string(out)) {
				return
			}
		}
		t.Fatalf("cardea.local resolves to %q\n%s", out, one.Output())
	}
	resolve(func(text string) bool {
		return strings.Contains(text, first.Addr().String()) && strings.Contains(text, "8443")
	})
	out, err := laptop.Exec("sh", script(t, "avahi_resolve.sh"), "cardea.local")
	if err != nil || !strings.Contains(string(out), first.Addr().String()) {
		t.Errorf("avahi: %v %s", err, out)
	}
	two := start(second)
	two.WaitOutput(t, "another machine on this network has this name")
	resolve(func(text string) bool {
		return strings.Contains(text, first.Addr().String()) && !strings.Contains(text, second.Addr().String())
	})
	one.Stop()
	two.Stop()
}
