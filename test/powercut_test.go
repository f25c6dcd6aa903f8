package test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"cardea/test/box"
	"cardea/test/faulty"
)

// TestPowerCut is attack case 68 for the whole program: from its set-up on it works on a disk that keeps a journal of writes and syncs. Whatever a power cut leaves at
// any moment of that, it starts again, and nothing is wrong with index, recordings, logs and keys. What it does to the recordings alone is tried more often in
// nvr/recorder: TestAttack68. CARDEA_CUTS says how often; 8 without it.
func TestPowerCut(t *testing.T) {
	disk := faulty.Mount(t)
	b, err := box.New(disk.Dir)
	if err != nil {
		t.Fatal(err)
	}
	set := disk.Ops()
	if err := b.Serve(); err != nil {
		t.Fatal(err)
	}
	killed := false
	t.Cleanup(func() {
		if !killed {
			_ = b.Kill()
		}
	})
	cameras := virtualCameras(t, 2, 15, 600_000)
	for i := range 2 {
		if err := b.AddCamera(fmt.Sprint("Camera ", i), cameras.URL(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	recorded := 0
	waitFor(t, "recordings", func() bool {
		clips, err := b.Recordings("")
		if err == nil && len(clips) == 2 && min(clips[0].Bytes, clips[1].Bytes) > 50_000 && recorded == 0 {
			recorded = disk.Ops()
		}
		return recorded > 0 && disk.Ops() > recorded+50
	})
	if err := b.Kill(); err != nil {
		t.Fatal(err)
	}
	killed = true
	ops, seed := disk.Ops(), uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 68))
	cuts := 8
	if text := os.Getenv("CARDEA_CUTS"); text != "" {
		if cuts, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	for i := range cuts {
		at := set + random.IntN(ops-set+1)
		if i%2 == 0 {
			at = recorded + random.IntN(ops-recorded+1)
		}
		how := faulty.Cut(i / 2 % int(faulty.Cuts))
		t.Run(fmt.Sprintf("%s after %d of %d", how, at, ops), func(t *testing.T) {
			dir, err := os.MkdirTemp("", "cut") // sockets want a short name
			if err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(dir)
			if err := disk.Restore(dir, at, how, random); err != nil {
				t.Fatal(err)
			}
			left := *b
			left.Dir, left.LogFile = filepath.Join(dir, filepath.Base(b.Dir)), filepath.Join(dir, "serve.log")
			if err := left.Serve(); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			err = left.Stop()
			if err != nil {
				t.Errorf("seed %d: %v", seed, err)
			}
			if out, err := left.Run("verify"); err != nil {
				t.Errorf("seed %d: %v\n%s", seed, err, out)
			}
			if cameras, err := left.Cameras(); at >= recorded && (err != nil || len(cameras) != 2) {
				t.Errorf("seed %d: %+v, %v", seed, cameras, err)
			}
		})
	}
}
