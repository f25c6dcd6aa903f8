// Command cardea is a home NVR: it records cameras into encrypted clips that open only in the owner's browser, and
// serves the web app to watch them. The same binary is the command line that administers it.
//
// This package reads flags, builds the parts in order, runs them, and closes them in reverse: serve, demo and camera. The commands
// that administer an NVR are package web/command, clients of the HTTP API over the admin socket of the NVR that runs, or over a pipe
// to one in this process when none does.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kong"

	"cardea/web/command"
	"cardea/web/console"
)

// version is set by the linker (-X main.version=…); a build without that says what the Go tool knows.
var version string

// grammar is the command line. Flags may stand before or after arguments.
type grammar struct {
	Data     string `help:"Data directory (default /var/lib/cardea/nvr; camera: /var/lib/cardea/camera; demo: ./demo-data)." env:"CARDEA_DATA" placeholder:"DIR"`
	LogLevel string `help:"debug, info, warn or error." enum:"debug,info,warn,error" default:"info" env:"CARDEA_LOG_LEVEL"`

	Serve   serveCommand    `cmd:"" help:"Run the NVR."`
	Demo    demoCommand     `cmd:"" help:"Run an NVR with two virtual cameras, for a first look."`
	Claim   command.Claim   `cmd:"" help:"Print a new one-time claim URL, while the NVR has no owner."`
	Setup   command.Setup   `cmd:"" help:"First run without a browser: make the owner and the vault; prints JSON."`
	Camera  cameraCommand   `cmd:"" help:"Run the camera agent: pictures of this machine, or of an old camera, for a paired NVR."`
	Cameras command.Cameras `cmd:"" help:"List, add and remove cameras."`
	CA      command.CA      `cmd:"" name:"ca" help:"The certificate authority of paired cameras."`
	Clips   command.Clips   `cmd:"" help:"List, export and salvage clips."`
	Events  command.Events  `cmd:"" help:"List events."`
	Users   command.Users   `cmd:"" help:"Accounts, tokens and rules for owners; gives back lost access."`
	Vault   command.Vault   `cmd:"" help:"Vaults: who can open what, new keys, opened and sealed."`
	Backup  command.Backup  `cmd:"" help:"Sealed backups of the database and the certificate authority."`
	Restore command.Restore `cmd:"" help:"Bring back a sealed backup into an empty data directory."`
	Log     command.Log     `cmd:"" help:"Who did what, and what became of footage: the tamper-evident logs."`
	Verify  command.Verify  `cmd:"" help:"Check index and clips against each other; one line for each fault, exit 1."`
	Doctor  command.Doctor  `cmd:"" help:"Say in plain words what is wrong here and what to do."`
	Health  command.Health  `cmd:"" help:"Exit 0 when the NVR on this data directory is well; for HEALTHCHECK."`
	Version versionCommand  `cmd:"" help:"Print the version."`
	Help    helpCommand     `cmd:"" help:"Print this list, or the help of one command."`
}

// env is what every command gets.
type env = command.Env

func main() {
	args := hideSecrets()
	if err := forbidCoreDumps(); err != nil {
		fmt.Fprintln(os.Stderr, "cardea:", err)
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal ends the program at once
	code := run(ctx, args, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the program. It returns the exit status: 0 done, 1 failed, 2 wrong usage.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var g grammar
	parser, err := kong.New(&g, kong.Name("cardea"), kong.Writers(stdout, stderr),
		kong.Description("A home NVR: encrypted recording without the camera vendor's cloud."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}), kong.ValueFormatter(helpOfValue))
	if err != nil {
		panic(err) // the grammar is a constant
	}
	if len(args) == 1 && args[0] == "--version" {
		args = []string{"version"}
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(stderr, "cardea: %s\n", wrongUsage(err))
		return 2
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(g.LogLevel)); err != nil {
		panic(err) // kong has checked the word
	}
	e := &env{
		Ctx: ctx, Data: g.Data, Stdout: stdout, Stderr: stderr,
		Log: slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level})),
	}
	e.Open = func(dir string) (*console.Client, func() error, error) { return here(e, dir) }
	err = parsed.Run(e)
	var usage command.UsageError
	var silent command.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &silent):
		return int(silent)
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "cardea: %v\n", usage)
		return 2
	}
	fmt.Fprintf(stderr, "cardea: %s\n", command.Sentence(err))
	return 1
}

type versionCommand struct{}

func (versionCommand) Run(e *env) error {
	_, err := fmt.Fprintln(e.Stdout, "cardea", versionText())
	return err
}

func versionText() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}

type helpCommand struct {
	Command []string `arg:"" optional:"" help:"The command to explain."`
}

// Run prints the usage of a command, of the whole program without one.
func (c *helpCommand) Run(parsed *kong.Context) error {
	about, err := kong.Trace(parsed.Kong, c.Command)
	if err != nil {
		return err
	}
	if len(about.Path) <= 1 && len(c.Command) > 0 {
		return command.UsageError("there is no command " + c.Command[0] + "; `cardea help` lists all")
	}
	return about.PrintUsage(false)
}
