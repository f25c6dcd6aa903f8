package disk

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"

	"golang.org/x/sys/unix"
)

// File is a file that is being written, at its end only. One goroutine uses it at a time.
type File struct {
	name  string
	file  *os.File
	size  int64
	dirty bool // bytes of an append that did not work may lie beyond size
}

// Create makes a new, empty file, readable by its owner only, and the directories on its way, and makes its name durable. It asks
// for the marker first. A file of this name is fs.ErrExist.
func (r *Root) Create(name string) (*File, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	root, dir, unlock, err := r.held()
	if err != nil {
		return nil, err
	}
	defer unlock()
	at := tree{root, dir}
	// Remove takes empty directories away, perhaps between our mkdir and our open; that cannot go on happening.
	for try := 0; ; try++ {
		file, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if errors.Is(err, fs.ErrNotExist) && try < 5 {
			if err := at.mkdir(path.Dir(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, explain("create", name, err)
			}
			continue
		}
		if err != nil {
			return nil, explain("create", name, err)
		}
		if err := at.sync(path.Dir(name)); err != nil {
			return nil, explain("create", name, errors.Join(err, file.Close(), root.Remove(name)))
		}
		return &File{name: name, file: file}, nil
	}
}

// tree is the directory as it is held during one call.
type tree struct {
	root *os.Root
	dir  *os.File
}

// mkdir makes the directories on the way to dir that are missing, each durable in its parent.
func (t tree) mkdir(dir string) error {
	if dir == "." {
		return nil
	}
	err := t.root.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrNotExist) {
		if err := t.mkdir(path.Dir(dir)); err != nil {
			return err
		}
		err = t.root.Mkdir(dir, 0o700)
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return t.sync(path.Dir(dir))
}

func (t tree) sync(dir string) error {
	if dir == "." {
		return syncDir(t.dir)
	}
	handle, err := t.root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(syncDir(handle), handle.Close())
}

// settle makes removals from dir durable: by removing dir too when nothing is left in it, else by an fsync.
func (t tree) settle(dir string) error {
	for dir != "." {
		err := t.root.Remove(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			break // not empty, most of the time; whatever it is, the fsync below finds it too
		}
		dir = path.Dir(dir)
	}
	err := t.sync(dir)
	if errors.Is(err, fs.ErrNotExist) { // another Remove was here in between, and has synced the parent
		return t.sync(".")
	}
	return err
}

// Name is the file's name in the clips directory.
func (f *File) Name() string { return f.name }

// Size is the number of bytes that were appended.
func (f *File) Size() int64 { return f.size }

// Append writes all of data at the end, or nothing: after an error (ErrFull, say) Size is what it was, and the same data can be
// appended again. It does not make the data durable.
func (f *File) Append(data []byte) error {
	if _, err := f.file.WriteAt(data, f.size); err != nil {
		f.dirty = true // os.File does not say how much of it was written
		return explain("append to", f.name, err)
	}
	f.size += int64(len(data))
	return nil
}

// Write is Append in the shape of io.Writer.
func (f *File) Write(data []byte) (int, error) {
	if err := f.Append(data); err != nil {
		return 0, err
	}
	return len(data), nil
}

// Datasync makes everything appended so far durable. After an error it is in doubt which of it is (the kernel may have dropped
// it), and asking again does not help: end the clip at what was durable before.
func (f *File) Datasync() error {
	for {
		err := unix.Fdatasync(int(f.file.Fd()))
		if !errors.Is(err, unix.EINTR) {
			return explain("sync", f.name, err)
		}
	}
}

// Close closes the file. It does not make anything durable. Remains of an append that did not work are cut off.
func (f *File) Close() error {
	var err error
	if f.dirty {
		err = f.file.Truncate(f.size)
	}
	return explain("close", f.name, errors.Join(err, f.file.Close()))
}

// Replace puts a file under name that holds what fill writes: all of it or, when fill or the disk says no, what was there
// before. The new file is durable when Replace returns. Until then it is called name.part.
func (r *Root) Replace(name string, fill func(io.Writer) error) error {
	if err := r.Remove(name + ".part"); err != nil { // left from a crash
		return err
	}
	part, err := r.Create(name + ".part")
	if err != nil {
		return err
	}
	if err := errors.Join(fill(part), part.Datasync(), part.Close()); err != nil {
		return errors.Join(err, r.Remove(part.name))
	}
	root, dir, unlock, err := r.held()
	if err != nil {
		return err
	}
	defer unlock()
	if err := root.Rename(part.name, name); err != nil {
		return explain("rename", part.name, errors.Join(err, root.Remove(part.name)))
	}
	return explain("rename", part.name, tree{root, dir}.sync(path.Dir(name)))
}

// Remove unlinks files and makes that durable before it returns: one fsync for each directory, not for each file. Files that are
// gone already are no error. Directories that are empty then go too. It asks for the marker first, because a file that is
// missing from a disk that is missing is not gone. The first error ends it.
func (r *Root) Remove(names ...string) error {
	if err := r.Check(); err != nil {
		return err
	}
	root, handle, unlock, err := r.held()
	if err != nil {
		return err
	}
	defer unlock()
	var dirs []string
	for _, name := range names {
		if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return explain("remove", name, err)
		}
		dirs = append(dirs, path.Dir(name))
	}
	slices.Sort(dirs)
	for _, dir := range slices.Compact(dirs) {
		if err := (tree{root, handle}).settle(dir); err != nil {
			return explain("remove from", dir, err)
		}
	}
	return nil
}
