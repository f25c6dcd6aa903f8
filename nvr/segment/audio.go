package segment

import (
	"fmt"
	"math"

	"cardea/camera/frame"

	opuscodec "github.com/bluenviron/mediacommon/v2/pkg/codecs/opus"
)

// Limits of what is put right in an audio track.
const (
	tolerance = 40 // ms that sound may be off before silence is written or sound left out
	patience  = 3  // s that sound may be behind the picture before it counts as missing
	ahead     = 15 // s that it may be ahead of it before its clock counts as broken
	maxFill   = 60 // s of silence that are written in one go
)

// audioTrack places sound in time. All times are in units of the clock rate.
type audioTrack struct {
	index   int
	codec   frame.Codec
	rate    int64
	entry   sampleEntry
	encoder *flacEncoder // for G.711
	// unit is how long an access unit lasts, for Opus the newest one. For G.711 it is 1: silence can have any
	// length.
	unit    int64
	silence []byte // one access unit of silence for AAC and Opus
	quiet   bool   // the camera sends no sound, silence follows the picture

	started bool
	end     int64 // where the next access unit begins
	first   int64 // time of the first sample of this part
	samples []sample
	scratch []byte
}

func newAudioTrack(index int, t *frame.Track, live bool) (*audioTrack, error) {
	if t.ClockRate <= 0 {
		return nil, fmt.Errorf("clock rate %d", t.ClockRate)
	}
	// A viewer who joins a camera without sound must not wait for it.
	a := &audioTrack{index: index, codec: t.Codec, rate: int64(t.ClockRate), quiet: live}
	switch t.Codec {
	case frame.AAC:
		entry, config, err := aac(t)
		if err != nil {
			return nil, err
		}
		samples := int64(1024)
		if config.FrameLengthFlag {
			samples = 960
		}
		a.entry = entry
		a.unit = max(1, rescale(samples, int64(config.SampleRate), a.rate))
		a.silence = aacSilence(entry.channels)
	case frame.Opus:
		a.entry = opus(t)
		a.unit = a.rate / 50
		a.silence = opusSilence(a.entry.channels)
	case frame.PCMA, frame.PCMU:
		channels := max(1, t.Channels)
		if channels > 2 || t.ClockRate >= 1<<20 {
			return nil, fmt.Errorf("%s with %d channels at %d Hz", t.Codec, channels, t.ClockRate)
		}
		a.entry = flac(t.ClockRate, channels)
		a.unit = 1
		a.encoder = newFLACEncoder(t.Codec, t.ClockRate, channels)
	default:
		return nil, fmt.Errorf("codec %s has no place in MP4", t.Codec)
	}
	return a, nil
}

// begin starts a part.
func (a *audioTrack) begin() {
	a.samples, a.scratch = a.samples[:0], a.scratch[:0]
	a.first = a.end
}

// duration of an access unit; 0 for one that cannot be one.
func (a *audioTrack) duration(p []byte) int64 {
	switch {
	case len(p) == 0:
		return 0
	case a.encoder != nil:
		return int64(len(p) / a.entry.channels)
	case a.codec == frame.Opus:
		return rescale(opuscodec.PacketDuration2(p), 48000, a.rate)
	}
	return a.unit
}

// add takes an access unit that was recorded at the given time. The pictures of the part end at videoEnd.
func (a *audioTrack) add(i int, f *frame.Frame, at, videoEnd int64) {
	if len(f.Payload) == 0 {
		return
	}
	p := f.Payload[0]
	n := a.duration(p)
	if n == 0 || len(p) > math.MaxInt32 || at > videoEnd+ahead*a.rate {
		return
	}
	if !a.started && at+n <= a.end {
		return // from before the first picture
	}
	a.quiet = false
	slack := max(a.rate*tolerance/1000, a.unit/2)
	off := at - a.end
	switch {
	case off > slack && off <= maxFill*a.rate:
		a.fill((off + a.unit/2) / a.unit * a.unit)
	case off > slack:
		// The part with the pause has none in it, so that this hole lies between two parts.
		if len(a.samples) > 0 {
			a.samples[len(a.samples)-1].dur += uint32(min(off, math.MaxUint32/2))
		} else {
			a.first = at
		}
		a.end = at
	case off < 0 && (off < -slack || !a.started):
		if a.encoder == nil || -off >= n {
			return
		}
		p = p[int(-off)*a.entry.channels:]
		n += off
	}
	a.started = true
	if a.encoder != nil {
		a.encode(p)
		return
	}
	if a.codec == frame.Opus {
		a.unit = n
	}
	a.push(sample{frame: i, size: uint32(len(p)), dur: uint32(n)})
}

func (a *audioTrack) push(s sample) {
	a.samples = append(a.samples, s)
	a.end += int64(s.dur)
}

// encode turns G.711 into FLAC.
func (a *audioTrack) encode(p []byte) {
	for len(p) > 0 {
		block := p[:min(len(p), flacBlock*a.entry.channels)]
		n := len(block) / a.entry.channels
		if n == 0 {
			return // half a sample at the end
		}
		p = p[len(block):]
		from := len(a.scratch)
		a.scratch = a.encoder.encode(a.scratch, block, a.end)
		a.push(sample{frame: -1, off: from, size: uint32(len(a.scratch) - from), dur: uint32(n)})
	}
}

// fill writes silence.
func (a *audioTrack) fill(duration int64) {
	for duration > 0 {
		n := min(duration, flacBlock)
		from := len(a.scratch)
		if a.encoder != nil {
			a.scratch = a.encoder.silence(a.scratch, int(n), a.end)
		} else {
			n = a.unit
			if a.codec == frame.Opus {
				n = a.rate / 50
			}
			a.scratch = append(a.scratch, a.silence...)
		}
		a.push(sample{frame: -1, off: from, size: uint32(len(a.scratch) - from), dur: uint32(n)})
		duration -= n
	}
}

// follow writes silence where the camera sends none and the picture has gone on.
func (a *audioTrack) follow(videoEnd int64, live bool) {
	wait := a.rate * patience
	if live {
		wait = a.rate
	}
	behind := videoEnd - a.end
	switch {
	case behind <= 0 || behind > maxFill*a.rate:
		return
	case a.quiet:
	case behind > wait:
		a.quiet = true
		behind -= wait / 2
	default:
		return
	}
	a.started = true
	if unit := a.unit; unit > 1 {
		behind -= behind % unit
	}
	a.fill(behind)
}

// traf writes the track fragment; see videoTrack.traf.
func (a *audioTrack) traf(b *box) (dataOffsetAt int, size int64) {
	traf := b.begin("traf")
	tfhd := b.full("tfhd", 0, 0x020020) // default-base-is-moof, the same flags for all samples
	b.u32(audioID)
	b.u32(flagsKey)
	b.end(tfhd)
	b.tfdt(a.first)
	trun := b.full("trun", 0, 0x1|0x100|0x200) // data offset, duration and size of each sample
	b.u32(uint32(len(a.samples)))
	dataOffsetAt = len(b.b)
	b.u32(0)
	for i := range a.samples {
		b.u32(a.samples[i].dur)
		b.u32(a.samples[i].size)
		size += int64(a.samples[i].size)
	}
	b.end(trun)
	b.end(traf)
	return dataOffsetAt, size
}

// aacSilence returns a raw_data_block (ISO/IEC 14496-3, 4.4.2.1) of AAC-LC in which no band has any content.
func aacSilence(channels int) []byte {
	var w bitWriter
	const element = 22 // bits of an individual_channel_stream with everything zero
	if channels == 2 {
		w.put(1, 3) // channel_pair_element
		w.put(0, 4+1)
		w.put(0, element)
		w.put(0, element)
	} else {
		w.put(0, 3) // single_channel_element
		w.put(0, 4)
		w.put(0, element)
	}
	w.put(7, 3) // end
	return w.flush(nil)
}

// opusSilence returns a packet of 20 ms in full band without content (RFC 6716, 3.1).
func opusSilence(channels int) []byte {
	toc := byte(31 << 3)
	if channels == 2 {
		toc |= 4
	}
	return []byte{toc, 0xff, 0xfe}
}
