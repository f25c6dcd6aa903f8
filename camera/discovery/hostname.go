package discovery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/time/rate"
)

const (
	// probes and probeEvery are those of RFC 6762, 8.1.
	probes     = 3
	probeEvery = 250 * time.Millisecond
	// claimAgain is how long to wait before a name that was taken is tried again.
	claimAgain = time.Minute
	// fresh is how long a name may still turn out to be another machine's after nobody answered for it.
	fresh = 10 * time.Second
	// hostTTL is that of address records, in seconds (RFC 6762, 10).
	hostTTL = 120
	// cacheFlush marks a record of which the sender has all (RFC 6762, 10.2).
	cacheFlush = 1 << 15
)

// HostName answers for one host name of this machine by mDNS, with its private addresses. zeroconf announces services and does not
// answer for names.
type HostName struct {
	// Name is the host name, such as "cardea.local"; one that does not end in .local is left to the DNS.
	Name string
	// Interfaces gives the interfaces to use; nil means those of LANInterfaces.
	Interfaces func() ([]net.Interface, error)
	Log        *slog.Logger
	// Claimed is called once it is sure that nobody else has the name. It may be called again after the network has changed. May be
	// nil.
	Claimed func()
}

// Local says whether name is one that mDNS resolves.
func Local(name string) bool {
	labels := dns.SplitDomainName(name)
	return len(labels) == 2 && strings.EqualFold(labels[1], mdnsDomain)
}

// Run answers until ctx ends. While another machine has the name it waits and says so in the log; two machines that answer for one
// name would send people to either of them.
func (h *HostName) Run(ctx context.Context) error {
	if !Local(h.Name) {
		<-ctx.Done()
		return nil
	}
	log, interfaces := h.Log, h.Interfaces
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if interfaces == nil {
		interfaces = LANInterfaces
	}
	changes := watchNetwork(ctx)
	<-changes
	for ctx.Err() == nil {
		now, err := lanSegments(interfaces)
		if err != nil || len(now) == 0 {
			select {
			case <-ctx.Done():
			case <-changes:
			}
			continue
		}
		r := &responder{name: strings.ToLower(dns.Fqdn(h.Name)), log: log, segments: now, reads: rate.NewLimiter(400, 800), answers: rate.NewLimiter(20, 40), lost: make(chan struct{}, 1)}
		changed := func(ctx context.Context) { // waits for a change that matters
			for {
				select {
				case <-ctx.Done():
					return
				case <-changes:
				}
				if later, err := lanSegments(interfaces); err == nil && !slices.EqualFunc(now, later, (*segment).same) {
					return
				}
			}
		}
		if err := r.run(ctx, h.Claimed, changed); err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, "this NVR is not reachable by its name; it is by its address", "name", h.Name, "error", err)
			sleep(ctx, claimAgain)
		}
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// ErrTaken means that another machine answers for the name. Give one of the two another name, with --name at this one.
var ErrTaken = errors.New("another machine on this network has this name; give this NVR another one with --name")

// responder answers for a name on some interfaces in one state.
type responder struct {
	name     string // lower case, with a dot at the end
	log      *slog.Logger
	segments []*segment
	reads    *rate.Limiter // packets looked at
	answers  *rate.Limiter // packets sent because of them

	lost chan struct{} // the name turned out to be another's shortly after it was claimed

	mu      sync.Mutex
	claimed time.Time // zero until then
	taken   bool
	warned  bool
}

// run ends with ErrTaken, or with nil when changed returns: ctx has ended, or the network is another one.
func (r *responder) run(ctx context.Context, claimed func(), changed func(context.Context)) error {
	var readers sync.WaitGroup
	defer readers.Wait()
	defer func() {
		for _, s := range r.segments {
			s.close()
		}
	}()
	open := 0
	for _, s := range r.segments {
		s.log = r.log
		if err := s.openMDNS(); err != nil {
			r.log.DebugContext(ctx, "no mDNS on this interface", "interface", s.iface.Name, "error", err)
			continue
		}
		open++
		for _, conn := range s.mdns {
			readers.Go(func() { r.read(s, conn) })
		}
	}
	if open == 0 {
		return errors.New("no interface can be listened on")
	}
	for range probes {
		for _, s := range r.segments {
			s.sendMDNS(r.query())
		}
		sleep(ctx, probeEvery)
	}
	if ctx.Err() != nil {
		return nil
	}
	if !r.claim() {
		return ErrTaken
	}
	for range 2 { // RFC 6762, 8.3
		for _, s := range r.segments {
			s.sendMDNS(r.answer(s, hostTTL))
		}
		sleep(ctx, time.Second)
	}
	wait, stop := context.WithCancel(ctx)
	defer stop()
	var waiting sync.WaitGroup
	defer waiting.Wait()
	waiting.Go(func() {
		changed(wait)
		stop()
	})
	sure := time.After(fresh)
	for wait.Err() == nil {
		select {
		case <-r.lost:
			stop()
			return ErrTaken
		case <-sure:
			if claimed != nil {
				claimed()
			}
		case <-wait.Done():
		}
	}
	for _, s := range r.segments { // goodbye; a changed network makes a new responder at once
		s.sendMDNS(r.answer(s, 0))
	}
	return nil
}

// claim takes the name unless somebody answered for it.
func (r *responder) claim() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.taken {
		r.claimed = time.Now()
	}
	return !r.taken
}

// openMDNS makes the sockets of mDNS only.
func (s *segment) openMDNS() error {
	v4, v6 := s.families()
	var problems []error
	for group, want := range map[netip.AddrPort]bool{mdnsGroup4: v4, mdnsGroup6: v6} {
		if !want {
			continue
		}
		conn, err := listenGroup(&s.iface, group)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		s.mdns = append(s.mdns, conn)
	}
	if len(s.mdns) == 0 {
		return errors.Join(problems...)
	}
	return nil
}

// sendMDNS sends a message to the group in each family, from port 5353 as RFC 6762, 6 wants it.
func (s *segment) sendMDNS(m *dns.Msg) {
	packet, err := m.Pack()
	if err != nil {
		panic(fmt.Sprintf("pack %v: %v", m, err)) // it is made of our own name and addresses
	}
	for _, conn := range s.mdns {
		if conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap().Is4() {
			_, _ = conn.WriteToUDPAddrPort(packet, mdnsGroup4)
		} else {
			_, _ = conn.WriteToUDPAddrPort(packet, netip.AddrPortFrom(mdnsGroup6.Addr().WithZone(s.iface.Name), mdnsPort))
		}
	}
}

func (r *responder) query() *dns.Msg {
	m := new(dns.Msg)
	m.SetQuestion(r.name, dns.TypeANY)
	m.Id, m.RecursionDesired = 0, false
	return m
}

// answer has all addresses on the segment's interface, and says that there are no other records.
func (r *responder) answer(s *segment, ttl uint32) *dns.Msg {
	m := new(dns.Msg)
	m.Response, m.Authoritative = true, true
	header := func(kind uint16) dns.RR_Header {
		return dns.RR_Header{Name: r.name, Rrtype: kind, Class: dns.ClassINET | cacheFlush, Ttl: ttl}
	}
	var types []uint16
	usable := slices.ContainsFunc(s.prefixes, func(p netip.Prefix) bool { return !p.Addr().IsLinkLocalUnicast() })
	for _, p := range s.prefixes {
		a := p.Addr()
		switch {
		case a.Is4():
			m.Answer = append(m.Answer, &dns.A{Hdr: header(dns.TypeA), A: a.AsSlice()})
			types = append(types, dns.TypeA)
		case !usable || !a.IsLinkLocalUnicast(): // a browser cannot use an address that needs a zone
			m.Answer = append(m.Answer, &dns.AAAA{Hdr: header(dns.TypeAAAA), AAAA: a.AsSlice()})
			types = append(types, dns.TypeAAAA)
		}
	}
	slices.Sort(types)
	m.Extra = append(m.Extra, &dns.NSEC{Hdr: header(dns.TypeNSEC), NextDomain: r.name, TypeBitMap: slices.Compact(types)})
	return m
}

func (r *responder) read(s *segment, conn *net.UDPConn) {
	buf := make([]byte, maxMDNS+1)
	for {
		n, src, err := conn.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(10 * time.Millisecond)
			continue
		}
		if n > maxMDNS || !s.neighbour(src.Addr()) || !r.reads.Allow() {
			continue
		}
		if m, err := readMessage(buf[:n]); err == nil {
			r.take(s, conn, src, m)
		}
	}
}

func (r *responder) take(s *segment, conn *net.UDPConn, src netip.AddrPort, m message) {
	if m.response {
		r.conflict(s, src.Addr(), m)
		return
	}
	asked := slices.ContainsFunc(m.questions, func(q dns.Question) bool {
		return strings.EqualFold(q.Name, r.name) && q.Qclass&^uint16(cacheFlush) == dns.ClassINET
	})
	r.mu.Lock()
	ready := !r.claimed.IsZero()
	r.mu.Unlock()
	if !asked || !ready || !r.answers.Allow() {
		return
	}
	answer := r.answer(s, hostTTL)
	if src.Port() == mdnsPort {
		s.sendMDNS(answer)
		return
	}
	// A resolver that knows only the DNS (RFC 6762, 6.7): to it alone, with its question, without the bit that it cannot know.
	answer.Id, answer.Question = m.id, m.questions[:1]
	for _, rr := range slices.Concat(answer.Answer, answer.Extra) {
		rr.Header().Class = dns.ClassINET
		rr.Header().Ttl = min(rr.Header().Ttl, 10)
	}
	if packet, err := answer.Pack(); err == nil {
		_, _ = conn.WriteToUDPAddrPort(packet, src)
	}
}

// conflict notes that another machine answers for the name.
func (r *responder) conflict(s *segment, src netip.Addr, m message) {
	for _, rr := range m.records {
		if !strings.EqualFold(rr.Header().Name, r.name) || rr.Header().Ttl == 0 {
			continue
		}
		var a netip.Addr
		switch rr := rr.(type) {
		case *dns.A:
			a, _ = netip.AddrFromSlice(rr.A)
		case *dns.AAAA:
			a, _ = netip.AddrFromSlice(rr.AAAA)
		default:
			continue
		}
		if r.own(a.Unmap()) || r.own(src.WithZone("")) {
			continue // this machine's own responder, or we on another interface
		}
		r.contest(s, src)
		return
	}
}

// contest decides about a name that two answer for. Who came first keeps it: else whoever wants to could take it away. A machine that
// answers in the first seconds after our claim was there before, and too busy to answer in time.
func (r *responder) contest(s *segment, src netip.Addr) {
	r.mu.Lock()
	first := !r.claimed.IsZero() && time.Since(r.claimed) > fresh
	tell := first && !r.warned
	r.taken = r.taken || !first
	r.warned = r.warned || first
	r.mu.Unlock()
	if !first {
		select {
		case r.lost <- struct{}{}:
		default:
		}
		return
	}
	if r.answers.Allow() {
		s.sendMDNS(r.answer(s, hostTTL))
	}
	if tell {
		r.log.Warn("another machine on this network answers for this NVR's name; check the certificate's fingerprint before you sign in",
			"name", strings.TrimSuffix(r.name, "."), "machine", src.String())
	}
}

func (r *responder) own(addr netip.Addr) bool {
	for _, s := range r.segments {
		for _, p := range s.prefixes {
			if p.Addr() == addr {
				return true
			}
		}
	}
	return false
}
