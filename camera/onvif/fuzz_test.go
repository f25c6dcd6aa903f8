package onvif

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
)

// FuzzParse is attack case 58 of docs/attacks.md.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`<s:Envelope xmlns:s="x"><s:Body><a b="c">d<e/></a></s:Body></s:Envelope>`))
	f.Add([]byte(`<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>`))
	f.Add([]byte(`<Envelope><Body><Fault><Code><Value>a:b</Value><Subcode><Value>c:d</Value></Subcode></Code></Fault></Body></Envelope>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		root, err := parse(data)
		if (root == nil) != (err != nil) {
			t.Fatal("neither a document nor an error")
		}
		if err != nil {
			return
		}
		if bytes.Contains(data, []byte("<!DOCTYPE")) && !bytes.Contains(data, []byte("<!--")) && !bytes.Contains(data, []byte("CDATA")) && !bytes.Contains(data, []byte("<?")) {
			t.Error("a document type was taken")
		}
		c := &Client{}
		_, _ = c.answer(200, "X", data)
		for _, p := range profiles(root.child("Body", "GetProfilesResponse"), true) {
			if strings.ContainsAny(p.Name, "<>\n") {
				t.Errorf("a name holds %q", p.Name)
			}
		}
		readFault("X", root)
		utc(root)
	})
}

// FuzzNotifications is attack case 58 of docs/attacks.md: whatever a camera says it noticed stays small and clean, and what it wants told back is one element with nothing after it.
func FuzzNotifications(f *testing.F) {
	f.Add([]byte(`<P><NotificationMessage><Topic>tns1:RuleEngine/CellMotionDetector/Motion</Topic><Message><Message UtcTime="2026-01-01T00:00:00Z" PropertyOperation="Changed"><Source><SimpleItem Name="a" Value="b"/></Source><Data><SimpleItem Name="IsMotion" Value="true"/></Data></Message></Message></NotificationMessage></P>`))
	f.Add([]byte(`<P><NotificationMessage><Topic>a:b/c:d</Topic><Message UtcTime="9999-01-01T00:00:00+14:00"><Data/></Message></NotificationMessage></P>`))
	f.Add([]byte(`<P xmlns:x="y"><x:NotificationMessage x:a="&quot;"><Topic> / / </Topic></x:NotificationMessage></P>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		root, err := parse(data)
		if err != nil {
			return
		}
		all := notifications(root, time.Hour)
		if len(all) > pullMessages {
			t.Errorf("%d notifications", len(all))
		}
		for _, n := range all {
			if n.Topic == "" || len(n.Topic) > maxTopic || len(n.Data) > maxItems || strings.ContainsAny(n.Topic+n.Source, "<>\n\x00") {
				t.Errorf("%+v", n)
			}
			if s, ok := n.Signal(); ok && (s.Kind == "" || s.Key == "" || s.Moment && !s.On) {
				t.Errorf("%+v means %+v", n, s)
			}
		}
		var b strings.Builder
		root.write(&b, true)
		again, err := parse([]byte(b.String()))
		if errors.Is(err, errBounds) {
			return
		}
		if err != nil || again.name.Local != root.name.Local || len(again.children) != len(root.children) {
			t.Errorf("%q became %q: %v", data, b.String(), err)
		}
		axes(root)
		resolution(root, root)
	})
}

func FuzzChallenge(f *testing.F) {
	f.Add(`Digest realm="a\"b", nonce="c", qop="auth,auth-int", algorithm=SHA-256, opaque="d"`)
	f.Add(`Basic realm="x"`)
	f.Add(`Digest nonce=abc, stale=FALSE`)
	f.Fuzz(func(t *testing.T, header string) {
		ch := newChallenge([]string{header})
		if ch == nil {
			return
		}
		got, err := ch.authorize("POST", "/x", "user", "secret-word", bytes.NewReader(make([]byte, 8)))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(got, "secret-word") && !strings.Contains(header, "secret-word") {
			t.Error("the password is in the header")
		}
	})
}

// TestDigest holds MD5 against the example of RFC 2617, section 3.5, and SHA-256 preferred.
func TestDigest(t *testing.T) {
	t.Parallel()
	old := `Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"`
	ch := newChallenge([]string{`Basic realm="x"`, old})
	if ch == nil || ch.realm != "testrealm@host.com" || ch.opaque != "5ccc069c403ebaf9f0171e9517f40e41" {
		t.Fatalf("%+v", ch)
	}
	if got := ch.response("GET", "/dir/index.html", "Mufasa", "Circle Of Life", "00000001", "0a4f113b"); got != "6629fae49393a05397450978507c4ef1" {
		t.Error(got)
	}
	if ch = newChallenge([]string{old, `Digest realm="a", nonce="b", qop="auth", algorithm=SHA-256`}); ch == nil || ch.realm != "a" {
		t.Errorf("%+v", ch)
	}
	for _, other := range []string{`Basic realm="x"`, `Digest realm="a", nonce="b", algorithm=SHA-512`, `Digest realm="a", nonce="b", qop="auth-int"`, ``} {
		if ch := newChallenge([]string{other}); ch != nil {
			t.Errorf("%s is answered by %+v", other, ch)
		}
	}
}
