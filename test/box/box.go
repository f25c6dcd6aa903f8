// Package box runs the built program as an owner would: set up without a browser, serve, run commands, pull the plug.
// Journeys and benchmarks share it. It knows the command line and nothing of the program's insides.
package box

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Password is the owner's sign-in password in every box.
const Password = "correct horse battery staple 7"

// Box is one data directory and, between Serve and Stop or Kill, the process that works on it. It is not safe for
// concurrent use, except Run and JSON.
type Box struct {
	// Binary is the program, Dir its data directory.
	Binary, Dir string
	// Clips is the directory given as --clips; "" for none.
	Clips string
	// Setup is what `cardea setup` printed.
	Setup Setup
	// IdentityFile holds the vault identity as stock age reads it. It lies outside Dir, as a recovery kit should.
	IdentityFile string
	// LogFile receives what the process writes to stderr, over all its lives.
	LogFile string
	// Env is added to the environment of the process.
	Env []string

	serve  *exec.Cmd
	exited chan error
}

// Setup is the output of `cardea setup`.
type Setup struct {
	TOTPURI         string   `json:"totp_uri"`
	RecoveryCodes   []string `json:"recovery_codes"`
	VaultIdentity   string   `json:"vault_identity"`
	VaultRecipient  string   `json:"vault_recipient"`
	VaultPassphrase string   `json:"vault_passphrase"`
}

// Camera is an element of `cardea cameras list --json`.
type Camera struct {
	ID, Name, URL, Trust, State string
	FPS, Bitrate                float64
}

// Clip is an element of `cardea clips list --json`.
type Clip struct {
	ID, Camera string
	Start, End time.Time
	Bytes      int64
	Path       string
	SHA256     *string
	Torn, Open bool
}

// Binary finds bin/cardea above the working directory.
func Binary() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		path := filepath.Join(dir, "bin", "cardea")
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path, nil
		}
	}
	return "", errors.New("bin/cardea is not there: run `make build` first")
}

// New sets up a box below dir, which must exist and should be empty. args are passed on to `cardea setup`,
// such as "--vault-type", "x25519".
func New(dir string, args ...string) (*Box, error) {
	binary, err := Binary()
	if err != nil {
		return nil, err
	}
	b := &Box{
		Binary: binary, Dir: filepath.Join(dir, "data"),
		IdentityFile: filepath.Join(dir, "identity.txt"), LogFile: filepath.Join(dir, "serve.log"),
	}
	password := filepath.Join(dir, "password")
	if err := os.WriteFile(password, []byte(Password+"\n"), 0o600); err != nil {
		return nil, err
	}
	args = append([]string{"setup", "--owner", "Anna", "--password-file", password}, args...)
	out, err := b.Run(args...)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(out, &b.Setup); err != nil {
		return nil, fmt.Errorf("read output of setup: %w", err)
	}
	return b, os.WriteFile(b.IdentityFile, []byte(b.Setup.VaultIdentity+"\n"), 0o600)
}

// Serve starts the program and returns when it answers `cardea health`. It listens on a free port of the loopback.
func (b *Box) Serve() error {
	log, err := os.OpenFile(b.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	args := []string{"serve", "--data", b.Dir, "--listen", "127.0.0.1:0"}
	if b.Clips != "" {
		args = append(args, "--clips", b.Clips)
	}
	cmd := exec.Command(b.Binary, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), b.Env...)
	// The program goes down with the test, however that ends.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	b.serve, b.exited = cmd, make(chan error, 1)
	go func() { b.exited <- cmd.Wait() }()
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		select {
		case err := <-b.exited:
			b.exited <- err
			return fmt.Errorf("serve ended at once: %v\n%s", err, b.LogTail())
		default:
		}
		if _, err := b.Run("health"); err == nil {
			return nil
		}
	}
	return fmt.Errorf("serve does not become healthy\n%s", b.LogTail())
}

// Pid is the process id of the running program.
func (b *Box) Pid() int { return b.serve.Process.Pid }

// Kill ends the program as a power cut would end it: at once.
func (b *Box) Kill() error {
	if err := b.serve.Process.Kill(); err != nil {
		return err
	}
	<-b.exited
	return nil
}

// Stop ends the program as systemd would, and returns its exit error. It kills it after 20 seconds.
func (b *Box) Stop() error {
	if err := b.serve.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case err := <-b.exited:
		return err
	case <-time.After(20 * time.Second):
		_ = b.Kill()
		return fmt.Errorf("serve did not end within 20 s of SIGTERM\n%s", b.LogTail())
	}
}

// Run runs one command on the box's data directory and returns its stdout. The error holds its stderr and wraps the
// *exec.ExitError.
func (b *Box) Run(args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, b.Binary, append(args, "--data", b.Dir)...)
	var out, messages bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &messages
	if err := cmd.Run(); err != nil {
		return out.Bytes(), fmt.Errorf("cardea %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(messages.String()))
	}
	return out.Bytes(), nil
}

// JSON runs one command with --json and decodes what it printed into v.
func (b *Box) JSON(v any, args ...string) error {
	out, err := b.Run(append(args, "--json")...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(out, v); err != nil {
		return fmt.Errorf("read output of %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// AddCamera adds a camera by address.
func (b *Box) AddCamera(name, url string) error {
	_, err := b.Run("cameras", "add", "--name", name, url)
	return err
}

// Cameras lists the cameras.
func (b *Box) Cameras() (list []Camera, err error) {
	return list, b.JSON(&list, "cameras", "list")
}

// Recordings lists the clips, of one camera where id is not "".
func (b *Box) Recordings(id string) (list []Clip, err error) {
	args := []string{"clips", "list"}
	if id != "" {
		args = append(args, "--camera", id)
	}
	return list, b.JSON(&list, args...)
}

// ClipFile is the path of a clip's file.
func (b *Box) ClipFile(c Clip) string {
	if b.Clips != "" {
		return filepath.Join(b.Clips, c.Path)
	}
	return filepath.Join(b.Dir, c.Path)
}

// LogTail returns the last lines that the program wrote.
func (b *Box) LogTail() string {
	data, err := os.ReadFile(b.LogFile)
	if err != nil {
		return err.Error()
	}
	return string(data[max(0, len(data)-4000):])
}
