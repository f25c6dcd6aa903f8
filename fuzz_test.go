package main

import (
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
