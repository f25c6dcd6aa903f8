package test

import (
	"bytes"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cardea/camera/agent"
	"cardea/camera/agent/pattern"
	"cardea/test/box"
)

// TestTheft records a camera that asks for a password, takes the disk away from under the running box and again after
// it was shut down, and looks on it for anything a thief would like.
// Attack case 73 of docs/attacks.md.
func TestTheft(t *testing.T) {
	const password = "lens-password-51f0"
	source, err := agent.NewPattern(agent.PatternConfig{Config: pattern.Config{Width: 640, Height: 360, BitRate: 4_000_000}, Beep: true})
	if err != nil {
		t.Fatal(err)
	}
	config := agent.Config{User: "viewer", Password: password, Streams: []agent.Stream{{Path: "front", Source: source}}}
	if err := config.AddSmall("test:"); err != nil {
		t.Fatal(err)
	}
	cameras := serveAgent(t, config)
	b, err := box.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Serve(); err != nil {
		t.Fatal(err)
	}
	address := strings.Replace(cameras.URL("front"), "rtsp://", "rtsp://viewer:"+password+"@", 1)
	if out, err := b.Run("cameras", "add", "--name", "Front door", "--sub", cameras.URL("front-sub"), address); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	waitFor(t, "two megabytes of clip", func() bool {
		clips, err := b.Recordings("")
		return err == nil && len(clips) > 0 && clips[0].Bytes > 2<<20
	})

	secrets := map[string][]byte{
		"vault identity":        []byte(b.Setup.VaultIdentity),
		"vault passphrase":      []byte(b.Setup.VaultPassphrase),
		"sign-in password":      []byte(box.Password),
		"camera password":       []byte(password),
		"camera password, URL":  []byte("viewer:" + password),
		"SPS":                   source.Stream().Tracks[0].Params[0],
		"SPS of the sub-stream": config.Streams[1].Source.Stream().Tracks[0].Params[0],
		"SEI of every picture":  seiPrefix(t),
		"MP4 part":              []byte("moof\x00\x00\x00\x10mfhd"),
	}
	for i, code := range b.Setup.RecoveryCodes {
		secrets[fmt.Sprint("recovery code ", i)] = []byte(code)
	}
	uri, err := url.Parse(b.Setup.TOTPURI)
	if err != nil {
		t.Fatal(err)
	}
	secrets["TOTP secret"] = []byte(uri.Query().Get("secret"))
	for name, secret := range secrets {
		if len(secret) < 4 {
			t.Fatalf("%s is too short to look for: %q", name, secret)
		}
	}

	lookFor(t, "running", b.Dir, secrets)
	if err := b.Stop(); err != nil {
		t.Fatal(err)
	}
	if previews, err := filepath.Glob(filepath.Join(b.Dir, "clips", "*", "*", "*", "*", "*.preview.age")); err != nil || len(previews) == 0 {
		t.Errorf("previews %v, %v", previews, err)
	}
	lookFor(t, "stopped", b.Dir, secrets)
	log, err := os.ReadFile(b.LogFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"camera password", "vault identity", "sign-in password"} {
		if bytes.Contains(log, secrets[name]) {
			t.Errorf("the log holds the %s", name)
		}
	}
}

// lookFor reads every file below dir, database and write-ahead log included.
func lookFor(t *testing.T, when, dir string, secrets map[string][]byte) {
	t.Helper()
	var read int
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		read += len(data)
		for name, secret := range secrets {
			if bytes.Contains(data, secret) {
				t.Errorf("%s: %s holds the %s", when, strings.TrimPrefix(path, dir), name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if read < 2<<20 {
		t.Fatalf("%s: only %d bytes below %s: nothing was recorded", when, read, dir)
	}
}

// seiPrefix is how the SEI of every test picture begins: type, and the 16 bytes that name it.
func seiPrefix(t *testing.T) []byte {
	t.Helper()
	encoder, err := pattern.New(pattern.Config{})
	if err != nil {
		t.Fatal(err)
	}
	picture := encoder.Next(time.Now())
	for _, nal := range picture.NALs {
		if _, _, ok := pattern.ParseSEI(nal); ok {
			return nal[:19]
		}
	}
	t.Fatal("the test picture has no SEI")
	return nil
}

// waitFor asks again and again, for two minutes at most.
func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		if done() {
			return
		}
	}
	t.Fatalf("waited two minutes for %s", what)
}
