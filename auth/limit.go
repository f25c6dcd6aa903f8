package auth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"cardea/store"
)

// Policy is the delay after failed attempts. It only ever delays; it never locks anybody out.
type Policy struct {
	// Free is the number of failures that cost no delay.
	Free int
	// First is the delay after failure Free+1; each further one doubles it, up to Max.
	First, Max time.Duration
	// Forget is how long without a failure it takes until all are forgotten.
	Forget time.Duration
}

// wait is the delay after the given number of failures.
func (p Policy) wait(fails int) time.Duration {
	if fails <= p.Free {
		return 0
	}
	d := p.First
	for range min(fails-p.Free-1, 40) {
		if d >= p.Max {
			break
		}
		d *= 2
	}
	return min(d, p.Max)
}

// limiter counts failures in the index, so that a restart forgives nothing.
type limiter struct {
	db  *store.DB
	now func() time.Time

	mu sync.Mutex
	// running is the number of attempts under way, by key. They count like failures, because attempts raced in parallel
	// would otherwise all be judged before the first one has failed.
	running map[string]int
}

// bucket is one counter with its rule.
type bucket struct {
	key    string
	policy Policy
}

// attempt is one try under way. It MUST end with one of fail, succeed and drop.
type attempt struct {
	l       *limiter
	buckets []bucket
}

// begin lets an attempt start, or refuses it where one of the buckets is still waiting. A refused attempt costs nothing.
func (l *limiter) begin(ctx context.Context, buckets ...bucket) (*attempt, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var wait time.Duration
	for _, b := range buckets {
		w, err := l.wait(ctx, b)
		if err != nil {
			return nil, err
		}
		wait = max(wait, w)
	}
	if wait > 0 {
		return nil, throttled(wait, "There were too many failed attempts.")
	}
	for _, b := range buckets {
		l.running[b.key]++
	}
	return &attempt{l: l, buckets: buckets}, nil
}

// wait is how long an attempt in b has to wait now.
func (l *limiter) wait(ctx context.Context, b bucket) (time.Duration, error) {
	row, err := l.load(ctx, b)
	if err != nil {
		return 0, err
	}
	now := l.now()
	if n := l.running[b.key]; n > 0 {
		return max(row.Until.Sub(now), b.policy.wait(row.Fails+n)), nil
	}
	return row.Until.Sub(now), nil
}

// load reads a counter, empty where its failures are forgotten: they are old, or were counted under a clock far in the
// future, since nobody is to wait for 2099.
func (l *limiter) load(ctx context.Context, b bucket) (store.Throttle, error) {
	rows, err := l.db.Throttles(ctx, b.key)
	if err != nil {
		return store.Throttle{}, fmt.Errorf("read failures: %w", err)
	}
	if len(rows) > 0 {
		if since := l.now().Sub(rows[0].Last); since <= b.policy.Forget && since >= -time.Minute {
			return rows[0], nil
		}
	}
	return store.Throttle{Key: b.key}, nil
}

// fail counts the attempt in every bucket. It goes on after ctx is done: hanging up must not save anybody a failure.
func (a *attempt) fail(ctx context.Context) error {
	a.l.mu.Lock()
	defer a.l.mu.Unlock()
	a.end()
	ctx = context.WithoutCancel(ctx)
	for _, b := range a.buckets {
		row, err := a.l.load(ctx, b)
		if err != nil {
			return err
		}
		row.Fails++
		row.Last = a.l.now()
		row.Until = row.Last.Add(b.policy.wait(row.Fails))
		if err := a.l.db.SetThrottle(ctx, row); err != nil {
			return fmt.Errorf("count a failure: %w", err)
		}
	}
	return nil
}

// succeed forgets the failures of the first bucket, whose owner has just proved who he is. The others stay as they
// are: with an account of his own nobody can wash an address that guesses at another one.
func (a *attempt) succeed(ctx context.Context) error {
	a.l.mu.Lock()
	defer a.l.mu.Unlock()
	a.end()
	if err := a.l.db.ClearThrottle(ctx, a.buckets[0].key); err != nil {
		return fmt.Errorf("forget failures: %w", err)
	}
	return nil
}

// drop ends an attempt that was not judged, for a reason that is not the caller's.
func (a *attempt) drop() {
	a.l.mu.Lock()
	defer a.l.mu.Unlock()
	a.end()
}

func (a *attempt) end() {
	for _, b := range a.buckets {
		if a.l.running[b.key]--; a.l.running[b.key] <= 0 {
			delete(a.l.running, b.key)
		}
	}
}

// byAccount counts failures of one name. Somebody who signed in from this address before has a counter of his own
// there, so that a stranger who keeps guessing delays himself and not the owner at home.
func (p *People) byAccount(name string, from netip.Addr, known bool) bucket {
	key := accountKey(name)
	if known {
		key += " " + block(from).String()
	}
	return bucket{key: key, policy: p.cfg.Account}
}

func (p *People) byAddress(from netip.Addr) bucket {
	return bucket{key: "address " + block(from).String(), policy: p.cfg.Address}
}

// accountKey is of fixed size, whatever is sent as a name.
func accountKey(name string) string {
	sum := sha256.Sum256([]byte(foldName(name)))
	return "account " + hex.EncodeToString(sum[:16])
}
