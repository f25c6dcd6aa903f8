package lab

import (
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestLab(t *testing.T) {
	l := New(t)
	a, b := l.Host("a"), l.Host("b")
	if out, err := a.Exec("ping", "-c1", "-W5", b.Addr().String()); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	if out, err := a.Exec("ping", "-c1", "-W5", b.Addr6().String()); err != nil {
		t.Fatalf("%v %s", err, out)
	}

	// A socket that Do opened belongs to the host, and stays so on every goroutine.
	var ln net.Listener
	if err := b.Do(func() (err error) {
		ln, err = net.Listen("tcp", ":7777")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		if conn, err := ln.Accept(); err == nil {
			conn.Write([]byte("hello"))
			conn.Close()
		}
	}()
	err := a.Do(func() error {
		conn, err := net.DialTimeout("tcp", b.Addr().String()+":7777", 10*time.Second)
		if err != nil {
			return err
		}
		defer conn.Close()
		got := make([]byte, 5)
		if _, err := conn.Read(got); err != nil || string(got) != "hello" {
			t.Errorf("%q %v", got, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Do(func() error { return os.ErrInvalid }); !errors.Is(err, os.ErrInvalid) {
		t.Error(err)
	}

	b.Down()
	if _, err := a.Exec("ping", "-c1", "-W1", b.Addr().String()); err == nil {
		t.Error("an interface that is down answers")
	}
	b.Up()
	for _, to := range []string{b.Addr().String(), b.Addr6().String()} {
		// A neighbour that was just asked for in vain takes a while to be asked for again.
		out, err := a.Exec("ping", "-c1", "-W1", to)
		for tries := 0; err != nil && tries < 30; tries++ {
			out, err = a.Exec("ping", "-c1", "-W1", to)
		}
		if err != nil {
			t.Errorf("%v %s", err, out)
		}
	}
}

func TestProcesses(t *testing.T) {
	l := New(t)
	a := l.Host("a")
	p := a.Start("sh", "-c", "echo up; sleep 1000 & wait")
	p.WaitOutput(t, "up")
	pid := p.cmd.Process.Pid
	p.Stop()
	// The group is gone once its orphans are reaped.
	for deadline := time.Now().Add(20 * time.Second); !errors.Is(syscall.Kill(-pid, 0), syscall.ESRCH); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("what the command started still runs")
		}
	}
	if err := a.Start("sh", "-c", "exit 3").Wait(); err == nil || !strings.Contains(err.Error(), "3") {
		t.Error(err)
	}
}

func TestRouter(t *testing.T) {
	l := New(t)
	inside, outside := l.Network(), l.Network()
	router := l.HostOn("router", inside, outside)
	router.Forward()
	a, b := l.HostOn("a", inside), l.HostOn("b", outside)
	a.IP("route", "add", "default", "via", router.AddrOn(inside).String())
	b.IP("route", "add", "default", "via", router.AddrOn(outside).String())
	if out, err := a.Exec("ping", "-c1", "-W5", b.Addr().String()); err != nil {
		t.Errorf("%v %s", err, out)
	}
}
