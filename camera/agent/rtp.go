package agent

import (
	"fmt"
	"math/rand/v2"

	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/bluenviron/gortsplib/v4/pkg/format/rtph264"
	"github.com/bluenviron/gortsplib/v4/pkg/format/rtph265"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/pion/rtp"

	"cardea/camera/frame"
	"cardea/camera/rtsp"
)

// packetizer cuts one access unit into RTP packets, the marker bit set, timestamps left to the caller.
type packetizer func(payload [][]byte) ([]*rtp.Packet, error)

// mediaSet turns the frames of a stream into RTP.
type mediaSet struct {
	desc  *description.Session
	cut   []packetizer
	start []uint32 // the random first timestamp of each track (RFC 3550, section 5.1)
}

// newMediaSet describes a stream in SDP terms. It fails on a codec that has no payload format here.
func newMediaSet(s *frame.Stream) (mediaSet, error) {
	m := mediaSet{desc: &description.Session{Title: "Cardea"}}
	for i := range s.Tracks {
		t := &s.Tracks[i]
		kind := description.MediaTypeAudio
		if t.Codec.Video() {
			kind = description.MediaTypeVideo
		}
		forma, cut, err := rtpFormat(t, uint8(96+i))
		if err != nil {
			return mediaSet{}, err
		}
		m.desc.Medias = append(m.desc.Medias, &description.Media{Type: kind, Formats: []format.Format{forma}})
		m.cut = append(m.cut, cut)
		m.start = append(m.start, rand.Uint32())
	}
	return m, nil
}

// packets returns the RTP packets of a frame with their timestamps.
func (m *mediaSet) packets(f *frame.Frame) ([]*rtp.Packet, error) {
	packets, err := m.cut[f.Track](f.Payload)
	if err != nil {
		return nil, err
	}
	for _, p := range packets {
		p.Timestamp = m.start[f.Track] + uint32(f.PTS)
	}
	return packets, nil
}

// payloadBytes leaves room for rtsp.PutStamp in the first packet of what would just fit into a datagram.
const payloadBytes = 1450 - rtsp.StampBytes

// rtpFormat chooses the payload format of a track.
func rtpFormat(t *frame.Track, payloadType uint8) (format.Format, packetizer, error) {
	switch t.Codec {
	case frame.H264:
		if len(t.Params) != 2 {
			return nil, nil, fmt.Errorf("H.264 with %d parameter sets in place of 2", len(t.Params))
		}
		f := &format.H264{PayloadTyp: payloadType, SPS: t.Params[0], PPS: t.Params[1], PacketizationMode: 1}
		e := &rtph264.Encoder{PayloadType: payloadType, PayloadMaxSize: payloadBytes, PacketizationMode: 1}
		if err := e.Init(); err != nil {
			return nil, nil, err
		}
		return f, e.Encode, nil
	case frame.H265:
		if len(t.Params) != 3 {
			return nil, nil, fmt.Errorf("H.265 with %d parameter sets in place of 3", len(t.Params))
		}
		f := &format.H265{PayloadTyp: payloadType, VPS: t.Params[0], SPS: t.Params[1], PPS: t.Params[2]}
		e := &rtph265.Encoder{PayloadType: payloadType, PayloadMaxSize: payloadBytes}
		if err := e.Init(); err != nil {
			return nil, nil, err
		}
		return f, e.Encode, nil
	case frame.AAC:
		var c mpeg4audio.AudioSpecificConfig
		if len(t.Params) != 1 {
			return nil, nil, fmt.Errorf("AAC with %d configurations in place of 1", len(t.Params))
		}
		if err := c.Unmarshal(t.Params[0]); err != nil {
			return nil, nil, fmt.Errorf("AAC configuration: %w", err)
		}
		f := &format.MPEG4Audio{PayloadTyp: payloadType, Config: &c, SizeLength: 13, IndexLength: 3, IndexDeltaLength: 3}
		e, err := f.CreateEncoder()
		if err != nil {
			return nil, nil, err
		}
		return f, e.Encode, nil
	case frame.Opus:
		f := &format.Opus{PayloadTyp: payloadType, ChannelCount: t.Channels}
		e, err := f.CreateEncoder()
		if err != nil {
			return nil, nil, err
		}
		return f, one(e.Encode), nil
	case frame.PCMA, frame.PCMU:
		f := &format.G711{
			PayloadTyp: payloadType, MULaw: t.Codec == frame.PCMU, SampleRate: t.SampleRate, ChannelCount: t.Channels,
		}
		if t.SampleRate == 8000 && t.Channels == 1 { // the static types of RFC 3551
			f.PayloadTyp = 8
			if f.MULaw {
				f.PayloadTyp = 0
			}
		}
		e, err := f.CreateEncoder()
		if err != nil {
			return nil, nil, err
		}
		return f, func(payload [][]byte) ([]*rtp.Packet, error) {
			if len(payload) != 1 {
				return nil, fmt.Errorf("G.711 in %d pieces", len(payload))
			}
			return e.Encode(payload[0])
		}, nil
	}
	return nil, nil, fmt.Errorf("codec %q cannot be served", t.Codec)
}

// one adapts an encoder that makes exactly one packet.
func one(encode func([]byte) (*rtp.Packet, error)) packetizer {
	return func(payload [][]byte) ([]*rtp.Packet, error) {
		if len(payload) != 1 {
			return nil, fmt.Errorf("an audio frame in %d pieces", len(payload))
		}
		p, err := encode(payload[0])
		if err != nil {
			return nil, err
		}
		return []*rtp.Packet{p}, nil
	}
}
