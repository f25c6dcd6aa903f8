package web

import (
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
	"golang.org/x/time/rate"
)

// Requests per second that one address may send for ever, and at once after a pause. A page load is about ten
// requests; scrubbing a timeline asks for a few ranges a second.
const (
	addressRate  = 40
	addressBurst = 200
	// addressesKept bounds the table. An attacker with more addresses only makes the oldest ones start afresh.
	addressesKept = 4096
)

// limiter is one token bucket for each address of a peer.
type limiter struct {
	now func() time.Time

	mu      sync.Mutex
	buckets map[netip.Prefix]*bucket
}

type bucket struct {
	tokens *rate.Limiter
	used   time.Time
}

func newLimiter(now func() time.Time) *limiter {
	return &limiter{now: now, buckets: map[netip.Prefix]*bucket{}}
}

// allow takes one token of addr. When there is none it says how long to wait.
func (l *limiter) allow(addr netip.Addr) (wait time.Duration, ok bool) {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buckets[network(addr)]
	if b == nil {
		if len(l.buckets) >= addressesKept {
			l.evict(now)
		}
		b = &bucket{tokens: rate.NewLimiter(addressRate, addressBurst)}
		l.buckets[network(addr)] = b
	}
	b.used = now
	r := b.tokens.ReserveN(now, 1)
	if d := r.DelayFrom(now); d > 0 {
		r.CancelAt(now)
		return d, false
	}
	return 0, true
}

// evict drops every bucket that has filled up again, and the one used longest ago in any case.
func (l *limiter) evict(now time.Time) {
	var oldest netip.Prefix
	var when time.Time
	for n, b := range l.buckets {
		if b.tokens.TokensAt(now) >= addressBurst {
			delete(l.buckets, n)
		} else if when.IsZero() || b.used.Before(when) {
			oldest, when = n, b.used
		}
	}
	if len(l.buckets) >= addressesKept {
		delete(l.buckets, oldest)
	}
}

// network is what counts as one client: an IPv4 address, or the /64 that an IPv6 host picks its addresses from.
func network(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	p, _ := addr.Prefix(bits) // fails only for the invalid address, whose zero prefix is a bucket like another
	return p
}

// limitRate answers 429 to an address that asks too often.
func (s *Server) limitRate(c *fiber.Ctx) error {
	if consoleConn(c) {
		return c.Next()
	}
	if wait, ok := s.limiter.allow(peer(c)); !ok {
		c.Set(fiber.HeaderRetryAfter, retryAfter(wait))
		return problem(fiber.StatusTooManyRequests, "Too many requests from this address. Wait a moment and try again.")
	}
	return c.Next()
}

// retryAfter is a delay in whole seconds, at least one (RFC 9110, 10.2.3).
func retryAfter(d time.Duration) string {
	return strconv.FormatInt(max(1, int64((d+time.Second-1)/time.Second)), 10)
}
