package agent

import (
	"encoding/binary"
	"errors"

	"github.com/abema/go-mp4"
)

// Flags of a run (section 8.8.8) and of a sample (section 8.8.3.1).
const (
	runDataOffset = 0x1
	runFirstFlags = 0x4
	runDuration   = 0x100
	runSize       = 0x200
	runFlags      = 0x400
	runShift      = 0x800
	sampleNonSync = 0x10000
)

// run adds the samples of a fragment, given the content of a trun box.
func (m *movie) run(raw []byte) error {
	t := m.frag
	if t == nil {
		return nil
	}
	short := false
	next := func(present bool, otherwise uint32) uint32 {
		if !present {
			return otherwise
		}
		if len(raw) < 4 {
			short = true
			return 0
		}
		v := binary.BigEndian.Uint32(raw)
		raw = raw[4:]
		return v
	}
	flags := next(true, 0) & 0xffffff
	count := next(true, 0)
	if int64(count) > int64(m.room) {
		return errors.New("more samples than the file has room for")
	}
	m.room -= int(count)
	at := m.at
	if flags&runDataOffset != 0 {
		base := m.moofStart
		if m.tfhd.CheckFlag(mp4.TfhdBaseDataOffsetPresent) {
			base = int64(m.tfhd.BaseDataOffset)
		}
		at = base + int64(int32(next(true, 0)))
	}
	firstFlags := next(flags&runFirstFlags != 0, 0)

	duration, size, sampleFlags := t.trex.DefaultSampleDuration, t.trex.DefaultSampleSize, t.trex.DefaultSampleFlags
	if m.tfhd.CheckFlag(mp4.TfhdDefaultSampleDurationPresent) {
		duration = m.tfhd.DefaultSampleDuration
	}
	if m.tfhd.CheckFlag(mp4.TfhdDefaultSampleSizePresent) {
		size = m.tfhd.DefaultSampleSize
	}
	if m.tfhd.CheckFlag(mp4.TfhdDefaultSampleFlagsPresent) {
		sampleFlags = m.tfhd.DefaultSampleFlags
	}
	for i := range count {
		d := next(flags&runDuration != 0, duration)
		n := next(flags&runSize != 0, size)
		f := next(flags&runFlags != 0, sampleFlags)
		if i == 0 && flags&(runFlags|runFirstFlags) == runFirstFlags {
			f = firstFlags
		}
		// Version 0 has no sign, but writers that need one use it all the same, and no shift is that long.
		shift := int64(int32(next(flags&runShift != 0, 0)))
		if short {
			return errors.New("box trun: it ends early")
		}
		t.samples = append(t.samples, sample{
			dts: t.next, pts: t.next + shift, offset: at, size: int(n), key: f&sampleNonSync == 0,
		})
		t.next += int64(d)
		at += int64(n)
	}
	t.end = t.next
	m.at = at
	return nil
}
