package disk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// MakeDir makes a directory of mode 0700, and those above it that are missing, so that they are there after a power cut: a name is durable
// when the directory that holds it was synced. A directory that is there is left as it is.
func MakeDir(path string) error {
	switch info, err := os.Stat(path); {
	case err == nil && info.IsDir():
		return nil
	case err == nil:
		return &fs.PathError{Op: "mkdir", Path: path, Err: syscall.ENOTDIR}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	above := filepath.Dir(path)
	if err := MakeDir(above); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	dir, err := os.Open(above)
	if errors.Is(err, fs.ErrPermission) {
		return nil // nobody else will have it synced either; what is in path is not the worse for it
	}
	if err != nil {
		return err
	}
	err = dir.Sync()
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrInvalid) {
		err = nil // some file systems have nothing to sync in a directory
	}
	return errors.Join(err, dir.Close())
}
