package nvr

import (
	"context"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"cardea/camera/isolation"
	"cardea/nvr/machine"
	"cardea/store"
)

// Verdict is what Check found.
type Verdict string

// The verdicts.
const (
	Good   Verdict = "good"
	Advise Verdict = "advise" // it could be better
	Bad    Verdict = "bad"    // somebody could make use of it, or footage is being lost
)

const (
	// kitAge is how old a test of the recovery kit may be.
	kitAge = 365 * 24 * time.Hour
	// fewDays is how short recordings may be kept before it is worth a word: less than a holiday.
	fewDays = 7
	// fewCodes is how few recovery codes are left before it is worth a word.
	fewCodes = 2
	// keyKit is the beginning of the setting with the time when a vault's recovery kit was last tested.
	keyKit = "kit.tested."
)

// Check is one thing about the set-up that makes a home safer or less so. It holds facts; the words are the page's.
type Check struct {
	// ID names it: see the methods below.
	ID      string
	Verdict Verdict
	// Cameras are those that it is about. Names are of vaults, alarms or what else it is about.
	Cameras []store.ID
	Names   []string
	// Number is how many there are, or days that fit; Wanted how many there should be.
	Number, Wanted float64
	// At is when it was last so; zero = never.
	At time.Time
}

// SafetyOf is who asks, and what only the caller knows.
type SafetyOf struct {
	// User is the owner who asks: their own codes and passkeys are looked at.
	User store.ID
	// Admin is how many networks the box may be administered from, 0 for everywhere.
	Admin int
}

// Safety looks at everything that makes the set-up safer or less so.
func (n *NVR) Safety(ctx context.Context, of SafetyOf) ([]Check, error) {
	all := n.cameraChecks()
	for _, look := range []func(context.Context) ([]Check, error){
		n.vaultChecks,
		func(ctx context.Context) ([]Check, error) { return n.peopleChecks(ctx, of.User) },
		n.storageChecks,
	} {
		some, err := look(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	all = append(all, n.boxChecks()...)
	return append(all, Check{ID: "allow-list", Verdict: Good, Number: float64(of.Admin)}), nil
}

// either gives bad where it is true of any, and good else.
func either(is bool, bad Verdict) Verdict {
	if is {
		return bad
	}
	return Good
}

// cameraChecks: recording, switched-off, plain, isolated, tls12, network.
func (n *NVR) cameraChecks() []Check {
	recording, off := Check{ID: "recording", Verdict: Good}, Check{ID: "switched-off", Verdict: Good}
	plain, doubted := Check{ID: "plain", Verdict: Good}, Check{ID: "isolated", Verdict: Good}
	old, network := Check{ID: "tls12", Verdict: Good}, Check{ID: "network", Verdict: Good}
	var scene isolation.Scene
	byName := map[string]store.ID{}
	add := func(c *Check, verdict Verdict, id store.ID) { c.Verdict, c.Cameras = verdict, append(c.Cameras, id) }
	runners := n.all()
	slices.SortFunc(runners, func(a, b *runner) int { return a.id.Compare(b.id) })
	for _, r := range runners {
		s := r.status()
		id := s.Camera.ID
		recording.Number++
		switch reason := s.Recording.Reason; {
		case s.Isolation != nil:
			add(&doubted, Bad, id)
		case s.Camera.Mode == store.ModeOff:
			add(&off, Advise, id)
		case !s.Recording.Active && reason != "" && reason != string(store.GapModeEvent):
			add(&recording, Bad, id)
		}
		if s.Camera.Trust == store.TrustPlain {
			add(&plain, Bad, id)
		}
		if s.Camera.AllowTLS12 {
			add(&old, Advise, id)
		}
		if at, err := url.Parse(s.Camera.URL); err == nil {
			if addr, err := netip.ParseAddr(at.Hostname()); err == nil {
				scene.Cameras = append(scene.Cameras, isolation.Camera{Name: id.String(), At: netip.AddrPortFrom(addr, 0)})
				byName[id.String()] = id
			}
		}
	}
	for _, name := range scene.Shared() {
		add(&network, Advise, byName[name])
	}
	if recording.Number == 0 {
		recording.Verdict = Advise
	}
	return []Check{recording, off, plain, doubted, old, network}
}

// vaultChecks: vault, open, stale, kit.
func (n *NVR) vaultChecks(ctx context.Context) ([]Check, error) {
	vaults, err := n.db.Vaults(ctx)
	if err != nil {
		return nil, err
	}
	settings, err := n.db.Settings(ctx)
	if err != nil {
		return nil, err
	}
	open, stale, kit := Check{ID: "open", Verdict: Good}, Check{ID: "stale", Verdict: Good}, Check{ID: "kit", Verdict: Good}
	add := func(c *Check, name string) { c.Verdict, c.Names = Advise, append(c.Names, name) }
	used := 0
	for _, v := range vaults {
		if v.BoxGrant != nil {
			add(&open, v.Name)
		}
		if !v.Retired.IsZero() {
			continue
		}
		used++
		if v.Stale {
			add(&stale, v.Name)
		}
		tested := v.Created // no vault is made without a test
		if seconds, err := strconv.ParseInt(settings[keyKit+v.ID.String()], 10, 64); err == nil {
			tested = time.Unix(seconds, 0)
		}
		if kit.At.IsZero() || tested.Before(kit.At) {
			kit.At = tested
		}
		if n.clock.Now().Sub(tested) > kitAge {
			add(&kit, v.Name)
		}
	}
	return []Check{{ID: "vault", Verdict: either(used == 0, Bad), Number: float64(used)}, open, stale, kit}, nil
}

// KitTested remembers that somebody has shown that the recovery kit of a vault opens it. The browser compared it: the kit itself never
// comes here. NotFound.
func (n *NVR) KitTested(ctx context.Context, actor store.Actor, id store.ID) error {
	v, err := n.db.Vault(ctx, id)
	if err != nil {
		return err
	}
	if err := n.note(ctx, actor, "vault.kit-test", store.Access{Object: v.Name}); err != nil {
		return err
	}
	return n.db.PutSettings(ctx, map[string]string{keyKit + v.ID.String(): strconv.FormatInt(n.clock.Now().Unix(), 10)})
}

// peopleChecks: owners, codes, passkey, witness.
func (n *NVR) peopleChecks(ctx context.Context, who store.ID) ([]Check, error) {
	users, err := n.db.Users(ctx)
	if err != nil {
		return nil, err
	}
	owners, browsers := 0, map[string]bool{}
	for _, u := range users {
		if u.Disabled {
			continue
		}
		if u.Role == store.RoleOwner {
			owners++
		}
		sessions, err := n.db.Sessions(ctx, u.ID)
		if err != nil {
			return nil, err
		}
		for _, s := range sessions { // each browser that signs in compares the logs with what it remembers
			browsers[s.Agent+" "+s.User.String()] = true
		}
	}
	all := []Check{{ID: "owners", Verdict: either(owners < 2, Advise), Number: float64(owners), Wanted: 2}}
	if who != (store.ID{}) {
		codes, err := n.db.RecoveryLeft(ctx, who)
		if err != nil {
			return nil, err
		}
		passkeys, err := n.db.Passkeys(ctx, who)
		if err != nil {
			return nil, err
		}
		verdict := either(codes <= fewCodes, Advise)
		if codes == 0 {
			verdict = Bad
		}
		all = append(all, Check{ID: "codes", Verdict: verdict, Number: float64(codes)}, Check{ID: "passkey", Verdict: either(len(passkeys) == 0, Advise), Number: float64(len(passkeys))})
	}
	collector, _, err := n.Syslog(ctx)
	if err != nil {
		return nil, err
	}
	witness := Check{ID: "witness", Verdict: either(len(browsers) < 2 && collector.Address == "", Advise), Number: float64(len(browsers)), Wanted: 2}
	if collector.Address != "" {
		witness.Names = []string{"syslog"}
	}
	return append(all, witness), nil
}

// storageChecks: retention, disk, backup.
func (n *NVR) storageChecks(ctx context.Context) ([]Check, error) {
	s, err := n.Storage(ctx)
	if err != nil {
		return nil, err
	}
	p := s.Forecast.Policy
	keep := Check{ID: "retention", Verdict: Good, Number: s.Forecast.Days, Wanted: float64(p.Days)}
	if p.Days > 0 && p.Days < fewDays || keep.Number > 0 && keep.Number < keep.Wanted {
		keep.Verdict = Advise
	}
	d := Check{ID: "disk", Verdict: either(s.Disk.State != "ok" || s.Hardware.State == machine.Fails, Bad), Names: []string{s.Disk.State, string(s.Hardware.State)}}
	if d.Verdict == Good && s.Hardware.State == machine.Worn {
		d.Verdict = Advise
	}
	copies := Check{ID: "backup", Verdict: either(s.BackupCount == 0, Advise), Number: float64(s.BackupCount)}
	if n.alarms.is("backup") {
		copies.Verdict = Bad
	}
	return []Check{keep, d, copies}, nil
}

// boxChecks: clock, logs, root.
func (n *NVR) boxChecks() []Check {
	logs := Check{ID: "logs", Verdict: Good}
	for _, a := range n.alarms.list() {
		if strings.HasPrefix(a.Code, "log-") || a.Code == "integrity" || a.Code == "index" {
			logs.Verdict, logs.Names = Bad, append(logs.Names, a.Code)
		}
	}
	layers := n.hardware.machine.Layers()
	return []Check{
		{ID: "clock", Verdict: either(n.alarms.is("clock"), Bad)}, logs,
		{ID: "root", Verdict: either(layers.Known && layers.Root, Advise)},
	}
}
