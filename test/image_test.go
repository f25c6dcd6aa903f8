package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"cardea/test/box"
)

// TestImage builds the last stage of the Dockerfile around bin/cardea and runs it as the image says: nothing but the
// binary beside it, an unprivileged user, and the health check that a container engine would call. The stages before
// it fetch their base images from a registry, which a test has no business with; `make binary` and `make ui` are what
// they run.
func TestImage(t *testing.T) {
	binary, err := box.Binary()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(filepath.Dir(binary), "..", "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	_, last, found := strings.Cut(string(text), "\nFROM scratch\n")
	if !found {
		t.Fatal("the Dockerfile has no stage FROM scratch")
	}
	// What the stages before the last one leave behind.
	dir := t.TempDir()
	built := filepath.Join(dir, "build")
	for _, sub := range []string{"src/bin", "etc/ssl/certs", "data"} {
		if err := os.MkdirAll(filepath.Join(built, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(binary, filepath.Join(built, "src/bin/cardea")); err != nil {
		copyFile(t, binary, filepath.Join(built, "src/bin/cardea"))
	}
	copyFile(t, "/etc/ssl/certs/ca-certificates.crt", filepath.Join(built, "etc/ssl/certs/ca-certificates.crt"))
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM scratch\n"+last), 0o600); err != nil {
		t.Fatal(err)
	}

	buildah := func(args ...string) string {
		t.Helper()
		args = append([]string{"--root", filepath.Join(dir, "storage"), "--runroot", filepath.Join(dir, "run"), "--storage-driver", "vfs"}, args...)
		command := exec.Command("buildah", args...)
		var messages strings.Builder
		command.Stderr = &messages
		out, err := command.Output()
		if err != nil {
			t.Fatalf("buildah %v: %v\n%s%s", args[6:], err, out, messages.String())
		}
		return strings.TrimSpace(string(out))
	}
	buildah("bud", "--isolation", "chroot", "--format", "docker", "--build-context", "build="+built, "-t", "cardea-test", dir)
	config := buildah("inspect", "--format", "{{.Docker.Config.User}} {{.Docker.Config.Healthcheck.Test}}", "cardea-test")
	if want := "65532:65532 [CMD /cardea health]"; config != want {
		t.Errorf("the image says %q, want %q", config, want)
	}
	environment := buildah("inspect", "--format", "{{range .Docker.Config.Env}}{{println .}}{{end}}", "cardea-test")
	root := buildah("mount", buildah("from", "--pull-never", "cardea-test"))
	inside := func(args ...string) *exec.Cmd {
		command := exec.Command("/cardea", args...)
		command.Dir = "/"
		command.Env = strings.Fields(environment)
		command.SysProcAttr = &syscall.SysProcAttr{
			Chroot: root, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}, Pdeathsig: syscall.SIGKILL,
		}
		return command
	}
	serve := inside("serve", "--listen", "127.0.0.1:0")
	var log strings.Builder
	serve.Stdout, serve.Stderr = &log, &log
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the health check to pass", func() bool { return inside("health").Run() == nil })
	// An export passes through a temporary file, and the image has no /tmp.
	if out, err := inside("clips", "export", "01JABCDEFGHJKMNPQRSTVWXYZ0").CombinedOutput(); err == nil || !strings.Contains(string(out), "There is no clip") {
		t.Errorf("an export of a clip that is not there: %v: %s", err, out)
	}
	if err := serve.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := serve.Wait(); err != nil {
		t.Errorf("serve ended with %v\n%s", err, log.String())
	}
	if inside("health").Run() == nil {
		t.Error("the health check passes with nothing running")
	}
}

// TestImageWebApp builds the web app from what the Dockerfile's first stage has of the checkout: assets/ui and nothing beside it.
func TestImageWebApp(t *testing.T) {
	binary, err := box.Binary()
	if err != nil {
		t.Fatal(err)
	}
	source := filepath.Join(filepath.Dir(binary), "..", "assets", "ui")
	dir := t.TempDir()
	build := exec.Command("sh", "-euc", `mkdir -p "$1/assets/ui"; tar -C "$0" --exclude=./node_modules -c . | tar -C "$1/assets/ui" -x
		ln -s "$0/node_modules" "$1/assets/ui/node_modules"; cd "$1/assets/ui"; npm run --silent build`, source, dir)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("npm run build: %v\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(dir, "assets", "dist", "index.html")); err != nil {
		t.Error(err)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o755); err != nil {
		t.Fatal(err)
	}
}
