package command

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"cardea/store"
	"cardea/web/api"
	"cardea/web/console"
)

// Doctor says what is wrong and what to do.
type Doctor struct {
	About  string `arg:"" optional:"" help:"What to look at: network, or everything without it."`
	Listen string `help:"Address that the NVR is to listen on." default:":8443" env:"CARDEA_LISTEN" placeholder:"ADDR"`
	networkFlags
}

// finding is one thing that the doctor looked at.
type finding struct {
	level  string // ok, note or bad
	detail string
	advice string // what to do; empty where all is well
}

func good(format string, args ...any) finding { return finding{"ok", fmt.Sprintf(format, args...), ""} }
func note(advice, format string, args ...any) finding {
	return finding{"note", fmt.Sprintf(format, args...), advice}
}
func bad(advice, format string, args ...any) finding {
	return finding{"bad", fmt.Sprintf(format, args...), advice}
}

// Run looks at everything and changes nothing. It exits 1 when something keeps the NVR from doing its work.
func (c *Doctor) Run(e *Env) error {
	if c.About == "network" {
		findings, err := c.network(e)
		if err != nil {
			return err
		}
		return e.report(findings)
	}
	if c.About != "" {
		return UsageError("the doctor looks at everything, or at the network: cardea doctor network")
	}
	findings := []finding{directory(e.Dir()), clock(time.Now())}
	if _, err := os.Stat(filepath.Join(e.Dir(), store.FileName)); err == nil {
		findings = append(findings, c.database(e)...)
	} else if errors.Is(err, os.ErrNotExist) {
		findings = append(findings, note("Start it with `cardea serve`, or name another directory with --data.", "There is no NVR in %s yet.", e.Dir()))
		findings = append(findings, port(c.Listen))
	}
	return e.report(findings)
}

// report prints findings. It ends the program with 1 when something is bad.
func (e *Env) report(findings []finding) error {
	broken := false
	for _, f := range findings {
		broken = broken || f.level == "bad"
		fmt.Fprintf(e.Stdout, "%-4s  %s\n", f.level, f.detail)
		if f.advice != "" {
			fmt.Fprintf(e.Stdout, "      -> %s\n", f.advice)
		}
	}
	if broken {
		return ExitError(1)
	}
	return nil
}

// directory looks at the rights of the data directory and at the room on its disk.
func directory(dir string) finding {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		parent := filepath.Dir(filepath.Clean(dir))
		if unix.Access(parent, unix.W_OK) != nil {
			return bad("Make it as root: install -d -m 0700 -o "+fmt.Sprint(os.Geteuid())+" "+dir, "The data directory %s does not exist and this user may not make it.", dir)
		}
		return good("The data directory %s will be made at the first start.", dir)
	case err != nil:
		return bad("Check the path and the rights of the directories above it.", "The data directory cannot be read: %v.", err)
	case !info.IsDir():
		return bad("Name a directory with --data.", "%s is not a directory.", dir)
	case errors.Is(unix.Access(dir, unix.W_OK), unix.EROFS):
		return bad("Mount it writable, or name another directory with --data.", "The disk of %s is mounted read-only.", dir)
	case unix.Access(dir, unix.R_OK|unix.W_OK|unix.X_OK) != nil:
		return bad(fmt.Sprintf("Run this as the user of the NVR, or: chown -R %d %s", os.Geteuid(), dir), "This user may not write to %s.", dir)
	case info.Mode().Perm()&0o077 != 0:
		return note("chmod 0700 "+dir, "Other users of this machine may look into %s.", dir)
	}
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return bad("Check the disk and the system log.", "The disk of %s cannot be asked for its room: %v.", dir, err)
	}
	free := int64(st.Bavail) * int64(st.Bsize)
	if free < 256<<20 {
		return bad("Free some space there; the database cannot grow.", "Only %d MB are free on the disk of %s.", free>>20, dir)
	}
	return good("The data directory %s can be written; %d GB are free.", dir, free>>30)
}

// clock knows only that this program was written after 2025 began; the NVR itself remembers more.
func clock(now time.Time) finding {
	if now.Year() < 2025 || now.Year() > 2080 {
		return bad("Set the clock, or let systemd-timesyncd do so; certificates and recordings depend on it.", "The clock of this machine says %s.", now.Format(time.DateOnly))
	}
	return good("The clock says %s.", now.Format(time.DateTime))
}

// port tries the address that the NVR would listen on.
func port(listen string) finding {
	ln, err := net.Listen("tcp", listen)
	if err != nil {
		return bad("Stop what uses it (ss -ltnp shows it), or choose another address with --listen.", "The NVR could not listen on %s: %v.", listen, err)
	}
	ln.Close()
	return good("%s is free to listen on.", listen)
}

// database asks the NVR, or opens its directory when none runs.
func (c *Doctor) database(e *Env) []finding {
	probe, err := console.Dial(e.Ctx, e.Dir())
	running := err == nil
	found := []finding{}
	switch {
	case running:
		probe.Close()
		found = append(found, good("An NVR runs on this directory and answers."))
	case errors.Is(err, console.ErrNotRunning):
		found = append(found, note("Start it with `cardea serve`.", "No NVR runs on this directory, so nothing is recorded."), port(c.Listen))
	default:
		return []finding{bad("Run this as root or as the user of the NVR.", "%s", Sentence(err))}
	}
	err = e.with(false, func(client *console.Client) error {
		more, err := inside(e, client, running)
		found = append(found, more...)
		return err
	})
	if err != nil {
		found = append(found, bad("Until this is repaired the NVR cannot work.", "%s", Sentence(err)))
	}
	return found
}

// inside asks the API.
func inside(e *Env, client *console.Client, running bool) ([]finding, error) {
	var (
		setup   api.Setup
		vaults  []api.Vault
		cameras []api.Camera
		health  api.Health
	)
	for path, into := range map[string]any{"/api/setup": &setup, "/api/vaults": &vaults, "/api/cameras": &cameras, "/api/health": &health} {
		if err := client.Get(e.Ctx, path, nil, into); err != nil {
			return nil, err
		}
	}
	found := []finding{}
	if !setup.Claimed {
		found = append(found, bad("Open the link that `cardea claim` prints, or run `cardea setup`.", "The NVR has no owner yet."))
	}
	if len(vaults) == 0 {
		found = append(found, bad("Sign in and make the vault, or run `cardea setup`.", "There is no vault, so nothing can be recorded."))
	} else {
		found = append(found, aboutVaults(vaults)...)
	}
	if health.Disk.State != "ok" && health.Disk.State != "" {
		found = append(found, bad("Look at the disk of the clips: mount it, or make room.", "The disk at %s is %s.", health.Disk.Path, health.Disk.State))
	} else if health.Disk.Total > 0 {
		found = append(found, good("The clips are in %s; %d of %d GB are free there.", health.Disk.Path, health.Disk.Free>>30, health.Disk.Total>>30))
	}
	for _, a := range health.Alarms {
		found = append(found, bad("It ends by itself when the cause is gone.", "Alarm %s: %s", a.Code, a.Detail))
	}
	for _, c := range cameras {
		found = append(found, aboutCamera(c, running)...)
	}
	if !running {
		return found, nil
	}
	var authority api.CA
	if err := client.Get(e.Ctx, "/api/ca", nil, &authority); err != nil {
		return found, err
	}
	if left := time.Until(authority.NotAfter); left < 60*24*time.Hour {
		found = append(found, note("A new one will have to be installed in the browsers.", "The certificate authority ends on %s.", authority.NotAfter.Format(time.DateOnly)))
	} else {
		found = append(found, good("The certificate authority is valid until %s (SHA-256 %s).", authority.NotAfter.Format(time.DateOnly), authority.Fingerprint))
	}
	return found, nil
}

func aboutCamera(c api.Camera, running bool) []finding {
	found := []finding{}
	switch {
	case !running || c.State.Phase == "streaming" || c.State.Phase == "connecting":
		found = append(found, good("Camera %s: %s.", c.Name, c.State.Phase))
	case c.State.Phase == "off":
		found = append(found, note("", "Camera %s is switched off.", c.Name))
	default:
		found = append(found, bad(c.State.Detail, "Camera %s is %s since %s.", c.Name, c.State.Phase, c.State.Since.Local().Format(time.DateTime)))
	}
	if c.Trust == "plain" {
		found = append(found, note("Use its rtsps:// address, or keep it in a network of its own.", "Camera %s sends its pictures and password unprotected.", c.Name))
	}
	return found
}
