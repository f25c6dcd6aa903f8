package segment

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os/exec"
	"slices"
	"testing"

	"cardea/camera/frame"
)

// bitReader is the other end of bitWriter.
type bitReader struct {
	p   []byte
	pos int
}

func (r *bitReader) get(n int) (v uint64) {
	for range n {
		v = v<<1 | uint64(r.p[r.pos/8]>>(7-r.pos%8)&1)
		r.pos++
	}
	return v
}

func (r *bitReader) signed(n int) int32 {
	return int32(r.get(n)<<(64-n)>>(64-n)) << (32 - n) >> (32 - n)
}

func (r *bitReader) unary() (n int) {
	for r.get(1) == 0 {
		n++
	}
	return n
}

// decodeFLAC reads one frame the way RFC 9639 tells, as far as the encoder makes use of it.
func decodeFLAC(p []byte, channels int) (samples [][]int32, at uint64, err error) {
	var crc uint16
	for _, b := range p {
		for i := 7; i >= 0; i-- {
			bit := crc>>15 ^ uint16(b>>i&1)
			crc = crc<<1 ^ bit*0x8005
		}
	}
	if crc != 0 {
		return nil, 0, errors.New("CRC-16 is wrong")
	}
	r := &bitReader{p: p}
	if r.get(16) != 0xfff9 || r.get(4) != 7 {
		return nil, 0, errors.New("no frame header")
	}
	rate := r.get(4)
	if r.get(4) != uint64(channels-1) || r.get(4) != 4<<1 {
		return nil, 0, errors.New("channels or depth are wrong")
	}
	ones := 0
	for r.get(1) == 1 {
		ones++
	}
	at = r.get(7 - ones)
	for range ones - 1 {
		if r.get(2) != 2 {
			return nil, 0, errors.New("sample number is wrong")
		}
		at = at<<6 | r.get(6)
	}
	n := int(r.get(16)) + 1
	switch rate {
	case 12:
		r.get(8)
	case 13, 14:
		r.get(16)
	}
	head := r.pos / 8
	if r.get(8) != uint64(crc8(p[:head])) {
		return nil, 0, errors.New("CRC-8 is wrong")
	}
	for range channels {
		s, err := decodeSubframe(r, n)
		if err != nil {
			return nil, 0, err
		}
		samples = append(samples, s)
	}
	if (r.pos+7)/8+2 != len(p) {
		return nil, 0, errors.New("frame has another length")
	}
	return samples, at, nil
}

func decodeSubframe(r *bitReader, n int) ([]int32, error) {
	kind, wasted := r.get(7), 0
	if r.get(1) == 1 {
		wasted = r.unary() + 1
	}
	depth := 16 - wasted
	s := make([]int32, 0, n)
	switch {
	case kind == 0:
		s = slices.Repeat([]int32{r.signed(depth)}, n)
	case kind == 1:
		for range n {
			s = append(s, r.signed(depth))
		}
	case kind >= 8 && kind <= 12:
		order := int(kind) - 8
		for range order {
			s = append(s, r.signed(depth))
		}
		if r.get(2) != 0 {
			return nil, errors.New("other method")
		}
		parts := 1 << r.get(4)
		for i := range parts {
			k := int(r.get(4))
			for len(s) < n/parts*(i+1) {
				z := uint32(r.unary())<<k | uint32(r.get(k))
				v := int32(z>>1) ^ -int32(z&1)
				i := len(s)
				switch order {
				case 1:
					v += s[i-1]
				case 2:
					v += 2*s[i-1] - s[i-2]
				case 3:
					v += 3*s[i-1] - 3*s[i-2] + s[i-3]
				case 4:
					v += 4*s[i-1] - 6*s[i-2] + 4*s[i-3] - s[i-4]
				}
				s = append(s, v)
			}
		}
	default:
		return nil, errors.New("other subframe")
	}
	for i := range s {
		s[i] <<= wasted
	}
	return s, nil
}

func FuzzFLAC(f *testing.F) {
	f.Add([]byte{1}, int64(0), false, false)
	f.Add(bytes.Repeat([]byte{0xd5}, 160), int64(1<<35), true, false)
	f.Add(slices.Repeat([]byte{0, 0x80, 0xff, 0x7f, 0x2a}, 32), int64(127), false, true)
	random := rand.New(rand.NewPCG(3, 4))
	for n := range 64 {
		p := make([]byte, n*n+1)
		for i := range p {
			p[i] = byte(random.IntN(n+1) * 4)
		}
		f.Add(p, int64(1)<<(n%37), n%2 == 0, n%3 == 0)
	}
	f.Fuzz(func(t *testing.T, pcm []byte, at int64, mu, stereo bool) {
		codec, channels := frame.PCMA, 1
		if mu {
			codec = frame.PCMU
		}
		if stereo {
			channels = 2
		}
		pcm = pcm[:min(len(pcm), flacBlock*channels)/channels*channels]
		if len(pcm) == 0 {
			return
		}
		for _, rate := range []int{8000, 11025, 16000, 48000, 100010} {
			e := newFLACEncoder(codec, rate, channels)
			e.encode(nil, pcm[:channels], at) // leaves something in the buffers
			got, number, err := decodeFLAC(e.encode(nil, pcm, at), channels)
			if err != nil {
				t.Fatal(err)
			}
			if number != uint64(at)&(1<<36-1) {
				t.Errorf("sample number %d became %d", at, number)
			}
			for c := range channels {
				for i, v := range got[c] {
					if want := int32(e.expand[pcm[i*channels+c]]); v != want {
						t.Fatalf("channel %d: sample %d is %d, not %d", c, i, v, want)
					}
				}
			}
			if size := len(pcm)*2 + 20 + 4*channels; len(e.encode(nil, pcm, at)) > size {
				t.Errorf("%d samples take more than %d bytes", len(pcm), size)
			}
		}
	})
}

// TestFLACStream has FFmpeg decode frames of every length as a plain FLAC file and compares the samples.
func TestFLACStream(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		t.Skip("ffmpeg is not installed")
	}
	for _, channels := range []int{1, 2} {
		random := rand.New(rand.NewPCG(5, 6))
		e := newFLACEncoder(frame.PCMU, 8000, channels)
		entry := flac(8000, channels)
		file := append([]byte("fLaC"), entry.config[12:]...)
		var want []byte
		at := int64(0)
		for n := 16; n < flacBlock; n += 1 + n/8 {
			pcm := make([]byte, n*channels)
			for i := range pcm {
				pcm[i] = byte(0xf0 + random.IntN(1+n%16))
				v := e.expand[pcm[i]]
				want = append(want, byte(v), byte(v>>8))
			}
			file = e.encode(file, pcm, at)
			at += int64(n)
		}
		cmd := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-xerror", "-f", "flac", "-i", "-", "-f", "s16le", "-")
		cmd.Stdin = bytes.NewReader(file)
		got, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%d channels: %d bytes came back for %d, or they differ", channels, len(got), len(want))
		}
	}
}

func TestExpand(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		got, want int16
	}{
		{expandA(0xd5), 8}, {expandA(0x55), -8}, {expandA(0xaa), 32256}, {expandA(0x2a), -32256},
		{expandMu(0xff), 0}, {expandMu(0x7f), 0}, {expandMu(0x80), 32124}, {expandMu(0x00), -32124},
	} {
		if c.got != c.want {
			t.Errorf("%d instead of %d", c.got, c.want)
		}
	}
}
