package agent

import (
	"slices"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/pion/rtp"
)

// described is what readers are told of the stream, with its back channel for G.711 µ-law where it has one (ONVIF Streaming
// Specification 5.3). The library leaves that out for readers who do not ask.
func (s *stream) described() *description.Session {
	if s.hear == nil {
		return s.desc
	}
	with := *s.desc
	with.Medias = append(slices.Clone(s.desc.Medias), &description.Media{
		Type: description.MediaTypeAudio, IsBackChannel: true,
		Formats: []format.Format{&format.G711{PayloadTyp: 0, MULaw: true, SampleRate: 8000, ChannelCount: 1}},
	})
	return &with
}

// listen hands on what a session says.
func (s *stream) listen(session *gortsplib.ServerSession) {
	if s.hear == nil {
		return
	}
	session.OnPacketRTPAny(func(m *description.Media, _ format.Format, p *rtp.Packet) {
		if m.IsBackChannel {
			s.hear(p.Payload)
		}
	})
}
