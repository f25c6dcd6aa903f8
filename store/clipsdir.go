package store

import (
	"context"
	"errors"
	"path/filepath"

	"cardea/store/disk"
)

// KeyClipsDir is the setting that holds the clips directory used last, as an absolute path.
const KeyClipsDir = "clips.dir"

// ClipsDir is the directory of clips inside a data directory, used where no other is asked for.
const ClipsDir = "clips"

// OpenRoot opens the clips directory: dir, or DATA/clips when dir is empty. A directory that this store has used before, or any
// other once there are clips, has to carry this store's marker; a fresh one gets it. The directory used last may be missing now:
// then the root waits for its disk and answers disk.ErrNotMounted until it is back. Other refusals are Unavailable or Conflict, say
// what to do, match the errors of package disk, and nothing is written. The caller closes the root.
func (db *DB) OpenRoot(ctx context.Context, dir string) (*disk.Root, error) {
	own := filepath.Join(db.dir, ClipsDir)
	if dir == "" {
		dir = own
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	last, used := "", false
	err = db.read(ctx, func(t *tx) error {
		last, err = setting(t, KeyClipsDir)
		if err != nil && ErrorCode(err) != NotFound {
			return err
		}
		return t.one(nil, `SELECT EXISTS (SELECT 1 FROM clip) OR EXISTS (SELECT 1 FROM garbage)`, nil, &used)
	})
	if err != nil {
		return nil, err
	}
	root, err := disk.Open(disk.Config{
		Dir: dir, Store: db.id,
		// A directory given by hand may be a mount point, and so may the own one once it has been used.
		Make: dir == own && last != own,
		Mark: last != dir && !used,
		Wait: last == dir,
	})
	if err != nil {
		return nil, explainDisk(err, dir, last)
	}
	if last != dir {
		if err := db.PutSettings(ctx, map[string]string{KeyClipsDir: dir}); err != nil {
			return nil, errors.Join(err, root.Close())
		}
	}
	return root, nil
}

func explainDisk(err error, dir, last string) error {
	switch {
	case errors.Is(err, disk.ErrNotMounted) && last != "" && last != dir:
		return unavailable(err, "the clips are in %s; to keep them in %s, stop Cardea and move everything there, the file %s too "+
			"(mv %s/.[!.]* %s/* %s/), or start without --clips", last, dir, disk.Marker, quote(last), quote(last), quote(dir))
	case errors.Is(err, disk.ErrNotMounted):
		return unavailable(err, "%s is not there, or has no file %s and so is not the disk with the clips; mount it, or make the "+
			"directory if it is to be a new one. Nothing was written", dir, disk.Marker)
	case errors.Is(err, disk.ErrOtherStore):
		return &Error{Code: Conflict, Err: err, Message: dir + " holds clips of another Cardea database; choose another directory, " +
			"or bring that database back with `cardea restore`"}
	}
	return unavailable(err, "the clips directory %s cannot be used", dir)
}
