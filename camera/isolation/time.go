package isolation

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"cardea/camera/discovery"
)

// ntpPort is the one that clients ask.
const ntpPort = 123

// Bounds of the time server. A client asks at most once every few seconds (RFC 4330, 10); a house has a few dozen.
const (
	timeRate    = 2 // questions per second of one address
	timeBurst   = 16
	timeTotal   = 400
	timeClients = 2048
)

// TimeServer answers SNTP clients (RFC 5905 mode 3, RFC 4330) on the private networks of this machine. It gives the time as this
// machine has it and says so: its stratum is that of a local clock, and a clock that is known to be wrong is marked as not
// synchronised, which clients do not follow.
type TimeServer struct {
	// Now is the time to give; time.Now where nil.
	Now func() time.Time
	// Wrong says that the clock is known to be wrong. May be nil.
	Wrong func() bool
	// Interfaces gives the interfaces whose private networks are served; nil means all of net.Interfaces.
	Interfaces func() ([]net.Interface, error)
	Log        *slog.Logger
}

// Serve answers on conn until ctx ends, and closes it. Whoever is not on a private network of this machine, asks too often or asks
// anything but the time gets no answer; no answer is longer than its question.
func (s *TimeServer) Serve(ctx context.Context, conn net.PacketConn) error {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	now, log := s.Now, s.Log
	if now == nil {
		now = time.Now
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	near := &nearby{interfaces: s.Interfaces}
	pace := newPace()
	buf := make([]byte, 512)
	for {
		n, from, err := conn.ReadFrom(buf)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		if err != nil {
			log.DebugContext(ctx, "a question for the time was lost", "error", err)
			time.Sleep(10 * time.Millisecond)
			continue
		}
		received := now()
		udp, ok := from.(*net.UDPAddr)
		if !ok || !near.is(udp.AddrPort().Addr(), time.Now()) || !pace.allow(udp.AddrPort().Addr().Unmap(), time.Now()) {
			continue
		}
		wrong := s.Wrong != nil && s.Wrong()
		if answer, ok := answerTime(buf[:n], received, now, wrong); ok {
			_, _ = conn.WriteTo(answer, from) // UDP may lose it
		}
	}
}

const ntpSize = 48

// answerTime answers a client's packet (RFC 5905, 7.3 and 9.2). ok is false for everything else.
func answerTime(question []byte, received time.Time, now func() time.Time, wrong bool) (answer []byte, ok bool) {
	if len(question) < ntpSize {
		return nil, false
	}
	version, mode := question[0]>>3&7, question[0]&7
	if mode != 3 || version < 1 || version > 4 {
		return nil, false
	}
	a := make([]byte, ntpSize)
	const (
		server       = 4
		localStratum = 8    // as chrony and ntpd say for a local clock
		precision    = 0xec // 2^-20 s
	)
	a[0], a[1], a[2], a[3] = version<<3|server, localStratum, question[2], precision
	copy(a[12:], "LOCL")
	if wrong {
		a[0] |= 3 << 6 // not synchronised
		a[1] = 0       // unspecified, with a kiss code (RFC 5905, 7.4)
		copy(a[12:], "INIT")
	}
	binary.BigEndian.PutUint32(a[8:], 1<<16/100) // root dispersion 10 ms, in 16.16 seconds
	putNTP(a[16:], received.Truncate(time.Second))
	copy(a[24:32], question[40:48]) // the client's transmit time becomes the origin
	putNTP(a[32:], received)
	putNTP(a[40:], now())
	return a, true
}

// putNTP writes an NTP timestamp: seconds since 1900 modulo 2^32, and a binary fraction (RFC 5905, 6).
func putNTP(b []byte, t time.Time) {
	const since1900 = 2_208_988_800
	binary.BigEndian.PutUint32(b, uint32(t.Unix()+since1900))
	binary.BigEndian.PutUint32(b[4:], uint32(uint64(t.Nanosecond())<<32/1_000_000_000))
}

// nearby knows the private networks of this machine, looked up anew now and then.
type nearby struct {
	interfaces func() ([]net.Interface, error)
	networks   []netip.Prefix
	looked     time.Time
}

func (n *nearby) is(addr netip.Addr, now time.Time) bool {
	addr = addr.Unmap().WithZone("")
	if now.Sub(n.looked).Abs() > 10*time.Second {
		n.looked = now
		n.look()
	}
	if addr.IsLoopback() {
		return true
	}
	for _, p := range n.networks {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

func (n *nearby) look() {
	list := n.interfaces
	if list == nil {
		list = net.Interfaces
	}
	all, err := list()
	if err != nil {
		return
	}
	n.networks = n.networks[:0]
	for _, i := range all {
		for _, p := range discovery.OnLink(&i) {
			n.networks = append(n.networks, p.Masked())
		}
	}
}

// pace is one token bucket for each client, in two generations, and one for all.
type pace struct {
	mu         sync.Mutex
	young, old map[netip.Addr]*rate.Limiter
	total      *rate.Limiter
}

func newPace() *pace {
	return &pace{young: map[netip.Addr]*rate.Limiter{}, total: rate.NewLimiter(timeTotal, timeTotal)}
}

func (p *pace) allow(addr netip.Addr, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.young[addr]
	if b == nil {
		if b = p.old[addr]; b == nil {
			b = rate.NewLimiter(timeRate, timeBurst)
		}
		if len(p.young) >= timeClients/2 {
			p.young, p.old = map[netip.Addr]*rate.Limiter{}, p.young
		}
		p.young[addr] = b
	}
	return b.AllowN(now, 1) && p.total.AllowN(now, 1)
}
