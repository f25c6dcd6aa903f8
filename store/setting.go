package store

import (
	"context"
	"time"
)

// Settings that the store itself reads.
const (
	keyStoreID    = "store.id"
	keyClockFloor = "clock.floor"
)

func setting(t *tx, key string) (value string, err error) {
	err = t.one(Errorf(NotFound, "%s is not set", key), `SELECT value FROM setting WHERE key = ?`, []any{key}, &value)
	return value, err
}

func putSetting(t *tx, key, value string) error {
	_, err := t.exec(`INSERT INTO setting (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2`, key, value)
	return err
}

// Setting gives the value stored under key, or NotFound.
func (db *DB) Setting(ctx context.Context, key string) (value string, err error) {
	err = db.read(ctx, func(t *tx) error {
		value, err = setting(t, key)
		return err
	})
	return value, err
}

// Settings gives all settings.
func (db *DB) Settings(ctx context.Context) (map[string]string, error) {
	type pair struct{ key, value string }
	all := map[string]string{}
	err := db.read(ctx, func(t *tx) error {
		pairs, err := list(t, func(row scanner) (p pair, err error) {
			return p, row.Scan(&p.key, &p.value)
		}, `SELECT key, value FROM setting`)
		for _, p := range pairs {
			all[p.key] = p.value
		}
		return err
	})
	return all, err
}

// PutSettings stores several values in one transaction. The store's own identifier cannot be changed.
func (db *DB) PutSettings(ctx context.Context, values map[string]string) error {
	return db.write(ctx, func(t *tx) error {
		for key, value := range values {
			if key == "" || key == keyStoreID {
				return Errorf(Invalid, "the setting %q cannot be changed", key)
			}
			if err := putSetting(t, key, value); err != nil {
				return err
			}
		}
		return nil
	})
}

// DropSetting forgets key, so that its default counts again. Unknown keys are no error.
func (db *DB) DropSetting(ctx context.Context, key string) error {
	if key == keyStoreID {
		return Errorf(Invalid, "the setting %q cannot be changed", key)
	}
	return db.write(ctx, func(t *tx) error {
		_, err := t.exec(`DELETE FROM setting WHERE key = ?`, key)
		return err
	})
}

// ClockFloor is the highest time that RaiseClockFloor was told, or the zero time. A clock that says less is wrong.
func (db *DB) ClockFloor(ctx context.Context) (floor time.Time, err error) {
	err = db.read(ctx, func(t *tx) error {
		floor, err = clockFloor(t)
		return err
	})
	return floor, err
}

func clockFloor(t *tx) (time.Time, error) {
	text, err := setting(t, keyClockFloor)
	if ErrorCode(err) == NotFound {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	floor, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}, t.db.damaged(err)
	}
	return floor, nil
}

// RaiseClockFloor remembers at if it is later than the floor; an earlier time changes nothing. The caller decides how far
// a jump forward is believed.
func (db *DB) RaiseClockFloor(ctx context.Context, at time.Time) error {
	return db.write(ctx, func(t *tx) error {
		floor, err := clockFloor(t)
		if err != nil || !at.After(floor) {
			return err
		}
		return putSetting(t, keyClockFloor, at.UTC().Format(time.RFC3339Nano))
	})
}
