package store

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"

	"cardea/store/tlog"
)

// LogName names one of the tamper-evident logs.
type LogName int

// The logs: what people did, and what became of footage.
const (
	LogAccess  LogName = 1
	LogFootage LogName = 2
)

// String is the word for a log in paths and in the API.
func (l LogName) String() string {
	if l == LogFootage {
		return "footage"
	}
	return "access"
}

// ParseLogName reads that word; "" is the access log. Anything else is Invalid.
func ParseLogName(word string) (LogName, error) {
	switch word {
	case "", "access":
		return LogAccess, nil
	case "footage":
		return LogFootage, nil
	}
	return 0, Errorf(Invalid, "there is no log %.20q; there are access and footage", word)
}

// KeyLogVKey is the setting that holds the public key of a log, so that another key is noticed.
func KeyLogVKey(log LogName) string { return "log." + log.String() + ".vkey" }

// Results of what somebody tried.
const (
	ResultOK      = "ok"
	ResultRefused = "refused"
)

// Actions that the store writes itself; the others are words of who calls LogAccess.
const (
	actionStart     = "log.start"
	actionLost      = "log.lost"
	actionErase     = "log.erase"
	ActionHeartbeat = "heartbeat" // nothing happened for an hour: silence would look like a log that is held back
	ActionClip      = "clip"
	ActionGap       = "gap"
	ActionDeletion  = "deletion"
)

// Access is something that somebody does, for the access log.
type Access struct {
	Action  string // "sign-in", "playback", "camera.add", ...
	Actor   Actor
	Agent   string // User-Agent, where it matters
	Refused bool   // tried in vain
	Camera  ID
	Clip    ID
	// Start and End bound the footage that is looked at.
	Start, End time.Time
	// Object is what it is done to, where that is no camera or clip: the name of an account, say. Detail is more about it.
	Object, Detail string
}

// LogRecord is a record of a log as it was committed to. Its JSON form is for ever: fields may be added, never changed.
type LogRecord struct {
	Version int    `json:"v"` // 1
	Seq     int64  `json:"seq"`
	Time    string `json:"time"` // RFC 3339 with microseconds
	Action  string `json:"action"`
	Result  string `json:"result,omitempty"`

	User  string `json:"user,omitempty"`
	Name  string `json:"name,omitempty"`
	Role  string `json:"role,omitempty"`
	Addr  string `json:"addr,omitempty"`
	Agent string `json:"agent,omitempty"`

	Camera     string `json:"camera,omitempty"`
	CameraName string `json:"camera_name,omitempty"`
	Clip       string `json:"clip,omitempty"`
	Start      string `json:"start,omitempty"`
	End        string `json:"end,omitempty"`
	Bytes      int64  `json:"bytes,omitempty"`
	SHA256     string `json:"sha256,omitempty"`
	Preview    string `json:"preview,omitempty"` // SHA-256 of a clip's preview; its file may be missing after a crash
	State      string `json:"state,omitempty"`   // of a clip: closed, torn, salvaged
	Reason     string `json:"reason,omitempty"`  // of a gap or deletion

	Object string `json:"object,omitempty"`
	Detail string `json:"detail,omitempty"`
	// Before is, in log.erase, the number of the first record that was not erased; in log.lost the records from Seq of the
	// index on up to Before are missing.
	Before int64 `json:"before,omitempty"`
}

// LogAccess appends to the access log. Call it BEFORE the act, and do not act when it gives an error.
func (db *DB) LogAccess(ctx context.Context, a Access) error {
	if a.Action == "" {
		return Errorf(Invalid, "a record needs an action")
	}
	result := ResultOK
	if a.Refused {
		result = ResultRefused
	}
	err := db.write(ctx, func(t *tx) error {
		name, err := t.cameraName(a.Camera)
		if err != nil {
			return err
		}
		return t.log(LogAccess, LogRecord{
			Action: a.Action, Result: result, User: idText(a.Actor.User), Name: a.Actor.Name, Role: a.Actor.Role, Addr: a.Actor.Addr, Agent: cut(a.Agent, 200),
			CameraName: name, Start: timeText(a.Start), End: timeText(a.End), Object: cut(a.Object, 200), Detail: cut(a.Detail, 500),
		}, a.Camera, a.Clip)
	})
	if err != nil && ctx.Err() == nil {
		return unavailable(err, "this cannot be recorded in the access log, so it is not done; free some space on the disk that holds %s, or look at the system log", db.path)
	}
	return err
}

// logFootage appends to the footage log, in the transaction of what it is about. Recording never ends for its sake: when only the
// append does not work, that is told to whoever watches the log (see LogFault), and the transaction goes on.
func (t *tx) logFootage(r LogRecord, camera, clip ID) {
	name, err := t.cameraName(camera)
	r.CameraName = name
	if err == nil {
		err = t.log(LogFootage, r, camera, clip)
	}
	if err != nil {
		t.db.logFault.Store(&logFault{err})
		t.db.log.Error("the footage log lacks a record", "action", r.Action, "clip", clip.String(), "error", err)
	}
}

// logClip binds the bytes of a clip that is finished, in whatever state.
func (t *tx) logClip(c *Clip, state string, preview []byte) {
	detail := ""
	if c.Fetched {
		detail = "Fetched later from the camera's memory."
	}
	t.logFootage(LogRecord{
		Action: ActionClip, Start: timeText(c.Start), End: timeText(c.End), Bytes: c.Bytes, SHA256: hexText(c.SHA256), State: state, Preview: hexText(preview),
		Detail: detail,
	}, c.Camera, c.ID)
}

// logGap records the beginning of a gap, or all of one that is over.
func (t *tx) logGap(gap *Gap) {
	t.logFootage(LogRecord{
		Action: ActionGap, Start: timeText(gap.Start), End: timeText(gap.End), Reason: string(gap.Reason), Detail: cut(gap.Detail, 500),
	}, gap.Camera, ID{})
}

type logFault struct{ err error }

// LogFault is the last error of appending to the footage log since the start, or nil.
func (db *DB) LogFault() error {
	if fault := db.logFault.Load(); fault != nil {
		return fault.err
	}
	return nil
}

func (t *tx) cameraName(id ID) (name string, err error) {
	if id == (ID{}) {
		return "", nil
	}
	return name, t.one(nil, `SELECT name FROM camera WHERE id = ?`, []any{id}, &name)
}

// log is the append: number, salt and record in the transaction of t.
func (t *tx) log(log LogName, r LogRecord, camera, clip ID) error {
	at := t.db.now()
	r.Version, r.Time, r.Camera, r.Clip = 1, timeText(at), idText(camera), idText(clip)
	counter := "log." + log.String()
	if err := t.one(t.db.damaged(nil), `SELECT value FROM counter WHERE name = ?`, []any{counter}, &r.Seq); err != nil {
		return err
	}
	text, err := encodeRecord(r)
	if err != nil {
		return err
	}
	salt := make([]byte, tlog.SaltSize)
	if _, err := io.ReadFull(t.db.entropy, salt); err != nil {
		return fmt.Errorf("draw a salt: %w", err)
	}
	// The number is used up only when the record is in: a hole would stop the tree.
	_, err = t.exec(`INSERT INTO log_record (log, seq, at, action, camera, clip, salt, record) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		log, r.Seq, micros(at), r.Action, idOrNull(camera), idOrNull(clip), salt, string(text))
	if err != nil {
		return err
	}
	t.logged = true
	return t.change(t.db.damaged(nil), `UPDATE counter SET value = value + 1 WHERE name = ?`, counter)
}

// encodeRecord gives the JSON of a record in ASCII but for printable letters: whatever somebody put into a name or a User-Agent, it
// is one line without control characters, also for a terminal or a syslog collector.
func encodeRecord(r LogRecord) ([]byte, error) {
	var raw bytes.Buffer
	enc := json.NewEncoder(&raw)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(r); err != nil {
		return nil, fmt.Errorf("encode a record: %w", err)
	}
	var out []byte
	for _, c := range strings.TrimSuffix(raw.String(), "\n") {
		switch {
		case c == ' ' || unicode.IsPrint(c):
			out = append(out, string(c)...)
		case c > 0xFFFF:
			hi, lo := utf16.EncodeRune(c)
			out = fmt.Appendf(out, `\u%04x\u%04x`, hi, lo)
		default:
			out = fmt.Appendf(out, `\u%04x`, c)
		}
	}
	return out, nil
}

func timeText(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format("2006-01-02T15:04:05.000000Z07:00")
}

func idText(id ID) string {
	if id == (ID{}) {
		return ""
	}
	return id.String()
}

func idOrNull(id ID) any {
	if id == (ID{}) {
		return nil
	}
	return id
}

// cut shortens text to at most n runes.
func cut(text string, n int) string {
	if runes := []rune(text); len(runes) > n {
		return string(runes[:n])
	}
	return text
}

func hexText(sum []byte) string { return hex.EncodeToString(sum) }
