package rtsp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/pion/rtp"
)

// What a camera kept is asked for as the ONVIF Streaming Specification (section 6, Replay) has it: SETUP and PLAY require
// ReplayOption, PLAY carries Range: clock= (RFC 2326, section 3.7) and Rate-Control: no, and the first RTP packet of each access unit
// says in a header extension when that was captured. Our agent sends the extension in live streams too, so that a picture has one name.

const (
	// ReplayOption is what SETUP and PLAY require of the camera.
	ReplayOption = "onvif-replay"
	// LifeHeader is in the answer to SETUP: 16 hexadecimal digits that name the run of the camera, see frame.Stream.
	LifeHeader = "X-Cardea-Life"
	// StampProfile marks the header extension (RFC 3550, section 5.3.1), StampBytes is its length with its head.
	StampProfile = 0xABAC
	StampBytes   = 16

	stampBody  = 12
	stampClean = 0x80 // the access unit can be decoded alone
	clockForm  = "20060102T150405.999999Z"
	clockRead  = "20060102T150405Z" // the package reads a fraction without being told of it
)

// Replay asks for recorded media in place of live.
type Replay struct {
	// From and To bound it by the camera's clock; To is the first picture that is not wanted, and is delivered. Zero is no end.
	From, To time.Time
}

// ErrGone says that the camera does not have what was asked for (any more). Oldest and Newest are what it has, zero for nothing.
type ErrGone struct{ Oldest, Newest time.Time }

func (e ErrGone) Error() string {
	return "the camera does not remember that time (any more)"
}

// ErrFinished says that the camera has sent all that it kept of the time asked for.
type ErrFinished struct{}

func (ErrFinished) Error() string { return "that is all the camera has kept" }

// Clock writes a range of absolute time; a zero to is no end.
func Clock(from, to time.Time) string {
	text := "clock=" + from.UTC().Format(clockForm) + "-"
	if !to.IsZero() {
		text += to.UTC().Format(clockForm)
	}
	return text
}

// ParseClock reads a Range header with absolute time. to is zero where none is given.
func ParseClock(text string) (from, to time.Time, err error) {
	text, _, _ = strings.Cut(text, ";") // what follows says when to begin: now
	first, second, found := strings.Cut(strings.TrimPrefix(text, "clock="), "-")
	if !found || !strings.HasPrefix(text, "clock=") {
		return from, to, errors.New("a range of time looks like clock=20260102T150405.25Z-")
	}
	if from, err = time.Parse(clockRead, first); err != nil {
		return from, to, fmt.Errorf("the beginning of the range %.60q is no time", first)
	}
	if second != "" {
		if to, err = time.Parse(clockRead, second); err != nil || to.Before(from) {
			return from, to, fmt.Errorf("the end of the range %.60q is no time after its beginning", second)
		}
	}
	return from, to, nil
}

// ntpEra is the number of seconds from 1900 to 1970, RFC 5905 section 6.
const ntpEra = 2208988800

// StampNTP converts a stamp to the 64-bit NTP format, from 1968 to 2104.
func StampNTP(stamp int64) uint64 {
	seconds, micros := stamp/1e6, stamp%1e6
	if micros < 0 {
		seconds, micros = seconds-1, micros+1e6
	}
	return uint64(uint32(seconds+ntpEra))<<32 | (uint64(micros)<<32+5e5)/1e6
}

// NTPStamp is the way back. As in RFC 4330, section 3, seconds without the first bit are those after 2036.
func NTPStamp(ntp uint64) int64 {
	seconds := int64(ntp >> 32)
	if seconds < 1<<31 {
		seconds += 1 << 32
	}
	return (seconds-ntpEra)*1e6 + int64((ntp&0xffffffff*1e6+1<<31)>>32)
}

// PutStamp writes the header extension into a packet. key says that the access unit can be decoded alone.
func PutStamp(p *rtp.Packet, stamp int64, key bool) error {
	var body [stampBody]byte
	binary.BigEndian.PutUint64(body[:], StampNTP(stamp))
	if key {
		body[8] = stampClean
	}
	p.Extension, p.ExtensionProfile, p.Extensions = true, StampProfile, nil
	return p.SetExtension(0, body[:])
}

// readStamp reads the header extension, 0 where there is none.
func readStamp(p *rtp.Packet) int64 {
	if !p.Extension || p.ExtensionProfile != StampProfile {
		return 0
	}
	body := p.GetExtension(0)
	if len(body) < 8 {
		return 0
	}
	return NTPStamp(binary.BigEndian.Uint64(body))
}

// stamped is the stamp of the access unit with an RTP timestamp.
type stamped struct {
	ts    uint32
	stamp int64
}

// ask adds to a request of the library what asks for recorded media.
func (a *attempt) ask(req *base.Request) {
	r := a.cfg.Replay
	if r == nil {
		return
	}
	switch req.Method {
	case base.Play:
		req.Header["Range"] = base.HeaderValue{Clock(r.From, r.To)}
		req.Header["Rate-Control"] = base.HeaderValue{"no"}
		fallthrough
	case base.Setup:
		req.Header["Require"] = base.HeaderValue{ReplayOption}
	}
}

// remembered takes from an answer which life it is, and what the camera has where it has not what was asked for.
func (a *attempt) remembered(res *base.Response) {
	if v := res.Header[LifeHeader]; len(v) == 1 && len(v[0]) == 16 {
		if life, err := strconv.ParseUint(v[0], 16, 64); err == nil {
			a.recv.mu.Lock()
			a.recv.life = life
			a.recv.mu.Unlock()
		}
	}
	if a.cfg.Replay != nil && res.StatusCode == base.StatusInvalidRange {
		gone := ErrGone{}
		if v := res.Header["Range"]; len(v) == 1 {
			if from, to, err := ParseClock(v[0]); err == nil {
				gone = ErrGone{from, to}
			}
		}
		a.fail(gone)
	}
}

// isBye reports whether a compound RTCP packet holds the end of the stream (RFC 3550, section 6.6).
func isBye(data []byte) bool {
	for len(data) >= 4 {
		if data[1] == 203 {
			return true
		}
		data = data[min(len(data), 4*(int(binary.BigEndian.Uint16(data[2:]))+1)):]
	}
	return false
}

// capture is the arrival that recorded media is given: when it was captured, since the first of it. So everything that judges
// times by arrival sees the stream as it once came.
func (r *receiver) capture(stamp int64) (since time.Duration, ok bool) {
	if stamp != 0 {
		if !r.replayed {
			r.replayed, r.firstStamp = true, stamp
			r.wall.beginDay = time.UnixMicro(stamp).UTC()
		}
		r.captured = time.Duration(stamp-r.firstStamp) * time.Microsecond
	}
	return r.captured, r.replayed
}
