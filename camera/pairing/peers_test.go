package pairing

import (
	"net"
	"testing"
)

// TestPeers: strangers are counted by address, those of IPv6 by the network that they have to themselves.
func TestPeers(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		"192.168.1.20:5000":            "192.168.1.20",
		"[::ffff:192.168.1.20]:5000":   "192.168.1.20",
		"[2001:db8:1:2::7]:5000":       "2001:db8:1:2::/64",
		"[2001:db8:1:2:ffff::1]:40000": "2001:db8:1:2::/64",
		"[fe80::1%eth0]:1":             "fe80::/64",
	} {
		at, err := net.ResolveTCPAddr("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if got := peerOf(at); got != want {
			t.Errorf("%s counts as %s, want %s", addr, got, want)
		}
	}
	p := peers{count: map[string]int{}}
	for i := range perPeer {
		if !p.enter("2001:db8:1:2::/64") {
			t.Errorf("connection %d is refused", i)
		}
	}
	if p.enter("2001:db8:1:2::/64") || !p.enter("2001:db8:1:3::/64") {
		t.Error("the limit of one peer")
	}
}
