package rtsp

import (
	"strings"
	"testing"
)

func TestRedact(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                             "",
		"/stream1":                     "/stream1",
		"/user=a&password=b&channel=1": "/user=a&password=…&channel=1",
		"/user=a_password=b_channel=1": "/user=a_password=…_channel=1",
		"/x?usr=a&PWD=b":               "/x?usr=a&PWD=…",
		"/x?pass=a/b&token=c;d":        "/x?pass=…/b&token=…;d",
		"rtsp://h/İ?password=geheim":   "rtsp://h/İ?password=…",
		"/password=":                   "/password=…",
	} {
		if got := Redact(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func FuzzRedact(f *testing.F) {
	f.Add("/user=a&password=b")
	f.Fuzz(func(t *testing.T, s string) {
		got := Redact(s + "&password=Geheimnis&x=1")
		if strings.Contains(strings.TrimPrefix(got, Redact(s)), "Geheimnis") || !strings.HasSuffix(got, "&x=1") {
			t.Errorf("%q", got)
		}
	})
}
