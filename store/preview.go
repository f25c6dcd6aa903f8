package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"cardea/store/disk"
	"cardea/store/parts"
)

// Preview is the small file beside a clip and its row: some key frames of the camera's sub-stream, sealed as the clip is.
type Preview struct {
	Clip        ID
	Camera      ID        // given, not stored
	Start, End  time.Time // of the clip; given, not stored
	Bytes       int64     // size of the file
	HeaderBytes int       // where the first age chunk starts in the file
	InitBytes   int       // length of the init segment at the start of the plaintext
	SHA256      []byte    // of the whole file
	Codecs      string
	Parts       []Part // one for each picture
}

// Path is where the file is, relative to the clips directory. Camera and Start are required.
func (p *Preview) Path() string { return disk.PreviewPath(p.Camera, p.Start, p.Clip) }

// addPreview stores the row of a preview whose file is to be written next; the row MUST come before the first byte.
func addPreview(t *tx, p *Preview) error {
	if p.Bytes <= 0 || p.HeaderBytes <= 0 || p.InitBytes <= 0 || len(p.SHA256) != sha256.Size || p.Codecs == "" || len(p.Parts) == 0 {
		return Errorf(Invalid, "a preview needs its size, header and init lengths, SHA-256, codecs and parts")
	}
	packed, err := parts.Pack(p.Parts)
	if err != nil {
		return &Error{Code: Invalid, Message: "the parts of the preview are out of order", Err: err}
	}
	if _, err := t.exec(`INSERT INTO codec (mime) VALUES (?) ON CONFLICT DO NOTHING`, p.Codecs); err != nil {
		return err
	}
	_, err = t.exec(`INSERT INTO preview (clip, state, bytes, header_bytes, init_bytes, sha256, codec_no, packed)
		VALUES (?, 0, ?, ?, ?, ?, (SELECT no FROM codec WHERE mime = ?), ?)`, p.Clip, p.Bytes, p.HeaderBytes, p.InitBytes, p.SHA256, p.Codecs, packed)
	return err
}

// PreviewWritten says that the file of a preview that CloseClip has stored is whole and durable: from now on it is listed. NotFound
// where the clip has gone meanwhile.
func (db *DB) PreviewWritten(ctx context.Context, clip ID) error {
	return db.write(ctx, func(t *tx) error {
		return t.change(noPreview(clip), `UPDATE preview SET state = 1 WHERE clip = ?`, clip)
	})
}

// DropPreview takes a preview out of the index and notes its file as garbage; the clip stays. Sweep unlinks the file then. One that is
// gone already is no error.
func (db *DB) DropPreview(ctx context.Context, id ID) error {
	return db.write(ctx, func(t *tx) error {
		c, err := clip(t, id)
		if ErrorCode(err) == NotFound {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := previewGarbage(t, &c, "lost"); err != nil {
			return err
		}
		_, err = t.exec(`DELETE FROM preview WHERE clip = ?`, id)
		return err
	})
}

// previewGarbage notes the file of a clip's preview, if it has one, as garbage, and gives its size. A row that is damaged is no reason to
// keep the file.
func previewGarbage(t *tx, c *Clip, reason string) (bytes int64, err error) {
	sizes, err := list(t, func(row scanner) (n int64, err error) { return n, row.Scan(&n) }, `SELECT bytes FROM preview WHERE clip = ?`, c.ID)
	if err != nil || len(sizes) == 0 {
		return 0, err
	}
	_, err = t.exec(`INSERT INTO garbage (path, bytes, reason, deleted) VALUES (?, ?, ?, ?)`,
		disk.PreviewPath(c.Camera, c.Start, c.ID), sizes[0], reason, micros(t.db.now()))
	return sizes[0], err
}

const previewColumns = `SELECT preview.clip, camera.id, clip.start, clip."end", preview.bytes, preview.header_bytes, preview.init_bytes,
	preview.sha256, codec.mime, preview.packed
	FROM clip JOIN preview ON preview.clip = clip.id JOIN camera ON camera.no = clip.camera_no JOIN codec ON codec.no = preview.codec_no `

func scanPreview(row scanner) (p Preview, err error) {
	var packed []byte
	err = row.Scan(&p.Clip, &p.Camera, instant{&p.Start}, instant{&p.End}, &p.Bytes, &p.HeaderBytes, &p.InitBytes, &p.SHA256, &p.Codecs, &packed)
	if err == nil {
		p.Parts, err = parts.Unpack(packed)
	}
	return p, err
}

func noPreview(clip ID) error { return Errorf(NotFound, "the clip %s has no preview", clip) }

// Preview gives the preview of a clip. NotFound where it has none.
func (db *DB) Preview(ctx context.Context, clip ID) (p Preview, err error) {
	err = db.read(ctx, func(t *tx) error {
		found, err := t.previews(`WHERE clip.id = ? AND preview.state = 1`, clip)
		if err == nil && len(found) == 0 {
			err = noPreview(clip)
		}
		if err == nil {
			p = found[0]
		}
		return err
	})
	return p, err
}

// Previews lists the previews of the clips of a camera that touch the time, the earliest first. Camera and Limit are required.
func (db *DB) Previews(ctx context.Context, query ClipQuery) (all []Preview, err error) {
	if query.Limit <= 0 {
		return nil, Errorf(Invalid, "a limit is required")
	}
	err = db.read(ctx, func(t *tx) error {
		no, err := cameraNo(t, query.Camera)
		if err != nil {
			return err
		}
		from, to := bounds(query.From, query.To)
		// As in Clips: only the last clip before the range can reach into it.
		all, err = t.previews(`WHERE preview.state = 1 AND clip.camera_no = ?1
			AND clip.start >= coalesce((SELECT max(start) FROM clip WHERE camera_no = ?1 AND start <= ?2), ?2) AND clip.start < ?3
			AND clip."end" > ?2 ORDER BY clip.start LIMIT ?4`, no, from, to, query.Limit)
		return err
	})
	return all, err
}

func (t *tx) previews(where string, args ...any) ([]Preview, error) {
	found, err := list(t, scanPreview, previewColumns+where, args...)
	if errors.Is(err, parts.ErrFormat) {
		err = t.db.damaged(err)
	}
	return found, err
}

// SettlePreviews ends what a crash left half written: where the file is whole its preview is listed from now on, else both go. Call it
// at start. It does nothing while the disk is missing.
func (db *DB) SettlePreviews(ctx context.Context, root *disk.Root) error {
	var planned []Preview
	err := db.read(ctx, func(t *tx) (err error) {
		planned, err = t.previews(`WHERE preview.state = 0`)
		return err
	})
	if err != nil || len(planned) == 0 {
		return err
	}
	if err := root.Check(); err != nil {
		return err // a file that is missing from a disk that is missing is not gone
	}
	for i := range planned {
		whole, err := holds(root, planned[i].Path(), planned[i].Bytes, planned[i].SHA256)
		if err == nil && whole {
			err = db.PreviewWritten(ctx, planned[i].Clip)
		} else if err == nil {
			err = db.DropPreview(ctx, planned[i].Clip)
		}
		if err != nil {
			return err
		}
	}
	_, err = db.Sweep(ctx, root, nil)
	return err
}
