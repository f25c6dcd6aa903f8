package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"cardea/nvr/backup"
	"cardea/store"
	"cardea/store/check"
	"cardea/store/disk"
	"cardea/web/api"
	"cardea/web/console"
)

// Health asks whether an NVR runs on the directory and is well.
type Health struct{}

// Run never opens the directory itself: it asks whether an NVR runs there and is well.
func (Health) Run(e *Env) error {
	ctx, cancel := context.WithTimeout(e.Ctx, 5*time.Second)
	defer cancel()
	client, err := console.Dial(ctx, e.Dir())
	if errors.Is(err, console.ErrNotRunning) {
		return fmt.Errorf("no NVR runs on %s; start it with `cardea serve --data %s`", e.Dir(), e.Dir())
	}
	if err != nil {
		return err
	}
	defer client.Close()
	return client.Get(ctx, "/healthz", nil, nil)
}

// Verify checks index, clips and logs against each other, or an evidence bundle.
type Verify struct {
	Clips string `help:"Directory of the clips (default: the one used last)." env:"CARDEA_CLIPS" placeholder:"DIR"`
	Quick bool   `help:"Do not read the clips: their hashes are not checked then."`
	// Checkpoint may be given for each log.
	Bundle     string   `help:"Check an evidence bundle instead, without an NVR." placeholder:"FILE"`
	VKey       string   `help:"Public key that the log of the bundle is known by, or a file with it." name:"vkey" placeholder:"KEY"`
	Checkpoint []string `help:"Checkpoint of a log that was kept elsewhere; shows whether the log was rolled back or rewritten since." placeholder:"FILE"`
}

// Run prints one line for each fault and ends with 1 when there is one.
func (c *Verify) Run(e *Env) error {
	if c.Bundle != "" {
		return verifyBundle(e, c.Bundle, c.VKey)
	}
	if c.VKey != "" {
		return UsageError("--vkey goes with --bundle")
	}
	if err := e.hasDatabase(); err != nil {
		return err
	}
	var witnessed [][]byte
	for _, path := range c.Checkpoint {
		text, err := os.ReadFile(path)
		if err != nil {
			return unreadable(err)
		}
		witnessed = append(witnessed, text)
	}
	faults, err := check.Run(e.Ctx, check.Config{Dir: e.Dir(), Clips: c.Clips, Quick: c.Quick, Witnessed: witnessed})
	for _, f := range faults {
		fmt.Fprintln(e.Stdout, f)
	}
	if err != nil {
		return err
	}
	if len(faults) > 0 {
		return ExitError(1)
	}
	fmt.Fprintln(e.Stderr, "index, clips and logs agree")
	return nil
}

// Backup makes sealed backups.
type Backup struct {
	Now backupNow `cmd:"" help:"Make a sealed backup at once, beside the nightly ones."`
}

type backupNow struct{}

func (backupNow) Run(e *Env) error {
	return e.with(false, func(client *console.Client) error {
		var made api.Backup
		if err := client.Do(e.Ctx, "POST", "/api/console/backup", nil, &made); err != nil {
			return err
		}
		_, err := fmt.Fprintln(e.Stdout, made.Path)
		return err
	})
}

// Restore brings a sealed backup back into an empty directory.
type Restore struct {
	File     string `arg:"" help:"The sealed backup."`
	Identity string `help:"File with the vault's identity, the AGE-SECRET-KEY line of the recovery kit." required:"" placeholder:"FILE"`
	Lost     bool   `help:"The recordings are lost as well: begin an empty directory of clips, DATA/clips." name:"clips-lost"`
}

// Run changes nothing when it fails.
func (c *Restore) Run(e *Env) error {
	identity, err := readIdentity(c.Identity, true)
	if err != nil {
		return err
	}
	made, err := backup.Restore(e.Ctx, identity, c.File, e.Dir())
	if err != nil {
		return err
	}
	if !c.Lost {
		fmt.Fprintf(e.Stderr, "%s is restored. The clips were in %s: start the NVR with --clips where they are now, or move them into %s, "+
			"with the file %s.\n", e.Dir(), made.Clips, filepath.Join(e.Dir(), store.ClipsDir), disk.Marker)
		return nil
	}
	id, err := store.ParseID(made.Store)
	if err != nil {
		return err
	}
	clips, err := disk.Open(disk.Config{Dir: filepath.Join(e.Dir(), store.ClipsDir), Store: id, Make: true, Mark: true})
	if err != nil {
		return err
	}
	if err := clips.Close(); err != nil {
		return err
	}
	fmt.Fprintf(e.Stderr, "%s is restored, without recordings: those that the index knows are missing. Start the NVR on it.\n", e.Dir())
	return nil
}
