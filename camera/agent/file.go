package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"cardea/camera/frame"
)

// File is a source that plays a media file in real time, over and over. The file is MP4, fragmented or not, with
// H.264 or H.265 and AAC or Opus.
//
// The length of a round is that of the video, exactly, so that its frames go on at their rate; sound is cut off or
// has a gap there. Frames are sent as they are in the file; the parameter sets are put before key frames that come
// without.
type File struct {
	file   *os.File
	stream *frame.Stream
	tracks []*movieTrack
	order  []ref
	origin time.Duration // of the earliest sample of a track
	round  [2]int64      // the length of a round: units, units in a second
}

// ref names a sample.
type ref struct {
	track, sample int
	due           time.Duration // from the start of the round
}

// NewFile opens a media file and reads its index. Run of an Agent closes it; else Close does.
func NewFile(path string) (*File, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	f := &File{file: file}
	if err := f.index(); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("media file %s: %w", path, err)
	}
	return f, nil
}

func (f *File) index() error {
	info, err := f.file.Stat()
	if err != nil {
		return err
	}
	var skipped []string
	if f.tracks, skipped, err = readMovie(f.file, info.Size()); err != nil {
		return err
	}
	return f.plan(skipped)
}

// plan puts the samples of all tracks in the order they are due.
func (f *File) plan(skipped []string) error {
	f.stream = &frame.Stream{Skipped: skipped}
	lead := -1 // the track whose length is that of a round
	for i, t := range f.tracks {
		if err := t.describe(); err != nil {
			return err
		}
		f.stream.Tracks = append(f.stream.Tracks, t.Track)
		if lead < 0 || t.Codec.Video() && !f.tracks[lead].Codec.Video() {
			lead = i
		}
	}

	// The earliest picture or sound is at time 0; decoding may start before.
	first := func(t *movieTrack) int64 {
		return slices.MinFunc(t.samples, func(a, b sample) int { return cmp.Compare(a.pts, b.pts) }).pts
	}
	for i, t := range f.tracks {
		if at := nanos(first(t), t.scale); i == 0 || at < f.origin {
			f.origin = at
		}
	}
	l := f.tracks[lead]
	f.round = [2]int64{l.end - l.samples[0].dts, l.scale}
	if f.round[0] <= 0 {
		return errors.New("it lasts no time")
	}
	length := nanos(f.round[0], l.scale)
	for i, t := range f.tracks {
		for j := range t.samples {
			due := nanos(t.samples[j].dts, t.scale) - f.origin
			if i != lead && due >= length {
				break
			}
			f.order = append(f.order, ref{i, j, due})
		}
	}
	slices.SortStableFunc(f.order, func(a, b ref) int { return cmp.Compare(a.due, b.due) })
	return nil
}

// nanos converts a time of a track.
func nanos(v, perSecond int64) time.Duration {
	return time.Duration(scale(v, int64(time.Second), perSecond))
}

// Stream implements Source.
func (f *File) Stream() *frame.Stream { return f.stream }

// Frames is the number of pictures in one round.
func (f *File) Frames() int {
	if v := f.stream.Video(); v >= 0 {
		return len(f.tracks[v].samples)
	}
	return 0
}

// Close closes the file.
func (f *File) Close() error {
	if err := f.file.Close(); !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}

// Run implements Source.
func (f *File) Run(ctx context.Context, sink func(*frame.Frame)) error {
	clock := newPacer(ctx)
	defer clock.stop()
	for round := int64(0); ; round++ {
		begin := nanos(round*f.round[0], f.round[1])
		for _, r := range f.order {
			due := begin + r.due
			if !clock.sleep(due) {
				return nil
			}
			if late := clock.late(due); late > maxLate {
				clock.start = clock.start.Add(late)
			}
			fr, err := f.frame(r, round)
			if err != nil {
				return fmt.Errorf("media file %s: %w", f.file.Name(), err)
			}
			if fr != nil {
				fr.Wall = clock.start.Add(due)
				sink(fr)
			}
		}
	}
}

// frame reads a sample. It returns nil for one that holds nothing.
func (f *File) frame(r ref, round int64) (*frame.Frame, error) {
	t := f.tracks[r.track]
	s := &t.samples[r.sample]
	data := make([]byte, s.size)
	if _, err := f.file.ReadAt(data, s.offset); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("it became shorter while it was played")
		}
		return nil, err
	}
	// Each term is scaled by itself: no rounding adds up from round to round.
	clock := int64(t.ClockRate)
	base := scale(round*f.round[0], clock, f.round[1]) - scale(int64(f.origin), clock, int64(time.Second))
	fr := &frame.Frame{
		Stream: f.stream, Track: r.track, Key: s.key,
		PTS: base + scale(s.pts, clock, t.scale), DTS: base + scale(s.dts, clock, t.scale),
	}
	if !t.Codec.Video() {
		fr.Key, fr.Payload = true, [][]byte{data}
	} else {
		fr.Payload = t.split(data, s.key)
	}
	for _, p := range fr.Payload {
		fr.Size += len(p)
	}
	if fr.Size == 0 {
		return nil, nil
	}
	return fr, nil
}

// split cuts a sample at its length prefixes (ISO/IEC 14496-15) and puts the parameter sets before a key frame that
// has none. What does not fit is dropped.
func (t *movieTrack) split(data []byte, key bool) [][]byte {
	var nals [][]byte
	withParams := false
	for len(data) > t.lengthSize {
		n := 0
		for _, b := range data[:t.lengthSize] {
			n = n<<8 | int(b)
		}
		data = data[t.lengthSize:]
		if n > len(data) {
			break
		}
		if n > 0 {
			nal := data[:n:n]
			nals = append(nals, nal)
			withParams = withParams || t.isParams(nal[0])
		}
		data = data[n:]
	}
	if key && !withParams && len(nals) > 0 {
		nals = append(slices.Clone(t.Params), nals...)
	}
	return nals
}

// isParams reports whether a NAL unit that starts with b is an SPS.
func (t *movieTrack) isParams(b byte) bool {
	if t.Codec == frame.H264 {
		return b&0x1f == 7
	}
	return b>>1&0x3f == 33
}
