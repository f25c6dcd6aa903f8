package store

import (
	"fmt"
	"time"

	"github.com/oklog/ulid/v2"
)

// ID names a stored thing. Its text form is a ULID of 26 characters. The zero ID means "none".
type ID = ulid.ULID

// ParseID reads the text form. Anything else is Invalid.
func ParseID(text string) (ID, error) {
	id, err := ulid.ParseStrict(text)
	if err != nil {
		return ID{}, Errorf(Invalid, "%.40q is not an identifier: it has 26 letters and digits", text)
	}
	return id, nil
}

// NewID makes an ID that carries the time at (milliseconds; times before 1970 count as 1970).
func (db *DB) NewID(at time.Time) (ID, error) {
	id, err := ulid.New(uint64(max(0, at.UnixMilli())), db.entropy)
	if err != nil {
		return ID{}, fmt.Errorf("make an identifier: %w", err)
	}
	return id, nil
}

// fillIn says when a row was made, and gives it an ID of that time, where either is zero.
func (db *DB) fillIn(id *ID, created *time.Time) (err error) {
	if created.IsZero() {
		*created = db.now()
	}
	if *id == (ID{}) {
		*id, err = db.NewID(*created)
	}
	return err
}

// micros is how a time is stored.
func micros(at time.Time) int64 { return at.UnixMicro() }

// fromMicros is the time that micros stored.
func fromMicros(value int64) time.Time { return time.UnixMicro(value).UTC() }

// instant scans an INTEGER that may be NULL into a time; NULL gives the zero time.
type instant struct{ at *time.Time }

func (i instant) Scan(value any) error {
	switch value := value.(type) {
	case nil:
		*i.at = time.Time{}
	case int64:
		*i.at = fromMicros(value)
	default:
		return fmt.Errorf("a time is stored as %T", value)
	}
	return nil
}

// orNull stores a zero time as NULL.
func orNull(at time.Time) any {
	if at.IsZero() {
		return nil
	}
	return micros(at)
}

// positive stores 0 as NULL, for settings where 0 means "no rule of its own".
func positive(value int64) any {
	if value == 0 {
		return nil
	}
	return value
}
