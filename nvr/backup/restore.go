package backup

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"cardea/store"
	"cardea/store/tlog"
	"cardea/store/vault"
)

const (
	maxEntries  = 1000
	maxKeyBytes = 1 << 20
	halfDir     = ".restore"
)

// keyName is what a file in keys may be called: up to three parts of plain characters that do not begin with a dot.
var keyName = regexp.MustCompile(`^keys(/[A-Za-z0-9_][A-Za-z0-9._-]{0,99}){1,3}$`)

// logName is what a file of a log is called.
var logName = regexp.MustCompile(`^log/(access|footage)\.(checkpoint|vkey|leaves)$`)

// allowedName says whether a file belongs into a backup.
func allowedName(name string) bool {
	return name == manifestName || name == store.FileName || keyName.MatchString(name) || logName.MatchString(name)
}

// Restore opens the backup in file with the vault's identity and puts it into dataDir, which must be missing or empty. All of it
// is checked before the first file gets its name: that the backup is whole, that it holds nothing but what a backup holds,
// and that the index is sound and not newer than this program. An error is a sentence for a person, and dataDir is as it was.
func Restore(ctx context.Context, id *vault.Identity, file, dataDir string) (Manifest, error) {
	f, err := os.Open(file)
	if err != nil {
		return Manifest{}, store.Errorf(store.NotFound, "the backup %s cannot be read: %s", file, err.Error())
	}
	defer f.Close() //nolint:errcheck // only read from
	info, err := f.Stat()
	if err != nil {
		return Manifest{}, fmt.Errorf("restore: %w", err)
	}
	plain, err := vault.Open(f, id)
	if errors.Is(err, vault.ErrIdentity) {
		return Manifest{}, store.Errorf(store.Denied, "this recovery kit is not the one of the vault that %s was sealed to", file)
	}
	if err != nil {
		return Manifest{}, store.Errorf(store.Invalid, "%s is no backup of Cardea: it is not an age file", file)
	}
	made, err := emptyDir(dataDir)
	if err != nil {
		return Manifest{}, err
	}
	half := filepath.Join(dataDir, halfDir)
	undo := func() {
		_ = os.RemoveAll(half)
		if made {
			_ = os.Remove(dataDir)
		}
	}
	m, err := unpack(ctx, plain, half, info.Size())
	if err == nil {
		err = checkIndex(ctx, half, m)
	}
	if err == nil {
		err = rebuildLogs(half)
	}
	if err == nil {
		err = moveUp(half, dataDir)
	}
	if err != nil {
		undo()
		return Manifest{}, err
	}
	return m, os.RemoveAll(half)
}

// emptyDir makes the directory or finds it empty, and says whether it made it.
func emptyDir(path string) (made bool, err error) {
	entries, err := os.ReadDir(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := os.MkdirAll(path, 0o700); err != nil {
			return false, store.Errorf(store.Unavailable, "%s cannot be made: %s", path, err.Error())
		}
		return true, nil
	case err != nil:
		return false, store.Errorf(store.Unavailable, "%s cannot be read: %s", path, err.Error())
	case len(entries) > 0:
		return false, store.Errorf(store.Conflict, "%s is not empty; restore into an empty directory, nothing was changed", path)
	}
	return false, nil
}

// unpack writes the archive into half. limit is the size of the file it comes from: nothing in it is compressed, so
// whatever claims to be larger, such as a sparse file, is an attack.
func unpack(ctx context.Context, r io.Reader, half string, limit int64) (Manifest, error) {
	foreign := func(why string) error {
		return store.Errorf(store.Invalid, "this is no backup of Cardea: %s; nothing was changed", why)
	}
	if err := os.Mkdir(half, 0o700); err != nil {
		return Manifest{}, fmt.Errorf("restore: %w", err)
	}
	root, err := os.OpenRoot(half)
	if err != nil {
		return Manifest{}, fmt.Errorf("restore: %w", err)
	}
	defer root.Close() //nolint:errcheck // nothing is written through it
	var m Manifest
	in := tar.NewReader(r)
	seen := map[string]bool{}
	for {
		if err := ctx.Err(); err != nil {
			return m, err
		}
		head, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return m, foreign("it is damaged or cut off")
		}
		switch {
		case head.Typeflag != tar.TypeReg || !allowedName(head.Name):
			return m, foreign(fmt.Sprintf("it holds %.60q", head.Name))
		case seen[head.Name] || len(seen) >= maxEntries:
			return m, foreign("it holds too many files")
		case len(seen) == 0 && head.Name != manifestName:
			return m, foreign("it does not begin with " + manifestName)
		case head.Size > limit || head.Name != store.FileName && !strings.HasSuffix(head.Name, logLeaves) && head.Size > maxKeyBytes:
			return m, foreign("a file in it is too large")
		}
		seen[head.Name] = true
		limit -= head.Size
		if head.Name == manifestName {
			if err := json.NewDecoder(in).Decode(&m); err != nil || m.Format < 1 {
				return m, foreign("its description makes no sense")
			}
			if m.Format > format {
				return m, store.Errorf(store.Conflict, "this backup was made by a newer Cardea (format %d); install that version to restore it", m.Format)
			}
			continue
		}
		if err := writeFile(root, head.Name, in); err != nil {
			return m, err
		}
	}
	// Only the end of the age file shows that nothing was cut off.
	if _, err := io.Copy(io.Discard, r); err != nil {
		return m, foreign("it is damaged or cut off")
	}
	if !seen[store.FileName] {
		return m, foreign("it holds no database")
	}
	return m, nil
}

// writeFile makes one file durable below root.
func writeFile(root *os.Root, name string, r io.Reader) error {
	if err := root.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return fmt.Errorf("restore %s: %w", name, err)
	}
	f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("restore %s: %w", name, err)
	}
	_, err = io.Copy(f, r)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return store.Errorf(store.Unavailable, "restore %s: %s", name, err.Error())
	}
	return nil
}

// checkIndex opens the database as the NVR would: foreign, damaged and newer ones are refused, older ones brought up to date. Its access
// log says from then on that it was restored.
func checkIndex(ctx context.Context, half string, m Manifest) error {
	db, err := store.Open(ctx, store.Config{Dir: half})
	if err != nil {
		return err
	}
	id := db.ID().String()
	err = db.LogAccess(ctx, store.Access{
		Action: "restore", Actor: store.Actor{Name: "console", Role: "console"}, Detail: "the backup of " + m.Created.UTC().Format(time.RFC3339),
	})
	if err := errors.Join(err, db.Close()); err != nil {
		return err
	}
	if id != m.Store {
		return store.Errorf(store.Invalid, "the database in this backup is not the one it describes; nothing was changed")
	}
	return nil
}

// rebuildLogs makes the directories of the logs from what the backup has of them.
func rebuildLogs(half string) error {
	for _, name := range logNames {
		at := func(suffix string) string { return filepath.Join(half, logsDir, name+suffix) }
		leaves, err := os.Open(at(logLeaves))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("restore: %w", err)
		}
		checkpoint, err := os.ReadFile(at(logCheckpoint))
		key, keyErr := os.ReadFile(at(logKey))
		if err = errors.Join(err, keyErr); err == nil {
			err = tlog.Rebuild(filepath.Join(half, logsDir, name), checkpoint, key, leaves)
		}
		err = errors.Join(err, leaves.Close(), os.Remove(at(logLeaves)), os.Remove(at(logCheckpoint)), os.Remove(at(logKey)))
		if err != nil {
			return store.Errorf(store.Invalid, "the %s log in this backup cannot be made again: %s; nothing was changed", name, err.Error())
		}
	}
	return nil
}

// moveUp gives the files their names, the database last: where it is, the rest is too.
func moveUp(half, dir string) error {
	if _, err := os.Stat(filepath.Join(half, keysDir)); err == nil {
		if err := os.Rename(filepath.Join(half, keysDir), filepath.Join(dir, keysDir)); err != nil {
			return fmt.Errorf("restore: %w", err)
		}
	}
	if _, err := os.Stat(filepath.Join(half, logsDir)); err == nil {
		if err := os.Rename(filepath.Join(half, logsDir), filepath.Join(dir, logsDir)); err != nil {
			return errors.Join(fmt.Errorf("restore: %w", err), os.RemoveAll(filepath.Join(dir, keysDir)))
		}
	}
	if err := syncDir(dir); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	if err := os.Rename(filepath.Join(half, store.FileName), filepath.Join(dir, store.FileName)); err != nil {
		return errors.Join(fmt.Errorf("restore: %w", err), os.RemoveAll(filepath.Join(dir, keysDir)), os.RemoveAll(filepath.Join(dir, logsDir)))
	}
	return syncDir(dir)
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
