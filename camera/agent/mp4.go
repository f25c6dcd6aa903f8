package agent

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/abema/go-mp4"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"

	"cardea/camera/frame"
)

// maxSamples bounds the memory that a file can make us use for its index; it is two days of video with sound.
const maxSamples = 16 << 20

// sample is one access unit in a file.
type sample struct {
	dts, pts int64 // in units of the movie track's scale
	offset   int64
	size     int
	key      bool
}

// movieTrack is a track that can be served.
type movieTrack struct {
	frame.Track
	scale      int64 // units in a second
	lengthSize int   // bytes before each NAL unit of video
	end        int64 // when the last sample ends
	samples    []sample
}

// readMovie indexes an MP4 file (ISO/IEC 14496-12), fragmented or not. Samples that reach beyond size, as in a file
// that is cut off, are left out. skipped names the tracks that cannot be served.
func readMovie(r io.ReadSeeker, size int64) (tracks []*movieTrack, skipped []string, err error) {
	m := movie{byID: make(map[uint32]*trak), room: int(min(size, maxSamples))}
	// A cut-off file ends in an error; what came before counts, if it is enough.
	_, err = mp4.ReadBoxStructure(r, m.box)
	for _, t := range m.traks {
		if err := t.layOut(m.room); err != nil {
			return nil, nil, err
		}
		if t.codec == "" {
			skipped = append(skipped, fmt.Sprintf("%s: cannot be served", t.format))
			continue
		}
		t.samples = slices.DeleteFunc(t.samples, func(s sample) bool {
			return s.offset < 0 || s.size <= 0 || s.offset > size-int64(s.size)
		})
		if len(t.samples) > 0 {
			tracks = append(tracks, t.finish())
		}
	}
	if len(tracks) == 0 {
		if err == nil {
			err = errors.New("no track that can be served")
		}
		return nil, nil, err
	}
	return tracks, skipped, nil
}

// movie collects what the boxes say.
type movie struct {
	traks []*trak
	byID  map[uint32]*trak
	trak  *trak // being read
	scale int64 // of the movie as a whole, for edit lists

	moofStart int64
	frag      *trak // of the traf being read
	tfhd      mp4.Tfhd
	at        int64 // where the next run of the traf starts in the file
	room      int   // samples that may still come
}

// trak is a track while it is read.
type trak struct {
	movieTrack
	id     uint32
	format string
	codec  frame.Codec
	trex   mp4.Trex
	next   int64 // DTS of the next fragment

	stts       []mp4.SttsEntry
	ctts       *mp4.Ctts
	stss       map[uint32]bool
	stsc       []mp4.StscEntry
	stsz       *mp4.Stsz
	chunks     []uint64
	emptyEdit  int64 // in the movie's scale
	mediaStart int64 // in the track's scale
	movieScale int64
}

// containers are the boxes that are gone into.
var containers = map[string]bool{
	"moov": true, "trak": true, "edts": true, "mdia": true, "minf": true, "stbl": true, "stsd": true,
	"mvex": true, "moof": true, "traf": true, "wave": true,
}

// read are the boxes whose content is looked at.
var read = map[string]bool{
	"mvhd": true, "trex": true, "tfhd": true, "tfdt": true, "tkhd": true, "mdhd": true, "elst": true, "avcC": true,
	"hvcC": true, "esds": true, "dOps": true, "stts": true, "ctts": true, "stss": true, "stsc": true, "stsz": true,
	"stco": true, "co64": true,
}

// box handles one box.
func (m *movie) box(h *mp4.ReadHandle) (any, error) {
	name := h.BoxInfo.Type.String()
	switch name {
	case "trak":
		m.trak = &trak{}
		m.traks = append(m.traks, m.trak)
	case "moof":
		m.moofStart = int64(h.BoxInfo.Offset)
		m.at = m.moofStart
	case "traf":
		m.frag = nil
	case "avc1", "avc3", "hvc1", "hev1", "mp4a", "Opus":
		if m.trak != nil {
			m.trak.format = name
		}
		return h.Expand()
	}
	if containers[name] {
		return h.Expand()
	}
	switch {
	case name == "trun":
		// Read here: a run without fields in its entries would make the library believe any number of them.
		var raw bytes.Buffer
		if _, err := h.ReadData(&raw); err != nil {
			return nil, fmt.Errorf("box trun: %w", err)
		}
		return nil, m.run(raw.Bytes())
	case read[name]:
		payload, _, err := h.ReadPayload()
		if err != nil {
			return nil, fmt.Errorf("box %s: %w", name, err)
		}
		return nil, m.payload(payload)
	case m.trak != nil && m.trak.format == "" && len(h.Path) > 1 && h.Path[len(h.Path)-2].String() == "stsd":
		m.trak.format = name
	}
	return nil, nil
}

// payload handles the content of a box that is no container.
func (m *movie) payload(box mp4.IBox) error {
	switch b := box.(type) {
	case *mp4.Mvhd:
		m.scale = int64(b.Timescale)
	case *mp4.Trex:
		if t := m.byID[b.TrackID]; t != nil {
			t.trex = *b
		}
	case *mp4.Tfhd:
		m.frag, m.tfhd = m.byID[b.TrackID], *b
		if b.CheckFlag(mp4.TfhdBaseDataOffsetPresent) {
			m.at = int64(b.BaseDataOffset)
		} else if b.CheckFlag(mp4.TfhdDefaultBaseIsMoof) {
			m.at = m.moofStart
		}
	case *mp4.Tfdt:
		if m.frag != nil {
			m.frag.next = int64(b.BaseMediaDecodeTimeV0)
			if b.GetVersion() == 1 {
				m.frag.next = int64(b.BaseMediaDecodeTimeV1)
			}
		}
	}
	if m.trak != nil && m.frag == nil {
		return m.trak.payload(m, box)
	}
	return nil
}

// payload handles a box of a track's description.
func (t *trak) payload(m *movie, box mp4.IBox) error {
	t.movieScale = m.scale
	switch b := box.(type) {
	case *mp4.Tkhd:
		t.id = b.TrackID
		m.byID[t.id] = t
		t.Width, t.Height = int(b.Width>>16), int(b.Height>>16)
	case *mp4.Mdhd:
		t.scale = int64(b.Timescale)
	case *mp4.Elst:
		for i := range b.Entries {
			if start := b.GetMediaTime(i); start >= 0 {
				t.mediaStart = start
				break
			}
			t.emptyEdit += int64(b.GetSegmentDuration(i))
		}
	case *mp4.AVCDecoderConfiguration:
		t.codec, t.ClockRate, t.lengthSize = frame.H264, 90000, int(b.LengthSizeMinusOne)+1
		if len(b.SequenceParameterSets) > 0 && len(b.PictureParameterSets) > 0 {
			t.Params = [][]byte{b.SequenceParameterSets[0].NALUnit, b.PictureParameterSets[0].NALUnit}
		}
	case *mp4.HvcC:
		t.codec, t.ClockRate, t.lengthSize = frame.H265, 90000, int(b.LengthSizeMinusOne)+1
		t.Params = nil
		for _, kind := range []h265.NALUType{h265.NALUType_VPS_NUT, h265.NALUType_SPS_NUT, h265.NALUType_PPS_NUT} {
			for _, a := range b.NaluArrays {
				if h265.NALUType(a.NaluType) == kind && len(a.Nalus) > 0 {
					t.Params = append(t.Params, a.Nalus[0].NALUnit)
					break
				}
			}
		}
	case *mp4.Esds:
		for _, d := range b.Descriptors {
			if d.Tag == mp4.DecSpecificInfoTag {
				t.Params = [][]byte{d.Data}
				t.codec = frame.AAC
			}
		}
	case *mp4.DOps:
		t.codec, t.ClockRate, t.SampleRate, t.Channels = frame.Opus, 48000, 48000, int(b.OutputChannelCount)
	case *mp4.Stts:
		t.stts = b.Entries
	case *mp4.Ctts:
		t.ctts = b
	case *mp4.Stss:
		t.stss = make(map[uint32]bool, len(b.SampleNumber))
		for _, n := range b.SampleNumber {
			t.stss[n] = true
		}
	case *mp4.Stsc:
		t.stsc = b.Entries
	case *mp4.Stsz:
		t.stsz = b
	case *mp4.Stco:
		for _, c := range b.ChunkOffset {
			t.chunks = append(t.chunks, uint64(c))
		}
	case *mp4.Co64:
		t.chunks = b.ChunkOffset
	}
	return nil
}

// layOut makes samples of the tables of a file without fragments.
func (t *trak) layOut(room int) error {
	if t.stsz == nil || len(t.stts) == 0 || len(t.stsc) == 0 {
		return nil
	}
	count := int(t.stsz.SampleCount)
	if count > room {
		return errors.New("more samples than the file has room for")
	}
	size := func(i int) int {
		if t.stsz.SampleSize != 0 {
			return int(t.stsz.SampleSize)
		}
		if i < len(t.stsz.EntrySize) {
			return int(t.stsz.EntrySize[i])
		}
		return 0
	}
	samples := make([]sample, 0, min(count, 1<<16))
	run := 0
	for c, offset := range t.chunks {
		for run+1 < len(t.stsc) && t.stsc[run+1].FirstChunk <= uint32(c+1) {
			run++
		}
		at := int64(offset)
		for range t.stsc[run].SamplesPerChunk {
			i := len(samples)
			if i == count {
				break
			}
			s := sample{offset: at, size: size(i), key: t.stss == nil || t.stss[uint32(i+1)]}
			samples = append(samples, s)
			at += int64(s.size)
		}
	}
	i, dts := 0, int64(0)
	for _, e := range t.stts {
		for n := uint32(0); n < e.SampleCount && i < len(samples); n++ {
			samples[i].dts, samples[i].pts = dts, dts
			dts += int64(e.SampleDelta)
			i++
		}
	}
	samples, t.end = samples[:i], dts
	if t.ctts != nil {
		i := 0
		for e := range t.ctts.Entries {
			shift := t.ctts.GetSampleOffset(e)
			for n := uint32(0); n < t.ctts.Entries[e].SampleCount && i < len(samples); n++ {
				samples[i].pts += shift
				i++
			}
		}
	}
	t.samples = append(samples, t.samples...)
	return nil
}

// finish applies the edit list and completes the description.
func (t *trak) finish() *movieTrack {
	t.Codec = t.codec
	shift := -t.mediaStart
	if t.movieScale > 0 {
		shift += scale(t.emptyEdit, t.scale, t.movieScale)
	}
	for i := range t.samples {
		t.samples[i].dts += shift
		t.samples[i].pts += shift
	}
	t.end += shift
	return &t.movieTrack
}

// describe checks that a track is one and reads what only its parameter sets tell.
func (t *movieTrack) describe() error {
	if t.scale <= 0 {
		return errors.New("a track without a time scale")
	}
	want := map[frame.Codec]int{frame.H264: 2, frame.H265: 3, frame.AAC: 1}[t.Codec]
	if len(t.Params) != want {
		return fmt.Errorf("%s with %d parameter sets in place of %d", t.Codec, len(t.Params), want)
	}
	switch t.Codec {
	case frame.H264:
		var sps h264.SPS
		if err := sps.Unmarshal(t.Params[0]); err != nil {
			return fmt.Errorf("SPS: %w", err)
		}
		t.Width, t.Height = sps.Width(), sps.Height()
	case frame.H265:
		var sps h265.SPS
		if err := sps.Unmarshal(t.Params[1]); err != nil {
			return fmt.Errorf("SPS: %w", err)
		}
		t.Width, t.Height = sps.Width(), sps.Height()
	case frame.AAC:
		var c mpeg4audio.AudioSpecificConfig
		if err := c.Unmarshal(t.Params[0]); err != nil {
			return fmt.Errorf("AAC configuration: %w", err)
		}
		t.Width, t.Height = 0, 0
		t.ClockRate, t.SampleRate, t.Channels = c.SampleRate, c.SampleRate, int(c.ChannelConfig)
		if c.ChannelConfig == 7 { // the one that is not its number (ISO/IEC 14496-3, table 1.19)
			t.Channels = 8
		}
	case frame.Opus:
		t.Width, t.Height = 0, 0
	}
	return nil
}

// scale is v · to / from without overflow where the result fits; from is not 0.
func scale(v, to, from int64) int64 { return v/from*to + v%from*to/from }
