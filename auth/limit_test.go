package auth

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func (b *box) wrong(name string, from Client) error {
	_, err := b.SignIn(b.t.Context(), Credentials{Name: name, Password: "wrong password here", Code: "123456"}, from)
	return err
}

// TestDelayGrows: three failures cost nothing; then the delay doubles up to a quarter of an hour and never becomes a
// lock-out, and a restart forgives nothing.
func TestDelayGrows(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	e := b.owner()
	for range 3 {
		want(t, b.wrong("Anna", home), Denied)
	}
	if _, err := b.signIn(e, home); err != nil {
		t.Fatalf("three failures cost a delay: %v", err)
	}
	from := there
	for _, secs := range []int{0, 0, 0, 15, 30, 60, 120, 240, 480, 900, 900} {
		want(t, b.wrong("Anna", from), Denied)
		if secs == 0 {
			continue
		}
		b.restart()
		err := b.wrong("anna ", from)
		e := want(t, err, Throttled)
		if e.RetryAfter <= 0 || e.RetryAfter > time.Duration(secs+1)*time.Second {
			t.Errorf("retry after %v, want about %d s", e.RetryAfter, secs)
		}
		b.clock.add(time.Duration(secs)*time.Second - time.Millisecond)
		want(t, b.wrong("Anna", from), Throttled)
		b.clock.add(time.Millisecond)
	}
	want(t, b.wrong("Anna", from), Denied)
	b.clock.add(16 * time.Minute)
	if _, err := b.signIn(e, from); err != nil {
		t.Errorf("locked out: %v", err)
	}
	elsewhere := Client{Addr: netip.MustParseAddr("203.0.113.10")}
	for range 3 { // a success forgets the account's failures, not those of the address
		want(t, b.wrong("Anna", elsewhere), Denied)
	}
}

// TestOwnerIsNotKeptOut: a stranger who guesses on and on delays himself, not the owner where she signed in before.
// Attack case 25 of docs/attacks.md.
func TestOwnerIsNotKeptOut(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	e := b.owner()
	_, err := b.signIn(e, home)
	ok(t, err)
	for i := range 10 {
		from := Client{Addr: netip.MustParseAddr(fmt.Sprintf("203.0.113.%d", i+1))}
		b.wrong("Anna", from) //nolint:errcheck // throttled or denied
		b.clock.add(30 * time.Second)
	}
	_, err = b.signIn(e, there)
	want(t, err, Throttled)
	if _, err = b.signIn(e, home); err != nil {
		t.Errorf("the owner at home waits: %v", err)
	}
}

// TestSpray: one address that tries many names is slowed down; so is a whole /64 of IPv6.
// Attack case 26 of docs/attacks.md.
func TestSpray(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.owner()
	for _, addr := range []string{"203.0.113.%d", "2001:db8:5:6::%d"} {
		blocked := 0
		for i := range 40 {
			one := 1
			if addr[0] == '2' && addr[1] == '0' && addr[2] == '0' {
				one = i + 1
			}
			from := Client{Addr: netip.MustParseAddr(fmt.Sprintf(addr, one))}
			if errors.Is(b.wrong(fmt.Sprintf("user%d", i), from), &Error{Code: Throttled}) {
				blocked++
			}
		}
		if blocked < 25 {
			t.Errorf("%s: only %d of 40 were slowed down", addr, blocked)
		}
	}
}

// TestOwnAccountWashesNothing: who has an account of his own cannot reset the count of his address with it.
func TestOwnAccountWashesNothing(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	e := b.owner()
	guesses := 0
	for i := range 30 {
		if b.clock.add(31 * time.Second); i%2 == 0 {
			if _, err := b.signIn(e, home); errors.Is(err, &Error{Code: Throttled}) {
				break
			}
			continue
		}
		for n := range 3 {
			if errors.Is(b.wrong(fmt.Sprintf("victim %d %d", i, n), home), &Error{Code: Denied}) {
				guesses++
			}
		}
	}
	rows, err := b.db.Throttles(t.Context(), b.byAddress(home.Addr).key)
	ok(t, err)
	if len(rows) != 1 || rows[0].Fails != guesses {
		t.Errorf("%d guesses, counted %+v", guesses, rows)
	}
}

// TestParallelGuesses: attempts raced in parallel are not judged before the first of them is counted.
func TestParallelGuesses(t *testing.T) {
	t.Parallel()
	b := newBox(t, func(c *Config) { c.Parallel = 50 })
	b.owner()
	var judged atomic.Int32
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if errors.Is(b.wrong("Anna", there), &Error{Code: Denied}) {
				judged.Add(1)
			}
		})
	}
	wg.Wait()
	if n := judged.Load(); n != 4 { // three for nothing, and the one that begins the delay
		t.Errorf("%d of 50 were judged", n)
	}
}

// TestBruteForce: a patient machine gets at most ten guesses into a quarter of an hour.
// Attack case 25 of docs/attacks.md.
func TestBruteForce(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.owner()
	judged := 0
	for i := range 900 {
		from := Client{Addr: netip.MustParseAddr(fmt.Sprintf("203.0.113.%d", i%250+1))}
		if errors.Is(b.wrong("Anna", from), &Error{Code: Denied}) {
			judged++
		}
		b.clock.add(time.Second)
	}
	if judged > 10 {
		t.Errorf("%d guesses were judged in 15 minutes", judged)
	}
}

// TestClockFromTheFuture: a failure counted while the clock stood in 2099 does not delay for decades.
func TestClockFromTheFuture(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	e := b.owner()
	real := b.clock.at.Load()
	b.clock.add(72 * 365 * 24 * time.Hour)
	for range 5 {
		b.wrong("Anna", home) //nolint:errcheck // only to count
	}
	b.clock.at.Store(real)
	if _, err := b.signIn(e, home); err != nil {
		t.Error(err)
	}
}

// TestFlood: more sign-ins than may wait are turned away with a delay, and are not counted as failures.
// Attack case 28 of docs/attacks.md.
func TestFlood(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	e := b.owner()
	for range cap(b.hash.queue) {
		b.hash.queue <- struct{}{}
	}
	for range 20 {
		_, err := b.signIn(e, home)
		want(t, err, Throttled)
	}
	for range cap(b.hash.queue) {
		<-b.hash.queue
	}
	if _, err := b.signIn(e, home); err != nil {
		t.Errorf("those who were turned away are to blame: %v", err)
	}
	// Somebody who goes away while waiting leaves no place taken and no failure counted.
	b.hash.slots <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 5 {
		if _, err := b.SignIn(ctx, Credentials{Name: "Anna", Password: goodPassword, Code: "1"}, home); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}
	<-b.hash.slots
	if n := len(b.hash.queue); n != 0 {
		t.Errorf("%d still wait", n)
	}
}

func TestSweepForgets(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.owner()
	want(t, b.wrong("Anna", home), Denied)
	b.clock.add(25 * time.Hour)
	ok(t, b.sweep(t.Context()))
	rows, err := b.db.Throttles(t.Context(), accountKey("Anna"), b.byAddress(home.Addr).key)
	ok(t, err)
	if len(rows) != 0 {
		t.Errorf("left: %+v", rows)
	}
}
