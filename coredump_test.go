package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestAttack73CoreDumps is the part of attack case 73 about memory: a box that crashes leaves no core behind, whatever limit it was started
// with, and other processes of its user cannot read its memory.
func TestAttack73CoreDumps(t *testing.T) {
	p := newProgram(t)
	p.setup()
	var before unix.Rlimit
	noError(t, unix.Getrlimit(unix.RLIMIT_CORE, &before))
	noError(t, unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: before.Max, Max: before.Max}))
	t.Setenv("GOTRACEBACK", "crash") // asks the runtime for a core
	p.serve("serve", "Address:")
	noError(t, unix.Setrlimit(unix.RLIMIT_CORE, &before))
	pid := p.cmd.Process.Pid
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	noError(t, err)
	if fields := strings.Fields(line(string(limits), "Max core file size")); len(fields) < 2 || fields[0] != "0" || fields[1] != "0" {
		t.Errorf("limits of core files: %q", fields)
	}
	// What is not dumpable belongs to root, so that nobody but root may open its memory (proc(5)).
	info, err := os.Stat(fmt.Sprintf("/proc/%d/mem", pid))
	noError(t, err)
	if owner := info.Sys().(*syscall.Stat_t).Uid; owner != 0 {
		t.Errorf("its memory belongs to user %d", owner)
	}
	noError(t, p.cmd.Process.Signal(syscall.SIGABRT))
	if err := p.cmd.Wait(); err == nil {
		t.Error("it ended well")
	}
	if p.cmd.ProcessState.Sys().(syscall.WaitStatus).CoreDump() {
		t.Error("a core was dumped")
	}
}
