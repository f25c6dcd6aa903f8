package rtsp

import (
	"encoding/binary"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"
	"github.com/pion/rtp"
)

// SetSparse says that one key frame in each time of at least every is all that is wanted: the rest is dropped packet by packet,
// before anything is allocated for it, and so is sound. 0 ends that; frames go on at the next key frame. It may be called at any
// time.
func (s *Session) SetSparse(every time.Duration) {
	s.mu.Lock()
	s.sparse = every
	recv := s.recv
	s.mu.Unlock()
	if recv != nil {
		recv.setSparse(every)
	}
}

func (r *receiver) setSparse(every time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if v := r.video; v != nil && (r.sparse > 0) != (every > 0) {
		v.rejoin, v.taking = every == 0, false
		v.units.clear() // the rest of what was begun is not waited for
	}
	r.sparse = every
}

// skim reports whether a packet belongs to a key frame that is wanted while the receiver is sparse. Units are told apart by their
// timestamps.
func (v *videoTrack) skim(p *rtp.Packet) bool {
	v.r.stats.LastPicture = v.r.time(v.arrival) // the stall detector must know that they come
	if v.taking && p.Timestamp != v.takingTS {
		v.taking = false
		if v.units.slices || v.units.bad != whole {
			v.units.flush() // a camera without marker bits
		}
	}
	if !v.taking && (!v.tookOne || v.arrival-v.took >= v.r.sparse) && v.beginsKey(p.Payload) {
		v.taking, v.takingTS = true, p.Timestamp
	}
	if !v.taking && p.Marker {
		v.r.stats.Pictures++
	}
	return v.taking
}

// beginsKey reports whether a payload is where a key frame, or the parameter sets in front of one, begin.
func (v *videoTrack) beginsKey(p []byte) bool {
	if v.hevc {
		return begins265(p)
	}
	return begins264(p)
}

func begins264(p []byte) bool {
	if len(p) < 2 {
		return false
	}
	switch h264.NALUType(p[0] & 0x1f) {
	case h264.NALUTypeSPS, h264.NALUTypeIDR:
		return true
	case h264.NALUTypeFUA:
		return p[1]&0x80 != 0 && h264.NALUType(p[1]&0x1f) == h264.NALUTypeIDR
	case h264.NALUTypeSTAPA:
		return anyUnit(p[1:], begins264)
	case 0:
		return annexB(p, begins264)
	}
	return false
}

func begins265(p []byte) bool {
	if len(p) < 3 {
		return false
	}
	if p[0] == 0 && p[1] == 0 {
		return annexB(p, begins265)
	}
	kind := p[0] >> 1 & 0x3f
	switch h265.NALUType(kind) {
	case h265.NALUType_VPS_NUT, h265.NALUType_SPS_NUT:
		return true
	case h265.NALUType_FragmentationUnit:
		kind = p[2] & 0x3f
		return p[2]&0x80 != 0 && kind >= 16 && kind <= 21
	case h265.NALUType_AggregationUnit:
		return anyUnit(p[2:], begins265)
	}
	return kind >= 16 && kind <= 21
}

// annexB looks behind a start code that stands where none belongs (see assembler.closeNAL).
func annexB(p []byte, begins func([]byte) bool) bool {
	for i := 0; i < 2 && len(p) > 4 && p[0] == 0 && p[1] == 0; i++ {
		if p[2] == 1 {
			return begins(p[3:])
		}
		p = p[1:]
	}
	return false
}

// anyUnit looks at the units of a STAP-A or AP.
func anyUnit(p []byte, begins func([]byte) bool) bool {
	for len(p) > 2 {
		size := int(binary.BigEndian.Uint16(p))
		p = p[2:]
		if size == 0 || size > len(p) {
			return false
		}
		if begins(p[:size]) {
			return true
		}
		p = p[size:]
	}
	return false
}

// SubHeader is in the answer to DESCRIBE of our own camera agent: the path of a smaller stream of the same pictures.
const SubHeader = "X-Cardea-Sub"

// setSub believes a path of plain characters.
func (r *receiver) setSub(path string) {
	if len(path) > 200 {
		return
	}
	for _, c := range []byte(path) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '/' {
			return
		}
	}
	r.mu.Lock()
	r.stats.Sub = path
	r.mu.Unlock()
}
