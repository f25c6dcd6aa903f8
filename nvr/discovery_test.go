package nvr

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"cardea/camera/discovery"
)

func TestNotAdded(t *testing.T) {
	t.Parallel()
	b := openBox(t, t.TempDir())
	for name, url := range map[string]string{"Front": "rtsp://192.168.7.20:554/x", "Agent": "rtsps://192.168.7.30:8322/main", "Named": "rtsp://cam.local/x"} {
		if _, err := b.AddCamera(t.Context(), anna, NewCamera{Name: name, URL: url, Mode: "off"}); err != nil {
			t.Fatal(err)
		}
	}
	at := func(text string) []netip.Addr { return []netip.Addr{netip.MustParseAddr(text)} }
	found := []discovery.Candidate{
		{ID: "added", Addresses: at("192.168.7.20")},
		{ID: "added by another address", Addresses: []netip.Addr{netip.MustParseAddr("fe80::1%eth0"), netip.MustParseAddr("192.168.7.20")}},
		{ID: "new", Addresses: at("192.168.7.21")},
		{ID: "added agent", Addresses: at("192.168.7.30"), Pair: netip.MustParseAddrPort("192.168.7.30:8322")},
		{ID: "new agent", Addresses: at("192.168.7.30"), Pair: netip.MustParseAddrPort("192.168.7.30:8323")},
	}
	list, err := b.NotAdded(t.Context(), found)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, c := range list {
		ids = append(ids, c.ID)
	}
	if got := strings.Join(ids, ", "); got != "new, new agent" || len(found) != 5 {
		t.Errorf("%s", got)
	}
}

func TestTimeServerSetting(t *testing.T) {
	t.Parallel()
	b := openBox(t, t.TempDir())
	taken, err := net.ListenPacket("udp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	port := taken.LocalAddr().(*net.UDPAddr).Port
	set := func(port int) {
		t.Helper()
		s, err := b.ChangeSettings(t.Context(), anna, SettingsChange{TimeServerPort: &port})
		if err != nil || s.TimeServerPort != port {
			t.Fatal(s, err)
		}
	}
	alarm := func() string {
		for _, a := range b.alarms.list() {
			if a.Code == "time-server" {
				return a.Detail
			}
		}
		return ""
	}
	set(port)
	eventually(t, "a port that another program has is an alarm", func() bool { return strings.Contains(alarm(), "another program has it") })
	taken.Close()
	set(0)
	eventually(t, "the alarm ends when the server is off", func() bool { return alarm() == "" })
	set(port)
	answered := func() bool {
		conn, err := net.Dial("udp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		question := make([]byte, 48)
		question[0] = 4<<3 | 3
		if _, err := conn.Write(question); err != nil {
			return false
		}
		if err := conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		n, err := conn.Read(question)
		return err == nil && n == 48
	}
	eventually(t, "the time is served", answered)
	set(0)
	eventually(t, "the port is free again", func() bool {
		conn, err := net.ListenPacket("udp", net.JoinHostPort("", strconv.Itoa(port)))
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	for _, bad := range []int{-1, 65536} {
		if _, err := b.ChangeSettings(t.Context(), anna, SettingsChange{TimeServerPort: &bad}); err == nil {
			t.Errorf("port %d was taken", bad)
		}
	}
}
