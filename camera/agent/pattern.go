package agent

import (
	"context"
	"strings"
	"time"

	"cardea/camera/agent/pattern"
	"cardea/camera/frame"
)

// PatternConfig describes a test picture with sound.
type PatternConfig struct {
	pattern.Config
	// Beep adds a G.711 A-law track with a short tone at each full second.
	Beep bool
	// Now is the clock shown and put into the SEI. nil means time.Now. Pacing always follows the machine.
	Now func() time.Time
}

// Pattern is a source that draws a test picture: see package pattern.
type Pattern struct {
	config  PatternConfig
	encoder *pattern.Encoder
	stream  *frame.Stream
}

// The sound of a pattern goes out in packets of 20 ms.
const (
	beepRate   = 8000
	beepPacket = 160
)

// NewPattern allocates a source. It fails on a size or rate that cannot be drawn.
func NewPattern(config PatternConfig) (*Pattern, error) {
	encoder, err := pattern.New(config.Config)
	if err != nil {
		return nil, err
	}
	config.Config = encoder.Config()
	if config.Now == nil {
		config.Now = time.Now
	}
	p := &Pattern{config: config, encoder: encoder, stream: &frame.Stream{Tracks: []frame.Track{{
		Codec: frame.H264, ClockRate: 90000, Params: encoder.Params(), Width: config.Width, Height: config.Height,
	}}}}
	if config.Beep {
		p.stream.Tracks = append(p.stream.Tracks, frame.Track{
			Codec: frame.PCMA, ClockRate: beepRate, SampleRate: beepRate, Channels: 1,
		})
	}
	return p, nil
}

// Stream implements Source.
func (p *Pattern) Stream() *frame.Stream { return p.stream }

// maxLate is how far a source may fall behind before it leaves out time in place of hurrying after it.
const maxLate = time.Second

// Run implements Source. When the machine is too slow for the frame rate, time is left out, never a picture
// number: the numbers that arrive are consecutive unless something was lost on the way.
func (p *Pattern) Run(ctx context.Context, sink func(*frame.Frame)) error {
	clock := newPacer(ctx)
	defer clock.stop()
	fps := int64(p.config.FPS)
	var sound int64                  // in packets of 20 ms
	began := p.config.Now().Round(0) // by the hands, which can be set
	for tick := int64(0); ; tick++ {
		at := time.Duration(tick * int64(time.Second) / fps)
		if p.config.Beep {
			for ; time.Duration(sound)*beepPacket*time.Second/beepRate <= at; sound++ {
				due := time.Duration(sound) * beepPacket * time.Second / beepRate
				if !clock.sleep(due) {
					return nil
				}
				// Times of sound are counted, not read: the phase of the tone must not follow the scheduler. But a clock that is set takes both along.
				if now := p.config.Now().Round(0); now.Sub(began.Add(due)).Abs() > maxLate {
					began = now.Add(-due)
				}
				sink(p.beep(sound, began.Add(due)))
			}
		}
		if !clock.sleep(at) {
			return nil
		}
		if late := clock.late(at); late > maxLate {
			tick += int64(late) * fps / int64(time.Second)
			sound = tick * beepRate / beepPacket / fps
		}
		picture := p.encoder.Next(p.config.Now())
		pts := tick * 90000 / fps
		sink(&frame.Frame{
			Stream: p.stream, PTS: pts, DTS: pts, Wall: picture.Wall, Key: picture.Key,
			Payload: picture.NALs, Size: picture.Size,
		})
	}
}

// beep returns packet n of the sound, which starts at wall.
func (p *Pattern) beep(n int64, wall time.Time) *frame.Frame {
	data := pattern.Beep(make([]byte, beepPacket), beepRate, wall)
	return &frame.Frame{
		Stream: p.stream, Track: 1, PTS: n * beepPacket, DTS: n * beepPacket, Wall: wall, Key: true,
		Payload: [][]byte{data}, Size: len(data),
	}
}

// pacer waits for moments counted from its start, with one timer.
type pacer struct {
	ctx   context.Context
	start time.Time
	timer *time.Timer
}

func newPacer(ctx context.Context) *pacer {
	return &pacer{ctx: ctx, start: time.Now(), timer: time.NewTimer(0)}
}

// sleep waits until at. It is false when the context is done.
func (p *pacer) sleep(at time.Duration) bool {
	p.timer.Reset(at - time.Since(p.start))
	select {
	case <-p.ctx.Done():
		return false
	case <-p.timer.C:
		return p.ctx.Err() == nil
	}
}

// late is how much time has passed since at.
func (p *pacer) late(at time.Duration) time.Duration { return time.Since(p.start) - at }

func (p *pacer) stop() { p.timer.Stop() }

// OpenSource makes a source from the address a person gives: "test:" for a test picture, with its name as in
// "test:Front door", or the path of a media file.
func OpenSource(uri string) (Source, error) {
	if name, ok := strings.CutPrefix(uri, "test:"); ok {
		return NewPattern(PatternConfig{Config: pattern.Config{Name: name}, Beep: true})
	}
	return NewFile(uri)
}
