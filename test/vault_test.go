package test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"cardea/camera/agent"
	"cardea/camera/agent/pattern"
	"cardea/test/box"
)

// made is what `cardea vault create` and `rotate` print.
type made struct {
	Vault     string   `json:"vault"`
	Identity  string   `json:"vault_identity"`
	Recipient string   `json:"vault_recipient"`
	LeftOut   []string `json:"left_out"`
}

// vaultOnList is an element of `cardea vault list --json`.
type vaultOnList struct {
	ID, Name       string
	Default, Open  bool
	Retired        *time.Time
	Successor      *string
	RotationNeeded bool `json:"rotation_needed"`
	Cameras        []string
	Holders        []struct{ User, Name string }
}

// recording makes a box with a camera that sends a lot, and waits for its first clip.
func recording(t *testing.T) (*box.Box, *page, string) {
	t.Helper()
	source, err := agent.NewPattern(agent.PatternConfig{Config: pattern.Config{Width: 640, Height: 360, BitRate: 4_000_000}})
	if err != nil {
		t.Fatal(err)
	}
	cameras := serveAgent(t, agent.Config{Streams: []agent.Stream{{Path: "front", Source: source}}})
	b, err := box.New(t.TempDir(), "--vault-type", "x25519")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Serve(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Kill() })
	if err := b.AddCamera("Front door", cameras.URL("front")); err != nil {
		t.Fatal(err)
	}
	w := openPage(t, b)
	session := w.signIn("Anna", box.Password, totpNow(t, b.Setup.TOTPURI))
	waitFor(t, "a first clip", func() bool {
		clips, err := b.Recordings("")
		return err == nil && len(clips) > 0 && clips[0].Bytes > 200_000
	})
	return b, w, session
}

func (w *page) signIn(name, password, code string) (session string) {
	w.t.Helper()
	status, text, resp := w.send("POST", "/api/session", "", map[string]string{"name": name, "password": password, "totp": code})
	if status != 201 {
		w.t.Fatalf("sign in %s: %d %s", name, status, text)
	}
	return resp.Cookies()[0].Value
}

// finished waits for a clip that is not written any more, the newest of them. Restarting the box closes what is open.
func finished(t *testing.T, b *box.Box) box.Clip {
	t.Helper()
	if err := b.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := b.Serve(); err != nil {
		t.Fatal(err)
	}
	clips, err := b.Recordings("")
	if err != nil {
		t.Fatal(err)
	}
	for i := len(clips) - 1; i >= 0; i-- {
		if !clips[i].Open && !clips[i].Torn {
			return clips[i]
		}
	}
	t.Fatalf("no finished clip in %+v", clips)
	return box.Clip{}
}

// opens reports whether an identity opens a file, by age itself.
func opens(t *testing.T, identity, file string) bool {
	t.Helper()
	ids, err := age.ParseIdentities(strings.NewReader(identity))
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_, err = age.Decrypt(f, ids...)
	return err == nil
}

// TestVaults is the life of a vault with two people: granted to the second by their own key, taken back, and renewed. Attack case 78: what
// is recorded afterwards cannot be opened with the old identity. Attack case 77: the recovery kit alone opens it on another machine.
func TestVaults(t *testing.T) {
	b, w, anna := recording(t)
	dir := t.TempDir()
	run := func(args ...string) []byte {
		t.Helper()
		out, err := b.Run(args...)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	vaults := func() (all []vaultOnList) {
		t.Helper()
		if err := b.JSON(&all, "vault", "list"); err != nil {
			t.Fatal(err)
		}
		return all
	}
	password := filepath.Join(dir, "bob.password")
	if err := os.WriteFile(password, []byte("seven grey herons over Lund 4"), 0o600); err != nil {
		t.Fatal(err)
	}
	var bob struct {
		TOTPURI string `json:"totp_uri"`
	}
	if err := json.Unmarshal(run("users", "add", "Bob", "--role", "viewer", "--password-file", password), &bob); err != nil {
		t.Fatal(err)
	}
	session := w.signIn("Bob", "seven grey herons over Lund 4", totpNow(t, bob.TOTPURI))

	// Bob's browser makes his key; the box gets the public half, and the private one wrapped.
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	w.want(404, "GET", "/api/account/key", session, nil)
	w.want(422, "PUT", "/api/account/key", session, map[string]any{"recipient": key.Recipient().String(), "wrapped": []byte(key.String())})
	w.want(200, "PUT", "/api/account/key", session, map[string]any{"recipient": key.Recipient().String(), "wrapped": wrap(t, key.String(), "bob's vault passphrase")})
	if text := w.want(200, "GET", "/api/keys", anna, nil); !bytes.Contains(text, []byte(key.Recipient().String())) || bytes.Contains(text, []byte("wrapped\"")) {
		t.Errorf("keys %s", text)
	}

	// The owner grants the vault by comparing the fingerprint; without it nothing happens.
	sum := hex.EncodeToString(sha(key.Recipient().String()))[:32]
	if _, err := b.Run("vault", "grant", "home", "--user", "Bob", "--identity", b.IdentityFile, "--fingerprint", strings.Repeat("0", 32)); err == nil {
		t.Error("a vault is granted to a key with another fingerprint")
	}
	home := vaults()[0]
	run("vault", "grant", home.ID, "--user", "Bob", "--identity", b.IdentityFile, "--fingerprint", sum)
	var grants []struct {
		Kind    string
		Wrapped []byte
	}
	if err := json.Unmarshal(w.want(200, "GET", "/api/vaults/"+home.ID+"/grants", session, nil), &grants); err != nil || len(grants) != 1 || grants[0].Kind != "sealed" {
		t.Fatalf("grants %+v, %v", grants, err)
	}
	granted, err := age.Decrypt(bytes.NewReader(grants[0].Wrapped), key)
	if err != nil {
		t.Fatal(err)
	}
	identity, err := io.ReadAll(granted)
	if err != nil || strings.TrimSpace(string(identity)) != b.Setup.VaultIdentity {
		t.Fatalf("Bob was granted something else: %v", err)
	}
	// A viewer grants nothing to others, and a grant to a key that is not the person's is refused.
	w.want(403, "POST", "/api/vaults/"+home.ID+"/grants", session, map[string]any{"kind": "sealed", "user": home.Holders[0].User, "recipient": key.Recipient().String(), "wrapped": grants[0].Wrapped})
	w.want(409, "POST", "/api/vaults/"+home.ID+"/grants", anna, map[string]any{"kind": "sealed", "user": vaults()[0].Holders[1].User, "recipient": b.Setup.VaultRecipient, "wrapped": grants[0].Wrapped})

	before := finished(t, b)
	if !opens(t, b.Setup.VaultIdentity, b.ClipFile(before)) {
		t.Fatal("the recovery kit alone does not open a clip")
	}

	// Bob goes. The box does not pretend that this is enough.
	run("vault", "revoke", home.ID, "--user", "Bob")
	if v := vaults()[0]; !v.RotationNeeded || len(v.Holders) != 1 {
		t.Errorf("after revoking: %+v", v)
	}
	doctor, _ := b.Run("doctor")
	if !bytes.Contains(doctor, []byte("may have kept its key")) {
		t.Errorf("the doctor says nothing of it:\n%s", doctor)
	}
	var next made
	if err := json.Unmarshal(run("vault", "rotate", home.ID, "--owner", "Anna", "--vault-type", "x25519"), &next); err != nil {
		t.Fatal(err)
	}
	all := vaults()
	if len(all) != 2 || all[0].Retired == nil || all[0].Successor == nil || *all[0].Successor != next.Vault || !all[1].Default || all[1].RotationNeeded || len(next.LeftOut) != 0 {
		t.Errorf("after rotation: %+v, left out %v", all, next.LeftOut)
	}
	if _, err := b.Run("vault", "rotate", home.ID, "--owner", "Anna"); err == nil {
		t.Error("a retired key is renewed")
	}
	waitFor(t, "a clip under the new key", func() bool {
		clips, err := b.Recordings("")
		if err != nil || len(clips) == 0 {
			return false
		}
		last := clips[len(clips)-1]
		info, err := os.Stat(b.ClipFile(last))
		return err == nil && info.Size() > 1000 && opens(t, next.Identity, b.ClipFile(last))
	})
	after := finished(t, b)
	if opens(t, b.Setup.VaultIdentity, b.ClipFile(after)) {
		t.Error("the old identity opens what was recorded after Bob was revoked and the key renewed")
	}
	if !opens(t, next.Identity, b.ClipFile(after)) || opens(t, next.Identity, b.ClipFile(before)) {
		t.Error("the new identity opens something else than the new clips")
	}

	// A camera of its own vault: in force with the next clip.
	var garden made
	if err := json.Unmarshal(run("vault", "create", "--name", "Garden", "--owner", "Anna", "--vault-type", "x25519"), &garden); err != nil {
		t.Fatal(err)
	}
	list, err := b.Cameras()
	if err != nil {
		t.Fatal(err)
	}
	w = openPage(t, b)
	w.want(200, "PATCH", "/api/cameras/"+list[0].ID, anna, map[string]any{"vault": garden.Vault})
	w.want(409, "PATCH", "/api/cameras/"+list[0].ID, anna, map[string]any{"vault": home.ID})
	waitFor(t, "a clip in the garden's vault", func() bool {
		clips, err := b.Recordings("")
		if err != nil || len(clips) == 0 {
			return false
		}
		file := b.ClipFile(clips[len(clips)-1])
		info, err := os.Stat(file)
		return err == nil && info.Size() > 1000 && opens(t, garden.Identity, file) && !opens(t, next.Identity, file)
	})

	// Opened, the box shows video to who was granted the vault; sealed again, to nobody.
	wrong := filepath.Join(dir, "wrong.txt")
	right := filepath.Join(dir, "right.txt")
	for name, text := range map[string]string{wrong: b.Setup.VaultIdentity, right: next.Identity} {
		if err := os.WriteFile(name, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	video := "/api/clips/" + after.ID + "/video"
	w.want(409, "GET", video, anna, nil)
	if _, err := b.Run("vault", "open", next.Vault, "--identity", wrong); err == nil {
		t.Error("a vault is opened with another identity")
	}
	run("vault", "open", next.Vault, "--identity", right)
	if text := w.want(200, "GET", video, anna, nil); len(text) < 10_000 || string(text[4:8]) != "ftyp" {
		t.Errorf("video of %d bytes begins with %q", len(text), text[:min(16, len(text))])
	}
	w.want(403, "GET", video, session, nil) // Bob sees the camera, and was not granted this vault
	if doctor, _ := b.Run("doctor"); !bytes.Contains(doctor, []byte("is open")) {
		t.Errorf("the doctor says nothing of an open vault:\n%s", doctor)
	}
	waitFor(t, "enough recordings to look through", func() bool {
		clips, err := b.Recordings("")
		var size int64
		for _, clip := range clips {
			size += clip.Bytes
		}
		return err == nil && size > 2<<20
	})
	for _, secret := range []string{next.Identity, garden.Identity, b.Setup.VaultIdentity} {
		lookFor(t, "with an open vault", b.Dir, map[string][]byte{"an identity": []byte(secret)})
	}
	run("vault", "seal", next.Vault)
	w.want(409, "GET", video, anna, nil)
	for _, action := range []string{"vault.rotate", "vault.revoke", "vault.open", "vault.seal", "grant.add", "key.change"} {
		if text := w.want(200, "GET", "/api/log?action="+action, anna, nil); !bytes.Contains(text, []byte(action)) {
			t.Errorf("the log has no %s", action)
		}
	}
}

func sha(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

// wrap locks a text with a passphrase as a browser does.
func wrap(t *testing.T, text, passphrase string) []byte {
	t.Helper()
	r, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		t.Fatal(err)
	}
	r.SetWorkFactor(10)
	var out bytes.Buffer
	to, err := age.Encrypt(&out, r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(to, text+"\n"); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestEvidence exports a clip with its video and checks it twice: with the program, and by hand as the README in the bundle says, with
// public tools and libraries. Then it changes the bundle.
func TestEvidence(t *testing.T) {
	b, _, anna := recording(t)
	clip := finished(t, b)
	dir := t.TempDir()
	bundle := filepath.Join(dir, "evidence.zip")
	export := []string{"clips", "export", clip.ID, "--evidence", "--identity", b.IdentityFile, "--note", "the parcel", "-o", bundle}
	waitFor(t, "a checkpoint over the clip", func() bool { _, err := b.Run(export...); return err == nil })
	vkey, err := os.ReadFile(filepath.Join(b.Dir, "log", "footage", "log.vkey"))
	if err != nil {
		t.Fatal(err)
	}
	if out, err := b.Run("verify", "--bundle", bundle, "--vkey", strings.TrimSpace(string(vkey))); err != nil || !bytes.Contains(out, []byte(*clip.SHA256)) {
		t.Fatalf("%s, %v", out, err)
	}

	// By hand.
	command := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %v: %v\n%s", name, args, err, out)
		}
		return string(out)
	}
	command("python3", "-m", "zipfile", "-e", bundle, dir)
	command("sha256sum", "-c", "SHA256SUMS")
	record := filepath.Join("records", clip.ID)
	read := func(name string) string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if !strings.Contains(read(record+".json"), `"sha256":"`+*clip.SHA256+`"`) {
		t.Errorf("record %s", read(record+".json"))
	}
	digest := command("openssl", "dgst", "-sha256", "-mac", "HMAC", "-macopt", "hexkey:"+strings.TrimSpace(read(record+".salt")), record+".json")
	fields := strings.Fields(digest)
	leaf, err := hex.DecodeString(fields[len(fields)-1])
	if err != nil {
		t.Fatal(err)
	}
	salt, err := hex.DecodeString(strings.TrimSpace(read(record + ".salt")))
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, salt)
	mac.Write([]byte(read(record + ".json")))
	if !bytes.Equal(mac.Sum(nil), leaf) {
		t.Error("openssl and Go disagree on the leaf")
	}
	checkInclusion(t, read(record+".tlog-proof"), read("log.vkey"), leaf)
	command("sh", "-c", `n=$(grep -a -b -m1 '^--- ' clips/`+clip.ID+`.mp4.age | cut -d: -f1) &&
		(cat opened/`+clip.ID+`.header; tail -c +$((n + 49)) clips/`+clip.ID+`.mp4.age) | age -d -i opened/key.txt | cmp - opened/`+clip.ID+`.mp4`)
	if strings.Contains(read("opened/key.txt"), b.Setup.VaultIdentity) {
		t.Error("the bundle gives the vault away")
	}

	// Changed, it is told where.
	data, err := os.ReadFile(bundle)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(data, []byte("age-encryption.org/v1")) + 50_000
	data[at] ^= 1
	if err := os.WriteFile(bundle, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := b.Run("verify", "--bundle", bundle); err == nil || !bytes.Contains(out, []byte(clip.ID+".mp4.age: it was changed")) {
		t.Errorf("a changed bundle: %s, %v", out, err)
	}

	// From the browser: prepared with a session, fetched by a link without one. It is in the log before.
	w := openPage(t, b)
	var prepared struct{ URL string }
	if err := json.Unmarshal(w.want(201, "POST", "/api/evidence", anna, map[string]any{"clips": []string{clip.ID}, "note": "for the police"}), &prepared); err != nil {
		t.Fatal(err)
	}
	fetched := filepath.Join(dir, "fetched.zip")
	status, text, resp := w.send("GET", prepared.URL, "", nil)
	if status != 200 || resp.Header.Get("Content-Type") != "application/zip" {
		t.Fatalf("fetch: %d %.200s", status, text)
	}
	// Attack case 50: nothing that a person typed stands in a header.
	if name := resp.Header.Get("Content-Disposition"); !strings.HasPrefix(name, `attachment; filename="cardea-evidence-`) || strings.Contains(name, "police") {
		t.Errorf("Content-Disposition %q", name)
	}
	if err := os.WriteFile(fetched, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Run("verify", "--bundle", fetched); err != nil {
		t.Error(err)
	}
	w.want(403, "GET", prepared.URL[:len(prepared.URL)-1]+"A", "", nil)
	if text := w.want(200, "GET", "/api/log?action=evidence.export", anna, nil); !bytes.Contains(text, []byte("for the police")) || !bytes.Contains(text, []byte(clip.ID)) {
		t.Errorf("the log has %s", text)
	}
}

// checkInclusion reads a tlog-proof with golang.org/x/mod alone.
func checkInclusion(t *testing.T, proof, vkey string, leaf []byte) {
	t.Helper()
	head, checkpoint, _ := strings.Cut(proof, "\n\n")
	lines := strings.Split(head, "\n")
	if lines[0] != "c2sp.org/tlog-proof@v1" {
		t.Fatalf("proof %q", proof)
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(strings.TrimSpace(vkey))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := note.Open([]byte(checkpoint), note.VerifierList(verifier))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Split(signed.Text, "\n")
	size, err := strconv.ParseInt(text[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	root, err := tlog.ParseHash(text[2])
	if err != nil {
		t.Fatal(err)
	}
	var path tlog.RecordProof
	for _, line := range lines[2:] {
		raw, err := base64.StdEncoding.DecodeString(line)
		if err != nil {
			t.Fatal(err)
		}
		path = append(path, tlog.Hash(raw))
	}
	if err := tlog.CheckRecord(path, size, root, index, tlog.RecordHash(leaf)); err != nil {
		t.Error(err)
	}
}
