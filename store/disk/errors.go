package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

// What can be wrong with a disk. Every error of this package that comes from the disk matches one of them with errors.Is, and
// the system's own error too.
var (
	// ErrFull means that no space, no inodes or no quota is left: delete the oldest clips and try again.
	ErrFull = errors.New("the disk is full")
	// ErrReadOnly means that the file system is mounted, or has turned itself, read-only: a person has to look at it.
	ErrReadOnly = errors.New("the disk is read-only")
	// ErrNotMounted means that the directory is not the one with this store's marker: wait until it is back, write nothing.
	ErrNotMounted = errors.New("the clips directory is not mounted")
	// ErrOtherStore means that the directory holds the clips of another store: a person has to choose.
	ErrOtherStore = errors.New("the clips directory belongs to another Cardea")
	// ErrDenied means that this user may not write there: a person has to change the owner.
	ErrDenied = errors.New("the clips directory cannot be written by this user")
	// ErrIO means that the disk reports errors: what was not synced before is in doubt.
	ErrIO = errors.New("the disk reports errors")
)

// Error is what went wrong with one file or directory.
type Error struct {
	Kind error  // one of the variables above
	Op   string // "create", "append", "sync", ...
	Path string // relative to the directory, or the directory itself
	Err  error  // what the system said; may be nil
}

// Error gives a sentence for people.
func (e *Error) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("%s %s: %v", e.Op, e.Path, e.Kind)
	}
	return fmt.Sprintf("%s %s: %v (%v)", e.Op, e.Path, e.Kind, e.Err)
}

// Unwrap gives the kind and the system's error.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// explain sorts err. Errors that say nothing about the disk, such as a missing file, are wrapped as they are.
func explain(op, path string, err error) error {
	if err == nil {
		return nil
	}
	var inner *fs.PathError
	if errors.As(err, &inner) {
		err = inner.Err // path and operation are said once, by Error
	}
	var number syscall.Errno
	if !errors.As(err, &number) {
		return fmt.Errorf("%s %s: %w", op, path, err)
	}
	kind := error(nil)
	switch number {
	case syscall.ENOSPC, syscall.EDQUOT:
		kind = ErrFull
	case syscall.EROFS:
		kind = ErrReadOnly
	case syscall.EACCES, syscall.EPERM:
		kind = ErrDenied
	case syscall.ESTALE, syscall.ENODEV, syscall.ENXIO, syscall.ENOTCONN, syscall.EHOSTDOWN, syscall.ESHUTDOWN:
		kind = ErrNotMounted
	case syscall.EIO, syscall.EREMOTEIO, syscall.EUCLEAN, syscall.EBADMSG, syscall.ETIMEDOUT:
		kind = ErrIO
	default:
		return fmt.Errorf("%s %s: %w", op, path, err)
	}
	return &Error{Kind: kind, Op: op, Path: path, Err: err}
}
