package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// usage is what a process has cost so far.
type usage struct {
	cpu     time.Duration // user and system
	peakRSS int64         // bytes; VmHWM
	pss     int64         // bytes now; a page shared by n processes counts 1/n in each
}

// ticksPerSecond is USER_HZ, which is 100 on every Linux that Go runs on.
const ticksPerSecond = 100

// measure reads the cost of a living process from /proc. Times have a resolution of 10 ms.
func measure(pid int) (usage, error) {
	var u usage
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return u, err
	}
	// The command name, in parentheses, may hold spaces; fields count from behind it (proc(5): utime is 14, stime 15).
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	for _, field := range fields[11:13] {
		ticks, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			return u, fmt.Errorf("parse /proc/%d/stat: %w", pid, err)
		}
		u.cpu += time.Duration(ticks) * time.Second / ticksPerSecond
	}
	if u.peakRSS, err = kilobytes(fmt.Sprintf("/proc/%d/status", pid), "VmHWM:"); err != nil {
		return u, err
	}
	u.pss, err = kilobytes(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss:")
	return u, err
}

// kilobytes reads one "Name:   123 kB" line of a /proc file, in bytes.
func kilobytes(path, name string) (int64, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("%s has no line %s", path, name)
}
