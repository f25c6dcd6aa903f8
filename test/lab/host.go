package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Host is a network namespace. Its processes see the machine's files as they are.
type Host struct {
	lab         *Lab
	name, space string
	links       []link

	mu      sync.Mutex
	running []*Process
}

type link struct {
	network *Network
	addr    netip.Addr
	addr6   netip.Addr
}

// join adds an interface on n.
func (h *Host) join(n *Network) {
	h.lab.t.Helper()
	n.hosts++
	number := n.hosts
	l := link{network: n}
	base := n.Prefix().Addr().As4()
	base[3] = byte(number)
	l.addr = netip.AddrFrom4(base)
	base6 := n.Prefix6().Addr().As16()
	base6[15] = byte(number)
	l.addr6 = netip.AddrFrom16(base6)
	inner, outer := fmt.Sprintf("eth%d", len(h.links)), fmt.Sprintf("p%dn%d", n.number, number)
	must, t := h.lab.must, h.lab.name
	must(ip("-n", h.space, "link", "add", inner, "type", "veth", "peer", "name", outer, "netns", t))
	// Addresses count at once, without a search for duplicates.
	if out, err := h.Exec("sysctl", "-q", "net.ipv6.conf."+inner+".accept_dad=0"); err != nil {
		h.lab.t.Fatalf("%v\n%s", err, out)
	}
	must(ip("-n", t, "link", "set", outer, "master", n.bridge, "up"))
	must(ip("-n", h.space, "link", "set", inner, "up"))
	must(ip("-n", h.space, "addr", "add", netip.PrefixFrom(l.addr, 24).String(), "dev", inner))
	must(ip("-n", h.space, "addr", "add", netip.PrefixFrom(l.addr6, 64).String(), "dev", inner, "nodad"))
	h.links = append(h.links, l)
}

// Name is the name that the host was made with.
func (h *Host) Name() string { return h.name }

// Addr is the host's IPv4 address on its first network, Addr6 the IPv6 one.
func (h *Host) Addr() netip.Addr { return h.links[0].addr }

// Addr6 is the host's IPv6 address on its first network.
func (h *Host) Addr6() netip.Addr { return h.links[0].addr6 }

// AddrOn is the host's IPv4 address on n; invalid where it has none.
func (h *Host) AddrOn(n *Network) netip.Addr {
	for _, l := range h.links {
		if l.network == n {
			return l.addr
		}
	}
	return netip.Addr{}
}

// IP runs iproute2 inside, such as IP("route", "add", "default", "via", "192.168.77.1").
func (h *Host) IP(args ...string) {
	h.lab.t.Helper()
	h.lab.must(ip(append([]string{"-n", h.space}, args...)...))
}

// Down cuts the first interface from its network, Up joins it again. IPv6 addresses and routes are lost on the way down, as
// they are on a real host, and Up brings the addresses back.
func (h *Host) Down() {
	h.lab.t.Helper()
	h.IP("link", "set", "eth0", "down")
}

// Up ends Down.
func (h *Host) Up() {
	h.lab.t.Helper()
	h.IP("link", "set", "eth0", "up")
	h.IP("addr", "replace", netip.PrefixFrom(h.Addr6(), 64).String(), "dev", "eth0", "nodad")
}

// Forward makes the host a router between its networks.
func (h *Host) Forward() {
	h.lab.t.Helper()
	if out, err := h.Exec("sysctl", "-q", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"); err != nil {
		h.lab.t.Fatalf("%v\n%s", err, out)
	}
}

// Command is a command that runs on the host once it is started. It has a mount namespace of its own, so it may mount what it
// likes.
func (h *Host) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", h.space, name}, args...)...)
}

// Exec runs a command on the host for a minute at most, and returns what it wrote, to stderr too.
func (h *Host) Exec(name string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := h.Command(ctx, name, args...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s on %s: %w: %s", name, h.name, err, tail(out))
	}
	return out, err
}

// Do runs fn on a thread of its own that is on the host: sockets that fn opens are the host's, wherever they are used later.
// Goroutines that fn starts are not on the host.
func (h *Host) Do(fn func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			// The first thread cannot end, so it must not move. It waits while another one does the work.
			defer runtime.UnlockOSThread()
			done <- h.Do(fn)
			return
		}
		// Not unlocked: the thread ends with the goroutine, so no other goroutine ever runs on the host.
		err := errors.New("the function did not return")
		defer func() { done <- err }()
		err = h.enter()
		if err == nil {
			err = fn()
		}
	}()
	return <-done
}

// enter moves the calling thread onto the host.
func (h *Host) enter() error {
	space, err := os.Open("/run/netns/" + h.space)
	if err != nil {
		return err
	}
	defer space.Close()
	if err := unix.Setns(int(space.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter %s: %w", h.name, err)
	}
	return nil
}

// Process is a command that runs on a host until it ends, is stopped, or the test is over.
type Process struct {
	cmd     *exec.Cmd
	done    chan struct{}
	err     error
	seconds int64 // where its clock has the seconds that it is off by; 0 for the clock of the machine

	mu  sync.Mutex
	out bytes.Buffer
}

// Start starts a command on the host.
func (h *Host) Start(name string, args ...string) *Process {
	h.lab.t.Helper()
	return h.StartCommand(h.Command(context.Background(), name, args...))
}

// StartCommand starts what Command made, after the caller has set its environment or directory.
func (h *Host) StartCommand(cmd *exec.Cmd) *Process {
	h.lab.t.Helper()
	return h.start(cmd, func(cmd *exec.Cmd) (int64, error) { return 0, cmd.Start() })
}

// start starts a command by begin, which gives the place of its clock.
func (h *Host) start(cmd *exec.Cmd, begin func(*exec.Cmd) (int64, error)) *Process {
	h.lab.t.Helper()
	p := &Process{cmd: cmd, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p, p
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that what it started ends with it
	cmd.WaitDelay = time.Second                           // a daemon that left the group may hold the pipe
	var err error
	if p.seconds, err = begin(cmd); err != nil {
		if cmd.Process != nil {
			_ = cmd.Process.Kill() // it may have ended
		}
		h.lab.t.Fatal(err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	h.mu.Lock()
	h.running = append(h.running, p)
	h.mu.Unlock()
	return p
}

// Write takes what the command prints.
func (p *Process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

// Output is what the command has written so far, to stdout and stderr.
func (p *Process) Output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// Pid is the process id of the command: ip becomes the command that it starts.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Done is closed when the command has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait waits for the end of the command and returns its exit error.
func (p *Process) Wait() error {
	<-p.done
	return p.err
}

// Stop ends the command and everything it started: first with SIGTERM, after five seconds with SIGKILL.
func (p *Process) Stop() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(5 * time.Second):
	}
	p.Kill()
}

// Kill ends the command and everything it started as a power cut would.
func (p *Process) Kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
}

// WaitOutput waits until the command has written text, for a minute at most.
func (p *Process) WaitOutput(t testing.TB, text string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if strings.Contains(p.Output(), text) {
			return
		}
		select {
		case <-p.done:
			if strings.Contains(p.Output(), text) {
				return
			}
			t.Fatalf("%s ended (%v) before it wrote %q: %s", p.cmd, p.err, text, p.Output())
		default:
		}
	}
	t.Fatalf("%s does not write %q: %s", p.cmd, text, p.Output())
}

func (h *Host) close() {
	h.mu.Lock()
	running := h.running
	h.running = nil
	h.mu.Unlock()
	for _, p := range running {
		p.Stop()
	}
	end(h.space)
}

func tail(b []byte) []byte { return b[max(0, len(b)-2000):] }
