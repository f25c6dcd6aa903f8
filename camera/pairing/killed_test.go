package pairing_test

import (
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cardea/camera/pairing"
)

// The variables that make this test program a camera that dies.
const (
	dieDir = "CARDEA_TEST_CAMERA"
	dieAt  = "CARDEA_TEST_DIE_AT"
)

// deadly kills the process, as a power cut would, before or after the n-th write to any connection.
type deadly struct {
	net.Conn
	writes *int
	mu     *sync.Mutex
	at     int
}

func (d deadly) Write(p []byte) (int, error) {
	d.mu.Lock()
	*d.writes++
	n := *d.writes
	d.mu.Unlock()
	if n == d.at {
		syscall.Kill(os.Getpid(), syscall.SIGKILL) //nolint:errcheck // it does not return
	}
	return d.Conn.Write(p)
}

type deadlyListener struct {
	net.Listener
	writes int
	mu     sync.Mutex
	at     int
}

func (l *deadlyListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return deadly{c, &l.writes, &l.mu, l.at}, nil
}

// TestDeadlyCamera is not a test: TestAttack17Killed runs it as a process.
func TestDeadlyCamera(t *testing.T) {
	if os.Getenv(dieDir) == "" {
		t.Skip("runs as a process of TestAttack17Killed")
	}
	at, err := strconv.Atoi(os.Getenv(dieAt))
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c, err := pairing.OpenCamera(pairing.CameraConfig{
		Dir: os.Getenv(dieDir), Now: func() time.Time { return today },
		OnCode: func(code pairing.Code) {
			if code.Digits != "" {
				os.Stdout.WriteString("\ncamera " + ln.Addr().String() + " " + code.Digits + "\n")
			}
		},
	}, &deadlyListener{Listener: ln, at: at})
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Run(t.Context())
}

// TestAttack17Killed: the camera is killed before each of its messages. A minute later it is either paired, and the box knows
// it, or new.
func TestAttack17Killed(t *testing.T) {
	t.Parallel()
	finished := false
	for at := 1; at < 40 && !finished; at++ {
		clk := newClock(today)
		b := newBox(t, clk)
		dir := t.TempDir()
		cmd := exec.Command(os.Args[0], "-test.run=^TestDeadlyCamera$", "-test.v")
		cmd.Env = append(os.Environ(), dieDir+"="+dir, dieAt+"="+strconv.Itoa(at))
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		address, code := shown(t, out)
		// The box's part in small: what is pending is forgotten after a minute, what it began to activate it asks after.
		var pending, activating *pairing.Device
		d, err := b.Pair(context.Background(), address, code, "01A", func(d pairing.Device) error {
			pending = &d
			return nil
		})
		if err == nil {
			activating = &d
			r, err := b.Sync(context.Background(), address, d, true)
			finished = err == nil && r.Active
		}
		cmd.Process.Kill() //nolint:errcheck // it may be dead
		io.Copy(io.Discard, out)
		cmd.Wait() //nolint:errcheck // it was killed
		if pending == nil && activating != nil {
			t.Fatalf("write %d: activated what was never pending", at)
		}

		clk.add(pairing.Undo)
		c := startCamera(t, dir, clk)
		waitUntil(t, func() bool { return c.Paired() || c.code(t, "").Digits != "" })
		active := false
		if activating != nil {
			r, err := b.Sync(context.Background(), c.addr, *activating, true)
			active = err == nil && r.Active
		}
		if c.Paired() != active {
			t.Errorf("write %d: the camera is paired: %v; the box thinks: %v", at, c.Paired(), active)
		}
		c.stop()
	}
	if !finished {
		t.Error("the camera never lived to the end")
	}
}

// shown reads address and code from what the process prints.
func shown(t *testing.T, out io.Reader) (address, code string) {
	t.Helper()
	var text []byte
	for {
		buf := make([]byte, 512)
		n, err := out.Read(buf)
		text = append(text, buf[:n]...)
		if _, rest, ok := strings.Cut(string(text), "\ncamera "); ok {
			if line, _, ok := strings.Cut(rest, "\n"); ok {
				address, code, _ = strings.Cut(line, " ")
				return address, code
			}
		}
		if err != nil {
			t.Fatalf("the camera shows no code: %s", text)
		}
	}
}
