// Package preview makes the small file beside a clip: key frames of a camera's sub-stream, one every few seconds, sealed to the
// clip's recipient.
//
// Its nouns: Collector, which picks key frames while a clip is written; File, what is made of them. The plaintext is a fragmented MP4
// with one part for each picture, so that a player fetches and decodes just one. The package holds frames in memory, at most MaxBytes
// for each camera, and touches no disk.
package preview

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"time"

	"cardea/camera/frame"
	"cardea/nvr/segment"
	"cardea/store"
	"cardea/store/vault"
)

const (
	// Every is how far apart pictures are at least; at most it is the distance of the camera's key frames. It leaves room for the
	// jitter of key frames every four seconds.
	Every = 3500 * time.Millisecond
	// MaxBytes bounds the pictures of one preview.
	MaxBytes = 2 << 20
	// MaxPictures does too, for a clip without end.
	MaxPictures = 256
)

// Collector picks the pictures of one preview. The zero value is empty.
type Collector struct {
	frames []*frame.Frame
	bytes  int
}

// Add takes a frame if it is a key frame and far enough from the last one. Pictures of another frame.Stream than the first one's are
// left out: the preview has one init segment.
func (c *Collector) Add(f *frame.Frame) {
	if !f.Key || !f.Video() || c.bytes+f.Size > MaxBytes || len(c.frames) >= MaxPictures {
		return
	}
	if n := len(c.frames); n > 0 && (f.Stream != c.frames[0].Stream || f.Wall.Sub(c.frames[n-1].Wall) < Every) {
		return
	}
	c.frames = append(c.frames, f)
	c.bytes += f.Size
}

// File is a sealed preview.
type File struct {
	// Row is what the index is to hold, without Clip, Camera, Start and End.
	Row store.Preview
	// Data is the file.
	Data []byte
}

// Seal makes the file and forgets the pictures; nil where there is none. buf, which may be nil, is used for Data where it is large
// enough.
func (c *Collector) Seal(to vault.Recipient, buf []byte) (*File, error) {
	frames := c.frames
	*c = Collector{}
	if len(frames) == 0 {
		return nil, nil
	}
	mux, err := segment.New(frames[0].Stream, segment.Options{NoAudio: true})
	if err != nil {
		return nil, fmt.Errorf("make a preview: %w", err)
	}
	out := bytes.NewBuffer(buf[:0])
	seal, header, err := vault.Seal(out, to)
	if err != nil {
		return nil, fmt.Errorf("make a preview: %w", err)
	}
	n, err := seal.Write(mux.Init())
	if err != nil {
		return nil, fmt.Errorf("make a preview: %w", err)
	}
	f := &File{Row: store.Preview{HeaderBytes: header, InitBytes: n, Codecs: mux.Codecs()}}
	plain := int64(n)
	for i := range frames {
		var next *frame.Frame
		if i+1 < len(frames) {
			next = frames[i+1]
		}
		n, err := mux.WritePart(seal, frames[i:i+1], next, uint32(i+1))
		if err != nil {
			return nil, fmt.Errorf("make a preview: %w", err)
		}
		if n > 0 {
			f.Row.Parts = append(f.Row.Parts, store.Part{Start: frames[i].Wall.Truncate(time.Microsecond), Offset: plain, Key: true})
			plain += n
		}
	}
	if err := seal.Close(); err != nil {
		return nil, fmt.Errorf("make a preview: %w", err)
	}
	if len(f.Row.Parts) == 0 {
		return nil, nil
	}
	f.Data = out.Bytes()
	sum := sha256.Sum256(f.Data)
	f.Row.Bytes, f.Row.SHA256 = int64(len(f.Data)), sum[:]
	return f, nil
}
