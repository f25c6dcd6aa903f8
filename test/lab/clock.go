package lab

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// readClock takes the place of the function of the kernel by which a program reads its clocks without a system call: it makes the call, and
// adds the seconds in its last eight bytes to the time of day. A program that is linked statically, as one in Go is, cannot be told a time
// in another way but by setting the clock of the whole machine.
var readClock = []byte{
	0xb8, 0xe4, 0x00, 0x00, 0x00, // mov  eax, 228 (clock_gettime)
	0x0f, 0x05, // syscall
	0x85, 0xff, // test edi, edi (CLOCK_REALTIME is 0)
	0x75, 0x0a, // jne  ret
	0x48, 0x8b, 0x0d, 0x06, 0x00, 0x00, 0x00, // mov  rcx, [seconds]
	0x48, 0x01, 0x0e, // add  [rsi], rcx
	0xc3,       // ret
	0xcc, 0xcc, // so that the seconds are aligned, and written at once
	0, 0, 0, 0, 0, 0, 0, 0,
}

// StartWithClock starts a command on the host whose time of day is off by so much, to the second; Shift changes that while it runs. Its
// timers run as ever, and what it starts in its turn has the time of the machine. The test is skipped where the machine has no such clock.
func (h *Host) StartWithClock(off time.Duration, name string, args ...string) *Process {
	h.lab.t.Helper()
	if runtime.GOARCH != "amd64" {
		h.lab.t.Skip("the clock of a process can be moved on amd64 only")
	}
	return h.start(h.Command(context.Background(), name, args...), func(cmd *exec.Cmd) (seconds int64, err error) {
		// Only the thread that started the command may trace it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		cmd.SysProcAttr.Ptrace = true
		if err := cmd.Start(); err != nil {
			return 0, err
		}
		pid := cmd.Process.Pid
		// It stops as it becomes ip, and again as ip becomes the command.
		for n := range 2 {
			var status unix.WaitStatus
			if _, err := unix.Wait4(pid, &status, 0, nil); err != nil {
				return 0, fmt.Errorf("wait for %s: %w", name, err)
			}
			if !status.Stopped() {
				return 0, fmt.Errorf("%s ended (%d) before it began", name, status)
			}
			if n == 0 {
				if err := unix.PtraceCont(pid, 0); err != nil {
					return 0, err
				}
			}
		}
		if seconds, err = replaceClock(pid); err == nil {
			err = writeSeconds(pid, seconds, off)
		}
		return seconds, errors.Join(err, unix.PtraceDetach(pid))
	})
}

// Shift moves the time of day of what StartWithClock started: it is off by so much from now on.
func (p *Process) Shift(t testing.TB, off time.Duration) {
	t.Helper()
	if p.seconds == 0 {
		t.Fatal("the process has the clock of the machine")
	}
	if err := writeSeconds(p.Pid(), p.seconds, off); err != nil {
		t.Fatal(err)
	}
}

func writeSeconds(pid int, at int64, off time.Duration) error {
	return poke(pid, at, binary.LittleEndian.AppendUint64(nil, uint64(int64(off/time.Second))))
}

func poke(pid int, at int64, data []byte) error {
	mem, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer mem.Close()
	_, err = mem.WriteAt(data, at)
	return err
}

// replaceClock puts readClock into a process that has not run yet and gives the place of its seconds.
func replaceClock(pid int) (seconds int64, err error) {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(maps)) {
		if !strings.HasSuffix(strings.TrimSpace(line), "[vdso]") {
			continue
		}
		span, _, _ := strings.Cut(line, " ")
		first, last, _ := strings.Cut(span, "-")
		from, err := strconv.ParseInt(first, 16, 64)
		if err != nil {
			return 0, err
		}
		to, err := strconv.ParseInt(last, 16, 64)
		if err != nil {
			return 0, err
		}
		mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
		if err != nil {
			return 0, err
		}
		defer mem.Close()
		image := make([]byte, to-from)
		if _, err := mem.ReadAt(image, from); err != nil {
			return 0, err
		}
		file, err := elf.NewFile(bytes.NewReader(image))
		if err != nil {
			return 0, err
		}
		symbols, err := file.DynamicSymbols()
		if err != nil {
			return 0, err
		}
		for _, s := range symbols {
			if s.Name != "__vdso_clock_gettime" {
				continue
			}
			if s.Size < uint64(len(readClock)) || s.Value%8 != 0 {
				return 0, fmt.Errorf("the kernel's clock_gettime has %d bytes at %#x", s.Size, s.Value)
			}
			at := from + int64(s.Value)
			return at + int64(len(readClock)) - 8, poke(pid, at, readClock)
		}
	}
	return 0, errors.New("the kernel gives processes no clock_gettime")
}
