package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"cardea/store/disk"
	"cardea/store/migration"
)

// lockName is the file whose flock says that a process works on the directory.
const lockName = "lock"

// prepareDir makes the data directory where it is missing and makes sure that it can be written and holds SQLite well.
func (db *DB) prepareDir() error {
	if err := disk.MakeDir(db.dir); err != nil {
		return db.unwritable(err)
	}
	if err := unix.Access(db.dir, unix.W_OK|unix.X_OK); err != nil {
		return db.unwritable(err)
	}
	var at unix.Statfs_t
	if err := unix.Statfs(db.dir, &at); err != nil {
		return unavailable(err, "the data directory %s cannot be looked at", db.dir)
	}
	if name := networkFilesystem(int64(at.Type)); name != "" {
		return Errorf(Unavailable, "the data directory %s is on a network share (%s), where SQLite loses data; "+
			"keep the data directory on a local disk and put only the clips on the share with --clips DIR", db.dir, name)
	}
	return nil
}

// networkFilesystem names the file systems on which locks or shared memory do not work as SQLite's log needs them
// (https://sqlite.org/wal.html, "All processes using a database must be on the same host").
func networkFilesystem(magic int64) string {
	switch uint32(magic) {
	case unix.NFS_SUPER_MAGIC:
		return "NFS"
	case unix.SMB_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC:
		return "SMB"
	case unix.AFS_SUPER_MAGIC, unix.CODA_SUPER_MAGIC:
		return "a distributed file system"
	}
	return ""
}

func (db *DB) unwritable(err error) error {
	switch {
	case errors.Is(err, unix.EROFS):
		return unavailable(err, "the data directory %s is on a disk mounted read-only; mount it writable or choose another with --data DIR", db.dir)
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return unavailable(err, "the disk that holds %s is full; free some space there", db.dir)
	case errors.Is(err, unix.ENOTDIR), errors.Is(err, fs.ErrExist):
		return &Error{Code: Invalid, Message: fmt.Sprintf("%s is a file, not a directory; choose another with --data DIR", db.dir), Err: err}
	}
	return unavailable(err, "the data directory %s cannot be written by this user; run: sudo mkdir -p %s && sudo chown -R %d:%d %s",
		db.dir, quote(db.dir), os.Getuid(), os.Getgid(), quote(db.dir))
}

// quote makes text one word for a POSIX shell.
func quote(text string) string {
	if !strings.ContainsFunc(text, func(r rune) bool {
		return !strings.ContainsRune("/._-+,:@%", r) && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// takeLock takes the flock on the directory; the kernel gives it back however the process ends.
func takeLock(dir string) (*os.File, error) {
	path := filepath.Join(dir, lockName)
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, unavailable(err, "the lock %s cannot be opened; run: sudo chown -R %d:%d %s", path, os.Getuid(), os.Getgid(), quote(dir))
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer file.Close() //nolint:errcheck // only read from
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, unavailable(err, "the data directory %s cannot be locked", dir)
		}
		owner, _ := io.ReadAll(io.LimitReader(file, 20))
		who := "another process"
		if pid := strings.TrimSpace(string(owner)); pid != "" {
			who = "process " + pid
		}
		return nil, Errorf(Conflict, "%s works on %s already; stop it first, or choose another directory with --data DIR", who, dir)
	}
	if err := errors.Join(file.Truncate(0), writePID(file)); err != nil {
		file.Close() //nolint:errcheck // the first error counts
		return nil, unavailable(err, "the lock %s cannot be written", path)
	}
	return file, nil
}

func writePID(file *os.File) error {
	_, err := file.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0)
	return err
}

// inspect reads the database's header without SQLite, so that nothing is changed before it is clear that the file is a
// sound database of ours and not newer than this program. It reports whether there is none yet.
// Header: https://sqlite.org/fileformat.html, section 1.3.
func (db *DB) inspect() (fresh bool, err error) {
	file, err := os.Open(db.path)
	if errors.Is(err, fs.ErrNotExist) {
		// A log without its database is what a lost or moved database leaves behind.
		if info, err := os.Stat(db.path + "-wal"); err == nil && info.Size() > 0 {
			return false, Errorf(Unavailable, "%s is missing, but %s-wal is there; put the database back or run `cardea restore`", db.path, db.path)
		}
		return true, nil
	}
	if err != nil {
		return false, db.unwritable(err)
	}
	defer file.Close() //nolint:errcheck // only read from
	info, err := file.Stat()
	if err != nil {
		return false, err
	}
	header := make([]byte, 100)
	if _, err := io.ReadFull(file, header); err != nil || !bytes.HasPrefix(header, []byte("SQLite format 3\x00")) {
		return false, db.damaged(errors.Join(err, errors.New("the file has no SQLite header")))
	}
	if id := binary.BigEndian.Uint32(header[68:]); id != migration.ApplicationID {
		return false, Errorf(Invalid, "%s is a database of another program; nothing was changed. Choose another directory with --data DIR", db.path)
	}
	latest, err := migration.Latest()
	if err != nil {
		return false, err
	}
	if version := int(binary.BigEndian.Uint32(header[60:])); version > latest {
		return false, newer(db.path, version, latest)
	}
	pageSize := int64(binary.BigEndian.Uint16(header[16:]))
	if pageSize == 1 {
		pageSize = 65536
	}
	// While a log waits to be folded in, the file may be shorter than it will be.
	log, err := os.Stat(db.path + "-wal")
	if folded := err != nil || log.Size() == 0; folded {
		if want := pageSize * int64(binary.BigEndian.Uint32(header[28:])); info.Size() < want {
			return false, db.damaged(fmt.Errorf("the file has %d bytes, its header says %d", info.Size(), want))
		}
	}
	if unix.Access(db.path, unix.W_OK) != nil {
		return false, db.unwritable(unix.EACCES)
	}
	return false, nil
}

func newer(path string, version, latest int) *Error {
	return Errorf(Conflict, "%s was written by a newer Cardea (schema %d, this one knows up to %d); nothing was changed. "+
		"Install the newer version again, or restore the backup that was made beside the database before the update", path, version, latest)
}

// sample reads a little of each table: enough to meet a damaged root or a wrong schema, without a scan.
func (db *DB) sample(ctx context.Context) error {
	return db.read(ctx, func(t *tx) error {
		text, err := setting(t, keyStoreID)
		if err != nil {
			return err
		}
		if db.id, err = ParseID(text); err != nil {
			return db.damaged(err)
		}
		for _, query := range []string{
			`SELECT count(*) FROM sqlite_schema`, `SELECT count(*) FROM usage`, `SELECT count(*) FROM vault`, `SELECT count(*) FROM user`,
			`SELECT count(*) FROM (SELECT * FROM camera)`, `SELECT count(*) FROM (SELECT * FROM garbage LIMIT 1)`,
			`SELECT count(*) FROM (SELECT max(no), min(no) FROM clip_parts)`, `SELECT count(*) FROM (SELECT * FROM open_part LIMIT 1)`,
			`SELECT count(*) FROM (SELECT max(id) FROM clip)`, `SELECT count(*) FROM (SELECT * FROM clip LIMIT 1)`,
			`SELECT count(*) FROM (SELECT * FROM clip ORDER BY camera_no DESC, start DESC LIMIT 1)`,
			`SELECT count(*) FROM (SELECT max(seq) FROM event)`, `SELECT count(*) FROM (SELECT * FROM gap LIMIT 1)`,
			`SELECT count(*) FROM (SELECT * FROM log_record LIMIT 1)`,
		} {
			var count int64
			if err := t.one(sql.ErrNoRows, query, nil, &count); err != nil {
				return err
			}
		}
		return nil
	})
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
