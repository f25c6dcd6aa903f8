// Package disk is the directory that holds the clips: it makes, appends to, syncs and unlinks files there, and knows whether the
// disk is really there, full, read-only or dying.
//
// It owns the layout of the directory, the marker file in its root and the order of fsyncs. It knows no database and never looks
// into a file. Names are relative to the directory, with slashes; a name that leads out of it, also through a symbolic link, is
// refused (os.Root).
//
// A disk that is not mounted must not turn into writes to the disk below the mount point. Two things prevent that. The marker
// file holds the identifier of the store and is asked for at Open and before each new file. And the directory is held open, so
// that files that are being written stay on the disk they were begun on.
package disk
