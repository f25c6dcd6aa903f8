package tlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	// delay is how long news may wait for a checkpoint; what comes in between shares it.
	delay = 3 * time.Second
	// batch is how many records are integrated with one checkpoint.
	batch = 16 * width
)

// Config says which log. Dir, KeyFile, Origin and Source are required.
type Config struct {
	Dir     string // directory of the log; made when missing
	KeyFile string // its signing key, made when there is no log yet
	Origin  string // names the log for ever
	Source  Source
	Entropy io.Reader // crypto/rand when nil
	Log     *slog.Logger
}

// Log follows a Source and publishes its tree. Its methods are safe for concurrent use.
type Log struct {
	cfg    Config
	tree   tree
	signer note.Signer
	vkey   string

	integrating sync.Mutex // one at a time
	mu          sync.Mutex
	now         Checkpoint
}

// Open reads the key and the last checkpoint. It looks at the right edge of the tree only, not at all of it: Verify does. ErrKey
// and other errors say that the log cannot go on; acts are recorded all the same, since the Source is what they are appended to.
func Open(cfg Config) (*Log, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if err := makeDir(cfg.Dir); err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	l := &Log{cfg: cfg, tree: tree{cfg.Dir}}
	var err error
	if l.signer, l.vkey, err = loadKey(cfg.KeyFile, cfg.Dir, cfg.Origin, cfg.Entropy); err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	text, err := os.ReadFile(filepath.Join(cfg.Dir, CheckpointName))
	if errors.Is(err, fs.ErrNotExist) {
		return l, l.publish(0, tlog.Hash{}) // replaced by the root of the empty tree
	}
	if err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	if l.now, err = ParseCheckpoint(text, l.vkey); err != nil {
		return nil, fmt.Errorf("open the log: %w: %w", ErrKey, err)
	}
	return l, nil
}

// publish signs a new state of the tree and makes it the log's.
func (l *Log) publish(size int64, root tlog.Hash) error {
	if size == 0 {
		var err error
		if root, err = tlog.TreeHash(0, nil); err != nil {
			return err
		}
	}
	next, err := sign(l.signer, size, root)
	if err != nil {
		return err
	}
	if err := write(filepath.Join(l.cfg.Dir, CheckpointName), next.Text); err != nil {
		return fmt.Errorf("write the checkpoint: %w", err)
	}
	l.mu.Lock()
	l.now = next
	l.mu.Unlock()
	return nil
}

// Checkpoint is the newest one.
func (l *Log) Checkpoint() Checkpoint {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now
}

// Key is the log's public key in the form of signed-note.
func (l *Log) Key() string { return l.vkey }

// Dir is the directory of the log.
func (l *Log) Dir() string { return l.cfg.Dir }

// Run integrates what the Source has until ctx is done, and once more then. news gets a value when something was appended; report
// hears the outcome of each integration.
func (l *Log) Run(ctx context.Context, news <-chan struct{}, report func(error)) error {
	for {
		report(l.Integrate(ctx))
		select {
		case <-ctx.Done():
			report(l.Integrate(context.WithoutCancel(ctx)))
			return nil
		case <-news:
		case <-time.After(time.Minute): // after an error, try again without news
		}
		select { // others will follow: one checkpoint for all of them
		case <-ctx.Done():
		case <-time.After(delay):
		}
	}
}

// Integrate takes what the Source has and the tree has not into tiles, and signs a checkpoint over it.
func (l *Log) Integrate(ctx context.Context) error {
	l.integrating.Lock()
	defer l.integrating.Unlock()
	for {
		old := l.Checkpoint()
		size, err := l.cfg.Source.Size(ctx)
		if err != nil {
			return err
		}
		if size < old.Size {
			return ErrAhead
		}
		if size == old.Size {
			return nil
		}
		fresh, err := l.cfg.Source.Leaves(ctx, old.Size, int(min(size-old.Size, batch)))
		if err != nil {
			return err
		}
		if len(fresh) == 0 {
			return ErrErased
		}
		next, root, err := l.tree.extend(old.Size, old.Root, fresh)
		if err == nil {
			err = l.publish(next, root)
		}
		if err != nil {
			return fmt.Errorf("extend the log: %w", err)
		}
	}
}
