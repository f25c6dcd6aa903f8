package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"cardea/store/migration"
)

// FileName is the name of the database in the data directory.
const FileName = "cardea.db"

// Config says where the store is. Only Dir is required.
type Config struct {
	Dir     string           // data directory; made when missing
	Now     func() time.Time // time.Now when nil
	Entropy io.Reader        // crypto/rand when nil
	Log     *slog.Logger     // silent when nil
}

// DB is an open store. It holds the lock on the data directory until Close.
type DB struct {
	dir, path string
	now       func() time.Time
	entropy   io.Reader
	log       *slog.Logger
	lock      *os.File
	pools     []*sql.DB
	writer    chan *session // holds the one writer while nobody uses it
	readers   chan *session // holds the readers nobody uses
	closed    chan struct{}
	once      sync.Once
	followers followers
	id        ID

	logFollowers followers
	logFault     atomic.Pointer[logFault]
}

// Open locks the data directory, checks the database as far as that takes no scan, brings it to the newest schema (after
// a backup beside it) and opens it. Every refusal is an Error whose message says what to do; nothing is changed then.
// The caller closes the DB.
func Open(ctx context.Context, config Config) (*DB, error) {
	db := &DB{
		now: config.Now, entropy: config.Entropy, log: config.Log,
		writer: make(chan *session, 1), readers: make(chan *session, readers), closed: make(chan struct{}),
	}
	if db.now == nil {
		db.now = time.Now
	}
	if db.entropy == nil {
		db.entropy = rand.Reader
	}
	if db.log == nil {
		db.log = slog.New(slog.DiscardHandler)
	}
	if config.Dir == "" {
		return nil, Errorf(Invalid, "no data directory is given")
	}
	dir, err := filepath.Abs(config.Dir)
	if err != nil {
		return nil, fmt.Errorf("find the data directory: %w", err)
	}
	db.dir, db.path = dir, filepath.Join(dir, FileName)
	if err := db.open(ctx); err != nil {
		return nil, errors.Join(err, db.release())
	}
	return db, nil
}

func (db *DB) open(ctx context.Context) error {
	if err := db.prepareDir(); err != nil {
		return err
	}
	lock, err := takeLock(db.dir)
	if err != nil {
		return err
	}
	db.lock = lock
	fresh, err := db.inspect()
	if err != nil {
		return err
	}
	if fresh {
		if err := db.create(ctx); err != nil {
			return db.explain(err)
		}
	}
	pool := openPool(db.path, "rw", false)
	db.pools = append(db.pools, pool)
	writer, err := newSession(ctx, pool)
	if err != nil {
		return db.explain(err)
	}
	db.writer <- writer
	// After a long reader the log may have grown; it is cut back to this when it starts again.
	if _, err := writer.conn.ExecContext(ctx, `PRAGMA journal_size_limit = 67108864`); err != nil {
		return db.explain(err)
	}
	if err := db.migrate(ctx, writer.conn); err != nil {
		return db.explain(err)
	}
	pool = openPool(db.path, "rw", true)
	db.pools = append(db.pools, pool)
	for range readers {
		reader, err := newSession(ctx, pool)
		if err != nil {
			return db.explain(err)
		}
		db.readers <- reader
	}
	return db.sample(ctx)
}

// create makes a new database under another name and renames it when it is complete. So an empty or half made file
// under the real name is always damage, never a first start that was cut off.
func (db *DB) create(ctx context.Context) error {
	half := db.path + ".new"
	for _, name := range []string{half, half + "-wal", half + "-shm", half + "-journal"} {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	id, err := db.NewID(db.now())
	if err != nil {
		return err
	}
	file, err := os.OpenFile(half, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	pool := openPool(half, "rw", false)
	err = func() error {
		conn, err := pool.Conn(ctx)
		if err != nil {
			return err
		}
		defer conn.Close() //nolint:errcheck // pool.Close below reports
		if err := migration.Apply(ctx, conn, 0); err != nil {
			return err
		}
		_, err = conn.ExecContext(ctx, `INSERT INTO setting (key, value) VALUES (?, ?)`, keyStoreID, id.String())
		return err
	}()
	if err := errors.Join(err, pool.Close()); err != nil {
		return fmt.Errorf("create the database: %w", err)
	}
	// Closing the last connection has folded the write-ahead log into the file.
	if err := os.Rename(half, db.path); err != nil {
		return err
	}
	db.log.InfoContext(ctx, "new database", "path", db.path)
	return syncDir(db.dir)
}

// migrate brings the schema to the newest version, after a backup that stays beside the database.
func (db *DB) migrate(ctx context.Context, conn *sql.Conn) error {
	latest, err := migration.Latest()
	if err != nil {
		return err
	}
	var version int
	if err := conn.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil {
		return err
	}
	if version == latest {
		return nil
	}
	if version > latest { // inspect has read the header; this catches a version that was still in the write-ahead log
		return newer(db.path, version, latest)
	}
	backup := fmt.Sprintf("%s.v%d-%s.backup", db.path, version, db.now().UTC().Format("20060102T150405Z"))
	db.log.InfoContext(ctx, "the schema changes", "from", version, "to", latest, "backup", backup)
	if err := vacuumInto(ctx, conn, backup); err != nil {
		return fmt.Errorf("back up before the schema changes: %w", err)
	}
	return migration.Apply(ctx, conn, version)
}

// ID names this store; the marker in a clips directory holds it.
func (db *DB) ID() ID { return db.id }

// Dir is the data directory as an absolute path.
func (db *DB) Dir() string { return db.dir }

// Close waits for the transactions under way, folds the write-ahead log into the database and gives the lock back.
// Methods called later say Unavailable. Closing twice is harmless.
func (db *DB) Close() error {
	var err error
	db.once.Do(func() {
		close(db.closed)
		db.followers.close()
		db.logFollowers.close()
		var idle []*session
		for range readers { // waits for those in use; they are not put back
			idle = append(idle, <-db.readers)
		}
		writer := <-db.writer
		for _, each := range append(idle, writer) { // the writer last: it folds the log
			err = errors.Join(err, each.close())
		}
		err = errors.Join(err, db.release())
	})
	return err
}

// release closes whatever open has opened so far and nobody uses.
func (db *DB) release() error {
	var errs []error
	for _, waiting := range []chan *session{db.readers, db.writer} {
		for len(waiting) > 0 {
			errs = append(errs, (<-waiting).close())
		}
	}
	for i := range db.pools {
		errs = append(errs, db.pools[len(db.pools)-1-i].Close())
	}
	if db.lock != nil {
		errs = append(errs, db.lock.Close())
	}
	return errors.Join(errs...)
}
