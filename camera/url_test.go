package camera

import (
	"strings"
	"testing"
)

// TestParseURL is attack case 51 of docs/attacks.md.
func TestParseURL(t *testing.T) {
	for _, tc := range []struct{ in, clean, user, pass string }{
		{"rtsp://192.168.1.20/stream1", "rtsp://192.168.1.20/stream1", "", ""},
		{"  RTSP://cam.local:8554/a?b=c  ", "rtsp://cam.local:8554/a?b=c", "", ""},
		{"rtsps://admin:secret@[fe80::1]:322/x", "rtsps://[fe80::1]:322/x", "admin", "secret"},
		{"rtsp://admin:p%40ss%2Fw@10.0.0.1/", "rtsp://10.0.0.1/", "admin", "p@ss/w"},
		{"rtsp://admin:p@ss@10.0.0.1/", "rtsp://10.0.0.1/", "admin", "p@ss"},
		{"rtsp://admin:p/a?s#s@10.0.0.1/x", "rtsp://10.0.0.1/x", "admin", "p/a?s#s"},
		{"rtsp://admin:100%@10.0.0.1", "rtsp://10.0.0.1", "admin", "100%"},
		{"rtsp://admin@10.0.0.1/x", "rtsp://10.0.0.1/x", "admin", ""},
		{"rtsp://:pw@10.0.0.1/x", "rtsp://10.0.0.1/x", "", "pw"},
		{"rtsp://10.0.0.1/cam/realmonitor?channel=1&subtype=0#t", "rtsp://10.0.0.1/cam/realmonitor?channel=1&subtype=0", "", ""},
		{"rtsp://10.0.0.1:554/user=a_password=b@c", "rtsp://10.0.0.1:554/user=a_password=b@c", "", ""},
	} {
		clean, user, pass, err := ParseURL(tc.in)
		if err != nil || clean.String() != tc.clean || user != tc.user || pass != tc.pass {
			t.Errorf("%q: %v %q %q, %v", tc.in, clean, user, pass, err)
		}
	}
	for in, want := range map[string]string{
		"":                                   "empty",
		"192.168.1.20":                       "does not begin with rtsp://",
		"http://u:hunter2@cam/":              "does not begin with rtsp://",
		"rtsp://":                            "names no host",
		"rtsp://u:hunter2@/x":                "names no host",
		"rtsp://u:hunter2@cam:99999/":        "port",
		"rtsp://u:hunter2@cam:0/":            "port",
		"rtsp://u:hunter2@cam:/":             "port",
		"rtsp://u:hunter2@cam:x/":            "form",
		"rtsp://u:hunter2@cam%zz/":           "form",
		"rtsp://u:hun ter2@cam/":             "spaces",
		"rtsp://u:hunter2\x00@cam/":          "cannot be typed",
		"rtsp://u:hunter2@[::1/":             "form",
		"rtsp://" + strings.Repeat("x", 1e4): "too long",
	} {
		clean, _, _, err := ParseURL(in)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, %v", in, clean, err)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the password is told: %v", err)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	f.Add("rtsp://admin:p@ss@10.0.0.1:554/x?y#z")
	f.Add("rtsps://[::1]:322/")
	f.Add("rtsp://a:b/c@d:e@f")
	f.Fuzz(func(t *testing.T, in string) {
		clean, _, pass, err := ParseURL(in)
		if err != nil {
			if clean != nil {
				t.Error("a URL beside an error")
			}
			return
		}
		if clean.User != nil || clean.Hostname() == "" || clean.Scheme != "rtsp" && clean.Scheme != "rtsps" {
			t.Errorf("%q became %v", in, clean)
		}
		if len(pass) > 8 && strings.Contains(clean.String(), "//"+pass) {
			t.Errorf("%q left the password in %v", in, clean)
		}
		again, _, _, err := ParseURL(clean.String())
		if err != nil || again.String() != clean.String() {
			t.Errorf("%q became %v, then %v (%v)", in, clean, again, err)
		}
	})
}

func TestParseONVIF(t *testing.T) {
	for _, c := range []struct{ in, url, user, pass string }{
		{"192.168.1.20", "http://192.168.1.20/onvif/device_service", "", ""},
		{"192.168.1.20:8000", "http://192.168.1.20:8000/onvif/device_service", "", ""},
		{"[fe80::1]", "http://[fe80::1]/onvif/device_service", "", ""},
		{"admin:p@ss@porch.local", "http://porch.local/onvif/device_service", "admin", "p@ss"},
		{"http://10.0.0.7", "http://10.0.0.7/onvif/device_service", "", ""},
		{"HTTPS://u:p%40@10.0.0.7/onvif/device", "https://10.0.0.7/onvif/device", "u", "p@"},
	} {
		clean, user, pass, ok, err := ParseONVIF(c.in)
		if err != nil || !ok || clean.String() != c.url || user != c.user || pass != c.pass {
			t.Errorf("%s: %v %q %q %t %v", c.in, clean, user, pass, ok, err)
		}
	}
	for _, in := range []string{"camera", "rtsp://10.0.0.7/x", "", "ftp://10.0.0.7", "10.0.0.7/stream1", "/dev/video0"} {
		if clean, _, _, ok, err := ParseONVIF(in); ok || err != nil {
			t.Errorf("%q is taken for ONVIF: %v %v", in, clean, err)
		}
	}
	if _, _, _, ok, err := ParseONVIF("http://:secret@/"); !ok || err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("an address without a host: %t %v", ok, err)
	}
}
