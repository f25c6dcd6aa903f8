package store_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"cardea/store"
)

// TestKill kills a process in the middle of its transactions, several times on the same directory, and wants everything that it
// announced before.
// Attack case 67 of docs/attacks.md.
func TestKill(t *testing.T) {
	if dir := os.Getenv("STORE_TEST_KILL"); dir != "" { // this is the process that is killed
		recordUntilKilled(t, dir)
		return
	}
	dir := t.TempDir()
	h := furnish(t, open(t, dir))
	ok(t, h.Close())
	random := rand.New(rand.NewPCG(3, uint64(time.Now().UnixNano())))
	for round := range 5 {
		command := exec.Command(os.Args[0], "-test.run=^TestKill$")
		command.Env = append(os.Environ(), "STORE_TEST_KILL="+dir)
		out := must[interface{ Read([]byte) (int, error) }](t)(command.StdoutPipe())
		ok(t, command.Start())
		lines := bufio.NewScanner(out)
		var id string
		announced := -1
		for n := random.IntN(200); lines.Scan(); n-- {
			if read, _ := fmt.Sscanf(lines.Text(), "DURABLE %s %d", &id, &announced); read != 2 {
				t.Fatalf("the process says %q", lines.Text())
			}
			if n == 0 {
				ok(t, command.Process.Kill())
			}
		}
		_ = command.Wait() // killed

		db := must[*store.DB](t)(store.Open(t.Context(), store.Config{Dir: dir}))
		clip := must[store.Clip](t)(db.Clip(t.Context(), must[store.ID](t)(store.ParseID(id))))
		if len(clip.Parts) < announced+1 || len(clip.Parts) > announced+2 {
			t.Errorf("round %d: %d parts, %d were announced", round, len(clip.Parts), announced+1)
		}
		var check string
		ok(t, raw(t, filepath.Join(dir, store.FileName)).QueryRow(`PRAGMA integrity_check`).Scan(&check))
		if check != "ok" {
			t.Errorf("round %d: integrity check says %s", round, check)
		}
		ok(t, db.Close())
	}
}

func recordUntilKilled(t *testing.T, dir string) {
	db := must[*store.DB](t)(store.Open(t.Context(), store.Config{Dir: dir}))
	h := &house{db, must[store.Vault](t)(db.Vault(t.Context(), store.ID{})), must[[]store.Camera](t)(db.Cameras(t.Context()))[0]}
	start := time.Now()
	clip := h.begin(t, start)
	for n := range 100_000 { // the end of the test that reads this ends it too: the pipe breaks
		add := seconds(start, n, 1)
		add.Clip = clip.ID
		ok(t, db.AppendParts(t.Context(), []store.ClipParts{add}))
		fmt.Printf("DURABLE %s %d\n", clip.ID, n)
	}
}
