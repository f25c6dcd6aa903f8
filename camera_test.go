package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"cardea/web/command"
)

// TestCameraProgram: the agent shows its code, pairs with the program as NVR, stays paired over a restart, and is new after a reset.
func TestCameraProgram(t *testing.T) {
	t.Parallel()
	nvr, lens := newProgram(t), newProgram(t)
	nvr.setup()
	nvr.serve("serve", "Certificate:")
	start := func(last string) string {
		lens.serve("camera", last)
		return line(lens.out.String(), "Address:")
	}
	// serve sets base from the address line, which is host:port here.
	address := strings.TrimSpace(start("Activation code:"))
	code := regexp.MustCompile(`\d{4} \d{4}`).FindString(line(lens.out.String(), "Activation code:"))
	if code == "" {
		t.Fatalf("no code in %q", lens.out.String())
	}
	if _, messages, status := lens.run("camera", "--listen", "127.0.0.1:0"); status != 1 || !strings.Contains(messages, "another camera agent") {
		t.Errorf("a second agent on the directory: %d %s", status, messages)
	}
	var added command.CameraRow
	nvr.must(&added, "cameras", "pair", address, "--code", code, "--name", "Hall", "--json")
	if added.Trust != "paired" || added.Name != "Hall" || added.State == "off" {
		t.Errorf("%+v", added)
	}
	eventually(t, "a streaming camera", func() bool {
		var all []command.CameraRow
		nvr.must(&all, "cameras", "list", "--json")
		return len(all) == 1 && all[0].State == "streaming"
	})
	if _, messages, status := nvr.run("cameras", "pair", address, "--code", code); status != 1 || !strings.Contains(messages, "is paired") {
		t.Errorf("twice: %d %s", status, messages)
	}
	if out, _, status := nvr.run("ca", "export"); status != 0 || !strings.Contains(out, "BEGIN CERTIFICATE") || strings.Contains(out, "KEY") {
		t.Errorf("export: %d %s", status, out)
	}
	if out, messages, status := nvr.run("ca", "roll"); status != 0 || strings.TrimSpace(out) == "" {
		t.Errorf("roll: %d %s %s", status, out, messages)
	}
	lens.stop()
	start("Paired.")
	lens.stop()
	if _, messages, status := lens.run("camera", "--reset"); status != 0 {
		t.Errorf("reset: %d %s", status, messages)
	}
	start("Activation code:")
	lens.stop()
	if _, messages, status := nvr.run("cameras", "revoke", "Hall"); status != 0 {
		t.Errorf("revoke: %d %s", status, messages)
	}
	nvr.stop()
}

// TestCameraRefuses: what cannot work is said in a sentence and changes nothing.
func TestCameraRefuses(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	for _, c := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{"--source", "nothing"}, 1, "media file"},
		{[]string{"--source", "rtsp://127.0.0.1:1/x"}, 1, "127.0.0.1:1"},
		{[]string{"--source", "test:", "--fingerprint", "12"}, 2, "64 hexadecimal digits"},
		{[]string{"--listen", "256.0.0.1:1"}, 1, "--listen"},
		{[]string{"--tpm", "/dev/null/tpm"}, 1, "TPM"},
	} {
		args := append([]string{"camera", "--quiet"}, c.args...)
		if !strings.Contains(strings.Join(args, " "), "--listen") {
			args = append(args, "--listen", "127.0.0.1:0")
		}
		if _, messages, status := p.run(args...); status != c.status || !strings.Contains(messages, c.says) {
			t.Errorf("%v: %d %s", c.args, status, messages)
		}
	}
	if err := os.WriteFile(filepath.Join(p.dir, "pairing.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, messages, status := p.run("camera", "--quiet", "--listen", "127.0.0.1:0"); status != 1 || !strings.Contains(messages, "--reset") {
		t.Errorf("a damaged memory: %d %s", status, messages)
	}
}
