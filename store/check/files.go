package check

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"cardea/store/disk"
)

// partAge is how old a file that is being made (name.part) has to be to count as left behind.
const partAge = time.Hour

// files checks I3: from the files to the rows. Directories that are not a camera's are none of our business (backup, and what a
// NAS puts everywhere), unless there is a clip in them.
func (c *checker) files(ctx context.Context) error {
	if c.root == nil {
		return nil
	}
	tree, err := c.root.FS()
	if err != nil {
		return err
	}
	return fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, fs.ErrNotExist): // removed while we walk
			return nil
		case err != nil:
			return c.report(3, name, "look at the disk and the owner of the directory", "it cannot be read: %v", err)
		case entry.IsDir():
			if name == "backup" {
				return fs.SkipDir
			}
			return nil
		}
		return c.file(ctx, name, entry)
	})
}

func (c *checker) file(ctx context.Context, name string, entry fs.DirEntry) error {
	whole, part := strings.CutSuffix(name, ".part")
	preview := strings.HasSuffix(whole, disk.PreviewSuffix)
	if !preview && !strings.HasSuffix(whole, disk.ClipSuffix) {
		return nil
	}
	_, id, ok := parsePath(whole)
	if !ok {
		return c.report(3, name, "move it out of the clips directory", "a clip's file in a place where none belongs")
	}
	if part {
		info, err := entry.Info()
		if err != nil || time.Since(info.ModTime()) < partAge {
			return nil // removed, or being made
		}
		return c.report(3, name, "delete this file", "left behind by an interrupted salvage")
	}
	// The row comes before the file and goes before it, so in this order no moment looks wrong: row, garbage, and if there is
	// neither, is the file still there?
	if preview {
		if row, found, err := c.preview(ctx, id); err != nil || (found && row.path() == name) {
			return err
		}
	} else if row, found, err := c.clip(ctx, id); err != nil || (found && row.path() == name) {
		return err
	}
	var waiting bool
	if err := c.db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM garbage WHERE path = ?)`, name).Scan(&waiting); err != nil || waiting {
		return err
	}
	if _, err := c.root.Stat(name); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return c.report(3, name, "if the database was restored from a backup, this is footage from after it: keep the file and open it with age, or move it away",
		"a clip's file that the index does not know")
}

// parsePath takes the path of a clip or of its preview apart; ok is false when it is neither.
func parsePath(name string) (camera, id ulid.ULID, ok bool) {
	fields := strings.Split(name, "/")
	if len(fields) != 5 {
		return camera, id, false
	}
	camera, errCamera := ulid.ParseStrict(fields[0])
	day, errDay := time.Parse("2006/01/02", strings.Join(fields[1:4], "/"))
	stem, _, _ := strings.Cut(path.Base(name), ".")
	id, errID := ulid.ParseStrict(stem)
	if errors.Join(errCamera, errDay, errID) != nil {
		return camera, id, false
	}
	return camera, id, disk.ClipPath(camera, day, id) == name || disk.PreviewPath(camera, day, id) == name
}
