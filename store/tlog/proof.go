package tlog

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// Hash is a hash of the tree.
type Hash = tlog.Hash

// ParseHashes reads hashes in base64.
func ParseHashes(texts []string) (all []Hash, err error) {
	for _, text := range texts {
		hash, err := tlog.ParseHash(text)
		if err != nil {
			return nil, fmt.Errorf("read a hash of a proof: %w", err)
		}
		all = append(all, hash)
	}
	return all, nil
}

// ErrRange means that a proof was asked for about records that the checkpoint does not cover (yet).
var ErrRange = errors.New("the log has no such record or size yet")

// Inclusion proves that the record numbered seq is in the tree of the given size (RFC 9162, section 2.1.3); size 0 is the size of
// the checkpoint. It gives the leaf hash, too.
func (l *Log) Inclusion(seq, size int64) (leaf tlog.Hash, proof []tlog.Hash, err error) {
	now := l.Checkpoint()
	if size == 0 {
		size = now.Size
	}
	if seq < 0 || seq >= size || size > now.Size {
		return leaf, nil, ErrRange
	}
	reader := l.tree.hashes(now.Size, now.Root)
	if proof, err = tlog.ProveRecord(size, seq, reader); err != nil {
		return leaf, nil, fmt.Errorf("prove record %d: %w", seq, err)
	}
	hashes, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, seq)})
	if err != nil {
		return leaf, nil, fmt.Errorf("prove record %d: %w", seq, err)
	}
	return hashes[0], proof, nil
}

// Consistency proves that the tree of size from is the beginning of that of size to (RFC 9162, section 2.1.4); to 0 is the size of
// the checkpoint.
func (l *Log) Consistency(from, to int64) ([]tlog.Hash, error) {
	now := l.Checkpoint()
	if to == 0 {
		to = now.Size
	}
	if from < 0 || from > to || to > now.Size {
		return nil, ErrRange
	}
	if from == 0 || from == to {
		return nil, nil
	}
	proof, err := tlog.ProveTree(to, from, l.tree.hashes(now.Size, now.Root))
	if err != nil {
		return nil, fmt.Errorf("prove size %d: %w", from, err)
	}
	return proof, nil
}

// proofHeader is the first line of a tlog-proof (https://c2sp.org/tlog-proof).
const proofHeader = "c2sp.org/tlog-proof@v1\n"

// Proof is one text that shows a record to be in the log: its number, the hashes and the signed checkpoint (tlog-proof). What it
// proves is about the leaf, Commit(salt, record): hand those out with it.
func (l *Log) Proof(seq int64) ([]byte, error) {
	now := l.Checkpoint()
	_, hashes, err := l.Inclusion(seq, now.Size)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	b.WriteString(proofHeader)
	fmt.Fprintf(&b, "index %d\n", seq)
	for _, hash := range hashes {
		b.WriteString(base64.StdEncoding.EncodeToString(hash[:]) + "\n")
	}
	b.WriteString("\n")
	b.Write(now.Text)
	return []byte(b.String()), nil
}

// CheckProof checks a tlog-proof of a leaf against the log's public key, and gives the record's number and the checkpoint.
func CheckProof(proof []byte, leaf Leaf, vkey string) (seq int64, cp Checkpoint, err error) {
	text, found := strings.CutPrefix(string(proof), proofHeader)
	head, signed, split := strings.Cut(text, "\n\n")
	if !found || !split {
		return 0, cp, errors.New("this is no tlog-proof")
	}
	lines := strings.Split(head, "\n")
	number, found := strings.CutPrefix(lines[0], "index ")
	seq, err = strconv.ParseInt(number, 10, 64)
	if !found || err != nil || seq < 0 {
		return 0, cp, errors.New("the proof has no index")
	}
	if cp, err = ParseCheckpoint([]byte(signed), vkey); err != nil {
		return 0, cp, err
	}
	var hashes tlog.RecordProof
	for _, line := range lines[1:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return 0, cp, errors.New("the proof holds something that is no hash")
		}
		hashes = append(hashes, hash)
	}
	if seq >= cp.Size {
		return 0, cp, ErrRange
	}
	if err := tlog.CheckRecord(hashes, cp.Size, cp.Root, seq, tlog.RecordHash(leaf[:])); err != nil {
		return 0, cp, errors.New("the proof does not lead from the record to the checkpoint")
	}
	return seq, cp, nil
}

// CheckConsistency checks a proof that the log of the newer checkpoint begins with that of the older one.
func CheckConsistency(older, newer Checkpoint, proof []tlog.Hash) error {
	switch {
	case older.Origin != newer.Origin:
		return errors.New("the checkpoints are of two logs")
	case older.Size > newer.Size:
		return fmt.Errorf("the log was rolled back from %d records to %d", older.Size, newer.Size)
	case older.Size == newer.Size && older.Root != newer.Root:
		return fmt.Errorf("the log was forked: there are two of %d records", newer.Size)
	case older.Size == newer.Size || older.Size == 0:
		return nil
	}
	if err := tlog.CheckTree(proof, newer.Size, newer.Root, older.Size, older.Root); err != nil {
		return fmt.Errorf("the log was rewritten: its first %d records are other ones now", older.Size)
	}
	return nil
}

// File gives a file of the log's directory by its path there, for followers: the checkpoint, log.vkey, tiles and bundles. Nothing
// else, and nothing outside.
func (l *Log) File(path string) ([]byte, error) {
	if path == CheckpointName {
		return l.Checkpoint().Text, nil
	}
	if path != KeyName && !strings.HasPrefix(path, "tile/") || strings.HasSuffix(path, ".tmp") {
		return nil, fs.ErrNotExist
	}
	root, err := os.OpenRoot(l.cfg.Dir)
	if err != nil {
		return nil, err
	}
	defer root.Close() //nolint:errcheck // only read from
	return root.ReadFile(path)
}
