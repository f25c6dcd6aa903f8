package auth

import (
	"net/netip"
	"testing"
	"time"

	"cardea/store"
)

// TestPace: what an address, an account or a device does too often waits, also after a restart, and holds up nobody else.
func TestPace(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	pace := func(act Paced, addr string, user store.ID, device string) error {
		return b.Pace(t.Context(), act, netip.MustParseAddr(addr), user, device)
	}
	anna, bert := store.ID{1}, store.ID{2}
	for range paceBurst {
		ok(t, pace(PacedStepUp, "2001:db8::1", anna, "phone"))
	}
	b.restart()
	e := want(t, pace(PacedStepUp, "2001:db8::2", bert, "tablet"), Throttled) // the same network
	if e.RetryAfter <= 0 || e.RetryAfter > 2*paceEvery {
		t.Errorf("retry after %v", e.RetryAfter)
	}
	want(t, pace(PacedStepUp, "192.0.2.1", anna, "tablet"), Throttled)
	want(t, pace(PacedStepUp, "192.0.2.1", bert, "phone"), Throttled)
	ok(t, pace(PacedStepUp, "192.0.2.1", bert, "tablet"))
	ok(t, pace(PacedSignIn, "2001:db8::1", anna, "phone"))
	b.clock.add(paceEvery)
	ok(t, pace(PacedStepUp, "2001:db8::1", anna, "phone"))
	want(t, pace(PacedStepUp, "2001:db8::1", anna, "phone"), Throttled)
	b.clock.add(paceBurst*paceEvery + time.Second)
	ok(t, b.sweep(t.Context()))
	for range paceBurst {
		ok(t, pace(PacedStepUp, "2001:db8::1", anna, "phone"))
	}
}
