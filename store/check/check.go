// Package check holds a data directory and its clips against the numbered invariants of store/README.md.
//
// It shares the file layout (store/disk), the packed parts (store/parts) and the schema number (store/migration) with the store,
// but has queries of its own, so that a mistake in the store's is found here. It only reads, takes no lock, and may run beside an
// NVR that records: whatever looks wrong is read again before it is reported, because it may have changed in between.
package check

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"hash/maphash"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/mattn/go-sqlite3"
	"golang.org/x/sys/unix"

	"cardea/store/disk"
)

// Names that the store uses; see store.FileName, store.ClipsDir, store.KeyClipsDir and the setting store.id.
const (
	databaseName  = "cardea.db"
	clipsName     = "clips"
	settingClips  = "clips.dir"
	settingID     = "store.id"
	maxFaults     = 10_000 // a wrong directory would give one for each clip
	settlingDelay = 200 * time.Millisecond
)

// Config says what to check.
type Config struct {
	Dir   string // data directory
	Clips string // clips directory; empty: the one that the database remembers, else DATA/clips
	Quick bool   // leave out what reads whole files: I5 (hash) and I13 (sealed)
	// Witnessed are checkpoints of the logs that somebody has kept; only with one can a roll-back of everything be seen.
	Witnessed [][]byte
	// Sample is about how many clips are read all the same, chosen by chance.
	Sample int
	// Progress, when not nil, is called now and then with the number of clips looked at.
	Progress func(clips int64)
}

// Fault is one invariant that does not hold.
type Fault struct {
	Invariant int    // its number in store/README.md
	What      string // what is wrong, with the values
	Where     string // camera, clip, file or table
	Do        string // what a person can do
}

// String is the line for people.
func (f Fault) String() string {
	return fmt.Sprintf("I%d %s: %s; %s", f.Invariant, f.Where, f.What, f.Do)
}

// checker is one run.
type checker struct {
	config Config
	db     *sql.DB
	root   *disk.Root // nil when the clips directory cannot be looked at
	faults []Fault

	seed  maphash.Seed // chooses the sample
	share float64      // of all clips
}

// errEnough ends a run that has found so much that more would not help.
var errEnough = errors.New("too many faults")

// Run checks everything and gives the faults, none when all invariants hold. An error means that the check itself could not be
// done, or was cancelled; the faults found so far come with it.
func Run(ctx context.Context, config Config) ([]Fault, error) {
	c := &checker{config: config, seed: maphash.MakeSeed()}
	path := filepath.Join(config.Dir, databaseName)
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("look for the database: %w", err)
	}
	immutable, err := unchanging(config.Dir, path)
	if err != nil {
		return nil, err
	}
	c.db = sql.OpenDB(connector{path, immutable})
	defer c.db.Close() //nolint:errcheck // only read from
	sound, err := c.database(ctx)
	if err != nil || !sound {
		return c.faults, err
	}
	if err := c.openClips(ctx); err != nil {
		return c.faults, err
	}
	if c.root != nil {
		defer c.root.Close() //nolint:errcheck // only read from
	}
	for _, part := range []func(context.Context) error{c.tables, c.credentials, c.devices, c.gaps, c.missed, c.logs, c.clips, c.previews, c.files} {
		if err := part(ctx); errors.Is(err, errEnough) {
			break
		} else if err != nil {
			return c.faults, err
		}
	}
	return c.faults, nil
}

// report notes a fault.
func (c *checker) report(invariant int, where, do, what string, args ...any) error {
	c.faults = append(c.faults, Fault{Invariant: invariant, What: fmt.Sprintf(what, args...), Where: where, Do: do})
	if len(c.faults) >= maxFaults {
		return errEnough
	}
	return nil
}

// unchanging says whether the database lies on a disk mounted read-only, such as the image of a box that somebody examines. SQLite
// cannot make its shared memory there and has to be told that nobody writes; what is still in the write-ahead log it would not see.
func unchanging(dir, path string) (bool, error) {
	if !errors.Is(unix.Access(dir, unix.W_OK), unix.EROFS) {
		return false, nil
	}
	if info, err := os.Stat(path + "-wal"); err == nil && info.Size() > 0 {
		return false, fmt.Errorf("%s is on a disk mounted read-only, and the last changes are still in %s-wal: copy the directory to a disk that can be written, "+
			"without its clips if they are large, and check that with --data COPY --clips DIR", dir, path)
	}
	return true, nil
}

// connector opens the database for reading only, without database/sql's global registry.
type connector struct {
	path      string
	immutable bool
}

func (c connector) Connect(context.Context) (driver.Conn, error) {
	path, err := filepath.Abs(c.path)
	if err != nil {
		return nil, err
	}
	address := url.URL{Scheme: "file", OmitHost: true, Path: path}
	query := url.Values{"mode": {"ro"}, "_query_only": {"on"}, "_busy_timeout": {"10000"}}
	if c.immutable {
		query.Set("immutable", "1")
	}
	address.RawQuery = query.Encode()
	return (&sqlite3.SQLiteDriver{}).Open(address.String())
}

func (c connector) Driver() driver.Driver { return &sqlite3.SQLiteDriver{} }

// each calls fn for every row of query.
func (c *checker) each(ctx context.Context, fn func(*sql.Rows) error, query string, args ...any) error {
	rows, err := c.db.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // rows.Err below has what matters
	for rows.Next() {
		if err := fn(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// setting gives a value of the table setting, "" when it is not set.
func (c *checker) setting(ctx context.Context, key string) (value string, err error) {
	err = c.db.QueryRowContext(ctx, `SELECT value FROM setting WHERE key = ?`, key).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return value, err
}
