package tlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// maxFaults ends a check that has found so much that more would not help.
const maxFaults = 1000

// Fault is one thing that is wrong with the files of a log.
type Fault struct {
	Where string // file, and number of the entry where it is about one
	What  string
}

// Verification says what to hold a log's directory against.
type Verification struct {
	Dir string
	// Key is the public key that the log is known to have; the one in the directory when empty.
	Key string
	// Witnessed are checkpoints that somebody has remembered. Only with one of them a roll-back or a rewritten log can be seen.
	Witnessed [][]byte
	// Each, when not nil, is given every leaf in order.
	Each func(seq int64, leaf Leaf) error
}

// checking is one run.
type checking struct {
	Verification
	tree    tree
	now     Checkpoint
	witness []Checkpoint
	faults  []Fault
}

func (c *checking) fault(where, what string, args ...any) {
	if len(c.faults) < maxFaults {
		c.faults = append(c.faults, Fault{where, fmt.Sprintf(what, args...)})
	}
}

// Verify computes a log's tree anew from its entries and holds tiles, checkpoint and witnessed checkpoints against it. It reads only and
// may run beside the Log. An error means that it could not look. A directory without a checkpoint is a fault.
func Verify(ctx context.Context, v Verification) (Checkpoint, []Fault, error) {
	c := &checking{Verification: v, tree: tree{v.Dir}}
	public, err := os.ReadFile(filepath.Join(v.Dir, KeyName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return c.now, nil, err
	}
	key := strings.TrimSpace(string(public))
	if c.Key == "" {
		c.Key = key
	}
	if key != c.Key {
		c.fault(KeyName, "the public key is not the one that the log had before: it was replaced")
	}
	text, err := os.ReadFile(filepath.Join(v.Dir, CheckpointName))
	if err == nil {
		c.now, err = ParseCheckpoint(text, c.Key)
	}
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = errors.New("it is missing")
		}
		c.fault(CheckpointName, "%v", err)
		return c.now, c.faults, nil
	}
	c.readWitnessed()
	err = c.run(ctx)
	return c.now, c.faults, err
}

// readWitnessed takes the checkpoints of this log, and reports those that it can never lead to.
func (c *checking) readWitnessed() {
	for _, text := range c.Witnessed {
		if !bytes.HasPrefix(text, []byte(c.now.Origin+"\n")) {
			continue // of another log
		}
		seen, err := ParseCheckpoint(text, c.Key)
		switch {
		case err != nil:
			c.fault(CheckpointName, "the witness's checkpoint is not signed with the key of this log: %v", err)
		case seen.Size > c.now.Size:
			c.fault(CheckpointName, "the log was rolled back: a witness has seen %d records, there are %d", seen.Size, c.now.Size)
		default:
			c.witness = append(c.witness, seen)
		}
	}
}

// run walks over the entries once.
func (c *checking) run(ctx context.Context) error {
	var stack []tlog.Hash // roots of the complete subtrees so far, the largest first
	c.compare(0, stack)
	level0 := int64(0)
	above := []tlog.Hash{}
	for seq := int64(0); seq < c.now.Size; level0++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		w := int(min(width, c.now.Size-seq))
		leaves, err := c.tree.leaves(level0, w)
		if err != nil {
			c.fault(tilePath(entries, level0, w), "entries from %d on: %v", seq, err)
			return nil
		}
		hashes := make([]tlog.Hash, w)
		for i, leaf := range leaves {
			if c.Each != nil {
				if err := c.Each(seq, leaf); err != nil {
					return err
				}
			}
			hashes[i] = tlog.RecordHash(leaf[:])
			stack = append(stack, hashes[i])
			seq++
			for n := seq; n&1 == 0; n >>= 1 {
				last := len(stack) - 2
				stack = append(stack[:last], tlog.NodeHash(stack[last], stack[last+1]))
			}
			c.compare(seq, stack)
		}
		c.tile(0, level0, hashes)
		if w == width {
			above = append(above, root(hashes))
		}
	}
	for level := 1; len(above) > 0; level++ {
		var next []tlog.Hash
		for n := 0; n*width < len(above); n++ {
			part := above[n*width : min(len(above), (n+1)*width)]
			c.tile(level, int64(n), part)
			if len(part) == width {
				next = append(next, root(part))
			}
		}
		above = next
	}
	return nil
}

// root is the hash over a full tile.
func root(hashes []tlog.Hash) tlog.Hash {
	row := append([]tlog.Hash{}, hashes...)
	for ; len(row) > 1; row = row[:len(row)/2] {
		for i := range len(row) / 2 {
			row[i] = tlog.NodeHash(row[2*i], row[2*i+1])
		}
	}
	return row[0]
}

// tile holds a file of hashes against those that its entries have.
func (c *checking) tile(level int, n int64, want []tlog.Hash) {
	path := tilePath(level, n, len(want))
	data, err := c.tree.read(level, n, len(want))
	if err != nil {
		c.fault(path, "%v", err)
		return
	}
	for i, hash := range want {
		if bytes.Equal(data[i*tlog.HashSize:(i+1)*tlog.HashSize], hash[:]) {
			continue
		}
		first := (n*width + int64(i)) << (height * level)
		c.fault(path, "entry %d: the hash in the tile is not that of the entry; one of them was changed", first)
		return
	}
}

// compare holds the tree so far against the checkpoints of that size.
func (c *checking) compare(size int64, stack []tlog.Hash) {
	for i := range c.witness {
		if c.witness[i].Size == size && treeHash(stack) != c.witness[i].Root {
			c.fault(CheckpointName, "the log was rewritten: a witness has seen other first %d records", size)
		}
	}
	if size == c.now.Size && treeHash(stack) != c.now.Root {
		c.fault(CheckpointName, "the checkpoint over %d records is not that of the entries: entries were changed, put in another order or left out", size)
	}
}

// treeHash folds the roots of complete subtrees into that of the whole.
func treeHash(stack []tlog.Hash) tlog.Hash {
	if len(stack) == 0 {
		empty, err := tlog.TreeHash(0, nil)
		if err != nil {
			panic(err) // there is nothing to read
		}
		return empty
	}
	hash := stack[len(stack)-1]
	for i := len(stack) - 2; i >= 0; i-- {
		hash = tlog.NodeHash(stack[i], hash)
	}
	return hash
}

// Origin gives the name of the log that a checkpoint is of, unchecked.
func Origin(checkpoint []byte) string {
	origin, _, _ := strings.Cut(string(checkpoint), "\n")
	return origin
}
