package rtsp

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/pion/rtp"

	"cardea/camera/frame"
)

const (
	talkRate = 8000
	// maxSay is the most sound in one packet: 160 ms, which fits into an Ethernet frame.
	maxSay = 1280
	// pause is how late sound may be before it counts as the beginning of another spell of talking.
	pause = 200 * time.Millisecond
)

// ErrNoTalk says that a camera has no back channel, or none with an encoding that browsers send too (G.711).
type ErrNoTalk struct {
	// Codecs are those that it offers; none where it has no back channel.
	Codecs []string
}

func (e ErrNoTalk) Error() string {
	if len(e.Codecs) == 0 {
		return "The camera takes no sound to play: it has no back channel."
	}
	return fmt.Sprintf("The camera takes sound to play, but only as %s; G.711 is what can be sent. Choose G.711 in its settings.", strings.Join(e.Codecs, ", "))
}

// Talk is the back channel to the loudspeaker of a camera (ONVIF Streaming Specification 5.3), in a session of its own: sound goes one
// way and nothing comes back. One goroutine calls Say; Close may be called from any.
type Talk struct {
	a     *attempt
	media *description.Media
	codec frame.Codec
	kind  uint8 // payload type

	sequence uint16
	ts, ssrc uint32
	now      func() time.Time // time.Now, whose readings are monotonic; a test's
	began    time.Time        // of this spell of talking
	said     time.Duration

	closing sync.Once
}

// OpenTalk connects, over TCP, by the same rules as a Session: the camera proves itself before anything is sent. ctx is for connecting only.
// Its errors are sentences; ErrNoTalk where the camera takes none. The caller closes the talk.
func OpenTalk(ctx context.Context, cfg Config) (*Talk, error) {
	t := &Talk{now: time.Now}
	if err := t.connect(ctx, cfg, true); err != nil {
		return nil, err
	}
	return t, nil
}

// CanTalk asks a camera whether it has a back channel: one connection and a DESCRIBE. An error says that it could not be asked.
func CanTalk(ctx context.Context, cfg Config) (bool, error) {
	err := (&Talk{}).connect(ctx, cfg, false)
	var none ErrNoTalk
	if errors.As(err, &none) {
		return false, nil
	}
	return err == nil, err
}

// connect finds the back channel and, where play says so, opens it.
func (t *Talk) connect(ctx context.Context, cfg Config, play bool) error {
	cfg = cfg.withDefaults()
	if err := cfg.Validate(); err != nil {
		return err
	}
	opening, cancel := context.WithTimeoutCause(ctx, cfg.ConnectTimeout, errConnectTimeout)
	defer cancel()
	l, err := dial(opening, cfg)
	if err != nil {
		return err
	}
	t.a = newAttempt(cfg, TCP, l, newReceiver(cfg, func(*frame.Frame) {}))
	t.a.talk = func(desc *description.Session) (doing string, err error) { return t.begin(desc, play) }
	if err = t.a.open(opening); err != nil {
		t.Close() //nolint:errcheck // always nil
		var refused ErrRefused
		switch {
		case errors.As(err, &refused) && refused.Code == int(base.StatusOptionNotSupported):
			return ErrNoTalk{}
		case isType[errRedirect](err):
			return ErrRefused{Code: int(base.StatusMovedPermanently), Message: "it sends us elsewhere for its back channel"}
		}
		return err
	}
	if !play {
		return t.Close()
	}
	return nil
}

// begin is what comes after DESCRIBE.
func (t *Talk) begin(desc *description.Session, play bool) (doing string, err error) {
	var others []string
	for _, m := range desc.Medias {
		if !m.IsBackChannel || m.Type != description.MediaTypeAudio {
			continue
		}
		for _, f := range m.Formats {
			g, ok := f.(*format.G711)
			if !ok || g.SampleRate != talkRate || g.ChannelCount != 1 {
				others = append(others, codecName(f))
				continue
			}
			if t.media == nil {
				t.media, t.kind, t.codec = m, f.PayloadType(), frame.PCMA
				if g.MULaw {
					t.codec = frame.PCMU
				}
			}
		}
	}
	if t.media == nil {
		return "", ErrNoTalk{Codecs: others}
	}
	if !play {
		return "", nil
	}
	if _, err := t.media.URL(desc.BaseURL); err != nil {
		return "", ErrGarbage{Detail: "a back channel without a usable address"}
	}
	if _, err := t.a.client.Setup(desc.BaseURL, t.media, 0, 0); err != nil {
		return "it was asked to set up its back channel", err
	}
	if _, err := t.a.client.Play(nil); err != nil {
		return "it was asked to open its back channel", err
	}
	var random [10]byte
	_, _ = rand.Read(random[:]) // never fails (crypto/rand)
	t.sequence, t.ts, t.ssrc = binary.BigEndian.Uint16(random[:]), binary.BigEndian.Uint32(random[2:]), binary.BigEndian.Uint32(random[6:])
	return "", nil
}

// Codec is what Say takes: frame.PCMU or frame.PCMA, 8 kHz, one channel.
func (t *Talk) Codec() frame.Codec { return t.codec }

// Say sends the sound of some milliseconds, at most 160, now; mostly 20 ms, 160 bytes. It does not block, and keeps nothing of
// payload. An error says why the back channel is over.
func (t *Talk) Say(payload []byte) error {
	select {
	case <-t.a.ended:
		return t.a.explain()
	default:
	}
	if len(payload) == 0 || len(payload) > maxSay {
		return fmt.Errorf("talk: a packet of %d bytes, from 1 to %d are possible", len(payload), maxSay)
	}
	now := t.now()
	first := t.began.IsZero() || now.Sub(t.began)-t.said > pause
	if first {
		if !t.began.IsZero() { // silence takes time too (RFC 3551, section 4.1)
			t.ts += uint32((now.Sub(t.began) - t.said) * talkRate / time.Second)
		}
		t.began, t.said = now, 0
	}
	err := t.a.client.WritePacketRTP(t.media, &rtp.Packet{
		Header: rtp.Header{
			Version: 2, Marker: first, PayloadType: t.kind, SequenceNumber: t.sequence, Timestamp: t.ts, SSRC: t.ssrc,
		},
		Payload: payload,
	})
	if err != nil {
		return fmt.Errorf("talk: %w", err)
	}
	t.sequence++
	t.ts += uint32(len(payload))
	t.said += time.Duration(len(payload)) * time.Second / talkRate
	return nil
}

// Ended is closed when the camera has ended the back channel, or Close was called.
func (t *Talk) Ended() <-chan struct{} { return t.a.ended }

// Close says goodbye and waits until the connection is gone. Closing twice is harmless.
func (t *Talk) Close() error {
	t.closing.Do(t.a.close)
	return nil
}
