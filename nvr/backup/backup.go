// Package backup copies what a dead disk must not take along: the index with cameras, people, pairings and grants, and the
// box's keys. It never copies clips; those lie beside the backups.
//
// Its nouns: Maker, which makes a backup each night and keeps the newest seven; Restore, which puts one into an empty data
// directory. A backup is one age file, sealed to the default vault as clips are, so it opens with the recovery kit and
// with nothing on the box. Its plaintext is a tar archive:
//
//	cardea-backup.json   what this is: Manifest
//	cardea.db            a snapshot of the index
//	keys/…               the files of DATA/keys
//	log/…                for each tamper-evident log its checkpoint, public key and leaves (package store/tlog)
//
// The name is backup/<date>.tar.age in the clips directory, the date being that of UTC.
package backup

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"cardea/store"
	"cardea/store/disk"
	"cardea/store/tlog"
	"cardea/store/vault"
)

const (
	// Keep is how many backups are kept.
	Keep = 7
	// dir is where they are, relative to the clips directory.
	dir = "backup"

	manifestName = "cardea-backup.json"
	keysDir      = "keys"
	format       = 2 // 1 had no logs

	lookEvery = 10 * time.Minute
	// night is the hour, by local time, from which on the day's backup is due; overdue is when it is at any hour.
	night   = 3
	overdue = 36 * time.Hour
)

var nameOf = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}\.tar\.age$`)

// Manifest says what a backup is.
type Manifest struct {
	Format  int       `json:"format"`
	Store   string    `json:"store"` // identifier of the store
	Created time.Time `json:"created"`
	Clips   string    `json:"clips"` // where the clips were, for a person
}

// Config says what a Maker works with. DB, Files and Dir are required.
type Config struct {
	DB *store.DB
	// Files is the clips directory.
	Files *disk.Root
	// Dir is the data directory.
	Dir string
	Now func() time.Time
	Log *slog.Logger
}

// Maker makes backups.
type Maker struct {
	cfg  Config
	busy chan struct{} // holds a token while a backup is made
}

// New only allocates.
func New(cfg Config) *Maker {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Maker{cfg: cfg, busy: make(chan struct{}, 1)}
}

// Run makes a backup each night until ctx is done, and tells done of each attempt. It returns nil.
func (m *Maker) Run(ctx context.Context, done func(path string, err error)) error {
	t := time.NewTicker(lookEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		if !m.due() {
			continue
		}
		path, err := m.Make(ctx)
		if err != nil && ctx.Err() != nil {
			return nil
		}
		if err == nil {
			m.cfg.Log.InfoContext(ctx, "backup made", "path", path)
		}
		done(path, err)
	}
}

// due says whether it is time for a backup.
func (m *Maker) due() bool {
	now := m.cfg.Now()
	if _, err := m.cfg.Files.Stat(name(now)); err == nil {
		return false
	}
	names, err := m.list()
	if err != nil || len(names) == 0 {
		return true
	}
	newest, err := m.cfg.Files.Stat(path.Join(dir, names[len(names)-1]))
	return err != nil || now.Sub(newest.ModTime()) > overdue || now.Local().Hour() >= night
}

func name(now time.Time) string { return dir + "/" + now.UTC().Format("2006-01-02") + ".tar.age" }

// list gives the names of backups, the oldest first.
func (m *Maker) list() ([]string, error) {
	files, err := m.cfg.Files.FS()
	if err != nil {
		return nil, fmt.Errorf("list backups: %w", err)
	}
	entries, err := fs.ReadDir(files, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list backups: %w", err)
	}
	var names []string
	for _, e := range entries {
		if nameOf.MatchString(e.Name()) {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

// Make makes a backup now, in the place of one of the same day, and gives its path relative to the clips directory. It is
// durable then. Without a vault it is a store.Conflict, and so it is while another backup is being made.
func (m *Maker) Make(ctx context.Context) (string, error) {
	select {
	case m.busy <- struct{}{}:
		defer func() { <-m.busy }()
	default:
		return "", store.Errorf(store.Conflict, "a backup is being made already")
	}
	v, err := m.cfg.DB.Vault(ctx, store.ID{})
	if store.ErrorCode(err) == store.NotFound {
		return "", store.Errorf(store.Conflict, "there is no vault yet to seal a backup to")
	}
	if err != nil {
		return "", err
	}
	recipient, err := vault.ParseRecipient(v.Recipient)
	if err != nil {
		return "", err
	}
	snapshot := filepath.Join(m.cfg.Dir, "backup.tmp.db")
	if err := os.Remove(snapshot); err != nil && !errors.Is(err, fs.ErrNotExist) { // left from a crash
		return "", fmt.Errorf("make backup: %w", err)
	}
	defer func() { _ = os.Remove(snapshot) }()
	logs := m.logs() // before the index, which then has all their records
	if err := m.cfg.DB.Snapshot(ctx, snapshot); err != nil {
		return "", fmt.Errorf("make backup: %w", err)
	}
	at := m.cfg.Now()
	err = m.cfg.Files.Replace(name(at), func(w io.Writer) error {
		sealed, _, err := vault.Seal(w, recipient)
		if err != nil {
			return err
		}
		return errors.Join(m.archive(ctx, sealed, snapshot, logs, at), sealed.Close())
	})
	if err != nil {
		return "", fmt.Errorf("make backup: %w", err)
	}
	return name(at), m.prune()
}

// prune drops all but the newest backups.
func (m *Maker) prune() error {
	names, err := m.list()
	if err != nil {
		return err
	}
	for len(names) > Keep {
		if err := m.cfg.Files.Remove(path.Join(dir, names[0])); err != nil {
			return fmt.Errorf("drop an old backup: %w", err)
		}
		names = names[1:]
	}
	return nil
}

// archive writes the tar archive.
func (m *Maker) archive(ctx context.Context, w io.Writer, snapshot string, logs map[string]*tlog.Copy, at time.Time) error {
	out := tar.NewWriter(w)
	text, err := json.MarshalIndent(Manifest{Format: format, Store: m.cfg.DB.ID().String(), Created: at.UTC(), Clips: m.cfg.Files.Dir()}, "", "  ")
	if err != nil {
		return fmt.Errorf("describe backup: %w", err)
	}
	head := func(name string, size int64) error {
		return out.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, ModTime: at.UTC().Truncate(time.Second)})
	}
	if err := head(manifestName, int64(len(text))); err != nil {
		return err
	}
	if _, err := out.Write(text); err != nil {
		return err
	}
	add := func(name, path string) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close() //nolint:errcheck // only read from
		info, err := f.Stat()
		if err != nil {
			return err
		}
		if err := head(name, info.Size()); err != nil {
			return err
		}
		_, err = io.Copy(out, f)
		return err
	}
	if err := add(store.FileName, snapshot); err != nil {
		return err
	}
	keys := filepath.Join(m.cfg.Dir, keysDir)
	err = filepath.WalkDir(keys, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(m.cfg.Dir, p)
		if err != nil {
			return err
		}
		if !allowedName(filepath.ToSlash(rel)) {
			return nil // a temporary file, such as a key that is being made
		}
		return add(filepath.ToSlash(rel), p)
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for name, log := range logs {
		for suffix, data := range map[string][]byte{logCheckpoint: log.Checkpoint, logKey: log.Key} {
			if err := head(logsDir+name+suffix, int64(len(data))); err != nil {
				return err
			}
			if _, err := out.Write(data); err != nil {
				return err
			}
		}
		if err := head(logsDir+name+logLeaves, log.Size*tlog.LeafSize); err != nil {
			return err
		}
		if err := log.WriteLeaves(out); err != nil {
			return err
		}
	}
	return out.Close()
}

// Where a log is in a backup: log/access.leaves and so on.
const (
	logsDir       = "log/"
	logCheckpoint = ".checkpoint"
	logKey        = ".vkey"
	logLeaves     = ".leaves"
)

// logNames are the logs by the names of their directories in DATA/log.
var logNames = [...]string{store.LogAccess.String(), store.LogFootage.String()}

// logs gives what there is of the logs now.
func (m *Maker) logs() map[string]*tlog.Copy {
	all := map[string]*tlog.Copy{}
	for _, name := range logNames {
		log, err := tlog.ReadCopy(filepath.Join(m.cfg.Dir, "log", name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil { // an alarm of its own says so; the rest is worth a backup all the same
			m.cfg.Log.Error("a log is not in the backup", "log", name, "error", err)
			continue
		}
		all[name] = log
	}
	return all
}
