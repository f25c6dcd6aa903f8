// Package source starts cameras that are not ours, for journeys: GStreamer's RTSP server, VLC, and stunnel in front of
// a plain one. It also makes films of known content, so that a test can say of each picture whether it arrived.
//
// Everything runs on 127.0.0.1 on free ports, ends with its test, and fails the test with a sentence when a tool is
// missing: `make test` installs them all.
package source

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Server is a running foreign camera.
type Server struct {
	// URL is the address of its stream, without user and password.
	URL string
	// Fingerprint is the SHA-256 of its public key as hex; empty without TLS.
	Fingerprint string
	// Ledger is a file with a line for each picture that left the source: see Pictures. Empty where there is none.
	Ledger string

	process *process
}

// Log returns what the server wrote to stderr.
func (s *Server) Log() string { return s.process.log.String() }

// Stop ends the server, as a camera that loses power. The end of the test does so too.
func (s *Server) Stop() { s.process.stop() }

// tool finds a program or fails the test.
func tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is not installed; `make test` installs what the journeys need", name)
	}
	return path
}

// process is a child that ends with the test.
type process struct {
	cmd   *exec.Cmd
	stdin io.Closer
	out   *bufio.Reader
	log   *tail
	done  chan struct{}
	once  sync.Once
}

// start runs a program until the end of the test.
func start(t testing.TB, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{cmd: cmd, log: &tail{}, done: make(chan struct{})}
	cmd.Stderr = p.log
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.stdin = stdin
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.out = bufio.NewReader(stdout)
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	// It goes with its own children, and it goes with the test, however that ends.
	cmd.SysProcAttr.Setpgid = true
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", cmd.Path, err)
	}
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("%s said:\n%s", cmd.Path, p.log)
		}
	})
	return p
}

// waitLine returns the rest of the first line of stdout that starts with prefix.
func (p *process) waitLine(t testing.TB, prefix string) string {
	t.Helper()
	timer := time.AfterFunc(30*time.Second, p.stop)
	defer timer.Stop()
	for {
		line, err := p.out.ReadString('\n')
		if rest, ok := strings.CutPrefix(line, prefix); ok {
			go func() { _, _ = io.Copy(io.Discard, p.out); close(p.done) }()
			return strings.TrimSpace(rest)
		}
		if err != nil {
			t.Fatalf("%s does not get ready:\n%s", p.cmd.Path, p.log)
		}
	}
}

// waitPort waits until something accepts connections at address.
func (p *process) waitPort(t testing.TB, address string) {
	t.Helper()
	go func() { _, _ = io.Copy(io.Discard, p.out); close(p.done) }()
	deadline := time.Now().Add(30 * time.Second)
	for time.Now().Before(deadline) {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-p.done:
			t.Fatalf("%s ended:\n%s", p.cmd.Path, p.log)
		case <-time.After(50 * time.Millisecond):
		}
	}
	t.Fatalf("%s does not listen on %s:\n%s", p.cmd.Path, address, p.log)
}

func (p *process) stop() {
	p.once.Do(func() {
		_ = p.stdin.Close()
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		_ = p.cmd.Wait()
	})
}

// freePort returns a TCP port that was free a moment ago, for programs that cannot choose one themselves.
func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// tail keeps the last kilobytes that were written.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (l *tail) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf = append(l.buf, b...)
	if len(l.buf) > 16<<10 {
		l.buf = bytes.Clone(l.buf[len(l.buf)-8<<10:])
	}
	return len(b), nil
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.buf)
}

// openDir makes a directory that every user can read, unlike t.TempDir, since some servers refuse to run as root.
func openDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "cardea-source-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}
