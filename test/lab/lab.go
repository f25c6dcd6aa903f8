// Package lab builds small networks on this machine, for tests of what crosses a network: each Host is a network namespace
// with its own addresses, routes, firewall and loopback; each Network is a switch that joins hosts. Nothing reaches the
// machine's own network or comes from it, and everything is gone when the test ends, however it ends.
//
//	l := lab.New(t)
//	nvr, camera, attacker := l.Host("nvr"), l.Host("camera"), l.Host("attacker")
//	camera.Start("cardea", "camera", "--data", dir)
//	out, err := nvr.Exec("ping", "-c1", camera.Addr().String())
//	err = attacker.Do(func() error { … }) // Go code whose sockets are the attacker's
//
// It needs root and iproute2. Without them the test is skipped, except on CI, where it fails.
package lab

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// prefix of the names of all namespaces, followed by the id of the process that made them.
const prefix = "cardea-lab-"

// serial tells labs of one process apart; it is the only way, as namespaces have names that are global to the machine.
var serial atomic.Int64

// Lab is a set of hosts and networks. Its methods fail the test when the machine refuses. It is not safe for concurrent use;
// the methods of its hosts are.
type Lab struct {
	t        testing.TB
	name     string
	lan      *Network
	hosts    []*Host
	networks int
}

// New makes an empty lab that lives as long as the test.
func New(t testing.TB) *Lab {
	t.Helper()
	if reason := missing(); reason != "" {
		if os.Getenv("CI") != "" {
			t.Fatal(reason)
		}
		t.Skip(reason)
	}
	sweep()
	l := &Lab{t: t, name: fmt.Sprintf("%s%d-%d", prefix, os.Getpid(), serial.Add(1))}
	l.must(ip("netns", "add", l.name))
	t.Cleanup(func() {
		for _, h := range l.hosts {
			h.close()
		}
		_ = ip("netns", "del", l.name)
	})
	return l
}

func missing() string {
	if os.Geteuid() != 0 {
		return "network namespaces need root"
	}
	if _, err := exec.LookPath("ip"); err != nil {
		return "network namespaces need iproute2: " + err.Error()
	}
	return ""
}

// sweep removes what a test that was killed left behind.
func sweep() {
	left, _ := filepath.Glob("/run/netns/" + prefix + "*")
	for _, path := range left {
		name := filepath.Base(path)
		text, _, _ := strings.Cut(strings.TrimPrefix(name, prefix), "-")
		pid, err := strconv.Atoi(text)
		if err == nil && syscall.Kill(pid, 0) == syscall.ESRCH {
			end(name)
		}
	}
}

// end removes a namespace with all that runs in it.
func end(name string) {
	pids, _ := exec.Command("ip", "netns", "pids", name).Output()
	for text := range strings.FieldsSeq(string(pids)) {
		if pid, err := strconv.Atoi(text); err == nil && pid != os.Getpid() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	_ = ip("netns", "del", name)
}

func (l *Lab) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// ip runs iproute2.
func ip(args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "ip", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

// Network is a switch with one IPv4 /24 and one IPv6 /64.
type Network struct {
	lab    *Lab
	bridge string
	number int
	hosts  int
}

// Network makes a switch. The first one is that of Lab.Host: 192.168.77.0/24 and fd77:0:0:77::/64; the next has 78, and so on.
func (l *Lab) Network() *Network {
	l.t.Helper()
	n := &Network{lab: l, bridge: fmt.Sprintf("br%d", l.networks), number: 77 + l.networks}
	l.networks++
	// Without snooping a switch passes all multicast on, as cheap ones do.
	l.must(ip("-n", l.name, "link", "add", n.bridge, "type", "bridge", "mcast_snooping", "0"))
	l.must(ip("-n", l.name, "link", "set", n.bridge, "up"))
	return n
}

// Prefix is the network's IPv4 prefix, Prefix6 its IPv6 prefix.
func (n *Network) Prefix() netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 168, byte(n.number), 0}), 24)
}

// Prefix6 is the network's IPv6 prefix.
func (n *Network) Prefix6() netip.Prefix {
	return netip.MustParsePrefix(fmt.Sprintf("fd77:0:0:%d::/64", n.number))
}

// LAN is the network of Lab.Host.
func (l *Lab) LAN() *Network {
	l.t.Helper()
	if l.lan == nil {
		l.lan = l.Network()
	}
	return l.lan
}

// Host makes a host on the LAN. name is short and its own within the lab.
func (l *Lab) Host(name string) *Host {
	l.t.Helper()
	return l.HostOn(name, l.LAN())
}

// HostOn makes a host with an interface on each of the networks: eth0, eth1 and so on. Without any it has the loopback only.
func (l *Lab) HostOn(name string, networks ...*Network) *Host {
	l.t.Helper()
	h := &Host{lab: l, name: name, space: l.name + "-" + name}
	l.must(ip("netns", "add", h.space))
	l.hosts = append(l.hosts, h)
	l.must(ip("-n", h.space, "link", "set", "lo", "up"))
	for _, n := range networks {
		h.join(n)
	}
	return h
}
