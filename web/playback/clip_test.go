package playback

import (
	"testing"
)

// TestParseRange is attack case 49 of docs/attacks.md.
func TestParseRange(t *testing.T) {
	const size = 1000
	for _, c := range []struct {
		header     string
		from, to   int64
		ranged, ok bool
	}{
		{"bytes=0-0", 0, 1, true, true},
		{"bytes=0-", 0, size, true, true},
		{"bytes=10-19", 10, 20, true, true},
		{"bytes=990-5000", 990, size, true, true},
		{"bytes=-1", 999, size, true, true},
		{"bytes=-5000", 0, size, true, true},
		{"bytes=999-99999999999999999999999999", 999, size, true, true},
		{"bytes=1000-", 0, size, false, false},
		{"bytes=99999999999999999999999999-", 0, size, false, false},
		{"bytes=-0", 0, size, false, false},
		// What cannot be read, and what is not for us, is as if it were not there.
		{"bytes=20-10", 0, size, false, true},
		{"bytes=0-1,4-5", 0, size, false, true},
		{"bytes=a-b", 0, size, false, true},
		{"bytes=+1-2", 0, size, false, true},
		{"bytes=-", 0, size, false, true},
		{"bytes=", 0, size, false, true},
		{"seconds=1-2", 0, size, false, true},
	} {
		span, ranged, ok := parseRange(c.header, size)
		if span.from != c.from || span.to != c.to || ranged != c.ranged || ok != c.ok {
			t.Errorf("%s: %+v %v %v", c.header, span, ranged, ok)
		}
	}
	if _, _, ok := parseRange("bytes=-5", 0); ok {
		t.Error("a range of nothing")
	}
}

// FuzzParseRange: whatever comes, a range lies inside the body.
func FuzzParseRange(f *testing.F) {
	f.Add("bytes=0-", int64(10))
	f.Add("bytes=-1", int64(0))
	f.Add("bytes=9223372036854775807-9223372036854775807", int64(5))
	f.Add("bytes= 1 - 2 ", int64(5))
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			return
		}
		span, ranged, ok := parseRange(header, size)
		if span.from < 0 || span.to > size || span.from > span.to {
			t.Fatalf("%q of %d: %+v", header, size, span)
		}
		if ranged && (!ok || span.from == span.to) {
			t.Fatalf("%q of %d: an empty range", header, size)
		}
	})
}
