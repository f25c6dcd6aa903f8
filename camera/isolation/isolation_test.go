package isolation

import (
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestRules(t *testing.T) {
	allow := func(list ...string) (out []Egress) {
		for _, text := range list {
			e, err := ParseEgress(text)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, e)
		}
		return out
	}
	for name, c := range map[string]struct {
		plan     Plan
		has, not []string
	}{
		"bare": {Plan{Interface: "eth1"}, []string{`iifname "eth1" jump camera_to_network`, "counter drop"}, []string{"redirect", "@nvr4", "dport 123", "dport 67"}},
		"time without rights and DHCP": {
			Plan{Interface: "eth0.20", TimePort: 11123, DHCP: true}, []string{"redirect to :11123", "udp dport 11123", "udp dport 67"}, nil,
		},
		"allow-list": {
			Plan{Interface: "eth1", TimePort: 123, Allow: allow("udp:192.0.2.1:123", "tcp:[2001:db8::1]:443", "udp:192.0.2.1:123")},
			[]string{"elements = { 192.0.2.1 . udp . 123 }", "elements = { 2001:db8::1 . tcp . 443 }"}, []string{"redirect"},
		},
		"router": {
			Plan{Interface: "br-cams", TimePort: 123, NVR: []netip.Addr{netip.MustParseAddr("192.168.1.5"), netip.MustParseAddr("fd00::5")}},
			[]string{"ip saddr @nvr4 accept", "ip daddr @nvr4 udp dport 123 accept", "elements = { fd00::5 }"}, []string{"5353"},
		},
	} {
		rules, err := c.plan.Rules()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, text := range c.has {
			if !strings.Contains(rules, text) {
				t.Errorf("%s: %q is missing in\n%s", name, text, rules)
			}
		}
		for _, text := range c.not {
			if strings.Contains(rules, text) {
				t.Errorf("%s: %q is in\n%s", name, text, rules)
			}
		}
		checkRules(t, rules)
	}
}

// checkRules has nft read them, where it is and may.
func checkRules(t *testing.T, rules string) {
	t.Helper()
	nft, err := exec.LookPath("nft")
	if err != nil || os.Geteuid() != 0 {
		t.Log("not checked by nft: it is not here, or needs root")
		return
	}
	path := filepath.Join(t.TempDir(), "rules.nft")
	if err := os.WriteFile(path, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(nft, "-c", "-f", path).CombinedOutput(); err != nil {
		t.Errorf("%v: %s\n%s", err, out, rules)
	}
}

func TestPlanIsChecked(t *testing.T) {
	for _, name := range []string{"", "eth0\" accept", "a b", "sixteencharacters", "eth0;", "eth0\n"} {
		if _, err := (Plan{Interface: name}).Rules(); err == nil {
			t.Errorf("the interface %q was taken", name)
		}
	}
	for _, text := range []string{"", "192.0.2.1:123", "icmp:192.0.2.1:1", "udp:example.org:123", "udp:192.0.2.1:0", "udp:[fe80::1%eth0]:1", "udp:192.0.2.1:123; accept"} {
		if e, err := ParseEgress(text); err == nil {
			t.Errorf("%q was taken as %v", text, e)
		}
	}
	if _, err := (Plan{Interface: "eth1", Allow: []Egress{{Protocol: "udp } accept"}}}).Rules(); err == nil {
		t.Error("a protocol with rules in it was taken")
	}
}

func FuzzEgress(f *testing.F) {
	f.Add("udp:192.0.2.1:123")
	f.Add("tcp:[2001:db8::1]:443")
	f.Fuzz(func(t *testing.T, text string) {
		e, err := ParseEgress(text)
		if err != nil {
			return
		}
		rules, err := Plan{Interface: "eth1", Allow: []Egress{e}}.Rules()
		if err != nil || strings.Count(rules, "elements = ") != 1 || strings.Contains(rules, "%") {
			t.Errorf("%q: %v %s", text, err, rules)
		}
	})
}
