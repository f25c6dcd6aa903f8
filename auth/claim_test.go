package auth

import (
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func read(t *testing.T, file string) string {
	t.Helper()
	info, err := os.Stat(file)
	ok(t, err)
	if info.IsDir() {
		return ""
	}
	b, err := os.ReadFile(file)
	ok(t, err)
	return string(b)
}

// TestClaim is attack case 34 of docs/attacks.md.
func TestClaim(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	ctx := t.Context()
	token, expires, err := b.NewClaim(ctx)
	ok(t, err)
	if raw, valid := parse32(token, claimBytes); !valid || len(raw)*8 < 128 {
		t.Fatalf("token %q", token)
	}
	if expires.Sub(b.clock.now()) != 15*time.Minute {
		t.Errorf("expires in %v", expires.Sub(b.clock.now()))
	}
	first, err := b.Setup(ctx, SetupRequest{token, "Anna", goodPassword}, home.Addr)
	ok(t, err)
	if n := len(mustUsers(t, b)); n != 0 {
		t.Fatalf("%d users before the code was right", n)
	}
	second, err := b.Setup(ctx, SetupRequest{strings.ToUpper(token), "Anna K.", goodPassword + "2"}, home.Addr)
	ok(t, err)
	if first.TOTPSecret == second.TOTPSecret {
		t.Error("the second call kept the seed")
	}
	_, err = b.Verify(ctx, token, b.code(first), home) // the first enrolment was replaced
	want(t, err, Denied)
	_, err = b.Verify(ctx, token, second.RecoveryCodes[0], home) // the app must be shown to work
	want(t, err, Denied)
	in, err := b.Verify(ctx, token, b.code(second), home)
	ok(t, err)
	if in.User.Name != "Anna K." || in.User.Role != Owner {
		t.Errorf("owner %+v", in.User)
	}
	if _, _, err := b.Session(ctx, in.Token); err != nil {
		t.Errorf("no session: %v", err)
	}
	_, err = b.SignIn(ctx, Credentials{Name: "Anna K.", Password: goodPassword + "2", Code: b.code(second)}, home)
	want(t, err, Denied) // the code of the enrolment is used up

	_, err = b.Setup(ctx, SetupRequest{token, "Eve", goodPassword}, home.Addr)
	want(t, err, Conflict)
	_, err = b.Verify(ctx, token, b.code(second), home)
	want(t, err, Conflict)
	_, _, err = b.NewClaim(ctx)
	want(t, err, Conflict)
	b.restart()
	_, _, err = b.NewClaim(ctx)
	want(t, err, Conflict)
}

// TestClaimRefused is attack case 34 of docs/attacks.md.
func TestClaimRefused(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	ctx := t.Context()
	old, _, err := b.NewClaim(ctx)
	ok(t, err)
	e, err := b.Setup(ctx, SetupRequest{old, "Anna", goodPassword}, home.Addr)
	ok(t, err)
	token, _, err := b.NewClaim(ctx)
	ok(t, err)
	_, err = b.Setup(ctx, SetupRequest{old, "Anna", goodPassword}, home.Addr)
	if e := want(t, err, Denied); !strings.Contains(e.Message, "`cardea claim`") {
		t.Errorf("does not help: %s", e)
	}
	_, err = b.Verify(ctx, token, b.code(e), home) // the enrolment died with its token
	want(t, err, Conflict)
	for _, wrong := range []string{"", "x", token[:31], token + "a", strings.Repeat("a", 32), strings.Repeat("a", 1<<20)} {
		_, err = b.Setup(ctx, SetupRequest{wrong, "Anna", goodPassword}, home.Addr)
		want(t, err, Denied)
	}
	for _, weak := range []SetupRequest{{token, "", goodPassword}, {token, "A\x00", goodPassword}, {token, "Anna", "short"}, {token, "Anna", "password1234"}} {
		_, err = b.Setup(ctx, weak, home.Addr)
		want(t, err, Invalid)
	}
	e, err = b.Setup(ctx, SetupRequest{token, "Anna", goodPassword}, home.Addr)
	ok(t, err)
	b.clock.add(15 * time.Minute)
	_, err = b.Verify(ctx, token, b.code(e), home)
	if e := want(t, err, Denied); !strings.Contains(e.Message, "expired") || !strings.Contains(e.Message, "`cardea claim`") {
		t.Errorf("does not help: %s", e)
	}
	_, err = b.Setup(ctx, SetupRequest{token, "Anna", goodPassword}, home.Addr)
	want(t, err, Denied)
	if n := len(mustUsers(t, b)); n != 0 {
		t.Errorf("%d users", n)
	}
}

// TestClaimGuessing: many wrong tokens from one address are slowed down, and another address is not.
// Attack case 34 of docs/attacks.md.
func TestClaimGuessing(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	token, _, err := b.NewClaim(t.Context())
	ok(t, err)
	for i := 0; ; i++ {
		_, err = b.Setup(t.Context(), SetupRequest{strings.Repeat("a", 32), "Anna", goodPassword}, home.Addr)
		if e := new(Error); asError(err, &e) && e.Code == Throttled {
			break
		}
		if i > 50 {
			t.Fatal("never slowed down")
		}
	}
	if _, err = b.Setup(t.Context(), SetupRequest{token, "Anna", goodPassword}, netip.MustParseAddr("192.168.1.30")); err != nil {
		t.Errorf("the owner's own device is kept out: %v", err)
	}
}

// TestClaimRace: two browsers that finish at the same time make one owner.
func TestClaimRace(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	token, _, err := b.NewClaim(t.Context())
	ok(t, err)
	e, err := b.Setup(t.Context(), SetupRequest{token, "Anna", goodPassword}, home.Addr)
	ok(t, err)
	code := b.code(e)
	var in atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := b.Verify(t.Context(), token, code, home); err == nil {
				in.Add(1)
			}
		})
	}
	wg.Wait()
	if in.Load() != 1 || len(mustUsers(t, b)) != 1 {
		t.Errorf("%d claimed, %d users", in.Load(), len(mustUsers(t, b)))
	}
}

// TestOnLAN is attack case 34 of docs/attacks.md.
func TestOnLAN(t *testing.T) {
	t.Parallel()
	b := newBox(t, func(c *Config) {
		c.Interfaces = func() ([]net.Addr, error) {
			_, v4, _ := net.ParseCIDR("198.51.100.0/24")
			v4.IP = net.IPv4(198, 51, 100, 7)
			_, v6, _ := net.ParseCIDR("2001:db8:1:2::/64")
			_, tunnel, _ := net.ParseCIDR("0.0.0.0/0")
			_, point, _ := net.ParseCIDR("203.0.113.77/32")
			return []net.Addr{v4, v6, tunnel, point}, nil
		}
	})
	for addr, lan := range map[string]bool{
		"127.0.0.1": true, "::1": true, "10.1.2.3": true, "172.17.0.1": true, "192.168.0.1": true, "::ffff:192.168.0.1": true,
		"fd00::1": true, "fe80::1%eth0": true, "169.254.3.4": true, "198.51.100.200": true, "::ffff:198.51.100.200": true,
		"2001:db8:1:2:3::4": true, "203.0.113.77": true,
		"203.0.113.78": false, "8.8.8.8": false, "198.51.101.1": false, "2001:db8:1:3::1": false, "0.0.0.0": false,
		"::": false, "224.0.0.1": false, "ff02::1": false, "172.32.0.1": false, "100.64.0.1": false, "::ffff:8.8.8.8": false,
	} {
		if got := b.OnLAN(netip.MustParseAddr(addr)); got != lan {
			t.Errorf("%s: %v", addr, got)
		}
	}
	if b.OnLAN(netip.Addr{}) {
		t.Error("the relay is not on the LAN")
	}
	token, _, err := b.NewClaim(t.Context())
	ok(t, err)
	for _, from := range []netip.Addr{there.Addr, {}, netip.MustParseAddr("203.0.113.78")} {
		_, err = b.Setup(t.Context(), SetupRequest{token, "Anna", goodPassword}, from)
		want(t, err, Forbidden)
		_, err = b.Verify(t.Context(), token, "123456", Client{Addr: from})
		want(t, err, Forbidden)
	}
}
