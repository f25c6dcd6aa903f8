package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Snapshot writes a complete copy of the database as it is now to path, which MUST not exist, and makes it durable. Writers
// go on meanwhile. The copy has no free pages and needs no log beside it. A copy that was cut off is removed.
func (db *DB) Snapshot(ctx context.Context, path string) error {
	select {
	case <-db.closed:
		return errClosed()
	default:
	}
	pool := openPool(db.path, "rw", false) // of its own: it takes long and would keep a reader busy
	conn, err := pool.Conn(ctx)
	if err == nil {
		err = errors.Join(vacuumInto(ctx, conn, path), conn.Close())
	}
	if err := errors.Join(err, pool.Close()); err != nil {
		return db.explain(fmt.Errorf("copy the database to %s: %w", path, err))
	}
	return nil
}

// Fold brings the write-ahead log into the database and cuts it to nothing, so that what was erased is in neither. It does what
// can be done while others read; the rest goes with the next call.
func (db *DB) Fold(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-db.closed:
		return errClosed()
	case writer := <-db.writer:
		defer func() { db.writer <- writer }()
		_, err := writer.conn.ExecContext(context.WithoutCancel(ctx), `PRAGMA wal_checkpoint(TRUNCATE)`)
		return db.explain(err)
	}
}

func vacuumInto(ctx context.Context, conn *sql.Conn, path string) error {
	// Made here first, so that it is never readable by others, not even while it grows. SQLite takes an empty file.
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return &Error{Code: Conflict, Message: path + " exists already", Err: err}
	}
	if err != nil {
		return err
	}
	_, err = conn.ExecContext(ctx, `VACUUM INTO ?`, path)
	if err == nil {
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return syncDir(filepath.Dir(path))
}
