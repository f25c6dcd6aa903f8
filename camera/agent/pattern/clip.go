package pattern

import "encoding/binary"

// ReadClip gives the numbers of the pictures in a fragmented MP4 as Cardea writes it, the clip's video track being the first: shown are
// those that last longer than a tick of the track's clock, decoded those that do not and are only there to decode others. What is cut
// off in the middle is left out; any bytes may be given.
func ReadClip(mp4 []byte) (shown, decoded []uint64) {
	var samples [][2]uint32 // duration and size
	for len(mp4) >= 8 {
		size := int(binary.BigEndian.Uint32(mp4))
		if size < 8 || size > len(mp4) {
			break
		}
		body := mp4[8:size]
		switch string(mp4[4:8]) {
		case "moof":
			samples = readRun(inside(inside(body, "traf"), "trun"))
		case "mdat":
			for _, s := range samples {
				if int(s[1]) > len(body) {
					break
				}
				if number, ok := numberOf(body[:s[1]]); ok && s[0] > 1 {
					shown = append(shown, number)
				} else if ok {
					decoded = append(decoded, number)
				}
				body = body[s[1]:]
			}
			samples = nil
		}
		mp4 = mp4[size:]
	}
	return shown, decoded
}

// inside finds the first box of a kind.
func inside(boxes []byte, kind string) []byte {
	for len(boxes) >= 8 {
		size := int(binary.BigEndian.Uint32(boxes))
		if size < 8 || size > len(boxes) {
			return nil
		}
		if string(boxes[4:8]) == kind {
			return boxes[8:size]
		}
		boxes = boxes[size:]
	}
	return nil
}

// readRun reads a trun box (ISO/IEC 14496-12, 8.8.8) that has duration, size and flags of each sample.
func readRun(trun []byte) (samples [][2]uint32) {
	const wanted = 0x1 | 0x100 | 0x200 | 0x400
	if len(trun) < 12 {
		return nil
	}
	flags, entry := binary.BigEndian.Uint32(trun)&0xffffff, 12
	if flags&0x800 != 0 {
		entry += 4
	}
	if flags&wanted != wanted || flags&0x4 != 0 {
		return nil
	}
	for trun = trun[12:]; len(trun) >= entry; trun = trun[entry:] {
		samples = append(samples, [2]uint32{binary.BigEndian.Uint32(trun), binary.BigEndian.Uint32(trun[4:])})
	}
	return samples
}

// numberOf reads the SEI of a sample, whose NAL units stand behind their lengths.
func numberOf(sample []byte) (number uint64, ok bool) {
	for len(sample) > 4 {
		n := binary.BigEndian.Uint32(sample)
		if uint64(n) > uint64(len(sample)-4) {
			return 0, false
		}
		if number, _, ok = ParseSEI(sample[4 : 4+n]); ok {
			return number, true
		}
		sample = sample[4+n:]
	}
	return 0, false
}
