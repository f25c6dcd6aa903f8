package segment_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"cardea/camera/frame"
	"cardea/nvr/segment"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4"
)

var update = flag.Bool("update", false, "write the golden files anew")

var files = []struct {
	name, codecs string
}{
	{"h264-aac.mp4", "avc1.64000c,mp4a.40.2"},
	{"h265-opus.mp4", "hvc1.1.6.L30.90,opus"},
}

// TestGolden pins the format: clips of today must be read for ever.
func TestGolden(t *testing.T) {
	t.Parallel()
	for _, name := range []string{files[0].name, files[1].name, "h264-g711.mp4"} {
		t.Run(name, func(t *testing.T) {
			var s *frame.Stream
			var frames []*frame.Frame
			if name == "h264-g711.mp4" {
				s, frames = load(t, files[0].name)
				s, frames, _ = addG711(s, frames[:60], frame.PCMA, 1)
			} else {
				s, frames = load(t, name)
			}
			_, got := mux(t, s, frames, 12, segment.Options{})
			path := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Error("the bytes differ; look at them with a parser and run with -update if that is meant")
			}
		})
	}
}

func TestBitExact(t *testing.T) {
	t.Parallel()
	for _, f := range files {
		for _, live := range []bool{false, true} {
			t.Run(f.name, func(t *testing.T) {
				s, frames := load(t, f.name)
				m, data := mux(t, s, frames, 1, segment.Options{Live: live})
				if m.Codecs() != f.codecs {
					t.Errorf("Codecs() = %s, want %s", m.Codecs(), f.codecs)
				}
				_, parts := parse(t, m, data)
				checkPayload(t, s, frames, parts)
			})
		}
	}
}

// checkPayload holds every NAL unit, key flag and time against the source.
func checkPayload(t *testing.T, s *frame.Stream, frames []*frame.Frame, parts fmp4.Parts) {
	t.Helper()
	for track := range s.Tracks {
		want := slices.DeleteFunc(slices.Clone(frames), func(f *frame.Frame) bool { return f.Track != track })
		var at int64
		for _, p := range parts {
			for _, pt := range p.Tracks {
				if pt.ID != track+1 {
					continue
				}
				if !s.Tracks[track].Codec.Video() && int64(pt.BaseTime) != at {
					t.Fatalf("part %d: sound begins at %d, not at %d", p.SequenceNumber, pt.BaseTime, at)
				}
				at = int64(pt.BaseTime)
				for _, got := range pt.Samples {
					if len(want) == 0 {
						t.Fatalf("track %d has too many samples", track)
					}
					payload := [][]byte{got.Payload}
					if s.Tracks[track].Codec.Video() {
						var nals h264.AVCC
						if err := nals.Unmarshal(got.Payload); err != nil {
							t.Fatal(err)
						}
						payload = nals
					}
					f := want[0]
					if !slices.EqualFunc(payload, f.Payload, bytes.Equal) || got.IsNonSyncSample == f.Key {
						t.Fatalf("part %d, track %d: payload or key flag differs", p.SequenceNumber, track)
					}
					clock := int64(s.Tracks[track].ClockRate)
					if want := f.PTS - origin*clock; at+int64(got.PTSOffset) != want {
						t.Fatalf("part %d, track %d: presented at %d, not at %d", p.SequenceNumber, track, at+int64(got.PTSOffset), want)
					}
					at += int64(got.Duration)
					want = want[1:]
				}
			}
		}
		if len(want) > 0 {
			t.Fatalf("%d samples of track %d are missing", len(want), track)
		}
	}
}

type probe struct {
	Streams []struct {
		Codec   string `json:"codec_name"`
		Tag     string `json:"codec_tag_string"`
		Width   int    `json:"width"`
		Start   string `json:"start_time"`
		Packets string `json:"nb_read_packets"`
	}
	Packets []struct {
		Stream   int    `json:"stream_index"`
		DTS      int64  `json:"dts"`
		PTS      int64  `json:"pts"`
		Duration int64  `json:"duration"`
		Flags    string `json:"flags"`
	}
	Format struct {
		Duration string `json:"duration"`
	}
}

func ffprobe(t *testing.T, path string) probe {
	t.Helper()
	out := run(t, nil, "ffprobe", "-v", "error", "-of", "json", "-count_packets", "-show_streams", "-show_packets", "-show_format", path)
	var p probe
	if err := json.Unmarshal(out, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestFFmpeg has another program read the clips: right codecs, every picture, times that only go up, and nothing to
// complain about when it decodes them.
func TestFFmpeg(t *testing.T) {
	t.Parallel()
	for _, f := range files {
		for _, sound := range []frame.Codec{"", frame.PCMA, frame.PCMU} {
			t.Run(f.name+string(sound), func(t *testing.T) {
				s, frames := load(t, f.name)
				if sound != "" {
					s, frames, _ = addG711(s, frames, sound, 3)
				}
				_, data := mux(t, s, frames, 10, segment.Options{})
				path := save(t, data)
				p := ffprobe(t, path)
				if p.Streams[0].Codec != string(s.Tracks[0].Codec) || p.Streams[0].Width != 160 || p.Streams[0].Packets != "75" {
					t.Errorf("video is %+v", p.Streams[0])
				}
				want := string(s.Tracks[1].Codec)
				if sound != "" {
					want = "flac"
				}
				if p.Streams[1].Codec != want {
					t.Errorf("sound is %+v", p.Streams[1])
				}
				if d, _ := strconv.ParseFloat(p.Format.Duration, 64); d < 2.98 || d > 3.2 {
					t.Errorf("the clip lasts %s s", p.Format.Duration)
				}
				last := map[int]int64{0: -1, 1: -1}
				for _, k := range p.Packets {
					if k.DTS <= last[k.Stream] {
						t.Errorf("stream %d goes from %d to %d", k.Stream, last[k.Stream], k.DTS)
					}
					last[k.Stream] = k.DTS
				}
				run(t, nil, "ffmpeg", "-v", "error", "-xerror", "-i", path, "-f", "null", "-")
			})
		}
	}
}

// stubVideo makes a stream with pictures that are none, for tests of time.
func stubVideo(t testing.TB, audio ...frame.Track) *frame.Stream {
	s, _ := load(t, "h264-aac.mp4")
	v := s.Tracks[0]
	v.ClockRate = 90000
	return &frame.Stream{Tracks: append([]frame.Track{v}, audio...)}
}

func picture(s *frame.Stream, dts int64, key bool) *frame.Frame {
	return &frame.Frame{Stream: s, DTS: dts, PTS: dts, Key: key, Payload: [][]byte{{0x65, 1, 2, 3}}, Size: 4}
}

type span struct{ at, dur int64 }

// spans returns when the samples of a track begin and how long they last.
func spans(parts fmp4.Parts, id int) []span {
	var out []span
	for _, p := range parts {
		for _, track := range p.Tracks {
			if track.ID != id {
				continue
			}
			at := int64(track.BaseTime)
			for _, s := range track.Samples {
				out = append(out, span{at, int64(s.Duration)})
				at += int64(s.Duration)
			}
		}
	}
	return out
}

func TestDurationsAcrossParts(t *testing.T) {
	t.Parallel()
	s := stubVideo(t)
	// Uneven pictures, two with the same time, a pause of 5 s.
	dts := []int64{7, 3600, 3601, 3601, 12000, 462000, 463000, 466600}
	var frames []*frame.Frame
	for i, d := range dts {
		frames = append(frames, picture(s, d, i == 0))
	}
	for n := 1; n <= len(frames); n++ {
		m, data := mux(t, s, frames, n, segment.Options{})
		_, parts := parse(t, m, data)
		got := spans(parts, 1)
		want := []int64{0, 3593, 3594, 3595, 11993, 461993, 462993, 466593}
		for i, w := range want {
			if got[i].at != w {
				t.Fatalf("parts of %d: picture %d is at %d, not %d", n, i, got[i].at, w)
			}
			// The picture that had to move by one tick is the only one whose duration was not known exactly.
			if i+1 < len(want) && i != 2 && got[i].dur != want[i+1]-w {
				t.Fatalf("parts of %d: picture %d lasts %d, not %d", n, i, got[i].dur, want[i+1]-w)
			}
		}
		if last := got[len(got)-1].dur; last < 1 || last > 90000 {
			t.Fatalf("the last picture lasts %d", last)
		}
	}
}

// TestLiveHasNoDiscontinuity checks the rule of Media Source Extensions that a live time line has to keep.
func TestLiveHasNoDiscontinuity(t *testing.T) {
	t.Parallel()
	s := stubVideo(t)
	var frames []*frame.Frame
	dts := int64(0)
	for i := range 400 {
		frames = append(frames, picture(s, dts, i%50 == 0))
		switch {
		case i == 120:
			dts += 90000 * 3600 // the camera hung for an hour
		case i > 200 && i < 220:
			dts += 90000 // few pictures in the dark
		case i%7 == 0:
			dts += 2 * 3600
		default:
			dts += 3600
		}
	}
	m, data := mux(t, s, frames, 1, segment.Options{Live: true, Start: 10 * time.Second})
	_, parts := parse(t, m, data)
	got := spans(parts, 1)
	if len(got) != 400 || got[0].at != 900000 {
		t.Fatalf("%d pictures from %d on", len(got), got[0].at)
	}
	for i := 1; i < len(got); i++ {
		if delta := got[i].at - got[i-1].at; delta <= 0 || delta > 2*got[i-1].dur {
			t.Errorf("picture %d comes %d after one that was said to last %d", i, delta, got[i-1].dur)
		}
	}
	if end := m.End(); end < 30*time.Second || end > 60*time.Second {
		t.Errorf("the time line ends at %s", end)
	}
}

func TestStartsAtKeyFrame(t *testing.T) {
	t.Parallel()
	s := stubVideo(t, frame.Track{Codec: frame.PCMA, ClockRate: 8000, Channels: 1})
	m, err := segment.New(s, segment.Options{})
	if err != nil {
		t.Fatal(err)
	}
	sound := func(dts int64) *frame.Frame {
		return &frame.Frame{Stream: s, Track: 1, DTS: dts, PTS: dts, Key: true, Payload: [][]byte{make([]byte, 160)}}
	}
	var out bytes.Buffer
	n, err := m.WritePart(&out, []*frame.Frame{picture(s, 0, false), sound(0)}, nil, 1)
	if n != 0 || err != nil || out.Len() > 0 {
		t.Fatalf("WritePart = %d, %v before the key frame", n, err)
	}
	// The key frame comes 45 ms after the first sound: two packets are gone, the third loses its first 5 ms.
	frames := []*frame.Frame{sound(0), sound(160), picture(s, 90*45, true), sound(320), sound(480)}
	if _, err = m.WritePart(&out, frames, picture(s, 90*85, false), 1); err != nil {
		t.Fatal(err)
	}
	_, parts := parse(t, m, append(slices.Clone(m.Init()), out.Bytes()...))
	if got := spans(parts, 1); !slices.Equal(got, []span{{0, 3600}}) {
		t.Errorf("video is %v", got)
	}
	if got := spans(parts, 2); !slices.Equal(got, []span{{0, 120}, {120, 160}}) {
		t.Errorf("sound is %v", got)
	}
	if _, err = m.WritePart(&out, []*frame.Frame{picture(stubVideo(t), 0, true)}, nil, 2); !errors.Is(err, segment.ErrForeign) {
		t.Errorf("foreign frame: %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	good := stubVideo(t).Tracks[0]
	broken := good
	broken.Params = [][]byte{{0x67, 1}, {0x68}}
	missing := good
	missing.Params = nil
	for name, tracks := range map[string][]frame.Track{
		"no track":     nil,
		"sound only":   {{Codec: frame.PCMA, ClockRate: 8000, Channels: 1}},
		"broken SPS":   {broken},
		"no sets":      {missing},
		"no clock":     {{Codec: frame.H264, Params: good.Params}},
		"AAC unknown":  {good, {Codec: frame.AAC, ClockRate: 8000, Channels: 1}},
		"three ears":   {good, {Codec: frame.PCMU, ClockRate: 8000, Channels: 3}},
		"unknown word": {good, {Codec: "mp2", ClockRate: 8000, Channels: 1}},
	} {
		if _, err := segment.New(&frame.Stream{Tracks: tracks}, segment.Options{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzNew(f *testing.F) {
	for _, file := range files {
		s, _ := load(f, file.name)
		p := append(slices.Clone(s.Tracks[0].Params), nil)
		f.Add(s.Tracks[0].Codec == frame.H265, p[0], p[1], p[2], []byte{0x14, 0x08})
	}
	f.Fuzz(func(t *testing.T, hevc bool, a, b, c, asc []byte) {
		v := frame.Track{Codec: frame.H264, ClockRate: 90000, Params: [][]byte{a, b, c}}
		if hevc {
			v.Codec = frame.H265
		}
		s := &frame.Stream{Tracks: []frame.Track{v, {Codec: frame.AAC, ClockRate: 16000, Params: [][]byte{asc}}}}
		m, err := segment.New(s, segment.Options{})
		if err != nil {
			return
		}
		var init fmp4.Init
		_ = init.Unmarshal(bytes.NewReader(m.Init()))
	})
}

// FuzzTimes throws any clock at a muxer. Pictures always come in order, sound always without a hole.
func FuzzTimes(f *testing.F) {
	f.Add([]byte{0, 10, 1, 10, 0, 10, 1, 10, 2, 0, 0, 200, 3, 50, 1, 255}, false)
	f.Add(bytes.Repeat([]byte{0, 100, 1, 7, 3, 3, 2, 90, 4, 0}, 20), true)
	s := stubVideo(f, frame.Track{Codec: frame.Opus, ClockRate: 48000, Channels: 1})
	f.Fuzz(func(t *testing.T, script []byte, live bool) {
		var frames []*frame.Frame
		clock := [2]int64{}
		for script = script[:min(len(script), 400)]; len(script) > 1; script = script[2:] {
			op, v := script[0], int64(script[1])
			track := int(op & 1)
			switch op >> 1 & 3 {
			case 0:
				clock[track] += v
			case 1:
				clock[track] += v * 100
			case 2:
				clock[track] += v * 100_000
			case 3:
				clock[1] -= v * 1000 // only sound is not promised to be in order
			}
			p := picture(s, clock[track], op&16 == 0)
			if p.Track = track; track == 1 {
				p.Payload = [][]byte{{op & 0xfc, byte(v)}}
			}
			frames = append(frames, p)
		}
		m, data := mux(t, s, frames, 3, segment.Options{Live: live})
		if len(data) == len(m.Init()) {
			return
		}
		_, parts := parse(t, m, data)
		last := int64(-1)
		for _, p := range parts {
			for _, track := range p.Tracks {
				if track.ID == 1 && int64(track.BaseTime) <= last {
					t.Fatalf("part %d begins at %d, not behind %d", p.SequenceNumber, track.BaseTime, last)
				}
				if track.ID == 1 {
					last = int64(track.BaseTime)
					for _, s := range track.Samples[:len(track.Samples)-1] {
						if last += int64(s.Duration); s.Duration == 0 {
							t.Fatalf("part %d: two pictures at the same time", p.SequenceNumber)
						}
					}
				}
			}
		}
		sound := spans(parts, 2)
		for i := 1; i < len(sound); i++ {
			if sound[i].at < sound[i-1].at+sound[i-1].dur {
				t.Fatalf("sound: after %v comes %v", sound[i-1], sound[i])
			}
		}
	})
}
