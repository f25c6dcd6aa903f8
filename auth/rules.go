package auth

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"cardea/store"
)

// The settings that this package keeps in the index.
const (
	keyAdmin     = "people.admin_addresses" // prefixes with blanks between them
	keyApprovals = "people.approvals"       // acts with blanks between them
)

// Rules are what the owners agreed on about themselves.
type Rules struct {
	// Admin are the addresses that the box is administered from; none means everywhere.
	Admin []netip.Prefix
	// Approvals are the acts that need a second owner.
	Approvals []Act
}

// RulesChange says what to change; nil leaves a field alone.
type RulesChange struct {
	Admin     *[]netip.Prefix
	Approvals *[]Act
	// LockOut confirms that the address of who changes the list need not be in it.
	LockOut bool
}

// Rules reads what is in force.
func (p *People) Rules(ctx context.Context) (r Rules, err error) {
	words, err := p.setting(ctx, keyAdmin)
	if err != nil {
		return r, err
	}
	for _, word := range words {
		prefix, err := netip.ParsePrefix(word)
		if err != nil {
			return r, fmt.Errorf("read the setting %s: %w", keyAdmin, err)
		}
		r.Admin = append(r.Admin, prefix)
	}
	if words, err = p.setting(ctx, keyApprovals); err != nil {
		return r, err
	}
	for _, word := range words {
		r.Approvals = append(r.Approvals, Act(word))
	}
	return r, nil
}

func (p *People) setting(ctx context.Context, key string) ([]string, error) {
	text, err := p.cfg.DB.Setting(ctx, key)
	if err != nil && !hasCode(err, store.NotFound) {
		return nil, fmt.Errorf("read the setting %s: %w", key, err)
	}
	return strings.Fields(text), nil
}

// ParsePrefix reads an address or a network as people type it. Invalid.
func ParsePrefix(text string) (netip.Prefix, error) {
	text = strings.TrimSpace(text)
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil || prefix.Addr().Is4In6() {
		return netip.Prefix{}, refuse(Invalid, "%.60q is no address or network; it looks like 192.168.1.0/24 or fd00::/64.", text)
	}
	return prefix.Masked(), nil
}

// Administers reports whether the box may be administered from an address. An invalid one is outside of every list.
func (p *People) Administers(ctx context.Context, addr netip.Addr) (bool, error) {
	r, err := p.Rules(ctx)
	return err == nil && within(r.Admin, addr), err
}

func within(list []netip.Prefix, addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	return len(list) == 0 || slices.ContainsFunc(list, func(n netip.Prefix) bool { return n.Contains(addr) })
}

// ChangeRules puts other rules into force. A list of addresses without the one that the change comes from is a Conflict unless that is
// confirmed; approvals need two owners, and fewer of them an approval.
func (p *People) ChangeRules(ctx context.Context, actor store.Actor, c RulesChange) (Rules, error) {
	old, err := p.Rules(ctx)
	if err != nil {
		return Rules{}, err
	}
	values, detail, fewer := map[string]string{}, []string{}, false
	if c.Admin != nil {
		addr, _ := netip.ParseAddr(actor.Addr) // the console has none, and is never locked out
		if len(*c.Admin) > 100 {
			return Rules{}, refuse(Invalid, "The list takes up to 100 networks.")
		}
		if actor.Role != console().Role && !c.LockOut && !within(*c.Admin, addr) {
			return Rules{}, refuse(Conflict, "Your own address %s is not in the list: you could not change it back from here. Add it, or confirm; `cardea users allow-list clear` on the box opens it again.", addr)
		}
		var words []string
		for _, n := range *c.Admin {
			words = append(words, n.String())
		}
		values[keyAdmin] = strings.Join(words, " ")
		detail = append(detail, "administration from: "+values[keyAdmin])
	}
	if c.Approvals != nil {
		if fewer, err = p.checkApprovals(ctx, old.Approvals, *c.Approvals); err != nil {
			return Rules{}, err
		}
		var words []string
		for _, a := range acts {
			if slices.Contains(*c.Approvals, a) {
				words = append(words, string(a))
			}
		}
		values[keyApprovals] = strings.Join(words, " ")
		detail = append(detail, "two owners for: "+values[keyApprovals])
	}
	change := func() error {
		if err := p.note(ctx, store.Access{Action: "rules.change", Actor: actor, Detail: strings.Join(detail, "; ")}); err != nil {
			return err
		}
		if err := p.cfg.DB.PutSettings(ctx, values); err != nil {
			return fmt.Errorf("store the rules: %w", err)
		}
		return nil
	}
	if fewer {
		err = p.Approved(ctx, actor, ActRules, values[keyApprovals], "take acts out of the approval by two owners", change)
	} else {
		err = change()
	}
	if err != nil {
		return Rules{}, err
	}
	if actor.Role == console().Role {
		p.alert(ctx, "The rules for owners were changed on the console: "+strings.Join(detail, "; ")+".")
	}
	return p.Rules(ctx)
}
