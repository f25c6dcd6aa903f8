package tlog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sys/unix"
)

// Witness remembers the newest checkpoint of a log in a file, outside of the box where that can be: on a stick, say, or on another
// machine's disk. It only ever goes forward (tlog-witness: checking and remembering are one step).
type Witness struct {
	File string // the checkpoint as it was signed; made when missing
	Key  string // public key that the log has to have
}

// Contradiction is what a Witness found: two signed checkpoints of one log that cannot both be true. The older one stays remembered; the
// other is kept beside it in Evidence.
type Contradiction struct {
	Seen, Shown Checkpoint
	Evidence    string
	Err         error
}

// Error says what kind of contradiction it is.
func (c *Contradiction) Error() string {
	return fmt.Sprintf("%v; both signed checkpoints are kept, the other one in %s", c.Err, c.Evidence)
}

// Unwrap gives the kind.
func (c *Contradiction) Unwrap() error { return c.Err }

// Remember asks for the log's checkpoint, and for the proof that it goes on from the one in the file, and only then puts it there. What
// does not go on is a *Contradiction. Several at once wait for each other.
func (w Witness) Remember(ask func() ([]byte, error), prove func(from, to int64) ([]tlog.Hash, error)) (Checkpoint, error) {
	lock, err := os.OpenFile(w.File+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return Checkpoint{}, err
	}
	defer lock.Close() //nolint:errcheck // gives the lock back, whatever it says
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return Checkpoint{}, fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	text, err := os.ReadFile(w.File)
	first := errors.Is(err, fs.ErrNotExist)
	if err != nil && !first {
		return Checkpoint{}, err
	}
	var seen Checkpoint
	if !first {
		if seen, err = ParseCheckpoint(text, w.Key); err != nil {
			return Checkpoint{}, fmt.Errorf("%s is no checkpoint of this log; its key may have been replaced: %w", w.File, err)
		}
	}
	// Asked for under the lock: an answer from before somebody else's would look like a roll-back.
	if text, err = ask(); err != nil {
		return Checkpoint{}, err
	}
	shown, err := ParseCheckpoint(text, w.Key)
	if err != nil {
		return Checkpoint{}, err
	}
	if !first {
		var proof []tlog.Hash
		if 0 < seen.Size && seen.Size < shown.Size {
			if proof, err = prove(seen.Size, shown.Size); err != nil {
				return Checkpoint{}, err
			}
		}
		if err := CheckConsistency(seen, shown, proof); err != nil {
			evidence := fmt.Sprintf("%s.contradicted-%d", w.File, shown.Size)
			return seen, errors.Join(&Contradiction{Seen: seen, Shown: shown, Evidence: evidence, Err: err}, write(evidence, shown.Text))
		}
	}
	path, err := filepath.Abs(w.File)
	if err != nil {
		return Checkpoint{}, err
	}
	return shown, write(path, shown.Text)
}
