package web

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"cardea/store"
	"cardea/web/api"
)

// TestAttack41 walks the route table with every parameter that open redirects are known by: no answer leads anywhere. The one redirect that there
// is, from http to https, stays at its host (web/tls: TestPlainHTTP).
func TestAttack41(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	cookies := f.signIn()
	for _, target := range []string{"//evil.example", "https://evil.example/", "javascript:alert(1)", `/\evil.example`, "data:text/html,x"} {
		query := url.Values{}
		for _, name := range []string{"next", "url", "return", "return_to", "returnTo", "redirect", "redirect_uri", "continue", "dest", "to", "goto", "r"} {
			query.Set(name, target)
		}
		for _, r := range f.server.routes() {
			if r.method != http.MethodGet || r.path == "/api/live" {
				continue
			}
			path := strings.NewReplacer("{id}", "01JABCDEFGHJKMNPQRSTVWXYZ0", "{clip}", "01JABCDEFGHJKMNPQRSTVWXYZ0", "{log}", "access", "/*", "/").Replace(r.path)
			for _, cookie := range cookies {
				f.unlimited()
				got := f.send("GET", path+"?"+query.Encode(), cookie, nil)
				if got.status >= 300 && got.status < 400 || got.header.Get("Location") != "" || got.header.Get("Refresh") != "" || bytes.Contains(got.body, []byte("evil.example")) {
					t.Errorf("%s with %s: %d, Location %q, %.100s", path, target, got.status, got.header.Get("Location"), got.body)
				}
			}
		}
	}
	for _, path := range []string{"//evil.example", "//evil.example/%2f..", `/\evil.example`, "/%0d%0aLocation:%20https://evil.example"} {
		f.unlimited()
		if got := f.send("GET", path, "", nil); got.status >= 300 && got.status < 400 || got.header.Get("Location") != "" {
			t.Errorf("%s: %d, Location %q", path, got.status, got.header.Get("Location"))
		}
	}
}

// TestAttack76 asks every route that reads, as an owner, while a camera of a sealed vault records and there are clips and events: no answer holds a
// picture or a film that is not encrypted, neither as it is nor in base64. What may hold one is not asked: the live view and the test picture of
// /api/probe, which owners ask for while they look at them, and which go nowhere but into the connection that asked.
func TestAttack76(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	owner, door, _ := f.withCamera()
	var clips []api.Clip
	eventually(t, "a clip with some of the film", func() bool {
		f.unlimited()
		f.send("GET", "/api/clips?camera="+door.ID, owner, nil).json(t, &clips)
		return len(clips) > 0 && clips[0].Bytes > 100_000
	})
	camera, err := store.ParseID(door.ID)
	check(t, err)
	event, err := f.db.AddEvent(t.Context(), store.Event{Camera: camera, Kind: "motion", Start: time.Now(), Source: "test"})
	check(t, err)
	span := "?camera=" + door.ID + "&from=" + url.QueryEscape(time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)) + "&to=" + url.QueryEscape(time.Now().Add(time.Hour).UTC().Format(time.RFC3339))

	var read int
	for _, r := range f.server.routes() {
		if r.method != http.MethodGet || r.path == "/api/live" || r.path == "/*" {
			continue
		}
		for _, id := range []string{door.ID, clips[0].ID, event.ID.String()} {
			path := strings.NewReplacer("{id}", id, "{clip}", clips[0].ID, "{log}", "footage", "*", "0/000").Replace(r.path)
			for _, query := range []string{"", span} {
				f.unlimited()
				got := f.send("GET", path+query, owner, nil)
				read += len(got.body)
				if kind := picture(got.body); kind != "" {
					t.Errorf("%s%s: %d, the answer holds %s", path, query, got.status, kind)
				}
				if kind := got.header.Get("Content-Type"); strings.HasPrefix(kind, "image/") || strings.HasPrefix(kind, "video/") {
					t.Errorf("%s%s: %d is %s", path, query, got.status, kind)
				}
			}
		}
	}
	if read < 100_000 {
		t.Errorf("only %d bytes were looked at", read)
	}
	// The film is found where it may be, so finding none above means something.
	eventually(t, "a test picture", func() bool {
		f.unlimited()
		return picture(f.send("POST", "/api/probe", owner, map[string]string{"url": door.URL}).body) != ""
	})
}

// picture names the first beginning of a picture or film within bytes, as they are or in base64 inside of JSON; "" for none.
func picture(b []byte) string {
	kinds := map[string][][]byte{
		"a JPEG":      {[]byte("\xff\xd8\xff\xe0\x00\x10JFIF"), []byte("\xff\xd8\xff\xe1"), []byte("\xff\xd8\xff\xdb\x00")},
		"a PNG":       {[]byte("\x89PNG\r\n\x1a\n")},
		"a WebP":      {[]byte("WEBPVP8")},
		"an AVIF":     {[]byte("ftypavif")},
		"an MP4":      {[]byte("ftypiso"), []byte("ftypmp4"), []byte("moof\x00\x00\x00\x10mfhd"), []byte("avcC\x01")},
		"a key frame": {[]byte("\x00\x00\x00\x01\x67"), []byte("\x00\x00\x00\x01\x65")},
	}
	texts := [][]byte{b}
	for _, part := range bytes.FieldsFunc(b, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '+' || r == '/' || r == '=')
	}) {
		if len(part) < 64 {
			continue
		}
		if plain, err := base64.StdEncoding.DecodeString(string(part)); err == nil {
			texts = append(texts, plain)
		}
	}
	for kind, signs := range kinds {
		for _, text := range texts {
			if slices.ContainsFunc(signs, func(sign []byte) bool { return bytes.Contains(text, sign) }) {
				return kind
			}
		}
	}
	return ""
}
