package test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"
	xtlog "golang.org/x/mod/sumdb/tlog"

	"cardea/store"
	"cardea/store/tlog"
	"cardea/test/box"
	"cardea/web/api"
	"cardea/web/console"
)

// TestLog records who watches, with a box that is attacked afterwards: cases 80 to 83, 85 and 86 of the threat model, each on a copy
// of the data directory, and what the public tool says to the logs.
func TestLog(t *testing.T) {
	fsck := buildFsck(t)
	b, err := box.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Serve(); err != nil {
		t.Fatal(err)
	}
	cameras := virtualCameras(t, 1, 15, 600_000)
	if err := b.AddCamera("Front door", cameras.URL("0")); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "a clip", func() bool {
		clips, err := b.Recordings("")
		return err == nil && len(clips) > 0 && clips[0].Bytes > 100_000
	})
	person := browse(t, b)
	if status := person.signIn(t, "wrong password 12345", "000000"); status != http.StatusUnauthorized {
		t.Errorf("a wrong password gives %d", status)
	}
	if status := person.signIn(t, box.Password, ""); status != http.StatusCreated {
		t.Fatalf("sign-in gives %d\n%s", status, b.LogTail())
	}
	clip := must(b.Recordings(""))(t)[0]
	for range 3 {
		if status, body := person.get(t, "/api/clips/"+clip.ID+"/data", "bytes=0-999"); status != http.StatusPartialContent || len(body) != 1000 {
			t.Errorf("clip data gives %d, %d bytes", status, len(body))
		}
	}
	var rows []api.LogEntry
	if err := b.JSON(&rows, "log", "list"); err != nil {
		t.Fatal(err)
	}
	var acts []string
	for _, r := range rows {
		acts = append(acts, r.Action+" "+r.Result)
		switch r.Action {
		case "playback":
			if r.Name != "Anna" || r.Addr != "127.0.0.1" || r.CameraName != "Front door" || r.Clip != clip.ID || r.Start == "" {
				t.Errorf("playback is recorded as %+v", r)
			}
		case "sign-in":
			if strings.ContainsAny(r.Agent, "\n\x1b") || !strings.Contains(r.Agent, `"quoted"`) {
				t.Errorf("the User-Agent is recorded as %q", r.Agent)
			}
		}
	}
	if got := strings.Join(acts, ", "); got != "log.start , user.add ok, vault.create ok, camera.add ok, sign-in refused, sign-in ok, playback ok, log.read ok" {
		t.Errorf("the access log has %s", got)
	}

	// A witness follows the log while it grows, by the routes that a browser uses.
	client, err := console.Dial(t.Context(), b.Dir)
	if err != nil {
		t.Fatal(err)
	}
	first := checkpoint(t, client, "access", 8)
	stick := filepath.Join(t.TempDir(), "access")
	if _, err := b.Run("log", "witness", stick); err != nil {
		t.Fatal(err)
	}
	yesterday := copyOf(t, b.Dir)
	for range 300 { // more than one tile
		if err := client.Get(t.Context(), "/api/settings", nil, nil); err != nil {
			t.Fatal(err)
		}
		if err := client.Do(t.Context(), "PATCH", "/api/settings", map[string]any{"retention_days": 30}, nil); err != nil {
			t.Fatal(err)
		}
	}
	last := checkpoint(t, client, "access", 308)
	var proof api.LogProof
	if err := client.Get(t.Context(), "/api/log/proof", console.Query{"old": fmt.Sprint(first.Size), "size": fmt.Sprint(last.Size)}, &proof); err != nil {
		t.Fatal(err)
	}
	if out, err := b.Run("log", "witness", stick); err != nil || !strings.Contains(string(out), "the access log goes on") {
		t.Errorf("the witness says %q, %v", out, err)
	}
	older, newer := parse(t, first), parse(t, last)
	if err := tlog.CheckConsistency(older, newer, hashes(t, proof.Hashes)); err != nil {
		t.Error(err)
	}
	if err := client.Get(t.Context(), "/api/log/proof", console.Query{"seq": "6", "size": fmt.Sprint(last.Size)}, &proof); err != nil {
		t.Fatal(err)
	}
	if err := xtlog.CheckRecord(hashes(t, proof.Hashes), newer.Size, newer.Root, 6, hashes(t, []string{proof.Leaf})[0]); err != nil {
		t.Error(err)
	}
	// A follower fetches the same over HTTPS.
	if status, body := person.get(t, "/log/access/checkpoint", ""); status != http.StatusOK || !bytes.HasPrefix(body, []byte(older.Origin)) {
		t.Errorf("a follower gets %d %q", status, body)
	}
	if status, body := person.get(t, "/log/access/tile/entries/000", ""); status != http.StatusOK || len(body) != 256*34 {
		t.Errorf("a follower gets %d and %d bytes of entries", status, len(body))
	}
	for _, path := range []string{"/log/access/tile/../../../keys/log-access.key", "/log/access/tile/%2e%2e/%2e%2e/%2e%2e/keys/log-access.key", "/log/other/checkpoint", "/log/access/tile/"} {
		if status, body := person.get(t, path, ""); status == http.StatusOK && bytes.Contains(body, []byte("PRIVATE")) || status < 400 && !bytes.Contains(body, []byte("<html")) {
			t.Errorf("%s gives %d %.100q", path, status, body)
		}
	}

	// 86: while the log cannot be written nobody watches or changes anything, and the recording goes on.
	sqlite(t, b.Dir, `CREATE TRIGGER blocked BEFORE INSERT ON log_record WHEN NEW.log = 1 BEGIN SELECT RAISE(ABORT, 'the disk is full'); END`)
	if err := client.Get(t.Context(), "/api/clips/"+clip.ID+"/data", nil, nil); err == nil {
		t.Error("a clip is played without a record of it")
	}
	if status := person.signIn(t, "wrong password 12345", "000000"); status < 500 {
		t.Errorf("a sign-in that cannot be recorded gives %d", status)
	}
	if _, err := b.Run("log", "list", "--log", "footage"); err == nil {
		t.Error("the log can be read without a record of it")
	}
	if err := client.Do(t.Context(), "PATCH", "/api/settings", map[string]any{"retention_days": 1}, nil); err == nil {
		t.Error("settings change without a record of it")
	}
	before := must(b.Recordings(""))(t)
	waitFor(t, "the recording to go on", func() bool {
		now, err := b.Recordings("")
		return err == nil && now[len(now)-1].Bytes > before[len(before)-1].Bytes
	})
	sqlite(t, b.Dir, `DROP TRIGGER blocked`)
	client.Close()
	if err := b.Stop(); err != nil {
		t.Fatal(err)
	}

	for _, name := range []string{"access", "footage"} {
		runFsck(t, fsck, filepath.Join(b.Dir, "log", name))
	}
	dir := t.TempDir()
	kept := filepath.Join(dir, "checkpoint")
	if err := os.WriteFile(kept, []byte(last.Checkpoint), 0o600); err != nil {
		t.Fatal(err)
	}
	if faults := verify(t, b, b.Dir, "--checkpoint", kept); faults != "" {
		t.Fatalf("a sound box has faults:\n%s", faults)
	}
	for _, attack := range []struct {
		name, want string
		witness    bool // only who has kept a checkpoint can see it
		do         func(t *testing.T, dir string)
	}{
		{"80 edit a record", "access log, record 6: the record in the index is not the one that was logged", false, func(t *testing.T, dir string) {
			sqlite(t, dir, `UPDATE log_record SET record = replace(record, 'Anna', 'Bert') WHERE log = 1 AND seq = 6`)
		}},
		{"80 delete the last records", "access log, record 300 to 3", false, func(t *testing.T, dir string) {
			sqlite(t, dir, `DELETE FROM log_record WHERE log = 1 AND seq >= 300`)
		}},
		{"80 delete the last records and their number", "the index was rolled back", false, func(t *testing.T, dir string) {
			sqlite(t, dir, `DELETE FROM log_record WHERE log = 1 AND seq >= 300; UPDATE counter SET value = 300 WHERE name = 'log.access'`)
		}},
		{"80 change the order", "access log, record 20: the record in the index", false, func(t *testing.T, dir string) {
			sqlite(t, dir, `UPDATE log_record SET seq = -1 WHERE log = 1 AND seq = 20; UPDATE log_record SET seq = 20 WHERE log = 1 AND seq = 21; UPDATE log_record SET seq = 21 WHERE log = 1 AND seq = -1`)
		}},
		{"80 insert a record", "access log, record 5: the record in the index", false, func(t *testing.T, dir string) {
			sqlite(t, dir, `UPDATE log_record SET seq = -seq - 1 WHERE log = 1 AND seq >= 5; UPDATE log_record SET seq = -seq WHERE log = 1 AND seq < 0; UPDATE counter SET value = value + 1 WHERE name = 'log.access';
				INSERT INTO log_record SELECT log, 5, at, action, camera, clip, salt, record FROM log_record WHERE log = 1 AND seq = 4`)
		}},
		{"80 replace a tile", "log/access/tile/0/000: entry 77: ", false, func(t *testing.T, dir string) {
			overwrite(t, filepath.Join(dir, "log/access/tile/0/000"), 77*32, "forged")
		}},
		{"80 replace an entry", "log/access/tile/0/000: entry 78: ", false, func(t *testing.T, dir string) {
			overwrite(t, filepath.Join(dir, "log/access/tile/entries/000"), 78*34+2, "forged")
		}},
		{"80 replace the checkpoint", "log/access/checkpoint: ", false, func(t *testing.T, dir string) {
			overwrite(t, filepath.Join(dir, "log/access/checkpoint"), len(older.Origin)+1, "299")
		}},
		{"80 an older checkpoint", "the log was rolled back", true, func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, "log/access/checkpoint"), []byte(first.Checkpoint), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{"80 take a clip away", "it left the index without a record of its deletion", false, func(t *testing.T, dir string) {
			sqlite(t, dir, `DELETE FROM clip`)
			if err := os.RemoveAll(filepath.Join(dir, "clips")); err != nil {
				t.Fatal(err)
			}
		}},
		{"75 another clip in its place", "the footage log says", false, func(t *testing.T, dir string) {
			sqlite(t, dir, `UPDATE clip SET sha256 = zeroblob(32)`)
		}},
		{"82 rewrite with the stolen key", "the log was rewritten", true, func(t *testing.T, dir string) {
			sqlite(t, dir, `UPDATE log_record SET record = replace(record, 'Anna', 'Bert') WHERE log = 1`)
			rewrite(t, dir)
		}},
	} {
		t.Run(attack.name, func(t *testing.T) {
			dir := copyOf(t, b.Dir)
			attack.do(t, dir)
			faults := verify(t, b, dir)
			if attack.witness {
				if faults != "" {
					t.Errorf("without a witness:\n%s", faults)
				}
				faults = verify(t, b, dir, "--checkpoint", kept)
			}
			if !strings.Contains(faults, attack.want) {
				t.Errorf("found\n%s\nwant %q", faults, attack.want)
			}
		})
	}
	t.Run("81 roll everything back", func(t *testing.T) {
		if faults := verify(t, b, yesterday); strings.Contains(faults, "I17") || strings.Contains(faults, "I18") {
			t.Errorf("yesterday was sound:\n%s", faults)
		}
		if faults := verify(t, b, yesterday, "--checkpoint", kept); !strings.Contains(faults, "the log was rolled back: a witness has seen") {
			t.Errorf("found\n%s", faults)
		}
		other := *b
		other.Dir = yesterday
		if out, err := other.Run("log", "witness", stick); err == nil || !strings.Contains(err.Error(), "the log was rolled back") {
			t.Errorf("the witness says %q, %v", out, err)
		}
		if evidence, err := filepath.Glob(stick + ".contradicted-*"); err != nil || len(evidence) != 1 {
			t.Errorf("evidence is %q, %v", evidence, err)
		}
	})
	t.Run("83 fork", func(t *testing.T) {
		// Yesterday's copy goes on: the same number of records, other ones. Both checkpoints are signed: that is the evidence.
		db, err := store.Open(t.Context(), store.Config{Dir: yesterday})
		if err != nil {
			t.Fatal(err)
		}
		source := db.LogSource(store.LogAccess)
		for size, err := source.Size(t.Context()); size < newer.Size; size, err = source.Size(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if err := db.LogAccess(t.Context(), store.Access{Action: "forged"}); err != nil {
				t.Fatal(err)
			}
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		rewrite(t, yesterday)
		forged, err := os.ReadFile(filepath.Join(yesterday, "log/access/checkpoint"))
		if err != nil {
			t.Fatal(err)
		}
		fork, err := tlog.ParseCheckpoint(forged, last.VKey)
		if err != nil {
			t.Fatal(err)
		}
		if err := tlog.CheckConsistency(newer, fork, nil); err == nil || !strings.Contains(err.Error(), "forked") {
			t.Errorf("two logs of one size: %v", err)
		}
	})
}

// buildFsck builds the public checker of C2SP logs in a module of its own.
func buildFsck(t *testing.T) string {
	t.Helper()
	const module = "github.com/transparency-dev/tessera/cmd/fsck"
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module fsck\n\ngo 1.26.0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"get", module + "@v1.0.4"}, {"build", "-o", "fsck", module}} {
		cmd := exec.Command("go", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off", "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("tessera's fsck cannot be built (go %s): %v; the module proxy has to be reachable\n%s", strings.Join(args, " "), err, out)
		}
	}
	return filepath.Join(dir, "fsck")
}

// runFsck holds a log's directory against the public tool, which ends with status 0 whatever it finds.
func runFsck(t *testing.T, fsck, dir string) {
	t.Helper()
	out, err := exec.Command(fsck, "--storage_url=file://"+dir, "--public_key="+filepath.Join(dir, "log.vkey"), "--ui=false", "-v=1").CombinedOutput()
	if err != nil || bytes.Contains(out, []byte("fsck failed")) || !bytes.Contains(out, []byte("checking log of size")) {
		t.Errorf("fsck of %s: %v\n%s", dir, err, out)
	}
}

// verify gives what `cardea verify` prints about a directory, and holds its exit status against that.
func verify(t *testing.T, b *box.Box, dir string, args ...string) string {
	t.Helper()
	other := *b
	other.Dir = dir
	out, err := other.Run(append([]string{"verify"}, args...)...)
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		t.Fatal(err)
	}
	if (err == nil) != (len(out) == 0) {
		t.Errorf("verify ends with %v and prints %q", err, out)
	}
	return string(out)
}

// rewrite makes the access log anew from the index, with the key of the box.
func rewrite(t *testing.T, dir string) {
	t.Helper()
	db, err := store.Open(t.Context(), store.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	logDir := filepath.Join(dir, "log", "access")
	if err := os.RemoveAll(logDir); err != nil {
		t.Fatal(err)
	}
	log, err := tlog.Open(tlog.Config{
		Dir: logDir, KeyFile: filepath.Join(dir, "keys", "log-access.key"), Origin: "cardea.local/" + db.ID().String() + "/access", Source: db.LogSource(store.LogAccess),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Integrate(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func sqlite(t *testing.T, dir, statements string) {
	t.Helper()
	if out, err := exec.Command("sqlite3", "-cmd", ".timeout 10000", filepath.Join(dir, store.FileName), statements).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", statements, err, out)
	}
}

func overwrite(t *testing.T, path string, at int, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteAt([]byte(text), int64(at))
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func copyOf(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "data")
	if out, err := exec.Command("cp", "-a", dir, to).CombinedOutput(); err != nil {
		t.Fatalf("copy: %v\n%s", err, out)
	}
	return to
}

// checkpoint waits until a log's checkpoint covers at least so many records.
func checkpoint(t *testing.T, client *console.Client, log string, size int64) (now api.LogCheckpoint) {
	t.Helper()
	waitFor(t, fmt.Sprintf("a checkpoint over %d records", size), func() bool {
		if err := client.Get(t.Context(), "/api/log/checkpoint", console.Query{"log": log}, &now); err != nil {
			t.Fatal(err)
		}
		return now.Size >= size
	})
	return now
}

func parse(t *testing.T, c api.LogCheckpoint) tlog.Checkpoint {
	t.Helper()
	return must(tlog.ParseCheckpoint([]byte(c.Checkpoint), c.VKey))(t)
}

func hashes(t *testing.T, texts []string) (all []xtlog.Hash) {
	t.Helper()
	for _, text := range texts {
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(raw) != 32 {
			t.Fatalf("hash %q", text)
		}
		all = append(all, xtlog.Hash(raw))
	}
	return all
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// browser is somebody with a cookie, and a User-Agent that would like to write the log itself.
type browser struct {
	http   http.Client
	at     string
	seed   string
	cookie string
}

var listening = regexp.MustCompile(`Address: +(https://127\.0\.0\.1:\d+)`)

func browse(t *testing.T, b *box.Box) *browser {
	t.Helper()
	log := must(os.ReadFile(b.LogFile))(t)
	found := listening.FindAllSubmatch(log, -1)
	if len(found) == 0 {
		t.Fatalf("no address in\n%s", log)
	}
	uri := must(url.Parse(b.Setup.TOTPURI))(t)
	return &browser{
		at: string(found[len(found)-1][1]), seed: uri.Query().Get("secret"),
		http: http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // the certificate is other tests' business
		}},
	}
}

func (p *browser) do(t *testing.T, method, path, ranged string, body []byte) (*http.Response, []byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	request := must(http.NewRequestWithContext(ctx, method, p.at+path, bytes.NewReader(body)))(t)
	request.Header.Set("Origin", p.at)
	request.Header.Set("User-Agent", `Mozilla "quoted" sign-in ok`)
	request.Header.Set("Content-Type", "application/json")
	if ranged != "" {
		request.Header.Set("Range", ranged)
	}
	if p.cookie != "" {
		request.AddCookie(&http.Cookie{Name: "__Host-session", Value: p.cookie})
	}
	answer := must(p.http.Do(request))(t)
	defer answer.Body.Close()
	return answer, must(io.ReadAll(answer.Body))(t)
}

func (p *browser) get(t *testing.T, path, ranged string) (int, []byte) {
	t.Helper()
	answer, body := p.do(t, http.MethodGet, path, ranged, nil)
	return answer.StatusCode, body
}

// signIn signs Anna in; without a code it takes the one that her phone shows.
func (p *browser) signIn(t *testing.T, password, code string) int {
	t.Helper()
	if code == "" {
		code = must(totp.GenerateCodeCustom(p.seed, time.Now(), totp.ValidateOpts{Period: 30, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1}))(t)
	}
	answer, _ := p.do(t, http.MethodPost, "/api/session", "", must(json.Marshal(map[string]string{"name": "Anna", "password": password, "totp": code}))(t))
	for _, c := range answer.Cookies() {
		if c.Name == "__Host-session" && c.Value != "" {
			p.cookie = c.Value
		}
	}
	return answer.StatusCode
}
