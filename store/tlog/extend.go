package tlog

import (
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"
)

// extend writes the tiles and bundles of a tree that goes on from one of a known size and root, and gives its size and root. Cut
// off in between, the next run writes the same again.
func (t tree) extend(from int64, before tlog.Hash, fresh []Leaf) (size int64, root tlog.Hash, err error) {
	size = from + int64(len(fresh))
	stored := t.hashes(from, before)
	known := tlog.StoredHashCount(from)
	made := make([]tlog.Hash, 0, 2*len(fresh))
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		all := make([]tlog.Hash, len(indexes))
		var old, where []int64
		for i, index := range indexes {
			if index >= known {
				all[i] = made[index-known]
			} else {
				old, where = append(old, index), append(where, int64(i))
			}
		}
		if len(old) == 0 {
			return all, nil
		}
		found, err := stored.ReadHashes(old)
		for i := range found {
			all[where[i]] = found[i]
		}
		return all, err
	})
	for i, leaf := range fresh {
		hashes, err := tlog.StoredHashesForRecordHash(from+int64(i), tlog.RecordHash(leaf[:]), reader)
		if err != nil {
			return 0, root, err
		}
		made = append(made, hashes...)
	}
	if err := t.writeBundles(from, fresh); err != nil {
		return 0, root, err
	}
	for _, tile := range tlog.NewTiles(height, from, size) {
		data, err := tlog.ReadTileData(tile, reader)
		if err == nil {
			err = t.writeTile(tile.L, tile.N, tile.W, data)
		}
		if err != nil {
			return 0, root, err
		}
	}
	root, err = tlog.TreeHash(size, reader)
	return size, root, err
}

func (t tree) writeBundles(from int64, fresh []Leaf) error {
	n, w := from/width, int(from%width)
	if w > 0 {
		begun, err := t.leaves(n, w)
		if err != nil {
			return err
		}
		fresh = append(begun, fresh...)
	}
	for ; len(fresh) > 0; n++ {
		w := min(len(fresh), width)
		if err := t.writeTile(entries, n, w, bundle(fresh[:w])); err != nil {
			return err
		}
		fresh = fresh[w:]
	}
	return nil
}

// writeTile writes a tile; a full one takes the place of its partial ones (tlog-tiles, section "Partial Tiles").
func (t tree) writeTile(level int, n int64, w int, data []byte) error {
	if err := write(filepath.Join(t.dir, tilePath(level, n, w)), data); err != nil {
		return err
	}
	if w < width {
		return nil
	}
	return os.RemoveAll(filepath.Join(t.dir, tilePath(level, n, width)+".p"))
}
