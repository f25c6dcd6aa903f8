package isolation

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"
)

// question is a client's packet of SNTP version 4.
func question() []byte {
	q := make([]byte, ntpSize)
	q[0] = 4<<3 | 3
	copy(q[40:], "12345678")
	return q
}

func TestAnswerTime(t *testing.T) {
	received := time.Date(2026, 11, 24, 12, 0, 0, 500_000_000, time.UTC)
	now := func() time.Time { return received.Add(time.Millisecond) }
	a, ok := answerTime(question(), received, now, false)
	if !ok || len(a) != ntpSize {
		t.Fatal(a, ok)
	}
	if a[0] != 4<<3|4 || a[1] != 8 || !bytes.Equal(a[12:16], []byte("LOCL")) || !bytes.Equal(a[24:32], []byte("12345678")) {
		t.Errorf("%x", a)
	}
	if s, f := binary.BigEndian.Uint32(a[32:]), binary.BigEndian.Uint32(a[36:]); int64(s)-2_208_988_800 != received.Unix() || f != 1<<31 {
		t.Errorf("received %d + %d", s, f)
	}
	if a, ok := answerTime(question(), received, now, true); !ok || a[0]>>6 != 3 || a[1] != 0 {
		t.Errorf("a wrong clock is not marked: %x", a)
	}
	// The era ends in February 2036 and begins again at 0.
	era := time.Date(2036, 2, 7, 6, 28, 17, 0, time.UTC)
	if a, _ := answerTime(question(), era, func() time.Time { return era }, false); binary.BigEndian.Uint32(a[40:]) != 1 {
		t.Errorf("%x", a[40:])
	}
	for mode := range byte(8) {
		q := question()
		q[0] = 4<<3 | mode
		if _, ok := answerTime(q, received, now, false); ok != (mode == 3) {
			t.Errorf("mode %d: %v", mode, ok)
		}
	}
	if _, ok := answerTime(question()[:47], received, now, false); ok {
		t.Error("a short packet was answered: that would be an amplifier")
	}
}

func FuzzTime(f *testing.F) {
	f.Add(question())
	f.Fuzz(func(t *testing.T, q []byte) {
		a, ok := answerTime(q, time.Unix(1e9, 0), func() time.Time { return time.Unix(1e9, 1) }, false)
		if ok && len(a) > len(q) {
			t.Errorf("%d bytes for %d", len(a), len(q))
		}
	})
}

func TestTimeServer(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- (&TimeServer{}).Serve(ctx, conn) }()
	client, err := net.Dial("udp", conn.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	answers, buf := 0, make([]byte, 512)
	for range 10 * timeBurst {
		if _, err := client.Write(question()); err != nil {
			t.Fatal(err)
		}
	}
	// A burst is answered, a flood is not; how much of it the machine loses by itself is not said here.
	for {
		if err := client.SetReadDeadline(time.Now().Add(500 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if n, err := client.Read(buf); err != nil {
			break
		} else if n == ntpSize {
			answers++
		}
	}
	if answers == 0 || answers > 3*timeBurst {
		t.Errorf("%d answers to %d questions at once", answers, 10*timeBurst)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestPace(t *testing.T) {
	p, now := newPace(), time.Unix(1e9, 0)
	for i := range 10_000 {
		p.allow(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), now)
	}
	if n := len(p.young) + len(p.old); n > timeClients {
		t.Errorf("%d clients are kept", n)
	}
}
