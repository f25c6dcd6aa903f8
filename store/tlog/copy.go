package tlog

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"
)

// Copy is a log as it is at one moment, for a backup: what it takes to make its directory again. The signing key is not in it.
type Copy struct {
	Checkpoint, Key []byte
	// Size is the number of leaves.
	Size int64
	tree tree
}

// ReadCopy looks at the log in dir, which may grow meanwhile. fs.ErrNotExist when there is none.
func ReadCopy(dir string) (*Copy, error) {
	c := &Copy{tree: tree{dir}}
	var err error
	if c.Key, err = os.ReadFile(filepath.Join(dir, KeyName)); err != nil {
		return nil, err
	}
	if c.Checkpoint, err = os.ReadFile(filepath.Join(dir, CheckpointName)); err != nil {
		return nil, err
	}
	now, err := ParseCheckpoint(c.Checkpoint, string(c.Key))
	c.Size = now.Size
	return c, err
}

// WriteLeaves writes Size leaves, one behind the other.
func (c *Copy) WriteLeaves(w io.Writer) error {
	for seq := int64(0); seq < c.Size; seq += width {
		leaves, err := c.tree.leaves(seq/width, int(min(width, c.Size-seq)))
		if err != nil {
			return err
		}
		for _, leaf := range leaves {
			if _, err := w.Write(leaf[:]); err != nil {
				return err
			}
		}
	}
	return nil
}

// Rebuild makes the directory of a log again from what a Copy had. What does not fit together is an error.
func Rebuild(dir string, checkpoint, key []byte, leaves io.Reader) error {
	want, err := ParseCheckpoint(checkpoint, string(key))
	if err != nil {
		return err
	}
	if err := makeDir(dir); err != nil {
		return err
	}
	t := tree{dir}
	size, root := int64(0), tlog.Hash{}
	for size < want.Size {
		fresh := make([]Leaf, min(batch, want.Size-size))
		for i := range fresh {
			if _, err := io.ReadFull(leaves, fresh[i][:]); err != nil {
				return fmt.Errorf("the copy of the log is cut off: %w", err)
			}
		}
		if size, root, err = t.extend(size, root, fresh); err != nil {
			return err
		}
	}
	if size > 0 && root != want.Root {
		return errors.New("the copy of the log does not have the entries of its checkpoint")
	}
	if err := write(filepath.Join(dir, KeyName), key); err != nil {
		return err
	}
	return write(filepath.Join(dir, CheckpointName), checkpoint)
}
