package rtsp

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/pion/rtp"

	"cardea/camera/frame"
)

// testdata: bframes.h264 and bframes.h265 are 50 pictures of FFmpeg's testsrc by x264 and x265 with three B-frames,
// bframes.*.times the PTS and DTS that FFmpeg's muxer wrote for them; small.h264 has another size and no B-frames.

// units reads an Annex B file into access units.
func units(t testing.TB, name string) [][][]byte {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	hevc := strings.HasSuffix(name, ".h265")
	a := assembler{hevc: hevc}
	var all [][][]byte
	var au [][]byte
	slices := false
	for nal := range bytes.SplitSeq(data, []byte{0, 0, 1}) {
		nal = bytes.TrimRight(nal, "\x00")
		if len(nal) == 0 {
			continue
		}
		if slices { // one slice a picture in this material
			all, au, slices = append(all, au), nil, false
		}
		au = append(au, nal)
		slices = a.isSlice(nal)
	}
	return append(all, au)
}

// times reads PTS and DTS of each picture.
func times(t testing.TB, name string) (pts, dts []int64) {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name + ".times")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		var p, d int64
		if _, err := fmt.Sscan(line, &p, &d); err != nil {
			t.Fatal(err)
		}
		pts, dts = append(pts, p), append(dts, d)
	}
	return pts, dts
}

func h264Media() *description.Media {
	return &description.Media{Type: description.MediaTypeVideo, Formats: []format.Format{&format.H264{PayloadTyp: 96, PacketizationMode: 1}}}
}

func h265Media() *description.Media {
	return &description.Media{Type: description.MediaTypeVideo, Formats: []format.Format{&format.H265{PayloadTyp: 96}}}
}

func aacMedia() *description.Media {
	return &description.Media{Type: description.MediaTypeAudio, Formats: []format.Format{&format.MPEG4Audio{
		PayloadTyp: 97, SizeLength: 13, IndexLength: 3, IndexDeltaLength: 3,
		Config: &mpeg4audio.AudioSpecificConfig{Type: mpeg4audio.ObjectTypeAACLC, SampleRate: 48000, ChannelConfig: 2},
	}}}
}

func pcmMedia() *description.Media {
	return &description.Media{Type: description.MediaTypeAudio, Formats: []format.Format{&format.G711{PayloadTyp: 8, SampleRate: 8000, ChannelCount: 1}}}
}

// packer cuts access units into RTP packets with running sequence numbers.
type packer struct {
	t      testing.TB
	encode func([][]byte) ([]*rtp.Packet, error)
	seq    uint16
	ssrc   uint32
}

func newPacker(t testing.TB, f format.Format, mtu int) *packer {
	t.Helper()
	p := &packer{t: t, seq: 65500, ssrc: 0x1234}
	switch f := f.(type) {
	case *format.H264:
		e, err := f.CreateEncoder()
		if err != nil {
			t.Fatal(err)
		}
		e.PayloadMaxSize = mtu
		p.encode = e.Encode
	case *format.H265:
		e, err := f.CreateEncoder()
		if err != nil {
			t.Fatal(err)
		}
		e.PayloadMaxSize = mtu
		p.encode = e.Encode
	case *format.MPEG4Audio:
		e, err := f.CreateEncoder()
		if err != nil {
			t.Fatal(err)
		}
		p.encode = e.Encode
	case *format.G711:
		p.encode = func(au [][]byte) ([]*rtp.Packet, error) {
			return []*rtp.Packet{{Header: rtp.Header{Version: 2, PayloadType: 8, Marker: true}, Payload: au[0]}}, nil
		}
	default:
		t.Fatalf("no packer for %T", f)
	}
	return p
}

func (p *packer) pack(au [][]byte, ts uint32) []*rtp.Packet {
	p.t.Helper()
	pkts, err := p.encode(au)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, pkt := range pkts {
		pkt.SequenceNumber, pkt.Timestamp, pkt.SSRC = p.seq, ts, p.ssrc
		p.seq++
	}
	return pkts
}

// rig is a receiver without a network, whose time of arrival the test sets.
type rig struct {
	*receiver
	t      testing.TB
	frames []*frame.Frame
	// dead is added to the clock of the day: our own clock was stepped.
	day time.Duration
}

func newRig(t testing.TB, medias ...*description.Media) *rig {
	t.Helper()
	g := &rig{t: t}
	g.receiver = newReceiver(Config{Now: func() time.Time { return time.Now().Add(g.day) }}.withDefaults(), func(f *frame.Frame) { g.frames = append(g.frames, f) })
	if _, err := g.choose(&description.Session{Medias: medias}); err != nil {
		t.Fatal(err)
	}
	return g
}

// at delivers packets at a time since the beginning. A step of the day is what the test added.
func (g *rig) at(at time.Duration, track mediaTrack, pkts ...*rtp.Packet) {
	g.t.Helper()
	g.mu.Lock()
	g.arrivedAt, g.stepped = at, g.day-g.wall.step
	g.mu.Unlock()
	for _, p := range pkts {
		data, err := p.Marshal()
		if err != nil {
			g.t.Fatal(err)
		}
		g.rtp(track, data)
		clear(data) // what is lent is overwritten afterwards, as the read buffer is
	}
}

func (g *rig) pictures() (out []*frame.Frame) {
	for _, f := range g.frames {
		if f.Video() {
			out = append(out, f)
		}
	}
	return out
}

func sameUnits(a, b [][]byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !bytes.Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

// growing checks that DTS and Wall of each track never go back within what was delivered.
func growing(t testing.TB, frames []*frame.Frame) {
	t.Helper()
	last := map[int]*frame.Frame{}
	for i, f := range frames {
		if l := last[f.Track]; l != nil && l.Stream == f.Stream {
			if f.DTS <= l.DTS {
				t.Fatalf("frame %d of track %d: DTS %d after %d", i, f.Track, f.DTS, l.DTS)
			}
			if f.Wall.Before(l.Wall) {
				t.Fatalf("frame %d of track %d: wall %v after %v", i, f.Track, f.Wall, l.Wall)
			}
		}
		size := 0
		for _, p := range f.Payload {
			size += len(p)
		}
		if size != f.Size {
			t.Fatalf("frame %d: size %d, payload %d", i, f.Size, size)
		}
		last[f.Track] = f
	}
}

func descOf(medias ...*description.Media) *description.Session {
	return &description.Session{Medias: medias}
}
