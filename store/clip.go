package store

import (
	"time"

	"cardea/store/disk"
	"cardea/store/parts"
)

// ClipState says how far a clip has come.
type ClipState int

// The states of a clip.
const (
	ClipOpen   ClipState = 0 // being written, or left so by a crash until it is settled
	ClipClosed ClipState = 1 // complete
	ClipTorn   ClipState = 2 // cut off; playable up to its last whole chunk
)

// Cause says why a clip was recorded.
type Cause int

// The causes.
const (
	CauseContinuous Cause = 0
	CauseEvent      Cause = 1
)

// Part is one moof+mdat of a clip.
type Part = parts.Part

// Clip is one sealed file and its row.
type Clip struct {
	ID          ID
	Camera      ID
	Start       time.Time // wall time of the first frame; unique for the camera
	End         time.Time // end of the last frame's duration; of an open clip: of its last durable part, or Start
	Bytes       int64     // size of the file; of an open clip: bytes known to be durable
	Plain       int64     // plaintext bytes that the parts cover, init segment included; of an open clip: durable
	HeaderBytes int       // where the first age chunk starts in the file: age header and 16-byte nonce
	InitBytes   int       // length of the init segment at the start of the plaintext
	SHA256      []byte    // of the whole file; nil while open
	State       ClipState
	Cause       Cause
	Keep        bool // retention leaves it alone
	Fetched     bool // fetched later from the camera's memory
	Vault       ID   // whom it is sealed to
	Codecs      string
	Parts       []Part // only where the method says so
}

// Path is where the clip's file is, relative to the clips directory.
func (c *Clip) Path() string { return disk.ClipPath(c.Camera, c.Start, c.ID) }

// clipColumns reads clips without parts. An open clip's end and sizes are those of its last durable part.
const clipColumns = `SELECT clip.id, camera.id, clip.start,
	coalesce(clip."end", (SELECT "end" FROM open_part WHERE clip = clip.id ORDER BY n DESC LIMIT 1), clip.start),
	CASE clip.state WHEN 0 THEN coalesce((SELECT bytes FROM open_part WHERE clip = clip.id ORDER BY n DESC LIMIT 1), 0) ELSE clip.bytes END,
	CASE clip.state WHEN 0 THEN coalesce((SELECT plain FROM open_part WHERE clip = clip.id ORDER BY n DESC LIMIT 1), 0) ELSE clip.plain END,
	clip.header_bytes, clip.init_bytes, clip.sha256, clip.state, clip.cause, clip.keep, clip.fetched, vault.id, codec.mime
	FROM clip JOIN camera ON camera.no = clip.camera_no JOIN vault ON vault.no = clip.vault_no JOIN codec ON codec.no = clip.codec_no `

func scanClip(row scanner) (c Clip, err error) {
	err = row.Scan(&c.ID, &c.Camera, instant{&c.Start}, instant{&c.End}, &c.Bytes, &c.Plain, &c.HeaderBytes, &c.InitBytes,
		&c.SHA256, &c.State, &c.Cause, &c.Keep, &c.Fetched, &c.Vault, &c.Codecs)
	return c, err
}

func clip(t *tx, id ID) (Clip, error) {
	found, err := list(t, scanClip, clipColumns+`WHERE clip.id = ?`, id)
	if err == nil && len(found) == 0 {
		err = noClip(id)
	}
	if err != nil {
		return Clip{}, err
	}
	return found[0], nil
}

func noClip(id ID) error { return Errorf(NotFound, "there is no clip %s", id) }

// openParts reads the durable parts of a clip that is still open.
func openParts(t *tx, id ID) ([]Part, error) {
	return list(t, func(row scanner) (p Part, err error) {
		return p, row.Scan(instant{&p.Start}, &p.Offset, &p.Key)
	}, `SELECT start, offset, key FROM open_part WHERE clip = ? ORDER BY n`, id)
}

// packedParts reads the parts of a clip that is closed or torn.
func packedParts(t *tx, id ID) ([]Part, error) {
	var packed []byte
	err := t.one(noClip(id), `SELECT packed FROM clip_parts WHERE no = (SELECT parts_no FROM clip WHERE id = ?)`, []any{id}, &packed)
	if err != nil {
		return nil, err
	}
	list, err := parts.Unpack(packed)
	if err != nil {
		return nil, t.db.damaged(err)
	}
	return list, nil
}
