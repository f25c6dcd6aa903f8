package pattern

import (
	"math"
	"time"
)

// The beep is a soft tone of 880 Hz that starts with each full second.
const (
	beepHz     = 880
	beepLength = 0.08 // seconds
	beepLevel  = 6000 // of 32767
)

// Beep fills dst with G.711 A-law samples (ITU-T G.711) of the sound that starts at wall, rate samples a second,
// and returns dst.
func Beep(dst []byte, rate int, wall time.Time) []byte {
	first := float64(wall.Nanosecond()) / 1e9
	for i := range dst {
		_, t := math.Modf(first + float64(i)/float64(rate))
		var v float64
		if t < beepLength {
			// The half sine around it keeps the loudspeaker from clicking.
			v = beepLevel * math.Sin(2*math.Pi*beepHz*t) * math.Sin(math.Pi*t/beepLength)
		}
		dst[i] = alaw(int(v))
	}
	return dst
}

// alaw compresses a linear sample of 16 bits.
func alaw(v int) byte {
	sign := byte(0x80)
	if v < 0 {
		v, sign = -v-1, 0
	}
	v >>= 4 // G.711 has 12 bits of magnitude
	var exp byte
	for v > 31 {
		v >>= 1
		exp++
	}
	code := byte(v) & 0x0f
	if v > 15 { // the leading one of every segment but the first is not sent
		exp++
	}
	return (sign | exp<<4 | code) ^ 0x55
}
