package store

import (
	"context"
	"time"
)

// Share is a link that shows some clips of one camera to whoever has it. The store cannot open what it shows.
type Share struct {
	ID         ID
	User       ID // who shares
	UserName   string
	Camera     ID
	CameraName string
	From, To   time.Time // nothing outside is served; zero = whole clips
	Note       string
	Keys       []byte // file keys of the clips, sealed under a key that the store never sees; empty when it is over
	Clips      int    // how many it was made for
	Created    time.Time
	Expires    time.Time
	MaxViews   int // 0 = any number
	Views      int
	LastView   time.Time // zero = never
	Revoked    time.Time // zero = not
}

// Over says why a share shows nothing any more: "revoked", "expired" or "used"; "" while it does.
func (s *Share) Over(now time.Time) string {
	switch {
	case !s.Revoked.IsZero():
		return "revoked"
	case !now.Before(s.Expires):
		return "expired"
	case s.MaxViews > 0 && s.Views >= s.MaxViews:
		return "used"
	}
	return ""
}

const shareColumns = `SELECT s.id, u.id, u.name, c.id, c.name, s.start, s."end", s.note, s.keys,
	(SELECT count(*) FROM share_clip x WHERE x.share_no = s.no), s.created, s.expires, s.max_views, s.views, s.last_view, s.revoked
	FROM share s JOIN user u ON u.no = s.user_no JOIN camera c ON c.no = s.camera_no `

func scanShare(row scanner) (s Share, err error) {
	return s, row.Scan(&s.ID, &s.User, &s.UserName, &s.Camera, &s.CameraName, instant{&s.From}, instant{&s.To}, &s.Note, &s.Keys,
		&s.Clips, instant{&s.Created}, instant{&s.Expires}, &s.MaxViews, &s.Views, instant{&s.LastView}, instant{&s.Revoked})
}

func noShare() *Error {
	return Errorf(NotFound, "this link does not exist, is over, or was taken back")
}

// AddShare stores a share of the clips, which have to be of s.Camera, and gives it back with ID and names.
func (db *DB) AddShare(ctx context.Context, s Share, clips []ID) (Share, error) {
	id, err := db.NewID(db.now())
	if err != nil {
		return Share{}, err
	}
	err = db.write(ctx, func(t *tx) error {
		user, err := userNo(t, s.User)
		if err != nil {
			return err
		}
		var camera, no int64
		if err := t.one(noCamera(s.Camera), `SELECT no FROM camera WHERE id = ?`, []any{s.Camera}, &camera); err != nil {
			return err
		}
		_, err = t.exec(`INSERT INTO share (id, user_no, camera_no, start, "end", note, keys, created, expires, max_views) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			id, user, camera, orNull(s.From), orNull(s.To), s.Note, s.Keys, micros(db.now()), micros(s.Expires), s.MaxViews)
		if err != nil {
			return err
		}
		if err := t.one(noShare(), `SELECT no FROM share WHERE id = ?`, []any{id}, &no); err != nil {
			return err
		}
		for _, clip := range clips {
			err := t.change(Errorf(NotFound, "there is no clip %s of this camera", clip), `INSERT OR IGNORE INTO share_clip (share_no, clip)
				SELECT ?, id FROM clip WHERE id = ? AND camera_no = ?`, no, clip, camera)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return Share{}, err
	}
	return db.Share(ctx, id)
}

// Share gives one share, whatever its state. NotFound.
func (db *DB) Share(ctx context.Context, id ID) (s Share, err error) {
	err = db.read(ctx, func(t *tx) error {
		found, err := list(t, scanShare, shareColumns+`WHERE s.id = ?`, id)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return noShare()
		}
		s = found[0]
		return nil
	})
	return s, err
}

// Shares lists the shares of one user, or all for the zero ID, the newest first.
func (db *DB) Shares(ctx context.Context, user ID) (all []Share, err error) {
	err = db.read(ctx, func(t *tx) error {
		all, err = list(t, scanShare, shareColumns+`WHERE ?1 OR u.id = ?2 ORDER BY s.no DESC`, user == (ID{}), user)
		return err
	})
	return all, err
}

// ShareClips lists the clips of a share that are still there, the oldest first, with their parts.
func (db *DB) ShareClips(ctx context.Context, id ID) (all []Clip, err error) {
	var ids []ID
	err = db.read(ctx, func(t *tx) error {
		ids, err = list(t, func(row scanner) (id ID, err error) { return id, row.Scan(&id) },
			`SELECT c.id FROM share s JOIN share_clip x ON x.share_no = s.no JOIN clip c ON c.id = x.clip WHERE s.id = ? ORDER BY c.start`, id)
		return err
	})
	for _, clip := range ids {
		c, err := db.Clip(ctx, clip)
		if ErrorCode(err) == NotFound {
			continue // deleted a moment ago
		}
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, err
}

// ShareHas reports whether a share was made for a clip.
func (db *DB) ShareHas(ctx context.Context, id, clip ID) (has bool, err error) {
	err = db.read(ctx, func(t *tx) error {
		return t.one(nil, `SELECT EXISTS (SELECT 1 FROM share s JOIN share_clip x ON x.share_no = s.no WHERE s.id = ? AND x.clip = ?)`, []any{id, clip}, &has)
	})
	return has, err
}

// ViewShare counts one more view of a share that is not over. NotFound when it is, so that the last view is given once.
func (db *DB) ViewShare(ctx context.Context, id ID) error {
	return db.write(ctx, func(t *tx) error {
		now := micros(db.now())
		return t.change(noShare(), `UPDATE share SET views = views + 1, last_view = ? WHERE id = ? AND revoked IS NULL AND expires > ?
			AND (max_views = 0 OR views < max_views)`, now, id, now)
	})
}

// RevokeShare takes a share back and forgets its sealed keys. NotFound when it is taken back already.
func (db *DB) RevokeShare(ctx context.Context, id ID) error {
	return db.write(ctx, func(t *tx) error {
		return t.change(noShare(), `UPDATE share SET revoked = ?, keys = zeroblob(0) WHERE id = ? AND revoked IS NULL`, micros(db.now()), id)
	})
}

// PurgeShares forgets the sealed keys of shares that expired before now, and the shares that expired before the time given.
func (db *DB) PurgeShares(ctx context.Context, now, before time.Time) error {
	return db.write(ctx, func(t *tx) error {
		if _, err := t.exec(`UPDATE share SET keys = zeroblob(0) WHERE expires <= ? AND length(keys) > 0`, micros(now)); err != nil {
			return err
		}
		_, err := t.exec(`DELETE FROM share WHERE expires < ?`, micros(before))
		return err
	})
}
