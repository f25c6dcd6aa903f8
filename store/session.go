package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"

	"github.com/mattn/go-sqlite3"
)

// readers is how many reads can run beside each other. Each connection has up to 2 MiB of page cache.
const readers = 4

// connector opens SQLite connections without database/sql's global registry.
type connector struct {
	dsn    string
	driver *sqlite3.SQLiteDriver
}

func (c connector) Connect(context.Context) (driver.Conn, error) { return c.driver.Open(c.dsn) }
func (c connector) Driver() driver.Driver                        { return c.driver }

// openPool gives a pool on the file at path; mode is SQLite's ro, rw or rwc.
func openPool(path, mode string, queryOnly bool) *sql.DB {
	options := url.Values{
		"mode":           {mode},
		"_journal_mode":  {"WAL"},
		"_synchronous":   {"FULL"}, // every commit is on the disk before it is announced
		"_foreign_keys":  {"on"},
		"_secure_delete": {"on"}, // deleted rows are overwritten
		"_busy_timeout":  {"10000"},
		"_txlock":        {"immediate"},
	}
	if mode == "ro" || queryOnly {
		options.Del("_journal_mode")
		options.Del("_txlock")
		options.Set("_query_only", "on")
	}
	address := url.URL{Scheme: "file", Path: path, OmitHost: true, RawQuery: options.Encode()}
	return sql.OpenDB(connector{dsn: address.String(), driver: &sqlite3.SQLiteDriver{}})
}

// session is one connection with its prepared statements. It is used by one goroutine at a time.
type session struct {
	conn  *sql.Conn
	ready map[string]*sql.Stmt
}

func newSession(ctx context.Context, pool *sql.DB) (*session, error) {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	return &session{conn: conn, ready: map[string]*sql.Stmt{}}, nil
}

func (s *session) close() error {
	var errs []error
	for _, statement := range s.ready {
		errs = append(errs, statement.Close())
	}
	return errors.Join(append(errs, s.conn.Close())...)
}

// tx is a transaction that has begun. Private functions take it; public methods begin and end it.
// Its context is never done: a transaction is short and runs to its end.
type tx struct {
	*session
	ctx context.Context //nolint:containedctx // lives exactly as long as the call that made it
	db  *DB
	// events counts the rows of event that were added or changed, for the wake-up after the commit.
	events int
	logged bool // a record was appended to a log
}

// statement prepares query once a connection. Queries are constants, so there are few of them.
func (t *tx) statement(query string) (*sql.Stmt, error) {
	if found, ok := t.ready[query]; ok {
		return found, nil
	}
	made, err := t.conn.PrepareContext(t.ctx, query)
	if err != nil {
		return nil, err
	}
	t.ready[query] = made
	return made, nil
}

func (t *tx) exec(query string, args ...any) (sql.Result, error) {
	statement, err := t.statement(query)
	if err != nil {
		return nil, err
	}
	return statement.ExecContext(t.ctx, args...)
}

// change is exec for statements that must hit a row: none gives missing.
func (t *tx) change(missing error, query string, args ...any) error {
	result, err := t.exec(query, args...)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n > 0 {
		return err
	}
	return missing
}

// one scans the single row of query; no row gives missing.
func (t *tx) one(missing error, query string, args []any, into ...any) error {
	statement, err := t.statement(query)
	if err != nil {
		return err
	}
	err = statement.QueryRowContext(t.ctx, args...).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return missing
	}
	return err
}

// scanner is what a row offers to a scan function.
type scanner interface{ Scan(into ...any) error }

// list collects the rows of query.
func list[T any](t *tx, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	statement, err := t.statement(query)
	if err != nil {
		return nil, err
	}
	rows, err := statement.QueryContext(t.ctx, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err below has what matters
	var all []T
	for rows.Next() {
		item, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, item)
	}
	return all, rows.Err()
}

// write runs fn in the one write transaction. Whatever fn returns undoes everything, unless it is nil.
func (db *DB) write(ctx context.Context, fn func(*tx) error) error {
	var writer *session
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-db.closed:
		return errClosed()
	case writer = <-db.writer:
	}
	defer func() { db.writer <- writer }()
	t := &tx{session: writer, ctx: context.WithoutCancel(ctx), db: db}
	if err := t.run("BEGIN IMMEDIATE", fn, "COMMIT"); err != nil {
		return db.explain(err)
	}
	if t.events > 0 {
		db.followers.wake()
	}
	if t.logged {
		db.logFollowers.wake()
	}
	return nil
}

// read runs fn on one consistent state of the database.
func (db *DB) read(ctx context.Context, fn func(*tx) error) error {
	var reader *session
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-db.closed:
		return errClosed()
	case reader = <-db.readers:
	}
	defer func() { db.readers <- reader }()
	t := &tx{session: reader, ctx: context.WithoutCancel(ctx), db: db}
	return db.explain(t.run("BEGIN", fn, "COMMIT"))
}

// take runs one statement that deletes or changes rows as a transaction of its own and says how many it hit.
func (db *DB) take(ctx context.Context, query string, args ...any) (n int, err error) {
	err = db.write(ctx, func(t *tx) error {
		result, err := t.exec(query, args...)
		if err != nil {
			return err
		}
		hit, err := result.RowsAffected()
		n = int(hit)
		return err
	})
	return n, err
}

func (t *tx) run(begin string, fn func(*tx) error, commit string) (err error) {
	if _, err := t.exec(begin); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	done := false
	defer func() {
		if done {
			return
		}
		// Also on a panic in fn, so that the connection is never left inside a transaction. A commit that did not
		// work may have ended the transaction already; then there is nothing to roll back.
		_, _ = t.exec("ROLLBACK")
	}()
	if err := fn(t); err != nil {
		return err
	}
	if _, err := t.exec(commit); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	done = true
	return nil
}

func errClosed() *Error { return &Error{Code: Unavailable, Message: "the store is closed"} }
