// Package parts packs the list of a clip's parts into a few bytes each, and back.
//
// It owns the byte format of the column clip_parts.packed and nothing else: it knows no database and no files.
//
// Format, version 1: one byte 1, then the number of parts as an unsigned varint, then for each part two unsigned varints
// (encoding/binary): the microseconds since the previous part's start (for the first part: since 1970, zigzag as all of
// them, because clocks step back) and the plaintext bytes since the previous part's offset, shifted left by one with the
// key-frame flag in the lowest bit. Nothing follows the last part.
package parts

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

const (
	version = 1
	// maxParts bounds what a decoder allocates: a clip has about 60 parts, a day of seconds is 86,400.
	maxParts = 1 << 17
)

// ErrFormat means that the bytes are no packed list of parts. The clip's file may still be whole: salvage it.
var ErrFormat = errors.New("packed parts are damaged")

// Part is one moof+mdat of a clip.
type Part struct {
	Start  time.Time // wall time of its first frame, microseconds
	Offset int64     // where its moof starts in the clip's plaintext, bytes
	Key    bool      // it starts with a key frame, so that a player can start here
}

// Pack encodes list. Offsets MUST grow from part to part; a list that does not is refused.
func Pack(list []Part) ([]byte, error) {
	if len(list) > maxParts {
		return nil, fmt.Errorf("%d parts in one clip, at most %d can be kept", len(list), maxParts)
	}
	out := make([]byte, 0, 12+8*len(list))
	out = append(out, version)
	out = binary.AppendUvarint(out, uint64(len(list)))
	var start, offset int64
	for i, part := range list {
		if part.Offset < offset || (i > 0 && part.Offset == offset) || part.Offset > 1<<61 {
			return nil, fmt.Errorf("part %d has offset %d after %d", i, part.Offset, offset)
		}
		key := uint64(0)
		if part.Key {
			key = 1
		}
		now := part.Start.UnixMicro()
		out = binary.AppendVarint(out, now-start)
		out = binary.AppendUvarint(out, uint64(part.Offset-offset)<<1|key)
		start, offset = now, part.Offset
	}
	return out, nil
}

// Unpack decodes what Pack made. Times are in UTC. Any other bytes give ErrFormat.
func Unpack(packed []byte) ([]Part, error) {
	if len(packed) == 0 || packed[0] != version {
		return nil, ErrFormat
	}
	count, n := binary.Uvarint(packed[1:])
	// A part takes two bytes at least, so a count that the bytes cannot hold never becomes an allocation.
	if n <= 0 || count > maxParts || count > uint64(len(packed))/2 {
		return nil, ErrFormat
	}
	rest := packed[1+n:]
	list := make([]Part, 0, count)
	var start, offset int64
	for i := range count {
		delta, n := binary.Varint(rest)
		if n <= 0 {
			return nil, ErrFormat
		}
		rest = rest[n:]
		step, n := binary.Uvarint(rest)
		if n <= 0 || step>>1 > 1<<61 || (i > 0 && step>>1 == 0) {
			return nil, ErrFormat
		}
		rest = rest[n:]
		start += delta
		offset += int64(step >> 1)
		if offset < 0 || offset > 1<<61 {
			return nil, ErrFormat
		}
		list = append(list, Part{Start: time.UnixMicro(start).UTC(), Offset: offset, Key: step&1 == 1})
	}
	if len(rest) != 0 {
		return nil, ErrFormat
	}
	return list, nil
}
