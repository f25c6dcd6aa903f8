// Package command is the command line that administers an NVR: cameras, clips, people, vaults and logs. Every command is a client of
// the HTTP API, over the admin socket of the NVR that runs on the data directory or over a pipe to one that main opens there,
// so that a command and a browser do a thing by the same code. Only verify, restore and parts of the doctor look at files
// themselves, since they are for a box that does not run.
//
// Data goes to the standard output and words to the other one. The fields and tags of the types are the grammar that kong reads;
// main puts them together and runs them. The package never opens a data directory and serves nobody.
package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"cardea/store"
	"cardea/web/console"
)

// DefaultData is the data directory of an NVR where none is named.
const DefaultData = "/var/lib/cardea/nvr"

// Env is what every command gets. All fields but Data are required.
type Env struct {
	Ctx            context.Context
	Data           string // as given; empty for the default
	Stdout, Stderr io.Writer
	Log            *slog.Logger
	// Open serves the API of a data directory on which no NVR runs, and makes one where there is none. close gives it back. A
	// directory that is in use is store.Conflict.
	Open func(dir string) (client *console.Client, close func() error, err error)
}

// UsageError is a wrong argument that kong cannot know of; exit status 2.
type UsageError string

func (e UsageError) Error() string { return string(e) }

// ExitError ends the program with a status when everything was said already.
type ExitError int

func (e ExitError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// Sentence is the sentence of an error for the person at the keyboard.
func Sentence(err error) string {
	var p *console.Problem
	if errors.As(err, &p) {
		said := p.Error()
		for _, at := range p.Errors {
			if at.Location == "body.fingerprint" && len(at.Message) == 64 { // the screen has a button for it
				said += " To confirm it, run this again with --fingerprint " + at.Message
			}
		}
		return said
	}
	return err.Error()
}

// Dir is the data directory to work on.
func (e *Env) Dir() string {
	if e.Data == "" {
		return DefaultData
	}
	return e.Data
}

// hasDatabase says in a sentence why there is no NVR to work on.
func (e *Env) hasDatabase() error {
	dir := e.Dir()
	_, err := os.Stat(filepath.Join(dir, store.FileName))
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("there is no NVR in %s; start one with `cardea serve --data %s`, or name its directory with --data", dir, dir)
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%s is a file, not a directory; name the directory of the NVR with --data", dir)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("this user may not look into %s; run this as the user of the NVR or as root", dir)
	}
	return err
}

// connect gives a client of the NVR on the data directory: of the one that runs, or else of one in this process that
// opens the directory and serves the same routes over a pipe. close ends either. A directory without a database is
// made only where create says so.
func (e *Env) connect(create bool) (client *console.Client, close func() error, err error) {
	dir := e.Dir()
	for patience := time.Now().Add(10 * time.Second); ; {
		client, err = console.Dial(e.Ctx, dir)
		if err == nil {
			return client, func() error { client.Close(); return nil }, nil
		}
		if !errors.Is(err, console.ErrNotRunning) {
			return nil, nil, err
		}
		if err := e.hasDatabase(); err != nil && !create {
			return nil, nil, err
		}
		client, close, err = e.Open(dir)
		// An NVR that starts or stops just now holds the directory and has no socket.
		if store.ErrorCode(err) != store.Conflict || time.Now().After(patience) {
			return client, close, err
		}
		select {
		case <-e.Ctx.Done():
			return nil, nil, e.Ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// with runs fn with a client of the NVR and closes it.
func (e *Env) with(create bool, fn func(*console.Client) error) (err error) {
	client, done, err := e.connect(create)
	if err != nil {
		return err
	}
	defer func() {
		if closed := done(); err == nil {
			err = closed
		}
	}()
	return fn(client)
}

// listing is the flag that every list has.
type listing struct {
	JSON bool `help:"Print JSON." name:"json"`
}

// print writes rows as JSON, or as a table with a line for each.
func (l listing) print(e *Env, rows any, header string, lines [][]string) error {
	if l.JSON {
		enc := json.NewEncoder(e.Stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(rows)
	}
	w := tabwriter.NewWriter(e.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.ReplaceAll(header, " ", "\t"))
	for _, line := range lines {
		fmt.Fprintln(w, strings.Join(line, "\t"))
	}
	return w.Flush()
}

// readSecret reads a file that holds one secret; a trailing newline does not count.
func readSecret(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", unreadable(err)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r"), nil
}

// unreadable says which file cannot be read, and why, in a sentence.
func unreadable(err error) error {
	var at *os.PathError
	if !errors.As(err, &at) {
		return err
	}
	return fmt.Errorf("the file %s cannot be read: %w; check its name and its rights", at.Path, at.Err)
}

func (e *Env) printJSON(v any) error {
	enc := json.NewEncoder(e.Stdout)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
