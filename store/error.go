package store

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/mattn/go-sqlite3"
)

// Code sorts errors by what a caller can do about them.
type Code string

const (
	// NotFound means that there is no such thing (any more).
	NotFound Code = "not_found"
	// Invalid means that the request can never work as it is; Message says which field is wrong.
	Invalid Code = "invalid"
	// Conflict means that the request collides with something that exists; Message says with what.
	Conflict Code = "conflict"
	// Denied means that the one who asks may not do this.
	Denied Code = "denied"
	// Unavailable means that the store cannot work just now: disk full, damaged, locked. Message says what to do.
	Unavailable Code = "unavailable"
)

// Error is an error for people: Message is a sentence that may be shown to them and holds no secret.
type Error struct {
	Code    Code
	Message string
	Err     error // the cause, for logs; may be nil
}

// Error gives the message and the cause.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.Message
	}
	return e.Message + ": " + e.Err.Error()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// ErrorCode gives the code of err, or "" when it has none and is therefore an internal error.
func ErrorCode(err error) Code {
	var known *Error
	if errors.As(err, &known) {
		return known.Code
	}
	return ""
}

// Errorf makes an Error without a cause; the arguments are for fmt.Sprintf and become part of the message.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

func unavailable(err error, format string, args ...any) *Error {
	return &Error{Code: Unavailable, Message: fmt.Sprintf(format, args...), Err: err}
}

// explain turns what SQLite says into an Error where there is something a person can do.
func (db *DB) explain(err error) error {
	var failure sqlite3.Error
	if err == nil || !errors.As(err, &failure) {
		return err
	}
	switch failure.Code {
	case sqlite3.ErrCorrupt, sqlite3.ErrNotADB:
		return db.damaged(err)
	case sqlite3.ErrFull:
		return unavailable(err, "the disk that holds %s is full; free some space there", db.path)
	case sqlite3.ErrReadonly:
		return unavailable(err, "%s cannot be written; check its owner and whether the disk is mounted read-only", db.path)
	case sqlite3.ErrIoErr, sqlite3.ErrCantOpen:
		if errors.Is(failure.SystemErrno, syscall.ENOSPC) || errors.Is(failure.SystemErrno, syscall.EDQUOT) {
			return unavailable(err, "the disk that holds %s is full; free some space there", db.path)
		}
		return unavailable(err, "the disk that holds %s reports errors; check the disk and the system log", db.path)
	case sqlite3.ErrBusy, sqlite3.ErrLocked:
		return unavailable(err, "another program keeps %s locked; close it and try again", db.path)
	case sqlite3.ErrConstraint:
		if failure.ExtendedCode == sqlite3.ErrConstraintUnique || failure.ExtendedCode == sqlite3.ErrConstraintPrimaryKey {
			return &Error{Code: Conflict, Message: "this exists already", Err: err}
		}
		return &Error{Code: Invalid, Message: "a value is outside of what can be stored", Err: err}
	}
	return err
}

// damaged is the sentence for a database that cannot be trusted. Nothing is changed or deleted then.
func (db *DB) damaged(err error) *Error {
	return unavailable(err, "the database %s is damaged; nothing was changed. Run `cardea verify --data %s` to see what is wrong, "+
		"and `cardea restore` to bring back the last backup", db.path, db.dir)
}

// duplicate reports whether err is a collision of unique values.
func duplicate(err error) bool {
	var failure sqlite3.Error
	return errors.As(err, &failure) && failure.Code == sqlite3.ErrConstraint &&
		(failure.ExtendedCode == sqlite3.ErrConstraintUnique || failure.ExtendedCode == sqlite3.ErrConstraintPrimaryKey)
}
