package main

import "testing"

func TestSize(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "64MiB": 64 << 20, "64m": 64 << 20, " 1 GiB ": 1 << 30, "500kB": 500_000, "17": 17} {
		if got, err := size(text); err != nil || got != want {
			t.Errorf("%q is %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "MiB", "-1", "1.5G", "9999999999G", "64 bananas", "99999999999999999999"} {
		if got, err := size(text); err == nil {
			t.Errorf("%q is %d", text, got)
		}
	}
}
