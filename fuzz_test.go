package main

import (
	"bytes"
	"strings"
	"testing"
)

// FuzzUserInfo: what is blotted out lies inside the argument and behind the scheme.
func FuzzUserInfo(f *testing.F) {
	for _, arg := range []string{"rtsp://a:b@host/x", "://@", "a://", "rtsp://a@b@c?@", ""} {
		f.Add(arg)
	}
	f.Fuzz(func(t *testing.T, arg string) {
		from, to := userInfo(arg)
		if from < 0 || to < from || to > len(arg) {
			t.Fatalf("%q: %d to %d", arg, from, to)
		}
		if from < to && (arg[to] != '@' || !strings.HasSuffix(arg[:from], "://")) {
			t.Fatalf("%q: %q is no user and password", arg, arg[from:to])
		}
	})
}

// FuzzWholeBoxes: whatever a clip holds, the cut lies inside and behind an mdat.
func FuzzWholeBoxes(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x08ftyp\x00\x00\x00\x09mdatx"))
	f.Add([]byte("\x00\x00\x00\x01mdat\x00\x00\x00\x00\x00\x00\x00\x10"))
	f.Add([]byte("\x00\x00\x00\x01mdat\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		whole, err := wholeBoxes(bytes.NewReader(data), int64(len(data)))
		if whole < 0 || whole > int64(len(data)) || (err == nil) != (whole > 0) {
			t.Fatalf("%d of %d bytes, %v", whole, len(data), err)
		}
		if whole > 0 && !bytes.Contains(data[:whole], []byte("mdat")) {
			t.Fatal("no mdat before the cut")
		}
	})
}
