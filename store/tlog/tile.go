package tlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/mod/sumdb/tlog"
)

// height is that of a tile: 256 hashes (tlog-tiles, section "Merkle Tree").
const (
	height = 8
	width  = 1 << height
)

// Names of the files in the directory of a log.
const (
	CheckpointName = "checkpoint"
	KeyName        = "log.vkey"
)

// entries stands for the level of entry bundles, which are no tiles of hashes.
const entries = -1

// tilePath is where a tile or a bundle of w entries is, below the directory of the log (tlog-tiles: <L>/<N>[.p/<W>], with N in
// groups of three digits, all but the last with an x in front).
func tilePath(level int, n int64, w int) string {
	name := fmt.Sprintf("%03d", n%1000)
	for n >= 1000 {
		n /= 1000
		name = fmt.Sprintf("x%03d/%s", n%1000, name)
	}
	dir := "entries"
	if level != entries {
		dir = strconv.Itoa(level)
	}
	if w < width {
		name += ".p/" + strconv.Itoa(w)
	}
	return filepath.Join("tile", dir, filepath.FromSlash(name))
}

// tree reads the tiles of a log of a given size. It implements tlog.TileReader.
type tree struct{ dir string }

func (t tree) Height() int { return height }

// SaveTiles does nothing: the files are all there is.
func (t tree) SaveTiles([]tlog.Tile, [][]byte) {}

func (t tree) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	all := make([][]byte, len(tiles))
	for i, tile := range tiles {
		data, err := t.read(tile.L, tile.N, tile.W)
		if err != nil {
			return nil, err
		}
		all[i] = data
	}
	return all, nil
}

// read gives the first w hashes or entries of a tile: from its own file, or from the full one where that has taken its place.
func (t tree) read(level int, n int64, w int) ([]byte, error) {
	path := tilePath(level, n, w)
	data, err := os.ReadFile(filepath.Join(t.dir, path))
	if errors.Is(err, fs.ErrNotExist) && w < width {
		path = tilePath(level, n, width)
		data, err = os.ReadFile(filepath.Join(t.dir, path))
	}
	if err != nil {
		return nil, fmt.Errorf("read the log's tile: %w", err)
	}
	size := LeafSize
	if level == entries {
		size += 2
	}
	if len(data)%size != 0 || len(data) < w*size || len(data) > width*size {
		return nil, fmt.Errorf("the log's tile %s has %d bytes, not %d", path, len(data), w*size)
	}
	return data[:w*size], nil
}

// leaves gives the first w entries of a bundle.
func (t tree) leaves(n int64, w int) ([]Leaf, error) {
	data, err := t.read(entries, n, w)
	if err != nil {
		return nil, err
	}
	all := make([]Leaf, w)
	for i := range all {
		entry := data[i*(LeafSize+2):]
		if binary.BigEndian.Uint16(entry) != LeafSize {
			return nil, fmt.Errorf("entry %d in the log's bundle %s is no commitment", int(n)*width+i, tilePath(entries, n, w))
		}
		copy(all[i][:], entry[2:])
	}
	return all, nil
}

// bundle encodes entries (tlog-tiles, section "Log Entries").
func bundle(leaves []Leaf) []byte {
	data := make([]byte, 0, len(leaves)*(LeafSize+2))
	for _, leaf := range leaves {
		data = binary.BigEndian.AppendUint16(data, LeafSize)
		data = append(data, leaf[:]...)
	}
	return data
}

// hashes reads any hash of a tree of the given size and root, and refuses tiles that do not lead to that root.
func (t tree) hashes(size int64, root tlog.Hash) tlog.HashReader {
	return tlog.TileHashReader(tlog.Tree{N: size, Hash: root}, t)
}

// write makes a file durable under its name, replacing one that is there.
func write(path string, data []byte) error {
	if err := makeDir(filepath.Dir(path)); err != nil {
		return err
	}
	half := path + ".tmp"
	file, err := os.OpenFile(half, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err == nil {
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	if err := os.Rename(half, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// makeDir makes a directory durable with those above it that are missing.
func makeDir(path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil
	}
	if err := makeDir(filepath.Dir(path)); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
