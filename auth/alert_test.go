package auth

import (
	"strings"
	"testing"
	"time"

	"cardea/store"
)

// told lists what the events about accounts say, oldest first.
func (b *box) told() (all []string) {
	b.t.Helper()
	events, err := b.db.Events(b.t.Context(), store.EventQuery{Kind: "system"})
	ok(b.t, err)
	for _, e := range events {
		all = append([]string{string(e.Data)}, all...)
	}
	return all
}

// TestOwnersHear: guessing at an account (attack case 25), recovery codes (case 32) and what the console does come to the owners' eyes.
func TestOwnersHear(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	e := b.owner()
	for range alarming + 2 {
		_ = b.wrong("Anna", there)
		b.clock.add(20 * time.Minute)
	}
	for range alarming + 2 {
		_ = b.wrong("Nobody", there)
		b.clock.add(20 * time.Minute)
	}
	if told := b.told(); len(told) != 1 || !strings.Contains(told[0], "10 sign-ins as Anna failed in a row, the last one from 203.0.113.9") {
		t.Fatalf("told %q", told)
	}
	step := func() { b.clock.add(time.Second) } // so that they have an order
	_, err := b.SignIn(t.Context(), Credentials{Name: "Anna", Password: goodPassword, Code: e.RecoveryCodes[0]}, home)
	ok(t, err)
	step()
	_, _, err = b.Add(t.Context(), "Bob", "seven grey herons over Lund 4", Viewer)
	ok(t, err)
	step()
	ok(t, b.ResetPassword(t.Context(), "Bob", "eleven brown owls over Oslo 5"))
	step()
	_, err = b.ResetTOTP(t.Context(), "Bob")
	ok(t, err)
	step()
	ok(t, b.Remove(t.Context(), "Bob"))
	told := b.told()
	for i, part := range []string{"recovery code from 192.168.1.20; 9 are left", "account Bob (viewer) was made", "password of Bob was reset", "second factor of Bob was reset", "account Bob was removed"} {
		if len(told) != 6 || !strings.Contains(told[i+1], part) {
			t.Fatalf("told %q, want %q", told, part)
		}
	}
}
