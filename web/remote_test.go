package web

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"

	"cardea/web/api"
	"cardea/web/caller"
)

// tunnelEnd gives connections as the home end of the tunnel will: for a client that the relay names.
type tunnelEnd struct {
	net.Listener
	client atomic.Pointer[netip.AddrPort]
}

func (e *tunnelEnd) Accept() (net.Conn, error) {
	conn, err := e.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return Through(conn, *e.client.Load()), nil
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	return ln
}

// remotely makes the fixture's requests come through the tunnel, from client; the zero value makes them direct again.
func (f *fixture) remotely(client string) {
	f.t.Helper()
	f.transport.CloseIdleConnections()
	if f.direct == "" {
		f.direct = f.base
	}
	if f.base = f.direct; client == "" {
		return
	}
	at := netip.AddrPortFrom(netip.MustParseAddr(client), 50_000)
	f.tunnel.client.Store(&at)
	f.base = "http://" + f.tunnel.Addr().String()
}

// TestTunnelClients: who comes through the tunnel is counted and recorded by the address that the relay names, and by no header; and is at home nowhere, whatever
// that address is.
func TestTunnelClients(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var state api.Setup
	f.remotely("192.168.1.5")
	if f.send("GET", "/api/setup", "", nil).json(t, &state); state.LAN {
		t.Error("the relay puts people on the home network")
	}
	f.remotely("")
	if f.send("GET", "/api/setup", "", nil).json(t, &state); !state.LAN {
		t.Error("a direct connection is not on the home network")
	}
	owner := f.signIn()[caller.Owner]

	// Failures of one do not delay another, nor who comes directly; each stands in the log with its own address.
	wrong := map[string]string{"name": "Nobody", "password": "not the password 5", "totp": "000000"}
	forged := func(r *http.Request) { r.Header.Set("X-Forwarded-For", "203.0.113.77") }
	f.remotely("203.0.113.9")
	last := reply{}
	for i := range 12 {
		wrong["name"] = "Nobody " + string(rune('a'+i)) // the address is what counts
		last = f.send("POST", "/api/session", "", wrong, forged)
	}
	last.detail(t, 429)
	f.remotely("203.0.113.10")
	f.send("POST", "/api/session", "", wrong).detail(t, 401)
	f.remotely("2001:db8:1:2::1")
	f.send("POST", "/api/session", "", wrong).detail(t, 401)
	f.remotely("")
	f.send("POST", "/api/session", "", wrong).detail(t, 401)
	var records []api.LogEntry
	f.send("GET", "/api/log?limit=100", owner, nil).json(t, &records)
	for addr, want := range map[string]bool{"203.0.113.9": true, "203.0.113.10": true, "2001:db8:1:2::1": true, "127.0.0.1": true, "203.0.113.77": false} {
		if got := slices.ContainsFunc(records, func(r api.LogEntry) bool { return r.Action == "sign-in" && r.Addr == addr }); got != want {
			t.Errorf("sign-ins from %s in the log: %v", addr, got)
		}
	}

	// A list of addresses that administer keeps everybody out who comes this way.
	list := map[string]any{"admin_addresses": []string{"127.0.0.0/8", "192.168.1.0/24"}}
	if got := f.send("PUT", "/api/access", owner, list); got.status != 200 {
		t.Fatalf("set the list: %d %s", got.status, got.body)
	}
	for _, addr := range []string{"192.168.1.5", "127.0.0.1", "203.0.113.10"} {
		f.remotely(addr)
		f.send("GET", "/api/users", owner, nil).detail(t, 403)
		if got := f.send("GET", "/api/cameras", owner, nil); got.status != 200 {
			t.Errorf("watching from %s: %d", addr, got.status)
		}
	}
	f.remotely("")
	if got := f.send("GET", "/api/users", owner, nil); got.status != 200 {
		t.Errorf("at home: %d", got.status)
	}
}

// TestTunnelConnections: the bound of connections is one of the real address too.
func TestTunnelConnections(t *testing.T) {
	t.Parallel()
	end := &tunnelEnd{Listener: listen(t)}
	ln := Limit(end)
	defer ln.Close()
	accepted := make(chan net.Conn)
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			accepted <- conn
		}
	}()
	dial := func(client string) {
		t.Helper()
		at := netip.MustParseAddrPort(client)
		end.client.Store(&at)
		conn, err := net.Dial("tcp", ln.Addr().String())
		check(t, err)
		t.Cleanup(func() { conn.Close() })
	}
	for range connsPerAddress {
		dial("203.0.113.9:1")
		<-accepted
	}
	dial("203.0.113.9:1") // one too many: closed and not given out
	dial("203.0.113.10:1")
	if conn := <-accepted; conn.RemoteAddr().String() != "203.0.113.10:1" {
		t.Errorf("%s was let in", conn.RemoteAddr())
	}
}
