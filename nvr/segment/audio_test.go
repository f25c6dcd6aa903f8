package segment_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"cardea/camera/frame"
	"cardea/nvr/segment"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/g711"
)

// TestG711IsLossless lets FFmpeg decode the FLAC and compares it with an independent expansion of the G.711.
func TestG711IsLossless(t *testing.T) {
	t.Parallel()
	for _, codec := range []frame.Codec{frame.PCMA, frame.PCMU} {
		t.Run(string(codec), func(t *testing.T) {
			s, frames := load(t, "h264-aac.mp4")
			s, frames, all := addG711(s, frames, codec, 3)
			_, data := mux(t, s, frames, 5, segment.Options{})
			got := run(t, nil, "ffmpeg", "-v", "error", "-xerror", "-i", save(t, data), "-map", "0:a", "-f", "s16be", "-")
			if want := expand(codec, all); !bytes.Equal(got, want) {
				t.Errorf("%d bytes came back for %d, or they differ", len(got), len(want))
			}
		})
	}
}

func expand(codec frame.Codec, p []byte) []byte {
	if codec == frame.PCMA {
		var a g711.Alaw
		a.Unmarshal(p)
		return a
	}
	var u g711.Mulaw
	u.Unmarshal(p)
	return u
}

// soundTrack makes access units of a codec that are recognised by their bytes.
type soundTrack struct {
	frame.Track
	unit int64
	data func(i int) []byte
}

func soundTracks() []soundTrack {
	g711 := func(i int) []byte { return bytes.Repeat([]byte{byte(i) | 1}, 160) }
	return []soundTrack{
		{frame.Track{Codec: frame.PCMA, ClockRate: 8000, Channels: 1}, 160, g711},
		{frame.Track{Codec: frame.PCMU, ClockRate: 16000, Channels: 1}, 160, g711},
		{frame.Track{Codec: frame.AAC, ClockRate: 16000, Channels: 1, Params: [][]byte{{0x14, 0x08}}}, 1024,
			func(i int) []byte { return []byte{0xaa, byte(i)} }},
		{frame.Track{Codec: frame.AAC, ClockRate: 48000, Channels: 2, Params: [][]byte{{0x11, 0x90}}}, 1024,
			func(i int) []byte { return []byte{0xaa, byte(i)} }},
		{frame.Track{Codec: frame.Opus, ClockRate: 48000, Channels: 2}, 960,
			func(i int) []byte { return []byte{31<<3 | 4, byte(i)} }},
	}
}

// TestSoundHasNoHoles loses, delays and repeats sound and checks that the track goes on without a hole and beside the
// picture.
func TestSoundHasNoHoles(t *testing.T) {
	t.Parallel()
	const seconds = 20
	for _, track := range soundTracks() {
		rate := int64(track.ClockRate)
		last := seconds * rate / track.unit
		for name, shift := range map[string]func(i int64) (int64, bool){
			"all there":       func(int64) (int64, bool) { return 0, true },
			"none":            func(int64) (int64, bool) { return 0, false },
			"late start":      func(i int64) (int64, bool) { return 0, i*track.unit > 5*rate },
			"early end":       func(i int64) (int64, bool) { return 0, i*track.unit < 5*rate },
			"one lost":        func(i int64) (int64, bool) { return 0, i%50 != 49 },
			"many lost":       func(i int64) (int64, bool) { return 0, i%100 < 60 },
			"clock too fast":  func(i int64) (int64, bool) { return i * track.unit / 200, true },
			"clock too slow":  func(i int64) (int64, bool) { return -i * track.unit / 200, true },
			"clock jumps":     func(i int64) (int64, bool) { return i * 10 / last * 3600 * rate, true },
			"clock trembles":  func(i int64) (int64, bool) { return i % 7 * rate / 1000, true },
			"repeated clocks": func(i int64) (int64, bool) { return -(i % 3) * track.unit, true },
		} {
			for _, live := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s %d Hz/%s/live=%t", track.Codec, rate, name, live), func(t *testing.T) {
					s := stubVideo(t, track.Track)
					var frames []*frame.Frame
					i := int64(0)
					for p := range int64(25 * seconds) {
						frames = append(frames, picture(s, p*3600, p%50 == 0))
						for ; i*track.unit*25 < (p+1)*rate; i++ {
							if off, there := shift(i); there {
								frames = append(frames, &frame.Frame{Stream: s, Track: 1, DTS: i*track.unit + off, Key: true, Payload: [][]byte{track.data(int(i))}})
							}
						}
					}
					m, data := mux(t, s, frames, 3, segment.Options{Live: live})
					_, parts := parse(t, m, data)
					got := spans(parts, 2)
					if len(got) == 0 || got[0].at > rate/25 {
						t.Fatalf("sound begins with %v", got[:min(1, len(got))])
					}
					for i := 1; i < len(got); i++ {
						if got[i].at != got[i-1].at+got[i-1].dur {
							t.Fatalf("after %v comes %v", got[i-1], got[i])
						}
					}
					end := got[len(got)-1]
					if late := seconds*rate - end.at - end.dur; late > 3*rate+track.unit || late < -3*rate {
						t.Errorf("sound ends %d ms before the picture", late*1000/rate)
					}
				})
			}
		}
	}
}

// TestSilenceIsSilent has FFmpeg decode what is written in place of missing sound.
func TestSilenceIsSilent(t *testing.T) {
	t.Parallel()
	for _, track := range soundTracks() {
		for _, channels := range []int{1, 2} {
			t.Run(fmt.Sprintf("%s %d %d", track.Codec, track.ClockRate, channels), func(t *testing.T) {
				track := track
				if track.Codec == frame.AAC {
					track.Params = [][]byte{{track.Params[0][0], track.Params[0][1]&^0x78 | byte(channels)<<3}}
				}
				track.Channels = channels
				s, frames := load(t, "h264-aac.mp4")
				s = &frame.Stream{Tracks: []frame.Track{s.Tracks[0], track.Track}}
				var pictures []*frame.Frame
				for _, f := range frames {
					if f.Track == 0 {
						c := *f
						c.Stream = s
						pictures = append(pictures, &c)
					}
				}
				_, data := mux(t, s, pictures, 1, segment.Options{Live: true})
				pcm := run(t, nil, "ffmpeg", "-v", "error", "-xerror", "-i", save(t, data), "-map", "0:a", "-f", "s16le", "-")
				if n := len(pcm) / 2 / channels / track.ClockRate; n < 2 || n > 3 {
					t.Errorf("%d s of silence", n)
				}
				for i := 0; i+1 < len(pcm); i += 2 {
					if v := int16(binary.LittleEndian.Uint16(pcm[i:])); v < -1 || v > 1 {
						t.Fatalf("sample %d is %d", i/2, v)
					}
				}
			})
		}
	}
}
