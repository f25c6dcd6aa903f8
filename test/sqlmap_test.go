package test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cardea/test/box"
)

// TestAttack47Sqlmap is attack case 47 by the tool that attackers use: sqlmap, with the session of an owner, finds nothing to inject in the
// filters that reach SQL. It knows no TLS 1.3, so it talks to a relay, which also waits where the limit of requests would answer.
func TestAttack47Sqlmap(t *testing.T) {
	sqlmap, err := exec.LookPath("sqlmap")
	if err != nil {
		t.Fatal(err, ": `make test-packages` installs it")
	}
	b, err := box.New(t.TempDir(), "--vault-type", "x25519")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Serve(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Kill() })
	w := openPage(t, b)
	anna := w.signIn("Anna", box.Password, totpNow(t, b.Setup.TOTPURI))
	var asked atomic.Int64
	relay := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, in *http.Request) {
		asked.Add(1)
		for {
			req, err := http.NewRequestWithContext(in.Context(), http.MethodGet, w.base+in.URL.RequestURI(), nil)
			if err != nil {
				http.Error(out, err.Error(), http.StatusBadRequest)
				return
			}
			req.Header.Set("Cookie", "__Host-session="+anna)
			resp, err := w.client.Do(req)
			if err != nil {
				return
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			switch {
			case err != nil:
				return
			case resp.StatusCode == http.StatusTooManyRequests:
				time.Sleep(100 * time.Millisecond)
				continue
			case resp.StatusCode >= 500:
				t.Errorf("%s: %d %s", in.URL, resp.StatusCode, body)
			}
			out.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
			out.WriteHeader(resp.StatusCode)
			_, _ = out.Write(body)
			return
		}
	}))
	t.Cleanup(relay.Close)
	for _, query := range []string{"/api/events?kind=motion&limit=5", "/api/log?log=access&action=sign-in&user=Anna", "/api/clips?from=2026-01-01T00:00:00Z&limit=5"} {
		before, started := asked.Load(), time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		command := exec.CommandContext(ctx, sqlmap, "--batch", "-u", relay.URL+query, "--dbms=sqlite", "--level=2", "--risk=2", "--technique=BEU",
			"--skip=user-agent,referer,host,cookie", "--ignore-code=*", "--disable-coloring", "--output-dir="+filepath.Join(t.TempDir(), "out"))
		command.Env = append(os.Environ(), "HOME="+t.TempDir())
		out, err := command.CombinedOutput()
		cancel()
		t.Logf("%s: %d requests, %v", query, asked.Load()-before, time.Since(started).Round(time.Second))
		text := string(out)
		if err != nil || !strings.Contains(text, "all tested parameters do not appear to be injectable") || asked.Load()-before < 20 {
			t.Errorf("%s: %v\n%s", query, err, text)
		}
	}
}
