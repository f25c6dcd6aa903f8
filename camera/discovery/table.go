package discovery

import (
	"cmp"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Bounds of what a network full of liars can make us keep and do.
const (
	maxHosts           = 512 // addresses
	maxServices        = 64  // at one address: twenty agents on one machine are fine, a flood is not
	sourceRate         = 40  // packets per second that one address may send for ever
	sourceBurst        = 200
	totalRate          = 1500
	totalBurst         = 3000
	maxSources         = 2048
	maxServiceName     = 256 // bytes of the key under which a service is known
	maxServicesMessage = 64  // services read from one packet
)

// sighting is one service that a device says it has. Texts are clean.
type sighting struct {
	Kind, Via string
	Key       string // tells the services at one address apart
	Name      string
	Model     string
	ID        string // what the device claims to be: TXT id, endpoint reference, MAC in a TXT record
	Port      uint16
	Path      string
	TLS       bool
	Paired    bool
	Gone      bool // the device says goodbye
}

type service struct {
	sighting
	first, last time.Time
}

type host struct {
	at       place
	addr     netip.Addr // with zone
	services map[string]*service
	mac      string    // as the kernel resolved it last; empty until then
	nudged   time.Time // when the kernel was made to look for it
}

// table is what was heard of, by the address it came from.
type table struct {
	now func() time.Time

	mu         sync.Mutex
	hosts      map[place]*host
	young, old map[place]*rate.Limiter // one bucket for each source, in two generations
	total      *rate.Limiter
	counts     Stats
}

func newTable(now func() time.Time) *table {
	return &table{
		now: now, hosts: map[place]*host{}, young: map[place]*rate.Limiter{},
		total: rate.NewLimiter(totalRate, totalBurst),
	}
}

// admit says whether a packet from src may be read. It MUST be asked before anything of the packet is looked at.
func (t *table) admit(s *segment, src netip.Addr) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !s.neighbour(src) {
		t.counts.Refused++
		return false
	}
	now := t.now()
	if !t.bucket(place{s.iface.Index, src.WithZone("")}).AllowN(now, 1) || !t.total.AllowN(now, 1) {
		t.counts.Flooded++
		return false
	}
	return true
}

func (t *table) bucket(at place) *rate.Limiter {
	if b := t.young[at]; b != nil {
		return b
	}
	b := t.old[at]
	if b == nil {
		b = rate.NewLimiter(sourceRate, sourceBurst)
	}
	if len(t.young) >= maxSources/2 {
		t.young, t.old = map[place]*rate.Limiter{}, t.young
	}
	t.young[at] = b
	return b
}

func (t *table) malformed() {
	t.mu.Lock()
	t.counts.Malformed++
	t.mu.Unlock()
}

func (t *table) refused() {
	t.mu.Lock()
	t.counts.Refused++
	t.mu.Unlock()
}

func (t *table) stats() Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.counts
	s.Hosts = len(t.hosts)
	return s
}

// nudgeEvery is how often the kernel is made to look for the link-layer address of a host that has none.
const nudgeEvery = 5 * time.Second

// observe takes what the device at src said. It reports whether the caller should have the kernel resolve src.
func (t *table) observe(s *segment, src netip.Addr, seen sighting) (nudge bool) {
	if len(seen.Key) > maxServiceName || seen.Port == 0 && !seen.Gone {
		t.malformed()
		return false
	}
	at := place{s.iface.Index, src.WithZone("")}
	key := seen.Kind + " " + seen.Key
	now := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.hosts[at]
	if seen.Gone {
		if h != nil {
			delete(h.services, key)
			if len(h.services) == 0 {
				delete(t.hosts, at)
			}
		}
		return false
	}
	if h == nil {
		if len(t.hosts) >= maxHosts {
			t.evict()
		}
		h = &host{at: at, addr: src, services: map[string]*service{}}
		t.hosts[at] = h
	}
	if h.mac == "" && now.Sub(h.nudged).Abs() >= nudgeEvery {
		h.nudged, nudge = now, true
	}
	known := h.services[key]
	if known == nil {
		if len(h.services) >= maxServices {
			t.counts.Flooded++
			return nudge
		}
		known = &service{first: now}
		h.services[key] = known
	}
	known.sighting, known.last = seen, now
	return nudge
}

// evict makes room for one host. Whom it meets is chance: an order could be used to drive a certain camera out, which would also
// be back with the next round.
func (t *table) evict() {
	skip := rand.IntN(len(t.hosts))
	for at := range t.hosts {
		if skip--; skip < 0 {
			delete(t.hosts, at)
			return
		}
	}
}

// expire forgets what was not heard of for long.
func (t *table) expire() {
	now := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	for at, h := range t.hosts {
		for key, s := range h.services {
			if age := now.Sub(s.last); age.Abs() > keepHeard { // the clock may have been set back
				delete(h.services, key)
			}
		}
		if len(h.services) == 0 {
			delete(t.hosts, at)
		}
	}
}

// silence forgets what did not answer although it was asked since.
func (t *table) silence(since time.Time) {
	asked := time.Since(since)
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	for at, h := range t.hosts {
		for key, s := range h.services {
			if s.Via != ViaScan && now.Sub(s.last) > min(asked, keepSilent) {
				delete(h.services, key)
			}
		}
		if len(h.services) == 0 {
			delete(t.hosts, at)
		}
	}
}

// keepOnly forgets what was heard on other interfaces, or on networks that are not these any more.
func (t *table) keepOnly(segments []*segment) {
	on := map[int]*segment{}
	for _, s := range segments {
		on[s.iface.Index] = s
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for at := range t.hosts {
		if s := on[at.iface]; s == nil || !s.neighbour(at.addr) {
			delete(t.hosts, at)
		}
	}
}

// candidates makes the list. macs are the kernel's link-layer addresses.
func (t *table) candidates(macs map[place]string) []Candidate {
	t.expire()
	t.mu.Lock()
	defer t.mu.Unlock()
	var units []*unit
	for _, h := range t.hosts {
		if mac := cmp.Or(macs[h.at], eui64(h.at.addr)); mac != "" {
			h.mac = mac
		}
		units = append(units, h.units()...)
	}
	slices.SortFunc(units, func(a, b *unit) int {
		return cmp.Or(rank(a.addr)-rank(b.addr), a.addr.Compare(b.addr), cmp.Compare(a.device, b.device))
	})
	return merge(units)
}

// units splits a host: each agent of ours is a device of its own, with the services on its port; the rest is one.
func (h *host) units() []*unit {
	by := map[string]*unit{}
	device := map[uint16]string{} // of agents, by port
	for _, s := range h.services {
		if s.Kind == kindCardea {
			device[s.Port] = cmp.Or(s.ID, s.Key)
		}
	}
	var list []*unit
	for _, s := range h.services {
		of := device[s.Port]
		if s.Kind == kindCardea {
			of = cmp.Or(s.ID, s.Key)
		}
		u := by[of]
		if u == nil {
			u = &unit{at: h.at, addr: h.addr, mac: h.mac, device: of}
			by[of] = u
			list = append(list, u)
		}
		copied := *s
		u.services = append(u.services, &copied)
	}
	return list
}

// eui64 reads the link-layer address out of an IPv6 address that was made of one (RFC 4291, appendix A); empty for others.
func eui64(addr netip.Addr) string {
	b := addr.As16()
	if !addr.Is6() || !addr.IsLinkLocalUnicast() || b[11] != 0xff || b[12] != 0xfe {
		return ""
	}
	return net.HardwareAddr{b[8] ^ 2, b[9], b[10], b[13], b[14], b[15]}.String()
}
