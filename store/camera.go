package store

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Mode says when a camera records.
type Mode string

// The modes.
const (
	ModeContinuous Mode = "continuous" // always
	ModeEvent      Mode = "event"      // from pre-roll to post-roll of an event
	ModeOff        Mode = "off"        // never; live view works
)

// Trust says how a camera's identity is known.
type Trust string

// The trust states.
const (
	TrustPaired Trust = "paired" // certificate minted here, mutual TLS
	TrustPinned Trust = "pinned" // TLS, the camera's own key, pinned
	TrustPlain  Trust = "plain"  // nothing proves who answers
)

// Controls is a set of what a camera was found to be able to do beside sending pictures.
type Controls int64

// The controls.
const (
	ControlPTZ      Controls = 1 << iota // it turns or zooms
	ControlTalk                          // it takes sound to play, over the back channel of RTSP
	ControlSnapshot                      // it gives single pictures
	ControlImaging                       // its picture can be adjusted
	ControlMotion                        // it sends events of motion
)

// Has reports whether all of c are in the set.
func (s Controls) Has(c Controls) bool { return s&c == c }

// Camera is a camera as a person configured it.
type Camera struct {
	ID             ID            `json:"id"`
	Name           string        `json:"name"`    // unique, ignoring case
	URL            string        `json:"url"`     // rtsp(s)://, never with user or password
	SubURL         string        `json:"sub_url"` // of a smaller stream: same scheme and host as URL; "" = none
	ONVIF          string        `json:"onvif"`   // http(s):// of the device service, same host as URL; "" = none
	Controls       Controls      `json:"controls"`
	Secret         []byte        `json:"-"` // sealed user and password; opaque here, nil = none
	Pin            []byte        `json:"-"` // SHA-256 of the SPKI, nil = not pinned
	Trust          Trust         `json:"trust"`
	Transport      string        `json:"transport"` // auto, tcp or udp
	AllowTLS12     bool          `json:"allow_tls12"`
	Mode           Mode          `json:"mode"`
	PreRoll        time.Duration `json:"-"`               // stored in milliseconds
	PostRoll       time.Duration `json:"-"`               // stored in milliseconds
	RetentionDays  int           `json:"retention_days"`  // 0 = the house rule
	RetentionBytes int64         `json:"retention_bytes"` // 0 = no rule of its own
	Audio          bool          `json:"audio"`
	Vault          ID            `json:"vault"` // zero = the default vault
	Position       int           `json:"position"`
	Created        time.Time     `json:"created"`
	Removed        time.Time     `json:"removed"` // zero = in use
	Purge          bool          `json:"-"`       // its clips are to be deleted
}

// NewCamera gives a camera with the defaults that CreateCamera would refuse to guess.
func NewCamera(name, address string) Camera {
	return Camera{
		Name: name, URL: address, Trust: TrustPlain, Transport: "auto", Mode: ModeContinuous,
		PreRoll: 5 * time.Second, PostRoll: 10 * time.Second, Audio: true,
	}
}

// Validate says what is wrong with the camera's fields as an Invalid error.
func (c *Camera) Validate() error {
	if err := checkName("camera", c.Name); err != nil {
		return err
	}
	address, err := url.Parse(c.URL)
	switch {
	case err != nil: // url.Error repeats the text, which may hold a password
		return Errorf(Invalid, "the address of the camera is not a URL; it looks like rtsp://192.0.2.7:554/stream")
	case address.User != nil:
		return Errorf(Invalid, "the address of a camera is stored without user and password")
	case address.Scheme != "rtsp" && address.Scheme != "rtsps":
		return Errorf(Invalid, "the address of the camera has to begin with rtsp:// or rtsps://")
	case address.Hostname() == "":
		return Errorf(Invalid, "the address of the camera names no host")
	case !besides(address, c.SubURL, address.Scheme):
		return Errorf(Invalid, "the address of the sub-stream has to begin with %s:// and to be at the same host as the camera's, without user and password", address.Scheme)
	case !besides(address, c.ONVIF, "http", "https"):
		return Errorf(Invalid, "the ONVIF address has to begin with http:// or https:// and to be at the same host as the camera's, without user and password")
	case c.Trust != TrustPaired && c.Trust != TrustPinned && c.Trust != TrustPlain:
		return Errorf(Invalid, "trust is paired, pinned or plain")
	case len(c.Pin) != 0 && len(c.Pin) != 32:
		return Errorf(Invalid, "a pin is a SHA-256 hash of 32 bytes")
	case c.Transport != "auto" && c.Transport != "tcp" && c.Transport != "udp":
		return Errorf(Invalid, "transport is auto, tcp or udp")
	case c.Mode != ModeContinuous && c.Mode != ModeEvent && c.Mode != ModeOff:
		return Errorf(Invalid, "mode is continuous, event or off")
	case c.PreRoll < 0 || c.PreRoll > time.Minute:
		return Errorf(Invalid, "pre-roll is between 0 and 60 seconds")
	case c.PostRoll < 0 || c.PostRoll > 10*time.Minute:
		return Errorf(Invalid, "post-roll is between 0 and 600 seconds")
	case c.RetentionDays < 0 || c.RetentionDays > 36500:
		return Errorf(Invalid, "retention is between 1 and 36500 days, or 0 for the house rule")
	case c.RetentionBytes < 0:
		return Errorf(Invalid, "a limit in bytes cannot be negative")
	}
	return nil
}

// besides reports whether text is empty or an address with one of the schemes at the host of main: credentials and pin are that
// host's, and so nothing else may get them.
func besides(main *url.URL, text string, schemes ...string) bool {
	if text == "" {
		return true
	}
	u, err := url.Parse(text)
	return err == nil && u.User == nil && slices.Contains(schemes, u.Scheme) && strings.EqualFold(u.Hostname(), main.Hostname())
}

// checkName accepts 1 to 100 printable characters without space around them.
func checkName(what, name string) error {
	switch {
	case name == "":
		return Errorf(Invalid, "the %s needs a name", what)
	case !utf8.ValidString(name) || utf8.RuneCountInString(name) > 100:
		return Errorf(Invalid, "the name of a %s has at most 100 characters", what)
	case strings.TrimSpace(name) != name || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return Errorf(Invalid, "the name of a %s has no control characters and no space at its ends", what)
	}
	return nil
}

const cameraColumns = `SELECT c.id, c.name, c.url, c.secret, c.pin, c.trust, c.transport, c.allow_tls12, c.mode, c.preroll_ms, c.postroll_ms,
	coalesce(c.retention_days, 0), coalesce(c.retention_bytes, 0), c.audio, v.id, c.position, c.created, c.removed, c.purge,
	coalesce(c.sub_url, ''), coalesce(c.onvif, ''), c.controls
	FROM camera c LEFT JOIN vault v ON v.no = c.vault_no `

func scanCamera(row scanner) (c Camera, err error) {
	var before, after int64
	err = row.Scan(&c.ID, &c.Name, &c.URL, &c.Secret, &c.Pin, &c.Trust, &c.Transport, &c.AllowTLS12, &c.Mode, &before, &after,
		&c.RetentionDays, &c.RetentionBytes, &c.Audio, &c.Vault, &c.Position, instant{&c.Created}, instant{&c.Removed}, &c.Purge,
		&c.SubURL, &c.ONVIF, &c.Controls)
	c.PreRoll, c.PostRoll = time.Duration(before)*time.Millisecond, time.Duration(after)*time.Millisecond
	return c, err
}

func noCamera(id ID) error { return Errorf(NotFound, "there is no camera %s", id) }

func cameraNo(t *tx, id ID) (no int64, err error) {
	return no, t.one(noCamera(id), `SELECT no FROM camera WHERE id = ?`, []any{id}, &no)
}

func camera(t *tx, id ID) (Camera, error) {
	found, err := list(t, scanCamera, cameraColumns+`WHERE c.id = ?`, id)
	if err == nil && len(found) == 0 {
		err = noCamera(id)
	}
	if err != nil {
		return Camera{}, err
	}
	return found[0], nil
}

// Camera gives one camera, a removed one too while clips of it exist. NotFound.
func (db *DB) Camera(ctx context.Context, id ID) (c Camera, err error) {
	err = db.read(ctx, func(t *tx) error {
		c, err = camera(t, id)
		return err
	})
	return c, err
}

// Cameras lists the cameras in use by position.
func (db *DB) Cameras(ctx context.Context) (all []Camera, err error) {
	err = db.read(ctx, func(t *tx) error {
		all, err = list(t, scanCamera, cameraColumns+`WHERE c.removed IS NULL ORDER BY c.position, c.no`)
		return err
	})
	return all, err
}

// RemovedCameras lists cameras that a person removed and that still have clips, the last removed first.
func (db *DB) RemovedCameras(ctx context.Context) (all []Camera, err error) {
	err = db.read(ctx, func(t *tx) error {
		all, err = list(t, scanCamera, cameraColumns+`WHERE c.removed IS NOT NULL ORDER BY c.removed DESC`)
		return err
	})
	return all, err
}

// CreateCamera stores a new camera and gives it back with ID, Position and Created filled in. A name that another camera
// has is a Conflict.
func (db *DB) CreateCamera(ctx context.Context, c Camera) (Camera, error) {
	if err := c.Validate(); err != nil {
		return Camera{}, err
	}
	id, err := db.NewID(db.now())
	if err != nil {
		return Camera{}, err
	}
	c.ID = id
	err = db.write(ctx, func(t *tx) error {
		if err := insertCamera(t, c); err != nil {
			return err
		}
		c, err = camera(t, id)
		return err
	})
	return c, err
}

// insertCamera stores a camera that has its ID.
func insertCamera(t *tx, c Camera) error {
	vault, err := vaultNoOrNull(t, c.Vault)
	if err != nil {
		return err
	}
	_, err = t.exec(`INSERT INTO camera (id, name, url, secret, pin, trust, transport, allow_tls12, mode, preroll_ms, postroll_ms,
		retention_days, retention_bytes, audio, vault_no, sub_url, onvif, controls, position, created)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, nullif(?, ''), nullif(?, ''), ?, (SELECT coalesce(max(position), 0) + 1 FROM camera), ?)`,
		c.ID, c.Name, c.URL, blob(c.Secret), blob(c.Pin), c.Trust, c.Transport, c.AllowTLS12, c.Mode,
		c.PreRoll.Milliseconds(), c.PostRoll.Milliseconds(),
		positive(int64(c.RetentionDays)), positive(c.RetentionBytes), c.Audio, vault, c.SubURL, c.ONVIF, c.Controls, micros(t.db.now()))
	if duplicate(err) {
		return takenName("camera", c.Name)
	}
	return err
}

// UpdateCamera lets edit change a camera in use and stores the result in the same transaction. ID, Created and Removed stay as
// they are whatever edit does. An error of edit is given back as it is and changes nothing. edit MUST NOT use the store.
func (db *DB) UpdateCamera(ctx context.Context, id ID, edit func(*Camera) error) (c Camera, err error) {
	err = db.write(ctx, func(t *tx) error {
		c, err = camera(t, id)
		if err != nil {
			return err
		}
		if !c.Removed.IsZero() {
			return noCamera(id)
		}
		if err := edit(&c); err != nil {
			return err
		}
		if err := c.Validate(); err != nil {
			return err
		}
		vault, err := vaultNoOrNull(t, c.Vault)
		if err != nil {
			return err
		}
		_, err = t.exec(`UPDATE camera SET name = ?, url = ?, secret = ?, pin = ?, trust = ?, transport = ?, allow_tls12 = ?, mode = ?,
			preroll_ms = ?, postroll_ms = ?, retention_days = ?, retention_bytes = ?, audio = ?, vault_no = ?, position = ?,
			sub_url = nullif(?, ''), onvif = nullif(?, ''), controls = ? WHERE id = ?`,
			c.Name, c.URL, blob(c.Secret), blob(c.Pin), c.Trust, c.Transport, c.AllowTLS12, c.Mode,
			c.PreRoll.Milliseconds(), c.PostRoll.Milliseconds(),
			positive(int64(c.RetentionDays)), positive(c.RetentionBytes), c.Audio, vault, c.Position, c.SubURL, c.ONVIF, c.Controls, id)
		if duplicate(err) {
			return takenName("camera", c.Name)
		}
		if err != nil {
			return err
		}
		c, err = camera(t, id)
		return err
	})
	return c, err
}

// RemoveCamera takes a camera out of use and forgets its secret and pin; its name is free again. With keepClips its clips
// stay until retention takes them; without, Purging lists it until DeleteClips has taken the last one. Either way the row
// goes with the last clip, together with the camera's gaps and events. The recorder MUST have closed its open clip before.
func (db *DB) RemoveCamera(ctx context.Context, id ID, keepClips bool) error {
	return db.write(ctx, func(t *tx) error {
		err := t.change(noCamera(id), `UPDATE camera SET removed = ?, purge = ?, secret = NULL, pin = NULL, mode = 'off'
			WHERE id = ? AND removed IS NULL`, micros(db.now()), !keepClips, id)
		if err != nil {
			return err
		}
		_, err = t.exec(`UPDATE gap SET "end" = max(start + 1, ?) WHERE "end" IS NULL AND camera_no = (SELECT no FROM camera WHERE id = ?)`,
			micros(db.now()), id)
		if err != nil {
			return err
		}
		if err := revokeDevices(t, id); err != nil {
			return err
		}
		return forgetCameras(t)
	})
}

// Purging lists removed cameras whose clips are to be deleted.
func (db *DB) Purging(ctx context.Context) (all []Camera, err error) {
	err = db.read(ctx, func(t *tx) error {
		all, err = list(t, scanCamera, cameraColumns+`WHERE c.purge = 1 ORDER BY c.no`)
		return err
	})
	return all, err
}

// forgetCameras drops removed cameras that have no clip any more.
func forgetCameras(t *tx) error {
	_, err := t.exec(`DELETE FROM camera WHERE removed IS NOT NULL AND NOT EXISTS (SELECT 1 FROM clip WHERE clip.camera_no = camera.no)`)
	return err
}

func takenName(what, name string) error {
	return Errorf(Conflict, "there is a %s named %q already; choose another name", what, name)
}

// blob stores an empty slice as NULL.
func blob(data []byte) any {
	if len(data) == 0 {
		return nil
	}
	return data
}
