package rtsp

import (
	"bytes"
	"slices"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"

	"cardea/camera/frame"
)

// paramSets are the parameter sets in force for a video track, by kind. The VPS list stays empty for H.264.
type paramSets struct {
	vps, sps, pps [][]byte
}

// kind says where a NAL unit belongs: 0 elsewhere, 1 VPS, 2 SPS, 3 PPS.
func paramKind(hevc bool, nal []byte) int {
	if hevc {
		switch h265.NALUType(nal[0] >> 1 & 0x3f) {
		case h265.NALUType_VPS_NUT:
			return 1
		case h265.NALUType_SPS_NUT:
			return 2
		case h265.NALUType_PPS_NUT:
			return 3
		}
		return 0
	}
	switch h264.NALUType(nal[0] & 0x1f) {
	case h264.NALUTypeSPS:
		return 2
	case h264.NALUTypePPS:
		return 3
	}
	return 0
}

func (p *paramSets) list(kind int) *[][]byte {
	switch kind {
	case 1:
		return &p.vps
	case 2:
		return &p.sps
	}
	return &p.pps
}

// update returns the sets after an access unit, and whether they differ. The kinds that the unit does not hold
// stay as they were. Changed sets are copied, so that a Stream does not hold a whole key frame in memory.
func (p paramSets) update(hevc bool, nals [][]byte) (paramSets, bool) {
	var seen [4][][]byte
	for _, nal := range nals {
		if k := paramKind(hevc, nal); k != 0 && !slices.ContainsFunc(seen[k], func(o []byte) bool { return bytes.Equal(o, nal) }) {
			seen[k] = append(seen[k], nal)
		}
	}
	changed := false
	for k := 1; k < len(seen); k++ {
		if len(seen[k]) == 0 || slices.EqualFunc(seen[k], *p.list(k), bytes.Equal) {
			continue
		}
		changed = true
		list := make([][]byte, len(seen[k]))
		for i, nal := range seen[k] {
			list[i] = bytes.Clone(nal)
		}
		*p.list(k) = list
	}
	return p, changed
}

// sameSequence reports whether two differ in their picture parameter sets at most.
func (p paramSets) sameSequence(o paramSets) bool {
	return slices.EqualFunc(p.sps, o.sps, bytes.Equal) && slices.EqualFunc(p.vps, o.vps, bytes.Equal)
}

func (p *paramSets) complete(hevc bool) bool {
	return len(p.sps) > 0 && len(p.pps) > 0 && (!hevc || len(p.vps) > 0)
}

// all returns the sets in the order that frame.Track.Params promises.
func (p *paramSets) all() [][]byte {
	return slices.Concat(p.vps, p.sps, p.pps)
}

// track describes the video track. reorders is false when the parameter sets rule out that pictures are shown in
// another order than they are sent, so that DTS is PTS.
func (p *paramSets) track(hevc bool) (t frame.Track, reorders bool, err error) {
	t = frame.Track{Codec: frame.H264, ClockRate: 90000, Params: p.all()}
	if hevc {
		t.Codec = frame.H265
		var sps h265.SPS
		if err := sps.Unmarshal(p.sps[0]); err != nil {
			return t, false, err
		}
		t.Width, t.Height = sps.Width(), sps.Height()
		n := len(sps.MaxNumReorderPics)
		return t, n == 0 || sps.MaxNumReorderPics[n-1] != 0, nil
	}
	var sps h264.SPS
	if err := sps.Unmarshal(p.sps[0]); err != nil {
		return t, false, err
	}
	t.Width, t.Height = sps.Width(), sps.Height()
	restricted := sps.VUI != nil && sps.VUI.BitstreamRestriction != nil && sps.VUI.BitstreamRestriction.MaxNumReorderFrames == 0
	// Type 2 is output order by definition (ISO/IEC 14496-10 section 8.2.1.3); Baseline has no B slices.
	return t, !(sps.PicOrderCntType == 2 || sps.ProfileIdc == 66 || restricted), nil
}
