package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"cardea/auth"
	"cardea/camera"
	"cardea/store"
	"cardea/store/vault"
	"cardea/web/api"
	"cardea/web/console"
)

// Claim prints a new one-time claim URL.
type Claim struct{}

// Run asks the NVR that runs: its start makes a claim of its own, so that one made before would be void.
func (Claim) Run(e *Env) error {
	client, err := console.Dial(e.Ctx, e.Dir())
	if err == nil {
		client.Close()
	} else if errors.Is(err, console.ErrNotRunning) {
		return fmt.Errorf("no NVR runs on %s; start it with `cardea serve --data %s`, which prints the claim URL", e.Dir(), e.Dir())
	}
	return e.with(false, func(c *console.Client) error {
		var claim api.Claim
		if err := c.Do(e.Ctx, "POST", "/api/console/claim", nil, &claim); err != nil {
			return err
		}
		fmt.Fprintf(e.Stderr, "Open this once, from the same network, until %s:\n", claim.Expires.Local().Format(time.TimeOnly))
		_, err := fmt.Fprintln(e.Stdout, claim.URL)
		return err
	})
}

// Setup is the first run without a browser.
type Setup struct {
	Owner               string `help:"Name of the owner." required:"" placeholder:"NAME"`
	PasswordFile        string `help:"File with the owner's password." required:"" env:"CARDEA_PASSWORD_FILE" placeholder:"FILE"`
	VaultPassphraseFile string `help:"File with the passphrase of the vault; made up and printed without it." env:"CARDEA_VAULT_PASSPHRASE_FILE" placeholder:"FILE"`
	VaultType           string `help:"hybrid (ML-KEM-768 and X25519) or x25519." enum:"hybrid,x25519" default:"hybrid"`
}

// SetupResult is what setup prints. It is the only time that the identity is shown.
type SetupResult struct {
	TOTPURI         string   `json:"totp_uri"`
	RecoveryCodes   []string `json:"recovery_codes"`
	VaultIdentity   string   `json:"vault_identity"`
	VaultRecipient  string   `json:"vault_recipient"`
	VaultPassphrase string   `json:"vault_passphrase"`
}

// Run makes the vault here; the NVR gets the recipient and the wrapped identity only.
func (c *Setup) Run(e *Env) error {
	password, err := readSecret(c.PasswordFile)
	if err != nil {
		return err
	}
	if err := auth.Acceptable(c.Owner, password); err != nil {
		return err // before anything is made
	}
	passphrase := newPassphrase()
	if c.VaultPassphraseFile != "" {
		if passphrase, err = readSecret(c.VaultPassphraseFile); err != nil {
			return err
		}
		switch {
		case passphrase == password:
			return UsageError("the passphrase of the vault must not be the sign-in password: who learns one must not have both")
		case len(passphrase) < 12:
			return UsageError("the passphrase of the vault needs at least 12 characters: it protects every recording")
		}
	}
	return e.with(true, func(client *console.Client) error {
		var state api.Setup
		if err := client.Get(e.Ctx, "/api/setup", nil, &state); err != nil {
			return err
		}
		if state.Claimed { // before seconds of work
			return errors.New("this box already has an owner; who lost the access runs `cardea users reset-password` and `cardea users reset-totp`")
		}
		identity, err := vault.Generate(vault.Type(c.VaultType))
		if err != nil {
			return err
		}
		wrapped, err := vault.WrapPassphrase(identity, passphrase)
		if err != nil {
			return err
		}
		var enrolment api.Enrolment
		err = client.Do(e.Ctx, "POST", "/api/console/setup", map[string]any{
			"name": c.Owner, "password": password, "vault_type": c.VaultType, "recipient": identity.Recipient().String(), "wrapped": wrapped,
		}, &enrolment)
		if err != nil {
			return err
		}
		return e.printJSON(SetupResult{enrolment.TOTPURI, enrolment.RecoveryCodes, identity.Secret(), identity.Recipient().String(), passphrase})
	})
}

// Cameras lists, finds, adds, pairs and removes cameras.
type Cameras struct {
	List     camerasList     `cmd:"" help:"List cameras."`
	Discover camerasDiscover `cmd:"" help:"Listen for three seconds and list what may be a camera. Nothing found is believed."`
	Add      camerasAdd      `cmd:"" help:"Add a camera by its address. It is tried first; nothing is stored when it does not work."`
	Pair     camerasPair     `cmd:"" help:"Pair with a camera agent by the code that it shows."`
	Enrol    camerasEnrol    `cmd:"" help:"Give an ONVIF camera a certificate of this NVR's, and have it refuse whoever has none."`
	Revoke   camerasRevoke   `cmd:"" help:"Take a paired camera's certificate back for good."`
	Accept   camerasAccept   `cmd:"" help:"Decide that an isolated camera may be connected again."`
	Remove   camerasRemove   `cmd:"" help:"Remove a camera; its clips stay until they are due."`
}

type camerasList struct{ listing }

// CameraRow is a camera in a listing.
type CameraRow struct {
	ID      string  `json:"id"`
	Name    string  `json:"name"`
	URL     string  `json:"url"`
	Trust   string  `json:"trust"`
	State   string  `json:"state"`
	FPS     float64 `json:"fps"`
	Bitrate float64 `json:"bitrate"`
}

func rowOf(c api.Camera) CameraRow {
	return CameraRow{c.ID, c.Name, c.URL, c.Trust, c.State.Phase, c.FPS, c.Bitrate}
}

// printAdded prints the ID of a new camera, or all of it as JSON.
func (l listing) printAdded(e *Env, added api.Camera) error {
	if l.JSON {
		return json.NewEncoder(e.Stdout).Encode(rowOf(added))
	}
	_, err := fmt.Fprintln(e.Stdout, added.ID)
	return err
}

func (c *camerasList) Run(e *Env) error {
	return e.with(false, func(client *console.Client) error {
		var cameras []api.Camera
		if err := client.Get(e.Ctx, "/api/cameras", nil, &cameras); err != nil {
			return err
		}
		rows, lines := []CameraRow{}, [][]string{}
		for _, c := range cameras {
			rows = append(rows, rowOf(c))
			lines = append(lines, []string{c.ID, c.Name, c.Trust, c.State.Phase, fmt.Sprintf("%.1f", c.FPS), fmt.Sprintf("%.1f", c.Bitrate/1e6), c.URL})
		}
		return c.print(e, rows, "ID NAME TRUST STATE FPS MBIT/S URL", lines)
	})
}

type camerasAdd struct {
	Name         string `help:"What people call it." required:"" placeholder:"NAME"`
	URL          string `arg:"" help:"rtsp:// or rtsps:// address of a stream, or http://, https:// or just the host of an ONVIF camera. A password in it is stored encrypted, but may stay in the shell's history: see --password-file."`
	Fingerprint  string `help:"SHA-256 of the camera's public key (SPKI), hex or base64, to trust from now on." placeholder:"F"`
	Sub          string `help:"Address of a smaller stream of the same camera, for grids and previews; no password in it." placeholder:"URL"`
	User         string `help:"User name at the camera." placeholder:"U"`
	PasswordFile string `help:"File with the password at the camera." env:"CARDEA_CAMERA_PASSWORD_FILE" placeholder:"FILE"`
	Transport    string `help:"auto, tcp or udp." enum:"auto,tcp,udp" default:"auto"`
	Mode         string `help:"When it records: continuous, event or off." enum:"continuous,event,off" default:"continuous"`
	Untried      bool   `help:"Do not try it first: it may be off just now."`
	listing
}

func (c *camerasAdd) Run(e *Env) error {
	address := c.URL
	if c.User != "" || c.PasswordFile != "" {
		u, _, _, ok, err := camera.ParseONVIF(address)
		if !ok {
			u, err = url.Parse(address)
		}
		if err != nil {
			return UsageError("the address of the camera is not a URL; it looks like rtsp://192.0.2.7:554/stream")
		}
		password := ""
		if c.PasswordFile != "" {
			if password, err = readSecret(c.PasswordFile); err != nil {
				return err
			}
		}
		u.User = url.UserPassword(c.User, password)
		address = u.String()
	}
	return e.with(false, func(client *console.Client) error {
		if !c.Untried {
			try := map[string]any{"url": address, "fingerprint": c.Fingerprint, "transport": c.Transport}
			var found api.Probe
			if err := client.Do(e.Ctx, "POST", "/api/probe", try, &found); err != nil {
				return err
			}
			if found.Chosen != "" {
				fmt.Fprintln(e.Stderr, found.Chosen)
			}
		}
		var added api.Camera
		err := client.Do(e.Ctx, "POST", "/api/cameras", map[string]any{
			"name": c.Name, "url": address, "fingerprint": c.Fingerprint, "transport": c.Transport, "mode": c.Mode, "sub_url": c.Sub,
		}, &added)
		if err != nil {
			return err
		}
		return c.printAdded(e, added)
	})
}

type camerasRemove struct {
	ID          string `arg:"" help:"ID or name."`
	DeleteClips bool   `help:"Delete its clips too."`
}

func (c *camerasRemove) Run(e *Env) error {
	return e.withCamera(c.ID, func(client *console.Client, path string) error {
		if c.DeleteClips {
			path += "?clips=delete"
		}
		return client.Do(e.Ctx, "DELETE", path, nil, nil)
	})
}

// withCamera runs fn with a client of the NVR and the path of a camera, which is given by ID or name.
func (e *Env) withCamera(text string, fn func(client *console.Client, path string) error) error {
	return e.with(false, func(client *console.Client) error {
		id, err := cameraID(e, client, text)
		if err != nil {
			return err
		}
		return fn(client, "/api/cameras/"+id)
	})
}

// cameraID takes an ID as it is and looks a name up; nothing stays nothing.
func cameraID(e *Env, client *console.Client, text string) (string, error) {
	if text == "" {
		return "", nil
	}
	if _, err := store.ParseID(text); err == nil {
		return text, nil
	}
	var cameras []api.Camera
	if err := client.Get(e.Ctx, "/api/cameras", nil, &cameras); err != nil {
		return "", err
	}
	for _, c := range cameras {
		if strings.EqualFold(c.Name, text) {
			return c.ID, nil
		}
	}
	return "", fmt.Errorf("there is no camera %q; `cardea cameras list` shows all", text)
}

// span is the part of time that a listing covers.
type span struct {
	From string `help:"Not before: RFC 3339, 2006-01-02, 2006-01-02T15:04 (local), or 90m for that long ago." placeholder:"T"`
	To   string `help:"Before, in the same forms." placeholder:"T"`
}

// query checks the times and gives them as the API wants them.
func (s span) query(now time.Time) (console.Query, error) {
	q := console.Query{}
	for name, text := range map[string]string{"from": s.From, "to": s.To} {
		if text == "" {
			continue
		}
		t, err := parseTime(text, now)
		if err != nil {
			return nil, UsageError("--" + name + ": " + err.Error())
		}
		q[name] = t.UTC().Format(time.RFC3339Nano)
	}
	return q, nil
}

// list runs fn with a client of the NVR and a query for this part of time of a camera, of all for "".
func (s span) list(e *Env, camera string, fn func(*console.Client, console.Query) error) error {
	q, err := s.query(time.Now())
	if err != nil {
		return err
	}
	return e.with(false, func(client *console.Client) error {
		if q["camera"], err = cameraID(e, client, camera); err != nil {
			return err
		}
		return fn(client, q)
	})
}

func parseTime(text string, now time.Time) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	for _, layout := range []string{time.DateOnly, "2006-01-02T15:04", "2006-01-02T15:04:05", time.DateTime, "2006-01-02 15:04"} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(-d.Abs()), nil
	}
	return time.Time{}, fmt.Errorf("%q is no time; it looks like 2026-01-31T14:30:00Z", text)
}

// Events lists what was noticed.
type Events struct {
	List eventsList `cmd:"" help:"List events, oldest first."`
}

type eventsList struct {
	Camera string `help:"ID or name of a camera." placeholder:"ID"`
	Kind   string `help:"Kind of event, such as camera.offline." placeholder:"KIND"`
	span
	listing
}

// eventRow is an event in a listing.
type eventRow struct {
	ID     string     `json:"id"`
	Camera *string    `json:"camera"`
	Kind   string     `json:"kind"`
	Start  time.Time  `json:"start"`
	End    *time.Time `json:"end"`
	Source string     `json:"source"`
	Labels []string   `json:"labels"`
}

func (c *eventsList) Run(e *Env) error {
	return c.list(e, c.Camera, func(client *console.Client, q console.Query) error {
		q["kind"], q["limit"] = c.Kind, "10000"
		var events []api.Event
		if err := client.Get(e.Ctx, "/api/events", q, &events); err != nil {
			return err
		}
		rows, lines := make([]eventRow, 0, len(events)), [][]string{}
		for i := len(events) - 1; i >= 0; i-- { // the API gives the newest first
			ev := events[i]
			rows = append(rows, eventRow{ev.ID, ev.Camera, ev.Kind, ev.Start, ev.End, ev.Source, ev.Labels})
			camera := "-"
			if ev.Camera != nil {
				camera = *ev.Camera
			}
			lines = append(lines, []string{ev.ID, camera, ev.Kind, ev.Start.Local().Format(time.DateTime), ev.Source, strings.Join(ev.Labels, ",")})
		}
		return c.print(e, rows, "ID CAMERA KIND START SOURCE LABELS", lines)
	})
}
