// Package frame holds the two nouns that travel from a lens to everything downstream: Stream, which says what
// tracks a camera sends, and Frame, one access unit of one track.
//
// A frame is allocated once, where its last packet was read, and MUST NOT be changed afterwards by anyone:
// the recorder, every live viewer and the motion check read the same bytes. The package is a leaf; it imports
// the standard library only and knows nothing of RTSP, MP4 or disks.
package frame

import "time"

// Codec names the encoding of a track by the word FFmpeg uses for it.
type Codec string

// The codecs that Cardea records. Every other one is named in Stream.Skipped and not delivered.
const (
	H264 Codec = "h264"
	H265 Codec = "hevc"
	AAC  Codec = "aac"
	Opus Codec = "opus"
	PCMA Codec = "pcm_alaw"
	PCMU Codec = "pcm_mulaw"
)

// Video reports whether the codec carries pictures.
func (c Codec) Video() bool { return c == H264 || c == H265 }

// Track describes one elementary stream of a camera. It does not change while its Stream is in force.
type Track struct {
	// Codec is the encoding.
	Codec Codec
	// ClockRate is the number of PTS and DTS units in a second: 90000 for video, the sample rate for audio.
	ClockRate int
	// Params are the parameter sets without start codes: SPS, PPS for H.264; VPS, SPS, PPS for H.265; one
	// AudioSpecificConfig (ISO/IEC 14496-3) for AAC; empty for the rest.
	Params [][]byte
	// Width and Height are the size of the cropped picture in pixels; 0 for audio.
	Width, Height int
	// SampleRate is in Hz and Channels is 1 or 2; both 0 for video.
	SampleRate, Channels int
}

// Stream describes everything a camera sends. Parameter sets that change in mid-stream make a new Stream, so
// comparing the pointers of two frames tells whether they fit into one clip.
type Stream struct {
	// Tracks are in the order the camera announced them. At most one is video.
	Tracks []Track
	// Life names the run of a camera that remembers what it sent (see Frame.Stamp); 0 for other cameras. Within one life a
	// stamp is given once.
	Life uint64
	// Skipped names what the camera also offers and Cardea leaves out, with the reason, for a person to read.
	Skipped []string
}

// Video returns the index of the video track, or -1 where there is none.
func (s *Stream) Video() int {
	for i := range s.Tracks {
		if s.Tracks[i].Codec.Video() {
			return i
		}
	}
	return -1
}

// Frame is one access unit.
type Frame struct {
	// Stream is the description in force for this frame.
	Stream *Stream
	// Track indexes Stream.Tracks.
	Track int
	// PTS and DTS are in units of the track's ClockRate. DTS of a track never goes back within a Stream; all
	// tracks of a Stream share one origin of time, so that PTS/ClockRate is comparable between them.
	PTS, DTS int64
	// Wall is when the access unit was captured, on the clock of this machine. A camera's own clock only
	// contributes differences, never the absolute time.
	Wall time.Time
	// Stamp is when the camera says that it captured the access unit, in microseconds since 1970 by its own clock, which may be
	// wrong; 0 where it does not say. It only grows within a track, so that it names the same picture in what comes live and in what
	// the camera kept.
	Stamp int64
	// Key is true for a random access point of video (IDR, CRA, BLA) and for all audio.
	Key bool
	// Payload holds the NAL units without start codes or lengths for video, parameter sets and SEI included,
	// exactly as the camera sent them; one access unit in one slice for audio.
	Payload [][]byte
	// Size is the number of bytes in Payload.
	Size int
}

// Video reports whether the frame is a picture.
func (f *Frame) Video() bool { return f.Stream.Tracks[f.Track].Codec.Video() }
