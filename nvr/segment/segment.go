// Package segment turns frames into fragmented MP4 (ISO/IEC 14496-12): one init segment, then parts, each a moof
// and an mdat. The recorder writes them into clips, the live view sends them to browsers.
//
// Video goes in bit by bit as the camera sent it, SEI and parameter sets in the stream included; only the start
// codes become lengths. G.711, which no browser plays in MP4, becomes FLAC, from which the same samples come
// back. AAC and Opus stay as they are. The first audio track is taken, others are left out.
//
// # Time
//
// Decode time 0 is the DTS of the first picture, which MUST be a key frame. The times of pictures are always
// computed from the camera's own and never added up, so they do not drift. The duration of the last picture of a
// part is taken from the picture after it, where the caller knows that one, and is guessed otherwise; a wrong
// guess is put right by the time that the next part starts with.
//
// Audio has no holes, because players stall at them or skip the pictures beside them: each access unit begins
// where the last one ended. Where packets were lost or the camera sent no sound at all, silence of the same codec
// is written; where the camera's clock ran so slow that sounds overlap, one access unit is left out. Sound is
// thus never further from its picture than half an access unit or 40 ms, whichever is more.
//
// The package is pure: it reads frames, writes to the io.Writer it is given, and has no clock and no goroutine.
package segment

import (
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"cardea/camera/frame"
)

// ErrNoVideo is returned by New for a stream without a video track: there is nothing to cut at.
var ErrNoVideo = errors.New("segment: stream has no video track")

// ErrForeign is returned by WritePart for a frame of another stream. Make a new Muxer for that stream.
var ErrForeign = errors.New("segment: frame belongs to another stream")

// Options of a Muxer. The zero value is right for a clip.
type Options struct {
	// NoAudio leaves the sound out.
	NoAudio bool
	// Live makes a time line for a viewer: pauses that a player would take for the end of a group of pictures
	// are shortened, so that time in the player runs on although the camera sent nothing or frames were lost.
	// Use the wall time of the frames to tell when something happened.
	Live bool
	// Start is the time of the first picture in the time line. A viewer goes on where the last stream ended.
	Start time.Duration
}

// Muxer writes one init segment and the parts that go with it. It is used by one goroutine.
type Muxer struct {
	stream  *frame.Stream
	options Options
	init    []byte
	codecs  string

	video videoTrack
	audio *audioTrack // nil where there is none

	out countingWriter
	box box // moof and mdat header of the part being written
}

// Identifiers of the tracks in the file.
const (
	videoID = 1
	audioID = 2
)

// New returns a muxer for the frames of a stream. It fails for a stream without video and for parameter sets that
// cannot be read.
func New(s *frame.Stream, o Options) (*Muxer, error) {
	v := s.Video()
	if v < 0 {
		return nil, ErrNoVideo
	}
	m := &Muxer{stream: s, options: o}
	entry, err := videoEntry(&s.Tracks[v])
	if err != nil {
		return nil, fmt.Errorf("describe video track: %w", err)
	}
	m.codecs = entry.codecs
	m.video = videoTrack{index: v, rate: int64(s.Tracks[v].ClockRate)}
	m.video.begin(o)
	tracks := []initTrack{{id: videoID, rate: s.Tracks[v].ClockRate, entry: entry}}
	for i := range s.Tracks {
		if o.NoAudio || s.Tracks[i].Codec.Video() {
			continue
		}
		m.audio, err = newAudioTrack(i, &s.Tracks[i], o.Live)
		if err != nil {
			return nil, fmt.Errorf("describe audio track: %w", err)
		}
		m.audio.end = rescaleUp(m.video.start, m.video.rate, m.audio.rate)
		m.codecs += "," + m.audio.entry.codecs
		tracks = append(tracks, initTrack{id: audioID, rate: s.Tracks[i].ClockRate, entry: m.audio.entry})
		break
	}
	m.init = marshalInit(tracks)
	return m, nil
}

// Init returns the init segment. The caller MUST NOT change it.
func (m *Muxer) Init() []byte { return m.init }

// Codecs returns what stands in the codecs parameter of RFC 6381, such as avc1.64001f,mp4a.40.2.
func (m *Muxer) Codecs() string { return m.codecs }

// MIME returns the media type for MediaSource.isTypeSupported and a file.
func (m *Muxer) MIME() string { return `video/mp4; codecs="` + m.codecs + `"` }

// End returns where the time line ends so far: the end of picture or sound, whichever is later.
func (m *Muxer) End() time.Duration {
	end := rescaleUp(m.video.end(), m.video.rate, int64(time.Second))
	if m.audio != nil {
		end = max(end, rescaleUp(m.audio.end, m.audio.rate, int64(time.Second)))
	}
	return time.Duration(end)
}

// WritePart writes one part with all frames, which MUST be in the order of decoding within each track, and returns
// the number of bytes written. The next picture after them, when the caller knows it, tells how long the last one
// is shown; nil is allowed. Frames before the first key frame are left out. Where nothing is left to write, nothing
// is written and 0 returned, and seq may be used again.
//
// Payload goes to w straight from the frames in many small writes; give it something that buffers. After an error
// of w the muxer is of no more use.
func (m *Muxer) WritePart(w io.Writer, frames []*frame.Frame, next *frame.Frame, seq uint32) (int64, error) {
	if err := m.collect(frames, next); err != nil {
		return 0, err
	}
	if len(m.video.samples) == 0 && (m.audio == nil || len(m.audio.samples) == 0) {
		return 0, nil
	}
	if err := m.header(seq); err != nil {
		return 0, err
	}
	m.out = countingWriter{w: w}
	err := m.payload(frames)
	n := m.out.n
	m.out = countingWriter{}
	if err != nil {
		return n, fmt.Errorf("write part %d: %w", seq, err)
	}
	return n, nil
}

// collect fills the sample lists of the tracks.
func (m *Muxer) collect(frames []*frame.Frame, next *frame.Frame) error {
	m.video.samples = m.video.samples[:0]
	for i, f := range frames {
		if f.Stream != m.stream {
			return ErrForeign
		}
		if f.Track == m.video.index {
			m.video.add(i, f, m.options.Live)
		}
	}
	m.video.close(next, m.stream)
	if m.audio == nil {
		return nil
	}
	m.audio.begin()
	if !m.video.started {
		return nil
	}
	origin, end := m.video.audioOrigin(m.audio.rate), rescale(m.video.end(), m.video.rate, m.audio.rate)
	for i, f := range frames {
		if f.Track != m.audio.index {
			continue
		}
		m.audio.add(i, f, f.DTS-origin, end)
	}
	m.audio.follow(end, m.options.Live)
	return nil
}

// header builds the moof and the header of the mdat in m.box.
func (m *Muxer) header(seq uint32) error {
	b := &m.box
	b.reset()
	moof := b.begin("moof")
	mfhd := b.full("mfhd", 0, 0)
	b.u32(seq)
	b.end(mfhd)
	var videoAt, audioAt int // where the data offsets stand
	var videoSize, size int64
	if len(m.video.samples) > 0 {
		videoAt, videoSize = m.video.traf(b)
	}
	size = videoSize
	if m.audio != nil && len(m.audio.samples) > 0 {
		var n int64
		audioAt, n = m.audio.traf(b)
		size += n
	}
	b.end(moof)
	data := int64(len(b.b)) + 8
	if data+size > math.MaxInt32 {
		return fmt.Errorf("segment: a part of %d bytes is too large", size)
	}
	if videoAt > 0 {
		b.patch(videoAt, uint32(data))
	}
	if audioAt > 0 {
		b.patch(audioAt, uint32(data+videoSize))
	}
	b.u32(uint32(size + 8))
	b.str("mdat")
	return nil
}

// payload writes m.box and what the samples hold.
func (m *Muxer) payload(frames []*frame.Frame) error {
	m.out.write(m.box.b)
	for i := range m.video.samples {
		for _, nal := range frames[m.video.samples[i].frame].Payload {
			if len(nal) > 0 {
				m.out.length(len(nal))
				m.out.write(nal)
			}
		}
	}
	if m.audio != nil {
		for i := range m.audio.samples {
			s := &m.audio.samples[i]
			if s.frame >= 0 {
				m.out.write(frames[s.frame].Payload[0])
			} else {
				m.out.write(m.audio.scratch[s.off : s.off+int(s.size)])
			}
		}
	}
	return m.out.err
}

// countingWriter counts, and keeps the first error so that the loops above stay plain.
type countingWriter struct {
	w      io.Writer
	n      int64
	err    error
	prefix [4]byte
}

func (c *countingWriter) write(p []byte) {
	if c.err != nil {
		return
	}
	n, err := c.w.Write(p)
	c.n += int64(n)
	c.err = err
}

// length writes the length that stands before a NAL unit (ISO/IEC 14496-15, 5.3.3.1).
func (c *countingWriter) length(n int) {
	c.prefix = [4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
	c.write(c.prefix[:])
}

// rescale converts a time from one clock rate to another, rounding down, without overflow for any real stream.
func rescale(v, from, to int64) int64 {
	if from == to {
		return v
	}
	q, r := v/from, v%from
	if r < 0 {
		q, r = q-1, r+from
	}
	return q*to + r*to/from
}

// rescaleUp rounds up.
func rescaleUp(v, from, to int64) int64 { return -rescale(-v, from, to) }
