package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cardea/camera/agent"
	"cardea/camera/agent/pattern"
	"cardea/store/vault"
	"cardea/web/command"
)

const ownerPassword = "seven grey herons over Lund 4"

// TestMain lets the test binary be the program: the tests start it again as a process of its own.
func TestMain(m *testing.M) {
	if os.Getenv("CARDEA_TEST_PROGRAM") == "1" {
		main()
		return
	}
	code := m.Run()
	os.RemoveAll(ready.dir)
	os.Exit(code)
}

// program is a data directory and, after serve, the process that works on it.
type program struct {
	t    *testing.T
	dir  string
	out  syncBuffer // of serve
	cmd  *exec.Cmd
	base string // https://127.0.0.1:PORT
}

// syncBuffer may be read while a process writes to it.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func newProgram(t *testing.T) *program {
	return &program{t: t, dir: filepath.Join(t.TempDir(), "data")}
}

func (p *program) command(args ...string) *exec.Cmd {
	self, err := os.Executable()
	noError(p.t, err)
	cmd := exec.Command(self, append(args, "--data", p.dir)...)
	cmd.Env = append(os.Environ(), "CARDEA_TEST_PROGRAM=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// run runs a command to its end.
func (p *program) run(args ...string) (stdout, stderr string, code int) {
	p.t.Helper()
	cmd := p.command(args...)
	var out, messages bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &messages
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.t.Fatal(err)
	}
	return out.String(), messages.String(), cmd.ProcessState.ExitCode()
}

// must runs a command that has to work and decodes its JSON.
func (p *program) must(into any, args ...string) {
	p.t.Helper()
	out, messages, code := p.run(args...)
	if code != 0 {
		p.t.Fatalf("cardea %v: exit %d: %s", args, code, messages)
	}
	if into != nil {
		if err := json.Unmarshal([]byte(out), into); err != nil {
			p.t.Fatalf("cardea %v: %v: %s", args, err, out)
		}
	}
}

// serve starts serve or demo and waits until it has said all it has to say.
func (p *program) serve(name, last string) {
	p.t.Helper()
	p.out = syncBuffer{}
	p.cmd = p.command(name, "--listen", "127.0.0.1:0")
	var messages syncBuffer
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &messages
	noError(p.t, p.cmd.Start())
	p.t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	eventually(p.t, name+" says "+last, func() bool {
		if p.cmd.ProcessState != nil || syscall.Kill(p.cmd.Process.Pid, 0) != nil {
			p.t.Fatalf("%s ended: %s", name, messages.String())
		}
		return strings.Contains(p.out.String(), "\n"+last)
	})
	p.base = strings.Fields(line(p.out.String(), "Address:"))[0]
}

// stop ends serve as systemd would and wants exit status 0.
func (p *program) stop() {
	p.t.Helper()
	noError(p.t, p.cmd.Process.Signal(syscall.SIGTERM))
	if err := p.cmd.Wait(); err != nil {
		p.t.Fatalf("serve ended with %v", err)
	}
}

// line is the rest of the line that begins with prefix.
func line(text, prefix string) string {
	for l := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(l, prefix); ok {
			return strings.TrimSpace(rest)
		}
	}
	return ""
}

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits until fn is true; the deadline is only there to end a broken test.
func eventually(t *testing.T, what string, fn func() bool) {
	t.Helper()
	for end := time.Now().Add(90 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if fn() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}

// file writes a file beside the data directory.
func (p *program) file(name, text string) string {
	path := filepath.Join(filepath.Dir(p.dir), name)
	noError(p.t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// ready is a data directory after setup, made once: wrapping the vault's identity is slow on purpose.
var ready struct {
	once  sync.Once
	dir   string
	setup command.SetupResult
}

// setup gives the program a data directory with owner and vault, and returns what `cardea setup` printed.
func (p *program) setup() command.SetupResult {
	p.t.Helper()
	ready.once.Do(func() {
		dir, err := os.MkdirTemp("", "cardea-test-*")
		noError(p.t, err)
		made := &program{t: p.t, dir: filepath.Join(dir, "data")}
		made.must(&ready.setup, "setup", "--owner", "Anna", "--password-file", made.file("password", ownerPassword+"\n"), "--vault-type", "x25519")
		ready.dir = dir
	})
	noError(p.t, os.CopyFS(p.dir, os.DirFS(filepath.Join(ready.dir, "data"))))
	noError(p.t, os.Chmod(p.dir, 0o700))
	return ready.setup
}

// client is a browser that trusts the authority whose fingerprint serve printed, with the session of a sign-in.
func (p *program) client() *http.Client {
	p.t.Helper()
	blind := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	resp, err := blind.Get(p.base + "/ca.pem")
	noError(p.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	noError(p.t, err)
	block, _ := pem.Decode(text)
	if block == nil {
		p.t.Fatalf("no certificate: %s", text)
	}
	sum := sha256.Sum256(block.Bytes)
	if want := line(p.out.String(), "Authority:"); want != "SHA-256 "+hex.EncodeToString(sum[:]) {
		p.t.Fatalf("the authority is not the printed one: %x, %s", sum, want)
	}
	root, err := x509.ParseCertificate(block.Bytes)
	noError(p.t, err)
	pool := x509.NewCertPool()
	pool.AddCert(root)
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13}}
	p.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func (p *program) post(c *http.Client, path string, body map[string]string) (status int, answer []byte, cookie string) {
	p.t.Helper()
	b, err := json.Marshal(body)
	noError(p.t, err)
	req, err := http.NewRequest("POST", p.base+path, bytes.NewReader(b))
	noError(p.t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Origin", p.base)
	resp, err := c.Do(req)
	noError(p.t, err)
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	noError(p.t, err)
	return resp.StatusCode, answer, resp.Header.Get("Set-Cookie")
}

// totp is RFC 6238 with SHA-1, 6 digits and 30 s, for an otpauth URI.
func totp(t *testing.T, uri string) string {
	t.Helper()
	u, err := url.Parse(uri)
	noError(t, err)
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(u.Query().Get("secret"))
	noError(t, err)
	mac := hmac.New(sha1.New, key)
	noError(t, binary.Write(mac, binary.BigEndian, time.Now().Unix()/30))
	sum := mac.Sum(nil)
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[sum[len(sum)-1]&15:])&0x7fffffff%1000000)
}

// virtualCamera serves a small test picture.
func virtualCamera(t *testing.T, user, password string) string {
	t.Helper()
	source, err := agent.NewPattern(agent.PatternConfig{Config: pattern.Config{Width: 320, Height: 240, FPS: 10, GOP: time.Second}, Beep: true})
	noError(t, err)
	a, err := agent.Open(agent.Config{Streams: []agent.Stream{{Path: "cam", Source: source}}, User: user, Password: password})
	noError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	t.Cleanup(func() { stop(); noError(t, <-done) })
	return a.URL("cam")
}

// TestProgram drives the program from its first start to a clip that only the owner can open.
func TestProgram(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	s := p.setup()
	if len(s.RecoveryCodes) != 10 || !strings.HasPrefix(s.VaultIdentity, "AGE-SECRET-KEY-") || len(s.VaultPassphrase) < 25 {
		t.Errorf("setup printed %+v", s)
	}
	p.serve("serve", "Certificate:")
	if strings.Contains(p.out.String(), "claim#") {
		t.Error("a claim link although there is an owner")
	}
	browser := p.client()
	signIn := map[string]string{"name": "Anna", "password": ownerPassword, "totp": totp(t, s.TOTPURI)}
	status, answer, cookie := p.post(browser, "/api/session", signIn)
	if status != 201 || !strings.HasPrefix(cookie, "__Host-session=") {
		t.Fatalf("sign in: %d %s", status, answer)
	}

	// The password of the camera comes in a file and appears nowhere again.
	const secret = "cam3ra-s3cret"
	address := virtualCamera(t, "viewer", secret)
	p.must(nil, "cameras", "add", "--name", "Door", address, "--user", "viewer", "--password-file", p.file("campw", secret))
	var cameras []command.CameraRow
	p.must(&cameras, "cameras", "list", "--json")
	if len(cameras) != 1 || cameras[0].Name != "Door" || cameras[0].URL != address || cameras[0].Trust != "plain" {
		t.Fatalf("cameras %+v", cameras)
	}

	type clip struct {
		ID, Camera, Path string
		Bytes            int64
		SHA256           *string
		Open, Torn       bool
	}
	var clips []clip
	eventually(t, "a clip", func() bool {
		p.must(&clips, "clips", "list", "--json", "--camera", "door")
		return len(clips) == 1 && clips[0].Bytes > 70_000
	})
	req, err := http.NewRequest("GET", p.base+"/api/clips/"+clips[0].ID+"/data", nil)
	noError(t, err)
	req.Header.Set("Cookie", strings.Split(cookie, ";")[0])
	resp, err := browser.Do(req)
	noError(t, err)
	sealed, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	noError(t, err)
	identity, err := vault.ParseIdentity(s.VaultIdentity)
	noError(t, err)
	plain, err := vault.OpenTorn(bytes.NewReader(sealed), int64(len(sealed)), identity)
	noError(t, err)
	box := make([]byte, 8)
	if _, err := plain.ReadAt(box, 0); err != nil || string(box[4:]) != "ftyp" {
		t.Fatalf("plaintext %q %v", box, err)
	}

	p.must(nil, "health")
	p.must(nil, "verify")
	p.stop()
	if _, _, code := p.run("health"); code != 1 {
		t.Errorf("health of nothing: exit %d", code)
	}

	// Without the NVR the same commands work on the directory. The clip is whole now.
	p.must(&clips, "clips", "list", "--json")
	if len(clips) != 1 || clips[0].Open || clips[0].Torn || clips[0].SHA256 == nil {
		t.Fatalf("clips after the end: %+v", clips)
	}
	file, err := os.ReadFile(filepath.Join(p.dir, clips[0].Path))
	noError(t, err)
	if sum := sha256.Sum256(file); hex.EncodeToString(sum[:]) != *clips[0].SHA256 {
		t.Error("the hash of the file is not the listed one")
	}
	mp4 := filepath.Join(filepath.Dir(p.dir), "out.mp4")
	p.must(nil, "clips", "export", clips[0].ID, "--identity", p.file("identity", s.VaultIdentity+"\n"), "-o", mp4)
	if out, err := os.ReadFile(mp4); err != nil || !bytes.Contains(out, []byte("moof")) {
		t.Errorf("exported %d bytes, %v", len(out), err)
	}
	p.must(nil, "verify")

	for _, name := range []string{"cardea.db", "cardea.db-wal"} {
		if db, err := os.ReadFile(filepath.Join(p.dir, name)); err == nil && bytes.Contains(db, []byte(secret)) {
			t.Errorf("%s holds the camera's password", name)
		}
	}
}

// TestDemo: two cameras, and the claim link last.
func TestDemo(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	p.serve("demo", "Claim:")
	var cameras []command.CameraRow
	eventually(t, "two cameras streaming", func() bool {
		p.must(&cameras, "cameras", "list", "--json")
		return len(cameras) == 2 && cameras[0].State == "streaming" && cameras[1].State == "streaming"
	})
	if cameras[0].Name != "Front door" || cameras[1].Name != "Garden" {
		t.Errorf("cameras %+v", cameras)
	}
	// The link that was printed first is dead once another one was printed.
	claim := func(link, totpURI string) (int, string) {
		u, err := url.Parse(link)
		noError(t, err)
		if totpURI != "" {
			status, answer, _ := p.post(p.client(), "/api/setup/verify", map[string]string{"token": u.Fragment, "totp": totp(t, totpURI)})
			return status, string(answer)
		}
		status, answer, _ := p.post(p.client(), "/api/setup", map[string]string{"token": u.Fragment, "name": "Anna", "password": ownerPassword})
		return status, string(answer)
	}
	first := strings.Fields(line(p.out.String(), "Claim:"))[0]
	second, _, code := p.run("claim")
	if code != 0 {
		t.Fatalf("claim: exit %d", code)
	}
	second = strings.TrimSpace(second)
	if status, _ := claim(first, ""); status != 401 {
		t.Errorf("the old link: %d", status)
	}
	status, answer := claim(second, "")
	var enrolment struct {
		URI string `json:"totp_uri"`
	}
	if err := json.Unmarshal([]byte(answer), &enrolment); err != nil || status != 200 {
		t.Fatalf("the new link: %d %s", status, answer)
	}
	if status, answer := claim(second, enrolment.URI); status != 201 {
		t.Fatalf("verify: %d %s", status, answer)
	}
	if status, answer := claim(second, ""); status != 409 || !strings.Contains(answer, "already has an owner") {
		t.Errorf("the used link: %d %s", status, answer)
	}
	p.stop()
	// The cameras are the same ones at the next start.
	p.serve("demo", "Certificate:")
	var again []command.CameraRow
	p.must(&again, "cameras", "list", "--json")
	if len(again) != 2 || again[0].ID != cameras[0].ID {
		t.Errorf("cameras after a restart %+v", again)
	}
	p.stop()
}

// TestAfterTheWorst: a clip that was torn by a crash is made whole, and a backup brings the accounts back.
func TestAfterTheWorst(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	s := p.setup()
	identity := p.file("identity", s.VaultIdentity+"\n")
	p.serve("serve", "Certificate:")
	p.must(nil, "cameras", "add", "--name", "Door", virtualCamera(t, "", ""))
	var clips []struct {
		ID         string
		Bytes      int64
		Open, Torn bool
	}
	eventually(t, "a clip", func() bool {
		p.must(&clips, "clips", "list", "--json")
		return len(clips) == 1 && clips[0].Bytes > 70_000
	})
	noError(t, p.cmd.Process.Kill())
	_ = p.cmd.Wait() // killed
	p.serve("serve", "Certificate:")
	p.must(nil, "health")
	torn := clips[0].ID
	p.must(&clips, "clips", "list", "--json")
	if len(clips) == 0 || clips[0].ID != torn || !clips[0].Torn || clips[0].Open {
		t.Fatalf("clips after kill -9: %+v", clips)
	}
	p.must(nil, "verify")
	p.must(nil, "clips", "salvage", torn, "--identity", identity)
	p.must(&clips, "clips", "list", "--json")
	if clips[0].ID != torn || clips[0].Torn {
		t.Errorf("clips after salvage: %+v", clips)
	}
	p.must(nil, "verify")
	if _, messages, code := p.run("clips", "salvage", torn, "--identity", identity); code != 1 || !strings.Contains(messages, "not torn") {
		t.Errorf("salvage of a whole clip: exit %d: %s", code, messages)
	}

	backup, messages, code := p.run("backup", "now")
	if code != 0 {
		t.Fatalf("backup: %s", messages)
	}
	p.stop()
	copied := newProgram(t)
	copied.must(nil, "restore", filepath.Join(p.dir, strings.TrimSpace(backup)), "--identity", identity)
	var users []struct{ Name, Role string }
	copied.must(&users, "users", "list", "--json")
	if len(users) != 1 || users[0].Name != "Anna" || users[0].Role != "owner" {
		t.Errorf("users after restore: %+v", users)
	}
	// The same with nothing but the backup left.
	away := p.file("backup.tar.age", "")
	noError(t, os.Rename(filepath.Join(p.dir, strings.TrimSpace(backup)), away))
	noError(t, os.RemoveAll(p.dir))
	bare := newProgram(t)
	bare.must(nil, "restore", away, "--identity", identity, "--clips-lost")
	bare.serve("serve", "Certificate:")
	bare.must(&users, "users", "list", "--json")
	if len(users) != 1 {
		t.Errorf("users without recordings: %+v", users)
	}
	bare.stop()
}

// TestPasswordsLeaveTheProcessList: a password in an argument is blotted out at once.
func TestPasswordsLeaveTheProcessList(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	p.setup()
	ln, err := net.Listen("tcp", "127.0.0.1:0") // a camera that never answers keeps the command waiting
	noError(t, err)
	defer ln.Close()
	cmd := p.command("cameras", "add", "--name", "X", "rtsp://viewer:v1sible@"+ln.Addr().String()+"/x")
	noError(t, cmd.Start())
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	eventually(t, "a process list without the password", func() bool {
		list, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", cmd.Process.Pid))
		noError(t, err)
		return bytes.Contains(list, []byte("rtsp://xxxx")) && !bytes.Contains(list, []byte("v1sible"))
	})
}

func TestUserInfo(t *testing.T) {
	t.Parallel()
	for arg, want := range map[string]string{
		"rtsp://a:b@host/x": "a:b", "rtsp://host/x@y": "", "--url=rtsps://a:p@ss@h": "a:p@ss", "plain": "", "rtsp://a:b@host?x=@": "a:b", "://": "",
	} {
		from, to := userInfo(arg)
		if arg[from:to] != want {
			t.Errorf("%s: %q", arg, arg[from:to])
		}
	}
}
