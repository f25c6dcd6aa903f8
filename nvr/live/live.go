// Package live turns the frames of a camera into what one viewer needs: an init segment, then parts for Media Source
// Extensions, made as the pictures come in. Nothing of it touches a disk.
//
// A viewer starts with the newest key frame, which the hub remembers, so that there is a picture at once; what has
// come since follows in the same part. From then on each picture is a part of its own, with the sound that arrived
// meanwhile. A viewer who is too slow loses pictures up to the next key frame and nobody else notices.
//
// The time line of a viewer has no holes and never goes back, whatever the camera does: a player can append
// everything in the order it comes, in the segments mode, and never has to seek. Message.Wall tells the real time.
package live

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"cardea/camera/frame"
	"cardea/nvr/hub"
	"cardea/nvr/segment"
)

// DefaultQueueBytes bounds what waits for a slow viewer where Config does not say otherwise.
const DefaultQueueBytes = 6 << 20

// soundAlone is how long sound waits for a picture to travel with. Cameras that send a picture now and then are
// heard all the same.
const soundAlone = 250 * time.Millisecond

// Config describes a viewer. The zero value works.
type Config struct {
	// NoAudio leaves the sound out.
	NoAudio bool
	// QueueBytes bounds what waits for the viewer while he is slow. 0 means DefaultQueueBytes.
	QueueBytes int
	// Headroom is how many bytes stay free at the start of Message.Data for a header of the caller's, so that
	// nothing has to be copied to send it.
	Headroom int
}

// Message is what Next returns: an init segment or a part.
type Message struct {
	// MIME is the media type with codecs for an init segment and empty for a part.
	MIME string
	// Key says that a part starts with a key frame.
	Key bool
	// Wall is when the first frame of a part was captured; for an init segment, that of the part to follow.
	Wall time.Time
	// Quality says which of a camera's streams an init segment is of, where the source has more than one.
	Quality string
	// Data begins with Config.Headroom bytes of no meaning, then comes the init segment or part. It belongs to
	// the viewer and is good until Next is called again.
	Data []byte
}

// Source gives a viewer frames, as a live hub.Reader that begins with a key frame does: so does each new frame.Stream.
type Source interface {
	Next(ctx context.Context) (*frame.Frame, error)
	Drain(dst []*frame.Frame) []*frame.Frame
	Dropped() hub.Drops
	Close()
}

// Viewer is one who watches. One goroutine calls Next; Close may be called from any.
type Viewer struct {
	config Config
	source Source
	out    bytes.Buffer

	muxer  *segment.Muxer
	stream *frame.Stream
	end    time.Duration // of the time line
	seq    uint32

	frames []*frame.Frame // taken from the hub, not sent yet
	ahead  []*frame.Frame // of the next stream
}

// New makes a viewer of a hub. The caller closes it.
func New(h *hub.Hub, c Config) *Viewer {
	if c.QueueBytes <= 0 {
		c.QueueBytes = DefaultQueueBytes
	}
	return From(h.Subscribe(hub.ReaderConfig{Live: true, KeyFirst: true, MaxBytes: c.QueueBytes}), c)
}

// From makes a viewer of a source, which it closes. Config.QueueBytes is the source's business. The caller closes the viewer.
func From(s Source, c Config) *Viewer { return &Viewer{config: c, source: s} }

// Stream is that of the init segment that Next gave last; nil before.
func (v *Viewer) Stream() *frame.Stream { return v.stream }

// Next waits for something to send. It returns hub.ErrClosed after the end of the viewer or the hub, the context's
// error when that is done, and an error for a stream that does not fit into MP4. After an error the viewer is of
// no more use.
func (v *Viewer) Next(ctx context.Context) (Message, error) {
	for {
		if len(v.frames) == 0 {
			v.frames, v.ahead = v.ahead, v.frames
		}
		if len(v.frames) == 0 || !v.ready() {
			f, err := v.source.Next(ctx)
			if err != nil {
				return Message{}, err
			}
			v.frames = v.source.Drain(append(v.frames, f))
		}
		v.split()
		first := v.frames[0]
		if first.Stream != v.stream {
			return v.begin(first)
		}
		if !v.ready() {
			continue
		}
		m, err := v.part()
		if err != nil || len(m.Data) > 0 {
			return m, err
		}
	}
}

// split keeps frames of one stream in v.frames.
func (v *Viewer) split() {
	for i, f := range v.frames {
		if f.Stream != v.frames[0].Stream {
			v.ahead = append(v.ahead, v.frames[i:]...)
			clear(v.frames[i:])
			v.frames = v.frames[:i]
			return
		}
	}
}

// ready reports whether what was taken is worth sending: a picture, or sound that has waited long enough.
func (v *Viewer) ready() bool {
	if len(v.ahead) > 0 {
		return true
	}
	for _, f := range v.frames {
		if f.Video() || f.Wall.Sub(v.frames[0].Wall) >= soundAlone {
			return true
		}
	}
	return false
}

// begin makes the init segment of a new stream.
func (v *Viewer) begin(first *frame.Frame) (Message, error) {
	if v.muxer != nil {
		v.end = v.muxer.End()
	}
	m, err := segment.New(first.Stream, segment.Options{NoAudio: v.config.NoAudio, Live: true, Start: v.end})
	if err != nil {
		return Message{}, fmt.Errorf("start live view: %w", err)
	}
	v.muxer, v.stream = m, first.Stream
	v.clearOut()
	v.out.Write(m.Init())
	return Message{MIME: m.MIME(), Wall: first.Wall, Data: v.out.Bytes()}, nil
}

// part muxes v.frames.
func (v *Viewer) part() (Message, error) {
	v.clearOut()
	first := v.frames[0]
	for _, f := range v.frames {
		if f.Video() {
			first = f
			break
		}
	}
	m := Message{Key: first.Key && first.Video(), Wall: first.Wall}
	n, err := v.muxer.WritePart(&v.out, v.frames, nil, v.seq)
	clear(v.frames) // or they would live until as many have come again
	v.frames = v.frames[:0]
	if err != nil {
		return Message{}, fmt.Errorf("make live part: %w", err)
	}
	if n > 0 {
		v.seq++
		m.Data = v.out.Bytes()
	}
	return m, nil
}

// clearOut empties the buffer but for the headroom. After an unusually large part it starts anew.
func (v *Viewer) clearOut() {
	if v.out.Cap() > 1<<20 {
		v.out = bytes.Buffer{}
	}
	v.out.Reset()
	for range v.config.Headroom {
		v.out.WriteByte(0)
	}
}

// Dropped tells what the viewer lost for being slow.
func (v *Viewer) Dropped() hub.Drops { return v.source.Dropped() }

// Close ends the viewer, a waiting Next included. Closing twice is harmless.
func (v *Viewer) Close() { v.source.Close() }
