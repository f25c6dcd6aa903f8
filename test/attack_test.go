package test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"

	"cardea/test/box"
)

// TestAttackOnPathsAndQueries is attack cases 46, 47, 49 and 51 of the research, against the running program.
func TestAttackOnPathsAndQueries(t *testing.T) {
	b, w, anna := recording(t)
	clip := finished(t, b)
	w = openPage(t, b)

	t.Run("case 46, traversal", func(t *testing.T) {
		for _, id := range []string{
			"../../../../etc/passwd", "%2e%2e%2f%2e%2e%2fcardea.db", "..%5c..%5ccardea.db", "%00", clip.ID + "%00", "%c0%ae%c0%ae%c0%af", "%2fetc%2fpasswd", ".", "..", "%252e%252e%252f",
		} {
			for _, route := range []string{"/api/clips/%s/data", "/api/clips/%s/video", "/api/clips/%s", "/api/s/%s", "/api/s/" + clip.ID + "/clips/%s/data", "/api/evidence/%s", "/log/access/tile/%s", "/log/%s/checkpoint", "/assets/%s"} {
				status, body := unhurried(func() (int, string) { return rawRequest(t, w, anna, fmt.Sprintf(route, id)) })
				if status >= 500 || strings.Contains(body, "root:") || strings.Contains(body, "SQLite format") || status == 200 && !strings.Contains(strings.ToLower(body), "<!doctype html>") {
					t.Errorf("%s with %s: %d %.80q", route, id, status, body)
				}
			}
		}
		// A link in the clips directory that leads out of it.
		secret := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(secret, []byte("outside of the clips"), 0o600); err != nil {
			t.Fatal(err)
		}
		file := b.ClipFile(clip)
		if err := os.Rename(file, file+".away"); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(secret, file); err != nil {
			t.Fatal(err)
		}
		status, text, _ := w.send("GET", "/api/clips/"+clip.ID+"/data", anna, nil)
		if status == 200 || bytes.Contains(text, []byte("outside of")) {
			t.Errorf("a link out of the clips directory: %d %.80q", status, text)
		}
		if err := os.Rename(file+".away", file); err != nil {
			t.Fatal(err)
		}
	})

	t.Run("case 47, SQL injection", func(t *testing.T) {
		clips := func() int {
			_, body := unhurried(func() (int, string) {
				status, body, _ := w.send("GET", "/api/clips", anna, nil)
				return status, string(body)
			})
			var all []any
			unmarshal(t, []byte(body), &all)
			return len(all)
		}
		total := clips()
		for _, text := range []string{`'`, `"`, `' OR '1'='1`, `1; DROP TABLE clip;--`, `' UNION SELECT password_hash FROM user--`, `\`, `%`, `*`, "\x00", `') OR 1=1--`, `1 OR sleep(9)`} {
			for _, route := range []string{
				"/api/clips?camera=%s", "/api/clips?from=%s", "/api/clips?to=%s", "/api/clips?limit=%s", "/api/events?kind=%s", "/api/events?camera=%s", "/api/timeline?from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z&camera=%s",
				"/api/lanes?from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z&camera=%s", "/api/playback?at=2026-01-01T00:00:00Z&camera=%s",
				"/api/log?user=%s", "/api/log?action=%s", "/api/log?camera=%s", "/api/log?before=%s", "/api/log?log=%s", "/api/log/proof?seq=%s", "/api/cameras/%s", "/api/clips/%s", "/api/vaults/%s/grants",
			} {
				status, body := unhurried(func() (int, string) {
					status, body, _ := w.send("GET", fmt.Sprintf(route, url.QueryEscape(text)), anna, nil)
					return status, string(body)
				})
				low := strings.ToLower(body)
				if status >= 500 || status != 200 && (strings.Contains(low, "sqlite") || strings.Contains(low, "syntax") || strings.Contains(low, "select ")) || strings.Contains(low, "argon2id") {
					t.Errorf("%s with %q: %d %.120s", route, text, status, body)
				}
				if status == 200 && strings.HasPrefix(route, "/api/events?kind") && strings.TrimSpace(body) != "[]" {
					t.Errorf("%s with %q finds %.80s", route, text, body)
				}
			}
		}
		if left := clips(); left < total {
			t.Errorf("%d clips of %d are left", left, total)
		}
	})

	t.Run("case 49, ranges", func(t *testing.T) {
		path := "/api/clips/" + clip.ID + "/data"
		for spec, want := range map[string]int{
			"bytes=0-9": 206, "bytes=-0": 416, "bytes=99999999999-": 416, "bytes=9223372036854775808-": 416, "bytes=-9223372036854775809": 206, "bytes=9-3": 200,
			"bytes=0-1,3-4": 200, "bytes=0-0,0-0,0-0": 200, "bytes=" + strings.Repeat("0-1,", 3000) + "5-6": 200, "bytes=a-b": 200, "bytes=--1": 200, "items=0-1": 200, "bytes=" + strings.Repeat("9", 400) + "-": 416,
		} {
			status, body := unhurried(func() (int, string) {
				status, body, _ := w.send("GET", path, anna, nil, func(r *http.Request) { r.Header.Set("Range", spec) })
				return status, string(body)
			})
			if status != want || status == 200 && int64(len(body)) != clip.Bytes || int64(len(body)) > clip.Bytes {
				t.Errorf("%.60s: %d with %d bytes, want %d", spec, status, len(body), want)
			}
		}
		// More than the server reads of a header: it says so and hangs up, maybe before all of it was sent.
		req, err := http.NewRequest("GET", w.base+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Cookie", "__Host-session="+anna)
		req.Header.Set("Range", "bytes="+strings.Repeat("0-1,", 20_000))
		resp, err := w.client.Do(req)
		switch {
		case errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE):
		case err != nil:
			t.Error(err)
		default:
			if resp.Body.Close(); resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
				t.Errorf("80 kB of ranges: %d", resp.StatusCode)
			}
		}
	})

	t.Run("case 51, addresses that are commands", func(t *testing.T) {
		for _, address := range []string{
			"exec:rm -rf /", "file:///etc/passwd", "http://127.0.0.1/", "ffmpeg:device?video=0", "rtsp://127.0.0.1/ -i /etc/passwd\n", "$(reboot)", "javascript:alert(1)", "pipe:0", "echo:x",
		} {
			for _, route := range []string{"/api/cameras", "/api/probe"} {
				status, body := unhurried(func() (int, string) {
					status, body, _ := w.send("POST", route, anna, map[string]any{"name": "Evil", "url": address})
					return status, string(body)
				})
				if status < 400 || status >= 500 {
					t.Errorf("%s takes %q: %d %.100s", route, address, status, body)
				}
			}
		}
		if cameras, err := b.Cameras(); err != nil || len(cameras) != 1 {
			t.Errorf("%d cameras, %v", len(cameras), err)
		}
	})
}

// unhurried repeats a request until the limit of requests is not what answers.
func unhurried(send func() (int, string)) (status int, body string) {
	for {
		if status, body = send(); status != http.StatusTooManyRequests {
			return status, body
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// TestAttackOnClips is attack cases 74 and 75: whatever is done to the file of a clip, `cardea verify` names it; a clip that was forged with
// the public key, row and all, is not in the log.
func TestAttackOnClips(t *testing.T) {
	b, _, _ := recording(t)
	first := finished(t, b)
	waitFor(t, "a second clip", func() bool {
		clips, err := b.Recordings("")
		return err == nil && len(clips) > 1 && clips[len(clips)-1].Bytes > 200_000
	})
	second := finished(t, b)
	if err := b.Stop(); err != nil {
		t.Fatal(err)
	}
	if out, err := b.Run("verify"); err != nil {
		t.Fatalf("before any attack: %s, %v", out, err)
	}
	file := b.ClipFile(first)
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := os.ReadFile(b.ClipFile(second))
	if err != nil {
		t.Fatal(err)
	}
	forged := seal(t, b.Setup.VaultRecipient, bytes.Repeat([]byte("forged "), 50_000))
	const chunk = 64<<10 + 16
	header := bytes.Index(good, []byte("\n---")) + 49 + 16
	edit := func(fn func(b []byte) []byte) []byte { return fn(bytes.Clone(good)) }
	for name, bad := range map[string][]byte{
		"bit flip":   edit(func(b []byte) []byte { b[len(b)/2] ^= 1; return b }),
		"truncated":  edit(func(b []byte) []byte { return b[:len(b)-1000] }),
		"appended":   append(bytes.Clone(good), "more"...),
		"chunk gone": edit(func(b []byte) []byte { return append(b[:header], b[header+chunk:]...) }),
		"chunks swapped": edit(func(b []byte) []byte {
			one := bytes.Clone(b[header : header+chunk])
			copy(b[header:], b[header+chunk:header+2*chunk])
			copy(b[header+chunk:], one)
			return b
		}),
		"header of another": append(bytes.Clone(foreign[:header]), good[header:]...),
		"another clip":      foreign,
		"forged":            forged,
	} {
		if err := os.WriteFile(file, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := b.Run("verify")
		if err == nil || !bytes.Contains(out, []byte(first.ID)) {
			t.Errorf("%s: %s, %v", name, out, err)
		}
	}
	if err := os.WriteFile(file, forged, 0o600); err != nil {
		t.Fatal(err)
	}
	rehash(t, b, first, forged)
	if out, err := b.Run("verify"); err == nil || !bytes.Contains(out, []byte(first.ID)) || !bytes.Contains(out, []byte("I19")) {
		t.Errorf("forged with its row: %s, %v", out, err)
	}
}

// seal makes an age file as whoever has the public key can.
func seal(t *testing.T, recipient string, plain []byte) []byte {
	t.Helper()
	r, err := age.ParseX25519Recipient(recipient)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w, err := age.Encrypt(&out, r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// rehash makes the row of a clip agree with its file, as a thief of the box would.
func rehash(t *testing.T, b *box.Box, clip box.Clip, data []byte) {
	t.Helper()
	statement := fmt.Sprintf("UPDATE clip SET bytes = %d, sha256 = x'%x' WHERE start = %d", len(data), sha(string(data)), clip.Start.UnixMicro())
	if out, err := exec.Command("sqlite3", filepath.Join(b.Dir, "cardea.db"), statement).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}
