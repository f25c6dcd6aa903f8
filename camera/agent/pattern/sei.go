package pattern

import (
	"encoding/binary"
	"time"
)

// NAL unit and SEI payload types used here (ITU-T H.264 tables 7-1 and D-1).
const (
	nalSlice         = 1
	nalIDR           = 5
	nalSEI           = 6
	nalSPS           = 7
	nalPPS           = 8
	seiUnregistered  = 5
	seiPayloadLength = 16 + 8 + 8
)

// seiID marks our SEI message among others of type user_data_unregistered (section D.2.6).
var seiID = [16]byte{0xc4, 0x2d, 0xea, 0x17, 0x5a, 0x0e, 0x4f, 0x63, 0x9b, 0x70, 0x31, 0x8c, 0x5e, 0xd9, 0x2a, 0x66}

// makeSEI returns the NAL unit that says which picture follows: our UUID, the picture number and the time in
// microseconds since 1970, both as 64 bits in network order.
func makeSEI(number uint64, wall time.Time) []byte {
	rbsp := make([]byte, 0, 3+seiPayloadLength)
	rbsp = append(rbsp, seiUnregistered, seiPayloadLength)
	rbsp = append(rbsp, seiID[:]...)
	rbsp = binary.BigEndian.AppendUint64(rbsp, number)
	rbsp = binary.BigEndian.AppendUint64(rbsp, uint64(wall.UnixMicro()))
	rbsp = append(rbsp, 0x80)
	return appendNAL(nil, 0, nalSEI, rbsp)
}

// ParseSEI reads the picture number and the time of capture from a NAL unit without start code. ok is false for
// every NAL unit that is not, or does not hold, the message of this package; any bytes may be given.
func ParseSEI(nal []byte) (number uint64, wall time.Time, ok bool) {
	if len(nal) < 2 || nal[0]&0x1f != nalSEI {
		return 0, time.Time{}, false
	}
	rbsp := unescape(nal[1:])
	for len(rbsp) >= 2 { // one byte of trailing bits ends it
		var kind, size int
		if kind, rbsp, ok = seiVarint(rbsp); !ok {
			return 0, time.Time{}, false
		}
		if size, rbsp, ok = seiVarint(rbsp); !ok || size > len(rbsp) {
			return 0, time.Time{}, false
		}
		body := rbsp[:size]
		rbsp = rbsp[size:]
		if kind == seiUnregistered && size == seiPayloadLength && [16]byte(body[:16]) == seiID {
			number = binary.BigEndian.Uint64(body[16:])
			return number, time.UnixMicro(int64(binary.BigEndian.Uint64(body[24:]))), true
		}
	}
	return 0, time.Time{}, false
}

// seiVarint reads a type or a size: bytes of 255 and a last one are added up (section 7.3.2.3.1).
func seiVarint(in []byte) (v int, rest []byte, ok bool) {
	for i, b := range in {
		v += int(b)
		if b != 0xff {
			return v, in[i+1:], true
		}
	}
	return 0, nil, false
}
