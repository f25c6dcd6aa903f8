package web

import (
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
	"golang.org/x/time/rate"

	"cardea/store"
	"cardea/web/caller"
)

// Requests per second that one address may send for ever, and at once after a pause. A page load is about ten
// requests; scrubbing a timeline asks for a few ranges a second.
const (
	addressRate  = 40
	addressBurst = 200
	// One account may use several devices at once.
	accountRate  = 80
	accountBurst = 400
	deviceRate   = 40
	deviceBurst  = 200
	// One caller on one route. Scrubbing asks for many ranges of clips, all on one route.
	routeRate  = 30
	routeBurst = 150
	// What strangers may send to a route that changes something: sign-in, claim, invitation.
	strangerRate  = 2
	strangerBurst = 100
	// keysKept bounds a table. An attacker with more addresses only makes old ones start afresh.
	keysKept = 4096
)

// limits are the rates that one address, account, device or caller of one route may have. They begin afresh with the program; what a
// restart must not forgive, failed attempts and the pace of sensitive acts, is counted by auth in the index.
type limits struct {
	account  *buckets[store.ID]
	device   *buckets[string]
	route    *buckets[routeKey]
	stranger *buckets[routeKey]
}

// routeKey is one caller on one route: a device, or the network of a stranger.
type routeKey struct {
	route, device string
	network       netip.Prefix
}

func newLimits(now func() time.Time) limits {
	return limits{
		newBuckets[store.ID](now, accountRate, accountBurst), newBuckets[string](now, deviceRate, deviceBurst),
		newBuckets[routeKey](now, routeRate, routeBurst), newBuckets[routeKey](now, strangerRate, strangerBurst),
	}
}

// limitCaller answers 429 to an account, a device, or one of them on one route that asks too often.
func (s *Server) limitCaller(c *fiber.Ctx, r route, who caller.Caller) error {
	if who.Role == caller.Console {
		return nil
	}
	key := routeKey{route: r.method + " " + r.path, device: who.Device}
	waits := make([]time.Duration, 0, 3)
	if who.Role == caller.Anyone {
		if key.network = network(who.Addr); !safe(c) {
			waits = append(waits, s.limits.stranger.take(key))
		}
	} else {
		waits = append(waits, s.limits.account.take(who.UserID), s.limits.device.take(who.Device), s.limits.route.take(key))
	}
	for _, wait := range waits {
		if wait > 0 {
			c.Set(fiber.HeaderRetryAfter, retryAfter(wait))
			return problem(fiber.StatusTooManyRequests, "Too many requests. Wait a moment and try again.")
		}
	}
	return nil
}

// buckets is one token bucket for each key. They are in two generations: when the young one is full it becomes the old one, and
// what was not used since then is forgotten. So no request pays for a search.
type buckets[K comparable] struct {
	now   func() time.Time
	rate  rate.Limit
	burst int

	mu         sync.Mutex
	young, old map[K]*rate.Limiter
}

func newBuckets[K comparable](now func() time.Time, perSecond rate.Limit, burst int) *buckets[K] {
	return &buckets[K]{now: now, rate: perSecond, burst: burst, young: map[K]*rate.Limiter{}}
}

// take takes one token of key. When there is none it says how long to wait.
func (l *buckets[K]) take(key K) (wait time.Duration) {
	now := l.now()
	r := l.bucket(key).ReserveN(now, 1)
	if wait = r.DelayFrom(now); wait > 0 {
		r.CancelAt(now)
	}
	return wait
}

func (l *buckets[K]) bucket(key K) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b := l.young[key]; b != nil {
		return b
	}
	b := l.old[key]
	if b == nil {
		b = rate.NewLimiter(l.rate, l.burst)
	}
	if len(l.young) >= keysKept/2 {
		l.young, l.old = map[K]*rate.Limiter{}, l.young
	}
	l.young[key] = b
	return b
}

// limiter is a bucket for each address of a peer. The address is that of the connection: what a header claims never counts.
type limiter struct{ *buckets[netip.Prefix] }

func newLimiter(now func() time.Time) *limiter {
	return &limiter{newBuckets[netip.Prefix](now, addressRate, addressBurst)}
}

// allow takes one token of addr. When there is none it says how long to wait.
func (l *limiter) allow(addr netip.Addr) (wait time.Duration, ok bool) {
	wait = l.take(network(addr))
	return wait, wait == 0
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
	addr, _ := addrOf(c.Context().RemoteAddr())
	if wait, ok := s.limiter.allow(addr); !ok {
		c.Set(fiber.HeaderRetryAfter, retryAfter(wait))
		return problem(fiber.StatusTooManyRequests, "Too many requests from this address. Wait a moment and try again.")
	}
	return c.Next()
}

// retryAfter is a delay in whole seconds, at least one (RFC 9110, 10.2.3).
func retryAfter(d time.Duration) string {
	return strconv.FormatInt(max(1, int64((d+time.Second-1)/time.Second)), 10)
}
