// Package tlog is the tamper-evident half of a log: an append-only Merkle tree over commitments to records, published as
// files and signed, so that who edits, cuts off, reorders or rewrites the log is found out (README.md says by whom).
//
// Its nouns: Log, one directory of tiles with its signed checkpoint; Leaf, the 32-byte commitment to a record; Fault, what
// Verify found. The records and their salts are not here: the Source has them (package store, in SQLite), and a record can
// be erased there while its commitment stays. The package owns the log's directory and its signing key, and follows the
// Source; it never decides what is logged.
//
// Formats: C2SP tlog-tiles v0.1.0 (own paths, since those of golang.org/x/mod differ), tlog-checkpoint and signed-note v1.0.0
// with Ed25519, tlog-proof v1, tree hashes of RFC 9162 section 2.1.
package tlog

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
)

// LeafSize is the size of a Leaf in bytes, and SaltSize that of a salt.
const (
	LeafSize = sha256.Size
	SaltSize = 32
)

// Leaf is an entry of the tree: a commitment that says nothing about its record without the salt.
type Leaf = [LeafSize]byte

// Commit gives the leaf of a record. The salt MUST be SaltSize fresh random bytes: records are guessable.
func Commit(salt, record []byte) Leaf {
	mac := hmac.New(sha256.New, salt)
	mac.Write(record)
	return Leaf(mac.Sum(nil))
}

// Source has the records of a log, in the order in which they were appended.
type Source interface {
	// Size is the number of records ever appended.
	Size(ctx context.Context) (int64, error)
	// Leaves gives the leaves of at most limit records from the one numbered from on. One that is not there is ErrErased.
	Leaves(ctx context.Context, from int64, limit int) ([]Leaf, error)
}

var (
	// ErrErased means that a record which the tree lacks was erased: bring back DATA/log from a copy.
	ErrErased = errors.New("records that the log's files lack were erased already; bring back the log directory from a backup")
	// ErrAhead means that the files know more records than the index: the index was rolled back. Source.Size must be raised to
	// Log.Size before anything is appended, so that no number is given twice.
	ErrAhead = errors.New("the log's files hold more records than the index: the index was rolled back or replaced")
	// ErrKey means that the key, the public key or the checkpoint do not belong together.
	ErrKey = errors.New("the log's signing key, log.vkey and checkpoint do not belong together")
)
