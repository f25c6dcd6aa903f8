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
	// addressesKept bounds the table. An attacker with more addresses only makes old ones start afresh.
	addressesKept = 4096
)

// limiter is one token bucket for each address of a peer. The buckets are in two generations: when the young one is
// full it becomes the old one, and what was not used since then is forgotten. So no request pays for a search.
type limiter struct {
	now func() time.Time

	mu         sync.Mutex
	young, old map[netip.Prefix]*rate.Limiter
}

func newLimiter(now func() time.Time) *limiter {
	return &limiter{now: now, young: map[netip.Prefix]*rate.Limiter{}}
}

// allow takes one token of addr. When there is none it says how long to wait.
func (l *limiter) allow(addr netip.Addr) (wait time.Duration, ok bool) {
	now := l.now()
	r := l.bucket(network(addr)).ReserveN(now, 1)
	if d := r.DelayFrom(now); d > 0 {
		r.CancelAt(now)
		return d, false
	}
	return 0, true
}

func (l *limiter) bucket(n netip.Prefix) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b := l.young[n]; b != nil {
		return b
	}
	b := l.old[n]
	if b == nil {
		b = rate.NewLimiter(addressRate, addressBurst)
	}
	if len(l.young) >= addressesKept/2 {
		l.young, l.old = map[netip.Prefix]*rate.Limiter{}, l.young
	}
	l.young[n] = b
	return b
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
