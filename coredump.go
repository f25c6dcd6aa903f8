package main

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// forbidCoreDumps keeps what this process has in memory, among it keys and plain pictures, out of any file: no core is
// written when it dies, by it or by what it starts, and no other process of the same user can attach to it or read its
// memory (prctl(2), PR_SET_DUMPABLE). Root still can.
func forbidCoreDumps() error {
	err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
	if err = errors.Join(err, unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)); err != nil {
		return fmt.Errorf("switch core dumps off: %w", err)
	}
	return nil
}
