package segment_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"cardea/camera/frame"
	"cardea/nvr/segment"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/mp4/codecs"
)

// origin is where the clock of the test camera stands when it starts.
const origin = 1 << 33

// sei is what a camera puts in front of its pictures: user data, with a zero that would need care if anybody
// touched it.
var sei = []byte{6, 5, 18, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 0, 0, 3, 1, 0x80}

// load reads a file of testdata as a camera would send it: in the order of decoding, with the parameter sets in
// front of each key frame.
func load(t testing.TB, name string) (*frame.Stream, []*frame.Frame) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var init fmp4.Init
	if err := init.Unmarshal(bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	s := &frame.Stream{}
	for _, track := range init.Tracks {
		ft := frame.Track{ClockRate: int(track.TimeScale)}
		switch c := track.Codec.(type) {
		case *codecs.H264:
			ft.Codec, ft.Params = frame.H264, [][]byte{c.SPS, c.PPS}
		case *codecs.H265:
			ft.Codec, ft.Params = frame.H265, [][]byte{c.VPS, c.SPS, c.PPS}
		case *codecs.MPEG4Audio:
			asc, err := c.Config.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			ft.Codec, ft.Params, ft.SampleRate, ft.Channels = frame.AAC, [][]byte{asc}, c.Config.SampleRate, 1
		case *codecs.Opus:
			ft.Codec, ft.SampleRate, ft.Channels = frame.Opus, 48000, c.ChannelCount
		}
		s.Tracks = append(s.Tracks, ft)
	}
	var parts fmp4.Parts
	if err := parts.Unmarshal(data[bytes.Index(data, []byte("moof"))-4:]); err != nil {
		t.Fatal(err)
	}
	var frames []*frame.Frame
	var sound int64
	for _, p := range parts {
		for _, track := range p.Tracks {
			at := int64(track.BaseTime)
			if !s.Tracks[track.ID-1].Codec.Video() {
				at = sound // the encoder's delay makes the times in the file uneven
			}
			for _, sample := range track.Samples {
				frames = append(frames, newFrame(t, s, track.ID-1, at, sample))
				if s.Tracks[track.ID-1].Codec == frame.AAC {
					sample.Duration = 1024
				}
				at += int64(sample.Duration)
			}
			if !s.Tracks[track.ID-1].Codec.Video() {
				sound = at
			}
		}
	}
	seconds := func(f *frame.Frame) float64 {
		return float64(f.DTS) / float64(s.Tracks[f.Track].ClockRate)
	}
	slices.SortStableFunc(frames, func(a, b *frame.Frame) int {
		if seconds(a) < seconds(b) {
			return -1
		}
		return 1
	})
	return s, frames
}

func newFrame(t testing.TB, s *frame.Stream, track int, at int64, sample *fmp4.Sample) *frame.Frame {
	rate := int64(s.Tracks[track].ClockRate)
	f := &frame.Frame{Stream: s, Track: track, Key: true, Payload: [][]byte{sample.Payload}}
	f.DTS = at + origin*rate
	f.PTS = f.DTS + int64(sample.PTSOffset)
	f.Wall = time.Unix(1_700_000_000, 0).UTC().Add(time.Duration(at * int64(time.Second) / rate))
	if s.Tracks[track].Codec.Video() {
		var nals h264.AVCC
		if err := nals.Unmarshal(sample.Payload); err != nil {
			t.Fatal(err)
		}
		if s.Tracks[track].Codec == frame.H264 {
			f.Key = h264.IsRandomAccess(nals)
			head := [][]byte{sei}
			if f.Key {
				head = append(slices.Clone(s.Tracks[track].Params), sei)
			}
			nals = append(head, nals...)
		} else {
			if f.Key = h265.IsRandomAccess(nals); f.Key {
				nals = append(slices.Clone(s.Tracks[track].Params), nals...)
			}
		}
		f.Payload = nals
	}
	for _, p := range f.Payload {
		f.Size += len(p)
	}
	return f
}

// addG711 gives a stream a G.711 track in place of its sound, in packets of 20 ms.
func addG711(s *frame.Stream, frames []*frame.Frame, codec frame.Codec, seconds int) (*frame.Stream, []*frame.Frame, []byte) {
	g := &frame.Stream{Tracks: []frame.Track{s.Tracks[0], {Codec: codec, ClockRate: 8000, SampleRate: 8000, Channels: 1}}}
	random := rand.New(rand.NewPCG(1, 2))
	var out []*frame.Frame
	var all []byte
	n := 0
	sound := func(until float64) {
		for ; n < 50*seconds && float64(n)/50 < until; n++ {
			p := make([]byte, 160)
			for i := range p {
				p[i] = byte(random.IntN(256))
			}
			all = append(all, p...)
			dts := int64(origin*8000 + n*160)
			out = append(out, &frame.Frame{Stream: g, Track: 1, DTS: dts, PTS: dts, Key: true, Payload: [][]byte{p}, Size: len(p)})
		}
	}
	for _, f := range frames {
		if f.Track != 0 {
			continue
		}
		sound(float64(f.DTS)/float64(s.Tracks[0].ClockRate) - origin)
		c := *f
		c.Stream = g
		out = append(out, &c)
	}
	sound(float64(seconds))
	return g, out, all
}

// mux writes the frames in parts of n pictures.
func mux(t testing.TB, s *frame.Stream, frames []*frame.Frame, n int, o segment.Options) (*segment.Muxer, []byte) {
	t.Helper()
	m, err := segment.New(s, o)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	out.Write(m.Init())
	seq := uint32(1)
	for len(frames) > 0 {
		cut, next, pictures := len(frames), (*frame.Frame)(nil), 0
		for i, f := range frames {
			if f.Video() {
				if pictures++; pictures > n {
					cut, next = i, f
					break
				}
			}
		}
		if o.Live {
			next = nil
		}
		before := out.Len()
		written, err := m.WritePart(&out, frames[:cut], next, seq)
		if err != nil {
			t.Fatal(err)
		}
		if int(written) != out.Len()-before {
			t.Fatalf("WritePart says %d bytes, %d were written", written, out.Len()-before)
		}
		frames = frames[cut:]
		seq++
	}
	return m, out.Bytes()
}

// parse reads what mux wrote with another implementation.
func parse(t testing.TB, m *segment.Muxer, data []byte) (fmp4.Init, fmp4.Parts) {
	t.Helper()
	var init fmp4.Init
	if err := init.Unmarshal(bytes.NewReader(m.Init())); err != nil {
		t.Fatal(err)
	}
	var parts fmp4.Parts
	if err := parts.Unmarshal(data[len(m.Init()):]); err != nil {
		t.Fatal(err)
	}
	return init, parts
}

// run runs FFmpeg's tools and returns what they print; anything on stderr fails the test.
func run(t testing.TB, stdin []byte, name string, args ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not installed", name)
	}
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stdin = bytes.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || stderr.Len() > 0 {
		t.Fatalf("%s: %v\n%s", name, err, stderr.Bytes())
	}
	return out
}

// save writes data to a file for tools that want to seek.
func save(t testing.TB, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "clip.mp4")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
