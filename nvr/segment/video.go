package segment

import (
	"math"

	"cardea/camera/frame"
)

// Sample flags of ISO/IEC 14496-12, 8.8.3.1.
const (
	flagsKey   = 2 << 24        // depends on no other sample
	flagsDelta = 1<<24 | 1<<16  // depends on others, not a sync sample
	maxPause   = math.MaxUint32 // longest duration that fits
)

// sample is one entry of a trun box.
type sample struct {
	frame int // index in the frames of the part, or -1 for bytes of the scratch buffer
	off   int // where they are in there
	size  uint32
	dur   uint32
	flags uint32
	cts   int32 // PTS - DTS
}

// videoTrack places pictures in time. All times are in units of the clock rate.
type videoTrack struct {
	index   int
	rate    int64
	started bool
	start   int64 // Options.Start
	base    int64 // DTS minus base is time in the file
	first   int64 // time of the first sample of this part
	last    int64 // time of the newest sample
	lastDur int64 // and how long it was said to last
	typical int64 // longest distance between pictures seen lately, never more than a second
	samples []sample
}

func (t *videoTrack) begin(o Options) {
	t.start = rescaleUp(int64(o.Start), 1e9, t.rate)
	t.last = t.start
	t.typical = t.rate / 10
}

// end returns where the last picture ends.
func (t *videoTrack) end() int64 { return t.last + t.lastDur }

// audioOrigin returns which DTS of an audio track lies at time 0.
func (t *videoTrack) audioOrigin(rate int64) int64 { return rescale(t.base, t.rate, rate) }

func (t *videoTrack) add(i int, f *frame.Frame, live bool) {
	size := 0
	for _, nal := range f.Payload {
		if len(nal) > 0 {
			size += 4 + len(nal)
		}
	}
	if size == 0 || size > math.MaxInt32 || !t.started && !f.Key {
		return
	}
	var at int64
	if t.started {
		at = t.advance(f.DTS, live)
	} else {
		t.started = true
		t.base = f.DTS - t.start
		at = t.start
	}
	if n := len(t.samples); n > 0 {
		t.samples[n-1].dur = uint32(min(at-t.last, maxPause))
	} else {
		t.first = at
	}
	t.last = at
	flags := uint32(flagsDelta)
	if f.Key {
		flags = flagsKey
	}
	cts := max(math.MinInt32, min(math.MaxInt32, f.PTS-t.base-at))
	t.samples = append(t.samples, sample{frame: i, size: uint32(size), flags: flags, cts: int32(cts)})
}

// advance returns the time of a picture that follows another one.
func (t *videoTrack) advance(dts int64, live bool) int64 {
	delta := dts - t.base - t.last
	// A player that sees a picture later than twice the duration of the one before drops everything up to the next
	// key frame (Media Source Extensions, coded frame processing, step 6). A millisecond is for its rounding.
	if limit := 2*t.typical - t.rate/1000; live && delta > limit {
		t.base += delta - limit
		t.learn(delta)
		return t.last + limit
	}
	t.learn(delta)
	return t.last + max(1, delta) // a clock that stands still must not make two pictures one
}

// learn follows longer distances at once and shorter ones slowly.
func (t *videoTrack) learn(delta int64) {
	t.typical = max(delta, t.typical-(t.typical-delta)/8, t.rate/240)
	t.typical = min(t.typical, t.rate)
}

// close sets the duration of the last sample.
func (t *videoTrack) close(next *frame.Frame, s *frame.Stream) {
	n := len(t.samples)
	if n == 0 {
		return
	}
	t.lastDur = t.typical
	if next != nil && next.Stream == s && next.Track == t.index {
		t.lastDur = max(1, min(next.DTS-t.base-t.last, maxPause))
	}
	t.samples[n-1].dur = uint32(t.lastDur)
}

// traf writes the track fragment and returns where its data offset has to be filled in and how many bytes of data
// belong to it.
func (t *videoTrack) traf(b *box) (dataOffsetAt int, size int64) {
	// Data offset, duration, size and flags of each sample, and the composition offset where there is one.
	flags := uint32(0x1 | 0x100 | 0x200 | 0x400)
	for i := range t.samples {
		if t.samples[i].cts != 0 {
			flags |= 0x800
			break
		}
	}
	traf := b.begin("traf")
	tfhd := b.full("tfhd", 0, 0x020000) // default-base-is-moof
	b.u32(videoID)
	b.end(tfhd)
	b.tfdt(t.first)
	trun := b.full("trun", 1, flags) // version 1: composition offsets have a sign
	b.u32(uint32(len(t.samples)))
	dataOffsetAt = len(b.b)
	b.u32(0)
	for i := range t.samples {
		s := &t.samples[i]
		b.u32(s.dur)
		b.u32(s.size)
		b.u32(s.flags)
		if flags&0x800 != 0 {
			b.u32(uint32(s.cts))
		}
		size += int64(s.size)
	}
	b.end(trun)
	b.end(traf)
	return dataOffsetAt, size
}

// tfdt writes the decode time of the first sample of a fragment.
func (b *box) tfdt(at int64) {
	tfdt := b.full("tfdt", 1, 0)
	b.u64(uint64(at))
	b.end(tfdt)
}
