package tlog_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	xtlog "golang.org/x/mod/sumdb/tlog"

	"cardea/store/tlog"
)

const origin = "cardea.local/01JNXCDFG0B1EYBWX9YAEKXY2E/access"

// records is a Source in memory.
type records []tlog.Leaf

func (r *records) Size(context.Context) (int64, error) { return int64(len(*r)), nil }

func (r *records) Leaves(_ context.Context, from int64, limit int) ([]tlog.Leaf, error) {
	return append([]tlog.Leaf(nil), (*r)[from:min(len(*r), int(from)+limit)]...), nil
}

func (r *records) add(n int) {
	for range n {
		*r = append(*r, tlog.Commit(make([]byte, tlog.SaltSize), binary.BigEndian.AppendUint64(nil, uint64(len(*r)))))
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, dir string, source tlog.Source) *tlog.Log {
	t.Helper()
	log, err := tlog.Open(tlog.Config{Dir: filepath.Join(dir, "log"), KeyFile: filepath.Join(dir, "keys", "log.key"), Origin: origin, Source: source})
	ok(t, err)
	return log
}

// verify gives what is wrong with a log, in words.
func verify(t testing.TB, dir string, v tlog.Verification) []string {
	t.Helper()
	v.Dir = filepath.Join(dir, "log")
	_, faults, err := tlog.Verify(t.Context(), v)
	ok(t, err)
	words := []string{}
	for _, f := range faults {
		words = append(words, f.Where+": "+f.What)
	}
	return words
}

// TestGrow integrates in steps of many sizes, over restarts, and holds every proof against golang.org/x/mod's checkers.
func TestGrow(t *testing.T) {
	t.Parallel()
	dir, source := t.TempDir(), &records{}
	log := open(t, dir, source)
	if info, err := os.Stat(filepath.Join(dir, "keys", "log.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the key is %v, %v", info, err)
	}
	var seen []tlog.Checkpoint
	for i, n := range []int{0, 1, 1, 3, 250, 1, 1, 255, 1, 300, 5000, 17, 60_000} {
		source.add(n)
		if i%3 == 2 {
			log = open(t, dir, source)
		}
		ok(t, log.Integrate(t.Context()))
		now := log.Checkpoint()
		if now.Size != int64(len(*source)) {
			t.Fatalf("size is %d, want %d", now.Size, len(*source))
		}
		if parsed, err := tlog.ParseCheckpoint(now.Text, log.Key()); err != nil || parsed.Root != now.Root || parsed.Origin != origin {
			t.Fatalf("checkpoint %q gives %+v, %v", now.Text, parsed, err)
		}
		for _, before := range seen {
			proof, err := log.Consistency(before.Size, 0)
			ok(t, err)
			ok(t, tlog.CheckConsistency(before, now, proof))
		}
		for _, seq := range []int64{0, 1, 255, 256, 300, 5000, now.Size - 1} {
			if seq < 0 || seq >= now.Size {
				continue
			}
			leaf, proof, err := log.Inclusion(seq, 0)
			ok(t, err)
			ok(t, xtlog.CheckRecord(proof, now.Size, now.Root, seq, leaf))
			text, err := log.Proof(seq)
			ok(t, err)
			if got, cp, err := tlog.CheckProof(text, (*source)[seq], log.Key()); err != nil || got != seq || cp.Size != now.Size {
				t.Fatalf("proof of %d gives %d, %v", seq, got, err)
			}
			if _, _, err := tlog.CheckProof(text, tlog.Leaf{}, log.Key()); err == nil {
				t.Fatal("the proof of another leaf is good")
			}
		}
		if now.Size < 10_000 {
			if faults := verify(t, dir, tlog.Verification{}); len(faults) > 0 {
				t.Fatalf("a sound log has faults: %q", faults)
			}
		}
		seen = append(seen, now)
	}
	texts := [][]byte{}
	for _, cp := range seen {
		texts = append(texts, cp.Text)
	}
	if faults := verify(t, dir, tlog.Verification{Key: log.Key(), Witnessed: texts}); len(faults) > 0 {
		t.Errorf("a sound log has faults: %q", faults)
	}
	for _, bad := range []func() error{
		func() error { _, err := log.Consistency(5, int64(len(*source))+1); return err },
		func() error { _, err := log.Consistency(-1, 0); return err },
		func() error { _, _, err := log.Inclusion(int64(len(*source)), 0); return err },
	} {
		if err := bad(); !errors.Is(err, tlog.ErrRange) {
			t.Errorf("out of range gives %v", err)
		}
	}
	for _, path := range []string{"../keys/log.key", "tile/../../keys/log.key", "/etc/passwd", "tile/entries/999", "log.vkey.tmp", ""} {
		if data, err := log.File(path); err == nil {
			t.Errorf("file %q gives %d bytes", path, len(data))
		}
	}
	// Full tiles have taken the place of partial ones.
	ok(t, filepath.WalkDir(filepath.Join(dir, "log"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, "000.p") && strings.Contains(path, "/0/") {
			t.Errorf("%s is left over", path)
		}
		return err
	}))
}

// TestAttacks are the ways to change a log that security.md numbers 80 to 83, as somebody with the files can do it.
func TestAttacks(t *testing.T) {
	t.Parallel()
	const size = 700
	change := func(t *testing.T, dir, path string, at int) {
		path = filepath.Join(dir, "log", filepath.FromSlash(path))
		data, err := os.ReadFile(path)
		ok(t, err)
		data[at] ^= 1
		ok(t, os.WriteFile(path, data, 0o600))
	}
	for _, attack := range []struct {
		name    string
		witness bool // only somebody who remembers a checkpoint can see it
		want    string
		do      func(t *testing.T, dir string, source *records)
	}{
		{"80 edit an entry", false, "entry 300: ", func(t *testing.T, dir string, _ *records) { change(t, dir, "tile/entries/001", 44*34+9) }},
		{"80 edit an entry and its tile", false, "the checkpoint over 700 records", func(t *testing.T, dir string, source *records) {
			leaf := (*source)[690]
			leaf[0] ^= 1
			hash := xtlog.RecordHash(leaf[:])
			bundle := filepath.Join(dir, "log", "tile", "entries", "002.p", "188")
			data, err := os.ReadFile(bundle)
			ok(t, err)
			copy(data[(690-512)*34+2:], leaf[:])
			ok(t, os.WriteFile(bundle, data, 0o600))
			tile := filepath.Join(dir, "log", "tile", "0", "002.p", "188")
			data, err = os.ReadFile(tile)
			ok(t, err)
			copy(data[(690-512)*32:], hash[:])
			ok(t, os.WriteFile(tile, data, 0o600))
		}},
		{"80 edit a tile", false, "tile/1/000.p/2: entry 256: ", func(t *testing.T, dir string, _ *records) { change(t, dir, "tile/1/000.p/2", 40) }},
		{"80 cut off the end", false, "entries from 512 on", func(t *testing.T, dir string, _ *records) {
			ok(t, os.RemoveAll(filepath.Join(dir, "log", "tile", "entries", "002.p")))
		}},
		{"80 change the order", false, "entry 10: ", func(t *testing.T, dir string, _ *records) {
			path := filepath.Join(dir, "log", "tile", "entries", "000")
			data, err := os.ReadFile(path)
			ok(t, err)
			first, second := bytes.Clone(data[10*34:11*34]), bytes.Clone(data[11*34:12*34])
			copy(data[10*34:], second)
			copy(data[11*34:], first)
			ok(t, os.WriteFile(path, data, 0o600))
		}},
		{"80 an entry of another length", false, "no commitment", func(t *testing.T, dir string, _ *records) { change(t, dir, "tile/entries/000", 1) }},
		{"80 edit the checkpoint", false, "checkpoint: check the signature", func(t *testing.T, dir string, _ *records) { change(t, dir, "checkpoint", len(origin)+2) }},
		{"80 remove the checkpoint", false, "checkpoint: it is missing", func(t *testing.T, dir string, _ *records) {
			ok(t, os.Remove(filepath.Join(dir, "log", "checkpoint")))
		}},
		{"80 replace the log and its key", false, "log.vkey: ", func(t *testing.T, dir string, _ *records) {
			ok(t, os.RemoveAll(filepath.Join(dir, "log")))
			ok(t, os.RemoveAll(filepath.Join(dir, "keys")))
			other := &records{}
			other.add(size)
			ok(t, open(t, dir, other).Integrate(t.Context()))
		}},
		{"81 roll everything back", true, "rolled back", func(t *testing.T, dir string, source *records) {
			again(t, dir, (*source)[:size-100])
		}},
		{"82 rewrite with the stolen key", true, "rewritten", func(t *testing.T, dir string, source *records) {
			forged := append(records{}, *source...)
			forged[3][0] ^= 1
			again(t, dir, forged)
		}},
		{"82 leave one out with the stolen key", true, "rewritten", func(t *testing.T, dir string, source *records) {
			forged := append(append(records{}, (*source)[:50]...), (*source)[51:]...)
			forged.add(1)
			again(t, dir, forged)
		}},
	} {
		t.Run(attack.name, func(t *testing.T) {
			t.Parallel()
			dir, source := t.TempDir(), &records{}
			source.add(size)
			log := open(t, dir, source)
			ok(t, log.Integrate(t.Context()))
			v := tlog.Verification{Key: log.Key()}
			witnessed := log.Checkpoint()
			if faults := verify(t, dir, v); len(faults) > 0 {
				t.Fatalf("before: %q", faults)
			}
			attack.do(t, dir, source)
			faults := strings.Join(verify(t, dir, v), "\n")
			if attack.witness {
				if faults != "" {
					t.Errorf("without a witness: %q", faults)
				}
				v.Witnessed = [][]byte{witnessed.Text}
				faults = strings.Join(verify(t, dir, v), "\n")
			}
			if !strings.Contains(faults, attack.want) {
				t.Errorf("found %q, want %q", faults, attack.want)
			}
		})
	}
}

// again makes a log anew with the key that is there.
func again(t *testing.T, dir string, source records) {
	t.Helper()
	ok(t, os.RemoveAll(filepath.Join(dir, "log")))
	ok(t, open(t, dir, &source).Integrate(t.Context()))
}

// TestFork: two checkpoints of one size are the evidence (83), and what a witness says to them.
// Attack case 83 of docs/attacks.md.
func TestFork(t *testing.T) {
	t.Parallel()
	dir, source := t.TempDir(), &records{}
	source.add(10)
	log := open(t, dir, source)
	ok(t, log.Integrate(t.Context()))
	first := log.Checkpoint()
	(*source)[9][0] ^= 1
	again(t, dir, *source)
	second := open(t, dir, source).Checkpoint()
	for _, cp := range []tlog.Checkpoint{first, second} {
		if _, err := tlog.ParseCheckpoint(cp.Text, log.Key()); err != nil {
			t.Errorf("evidence is not signed: %v", err)
		}
	}
	if err := tlog.CheckConsistency(first, second, nil); err == nil || !strings.Contains(err.Error(), "forked") {
		t.Errorf("a fork gives %v", err)
	}
	source.add(5)
	log = open(t, dir, source)
	ok(t, log.Integrate(t.Context()))
	proof, err := log.Consistency(10, 0)
	ok(t, err)
	if err := tlog.CheckConsistency(first, log.Checkpoint(), proof); err == nil || !strings.Contains(err.Error(), "rewritten") {
		t.Errorf("a later checkpoint of the other branch gives %v", err)
	}
}

// TestCrash: whatever a crash leaves of an extension, the next run writes it again, and the log in between is sound.
func TestCrash(t *testing.T) {
	t.Parallel()
	dir, source := t.TempDir(), &records{}
	source.add(200)
	log := open(t, dir, source)
	ok(t, log.Integrate(t.Context()))
	old, err := os.ReadFile(filepath.Join(dir, "log", "checkpoint"))
	ok(t, err)
	source.add(400)
	ok(t, log.Integrate(t.Context()))
	ok(t, os.WriteFile(filepath.Join(dir, "log", "checkpoint"), old, 0o600)) // the tiles are newer than the checkpoint
	ok(t, os.WriteFile(filepath.Join(dir, "log", "tile", "0", "001.tmp"), []byte("half"), 0o600))
	if faults := verify(t, dir, tlog.Verification{}); len(faults) > 0 {
		t.Errorf("after a crash: %q", faults)
	}
	log = open(t, dir, source)
	if log.Checkpoint().Size != 200 {
		t.Fatalf("size is %d", log.Checkpoint().Size)
	}
	source.add(1)
	ok(t, log.Integrate(t.Context()))
	if faults := verify(t, dir, tlog.Verification{}); len(faults) > 0 || log.Checkpoint().Size != 601 {
		t.Errorf("after the next run: size %d, %q", log.Checkpoint().Size, faults)
	}
	short := (*source)[:100]
	if err := open(t, dir, &short).Integrate(t.Context()); !errors.Is(err, tlog.ErrAhead) {
		t.Errorf("an index that is behind gives %v", err)
	}
	ok(t, os.Remove(filepath.Join(dir, "keys", "log.key")))
	if _, err := tlog.Open(tlog.Config{Dir: filepath.Join(dir, "log"), KeyFile: filepath.Join(dir, "keys", "log.key"), Origin: origin, Source: source}); !errors.Is(err, tlog.ErrKey) {
		t.Errorf("a log without its key gives %v", err)
	}
}

// FuzzCheckpoint: nothing that is not signed gets through, and nothing makes the parser fall.
func FuzzCheckpoint(f *testing.F) {
	source := &records{}
	source.add(3)
	log := open(f, f.TempDir(), source)
	ok(f, log.Integrate(context.Background()))
	proof, err := log.Proof(1)
	ok(f, err)
	good := log.Checkpoint()
	f.Add(good.Text, proof)
	f.Add([]byte(origin+"\n3\nAAAA\n\n— "), []byte("c2sp.org/tlog-proof@v1\nindex 1\n\n"))
	f.Fuzz(func(t *testing.T, text, proof []byte) {
		if cp, err := tlog.ParseCheckpoint(text, log.Key()); err == nil && (cp.Size != good.Size || cp.Root != good.Root) {
			t.Errorf("%q is a checkpoint: %+v", text, cp)
		}
		if seq, _, err := tlog.CheckProof(proof, (*source)[1], log.Key()); err == nil && seq != 1 {
			t.Errorf("%q is a proof of %d", proof, seq)
		}
	})
}

// TestVectors pins the format: a browser or a public tool computes the same.
func TestVectors(t *testing.T) {
	t.Parallel()
	leaf := tlog.Commit(bytes.Repeat([]byte{7}, 32), []byte(`{"v":1}`))
	if got, want := base64.StdEncoding.EncodeToString(leaf[:]), "wOM/mtDQ6oomiHiQZsn2gJaG1+KFsLjIyoLMnAXHPq4="; got != want {
		t.Errorf("commitment is %s, want %s", got, want)
	}
	if got, want := xtlog.RecordHash(leaf[:]).String(), "qbvjf/yCmAPCMfqRrZQSNdUTfB+TqXmG6hta+qQI4bQ="; got != want {
		t.Errorf("leaf hash is %s, want %s", got, want)
	}
}

// TestWitness: a witness goes forward only, also when several ask at once and one of them is killed between checking and remembering
// (84), and keeps both sides of a contradiction (81, 83).
// Attack cases 81 and 84 of docs/attacks.md.
func TestWitness(t *testing.T) {
	t.Parallel()
	dir, source := t.TempDir(), &records{}
	source.add(5)
	log := open(t, dir, source)
	ok(t, log.Integrate(t.Context()))
	file := filepath.Join(dir, "stick")
	w := tlog.Witness{File: file, Key: log.Key()}
	ask := func() ([]byte, error) { return log.Checkpoint().Text, nil }
	prove := func(from, to int64) ([]xtlog.Hash, error) { return log.Consistency(from, to) }

	var growing sync.WaitGroup
	stop := make(chan struct{})
	growing.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				source.add(1)
				if err := log.Integrate(t.Context()); err != nil {
					t.Error(err)
				}
			}
		}
	})
	var asking sync.WaitGroup
	for i := range 8 {
		asking.Go(func() {
			last := int64(0)
			for n := range 20 {
				asked := ask
				if (i+n)%5 == 0 { // killed after it has asked: nothing is remembered, and nothing is lost
					asked = func() ([]byte, error) { return nil, errors.New("killed") }
				}
				seen, err := w.Remember(asked, prove)
				if err != nil && err.Error() != "killed" {
					t.Error(err)
				}
				if err == nil && seen.Size < last {
					t.Errorf("from %d back to %d", last, seen.Size)
				}
				last = max(last, seen.Size)
			}
		})
	}
	asking.Wait()
	close(stop)
	growing.Wait()
	newest, err := w.Remember(ask, prove)
	if err != nil || newest.Size != log.Checkpoint().Size {
		t.Fatalf("remembered %d of %d, %v", newest.Size, log.Checkpoint().Size, err)
	}

	for name, forged := range map[string]records{
		"rolled back": (*source)[:3],
		"forked":      append(append(records{}, (*source)[1:]...), tlog.Leaf{}),
		"rewritten":   append(append(records{}, (*source)[1:]...), tlog.Leaf{}, tlog.Leaf{}),
	} {
		again(t, dir, forged)
		log = open(t, dir, &forged)
		_, err := w.Remember(ask, prove)
		var found *tlog.Contradiction
		if !errors.As(err, &found) || !strings.Contains(err.Error(), name) {
			t.Fatalf("%s: %v", name, err)
		}
		for path, want := range map[string]tlog.Checkpoint{file: newest, found.Evidence: log.Checkpoint()} {
			text, err := os.ReadFile(path)
			ok(t, err)
			if got, err := tlog.ParseCheckpoint(text, w.Key); err != nil || got.Root != want.Root {
				t.Errorf("%s: %s does not have its side: %v", name, path, err)
			}
		}
	}
}
