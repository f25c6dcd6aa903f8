package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/oklog/ulid/v2"
	"golang.org/x/sys/unix"
)

// Marker is the file in the root of a clips directory that says whose it is. It holds the store's identifier and a line end.
const Marker = ".cardea-clips"

// Config says which directory to open.
type Config struct {
	Dir   string    // clips directory
	Store ulid.ULID // identifier of the store, which the marker has to hold
	// Make makes the directory when it is missing. For a directory that may be a mount point it MUST be false: then a
	// missing directory is ErrNotMounted.
	Make bool
	// Mark writes the marker where there is none. It MUST be false when the store has put clips there before: then a
	// missing marker is ErrNotMounted.
	Mark bool
	// Wait lets Open succeed while the disk is not there. Until Check finds it every method answers ErrNotMounted.
	Wait bool
}

// Root is an open clips directory. It is safe for use by many goroutines. The caller closes it.
type Root struct {
	config Config
	mu     sync.RWMutex
	root   *os.Root // replaced when the disk went and came back; nil until it was there once
	dir    *os.File // the same directory, for fstatfs and fsync
}

// Open opens a clips directory. When the disk is not there it gives ErrNotMounted (but see Config.Wait) and writes nothing.
func Open(config Config) (*Root, error) {
	dir, err := filepath.Abs(config.Dir)
	if err != nil {
		return nil, fmt.Errorf("find the clips directory: %w", err)
	}
	config.Dir = dir
	if config.Make {
		if err := MakeDir(dir); err != nil {
			return nil, explain("make", dir, err)
		}
	}
	root, handle, err := open(dir)
	if err == nil {
		err = checkMarker(root, dir, config.Store)
		if errors.Is(err, ErrNotMounted) && config.Mark {
			err = writeMarker(root, handle, dir, config.Store)
		}
		if err != nil {
			err = errors.Join(err, handle.Close(), root.Close())
		}
	}
	if err == nil {
		return &Root{config: config, root: root, dir: handle}, nil
	}
	if config.Wait && errors.Is(err, ErrNotMounted) {
		return &Root{config: config}, nil
	}
	return nil, err
}

func open(dir string) (*os.Root, *os.File, error) {
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, &Error{Kind: ErrNotMounted, Op: "open", Path: dir, Err: unix.ENOENT}
	}
	if err != nil {
		return nil, nil, explain("open", dir, err)
	}
	handle, err := root.Open(".")
	if err != nil {
		return nil, nil, errors.Join(explain("open", dir, err), root.Close())
	}
	return root, handle, nil
}

func checkMarker(root *os.Root, dir string, store ulid.ULID) error {
	text, err := root.ReadFile(Marker)
	if errors.Is(err, fs.ErrNotExist) {
		return &Error{Kind: ErrNotMounted, Op: "look for " + Marker + " in", Path: dir}
	}
	if err != nil {
		return explain("read", filepath.Join(dir, Marker), err)
	}
	if strings.TrimSpace(string(text)) != store.String() {
		return &Error{Kind: ErrOtherStore, Op: "open", Path: dir}
	}
	return nil
}

func writeMarker(root *os.Root, handle *os.File, dir string, store ulid.ULID) error {
	file, err := root.OpenFile(Marker, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return explain("mark", dir, err)
	}
	_, err = io.WriteString(file, store.String()+"\n")
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		// An empty marker would be taken for that of another store.
		return explain("mark", dir, errors.Join(err, root.Remove(Marker)))
	}
	return explain("sync", dir, syncDir(handle))
}

// Dir is the directory as an absolute path.
func (r *Root) Dir() string { return r.config.Dir }

// Close lets go of the directory. Files that are open stay usable.
func (r *Root) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.letGo()
}

func (r *Root) letGo() error {
	if r.root == nil {
		return nil
	}
	return errors.Join(r.dir.Close(), r.root.Close())
}

// held gives the open directory under the read lock; the caller calls unlock when it is done with it.
func (r *Root) held() (root *os.Root, dir *os.File, unlock func(), err error) {
	r.mu.RLock()
	if r.root == nil {
		r.mu.RUnlock()
		return nil, nil, nil, &Error{Kind: ErrNotMounted, Op: "use", Path: r.config.Dir}
	}
	return r.root, r.dir, r.mu.RUnlock, nil
}

// Check says whether the directory is still the one that was opened, marker and all. When the disk went away and came back (a
// new mount at the same path) it goes on with the new one. ErrNotMounted while it is away.
func (r *Root) Check() error {
	if root, handle, unlock, err := r.held(); err == nil {
		same, err := isAt(handle, r.config.Dir)
		if err == nil && same {
			err = checkMarker(root, r.config.Dir, r.config.Store)
			unlock()
			return err
		}
		unlock()
	}
	root, handle, err := open(r.config.Dir)
	if err != nil {
		return err
	}
	if err := checkMarker(root, r.config.Dir, r.config.Store); err != nil {
		return errors.Join(err, handle.Close(), root.Close())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	err = r.letGo()
	r.root, r.dir = root, handle
	return err
}

// isAt reports whether path leads to the open directory.
func isAt(handle *os.File, path string) (bool, error) {
	held, err := handle.Stat()
	if err != nil {
		return false, err
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(held, there), err
}

// Space is what a file system has left for this user, in bytes and files.
type Space struct {
	Free, Total int64
	Files       int64 // files that can still be made; -1 where the file system does not say
}

// Free asks the file system of the directory that was opened, also while another one is mounted over it.
func (r *Root) Free() (Space, error) {
	_, dir, unlock, err := r.held()
	if err != nil {
		return Space{}, err
	}
	defer unlock()
	var at unix.Statfs_t
	if err := unix.Fstatfs(int(dir.Fd()), &at); err != nil {
		return Space{}, explain("measure", r.config.Dir, err)
	}
	space := Space{Free: int64(at.Bavail) * at.Bsize, Total: int64(at.Blocks) * at.Bsize, Files: int64(at.Ffree)}
	if at.Files == 0 { // btrfs and most network file systems have no fixed number
		space.Files = -1
	}
	return space, nil
}

// FS gives the directory for reading and walking.
func (r *Root) FS() (fs.FS, error) {
	root, _, unlock, err := r.held()
	if err != nil {
		return nil, err
	}
	defer unlock()
	return root.FS(), nil
}

// Open opens a file for reading. The caller closes it. fs.ErrNotExist when there is none.
func (r *Root) Open(name string) (*os.File, error) {
	root, _, unlock, err := r.held()
	if err != nil {
		return nil, err
	}
	defer unlock()
	file, err := root.Open(name)
	return file, explain("open", name, err)
}

// Stat describes a file. fs.ErrNotExist when there is none.
func (r *Root) Stat(name string) (fs.FileInfo, error) {
	root, _, unlock, err := r.held()
	if err != nil {
		return nil, err
	}
	defer unlock()
	info, err := root.Stat(name)
	return info, explain("stat", name, err)
}

// syncDir makes the entries of a directory durable. Some network file systems cannot and say EINVAL; they do it by themselves.
func syncDir(handle *os.File) error {
	if err := handle.Sync(); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOTSUP) {
		return err
	}
	return nil
}
