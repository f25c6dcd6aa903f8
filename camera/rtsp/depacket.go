package rtsp

import (
	"bytes"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"
)

// maxNALs bounds the NAL units of one access unit; 4K pictures of 16 slices with SEI stay far below.
const maxNALs = 1024

// verdict says what became of an access unit.
type verdict int

const (
	whole verdict = iota
	damaged
	oversize
)

// assembler joins RTP payloads into access units: H.264 by RFC 6184 (single NAL unit, STAP-A, FU-A), H.265 by
// RFC 7798 (single, AP, FU). It gathers one access unit in a buffer that it keeps, so that the unit is allocated
// once, at its exact size, when it is complete; memory never exceeds limit whatever the camera sends.
//
// An access unit ends with the marker bit or when the timestamp changes, but not before it holds a slice: cameras
// that mark every NAL unit, or give parameter sets a timestamp of their own, are understood.
type assembler struct {
	hevc  bool
	limit int
	// done is called with each access unit: NAL unit i ends at ends[i] of data and begins where the one before
	// ended; both are valid during the call only, and nil unless v is whole. ts is its RTP timestamp.
	done func(v verdict, data []byte, ends []int, ts uint32)

	data []byte
	ends []int
	ts   uint32
	// open: something of an access unit was seen; slices: a slice was; partial: inside a fragmented NAL unit.
	open, slices, partial bool
	bad                   verdict
	// suspect: packets were lost just before this unit, so its beginning may be missing.
	suspect bool
	// unmarked: the camera sets the marker on each slice, so only timestamps tell units apart.
	unmarked bool
	finished uint32
	any      bool
	// largest is the largest unit since the buffer was last trimmed, count the units.
	largest, count int
}

// push takes one RTP payload. lost says that packets are missing before it.
func (a *assembler) push(payload []byte, ts uint32, marker, lost bool) {
	if lost {
		a.partial = false
		if a.open {
			a.bad = max(a.bad, damaged)
			if ts == a.ts {
				lost = false // The loss is accounted for by this unit.
			}
		}
	}
	if a.open && ts != a.ts {
		if a.partial { // Its end never came.
			a.partial = false
			a.bad = max(a.bad, damaged)
		}
		if a.slices || a.bad != whole {
			a.flush()
		}
	}
	if !a.open {
		a.open = true
		a.suspect = lost
	}
	a.ts = ts
	if a.bad == whole {
		if a.hevc {
			a.parse265(payload)
		} else {
			a.parse264(payload)
		}
		if a.bad == oversize {
			// Said at once: a unit without end would otherwise never be noticed.
			a.done(oversize, nil, nil, a.ts)
		}
	}
	if marker {
		if a.partial {
			a.partial = false
			a.bad = max(a.bad, damaged)
		}
		if a.bad != whole || a.slices && !a.unmarked {
			a.flush()
		}
	}
}

// reset forgets what was gathered, after a break in the stream.
func (a *assembler) reset() {
	if a.open && (a.slices || a.bad != whole) {
		a.bad = max(a.bad, damaged)
		a.flush()
	}
	a.clear()
	a.any = false
}

func (a *assembler) clear() {
	a.data, a.ends = a.data[:0], a.ends[:0]
	a.open, a.slices, a.partial, a.bad, a.suspect = false, false, false, whole, false
}

func (a *assembler) flush() {
	if a.bad == whole {
		a.largest = max(a.largest, len(a.data))
	}
	a.finished, a.any = a.ts, true
	v := a.bad
	switch v {
	case whole:
		a.done(v, a.data, a.ends, a.ts)
	case damaged:
		a.done(v, nil, nil, a.ts)
	case oversize: // was reported by push
	}
	a.clear()
	// One huge key frame, or an attack, must not hold its memory for ever.
	if a.count++; a.count >= 512 || v == oversize {
		if cap(a.data) > 4*a.largest+64<<10 {
			a.data = nil
		}
		a.count, a.largest = 0, 0
	}
}

func (a *assembler) parse264(p []byte) {
	if len(p) == 0 {
		return // Some cameras keep UDP ports open with empty packets.
	}
	if bytes.HasPrefix(p, []byte{0, 0, 1}) || bytes.HasPrefix(p, []byte{0, 0, 0, 1}) {
		a.single(p) // Annex B, see closeNAL.
		return
	}
	switch h264.NALUType(p[0] & 0x1f) {
	case h264.NALUTypeSTAPA:
		a.aggregate(p[1:])
	case h264.NALUTypeFUA:
		if len(p) < 3 {
			a.bad = damaged
			return
		}
		a.fragment(p[1], []byte{p[0]&0xe0 | p[1]&0x1f}, p[2:])
	case h264.NALUTypeSTAPB, h264.NALUTypeMTAP16, h264.NALUTypeMTAP24, h264.NALUTypeFUB, 0, 30, 31:
		a.bad = damaged // Interleaved mode, which no SDP that we accept announces, or undefined.
	default:
		a.single(p)
	}
}

func (a *assembler) parse265(p []byte) {
	if len(p) == 0 {
		return
	}
	if len(p) < 3 {
		a.bad = damaged
		return
	}
	switch h265.NALUType(p[0] >> 1 & 0x3f) {
	case h265.NALUType_AggregationUnit:
		a.aggregate(p[2:])
	case h265.NALUType_FragmentationUnit:
		if len(p) < 4 {
			a.bad = damaged
			return
		}
		a.fragment(p[2], []byte{p[0]&0x81 | p[2]&0x3f<<1, p[1]}, p[3:])
	case h265.NALUType_PACI:
		a.bad = damaged
	default:
		a.single(p)
	}
}

// aggregate takes the units of a STAP-A or AP. Zero padding at the end is tolerated.
func (a *assembler) aggregate(p []byte) {
	for len(p) > 0 && a.bad == whole {
		if len(p) < 2 {
			a.bad = damaged
			return
		}
		size := int(p[0])<<8 | int(p[1])
		p = p[2:]
		if size == 0 {
			if len(bytes.Trim(p, "\x00")) != 0 {
				a.bad = damaged
			}
			return
		}
		if size > len(p) {
			a.bad = damaged
			return
		}
		a.single(p[:size])
		p = p[size:]
	}
}

// fragment takes a piece of a NAL unit: fu is its FU header, head the header of the whole unit.
func (a *assembler) fragment(fu byte, head, p []byte) {
	start, end := fu&0x80 != 0, fu&0x40 != 0
	switch {
	case start && a.partial:
		a.bad = damaged
		return
	case start:
		a.partial = true
		a.add(head)
	case !a.partial:
		a.bad = damaged
		return
	}
	a.add(p)
	if end && a.bad == whole {
		a.partial = false
		a.closeNAL()
	}
}

// single takes a whole NAL unit.
func (a *assembler) single(p []byte) {
	if a.partial {
		a.bad = damaged
		return
	}
	a.add(p)
	if a.bad == whole {
		a.closeNAL()
	}
}

func (a *assembler) add(p []byte) {
	if len(a.data)+len(p) > a.limit || len(a.ends) >= maxNALs {
		a.bad = oversize
		a.partial = false
		a.data, a.ends = nil, a.ends[:0]
		return
	}
	a.data = append(a.data, p...)
}

// closeNAL ends the NAL unit that was added. Where a camera packs Annex B start codes into it, against RFC 6184,
// it is taken apart: three zero-zero-one bytes cannot stand inside a NAL unit (ISO/IEC 14496-10 section 7.4.1).
// Slices are not searched, as that would touch each byte once more.
func (a *assembler) closeNAL() {
	begin := 0
	if n := len(a.ends); n > 0 {
		begin = a.ends[n-1]
	}
	nal := a.data[begin:]
	if bytes.HasPrefix(nal, []byte{0, 0, 1}) || bytes.HasPrefix(nal, []byte{0, 0, 0, 1}) || !a.isSlice(nal) && bytes.Contains(nal, []byte{0, 0, 1}) {
		a.split(begin)
		return
	}
	a.endNAL(begin)
}

// split compacts the start codes out of data[begin:].
func (a *assembler) split(begin int) {
	all := a.data
	rest := all[begin:]
	write := begin
	for len(rest) > 0 && a.bad == whole && len(a.ends) < maxNALs {
		next := bytes.Index(rest, []byte{0, 0, 1})
		piece := rest
		if next >= 0 {
			piece, rest = rest[:next], rest[next+3:]
		} else {
			rest = nil
		}
		piece = bytes.TrimRight(piece, "\x00")
		if len(piece) == 0 {
			continue
		}
		n := copy(all[write:], piece)
		a.data = all[:write+n]
		a.endNAL(write)
		write += n
	}
	a.data = all[:write]
}

func (a *assembler) endNAL(begin int) {
	nal := a.data[begin:]
	head := 1
	if a.hevc {
		head = 2
	}
	if len(nal) < head {
		a.bad = damaged
		return
	}
	if a.isSlice(nal) && !a.slices {
		a.slices = true
		// The first bit of a slice header is set in the first slice of a picture: first_mb_in_slice is ue(v)
		// zero (ISO/IEC 14496-10 section 7.3.3), first_slice_segment_in_pic_flag (ISO/IEC 23008-2 7.3.6.1).
		first := len(nal) > head && nal[head]&0x80 != 0
		switch {
		case first:
		case a.suspect:
			a.bad = damaged
			return
		case a.any && a.finished == a.ts && !a.unmarked:
			a.unmarked = true
			a.bad = damaged
			return
		}
	}
	a.ends = append(a.ends, len(a.data))
}

func (a *assembler) isSlice(nal []byte) bool {
	if len(nal) == 0 {
		return false
	}
	if a.hevc {
		return nal[0]>>1&0x3f < 32
	}
	t := nal[0] & 0x1f
	return t >= 1 && t <= 5
}
