package parts_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"cardea/store/parts"
)

// golden pins version 1 for ever; it was made by hand from the format's description, for list below.
const golden = "0103" + "80c0b185f3f99706" + "890e" + "80897a" + "c0b63d" + "edab01" + "c8d007"

func list() []parts.Part {
	start := time.Date(2025, 3, 9, 12, 0, 0, 0, time.UTC)
	return []parts.Part{
		{Start: start, Offset: 900, Key: true},
		{Start: start.Add(time.Second), Offset: 900 + 503200, Key: false},
		{Start: start.Add(time.Second - 10999*time.Microsecond), Offset: 900 + 503200 + 62500, Key: false},
	}
}

func TestRoundTrip(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		want := make([]parts.Part, random.IntN(100))
		at, offset := random.Int64N(4e15)-1e15, random.Int64N(2000)
		for i := range want {
			want[i] = parts.Part{Start: time.UnixMicro(at).UTC(), Offset: offset, Key: random.IntN(2) == 0}
			at += random.Int64N(3e6) - 1e5 // clocks step back now and then
			offset += 1 + random.Int64N(4e6)
		}
		packed, err := parts.Pack(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := parts.Unpack(packed)
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("got %v, %v\nwant %v", got, err, want)
		}
	}
}

func TestSize(t *testing.T) {
	var clip []parts.Part
	start := time.Date(2025, 3, 9, 12, 0, 0, 0, time.UTC)
	for i := range 60 {
		clip = append(clip, parts.Part{Start: start.Add(time.Duration(i) * time.Second), Offset: 900 + int64(i)*500_000, Key: true})
	}
	packed, err := parts.Pack(clip)
	if err != nil || len(packed) > 60*7 {
		t.Errorf("a minute takes %d bytes, %v", len(packed), err)
	}
}

func TestRefused(t *testing.T) {
	for what, bad := range map[string][]parts.Part{
		"same offset":     {{Offset: 5}, {Offset: 5}},
		"smaller offset":  {{Offset: 5}, {Offset: 4}},
		"negative offset": {{Offset: -1}},
		"too many":        make([]parts.Part, 1<<17+1),
	} {
		if _, err := parts.Pack(bad); err == nil {
			t.Errorf("%s was packed", what)
		}
	}
}

func TestDamage(t *testing.T) {
	packed, err := parts.Pack(list())
	if err != nil {
		t.Fatal(err)
	}
	for n := range packed {
		if _, err := parts.Unpack(packed[:n]); !errors.Is(err, parts.ErrFormat) {
			t.Errorf("the first %d bytes give %v", n, err)
		}
	}
	for what, data := range map[string][]byte{
		"another version": append([]byte{2}, packed[1:]...),
		"something after": append(bytes.Clone(packed), 0),
		"count of 2^63":   {1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
	} {
		if _, err := parts.Unpack(data); !errors.Is(err, parts.ErrFormat) {
			t.Errorf("%s gives %v", what, err)
		}
	}
}

func TestGolden(t *testing.T) {
	packed, err := parts.Pack(list())
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(packed); got != golden {
		t.Errorf("packed as %s, want %s", got, golden)
	}
}

func FuzzUnpack(f *testing.F) {
	packed, err := parts.Pack(list())
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range [][]byte{nil, {1}, {1, 0}, {1, 1, 0, 0}, {1, 0xff, 0xff, 0x7f}, packed} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := parts.Unpack(data)
		if err != nil {
			if !errors.Is(err, parts.ErrFormat) {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		// What can be read can be written, and means the same then (varints may have been longer than needed).
		again, err := parts.Pack(list)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := parts.Unpack(again); err != nil || !slices.Equal(back, list) || len(again) > len(data) {
			t.Fatalf("%x became %x", data, again)
		}
	})
}
