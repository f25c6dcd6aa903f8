package main

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// size reads a number of bytes as people write it: 64MiB, 64M, 1GiB, 500kB, 0.
func size(text string) (int64, error) {
	text = strings.TrimSpace(text)
	digits := strings.TrimRight(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ")
	n, err := strconv.ParseUint(digits, 10, 63)
	units := map[string]uint64{
		"": 1, "b": 1, "k": 1 << 10, "kib": 1 << 10, "kb": 1000, "m": 1 << 20, "mib": 1 << 20, "mb": 1e6, "g": 1 << 30, "gib": 1 << 30, "gb": 1e9,
	}
	unit, known := units[strings.ToLower(strings.TrimSpace(text[len(digits):]))]
	if err != nil || !known || n > math.MaxInt64/unit {
		return 0, errors.New("takes a size such as 64MiB")
	}
	return int64(n * unit), nil
}
