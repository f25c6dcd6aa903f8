package auth

import (
	"errors"
	"fmt"
	"time"

	"cardea/store"
)

// Code is the kind of an Error; package web gives each one a status.
type Code string

// The kinds of refusal, with the HTTP status each one means.
const (
	// Denied: no session, or name, password or code are wrong: 401.
	Denied Code = "denied"
	// Forbidden: known, but not allowed from here or with this role: 403.
	Forbidden Code = "forbidden"
	// Conflict: the box is claimed already, the name is taken, the last owner would go: 409.
	Conflict Code = "conflict"
	// Invalid: the password is too weak, the name has odd characters: 422.
	Invalid Code = "invalid"
	// NotFound: no such user or session: 404.
	NotFound Code = "not-found"
	// Throttled: too many failures or too many waiting; come back after RetryAfter: 429.
	Throttled Code = "throttled"
)

// Error is a refusal that a person may read. Anything that is not an *Error is a fault of the box and MUST NOT be
// shown to a stranger.
type Error struct {
	Code Code
	// Message is a whole sentence that says what is wrong and what to do.
	Message string
	// RetryAfter is how long to wait, always positive where Code is Throttled and 0 elsewhere.
	RetryAfter time.Duration
}

// Error returns the sentence.
func (e *Error) Error() string { return e.Message }

// Is reports whether target is an *Error of the same Code and, where target has one, the same Message.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && (t.Message == "" || t.Message == e.Message)
}

func refuse(code Code, format string, args ...any) error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

func throttled(wait time.Duration, why string) error {
	// Rounded up, because a Retry-After of 0 would be an invitation.
	wait = max(wait.Truncate(time.Second)+time.Second, time.Second)
	return &Error{Code: Throttled, Message: fmt.Sprintf("%s Try again in %s.", why, wait), RetryAfter: wait}
}

// errWrong is the one answer to every wrong sign-in, so that it tells nothing about which part was wrong.
func errWrong() error {
	return refuse(Denied, "The name, the password or the code is wrong.")
}

func errNoSession() error {
	return refuse(Denied, "You are not signed in, or the session has ended. Sign in again.")
}

// hasCode reports whether err is a store error of that code.
func hasCode(err error, code store.Code) bool {
	var e *store.Error
	return errors.As(err, &e) && e.Code == code
}
