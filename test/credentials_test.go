package test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"cardea/test/box"
)

// TestAttack35 is the second half of attack case 35 (the first is auth: TestAttack35): the program holds no key, token or password, and a box that was
// started for the first time has no account, so there is nothing to guess.
func TestAttack35(t *testing.T) {
	binary, err := box.Binary()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	secrets := map[string]*regexp.Regexp{
		"private key":     regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----\s*[A-Za-z0-9+/]{40}`),
		"vault identity":  regexp.MustCompile(`AGE-SECRET-KEY-(PQ-)?1[0-9A-Z]{58}`),
		"API token":       regexp.MustCompile(`cardea_[A-Za-z0-9_-]{43}`),
		"TOTP seed":       regexp.MustCompile(`otpauth://totp/[^\s"]*secret=[A-Z2-7]{16}`),
		"password hash":   regexp.MustCompile(`\$(argon2id|2[aby])\$[^\s"]*\$[A-Za-z0-9+/]{20}`),
		"user in a URL":   regexp.MustCompile(`(rtsps?|https?|mqtt)://[A-Za-z0-9]{3,20}:[A-Za-z0-9]{3,40}@[a-z0-9]`),
		"note signer key": regexp.MustCompile(`PRIVATE\+KEY\+[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]{40}`),
	}
	for name, secret := range secrets {
		for _, found := range secret.FindAll(program, -1) {
			// The names of figures, which stand side by side, look like a token but have no digit.
			if bytes.ContainsAny(found[len("cardea_"):], "0123456789") {
				t.Errorf("the program holds a %s: %.60q", name, found)
			}
		}
	}
	if !bytes.Contains(program, []byte("__Host-session")) {
		t.Error("nothing would have been found: the program cannot be searched")
	}

	b := &box.Box{Binary: binary, Dir: filepath.Join(t.TempDir(), "data"), LogFile: filepath.Join(t.TempDir(), "serve.log")}
	if err := b.Serve(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Kill() })
	w := openPage(t, b)
	for _, name := range []string{"admin", "root", "owner", "cardea"} {
		if status, body, _ := w.send("POST", "/api/session", "", map[string]string{"name": name, "password": name, "totp": "000000"}); status != 409 {
			t.Errorf("sign-in as %s before there is an owner: %d %s", name, status, body)
		}
	}
	for _, table := range []string{"user", "session", "api_token", "camera", "vault"} {
		out, err := exec.Command("sqlite3", filepath.Join(b.Dir, "cardea.db"), `SELECT count(*) FROM "`+table+`"`).CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != "0" {
			t.Errorf("a new box has %s in %s, %v", out, table, err)
		}
	}
}
