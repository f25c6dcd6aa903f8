// Package test holds the journeys: tests that drive the built program, bin/cardea, as its users do, against real
// counterparts. `make journeys` builds what they need first.
package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// stockAge is the age tool of the version in go.mod, which opens hybrid vaults. Debian's older one is "age".
var stockAge string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "cardea-journeys-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	stockAge = filepath.Join(dir, "age")
	if out, err := exec.Command("go", "build", "-o", stockAge, "filippo.io/age/cmd/age").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build age: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}
