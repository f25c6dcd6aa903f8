package command

import (
	"bytes"
	"encoding/binary"
	"testing"
)

func TestWholeBoxes(t *testing.T) {
	t.Parallel()
	boxes := func(parts ...string) []byte {
		var b []byte
		for _, p := range parts {
			b = binary.BigEndian.AppendUint32(b, uint32(4+len(p)))
			b = append(b, p...)
		}
		return b
	}
	whole := boxes("ftypisom", "moov....", "moof", "mdat1234")
	for name, c := range map[string]struct {
		data []byte
		want int
	}{
		"whole":        {whole, len(whole)},
		"cut in mdat":  {append(bytes.Clone(whole), boxes("moof", "mdat1234")[:15]...), len(whole)},
		"cut in size":  {append(bytes.Clone(whole), 0, 0), len(whole)},
		"moof alone":   {append(bytes.Clone(whole), boxes("moof")...), len(whole)},
		"size of zero": {append(bytes.Clone(whole), 0, 0, 0, 0, 'm', 'd', 'a', 't'), len(whole)},
		"no part":      {boxes("ftypisom"), 0},
	} {
		got, err := wholeBoxes(bytes.NewReader(c.data), int64(len(c.data)))
		if int(got) != c.want || (c.want == 0) != (err != nil) {
			t.Errorf("%s: %d %v", name, got, err)
		}
	}
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
