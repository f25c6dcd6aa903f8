package store

import (
	"context"
	"time"

	"cardea/store/parts"
)

// OpenClip commits the row of a clip whose file is to be made next; the row MUST come before the first byte of the file.
// A zero ID is filled in. Camera, Start, Vault, Codecs, HeaderBytes and InitBytes are required. Another clip of the camera
// with the same Start is a Conflict: start a microsecond later.
func (db *DB) OpenClip(ctx context.Context, c Clip) (Clip, error) {
	if c.Start.IsZero() || c.Codecs == "" || c.HeaderBytes <= 0 || c.InitBytes <= 0 {
		return Clip{}, Errorf(Invalid, "a clip needs start, codecs, header and init lengths")
	}
	if c.ID == (ID{}) {
		id, err := db.NewID(c.Start)
		if err != nil {
			return Clip{}, err
		}
		c.ID = id
	}
	c.Start = fromMicros(micros(c.Start))
	c.End, c.Bytes, c.Plain, c.SHA256, c.State, c.Parts = c.Start, 0, 0, nil, ClipOpen, nil
	err := db.write(ctx, func(t *tx) error {
		camera, err := cameraNo(t, c.Camera)
		if err != nil {
			return err
		}
		vault, err := vaultNo(t, c.Vault)
		if err != nil {
			return err
		}
		if _, err := t.exec(`INSERT INTO codec (mime) VALUES (?) ON CONFLICT DO NOTHING`, c.Codecs); err != nil {
			return err
		}
		_, err = t.exec(`INSERT INTO clip (camera_no, start, id, header_bytes, init_bytes, state, cause, keep, fetched, vault_no, codec_no)
			VALUES (?, ?, ?, ?, ?, 0, ?, ?, ?, ?, (SELECT no FROM codec WHERE mime = ?))`,
			camera, micros(c.Start), c.ID, c.HeaderBytes, c.InitBytes, c.Cause, c.Keep, c.Fetched, vault, c.Codecs)
		if duplicate(err) {
			return Errorf(Conflict, "the camera has a clip that starts at %s already", c.Start.Format(time.RFC3339Nano))
		}
		return err
	})
	return c, err
}

// ClipParts are parts of an open clip that became durable together.
type ClipParts struct {
	Clip  ID
	Parts []Part
	End   time.Time // end of the last part's last frame
	Plain int64     // plaintext bytes up to the end of the last part
	Bytes int64     // bytes of the file that are durable and hold at least Plain
	// Mark is the last picture in them, where the camera has a name for it. Missed is the number of what it was fetched for, 0 for a live
	// recording.
	Mark   Mark
	Missed int64
}

// AppendParts records durable parts of any number of open clips in one transaction. Empty entries are skipped. The data MUST
// be durable before. A clip that is not open (any more) is a Conflict and nothing is stored.
func (db *DB) AppendParts(ctx context.Context, batch []ClipParts) error {
	return db.write(ctx, func(t *tx) error {
		for i := range batch {
			if err := appendParts(t, &batch[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

func appendParts(t *tx, add *ClipParts) error {
	for _, part := range add.Parts {
		err := t.change(notOpen(add.Clip), `INSERT INTO open_part (clip, n, start, offset, key, "end", plain, bytes)
			SELECT id, (SELECT coalesce(max(n) + 1, 0) FROM open_part WHERE clip = ?1), ?2, ?3, ?4, ?5, ?6, ?7 FROM clip WHERE id = ?1 AND state = 0`,
			add.Clip, micros(part.Start), part.Offset, part.Key, micros(add.End), add.Plain, add.Bytes)
		if err != nil {
			return err
		}
	}
	return progress(t, add.Clip, add.Missed, add.Mark, add.End)
}

// progress notes up to which picture a camera's recording, or what it was missing, is durable.
func progress(t *tx, clip ID, missed int64, m Mark, end time.Time) error {
	if missed != 0 {
		return fetched(t, clip, missed, m, end)
	}
	return putMark(t, clip, m)
}

func notOpen(id ID) error { return Errorf(Conflict, "the clip %s is not open", id) }

// ClosedClip is what becomes known when a clip's file is complete, or as complete as it will be.
type ClosedClip struct {
	Clip   ID
	Parts  []Part    // those that AppendParts has not had
	End    time.Time // zero: end of the last durable part
	Plain  int64     // plaintext bytes that the parts cover; 0: those of the last durable part
	Bytes  int64     // size of the file
	SHA256 []byte    // of the file
	Event  *Event    // stored in the same transaction when not nil
	Mark   Mark      // as in ClipParts
	Missed int64     // as in ClipParts
	// Preview, when not nil, is that of the clip, whose file is written next, see PreviewWritten. Clip, Camera, Start and End need not be set.
	Preview *Preview
}

// CloseClip turns an open clip into a closed one: end, size, hash and all parts packed, in one transaction with the event. The
// file MUST be complete and durable. A clip that is not open is a Conflict. Gives the clip without parts.
func (db *DB) CloseClip(ctx context.Context, end ClosedClip) (Clip, error) {
	return db.settle(ctx, end, ClipClosed)
}

// SettleTorn turns an open clip that a crash left behind into a torn one. Bytes and SHA256 are those of the file as it was
// found, Parts what recovery found beyond the durable parts (normally nothing). The event, if any, is stored with it.
func (db *DB) SettleTorn(ctx context.Context, end ClosedClip) (Clip, error) {
	return db.settle(ctx, end, ClipTorn)
}

func (db *DB) settle(ctx context.Context, end ClosedClip, state ClipState) (c Clip, err error) {
	if len(end.SHA256) != 32 || end.Bytes <= 0 {
		return Clip{}, Errorf(Invalid, "a finished clip needs its size and its SHA-256")
	}
	err = db.write(ctx, func(t *tx) error {
		c, err = clip(t, end.Clip)
		if ErrorCode(err) == NotFound || (err == nil && c.State != ClipOpen) {
			return notOpen(end.Clip)
		}
		if err != nil {
			return err
		}
		all, err := openParts(t, c.ID)
		if err != nil {
			return err
		}
		all = append(all, end.Parts...)
		packed, err := parts.Pack(all)
		if err != nil {
			return &Error{Code: Invalid, Message: "the parts of the clip are out of order", Err: err}
		}
		if !end.End.IsZero() {
			c.End = fromMicros(micros(end.End))
		}
		if c.End.Before(c.Start) { // a clock that stepped back must not make a clip of negative length
			c.End = c.Start
		}
		if end.Plain != 0 {
			c.Plain = end.Plain
		}
		c.Bytes, c.SHA256, c.State = end.Bytes, end.SHA256, state
		result, err := t.exec(`INSERT INTO clip_parts (packed) VALUES (?)`, packed)
		if err != nil {
			return err
		}
		no, err := result.LastInsertId()
		if err != nil {
			return err
		}
		_, err = t.exec(`UPDATE clip SET "end" = ?, bytes = ?, plain = ?, sha256 = ?, state = ?, parts_no = ? WHERE id = ?`,
			micros(c.End), c.Bytes, c.Plain, c.SHA256, c.State, no, c.ID)
		if err != nil {
			return err
		}
		if _, err := t.exec(`DELETE FROM open_part WHERE clip = ?`, c.ID); err != nil {
			return err
		}
		if err := progress(t, c.ID, end.Missed, end.Mark, c.End); err != nil {
			return err
		}
		var preview []byte
		if p := end.Preview; p != nil {
			p.Clip, p.Camera, p.Start, p.End = c.ID, c.Camera, c.Start, c.End
			if err := addPreview(t, p); err != nil {
				return err
			}
			preview = p.SHA256
		}
		t.logClip(&c, map[ClipState]string{ClipClosed: "closed", ClipTorn: "torn"}[state], preview)
		if end.Event == nil {
			return nil
		}
		return addEvent(t, end.Event)
	})
	return c, err
}

// OpenClips lists the clips in state ClipOpen with their durable parts. After a start these are exactly the clips that a crash cut
// off; no directory is scanned to find them.
func (db *DB) OpenClips(ctx context.Context) (all []Clip, err error) {
	err = db.read(ctx, func(t *tx) error {
		all, err = list(t, scanClip, clipColumns+`WHERE clip.state = 0 ORDER BY clip.camera_no, clip.start`)
		for i := range all {
			if err == nil {
				all[i].Parts, err = openParts(t, all[i].ID)
			}
		}
		return err
	})
	return all, err
}
