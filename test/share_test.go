package test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"golang.org/x/crypto/chacha20poly1305"
)

// wire records everything that goes over HTTP, both ways, as a server on the way would see it.
type wire struct {
	under http.RoundTripper
	mu    sync.Mutex
	seen  bytes.Buffer
}

func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	out, err := httputil.DumpRequestOut(req, true)
	if err != nil {
		return nil, err
	}
	resp, err := w.under.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	in, err := httputil.DumpResponse(resp, true)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen.Write(out)
	w.seen.Write(in)
	return resp, err
}

// detail is a clip as the API gives it to a player.
type detail struct {
	ID          string
	Bytes       int64
	HeaderBytes int64 `json:"header_bytes"`
	Parts       []struct {
		Start  time.Time
		Offset int64
		Key    bool
	}
}

// sealKeys does what the owner's browser does: it takes the file keys out of the clips and seals them under the share key.
func sealKeys(t *testing.T, identity string, share []byte, files map[string]string) []byte {
	t.Helper()
	ids, err := age.ParseIdentities(strings.NewReader(identity))
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string][]byte{}
	for clip, file := range files {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		header, err := age.ExtractHeader(f)
		if err == nil {
			keys[clip], err = age.DecryptHeader(header, ids...)
		}
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
	}
	plain, err := json.Marshal(map[string]any{"v": 1, "keys": keys})
	if err != nil {
		t.Fatal(err)
	}
	iv := make([]byte, 12)
	rand.Read(iv)
	return gcm(t, share).Seal(iv, iv, plain, []byte("cardea share v1"))
}

func gcm(t *testing.T, key []byte) cipher.AEAD {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return aead
}

// TestShare gives a guest half a minute of a clip and captures the traffic of owner and guest: the key is in none of it, nor on the box.
func TestShare(t *testing.T) {
	b, _, anna := recording(t)
	waitFor(t, "a long clip", func() bool {
		clips, err := b.Recordings("")
		return err == nil && len(clips) > 0 && clips[0].Bytes > 3_000_000
	})
	clip := finished(t, b)
	w := openPage(t, b)
	tap := &wire{under: w.client.Transport}
	w.client.Transport = tap
	var d detail
	unmarshal(t, w.want(200, "GET", "/api/clips/"+clip.ID, anna, nil), &d)
	if len(d.Parts) < 5 {
		t.Fatalf("a clip of %d parts", len(d.Parts))
	}
	key := make([]byte, 32)
	rand.Read(key)
	sealed := sealKeys(t, b.Setup.VaultIdentity, key, map[string]string{clip.ID: b.ClipFile(clip)})
	share := func(edit map[string]any) (made struct{ ID, Path string }) {
		t.Helper()
		body := map[string]any{"clips": []string{clip.ID}, "expires": time.Now().Add(time.Hour), "keys": sealed, "note": "the parcel"}
		for k, v := range edit {
			body[k] = v
		}
		unmarshal(t, w.want(201, "POST", "/api/shares", anna, body), &made)
		return made
	}
	made := share(map[string]any{"max_views": 2, "from": d.Parts[3].Start, "to": d.Parts[3].Start.Add(time.Millisecond)})
	if made.Path != "/s/"+made.ID {
		t.Errorf("path %q", made.Path)
	}
	open := func() (v struct {
		View  string
		Keys  []byte
		Clips []detail
	}) {
		t.Helper()
		unmarshal(t, w.want(201, "POST", "/api/s/"+made.ID+"/views", "", nil), &v)
		return v
	}
	for range 3 { // looking does not count
		w.want(200, "GET", "/api/s/"+made.ID, "", nil)
	}
	v := open()
	if len(v.Clips) != 1 || v.Clips[0].ID != clip.ID || len(v.Clips[0].Parts) == 0 || len(v.Clips[0].Parts) > 4 {
		t.Fatalf("view %+v", v)
	}
	data := "/api/s/" + made.ID + "/clips/" + clip.ID + "/data"
	ranged := func(view string, from, to int64) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Cardea-View", view)
			r.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", from, to-1))
		}
	}

	// The guest opens the first part that is shown, with what the link gave: file key, header, one chunk.
	var keys struct{ Keys map[string][]byte }
	plain, err := gcm(t, key).Open(nil, v.Keys[:12], v.Keys[12:], []byte("cardea share v1"))
	if err != nil {
		t.Fatal(err)
	}
	unmarshal(t, plain, &keys)
	const chunk = 64 << 10
	head := w.want(206, "GET", data, "", nil, ranged(v.View, 0, d.HeaderBytes+chunk+16))
	part := v.Clips[0].Parts[0].Offset
	at := d.HeaderBytes + part/chunk*(chunk+16)
	piece := w.want(206, "GET", data, "", nil, ranged(v.View, at, at+chunk+16))
	nonce := head[d.HeaderBytes-16 : d.HeaderBytes]
	payload, err := hkdf.Key(sha256.New, keys.Keys[clip.ID], nonce, "payload", chacha20poly1305.KeySize)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := chacha20poly1305.New(payload)
	if err != nil {
		t.Fatal(err)
	}
	counter := make([]byte, 12)
	binary.BigEndian.PutUint64(counter[3:], uint64(part/chunk))
	opened, err := aead.Open(nil, counter, piece, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := opened[part%chunk:][4:8]; string(got) != "moof" {
		t.Errorf("the part begins with %q", got)
	}

	// What the link does not cover stays on the box, whatever the view.
	last := d.HeaderBytes + d.Parts[len(d.Parts)-1].Offset/chunk*(chunk+16)
	w.want(403, "GET", data, "", nil, ranged(v.View, last, last+16))
	w.want(403, "GET", data, "", nil, func(r *http.Request) { r.Header.Set("Cardea-View", v.View) })
	w.want(403, "GET", data, "", nil)
	w.want(403, "GET", data, "", nil, ranged(v.View[:20]+"A"+v.View[21:], 0, 100))
	w.want(404, "GET", "/api/s/"+made.ID+"/clips/"+made.ID+"/data", "", nil, ranged(v.View, 0, 100))
	w.want(401, "GET", "/api/clips/"+clip.ID+"/data", "", nil, ranged(v.View, 0, 100))
	other := share(nil)
	w.want(403, "GET", "/api/s/"+other.ID+"/clips/"+clip.ID+"/data", "", nil, ranged(v.View, 0, 100))

	// Two views and no third; who has one goes on.
	open()
	w.want(404, "POST", "/api/s/"+made.ID+"/views", "", nil)
	w.want(404, "GET", "/api/s/"+made.ID, "", nil)
	w.want(206, "GET", data, "", nil, ranged(v.View, 0, 100))
	var list []struct {
		ID    string
		Views int
		Ended *string
	}
	unmarshal(t, w.want(200, "GET", "/api/shares", anna, nil), &list)
	if len(list) != 2 || list[1].ID != made.ID || list[1].Views != 2 || list[1].Ended == nil || *list[1].Ended != "used" || list[0].Ended != nil {
		t.Errorf("shares %+v", list)
	}
	w.want(204, "DELETE", "/api/shares/"+made.ID, anna, nil)
	w.want(404, "GET", data, "", nil, ranged(v.View, 0, 100))

	// It ends by itself.
	brief := share(map[string]any{"expires": time.Now().Add(3 * time.Second)})
	waitFor(t, "the end of a link", func() bool {
		status, _, _ := w.send("GET", "/api/s/"+brief.ID, "", nil)
		return status == 404
	})
	w.want(404, "POST", "/api/s/"+brief.ID+"/views", "", nil)

	// Each use is in the log, with where it came from.
	log := string(w.want(200, "GET", "/api/log?action=share.view", anna, nil))
	if strings.Count(log, `"share.view"`) != 2 || !strings.Contains(log, "127.0.0.1") || !strings.Contains(log, made.ID) {
		t.Errorf("the log has %s", log)
	}
	for _, action := range []string{"share.add", "share.revoke"} {
		if text := w.want(200, "GET", "/api/log?action="+action, anna, nil); !bytes.Contains(text, []byte(action)) {
			t.Errorf("the log has no %s", action)
		}
	}

	secrets := map[string][]byte{
		"share key": key, "share key, hex": []byte(hex.EncodeToString(key)), "share key, base64": []byte(base64.StdEncoding.EncodeToString(key)),
		"share key, base64url": []byte(base64.RawURLEncoding.EncodeToString(key)), "file key": keys.Keys[clip.ID],
		"file key, base64": []byte(base64.StdEncoding.EncodeToString(keys.Keys[clip.ID])),
	}
	tap.mu.Lock()
	defer tap.mu.Unlock()
	if tap.seen.Len() < 100_000 {
		t.Fatalf("only %d bytes of traffic were captured", tap.seen.Len())
	}
	for name, secret := range secrets {
		if bytes.Contains(tap.seen.Bytes(), secret) {
			t.Errorf("the %s went over the wire", name)
		}
	}
	lookFor(t, "shared", b.Dir, secrets)
}

func unmarshal(t *testing.T, text []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%v: %.200s", err, text)
	}
}

// TestAttack48 changes a signed link in every way that the research lists; nothing but the link itself is answered.
func TestAttack48(t *testing.T) {
	b, _, anna := recording(t)
	clip := finished(t, b)
	w := openPage(t, b)
	path := "/api/clips/" + clip.ID + "/data"
	var link struct{ URL string }
	unmarshal(t, w.want(201, "POST", "/api/links", anna, map[string]any{"path": path}), &link)
	few := func(r *http.Request) { r.Header.Set("Range", "bytes=0-99") }
	w.want(206, "GET", link.URL, "", nil, few)
	prefix, signed, _ := strings.Cut(link.URL, "?link=")
	for i := range signed {
		changed := []byte(signed)
		if changed[i]++; changed[i] == '{' || changed[i] == '[' || changed[i] == ':' {
			changed[i] = '-'
		}
		if string(changed) == signed {
			continue
		}
		w.want(403, "GET", prefix+"?link="+string(changed), "", nil, few)
	}
	otherClip := strings.Replace(link.URL, clip.ID, clip.ID[:25]+"0", 1)
	for what, url := range map[string]string{
		"other clip": otherClip, "other bytes": strings.Replace(link.URL, "/data", "/video", 1), "none": prefix + "?link=none", "two": link.URL + "&link=", "cut": link.URL[:len(link.URL)-2],
	} {
		if status, text, _ := w.send("GET", url, "", nil, few); status != 403 && !(what == "two" && status == 206) {
			t.Errorf("%s: %d %.100s", what, status, text)
		}
	}
	w.want(401, "GET", prefix+"?link=", "", nil, few)
	w.want(403, "GET", link.URL+"A", anna, nil, few) // a wrong link is not made right by a session
	for _, route := range []string{"/api/clips/" + clip.ID, "/api/users", "/api/shares"} {
		w.want(401, "GET", route+"?link="+signed, "", nil)
	}
	for _, refused := range []string{"/api/users", "/api/clips/../users/data", path + "?x=", "//evil/", "/api/evidence/" + clip.ID} {
		w.want(422, "POST", "/api/links", anna, map[string]any{"path": refused})
	}
	if status, _, _ := w.send("DELETE", link.URL, "", nil); status != 405 && status != 404 {
		t.Errorf("DELETE by a link for GET: %d", status)
	}
	w.want(204, "DELETE", "/api/session", anna, nil)
	w.want(403, "GET", link.URL, "", nil, few) // it ends with the session
	if err := b.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := b.Serve(); err != nil {
		t.Fatal(err)
	}
	w = openPage(t, b)
	w.want(403, "GET", link.URL, "", nil, few) // no key outlives the program
}

// rawRequest asks for a target as it is, dots and escapes included.
func rawRequest(t *testing.T, w *page, session, target string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequest("GET", w.base, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.URL.Opaque = target // goes out as it is
	req.Header.Set("Cookie", "__Host-session="+session)
	resp, err := w.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}
