// Package migration holds the schema of the store as numbered SQL files and brings a database to the newest one.
//
// A file is named NNNN_what.sql and is applied once, in its own transaction, together with PRAGMA user_version = NNNN.
// A file that has been released is never edited. The package decides nothing about backups or locks: store does.
package migration

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"strconv"
	"strings"
)

// ApplicationID is what PRAGMA application_id says in a database of Cardea ("Crda").
const ApplicationID = 0x43726461

//go:embed *.sql
var files embed.FS

// Step is one numbered change of the schema.
type Step struct {
	Version int    // user_version after it
	Name    string // file name
	SQL     string // statements
}

// Steps lists all changes in order, numbered from 1 without a hole.
func Steps() ([]Step, error) {
	entries, err := files.ReadDir(".")
	if err != nil {
		return nil, fmt.Errorf("list migrations: %w", err)
	}
	var steps []Step
	for _, entry := range entries { // ReadDir sorts by name
		number, _, _ := strings.Cut(entry.Name(), "_")
		version, err := strconv.Atoi(number)
		if err != nil || version != len(steps)+1 {
			return nil, fmt.Errorf("migration %s is not number %d", entry.Name(), len(steps)+1)
		}
		text, err := files.ReadFile(entry.Name())
		if err != nil {
			return nil, fmt.Errorf("read migration %s: %w", entry.Name(), err)
		}
		steps = append(steps, Step{Version: version, Name: entry.Name(), SQL: string(text)})
	}
	return steps, nil
}

// Latest is the schema version this program writes.
func Latest() (int, error) {
	steps, err := Steps()
	return len(steps), err
}

// Apply runs the steps after version from on conn. A step that does not work leaves the database as it was before that step.
func Apply(ctx context.Context, conn *sql.Conn, from int) error {
	steps, err := Steps()
	if err != nil {
		return err
	}
	for _, step := range steps[min(from, len(steps)):] {
		if err := apply(ctx, conn, step); err != nil {
			return fmt.Errorf("migrate to schema %d (%s): %w", step.Version, step.Name, err)
		}
	}
	return nil
}

func apply(ctx context.Context, conn *sql.Conn, step Step) error {
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing; before, the first error is the one that counts
	// PRAGMA takes no bound parameters; both numbers are our own constants.
	pragmas := fmt.Sprintf("PRAGMA user_version = %d; PRAGMA application_id = %d", step.Version, ApplicationID)
	for _, text := range []string{step.SQL, pragmas} {
		if _, err := tx.ExecContext(ctx, text); err != nil {
			return err
		}
	}
	return tx.Commit()
}
