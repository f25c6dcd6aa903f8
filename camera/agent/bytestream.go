package agent

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"

	"cardea/camera/frame"
)

// maxNAL bounds one NAL unit of a byte stream.
const maxNAL = 8 << 20

// byteStream cuts an H.264 byte stream (ITU-T H.264, annex B) into access units.
type byteStream struct {
	nals     *bufio.Scanner
	unit     [][]byte // of the access unit that is being gathered
	seen     bool     // a slice is in unit
	sps, pps []byte
	ended    error
}

func newByteStream(r io.Reader) *byteStream {
	s := &byteStream{nals: bufio.NewScanner(r)}
	s.nals.Buffer(make([]byte, 0, 1<<16), maxNAL)
	s.nals.Split(splitNAL)
	return s
}

// splitNAL is a bufio.SplitFunc that gives NAL units without start codes. What stands before the first one is skipped.
func splitNAL(data []byte, atEOF bool) (advance int, token []byte, err error) {
	code := []byte{0, 0, 1}
	begin := bytes.Index(data, code)
	if begin < 0 {
		if atEOF {
			return len(data), nil, nil
		}
		return max(0, len(data)-2), nil, nil
	}
	body := data[begin+3:]
	end := bytes.Index(body, code)
	if end < 0 {
		if !atEOF {
			return begin, nil, nil
		}
		end = len(body)
	}
	if nal := bytes.TrimRight(body[:end], "\x00"); len(nal) > 0 {
		token = nal
	}
	return begin + 3 + end, token, nil
}

// next gives the next access unit, and whether it is a key frame. A unit ends where the next one begins (7.4.1.2.3), so it comes one
// picture late.
func (s *byteStream) next() (unit [][]byte, key bool, err error) {
	for s.ended == nil {
		if !s.nals.Scan() {
			if s.ended = s.nals.Err(); s.ended == nil {
				s.ended = io.EOF
			}
			if s.seen {
				unit, key = s.cut()
				return unit, key, nil
			}
			break
		}
		nal := bytes.Clone(s.nals.Bytes())
		if s.seen && begins(nal) {
			unit, key = s.cut()
		}
		s.add(nal)
		if unit != nil {
			return unit, key, nil
		}
	}
	return nil, false, s.ended
}

func kindOf(nal []byte) h264.NALUType { return h264.NALUType(nal[0] & 0x1f) }

func slice(nal []byte) bool {
	k := kindOf(nal)
	return k == h264.NALUTypeNonIDR || k == h264.NALUTypeIDR
}

// begins says whether a NAL unit after a slice belongs to the next picture: parameter sets, SEI and delimiters do, and a slice whose
// first macroblock is 0.
func begins(nal []byte) bool {
	k := kindOf(nal)
	return k >= h264.NALUTypeSEI && k <= h264.NALUTypeAccessUnitDelimiter || slice(nal) && len(nal) > 1 && nal[1]&0x80 != 0
}

func (s *byteStream) add(nal []byte) {
	switch kindOf(nal) {
	case h264.NALUTypeSPS:
		s.sps = nal
	case h264.NALUTypePPS:
		s.pps = nal
	}
	s.unit = append(s.unit, nal)
	s.seen = s.seen || slice(nal)
}

// cut ends the access unit.
func (s *byteStream) cut() (unit [][]byte, key bool) {
	unit, s.unit, s.seen = s.unit, nil, false
	for _, nal := range unit {
		key = key || kindOf(nal) == h264.NALUTypeIDR
	}
	return unit, key
}

// stream describes what has been seen, once both parameter sets were.
func (s *byteStream) stream() (*frame.Stream, error) {
	if s.sps == nil || s.pps == nil {
		return nil, errors.New("there are no parameter sets before the first key frame")
	}
	var sps h264.SPS
	if err := sps.Unmarshal(s.sps); err != nil {
		return nil, fmt.Errorf("sequence parameter set: %w", err)
	}
	return &frame.Stream{Tracks: []frame.Track{{
		Codec: frame.H264, ClockRate: 90000, Params: [][]byte{bytes.Clone(s.sps), bytes.Clone(s.pps)}, Width: sps.Width(), Height: sps.Height(),
	}}}, nil
}
