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

// limiter counts attempts in the index, so that a restart forgives nothing.
type limiter struct {
	db  *store.DB
	now func() time.Time
	mu  sync.Mutex
}

// bucket is one counter with its rule.
type bucket struct {
	key    string
	policy Policy
}

// attempt is one try under way. It was counted as a failure when it began, because attempts raced in parallel would
// otherwise all be judged before the first one is counted; forgive takes that back.
type attempt struct {
	l       *limiter
	buckets []bucket
}

// begin counts an attempt in every bucket, or refuses it where one of them is still waiting. A refused attempt is
// not counted.
func (l *limiter) begin(ctx context.Context, buckets ...bucket) (*attempt, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	rows := make([]store.Throttle, len(buckets))
	var wait time.Duration
	for i, b := range buckets {
		row, err := l.load(ctx, b, now)
		if err != nil {
			return nil, err
		}
		rows[i], wait = row, max(wait, row.Until.Sub(now))
	}
	if wait > 0 {
		return nil, throttled(wait, "There were too many failed attempts.")
	}
	for i, b := range buckets {
		row := rows[i]
		row.Fails++
		row.Last, row.Until = now, now.Add(b.policy.wait(row.Fails))
		if err := l.db.SetThrottle(ctx, row); err != nil {
			return nil, fmt.Errorf("count an attempt: %w", err)
		}
	}
	return &attempt{l: l, buckets: buckets}, nil
}

// load reads a counter, empty where it is forgotten.
func (l *limiter) load(ctx context.Context, b bucket, now time.Time) (store.Throttle, error) {
	rows, err := l.db.Throttles(ctx, b.key)
	if err != nil {
		return store.Throttle{}, fmt.Errorf("read failures: %w", err)
	}
	if len(rows) == 0 || now.Sub(rows[0].Last) > b.policy.Forget {
		return store.Throttle{Key: b.key, Until: now}, nil
	}
	row := rows[0]
	// A clock that stood in the future when the failure was counted must not keep people out until then.
	if row.Until.Sub(now) > b.policy.Max {
		row.Last, row.Until = now, now.Add(b.policy.wait(row.Fails))
		if err := l.db.SetThrottle(ctx, row); err != nil {
			return store.Throttle{}, fmt.Errorf("correct a delay: %w", err)
		}
	}
	return row, nil
}

// succeed forgets the failures of the first bucket, whose owner has just proved who he is, and takes back this
// attempt in the others: with an account of his own nobody can wash an address that guesses at another one.
func (a *attempt) succeed(ctx context.Context) error {
	a.l.mu.Lock()
	defer a.l.mu.Unlock()
	for i, b := range a.buckets {
		if i == 0 {
			if err := a.l.db.ClearThrottle(ctx, b.key); err != nil {
				return fmt.Errorf("forget failures: %w", err)
			}
			continue
		}
		if err := a.takeBack(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// forgive takes the attempt back everywhere: it was not judged, for a reason that is not the caller's.
func (a *attempt) forgive(ctx context.Context) error {
	a.l.mu.Lock()
	defer a.l.mu.Unlock()
	for _, b := range a.buckets {
		if err := a.takeBack(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

func (a *attempt) takeBack(ctx context.Context, b bucket) error {
	now := a.l.now()
	row, err := a.l.load(ctx, b, now)
	if err != nil || row.Fails == 0 {
		return err
	}
	row.Fails--
	row.Until = row.Last.Add(b.policy.wait(row.Fails))
	if row.Fails == 0 {
		return a.l.db.ClearThrottle(ctx, b.key)
	}
	if err := a.l.db.SetThrottle(ctx, row); err != nil {
		return fmt.Errorf("take an attempt back: %w", err)
	}
	return nil
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
