package test

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestAttack53 is attack case 53: two thousand clients of forty addresses that send a header, or a body, a byte at a time, or ask and never read the answer, while a camera
// records. Each is dropped, who is signed in goes on, and no frame is lost.
func TestAttack53(t *testing.T) {
	b, w, anna := recording(t)
	address := strings.TrimPrefix(w.base, "https://")
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	before := residentMiB(t, b.Pid())
	// The biggest script, so often that it fits into no buffer.
	_, text, _ := w.send("GET", "/", "", nil)
	var asset string
	biggest := 0
	for _, first := range regexp.MustCompile(`/assets/[^"]+\.js`).FindAllString(string(text), -1) {
		_, text, _ = w.send("GET", first, "", nil)
		for _, name := range append(regexp.MustCompile(`[\w-]+-[\w-]{8}\.js`).FindAllString(string(text), -1), path.Base(first)) {
			if _, body, _ := w.send("GET", "/assets/"+name, "", nil); len(body) > biggest {
				asset, biggest = "/assets/"+name, len(body)
			}
		}
	}
	if biggest < 10_000 {
		t.Fatalf("the biggest script has %d bytes", biggest)
	}
	asks := 16 << 20 / biggest
	const clients, addresses = 2000, 40
	var group sync.WaitGroup
	var begun, dropped, left atomic.Int64
	for i := range clients {
		group.Go(func() {
			dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+i%addresses))}, Timeout: 30 * time.Second}
			raw, err := dialer.DialContext(t.Context(), "tcp", "127.0.0.1:"+port)
			if err != nil {
				dropped.Add(1)
				return
			}
			defer raw.Close()
			if tcp, ok := raw.(*net.TCPConn); ok {
				_ = tcp.SetReadBuffer(4096)
			}
			conn := tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
			_ = conn.SetDeadline(time.Now().Add(2 * time.Minute))
			if conn.Handshake() != nil {
				dropped.Add(1) // more than there is room for
				return
			}
			begun.Add(1)
			head := "GET " + asset + " HTTP/1.1\r\nHost: " + address + "\r\n"
			drip := func() bool { // until it is cut off
				for range 100 {
					if _, err := conn.Write([]byte("a")); err != nil {
						return true
					}
					time.Sleep(time.Second)
				}
				return false
			}
			cut := false
			switch {
			case i >= addresses && i%2 == 0:
				_, _ = io.WriteString(conn, head+"X-Slow: ")
				cut = drip()
			case i >= addresses:
				_, _ = io.WriteString(conn, "POST /api/session HTTP/1.1\r\nHost: "+address+"\r\nOrigin: "+w.base+"\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{")
				cut = drip()
			default: // one of each address, or they would be slowed down before they are slow
				for range asks { // more than fits into the buffers on the way
					if _, err := io.WriteString(conn, head+"\r\n"); err != nil {
						cut = true
						break
					}
				}
				time.Sleep(21 * time.Second) // nobody has to wait longer for one byte to be taken
				n, err := io.Copy(io.Discard, conn)
				cut = cut || err != nil || n < int64(asks*biggest)
			}
			if cut {
				dropped.Add(1)
			} else {
				left.Add(1)
			}
		})
	}
	done := make(chan struct{})
	go func() { group.Wait(); close(done) }()
	var took []time.Duration
	retries, most := 0, before
	client := http.Client{Transport: w.client.Transport, Timeout: 30 * time.Second}
	waitFor(t, "the end of the slow ones", func() bool {
		most = max(most, residentMiB(t, b.Pid()))
		start := time.Now()
		req, err := http.NewRequestWithContext(t.Context(), "GET", w.base+"/api/cameras", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Cookie", "__Host-session="+anna)
		if resp, err := client.Do(req); err != nil {
			retries++
		} else {
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.StatusCode != 200 && resp.StatusCode != 429 {
				t.Errorf("who is signed in: %d", resp.StatusCode)
			}
			took = append(took, time.Since(start))
		}
		select {
		case <-done:
			return true
		default:
			return false
		}
	})
	slices.Sort(took)
	t.Logf("%d begun, %d dropped, %d left; %d requests beside them, p95 %v, %d had no connection; %d MiB before, %d at most",
		begun.Load(), dropped.Load(), left.Load(), len(took), took[len(took)*95/100], retries, before, most)
	if begun.Load() < 500 || left.Load() > 0 {
		t.Errorf("%d begun, %d were never dropped", begun.Load(), left.Load())
	}
	if retries > len(took) {
		t.Errorf("%d requests of who is signed in found no connection, %d did", retries, len(took))
	}
	if most > before+200 {
		t.Errorf("%d MiB resident", most)
	}
	noFrameLost(t, w, anna)
	if out, err := b.Run("verify"); err != nil || bytes.Contains(out, []byte("overload")) {
		t.Errorf("%s, %v", out, err)
	}
}

// noFrameLost asks the figures of the box.
func noFrameLost(t *testing.T, w *page, session string) {
	t.Helper()
	_, figures := unhurried(func() (int, string) {
		status, text, _ := w.send("GET", "/metrics", session, nil)
		return status, string(text)
	})
	lost := regexp.MustCompile(`(?m)^cardea_(recorder|camera)_dropped_frames_total\S* (\S+)$`).FindAllStringSubmatch(figures, -1)
	if len(lost) < 2 {
		t.Errorf("figures:\n%s", figures)
	}
	for _, figure := range lost {
		if figure[2] != "0" {
			t.Error(figure[0])
		}
	}
}
