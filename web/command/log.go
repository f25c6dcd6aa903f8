package command

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"cardea/store/tlog"
	"cardea/web/api"
	"cardea/web/console"
)

// Log reads the tamper-evident logs and takes them elsewhere.
type Log struct {
	List       logList       `cmd:"" help:"List records of a log, oldest first. Reading them is recorded too."`
	Checkpoint logCheckpoint `cmd:"" help:"Print the signed checkpoint of a log, to keep elsewhere for cardea verify --checkpoint."`
	Witness    logWitness    `cmd:"" help:"Check that a log goes on from the checkpoint in FILE, and remember the newest one there. For a stick, now and then, or a cron job."`
	Syslog     logSyslog     `cmd:"" help:"Send both logs to a syslog collector over TLS; without an address, say how that goes."`
}

type logList struct {
	Log    string `help:"access (who did what) or footage (clips, gaps, deletions)." enum:"access,footage" default:"access"`
	User   string `help:"Name of an account." placeholder:"NAME"`
	Camera string `help:"ID or name of a camera." placeholder:"ID"`
	Action string `help:"Such as sign-in, playback or camera.remove." placeholder:"WORD"`
	span
	listing
}

func (c *logList) Run(e *Env) error {
	return c.list(e, c.Camera, func(client *console.Client, q console.Query) error {
		q["log"], q["user"], q["action"], q["limit"] = c.Log, c.User, c.Action, "10000"
		var newest []api.LogEntry
		if err := client.Get(e.Ctx, "/api/log", q, &newest); err != nil {
			return err
		}
		rows, lines := make([]api.LogEntry, 0, len(newest)), [][]string{}
		for i := len(newest) - 1; i >= 0; i-- {
			r := newest[i]
			rows = append(rows, r)
			about := []string{r.CameraName, r.Object, r.Reason, r.Detail}
			lines = append(lines, []string{
				strconv.FormatInt(r.Seq, 10), r.Time.Local().Format(time.DateTime), quoteName(r.Name), dash(r.Addr), r.Action, dash(r.Result), quoted(about),
			})
		}
		return c.print(e, rows, "SEQ TIME WHO FROM ACTION RESULT ABOUT", lines)
	})
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// quoteName leaves plain names as they are.
func quoteName(name string) string {
	if quoted := strconv.QuoteToGraphic(name); quoted != `"`+name+`"` || strings.ContainsAny(name, " \t") {
		return quoted
	}
	return dash(name)
}

// quoted joins what is not empty. Names and details are of people's making: nothing in them may reach the terminal as a command.
func quoted(words []string) string {
	var said []string
	for _, word := range words {
		if word != "" {
			said = append(said, strconv.QuoteToGraphic(word))
		}
	}
	return strings.Join(said, " ")
}

type logCheckpoint struct {
	Log    string `help:"access or footage." enum:"access,footage" default:"access"`
	Output string `short:"o" help:"File to write to." placeholder:"FILE"`
}

func (c *logCheckpoint) Run(e *Env) error {
	return e.with(false, func(client *console.Client) error {
		var now api.LogCheckpoint
		if err := client.Get(e.Ctx, "/api/log/checkpoint", console.Query{"log": c.Log}, &now); err != nil {
			return err
		}
		if c.Output != "" {
			return os.WriteFile(c.Output, []byte(now.Checkpoint), 0o644)
		}
		_, err := fmt.Fprint(e.Stdout, now.Checkpoint)
		return err
	})
}

type logWitness struct {
	Log  string `help:"access or footage." enum:"access,footage" default:"access"`
	File string `arg:"" help:"Where the checkpoint is kept, best not on this box. FILE.vkey beside it keeps the log's public key."`
}

// Run trusts the key that it sees first, as everybody does who has not been told another way.
func (c *logWitness) Run(e *Env) error {
	return e.with(false, func(client *console.Client) error {
		query := console.Query{"log": c.Log}
		var now api.LogCheckpoint
		if err := client.Get(e.Ctx, "/api/log/checkpoint", query, &now); err != nil {
			return err
		}
		key, err := os.ReadFile(c.File + ".vkey")
		if errors.Is(err, os.ErrNotExist) {
			key, err = []byte(now.VKey+"\n"), os.WriteFile(c.File+".vkey", []byte(now.VKey+"\n"), 0o644)
		}
		if err != nil {
			return err
		}
		seen, err := tlog.Witness{File: c.File, Key: string(key)}.Remember(func() ([]byte, error) {
			err := client.Get(e.Ctx, "/api/log/checkpoint", query, &now)
			return []byte(now.Checkpoint), err
		}, func(from, to int64) ([]tlog.Hash, error) {
			var proof api.LogProof
			err := client.Get(e.Ctx, "/api/log/proof", console.Query{"log": c.Log, "old": strconv.FormatInt(from, 10), "size": strconv.FormatInt(to, 10)}, &proof)
			if err != nil {
				return nil, err
			}
			return tlog.ParseHashes(proof.Hashes)
		})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(e.Stdout, "the %s log goes on: %d records\n", c.Log, seen.Size)
		return err
	})
}

type logSyslog struct {
	Address string `arg:"" optional:"" help:"host:port of the collector, or off."`
	CA      string `name:"ca" help:"File with the certificate of the collector's authority, PEM." placeholder:"FILE"`
	Pin     string `help:"SHA-256 of the collector's public key in hex, in place of an authority." placeholder:"HEX"`
}

func (c *logSyslog) Run(e *Env) error {
	return e.with(false, func(client *console.Client) error {
		var now api.Syslog
		if c.Address == "" {
			if err := client.Get(e.Ctx, "/api/log/syslog", nil, &now); err != nil {
				return err
			}
			if now.Address == "" {
				_, err := fmt.Fprintln(e.Stdout, "off: the logs are sent nowhere")
				return err
			}
			_, err := fmt.Fprintln(e.Stdout, strings.TrimSpace(fmt.Sprintf("%s %s, %d records behind. %s", now.State, now.Address, now.Behind, now.Detail)))
			return err
		}
		settings := map[string]any{"address": c.Address, "pin": c.Pin}
		if c.Address == "off" {
			settings["address"] = ""
		}
		if c.CA != "" {
			ca, err := os.ReadFile(c.CA)
			if err != nil {
				return err
			}
			settings["ca"] = string(ca)
		}
		return client.Do(e.Ctx, "PUT", "/api/log/syslog", settings, &now)
	})
}
