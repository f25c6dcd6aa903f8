package test

import (
	"bytes"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// TestAttack28 is attack case 28: two hundred sign-ins at once, each of which would cost 64 MiB, while a camera records. Memory stays bounded, no
// frame is lost, and who is signed in goes on.
func TestAttack28(t *testing.T) {
	b, w, anna := recording(t)
	transport := w.client.Transport.(*http.Transport).Clone()
	transport.MaxConnsPerHost = 0
	t.Cleanup(transport.CloseIdleConnections)
	client := http.Client{Transport: transport}
	before := residentMiB(t, b.Pid())

	var refused, delayed, cut atomic.Int64
	var group sync.WaitGroup
	for i := range 200 {
		group.Go(func() {
			body := fmt.Sprintf(`{"name":"Guest %d","password":"a guess that is long enough %d","totp":"000000"}`, i, i)
			req, err := http.NewRequestWithContext(t.Context(), "POST", w.base+"/api/session", strings.NewReader(body))
			if err != nil {
				t.Error(err)
				return
			}
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Origin", w.base)
			resp, err := client.Do(req)
			if err != nil {
				cut.Add(1) // more connections than one address may have
				return
			}
			resp.Body.Close()
			switch resp.StatusCode {
			case http.StatusUnauthorized:
				refused.Add(1)
			case http.StatusTooManyRequests:
				delayed.Add(1)
			default:
				t.Errorf("a sign-in of the flood: %d", resp.StatusCode)
			}
		})
	}
	done := make(chan struct{})
	go func() { group.Wait(); close(done) }()
	most := before
	waitFor(t, "the end of the flood", func() bool {
		most = max(most, residentMiB(t, b.Pid()))
		select {
		case <-done:
			return true
		default:
			return false
		}
	})
	t.Logf("%d refused, %d delayed, %d cut off; %d MiB before, %d at most", refused.Load(), delayed.Load(), cut.Load(), before, most)
	if refused.Load() == 0 || delayed.Load() == 0 {
		t.Error("that was no flood")
	}
	if most > before+200 { // three hashes; all at once would be 12,800
		t.Errorf("%d MiB resident", most)
	}
	_, figures := unhurried(func() (int, string) {
		status, text, _ := w.send("GET", "/metrics", anna, nil)
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
	if out, err := b.Run("verify"); err != nil || bytes.Contains(out, []byte("overload")) {
		t.Errorf("%s, %v", out, err)
	}
}
