package segment

import (
	"errors"
	"fmt"
	"math/bits"
	"strings"

	"cardea/camera/frame"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
)

// sampleEntry is what stands in the stsd box of a track.
type sampleEntry struct {
	kind          string // avc1, hvc1, mp4a, Opus, fLaC
	codecs        string // one member of the codecs parameter of RFC 6381
	config        []byte // the box inside: avcC, hvcC, esds, dOps, dfLa
	width, height int    // video only
	channels      int    // audio only, as is rate
	rate          int
}

var errNoParams = errors.New("parameter sets are missing")

func videoEntry(t *frame.Track) (sampleEntry, error) {
	if t.ClockRate <= 0 {
		return sampleEntry{}, fmt.Errorf("clock rate %d", t.ClockRate)
	}
	var e sampleEntry
	var err error
	if t.Codec == frame.H264 {
		e, err = avc(t.Params)
	} else {
		e, err = hevc(t.Params)
	}
	if err != nil {
		return e, err
	}
	if t.Width > 0 && t.Height > 0 {
		e.width, e.height = t.Width, t.Height
	}
	if e.width <= 0 || e.height <= 0 || e.width > 0xffff || e.height > 0xffff {
		return e, fmt.Errorf("picture of %d × %d", e.width, e.height)
	}
	return e, nil
}

// avc describes H.264 by ISO/IEC 14496-15, 5.3.3.
func avc(params [][]byte) (sampleEntry, error) {
	var spss, ppss [][]byte
	for _, p := range params {
		if len(p) == 0 || len(p) > 0xffff {
			continue
		}
		switch h264.NALUType(p[0] & 0x1f) {
		case h264.NALUTypeSPS:
			spss = append(spss, p)
		case h264.NALUTypePPS:
			ppss = append(ppss, p)
		}
	}
	if len(spss) == 0 || len(spss) > 31 || len(ppss) == 0 || len(ppss) > 255 {
		return sampleEntry{}, errNoParams
	}
	var sps h264.SPS
	if err := sps.Unmarshal(spss[0]); err != nil {
		return sampleEntry{}, fmt.Errorf("read SPS: %w", err)
	}
	profile, compat, level := spss[0][1], spss[0][2], spss[0][3]
	var b box
	at := b.begin("avcC")
	b.bytes([]byte{1, profile, compat, level, 0xfc | 3})
	b.u8(0xe0 | uint8(len(spss)))
	for _, p := range spss {
		b.u16(uint16(len(p)))
		b.bytes(p)
	}
	b.u8(uint8(len(ppss)))
	for _, p := range ppss {
		b.u16(uint16(len(p)))
		b.bytes(p)
	}
	switch profile {
	case 66, 77, 88: // the others end with the sample format
	default:
		b.u8(0xfc | uint8(sps.ChromaFormatIdc&3))
		b.u8(0xf8 | uint8(sps.BitDepthLumaMinus8&7))
		b.u8(0xf8 | uint8(sps.BitDepthChromaMinus8&7))
		b.u8(0)
	}
	b.end(at)
	return sampleEntry{
		kind:   "avc1",
		codecs: fmt.Sprintf("avc1.%02x%02x%02x", profile, compat, level),
		config: b.b,
		width:  sps.Width(),
		height: sps.Height(),
	}, nil
}

// hevc describes H.265 by ISO/IEC 14496-15, 8.3.3. The profile bytes are copied from the SPS after the emulation
// prevention bytes are gone, of which these zeros are full.
func hevc(params [][]byte) (sampleEntry, error) {
	kinds := [3]h265.NALUType{h265.NALUType_VPS_NUT, h265.NALUType_SPS_NUT, h265.NALUType_PPS_NUT}
	var sets [3][][]byte
	for _, p := range params {
		if len(p) < 2 || len(p) > 0xffff {
			continue
		}
		for i, k := range kinds {
			if h265.NALUType(p[0]>>1&0x3f) == k {
				sets[i] = append(sets[i], p)
			}
		}
	}
	if len(sets[0]) == 0 || len(sets[1]) == 0 || len(sets[2]) == 0 {
		return sampleEntry{}, errNoParams
	}
	var sps h265.SPS
	if err := sps.Unmarshal(sets[1][0]); err != nil {
		return sampleEntry{}, fmt.Errorf("read SPS: %w", err)
	}
	raw := h264.EmulationPreventionRemove(sets[1][0])
	if len(raw) < 15 {
		return sampleEntry{}, fmt.Errorf("read SPS: %d bytes are too few", len(raw))
	}
	ptl := raw[3:15] // profile_tier_level: 1 + 4 + 6 + 1 bytes
	layers, nested := raw[2]>>1&7+1, raw[2]&1
	var b box
	at := b.begin("hvcC")
	b.u8(1)
	b.bytes(ptl)
	b.u16(0xf000) // no spatial segmentation known
	b.u8(0xfc)    // nor parallelism
	b.u8(0xfc | uint8(sps.ChromaFormatIdc&3))
	b.u8(0xf8 | uint8(sps.BitDepthLumaMinus8&7))
	b.u8(0xf8 | uint8(sps.BitDepthChromaMinus8&7))
	b.u16(0) // no frame rate given
	b.u8(layers<<3 | nested<<2 | 3)
	b.u8(3)
	for i, k := range kinds {
		// Not marked as complete (bit 7): cameras repeat the sets in the stream and they stay there.
		b.u8(uint8(k))
		b.u16(uint16(len(sets[i])))
		for _, p := range sets[i] {
			b.u16(uint16(len(p)))
			b.bytes(p)
		}
	}
	b.end(at)
	return sampleEntry{
		kind:   "hvc1",
		codecs: hevcString(ptl),
		config: b.b,
		width:  sps.Width(),
		height: sps.Height(),
	}, nil
}

// hevcString is the form of ISO/IEC 14496-15, annex E.3, such as hvc1.1.6.L93.b0.
func hevcString(ptl []byte) string {
	var s strings.Builder
	s.WriteString("hvc1.")
	if space := ptl[0] >> 6; space > 0 {
		s.WriteByte('A' + space - 1)
	}
	compat := uint32(ptl[1])<<24 | uint32(ptl[2])<<16 | uint32(ptl[3])<<8 | uint32(ptl[4])
	tier := 'L'
	if ptl[0]&0x20 != 0 {
		tier = 'H'
	}
	fmt.Fprintf(&s, "%d.%x.%c%d", ptl[0]&0x1f, bits.Reverse32(compat), tier, ptl[11])
	constraints := ptl[5:11]
	for len(constraints) > 0 && constraints[len(constraints)-1] == 0 {
		constraints = constraints[:len(constraints)-1]
	}
	for _, c := range constraints {
		fmt.Fprintf(&s, ".%x", c)
	}
	return s.String()
}

// aac describes MPEG-4 audio by ISO/IEC 14496-14, 5.6, and returns the samples in an access unit, counted at the
// rate of the core.
func aac(t *frame.Track) (sampleEntry, mpeg4audio.AudioSpecificConfig, error) {
	var c mpeg4audio.AudioSpecificConfig
	if len(t.Params) == 0 {
		return sampleEntry{}, c, errNoParams
	}
	asc := t.Params[0]
	if err := c.Unmarshal(asc); err != nil {
		return sampleEntry{}, c, fmt.Errorf("read AudioSpecificConfig: %w", err)
	}
	if c.SampleRate <= 0 || len(asc) > 64 {
		return sampleEntry{}, c, fmt.Errorf("AudioSpecificConfig % x makes no sense", asc)
	}
	object := c.Type
	if c.ExtensionType != 0 {
		object = c.ExtensionType
	}
	// Descriptors of ISO/IEC 14496-1, 7.2.6; all are shorter than 128 bytes, so a length is one byte.
	var b box
	at := b.full("esds", 0, 0)
	b.bytes([]byte{3, uint8(23 + len(asc)), 0, audioID, 0})
	b.bytes([]byte{4, uint8(15 + len(asc)), 0x40, 5<<2 | 1})
	b.zero(3 + 4 + 4) // buffer size and bit rates are not known
	b.bytes([]byte{5, uint8(len(asc))})
	b.bytes(asc)
	b.bytes([]byte{6, 1, 2})
	b.end(at)
	channels := t.Channels
	if channels <= 0 {
		channels = max(1, int(c.ChannelConfig))
	}
	return sampleEntry{
		kind:     "mp4a",
		codecs:   fmt.Sprintf("mp4a.40.%d", object),
		config:   b.b,
		channels: channels,
		rate:     c.SampleRate,
	}, c, nil
}

// opus describes Opus by "Encapsulation of Opus in ISO Base Media File Format", 4.3.2. Nothing is to be skipped at
// the start: the stream began long before the clip did.
func opus(t *frame.Track) sampleEntry {
	channels := max(1, min(2, t.Channels))
	var b box
	at := b.begin("dOps")
	b.u8(0)
	b.u8(uint8(channels))
	b.u16(0)
	b.u32(48000)
	b.u16(0)
	b.u8(0)
	b.end(at)
	return sampleEntry{kind: "Opus", codecs: "opus", config: b.b, channels: channels, rate: 48000}
}

// flac describes FLAC by "Encapsulation of FLAC in ISO Base Media File Format", 3.3.2, with the STREAMINFO of
// RFC 9639, 8.2. Length and hash of the whole are unknown, which zeros stand for.
func flac(rate, channels int) sampleEntry {
	var b box
	at := b.full("dfLa", 0, 0)
	b.u32(0x80<<24 | 34)
	b.u16(16)
	b.u16(flacBlock)
	b.zero(3 + 3)
	b.u64(uint64(rate)<<44 | uint64(channels-1)<<41 | uint64(16-1)<<36)
	b.zero(16)
	b.end(at)
	return sampleEntry{kind: "fLaC", codecs: "flac", config: b.b, channels: channels, rate: rate}
}
