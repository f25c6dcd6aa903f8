package discovery

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The ways by which a candidate was found.
const (
	ViaMDNS = "mdns"
	ViaWSD  = "ws-discovery"
	ViaScan = "scan"
)

// What a candidate's service speaks.
const (
	kindRTSP   = "rtsp"
	kindRTSPS  = "rtsps"
	kindONVIF  = "onvif"
	kindCardea = "cardea" // our own agent: pairing and RTSPS on one port
	kindAxis   = "axis"   // the web page of an Axis camera
)

// Candidate is a device that may be a camera. Everything in it but the addresses is what the device says of itself, and on a
// network with an attacker the addresses are his at worst: it is for a person to look at.
type Candidate struct {
	// ID stays the same while the device keeps its link-layer address. It is no identity.
	ID string
	// Name and Model are for people, cleaned of everything that is no plain text; they may be empty.
	Name, Model string
	// Addresses are where the device answered from, the best one first: IPv4, then fc00::/7, then fe80::/10 with its zone.
	Addresses []netip.Addr
	// URLs are rtsp:// and rtsps:// addresses to try, without user and password. Paths are the device's word.
	URLs []string
	// ONVIF is the address of the device service, empty where the device did not say that it speaks ONVIF.
	ONVIF string
	// Pair is where our own agent waits to be paired; invalid for other devices. Device is the identifier that it claims.
	Pair   netip.AddrPort
	Device string
	// Paired says that the agent claims to be paired with some NVR already.
	Paired bool
	// Via says how it was found: ViaMDNS, ViaWSD, ViaScan.
	Via []string
	// Trust is the best that can be reached with it: "paired", "pinned" or "plain". Found alone it has none.
	Trust string
	// Doubt is a sentence where something does not fit, such as two devices that claim to be the same; else empty.
	Doubt string
	// FirstSeen and LastSeen are when it was heard of.
	FirstSeen, LastSeen time.Time
}

// Address is the best address as text.
func (c *Candidate) Address() string {
	if c.Pair.IsValid() {
		return c.Pair.String()
	}
	if len(c.Addresses) == 0 {
		return ""
	}
	return c.Addresses[0].String()
}

// unit is what becomes one candidate unless it is merged with others: the services at one address, or one agent of ours there.
type unit struct {
	at       place
	addr     netip.Addr // with zone
	mac      string
	device   string // an agent's claimed id
	services []*service
}

// claims are the identifiers of a kind that the services of a unit claim.
func (u *unit) claims(kind string) []string {
	var ids []string
	for _, s := range u.services {
		if s.Kind == kind && s.ID != "" && !slices.Contains(ids, s.ID) {
			ids = append(ids, s.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

// same says whether two units are one device. The link-layer address decides, which the kernel resolved; a claim alone never
// joins, or else whoever repeats a camera's identifier would become part of it. But a repeater on the Wi-Fi puts several cameras
// behind one link-layer address, so different claims keep apart, and so do two addresses of one family without a common claim.
func (u *unit) same(o *unit) bool {
	if u.mac == "" || u.mac != o.mac || u.at.iface != o.at.iface || u.device != o.device {
		return false
	}
	if u.device != "" {
		return true
	}
	shared := false
	for _, kind := range []string{kindONVIF, kindAxis} {
		a, b := u.claims(kind), o.claims(kind)
		if len(a) > 0 && len(b) > 0 {
			if !slices.Equal(a, b) {
				return false
			}
			shared = true
		}
	}
	return shared || u.at.addr.Is4() != o.at.addr.Is4()
}

// merge makes candidates of units.
func merge(units []*unit) []Candidate {
	var groups [][]*unit
	for _, u := range units {
		i := slices.IndexFunc(groups, func(g []*unit) bool { return slices.ContainsFunc(g, u.same) })
		if i < 0 {
			groups = append(groups, nil)
			i = len(groups) - 1
		}
		groups[i] = append(groups[i], u)
	}
	out := make([]Candidate, 0, len(groups))
	for _, g := range groups {
		out = append(out, candidate(g))
	}
	doubt(out)
	slices.SortFunc(out, func(a, b Candidate) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), a.Addresses[0].Compare(b.Addresses[0]), strings.Compare(a.ID, b.ID))
	})
	return out
}

// rank orders addresses: what a person can type and a camera keeps comes first.
func rank(a netip.Addr) int {
	switch {
	case a.Is4():
		return 0
	case a.IsPrivate():
		return 1
	}
	return 2
}

func candidate(group []*unit) Candidate {
	slices.SortFunc(group, func(a, b *unit) int { return cmp.Or(rank(a.addr)-rank(b.addr), a.addr.Compare(b.addr)) })
	c := Candidate{Device: group[0].device, Trust: "plain"}
	var names, models [5]string // by how well the source knows
	offer := func(list *[5]string, s *service, text string) {
		order := map[string]int{kindCardea: 0, kindAxis: 1, kindONVIF: 2, kindRTSPS: 3, kindRTSP: 4}
		if i := order[s.Kind]; list[i] == "" {
			list[i] = text
		}
	}
	for _, u := range group {
		c.Addresses = append(c.Addresses, u.addr)
		slices.SortFunc(u.services, func(a, b *service) int { return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Key, b.Key)) })
		for _, s := range u.services {
			offer(&names, s, s.Name)
			offer(&models, s, s.Model)
			if !slices.Contains(c.Via, s.Via) {
				c.Via = append(c.Via, s.Via)
			}
			if c.FirstSeen.IsZero() || s.first.Before(c.FirstSeen) {
				c.FirstSeen = s.first
			}
			if s.last.After(c.LastSeen) {
				c.LastSeen = s.last
			}
			c.add(u.addr, s)
		}
	}
	for i := range names {
		c.Name, c.Model = cmp.Or(c.Name, names[i]), cmp.Or(c.Model, models[i])
	}
	slices.Sort(c.Via)
	key := group[0].mac
	if key == "" {
		key = group[0].addr.String()
	}
	claims := strings.Join(group[0].claims(kindONVIF), " ")
	sum := sha256.Sum256([]byte(key + "|" + c.Device + "|" + claims))
	c.ID = hex.EncodeToString(sum[:8])
	return c
}

// add puts a service's addresses and what they allow into the candidate.
func (c *Candidate) add(addr netip.Addr, s *service) {
	host := net.JoinHostPort(strings.Replace(addr.String(), "%", "%25", 1), strconv.Itoa(int(s.Port)))
	switch s.Kind {
	case kindCardea:
		if !c.Pair.IsValid() {
			c.Pair = netip.AddrPortFrom(addr, s.Port)
		}
		c.Paired = c.Paired || s.Paired
		c.Trust = "paired"
	case kindRTSP, kindRTSPS:
		if u := s.Kind + "://" + host + s.Path; !slices.Contains(c.URLs, u) && len(c.URLs) < 16 {
			c.URLs = append(c.URLs, u)
		}
		if s.Kind == kindRTSPS && c.Trust == "plain" {
			c.Trust = "pinned"
		}
	case kindONVIF:
		scheme := "http"
		if s.TLS {
			scheme = "https"
			if c.Trust == "plain" {
				c.Trust = "pinned"
			}
		}
		if c.ONVIF == "" || s.TLS && strings.HasPrefix(c.ONVIF, "http://") {
			c.ONVIF = scheme + "://" + host + cmp.Or(s.Path, "/onvif/device_service")
		}
	}
}

// doubt marks candidates that claim what another one claims too.
func doubt(all []Candidate) {
	by := map[string][]int{}
	for i, c := range all {
		if c.Device != "" {
			by["id "+c.Device] = append(by["id "+c.Device], i)
		}
		if c.Name != "" {
			by["name "+strings.ToLower(c.Name)] = append(by["name "+strings.ToLower(c.Name)], i)
		}
	}
	for key, list := range by {
		if len(list) < 2 {
			continue
		}
		for _, i := range list {
			if strings.HasPrefix(key, "id ") {
				all[i].Doubt = "Another device on this network claims to be the same camera. One of them is not what it says; compare the code on the camera itself."
			} else if all[i].Doubt == "" {
				all[i].Doubt = "Another device on this network has the same name. Compare the addresses before you add one."
			}
		}
	}
}
