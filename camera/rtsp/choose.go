package rtsp

import (
	"fmt"

	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
)

// choice is a media of the camera that is wanted.
type choice struct {
	media  *description.Media
	format format.Format
	track  mediaTrack
}

// choose picks the first video and the first sound that can be recorded, and notes the rest for people. It is
// called once, before any packet.
func (r *receiver) choose(desc *description.Session) ([]choice, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var chosen []choice
	var pictures, others []string
	skip := func(name, why string) { r.skipped = append(r.skipped, name+": "+why) }

	for _, m := range desc.Medias {
		if m.IsBackChannel {
			skip("back channel", "nothing is recorded of sound that goes to the camera")
			continue
		}
		taken := false
		for _, f := range m.Formats {
			name := codecName(f)
			switch {
			case m.Type == description.MediaTypeVideo:
				pictures = append(pictures, name)
				v := r.newVideo(f)
				switch {
				case v == nil:
					skip(name, "this encoding is not recorded; H.264 and H.265 are")
				case r.video != nil || taken:
					skip(name, "one video track is recorded")
				default:
					r.video, taken = v, true
					r.videoIndex = len(chosen)
					chosen = append(chosen, choice{m, f, v})
				}
			case m.Type == description.MediaTypeAudio:
				others = append(others, name)
				if r.audio != nil {
					skip(name, "one sound track is recorded")
					continue
				}
				a, why := newAudioTrack(r, len(chosen), f)
				if a == nil {
					if why == name {
						why = "this encoding is not recorded; AAC, Opus and G.711 are"
					}
					skip(name, why)
					continue
				}
				r.audio, taken = a, true
				chosen = append(chosen, choice{m, f, a})
			default:
				others = append(others, name)
				skip(fmt.Sprintf("%s (%s)", name, Short(string(m.Type))), "only video and sound are recorded")
			}
		}
	}
	if r.video == nil {
		if len(pictures) > 0 {
			return nil, ErrUnsupported{Codecs: pictures}
		}
		return nil, ErrNoVideo{Codecs: others}
	}
	return chosen, nil
}

// newVideo returns nil for a format that is not recorded.
func (r *receiver) newVideo(f format.Format) *videoTrack {
	switch f := f.(type) {
	case *format.H264:
		if f.PacketizationMode >= 2 {
			return nil
		}
		var p paramSets
		if len(f.SPS) > 0 {
			p.sps = [][]byte{f.SPS}
		}
		if len(f.PPS) > 0 {
			p.pps = [][]byte{f.PPS}
		}
		return newVideoTrack(r, f.PayloadType(), false, p)
	case *format.H265:
		if f.MaxDONDiff != 0 {
			return nil
		}
		var p paramSets
		if len(f.VPS) > 0 {
			p.vps = [][]byte{f.VPS}
		}
		if len(f.SPS) > 0 {
			p.sps = [][]byte{f.SPS}
		}
		if len(f.PPS) > 0 {
			p.pps = [][]byte{f.PPS}
		}
		return newVideoTrack(r, f.PayloadType(), true, p)
	}
	return nil
}
