package segment

// initTrack is a track as the init segment describes it.
type initTrack struct {
	id    uint32
	rate  int // units in a second
	entry sampleEntry
}

// marshalInit writes ftyp and moov (ISO/IEC 14496-12, 4.3 and 8.2) for a fragmented file: no sample tables, no
// duration, one trex for each track.
func marshalInit(tracks []initTrack) []byte {
	var b box
	ftyp := b.begin("ftyp")
	b.str("iso5") // the first brand with default-base-is-moof
	b.u32(512)
	b.str("iso5iso6mp41")
	b.end(ftyp)

	moov := b.begin("moov")
	mvhd := b.full("mvhd", 0, 0)
	b.zero(8)      // creation and modification time: the index knows better
	b.u32(1000)    // time scale
	b.u32(0)       // duration
	b.u32(1 << 16) // rate
	b.u16(1 << 8)  // volume
	b.zero(10)
	b.matrix()
	b.zero(24)
	b.u32(uint32(len(tracks) + 1))
	b.end(mvhd)
	for i := range tracks {
		b.trak(&tracks[i])
	}
	mvex := b.begin("mvex")
	for i := range tracks {
		trex := b.full("trex", 0, 0)
		b.u32(tracks[i].id)
		b.u32(1) // sample description
		b.zero(12)
		b.end(trex)
	}
	b.end(mvex)
	b.end(moov)
	return b.b
}

// matrix is the unity matrix of ISO/IEC 14496-12, 6.2.2.
func (b *box) matrix() {
	for _, v := range [9]uint32{1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30} {
		b.u32(v)
	}
}

func (b *box) trak(t *initTrack) {
	video := t.entry.width > 0
	trak := b.begin("trak")
	tkhd := b.full("tkhd", 0, 3) // enabled, in movie
	b.zero(8)
	b.u32(t.id)
	b.zero(4 + 4 + 8)
	b.u16(0) // layer
	if video {
		b.u16(0)
		b.u16(0)
	} else {
		b.u16(1)      // alternate group
		b.u16(1 << 8) // volume
	}
	b.u16(0)
	b.matrix()
	b.u32(uint32(t.entry.width) << 16)
	b.u32(uint32(t.entry.height) << 16)
	b.end(tkhd)

	mdia := b.begin("mdia")
	mdhd := b.full("mdhd", 0, 0)
	b.zero(8)
	b.u32(uint32(t.rate))
	b.u32(0)
	b.u16(0x55c4) // "und"
	b.u16(0)
	b.end(mdhd)
	hdlr := b.full("hdlr", 0, 0)
	b.u32(0)
	if video {
		b.str("vide")
	} else {
		b.str("soun")
	}
	b.zero(12)
	b.u8(0) // no name
	b.end(hdlr)
	minf := b.begin("minf")
	if video {
		vmhd := b.full("vmhd", 0, 1)
		b.zero(8)
		b.end(vmhd)
	} else {
		smhd := b.full("smhd", 0, 0)
		b.zero(4)
		b.end(smhd)
	}
	dinf := b.begin("dinf")
	dref := b.full("dref", 0, 0)
	b.u32(1)
	b.end(b.full("url ", 0, 1)) // the data are in this file
	b.end(dref)
	b.end(dinf)
	stbl := b.begin("stbl")
	stsd := b.full("stsd", 0, 0)
	b.u32(1)
	b.entry(&t.entry)
	b.end(stsd)
	for _, kind := range [3]string{"stts", "stsc", "stco"} {
		at := b.full(kind, 0, 0)
		b.u32(0)
		b.end(at)
	}
	stsz := b.full("stsz", 0, 0)
	b.zero(8)
	b.end(stsz)
	b.end(stbl)
	b.end(minf)
	b.end(mdia)
	b.end(trak)
}

// entry writes a VisualSampleEntry or an AudioSampleEntry (ISO/IEC 14496-12, 12.1.3 and 12.2.3).
func (b *box) entry(e *sampleEntry) {
	at := b.begin(e.kind)
	b.zero(6)
	b.u16(1) // data reference
	if e.width > 0 {
		b.zero(16)
		b.u16(uint16(e.width))
		b.u16(uint16(e.height))
		b.u32(72 << 16) // dots per inch, fixed
		b.u32(72 << 16)
		b.u32(0)
		b.u16(1)   // frames in a sample
		b.zero(32) // no compressor name
		b.u16(24)  // depth
		b.u16(0xffff)
	} else {
		b.zero(8)
		b.u16(uint16(e.channels))
		b.u16(16) // bits in a sample
		b.u32(0)
		rate := uint32(e.rate)
		if rate > 0xffff {
			rate = 0 // does not fit; the configuration inside tells
		}
		b.u32(rate << 16)
	}
	b.bytes(e.config)
	b.end(at)
}
