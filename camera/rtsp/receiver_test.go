package rtsp

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"cardea/camera/frame"
)

const tick25 = 3600 // one picture at 25 a second, in units of 90 kHz

func TestReordersBFrames(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		file  string
		media *description.Media
	}{{"bframes.h264", h264Media()}, {"bframes.h265", h265Media()}} {
		t.Run(tc.file, func(t *testing.T) {
			aus := units(t, tc.file)
			pts, _ := times(t, tc.file)
			if len(aus) != len(pts) {
				t.Fatalf("%d units, %d times", len(aus), len(pts))
			}
			g := newRig(t, tc.media)
			p := newPacker(t, tc.media.Formats[0], 200)
			for i, au := range aus {
				g.at(time.Duration(i)*40*time.Millisecond, g.video, p.pack(au, math.MaxUint32-30000+uint32(pts[i]))...)
			}
			if len(g.frames) != len(aus) {
				t.Fatalf("%d of %d frames", len(g.frames), len(aus))
			}
			growing(t, g.frames)
			for i, f := range g.frames {
				if !sameUnits(f.Payload, aus[i]) {
					t.Fatalf("frame %d differs", i)
				}
				if f.PTS-g.frames[0].PTS != pts[i] {
					t.Errorf("frame %d: PTS %d, want %d", i, f.PTS-g.frames[0].PTS, pts[i])
				}
				if f.DTS > f.PTS {
					t.Errorf("frame %d: DTS %d after PTS %d", i, f.DTS, f.PTS)
				}
			}
			s := g.frames[0].Stream
			if v := s.Tracks[0]; v.Width != 320 || v.Height != 180 || len(v.Params) < 2 {
				t.Errorf("track %+v", v)
			}
			if !g.frames[0].Key || g.frames[1].Key {
				t.Error("key frames are not where they should be")
			}
		})
	}
}

// fill delivers n pictures without B-frames, 25 a second, from i on.
func (g *rig) fill(p *packer, from, n int, base uint32) {
	aus := units(g.t, "small.h264")
	for i := from; i < from+n; i++ {
		g.at(time.Duration(i)*40*time.Millisecond, g.video, p.pack(aus[i%len(aus)], base+uint32(i)*tick25)...)
	}
}

func TestParamsFromSDP(t *testing.T) {
	t.Parallel()
	aus := units(t, "small.h264")
	m := h264Media()
	f := m.Formats[0].(*format.H264)
	var slim [][]byte
	for _, nal := range aus[0] {
		switch nal[0] & 0x1f {
		case 7:
			f.SPS = nal
		case 8:
			f.PPS = nal
		default:
			slim = append(slim, nal)
		}
	}
	g := newRig(t, m)
	p := newPacker(t, f, 500)
	g.at(0, g.video, p.pack(slim, 0)...)
	g.at(40*time.Millisecond, g.video, p.pack(aus[1], tick25)...)
	if len(g.frames) != 2 {
		t.Fatalf("%d frames", len(g.frames))
	}
	if tr := g.frames[0].Stream.Tracks[0]; len(tr.Params) != 2 || tr.Width != 192 || tr.Height != 108 {
		t.Errorf("%+v", tr)
	}
	if !sameUnits(g.frames[0].Payload, slim) {
		t.Error("payload is not what was sent")
	}
}

func TestNewParameterSetsMakeANewStream(t *testing.T) {
	t.Parallel()
	g := newRig(t, h264Media())
	p := newPacker(t, h264Media().Formats[0], 300)
	big := units(t, "bframes.h264")
	pts, _ := times(t, "bframes.h264")
	g.fill(p, 0, 25, 0)
	for i := range 25 {
		g.at(time.Duration(25+i)*40*time.Millisecond, g.video, p.pack(big[i], 25*tick25+uint32(pts[i]))...)
	}
	g.fill(p, 50, 25, 0)
	if len(g.frames) != 75 || g.stats.Changes != 2 {
		t.Fatalf("%d frames, %d changes", len(g.frames), g.stats.Changes)
	}
	growing(t, g.frames)
	a, b, c := g.frames[0].Stream, g.frames[25].Stream, g.frames[50].Stream
	if a == b || b == c || a.Tracks[0].Width != 192 || b.Tracks[0].Width != 320 || c.Tracks[0].Width != 192 {
		t.Error("streams do not follow the parameter sets")
	}
	if g.frames[24].Stream != a || g.frames[49].Stream != b || !g.frames[25].Key {
		t.Error("the change is not at the key frame")
	}
}

func TestPicturesBetweenKeyFramesBringTheirOwnPPS(t *testing.T) {
	t.Parallel()
	g := newRig(t, h264Media())
	p := newPacker(t, h264Media().Formats[0], 1400)
	aus := units(t, "small.h264")
	g.fill(p, 0, 5, 0)
	with := append([][]byte{{0x68, 0x55, 0x66}}, aus[5]...)
	g.at(200*time.Millisecond, g.video, p.pack(with, 5*tick25)...)
	g.fill(p, 6, 30, 0)
	if len(g.frames) != 36 || g.frames[0].Stream != g.frames[35].Stream || !sameUnits(g.frames[5].Payload, with) {
		t.Errorf("%d frames, %+v", len(g.frames), g.stats)
	}
}

func TestLoss(t *testing.T) {
	t.Parallel()
	g := newRig(t, h264Media())
	p := newPacker(t, h264Media().Formats[0], 30)
	aus := units(t, "small.h264")
	sent := 0
	for i, au := range aus {
		pkts := p.pack(au, uint32(i)*tick25)
		switch {
		case i == 5 && len(pkts) > 2: // from the middle
			pkts = append(pkts[:1:1], pkts[2:]...)
		case i == 8: // the end, so the marker is missing as well
			pkts = pkts[:len(pkts)-1]
		case i == 11: // the beginning
			pkts = pkts[1:]
		case i == 14: // all of it
			pkts = nil
		}
		sent += len(pkts)
		g.at(time.Duration(i)*40*time.Millisecond, g.video, pkts...)
	}
	if g.stats.Lost == 0 || g.stats.Damaged < 2 || len(g.frames) < 21 || len(g.frames) > 22 {
		t.Errorf("%d frames of %d, stats %+v", len(g.frames), len(aus), g.stats)
	}
	growing(t, g.frames)
	for _, f := range g.frames {
		if i := f.PTS / tick25; !sameUnits(f.Payload, aus[i]) {
			t.Errorf("picture %d was delivered damaged", i)
		}
	}
	if g.frames[0].Stream != g.frames[len(g.frames)-1].Stream {
		t.Error("loss made a new stream")
	}
}

// TestTimestampWrapIsNoJump is attack case 61 of docs/attacks.md.
func TestTimestampWrapIsNoJump(t *testing.T) {
	t.Parallel()
	g := newRig(t, h264Media())
	g.fill(newPacker(t, h264Media().Formats[0], 1400), 0, 50, math.MaxUint32-20*tick25)
	if g.stats.Jumps != 0 || len(g.frames) != 50 {
		t.Fatalf("%d frames, %+v", len(g.frames), g.stats)
	}
	for i, f := range g.frames {
		if f.PTS-g.frames[0].PTS != int64(i)*tick25 {
			t.Fatalf("frame %d: PTS %d", i, f.PTS)
		}
	}
}

// TestTimestampJumps is attack case 61 of docs/attacks.md.
func TestTimestampJumps(t *testing.T) {
	t.Parallel()
	for name, jump := range map[string]uint32{"ahead": 3600 * 90000, "back": math.MaxUint32 - 3600*90000, "far": 1 << 31} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, h264Media())
			p := newPacker(t, h264Media().Formats[0], 1400)
			g.fill(p, 0, 30, 500)
			g.fill(p, 30, 45, 500+jump) // from the middle of a group of pictures to beyond the next key frame
			if len(g.frames) != 75 || g.stats.Jumps != 1 {
				t.Fatalf("%d frames, %+v", len(g.frames), g.stats)
			}
			last := g.frames[0]
			for i, f := range g.frames[1:] {
				if d := f.DTS - last.DTS; d <= 0 || d > 2*tick25 {
					t.Fatalf("frame %d: DTS %d after %d", i+1, f.DTS, last.DTS)
				}
				if d := f.Wall.Sub(last.Wall); d < 0 || d > 100*time.Millisecond {
					t.Fatalf("frame %d: wall moved by %v", i+1, d)
				}
				last = f
			}
			if g.frames[0].Stream == g.frames[74].Stream || g.frames[49].Stream != g.frames[0].Stream || !g.frames[50].Key {
				t.Error("the new stream does not begin at the key frame after the jump")
			}
		})
	}
}

func TestStuckTimestamps(t *testing.T) {
	t.Parallel()
	g := newRig(t, h264Media())
	p := newPacker(t, h264Media().Formats[0], 1400)
	aus := units(t, "small.h264")
	for i := range 1000 {
		g.at(time.Duration(i)*40*time.Millisecond, g.video, p.pack(aus[i%len(aus)], 77)...)
	}
	if g.stats.Jumps == 0 {
		t.Error("not noticed")
	}
	growing(t, g.frames)
	if late := g.time(999 * 40 * time.Millisecond).Sub(g.frames[len(g.frames)-1].Wall); late > 15*time.Second {
		t.Errorf("wall clock is %v behind", late)
	}
}

func TestRestartedSource(t *testing.T) {
	t.Parallel()
	g := newRig(t, h264Media())
	p := newPacker(t, h264Media().Formats[0], 1400)
	g.fill(p, 0, 25, 0)
	p.ssrc, p.seq = 99, 7
	g.fill(p, 25, 25, 123456789) // the first packet of the new source, with its key frame, is not believed
	g.fill(p, 50, 25, 123456789)
	growing(t, g.frames)
	if n := len(g.frames); n < 70 || g.frames[0].Stream == g.frames[n-1].Stream {
		t.Errorf("%d frames, same stream %v", n, g.frames[0].Stream == g.frames[n-1].Stream)
	}
	if g.stats.Jumps != 1 {
		t.Errorf("%+v", g.stats)
	}
}

func TestEndlessGOP(t *testing.T) {
	t.Parallel()
	g := newRig(t, h264Media())
	p := newPacker(t, h264Media().Formats[0], 1400)
	aus := units(t, "small.h264")
	g.at(0, g.video, p.pack(aus[0], 0)...)
	for i := 1; i < 2000; i++ {
		g.at(time.Duration(i)*40*time.Millisecond, g.video, p.pack(aus[1+i%24], uint32(i)*tick25)...)
	}
	if len(g.frames) != 2000 || g.stats.KeyFrames != 1 {
		t.Fatalf("%d frames, %+v", len(g.frames), g.stats)
	}
	growing(t, g.frames)
}

func TestNothingBeforeTheFirstKeyFrame(t *testing.T) {
	t.Parallel()
	g := newRig(t, h264Media(), pcmMedia())
	p, a := newPacker(t, h264Media().Formats[0], 1400), newPacker(t, pcmMedia().Formats[0], 0)
	for i := 3; i < 25; i++ {
		at := time.Duration(i) * 40 * time.Millisecond
		g.at(at, g.audio, a.pack([][]byte{make([]byte, 320)}, uint32(i)*320)...)
		g.fill(p, i, 1, 0)
	}
	if len(g.frames) != 0 {
		t.Fatalf("%d frames", len(g.frames))
	}
	if g.stats.LastPicture.IsZero() {
		t.Error("the pictures that were left out do not count for the stall detector")
	}
	g.fill(p, 25, 2, 0)
	if len(g.frames) != 2 || !g.frames[0].Key {
		t.Fatalf("%d frames", len(g.frames))
	}
}

// TestEndlessFragment is attack case 59 of docs/attacks.md.
func TestEndlessFragment(t *testing.T) {
	t.Parallel()
	g := newRig(t, h264Media())
	p := newPacker(t, h264Media().Formats[0], 1400)
	g.fill(p, 0, 5, 0)
	chunk := bytes.Repeat([]byte{0xaa}, 60000)
	for i := range 2000 { // 120 MB
		fu := byte(0x05)
		if i == 0 {
			fu |= 0x80
		}
		g.at(200*time.Millisecond, g.video, &rtp.Packet{
			Header:  rtp.Header{Version: 2, PayloadType: 96, SSRC: p.ssrc, SequenceNumber: p.seq, Timestamp: 5 * tick25},
			Payload: append([]byte{0x7c, fu}, chunk...),
		})
		p.seq++
		if held := cap(g.video.units.data); held > 2*g.cfg.MaxFrame {
			t.Fatalf("%d bytes held", held)
		}
	}
	if g.stats.Oversize != 1 {
		t.Errorf("%+v", g.stats)
	}
	g.fill(p, 6, 5, 0)
	if len(g.frames) != 10 || cap(g.video.units.data) > 1<<20 {
		t.Errorf("%d frames, %d bytes held", len(g.frames), cap(g.video.units.data))
	}
}

// TestManySmallUnits is attack case 59 of docs/attacks.md.
func TestManySmallUnits(t *testing.T) {
	t.Parallel()
	g := newRig(t, h264Media())
	p := newPacker(t, h264Media().Formats[0], 1400)
	g.fill(p, 0, 1, 0)
	for range 5000 {
		g.at(40*time.Millisecond, g.video, &rtp.Packet{
			Header:  rtp.Header{Version: 2, PayloadType: 96, SSRC: p.ssrc, SequenceNumber: p.seq, Timestamp: tick25},
			Payload: []byte{6, 1},
		})
		p.seq++
	}
	g.fill(p, 2, 1, 0)
	if g.stats.Oversize != 1 || len(g.frames) != 2 {
		t.Errorf("%d frames, %+v", len(g.frames), g.stats)
	}
}

func senderReport(ssrc uint32, ntp time.Time, ts uint32) []byte {
	v := uint64(ntp.Unix()+2208988800)<<32 | uint64(ntp.Nanosecond())<<32/1e9
	b, _ := (&rtcp.SenderReport{SSRC: ssrc, NTPTime: v, RTPTime: ts}).Marshal()
	return b
}

// TestNTPTime: the seconds of NTP begin anew in February 2036.
func TestNTPTime(t *testing.T) {
	for _, years := range [][2]int{{2026, 1970}, {2026, 2026}, {2026, 2040}, {2035, 2037}, {2037, 2035}, {2040, 2040}, {2099, 2099}, {2099, 2040}} {
		near, at := time.Date(years[0], 6, 1, 0, 0, 0, 0, time.UTC), time.Date(years[1], 3, 4, 5, 6, 7, 500_000_000, time.UTC)
		v := uint64(uint32(at.Unix()+2208988800))<<32 | 1<<31
		if got := ntpTime(v, near); !got.Equal(at) {
			t.Errorf("in %d, %v reads %v", years[0], at, got)
		}
	}
}

func TestWrongCameraClock(t *testing.T) {
	t.Parallel()
	g := newRig(t, h264Media())
	p := newPacker(t, h264Media().Formats[0], 1400)
	g.fill(p, 0, 5, 0)
	g.rtcp(g.video, senderReport(p.ssrc, time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), 4*tick25))
	g.fill(p, 5, 20, 0)
	for i, f := range g.frames {
		want := g.wall.beginDay.Add(time.Duration(i) * 40 * time.Millisecond)
		if d := f.Wall.Sub(want); d > time.Second || d < -time.Second {
			t.Fatalf("frame %d: wall is off by %v", i, d)
		}
	}
	if !g.stats.ClockKnown || g.stats.ClockOffset > -20*365*24*time.Hour {
		t.Errorf("offset %v", g.stats.ClockOffset)
	}
	for _, garbage := range [][]byte{nil, {0x80}, {0x80, 200, 0xff, 0xff}, bytes.Repeat([]byte{0x80, 200, 0, 1}, 9)} {
		g.rtcp(g.video, garbage)
	}
}

func TestSoundFitsThePicture(t *testing.T) {
	t.Parallel()
	// The camera's reports say that sound is 100 ms later than the time of arrival suggests.
	g := newRig(t, h264Media(), aacMedia())
	p, a := newPacker(t, h264Media().Formats[0], 1400), newPacker(t, aacMedia().Formats[0], 0)
	au := bytes.Repeat([]byte{0x21}, 200)
	ntp := time.Date(2001, 5, 5, 5, 5, 5, 0, time.UTC)
	var sound uint32 = 4000000000
	for i := range 100 {
		at := time.Duration(i) * 40 * time.Millisecond
		g.fill(p, i, 1, 90)
		for range 2 {
			g.at(at, g.audio, a.pack([][]byte{au}, sound)...)
			sound += 1024
		}
		if i == 50 {
			g.rtcp(g.video, senderReport(p.ssrc, ntp, 90+50*tick25))
			// The sound packet sent now belongs to 100 ms after the picture.
			g.rtcp(g.audio, senderReport(a.ssrc, ntp, sound-4800))
		}
	}
	growing(t, g.frames)
	var picture, last *frame.Frame
	for _, f := range g.frames {
		if f.Video() {
			picture = f
		} else {
			last = f
		}
	}
	if n := g.stats.Samples; n < 180 {
		t.Errorf("%d of 200 samples", n)
	}
	if last.Stream.Tracks[last.Track].Codec != frame.AAC || len(last.Stream.Tracks[last.Track].Params) != 1 {
		t.Errorf("%+v", last.Stream.Tracks)
	}
	v := float64(picture.PTS) / 90000
	s := float64(last.PTS) / 48000
	// 50 pictures (2 s) and 100 sounds of 1024 (2.13 s) later the difference has grown by what was sent.
	if diff := s - v; math.Abs(diff-(0.1+0.133)) > 0.03 {
		t.Errorf("sound is %.3f s after the picture", diff)
	}
}

func TestMissingSound(t *testing.T) {
	t.Parallel()
	g := newRig(t, h264Media(), aacMedia())
	g.fill(newPacker(t, h264Media().Formats[0], 1400), 0, 25, 0)
	g.wall.begin = g.wall.begin.Add(-time.Minute)
	if !g.publish(1).AudioSilent {
		t.Error("not shown")
	}
	if len(g.frames) != 25 || len(g.frames[0].Stream.Tracks) != 2 {
		t.Errorf("%d frames", len(g.frames))
	}
}

func TestOurClockIsStepped(t *testing.T) {
	t.Parallel()
	g := newRig(t, h264Media())
	p := newPacker(t, h264Media().Formats[0], 1400)
	g.fill(p, 0, 30, 0)
	g.day = 50 * 365 * 24 * time.Hour // a Pi that got the time
	g.fill(p, 30, 45, 0)
	if len(g.frames) != 75 {
		t.Fatalf("%d frames", len(g.frames))
	}
	if g.frames[49].Stream != g.frames[0].Stream || g.frames[50].Stream == g.frames[0].Stream {
		t.Error("no new stream at the next key frame")
	}
	if d := g.frames[50].Wall.Sub(g.frames[49].Wall); d < g.day || d > g.day+time.Second {
		t.Errorf("wall moved by %v", d)
	}
	growing(t, g.frames)
}

func TestDriftIsFollowed(t *testing.T) {
	t.Parallel()
	g := newRig(t, h264Media())
	p := newPacker(t, h264Media().Formats[0], 1400)
	aus := units(t, "small.h264")
	const n = 5000
	for i := range n { // 1000 ppm slow, and up to 30 ms of jitter
		at := time.Duration(i)*40*time.Millisecond + time.Duration(i*7919%30)*time.Millisecond
		g.at(at, g.video, p.pack(aus[i%len(aus)], uint32(float64(i)*tick25*0.999))...)
	}
	growing(t, g.frames)
	want := g.wall.beginDay.Add((n - 1) * 40 * time.Millisecond)
	if d := g.frames[n-1].Wall.Sub(want); d > 40*time.Millisecond || d < -40*time.Millisecond {
		t.Errorf("wall is off by %v after 200 s", d)
	}
	if g.stats.Jumps != 0 {
		t.Errorf("%+v", g.stats)
	}
}

func TestOddPacking(t *testing.T) {
	t.Parallel()
	au := units(t, "small.h264")[0]
	whole := bytes.Join(au, []byte{0, 0, 0, 1})
	pkt := func(payload []byte, ts uint32, marker bool) *rtp.Packet {
		return &rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: 96, Marker: marker, Timestamp: ts, SSRC: 1}, Payload: payload}
	}
	var marked, ownTime []*rtp.Packet
	for i, nal := range au {
		marked = append(marked, pkt(nal, 9, true))
		ownTime = append(ownTime, pkt(nal, uint32(i), false))
	}
	next := pkt(units(t, "small.h264")[1][0], 3600, true)
	for name, pkts := range map[string][]*rtp.Packet{
		"a marker on each unit":       marked,
		"timestamps on each unit":     append(ownTime, next),
		"Annex B in one packet":       {pkt(whole, 9, true)},
		"Annex B with a leading code": {pkt(append([]byte{0, 0, 0, 1}, whole...), 9, true)},
		"no markers":                  {pkt(whole, 9, false), next},
		"empty packets":               append([]*rtp.Packet{pkt(nil, 9, false)}, marked...),
		"padding after an aggregate":  {pkt(stap(au, []byte{0, 0, 0, 0}), 9, true)},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, h264Media())
			for i, p := range pkts {
				p.SequenceNumber = uint16(i)
			}
			g.at(0, g.video, pkts...)
			if len(g.frames) == 0 || !sameUnits(g.frames[0].Payload, au) {
				t.Errorf("%d frames, %+v", len(g.frames), g.stats)
			}
		})
	}
}

func stap(nals [][]byte, padding []byte) []byte {
	b := []byte{24}
	for _, n := range nals {
		b = binary.BigEndian.AppendUint16(b, uint16(len(n)))
		b = append(b, n...)
	}
	return append(b, padding...)
}

func TestSlicesMarkedOneByOne(t *testing.T) {
	t.Parallel()
	// A camera that sets the marker on each of several slices: understood after the first picture.
	g := newRig(t, h264Media())
	au := units(t, "small.h264")[0]
	seq := uint16(0)
	push := func(payload []byte, ts uint32) {
		g.at(time.Duration(ts)*time.Second/90000, g.video, &rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: 96, Marker: true, Timestamp: ts, SSRC: 1, SequenceNumber: seq}, Payload: payload})
		seq++
	}
	for i := range uint32(10) {
		if i == 0 {
			for _, nal := range au {
				push(nal, 0)
			}
		} else {
			push([]byte{0x41, 0x80, 1, 2, 3}, i*tick25)
		}
		push([]byte{0x41, 0x40, 1, 2, 3}, i*tick25)
		push([]byte{0x41, 0x30, 1, 2, 3}, i*tick25)
	}
	pics := g.pictures()
	if len(pics) < 8 || len(pics[len(pics)-1].Payload) != 3 {
		t.Errorf("%d pictures, %+v", len(pics), g.stats)
	}
}

func TestChoosesTracks(t *testing.T) {
	t.Parallel()
	mjpeg := &description.Media{Type: description.MediaTypeVideo, Formats: []format.Format{&format.MJPEG{}}}
	meta := &description.Media{Type: description.MediaTypeApplication, Formats: []format.Format{&format.Generic{PayloadTyp: 107, RTPMa: "vnd.onvif.metadata/90000", ClockRat: 90000}}}
	back := pcmMedia()
	back.IsBackChannel = true
	g := newRig(t, meta, pcmMedia(), mjpeg, h264Media(), h265Media(), aacMedia(), back)
	if g.video == nil || g.audio == nil || g.audio.track.Codec != frame.PCMA {
		t.Fatal("wrong choice")
	}
	if len(g.skipped) != 5 {
		t.Errorf("skipped %q", g.skipped)
	}
	g.fill(newPacker(t, h264Media().Formats[0], 1400), 0, 1, 0)
	if f := g.frames[0]; f.Track != 1 || f.Stream.Video() != 1 || len(f.Stream.Skipped) != 5 {
		t.Errorf("%+v", f.Stream)
	}
	for want, medias := range map[string][]*description.Media{
		ErrUnsupported{Codecs: []string{"M-JPEG"}}.Error(): {mjpeg, pcmMedia()},
		ErrNoVideo{Codecs: []string{"G711"}}.Error():       {pcmMedia()},
		ErrNoVideo{}.Error():                               nil,
	} {
		r := newReceiver(Config{}.withDefaults(), nil)
		if _, err := r.choose(&description.Session{Medias: medias}); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestFrameAllocations(t *testing.T) {
	g := newRig(t, h264Media())
	p := newPacker(t, h264Media().Formats[0], 1400)
	g.fill(p, 0, 100, 0)
	au := units(t, "small.h264")[3]
	g.frames = make([]*frame.Frame, 0, 5000)
	i := uint32(100)
	allocs := testing.AllocsPerRun(200, func() {
		g.video.units.push(au[0], i*tick25, true, false)
		i++
	})
	if allocs > 2 {
		t.Errorf("%.1f allocations a picture", allocs)
	}
}
