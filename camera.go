package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/skip2/go-qrcode"
	"golang.org/x/sync/errgroup"

	"cardea/camera/agent"
	"cardea/camera/discovery"
	"cardea/camera/pairing"
	"cardea/web/command"
)

// defaultCamera is where a camera agent keeps what it is.
const defaultCamera = "/var/lib/cardea/camera"

// revokedCamera says what to do with a camera that its NVR does not want any more.
const revokedCamera = "Revoked: somebody has taken this camera out of service at its NVR. It serves nobody any more.\n" +
	"To pair it again, with this NVR or another one, stop this program, run `cardea camera --reset`, and start it."

// sourceWithin bounds the wait for a source's first picture.
const sourceWithin = 30 * time.Second

type cameraCommand struct {
	Source      string `help:"Where the pictures come from: test:, a media file, rtsp(s)://… (an old camera), libcamera:, v4l2:/dev/video0." default:"test:" env:"CARDEA_SOURCE" placeholder:"URI"`
	Listen      string `help:"Address to listen on." default:":8322" env:"CARDEA_LISTEN" placeholder:"ADDR"`
	Name        string `help:"What the camera calls itself (default: the host name)." env:"CARDEA_NAME" placeholder:"NAME"`
	Fingerprint string `help:"SHA-256 of the public key (SPKI) of an old camera at rtsps://, in hex." placeholder:"F"`
	TPM         string `help:"Keep the key in this TPM 2.0: a device such as /dev/tpmrm0, or a socket. For cameras that are paired from now on." name:"tpm" env:"CARDEA_TPM" placeholder:"PATH"`
	Memory      string `help:"How much memory keeps the newest pictures, up to ten minutes of them, for an NVR that was away; 0 for none." default:"64MiB" env:"CARDEA_MEMORY" placeholder:"SIZE"`
	QR          bool   `help:"Show the QR code also where the output is no terminal." name:"qr"`
	Quiet       bool   `help:"Do not announce the camera on the network (mDNS)." env:"CARDEA_QUIET"`
	Reset       bool   `help:"Make the camera new and end: it forgets its NVR and its key."`
}

// Run serves a camera until SIGTERM.
func (c *cameraCommand) Run(e *env) (err error) {
	dir := e.Data
	if dir == "" {
		dir = defaultCamera
	}
	unlock, err := lockCamera(dir)
	if err != nil {
		return err
	}
	defer unlock()
	if c.Reset {
		return pairing.Reset(dir)
	}
	remember, err := size(c.Memory)
	if err != nil {
		return command.UsageError("--memory " + err.Error())
	}
	pin, err := hex.DecodeString(strings.ReplaceAll(c.Fingerprint, ":", ""))
	if err != nil || len(pin) != 0 && len(pin) != 32 {
		return command.UsageError("a fingerprint is 64 hexadecimal digits")
	}
	id, err := cameraName(dir)
	if err != nil {
		return err
	}
	name := c.Name
	if name == "" {
		name, _ = os.Hostname() // without one it is called Camera
	}
	if name == "" {
		name = "Camera"
	}
	ln, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("%w; choose another address with --listen, such as --listen :8323", err)
	}
	at := addresses(ln.Addr(), []string{name})
	host := strings.TrimPrefix(at[0], "https://")
	var keys pairing.Keys = pairing.FileKeys{}
	if c.TPM != "" {
		keys = &agent.TPM{Path: c.TPM}
	}
	camera, err := pairing.OpenCamera(pairing.CameraConfig{
		Dir: dir, Keys: keys, Name: name, Model: "Cardea " + versionText(), Log: e.Log.With("part", "pairing"),
		OnCode:    func(code pairing.Code) { c.show(e.Stdout, host, code) },
		OnRevoked: func() { fmt.Fprintln(e.Stdout, revokedCamera) },
		OnAlert:   func(text string) { e.Log.Warn(text) },
	}, ln)
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	looking, done := context.WithTimeout(e.Ctx, sourceWithin)
	source, err := agent.Connect(looking, c.Source, pin, e.Log.With("part", "source"))
	done()
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	serving := agent.Config{
		Listener: camera.Media(), Memory: remember, Streams: []agent.Stream{{Path: "camera", Source: source}}, Log: e.Log.With("part", "rtsp"),
	}
	if err := serving.AddSmall(c.Source); err != nil {
		return errors.Join(err, ln.Close())
	}
	server, err := agent.Open(serving)
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	fmt.Fprintf(e.Stdout, "Cardea %s serves the camera %q\nAddress: %s\n", versionText(), name, host)
	switch {
	case camera.Revoked():
		fmt.Fprintln(e.Stdout, revokedCamera)
	case camera.Paired():
		fmt.Fprintln(e.Stdout, "Paired.")
	}
	g, ctx := errgroup.WithContext(e.Ctx)
	g.Go(func() error { return camera.Run(ctx) })
	g.Go(func() error { return server.Run(ctx) })
	if port := ln.Addr().(*net.TCPAddr).Port; !c.Quiet {
		g.Go(func() error {
			return discovery.AnnounceCamera(ctx, name, id, "Cardea", port, camera.Paired, e.Log.With("part", "mdns"))
		})
	}
	if err := g.Wait(); err != nil && e.Ctx.Err() == nil {
		return err
	}
	return nil
}

// show prints a new code; the zero one says that the camera is paired.
func (c *cameraCommand) show(out io.Writer, host string, code pairing.Code) {
	if code.Digits == "" {
		fmt.Fprintln(out, "Paired.")
		return
	}
	var text strings.Builder
	if c.QR || terminal(out) {
		// The lowest level of correction makes the smallest picture; a screen has no dirt.
		if qr, err := qrcode.New("cardea-pair://"+host+"/"+code.Token, qrcode.Low); err == nil {
			text.WriteString(qr.ToSmallString(false))
		}
	}
	fmt.Fprintf(&text, "Activation code: %s\n(good once, for ten minutes)\n", code.Text())
	_, _ = io.WriteString(out, text.String()) // a console that is gone shows no code
}

// terminal says whether people see what is written.
func terminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// lockCamera makes the directory of a camera and keeps other processes out of it.
func lockCamera(dir string) (unlock func(), err error) {
	unusable := func(err error) error {
		var at *os.PathError
		if errors.As(err, &at) {
			err = at.Err
		}
		return fmt.Errorf("the camera's directory %s cannot be made and written: %w; choose another one with --data DIR", dir, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, unusable(err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, unusable(err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("another camera agent works on %s; stop it first, or choose another directory with --data", dir), f.Close())
	}
	return func() { _ = f.Close() }, nil
}

// cameraName is a random name by which the camera is told from others on the network. It is public and proves nothing.
func cameraName(dir string) (string, error) {
	path := filepath.Join(dir, "id")
	if data, err := os.ReadFile(path); err == nil && len(data) >= 16 {
		return strings.TrimSpace(string(data)), nil
	}
	id := make([]byte, 8)
	if _, err := rand.Read(id); err != nil {
		return "", err
	}
	text := hex.EncodeToString(id)
	return text, os.WriteFile(path, []byte(text+"\n"), 0o600)
}
