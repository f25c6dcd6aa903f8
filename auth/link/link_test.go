package link

import (
	"encoding/base64"
	"testing"
	"time"
)

// TestAttack48 is attack case 48 of the research, for the signature itself: whatever is changed, it is refused.
func TestAttack48(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	s := &Signer{Now: func() time.Time { return now }}
	const path = "/api/clips/01JABCDEFGHJKMNPQRSTVWXYZ0/data"
	grant := Grant{Method: "GET", Path: path, Holder: []byte("session hash"), Expires: now.Add(300 * time.Second)}
	text, err := s.Sign(grant)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Open(text, "GET", path)
	if err != nil || string(got.Holder) != "session hash" || !got.Expires.Equal(grant.Expires) {
		t.Fatalf("its own: %+v, %v", got, err)
	}
	denied := func(what, text, method, path string) {
		t.Helper()
		if _, err := s.Open(text, method, path); err != ErrDenied {
			t.Errorf("%s: %v", what, err)
		}
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		for bit := range 8 {
			flipped := append([]byte(nil), raw...)
			flipped[i] ^= 1 << bit
			denied("flipped byte", base64.RawURLEncoding.EncodeToString(flipped), "GET", path)
		}
	}
	for i := range raw {
		denied("cut", base64.RawURLEncoding.EncodeToString(raw[:i]), "GET", path)
	}
	denied("more behind it", base64.RawURLEncoding.EncodeToString(append(raw, 0)), "GET", path)
	denied("padding", text+"=", "GET", path)
	denied("other alphabet", base64.StdEncoding.EncodeToString(raw)+"+/", "GET", path)
	denied("nothing", "", "GET", path)
	denied("none", base64.RawURLEncoding.EncodeToString(raw[:headSize+12]), "GET", path)
	denied("other method", text, "DELETE", path)
	denied("other clip", text, "GET", "/api/clips/01JABCDEFGHJKMNPQRSTVWXYZ1/data")
	denied("other thing of the clip", text, "GET", "/api/clips/01JABCDEFGHJKMNPQRSTVWXYZ0/video")
	denied("border moved", text, "GET/", path[1:])
	other := &Signer{Now: s.Now}
	if _, err := other.Sign(grant); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Open(text, "GET", path); err != ErrDenied {
		t.Errorf("after a restart: %v", err)
	}
	now = now.Add(299 * time.Second)
	if _, err := s.Open(text, "GET", path); err != nil {
		t.Errorf("a second before the end: %v", err)
	}
	now = now.Add(time.Second)
	denied("at its end", text, "GET", path)
	now = now.Add(-300 * time.Second)
	denied2 := func() {
		t.Helper()
		denied("after the key was renewed twice", text, "GET", path)
	}
	for range 2 { // the clock is put back meanwhile, so that only the key is missing
		now = now.Add(25 * time.Hour)
		if _, err := s.Sign(Grant{Method: "GET", Path: path, Holder: []byte("x"), Expires: now.Add(time.Minute)}); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(-50 * time.Hour)
	denied2()
}

func TestSignerRenewsItsKey(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	s := &Signer{Now: func() time.Time { return now }}
	sign := func() string {
		t.Helper()
		text, err := s.Sign(Grant{Method: "GET", Path: "/", Holder: []byte("h"), Expires: now.Add(MaxLife)})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	sign()
	now = now.Add(renewal - time.Minute)
	late := sign()
	now = now.Add(2 * time.Minute)
	sign() // another key
	if _, err := s.Open(late, "GET", "/"); err != nil {
		t.Errorf("what was signed just before: %v", err)
	}
	if s.keys[0].id == s.keys[1].id || s.keys[0].secret == s.keys[1].secret {
		t.Error("the key is the same after a day")
	}
	if _, err := s.Sign(Grant{Holder: []byte("h"), Expires: now.Add(MaxLife + time.Minute)}); err == nil {
		t.Error("a link may last longer than MaxLife")
	}
	if _, err := s.Sign(Grant{Holder: nil, Expires: now.Add(time.Minute)}); err == nil {
		t.Error("a link for nobody")
	}
}

func FuzzOpen(f *testing.F) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	s := &Signer{Now: func() time.Time { return now }}
	text, err := s.Sign(Grant{Method: "GET", Path: "/a", Holder: []byte("h"), Expires: now.Add(time.Minute)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text, "/a")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, got, path string) {
		if _, err := s.Open(got, "GET", path); err == nil && (got != text || path != "/a") {
			t.Errorf("%q passes for %q", got, path)
		}
	})
}
