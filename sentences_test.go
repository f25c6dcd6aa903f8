package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cardea/web/command"
)

// TestSentences: what goes wrong is said in a sentence, and nothing changes.
func TestSentences(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	s := p.setup()
	p.serve("serve", "Certificate:")
	locked := virtualCamera(t, "viewer", "right")
	add := func(url string, more ...string) []string {
		return append([]string{"cameras", "add", "--name", "X", url}, more...)
	}
	for _, c := range []struct {
		what string
		args []string
		code int
		says string
	}{
		{"no URL", add("camera"), 1, "rtsp://"},
		{"another scheme", add("ftp://127.0.0.1/"), 1, "rtsp://"},
		{"no ONVIF there", add("http://" + closedPort(t)), 1, "nothing listens on this port"},
		{"no such path", add(strings.Replace(locked, "//", "//viewer:right@", 1) + "-not"), 1, "no stream at the path"},
		{"wrong password", add(strings.Replace(locked, "//", "//viewer:wr0ng-secret@", 1)), 1, "refused the user name or the password"},
		{"no password", add(locked), 1, "asks for a user name"},
		{"unreachable", add("rtsp://" + closedPort(t) + "/x"), 1, "cannot be reached"},
		{"unknown key", add(strings.Replace(p.base, "https", "rtsps", 1) + "/x"), 1, "run this again with --fingerprint "},
		{"unsupported codec", add(mjpegCamera(t)), 1, "cannot be recorded"},
		{"unknown camera", []string{"cameras", "remove", "nobody"}, 1, "no camera"},
		{"unknown clip", []string{"clips", "export", "01JABCDEFGHJKMNPQRSTVWXYZ0"}, 1, "no clip"},
		{"second process", []string{"serve", "--listen", "127.0.0.1:0"}, 1, "works on"},
		{"second owner", []string{"setup", "--owner", "Eve", "--password-file", p.file("password", ownerPassword)}, 1, "already has an owner"},
		{"claim of an owned NVR", []string{"claim"}, 1, "already has an owner"},
		{"unknown flag", []string{"clips", "list", "--nonsense"}, 2, "unknown flag"},
		{"no command", nil, 2, "cardea help"},
		{"unknown command", []string{"camras"}, 2, `there is no command camras, did you mean one of "camera", "cameras"?`},
		{"unknown command below", []string{"users", "tokens", "lst"}, 2, "did you mean \"list\"?\nRun `cardea help users tokens` to see"},
		{"half a command", []string{"clips"}, 2, "say what to do: list, gaps, export, salvage"},
		{"missing argument", []string{"clips", "export"}, 2, "an argument is missing: <id>"},
		{"missing flag", []string{"setup"}, 2, "missing flags: --owner=NAME, --password-file=FILE\nRun `cardea help setup`"},
		{"missing value", []string{"clips", "list", "--from"}, 2, "--from wants a value"},
		{"one too many", []string{"version", "please"}, 2, "one argument too many: please"},
		{"unknown part", []string{"doctor", "netwrk"}, 2, "cardea doctor network"},
		{"missing password file", []string{"users", "add", "Bob", "--password-file", "/nowhere"}, 1, "the file /nowhere cannot be read"},
		{"no identity in it", []string{"clips", "export", "01JABCDEFGHJKMNPQRSTVWXYZ0", "--identity", p.file("nothing", "x")}, 1, "AGE-SECRET-KEY-"},
		{"bad time", []string{"clips", "list", "--from", "yesterday-ish"}, 2, "is no time"},
	} {
		_, messages, code := p.run(c.args...)
		if code != c.code || !strings.Contains(messages, c.says) {
			t.Errorf("%s: exit %d: %s", c.what, code, messages)
		}
		if strings.Contains(messages, "wr0ng") {
			t.Errorf("%s: the password is in the message: %s", c.what, messages)
		}
	}
	status, answer, _ := p.post(p.client(), "/api/session", map[string]string{"name": "Anna", "password": ownerPassword, "totp": "000000"})
	if status != 401 || !bytes.Contains(answer, []byte("is wrong")) {
		t.Errorf("wrong TOTP: %d %s", status, answer)
	}
	status, answer, _ = p.post(p.client(), "/api/session", map[string]string{"name": "Anna", "password": ownerPassword, "totp": totp(t, s.TOTPURI)})
	if status != 201 {
		t.Errorf("right TOTP after a wrong one: %d %s", status, answer)
	}
	var made struct{ Password string }
	if p.must(&made, "users", "reset-password", "Anna"); len(made.Password) < 20 {
		t.Errorf("the password that was made up: %q", made.Password)
	}
	if out, _, code := p.run("users", "reset-password", "Anna", "--password-file", p.file("password", ownerPassword)); code != 0 || out != "" {
		t.Errorf("a password that was given: exit %d: %s", code, out)
	}
	var cameras []command.CameraRow
	if p.must(&cameras, "cameras", "list", "--json"); len(cameras) != 0 {
		t.Errorf("a camera was stored: %+v", cameras)
	}
	p.stop()

	db := filepath.Join(p.dir, "cardea.db")
	whole, err := os.ReadFile(db)
	noError(t, err)
	broken := bytes.Clone(whole)
	for i := 100; i < len(broken); i++ {
		broken[i] ^= 0x5a
	}
	noError(t, os.WriteFile(db, broken, 0o600))
	_, messages, code := p.run("serve", "--listen", "127.0.0.1:0")
	if code != 1 || !strings.Contains(messages, "damaged") || !strings.Contains(messages, "cardea restore") {
		t.Errorf("damaged database: exit %d: %s", code, messages)
	}
	if now, err := os.ReadFile(db); err != nil || !bytes.Equal(now, broken) {
		t.Error("the damaged database was changed")
	}

	nowhere := &program{t: t, dir: "/proc/cardea"}
	_, messages, code = nowhere.run("serve", "--listen", "127.0.0.1:0")
	if code != 1 || !strings.Contains(messages, "/proc/cardea") {
		t.Errorf("unwritable directory: exit %d: %s", code, messages)
	}
	file := &program{t: t, dir: p.file("file", "x")}
	for _, args := range [][]string{
		{"serve", "--listen", "127.0.0.1:0"}, {"cameras", "list"}, {"claim"}, {"verify"}, {"health"}, {"camera", "--listen", "127.0.0.1:0"},
		{"setup", "--owner", "Anna", "--password-file", p.file("password", ownerPassword)},
	} {
		if _, messages, code := file.run(args...); code != 1 || !strings.Contains(messages, file.dir) || !strings.Contains(messages, "--data") {
			t.Errorf("the directory is a file: %v: exit %d: %s", args, code, messages)
		}
	}
	missing := newProgram(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	noError(t, err)
	defer taken.Close()
	for _, c := range []struct {
		says string
		args []string
	}{
		{"already in use; choose another address with --listen", []string{"serve", "--listen", taken.Addr().String()}},
		{"too short", []string{"setup", "--owner", "Anna", "--password-file", p.file("short", "short")}},
		{"start it with `cardea serve --data " + missing.dir, []string{"claim"}},
		{"start it with `cardea serve --data " + missing.dir, []string{"health"}},
		{"there is no NVR in", []string{"verify"}},
	} {
		if _, messages, code := missing.run(c.args...); code != 1 || !strings.Contains(messages, c.says) {
			t.Errorf("%v: exit %d: %s", c.args, code, messages)
		}
	}
	if _, messages, code := missing.run("cameras", "list"); code != 1 || !strings.Contains(messages, "there is no NVR in") {
		t.Errorf("no directory: exit %d: %s", code, messages)
	}
	if _, err := os.Stat(missing.dir); !errors.Is(err, os.ErrNotExist) {
		t.Error("a listing made a data directory")
	}
}

// closedPort is an address of the loopback where nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.2:0") // no other test takes it there
	noError(t, err)
	defer ln.Close()
	return ln.Addr().String()
}

// mjpegCamera answers DESCRIBE with a stream that Cardea does not record.
func mjpegCamera(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	noError(t, err)
	t.Cleanup(func() { ln.Close() })
	sdp := "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\nm=video 0 RTP/AVP 26\r\na=control:trackID=0\r\n"
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for r := bufio.NewReader(conn); ; {
					request, seq := "", ""
					for {
						l, err := r.ReadString('\n')
						if err != nil {
							return
						}
						if request == "" {
							request = l
						}
						if v, ok := strings.CutPrefix(l, "CSeq:"); ok {
							seq = strings.TrimSpace(v)
						}
						if strings.TrimSpace(l) == "" {
							break
						}
					}
					if strings.HasPrefix(request, "DESCRIBE") {
						fmt.Fprintf(conn, "RTSP/1.0 200 OK\r\nCSeq: %s\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s", seq, len(sdp), sdp)
					} else {
						fmt.Fprintf(conn, "RTSP/1.0 200 OK\r\nCSeq: %s\r\nPublic: DESCRIBE, SETUP, PLAY\r\n\r\n", seq)
					}
				}
			}()
		}
	}()
	return "rtsp://" + ln.Addr().String() + "/x"
}
