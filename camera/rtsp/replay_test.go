package rtsp

import (
	"testing"
	"time"

	"github.com/pion/rtp"
)

// TestStamp keeps each microsecond from 1970 to 2099 through the header extension.
func TestStamp(t *testing.T) {
	t.Parallel()
	for _, at := range []time.Time{
		time.Unix(0, 1000), time.Date(2026, 1, 2, 3, 4, 5, 999_999_000, time.UTC), time.Date(2036, 2, 7, 6, 28, 16, 1000, time.UTC),
		time.Date(2099, 12, 31, 23, 59, 59, 123_456_000, time.UTC),
	} {
		for i := range int64(2000) {
			want := at.UnixMicro() + i*7
			var p, got rtp.Packet
			p.Version, p.Payload = 2, []byte{1, 2, 3}
			before := p.MarshalSize()
			if err := PutStamp(&p, want, true); err != nil {
				t.Fatal(err)
			}
			data, err := p.Marshal()
			if err != nil || len(data) != before+StampBytes {
				t.Fatalf("%d bytes, %v", len(data)-before, err)
			}
			if err := got.Unmarshal(data); err != nil || readStamp(&got) != want || len(got.Payload) != 3 {
				t.Fatalf("%d became %d, %v", want, readStamp(&got), err)
			}
		}
		from, to, err := ParseClock(Clock(at, at.Add(time.Second)))
		if err != nil || !from.Equal(at) || !to.Equal(at.Add(time.Second)) {
			t.Errorf("%v became %v to %v, %v", at, from, to, err)
		}
	}
}

func FuzzParseClock(f *testing.F) {
	for _, s := range []string{
		"clock=19961108T143720.25Z-", "clock=20260102T150405Z-20260102T150406.000001Z;time=19970123T143720Z", "npt=0-", "clock=-", "clock=20260102T150405Z-19700101T000000Z",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		from, to, err := ParseClock(s)
		if err != nil {
			return
		}
		if !to.IsZero() && to.Before(from) {
			t.Errorf("%q runs backwards", s)
		}
		if again, _, err := ParseClock(Clock(from, to)); err != nil || !again.Equal(from.Truncate(time.Microsecond)) {
			t.Errorf("%q is %v, then %v, %v", s, from, again, err)
		}
	})
}

func FuzzBye(f *testing.F) {
	f.Add([]byte{0x81, 203, 0, 1, 1, 2, 3, 4})
	f.Add([]byte{0x80, 200, 0, 1, 0, 0, 0, 0, 0x81, 203, 0, 1, 1, 2, 3, 4})
	f.Fuzz(func(_ *testing.T, data []byte) { isBye(data) })
}
