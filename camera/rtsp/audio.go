package rtsp

import (
	"bytes"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/opus"
	"github.com/pion/rtp"

	"cardea/camera/frame"
)

const (
	// silence is how long a track for sound may bring nothing before that is shown.
	silence = 15 * time.Second
	// realign is the smallest error between sound and picture that is put right, maxRealign the largest that a
	// sender report is believed.
	realign    = 60 * time.Millisecond
	maxRealign = 5 * time.Second
)

// audioTrack turns the packets of the track for sound into frames.
type audioTrack struct {
	r       *receiver
	index   int
	payload uint8
	track   frame.Track
	seq     sequence
	clock   trackClock
	// split takes a packet apart into access units, each of step units.
	split func(p *rtp.Packet) ([][]byte, error)
	// step returns how long an access unit is, in units of the clock.
	step func(au []byte) int64

	// offset is what the count has to be moved by to fit the video's media time.
	offset   int64
	placed   bool
	reported bool // offset came from sender reports
	lastDTS  int64
	begun    bool
	lastWall time.Time
	heard    time.Duration
	stamp    int64 // of the packet in hand
}

// sample is one allocation for a frame of sound.
type sample struct {
	frame.Frame
	one [1][]byte
}

// newAudioTrack returns nil and the reason when the format is not one that is recorded.
func newAudioTrack(r *receiver, index int, f format.Format) (*audioTrack, string) {
	a := &audioTrack{r: r, index: index, payload: f.PayloadType()}
	switch f := f.(type) {
	case *format.MPEG4Audio:
		if f.Config == nil || f.ClockRate() <= 0 {
			return nil, "AAC without a configuration"
		}
		config, err := f.Config.Marshal()
		if err != nil {
			return nil, "AAC with a configuration that cannot be read"
		}
		channels := int(f.Config.ChannelConfig) // 1 and 2 are that many channels, ISO/IEC 14496-3 table 1.19
		if channels < 1 || channels > 2 {
			return nil, "AAC with more than two channels"
		}
		dec, err := f.CreateDecoder()
		if err != nil {
			return nil, "AAC in a form that is not known"
		}
		a.track = frame.Track{Codec: frame.AAC, Params: [][]byte{config}, SampleRate: f.Config.SampleRate, Channels: channels}
		a.split = func(p *rtp.Packet) ([][]byte, error) {
			// The decoder returns parts of the payload, which is only lent.
			p.Payload = bytes.Clone(p.Payload)
			return dec.Decode(p)
		}
		size := int64(mpeg4audio.SamplesPerAccessUnit) * int64(f.ClockRate()) / int64(max(f.Config.SampleRate, 1))
		a.step = func([]byte) int64 { return size }
	case *format.Opus:
		if f.ChannelCount > 2 {
			return nil, "Opus with more than two channels"
		}
		a.track = frame.Track{Codec: frame.Opus, SampleRate: 48000, Channels: f.ChannelCount}
		a.split = whole1
		a.step = opus.PacketDuration2
	case *format.G711:
		if f.ChannelCount > 2 || f.SampleRate != 8000 {
			return nil, "G.711 other than 8 kHz"
		}
		a.track = frame.Track{Codec: frame.PCMA, SampleRate: f.SampleRate, Channels: f.ChannelCount}
		if f.MULaw {
			a.track.Codec = frame.PCMU
		}
		a.split = whole1
		a.step = func(au []byte) int64 { return int64(len(au) / f.ChannelCount) }
	default:
		return nil, codecName(f)
	}
	a.track.ClockRate = f.ClockRate()
	a.clock.rate = f.ClockRate()
	return a, ""
}

func whole1(p *rtp.Packet) ([][]byte, error) {
	if len(p.Payload) == 0 {
		return nil, nil
	}
	return [][]byte{bytes.Clone(p.Payload)}, nil
}

func (a *audioTrack) payloadType() uint8  { return a.payload }
func (a *audioTrack) timing() *trackClock { return &a.clock }

func (a *audioTrack) packet(p *rtp.Packet, arrival, _ time.Duration) {
	r := a.r
	lost, fit, restarted := a.seq.next(p.SequenceNumber, p.SSRC)
	if !fit {
		return
	}
	r.stats.Lost += uint64(lost)
	if restarted {
		a.clock.torn = a.clock.started
	}
	a.heard = arrival
	if r.sparse > 0 {
		return
	}
	count, broken := a.clock.advance(p.Timestamp, arrival)
	if broken {
		a.placed = false
	}
	aus, err := a.split(p)
	if err != nil || r.stream == nil || !r.wall.anchored {
		return // Fragments are no error worth counting; sound before the first picture has no place.
	}
	a.place(count, arrival)
	a.stamp = readStamp(p)
	for _, au := range aus {
		a.deliver(au, count+a.offset)
		count += a.step(au)
	}
}

// place fits the track's count to the video's media time: by sender reports where both tracks have them, else by
// arrival. It does so again when the two have drifted apart.
func (a *audioTrack) place(count int64, arrival time.Duration) {
	late := arrival - a.r.wall.anchor - a.clock.duration(count+a.offset)
	if a.placed && late < maxLate+time.Second && late > -time.Second {
		return
	}
	a.offset = a.clock.units(arrival-a.r.wall.anchor) - count
	a.placed, a.reported = true, false
	a.align()
}

// align uses what sender reports say about the difference between the two tracks.
func (a *audioTrack) align() {
	if !a.placed || a.r.video == nil {
		return
	}
	audio, ok := a.clock.origin()
	video, vok := a.r.video.clock.origin()
	if !ok || !vok {
		return
	}
	offset := a.clock.units(audio.Sub(video))
	diff := a.clock.duration(offset - a.offset)
	if diff > maxRealign || diff < -maxRealign {
		return
	}
	if a.reported && diff < realign && diff > -realign {
		return
	}
	a.offset, a.reported = offset, true
}

func (a *audioTrack) deliver(au []byte, pts int64) {
	r := a.r
	if len(au) == 0 || len(au) > r.cfg.MaxFrame {
		return
	}
	if a.begun && pts <= a.lastDTS {
		return // Moved back to fit the picture: what overlaps is left out.
	}
	s := &sample{}
	s.one[0] = au
	s.Stream, s.Track, s.PTS, s.DTS, s.Key, s.Payload, s.Size = r.stream, a.index, pts, pts, true, s.one[:], len(au)
	s.Stamp = a.stamp
	s.Wall = r.wall.wall(a.clock.duration(pts))
	if a.lastWall.After(s.Wall) {
		s.Wall = a.lastWall.Add(time.Microsecond)
	}
	a.lastDTS, a.begun, a.lastWall = pts, true, s.Wall
	r.stats.Samples++
	r.sink(&s.Frame)
}

// codecName names a format for people.
func codecName(f format.Format) string {
	if name := f.Codec(); name != "" && name != "Generic" {
		return name
	}
	if m := f.RTPMap(); m != "" {
		return Short(m)
	}
	return "an unknown encoding"
}
