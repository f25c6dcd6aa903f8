package test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"cardea/test/box"
	"cardea/test/lab"
)

// agentOn starts `cardea camera` in a host and gives its process.
func agentOn(t *testing.T, on *lab.Host, binary, dir, name string) *lab.Process {
	t.Helper()
	return agentAt(t, on, 0, binary, dir, name)
}

// agentAt is agentOn with a clock that is off by so much.
func agentAt(t *testing.T, on *lab.Host, off time.Duration, binary, dir, name string) *lab.Process {
	t.Helper()
	p := on.StartWithClock(off, binary, "camera", "--data", dir, "--listen", ":8322", "--name", name, "--quiet")
	p.WaitOutput(t, "Address:")
	return p
}

// TestAttack01TakenAddress has three hosts. The attacker takes the camera's IP and MAC address and answers with a key of his own
// (case 1), then with the certificate of another paired camera (case 3). The NVR records nothing of him and tells people.
func TestAttack01TakenAddress(t *testing.T) {
	l := lab.New(t)
	nvr, camera, attacker := l.Host("nvr"), l.Host("camera"), l.Host("attacker")
	b, err := box.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	serve := nvr.Start(b.Binary, "serve", "--data", b.Dir, "--listen", ":8443")
	serve.WaitOutput(t, "Certificate")
	pair := func(on *lab.Host, p *lab.Process) {
		t.Helper()
		p.WaitOutput(t, "Activation code:")
		code := codeLine.FindStringSubmatch(p.Output())[1]
		if out, err := nvr.Exec(b.Binary, "cameras", "pair", on.Addr().String(), "--code", code, "--data", b.Dir); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	state := func(name string) string {
		cameras, err := b.Cameras()
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range cameras {
			if c.Name == name {
				return c.State
			}
		}
		return ""
	}
	front := agentOn(t, camera, b.Binary, filepath.Join(t.TempDir(), "front"), "Front")
	pair(camera, front)
	stolen := filepath.Join(t.TempDir(), "garden")
	garden := agentOn(t, attacker, b.Binary, stolen, "Garden") // honest as yet
	pair(attacker, garden)
	waitFor(t, "both cameras", func() bool { return state("Front") == "streaming" && state("Garden") == "streaming" })
	garden.Stop()

	link, err := camera.Exec("ip", "-o", "link", "show", "eth0")
	if err != nil {
		t.Fatal(err)
	}
	mac := regexp.MustCompile(`link/ether (\S+)`).FindStringSubmatch(string(link))[1]
	camera.Down()
	attacker.IP("link", "set", "eth0", "down")
	attacker.IP("link", "set", "eth0", "address", mac)
	attacker.IP("link", "set", "eth0", "up")
	attacker.IP("addr", "add", camera.Addr().String()+"/24", "dev", "eth0")

	// His own key: the camera is isolated.
	rogue := agentOn(t, attacker, b.Binary, filepath.Join(t.TempDir(), "rogue"), "Front")
	waitFor(t, "the refusal of another key", func() bool { return state("Front") == "isolated" })
	var clips []box.Clip
	waitFor(t, "the end of the recordings", func() bool {
		if clips, err = b.Recordings(""); err != nil {
			t.Fatal(err)
		}
		return len(clips) > 0 && !slices.ContainsFunc(clips, func(c box.Clip) bool { return c.Open })
	})
	events := func() string {
		out, err := b.Run("events", "list", "--kind", "camera.identity", "--json")
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	waitFor(t, "an event", func() bool { return strings.Contains(events(), "camera.identity") })
	rogue.Stop()

	// The other camera's certificate, which the NVR itself issued, is tried when a person says so, also after a new start.
	serve.Stop()
	if _, err := os.Stat(filepath.Join(stolen, "pairing.json")); err != nil {
		t.Fatal(err)
	}
	agentOn(t, attacker, b.Binary, stolen, "Front")
	serve = nvr.Start(b.Binary, "serve", "--data", b.Dir, "--listen", ":8443")
	serve.WaitOutput(t, "Certificate")
	before := strings.Count(events(), "camera.identity")
	if _, err := b.Run("cameras", "accept", "Front"); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the refusal of another camera", func() bool {
		return state("Front") == "isolated" && strings.Count(events(), "camera.identity") > before
	})
	time.Sleep(2 * time.Second) // enough for a picture, if there were one
	now, err := b.Recordings("")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.EqualFunc(clips, now, func(a, b box.Clip) bool { return a.ID == b.ID && a.Bytes == b.Bytes && !b.Open }) {
		t.Errorf("something of the attacker was stored: %+v after %+v", now, clips)
	}
	if cameras, err := b.Cameras(); err != nil || len(cameras) != 2 {
		t.Errorf("%+v %v", cameras, err)
	}
	serve.Stop()
}
