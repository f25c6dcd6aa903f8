// Package machine reads what the kernel tells of the computer that Cardea runs on: its load, its memory and warmth, what fences this
// process in, and which disk a directory is on and how that disk is.
//
// Its nouns: Machine, the reader; Figures, Layers and Disk, what it gives. It owns the paths under /proc and /sys and the call of
// smartctl. It never writes, and what cannot be read is left out and never guessed: containers and virtual machines hide much.
package machine

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// Machine reads. The zero value reads the computer it runs on.
type Machine struct {
	// Root stands in front of /proc and /sys; "" is the real one.
	Root string
	// Stat gives the device number of a directory; that of the kernel when nil.
	Stat func(dir string) (major, minor uint32, err error)
	// SMART asks a disk how it is and gives what smartctl --json prints; the program of the machine when nil.
	SMART func(ctx context.Context, device string) ([]byte, error)
}

// Figures are how busy the computer is.
type Figures struct {
	// Load is the number of tasks that run or wait, averaged over 1, 5 and 15 minutes, of CPUs that there are.
	Load [3]float64
	CPUs int
	// Memory is that of the computer in bytes, Available what programs can still get, Own what this process takes.
	Memory, Available, Own int64
	// Celsius is the warmest of its sensors; nil where none can be read.
	Celsius *float64
}

// Figures reads them now. What cannot be read is zero.
func (m Machine) Figures() Figures {
	f := Figures{CPUs: runtime.NumCPU(), Celsius: m.warmest("sys/class/thermal/thermal_zone*/temp")}
	fields := strings.Fields(m.text("proc/loadavg"))
	for i := range f.Load {
		if i < len(fields) {
			f.Load[i], _ = strconv.ParseFloat(fields[i], 64) // 0 for what is no number
		}
	}
	memory := m.table("proc/meminfo")
	f.Memory, f.Available = kilobytes(memory["MemTotal"]), kilobytes(memory["MemAvailable"])
	f.Own = kilobytes(m.table("proc/self/status")["VmRSS"])
	return f
}

// Layers are what fences this process in.
type Layers struct {
	// Root is whether it runs as the superuser, Capabilities whether it may do anything that others may not.
	Root, Capabilities bool
	// NoNewPrivileges is whether what it starts can gain none, Seccomp whether system calls are filtered.
	NoNewPrivileges, Seccomp bool
	// AppArmor is the profile in force, "" for none.
	AppArmor string
	// CoreDumps is whether its memory may be written to a file when it dies.
	CoreDumps bool
	// Known is false where the kernel tells nothing.
	Known bool
}

// Layers reads them now.
func (m Machine) Layers() Layers {
	status := m.table("proc/self/status")
	uid := strings.Fields(status["Uid"])
	l := Layers{
		Known: len(uid) == 4, Root: len(uid) == 4 && uid[1] == "0", Capabilities: strings.Trim(status["CapEff"], "0") != "",
		NoNewPrivileges: status["NoNewPrivs"] == "1", Seccomp: status["Seccomp"] == "2", CoreDumps: true,
	}
	profile := strings.TrimSpace(strings.Trim(m.text("proc/self/attr/apparmor/current"), "\x00\n"))
	if name, ok := strings.CutSuffix(profile, " (enforce)"); ok {
		l.AppArmor = name
	}
	for line := range strings.Lines(m.text("proc/self/limits")) {
		if rest, ok := strings.CutPrefix(line, "Max core file size"); ok {
			if soft := strings.Fields(rest); len(soft) > 0 {
				l.CoreDumps = soft[0] != "0"
			}
		}
	}
	return l
}

// path is where the kernel has name.
func (m Machine) path(name string) string { return filepath.Join("/", m.Root, name) }

// text is a file of the kernel, "" where there is none.
func (m Machine) text(name string) string {
	data, err := os.ReadFile(m.path(name))
	if err != nil {
		return ""
	}
	return string(data)
}

// table is a file of lines "name: value".
func (m Machine) table(name string) map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(m.text(name)) {
		if key, value, ok := strings.Cut(line, ":"); ok {
			all[key] = strings.TrimSpace(value)
		}
	}
	return all
}

// kilobytes reads "123 kB", 0 for anything else.
func kilobytes(text string) int64 {
	n, err := strconv.ParseInt(strings.TrimSuffix(text, " kB"), 10, 64)
	if err != nil || n < 0 || n > 1<<50 {
		return 0
	}
	return n << 10
}

// warmest is the highest of some files with thousandths of a degree; nil where none can be true.
func (m Machine) warmest(pattern string) *float64 {
	files, err := filepath.Glob(m.path(pattern))
	if err != nil {
		return nil
	}
	var warmest *float64
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		milli, err := strconv.ParseFloat(strings.TrimSpace(string(data)), 64)
		c := milli / 1000
		// 0 and below are sensors that are not there.
		if err == nil && c > 0 && c < 150 && (warmest == nil || c > *warmest) {
			warmest = &c
		}
	}
	return warmest
}
