package test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cardea/test/box"
)

// lensAgent is `cardea camera` as a process.
type lensAgent struct {
	t       *testing.T
	binary  string
	dir     string
	listen  string
	source  string
	cmd     *exec.Cmd
	out     *output
	Address string
}

// output gathers what a process writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

func startLens(t *testing.T, source string) *lensAgent {
	t.Helper()
	binary, err := box.Binary()
	if err != nil {
		t.Fatal(err)
	}
	l := &lensAgent{t: t, binary: binary, dir: filepath.Join(t.TempDir(), "camera"), listen: "127.0.0.1:0", source: source}
	l.start()
	t.Cleanup(l.kill)
	return l
}

var (
	addressLine = regexp.MustCompile(`(?m)^Address: (\S+)$`)
	codeLine    = regexp.MustCompile(`(?m)^Activation code: (\d{4} \d{4})\b`)
)

func (l *lensAgent) start() {
	l.t.Helper()
	l.out = &output{}
	l.cmd = exec.Command(l.binary, "camera", "--data", l.dir, "--listen", l.listen, "--source", l.source, "--name", "Porch", "--quiet")
	l.cmd.Stdout, l.cmd.Stderr = l.out, l.out
	l.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := l.cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	waitFor(l.t, "the camera's address", func() bool { return addressLine.MatchString(l.out.String()) })
	l.Address = addressLine.FindStringSubmatch(l.out.String())[1]
	l.listen = l.Address // the same one after a restart
}

func (l *lensAgent) kill() {
	_ = l.cmd.Process.Kill() // it may be dead
	_ = l.cmd.Wait()         // it was killed
}

// code is the one that the camera shows now.
func (l *lensAgent) code() string {
	l.t.Helper()
	code := ""
	waitFor(l.t, "an activation code", func() bool {
		all := codeLine.FindAllStringSubmatch(l.out.String(), -1)
		if len(all) > 0 {
			code = all[len(all)-1][1]
		}
		return code != ""
	})
	return code
}

func (l *lensAgent) paired() bool {
	data, err := os.ReadFile(filepath.Join(l.dir, "pairing.json"))
	if err != nil {
		return false
	}
	var state struct {
		Identity *struct {
			Pending *time.Time `json:"pending"`
		} `json:"identity"`
	}
	return json.Unmarshal(data, &state) == nil && state.Identity != nil && state.Identity.Pending == nil
}

func newBox(t *testing.T) *box.Box {
	t.Helper()
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
	return b
}

// TestPairedCamera is the way of an owner: the code from the console, a recording seconds later that stock age opens, and after a
// revocation no picture more.
func TestPairedCamera(t *testing.T) {
	b, lens := newBox(t), startLens(t, "test:")
	code := lens.code()
	if _, err := b.Run("cameras", "pair", lens.Address, "--code", "0000 0000"); err == nil || !strings.Contains(err.Error(), "read it again") {
		t.Errorf("a wrong code: %v", err)
	}
	began := time.Now()
	out, err := b.Run("cameras", "pair", lens.Address, "--code", code)
	if err != nil {
		t.Fatal(err)
	}
	id := strings.TrimSpace(string(out))
	var took time.Duration
	waitFor(t, "the first picture on the disk", func() bool {
		clips, err := b.Recordings(id)
		took = time.Since(began)
		return err == nil && len(clips) > 0 && clips[0].End.After(clips[0].Start)
	})
	t.Logf("%v from the code to the first recorded picture", took.Round(time.Millisecond))
	cameras, err := b.Cameras()
	if err != nil || len(cameras) != 1 || cameras[0].Trust != "paired" || cameras[0].Name != "Porch" {
		t.Errorf("%+v %v", cameras, err)
	}
	for _, secret := range []string{"PRIVATE", code} {
		if strings.Contains(b.LogTail(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}

	if _, err := b.Run("cameras", "revoke", "Porch"); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the end of the stream", func() bool {
		cameras, err := b.Cameras()
		return err == nil && cameras[0].State == "doubted"
	})
	if out, err := b.Run("events", "list", "--kind", "camera.identity"); err != nil || !strings.Contains(string(out), "revoked") {
		t.Errorf("%s %v", out, err)
	}

	waitFor(t, "the camera to say that it was revoked", func() bool { return strings.Contains(lens.out.String(), "cardea camera --reset") })
	// The person at the camera resets it, the one at the NVR pairs it as the same camera.
	lens.kill()
	if out, err := exec.Command(lens.binary, "camera", "--data", lens.dir, "--reset").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	lens.start()
	if out, err := b.Run("cameras", "pair", lens.Address, "--code", lens.code(), "--camera", "Porch"); err != nil || strings.TrimSpace(string(out)) != id {
		t.Fatalf("%s %v", out, err)
	}
	waitFor(t, "pictures again", func() bool {
		cameras, err := b.Cameras()
		return err == nil && len(cameras) == 1 && cameras[0].State == "streaming"
	})
	if err := b.Stop(); err != nil {
		t.Fatal(err)
	}
	if out, err := b.Run("verify"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	clips, err := b.Recordings(id)
	if err != nil || len(clips) < 2 {
		t.Fatalf("%d clips: %v", len(clips), err)
	}
	if out, err := exec.Command(stockAge, "-d", "-i", b.IdentityFile, "-o", os.DevNull, b.ClipFile(clips[len(clips)-1])).CombinedOutput(); err != nil {
		t.Errorf("age: %v\n%s", err, out)
	}
}

// TestBridge: `cardea camera` in front of an old camera makes it a paired one.
func TestBridge(t *testing.T) {
	old := virtualCameras(t, 1, 10, 0)
	b, lens := newBox(t), startLens(t, old.URL("0"))
	if _, err := b.Run("cameras", "pair", lens.Address, "--code", lens.code()); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the old camera's pictures", func() bool {
		cameras, err := b.Cameras()
		return err == nil && len(cameras) == 1 && cameras[0].State == "streaming" && cameras[0].FPS > 1
	})
}

// TestAttack17PairingKilled kills the NVR or the camera, as processes, at random moments of a pairing. When both are back, they
// agree.
func TestAttack17PairingKilled(t *testing.T) {
	random := rand.New(rand.NewPCG(17, uint64(time.Now().UnixNano())))
	b := newBox(t)
	outcomes := map[bool]int{}
	for round := range 8 {
		lens := startLens(t, "test:")
		code := lens.code()
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = b.Run("cameras", "pair", lens.Address, "--code", code) // it may be cut off
		}()
		time.Sleep(time.Duration(random.IntN(80)) * time.Millisecond)
		if round%2 == 0 {
			if err := b.Kill(); err != nil {
				t.Fatal(err)
			}
			<-done
			if err := b.Serve(); err != nil {
				t.Fatal(err)
			}
		} else {
			lens.kill()
			lens.start()
			<-done
		}
		// They agree at once, or when the camera has waited a minute in vain.
		agreed := false
		deadline := time.Now().Add(100 * time.Second)
		for !agreed && time.Now().Before(deadline) {
			time.Sleep(200 * time.Millisecond)
			cameras, err := b.Cameras()
			if err != nil {
				t.Fatal(err)
			}
			active := false
			for _, c := range cameras {
				active = active || strings.Contains(c.URL, lens.Address) && c.State == "streaming"
			}
			known := strings.Contains(readAll(t, filepath.Join(lens.dir, "pairing.json")), `"device"`)
			agreed = active && lens.paired() || !active && !known && len(listed(cameras, lens.Address)) == 0
			if agreed {
				outcomes[active]++
			}
		}
		if !agreed {
			t.Fatalf("round %d: the camera is paired: %v\n%s", round, lens.paired(), lens.out)
		}
		lens.kill()
	}
	t.Logf("%d finished, %d undone", outcomes[true], outcomes[false])
}

func listed(cameras []box.Camera, address string) (out []box.Camera) {
	for _, c := range cameras {
		if strings.Contains(c.URL, address) {
			out = append(out, c)
		}
	}
	return out
}

func readAll(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(data)
}
