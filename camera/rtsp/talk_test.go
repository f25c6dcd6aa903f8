package rtsp

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/auth"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/pion/rtp"

	"cardea/camera/frame"
)

// earCamera is a servedCamera that notes what it hears.
type earCamera struct {
	*servedCamera
	mu    sync.Mutex
	heard []*rtp.Packet
	plain int // descriptions that were asked for without a back channel
}

func (c *earCamera) OnDescribe(ctx *gortsplib.ServerHandlerOnDescribeCtx) (*base.Response, *gortsplib.ServerStream, error) {
	if !slices.Contains(ctx.Request.Header["Require"], "www.onvif.org/ver20/backchannel") {
		c.mu.Lock()
		c.plain++
		c.mu.Unlock()
	}
	return c.servedCamera.OnDescribe(ctx)
}

func (c *earCamera) OnPlay(ctx *gortsplib.ServerHandlerOnPlayCtx) (*base.Response, error) {
	ctx.Session.OnPacketRTPAny(func(m *description.Media, _ format.Format, p *rtp.Packet) {
		if m.IsBackChannel {
			c.mu.Lock()
			c.heard = append(c.heard, p)
			c.mu.Unlock()
		}
	})
	return c.servedCamera.OnPlay(ctx)
}

func (c *earCamera) packets() []*rtp.Packet {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.heard)
}

// ears serves a camera with back channels of the given formats.
func ears(t *testing.T, setup func(*servedCamera), formats ...format.Format) *earCamera {
	t.Helper()
	c := &earCamera{}
	c.servedCamera = serve(t, func(s *servedCamera) {
		if len(formats) > 0 {
			s.desc.Medias = append(s.desc.Medias, &description.Media{Type: description.MediaTypeAudio, IsBackChannel: true, Formats: formats})
		}
		if setup != nil {
			setup(s)
		}
		s.Handler = c
		c.servedCamera = s
	})
	return c
}

// config is how the camera is reached.
func (c *servedCamera) config() Config {
	cfg := Config{URL: c.url()}
	if c.methods != nil {
		cfg.User, cfg.Password = user, secret
	}
	return cfg
}

func g711(kind uint8, ulaw bool) format.Format {
	return &format.G711{PayloadTyp: kind, MULaw: ulaw, SampleRate: 8000, ChannelCount: 1}
}

func TestTalk(t *testing.T) {
	t.Parallel()
	cert, pin := certificate(t)
	secure := func(c *servedCamera) { c.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}} }
	for _, tc := range []struct {
		name  string
		setup func(*servedCamera)
		f     format.Format
		codec frame.Codec
		kind  uint8
	}{
		{"µ-law", nil, g711(0, true), frame.PCMU, 0},
		{"A-law with a password", func(c *servedCamera) { c.methods = []auth.VerifyMethod{auth.VerifyMethodDigestMD5} }, g711(8, false), frame.PCMA, 8},
		{"µ-law over TLS", secure, g711(0, true), frame.PCMU, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := ears(t, tc.setup, tc.f)
			cfg := c.config()
			if c.TLSConfig != nil {
				cfg.Pin = pin
			}
			if can, err := CanTalk(t.Context(), cfg); !can || err != nil {
				t.Fatalf("CanTalk: %v, %v", can, err)
			}
			talk, err := OpenTalk(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer talk.Close()
			if talk.Codec() != tc.codec {
				t.Errorf("codec %s", talk.Codec())
			}
			now := time.Now() // stands still but for the pause, however long the machine takes
			talk.now = func() time.Time { return now }
			word := func(n byte) []byte { return bytes.Repeat([]byte{n}, 160) }
			for n := range byte(5) {
				if err := talk.Say(word(n)); err != nil {
					t.Fatal(err)
				}
			}
			now = now.Add(2 * pause)
			if err := talk.Say(word(5)); err != nil {
				t.Fatal(err)
			}
			eventually(t, "all is heard", func() bool { return len(c.packets()) == 6 })
			all := c.packets()
			for i, p := range all {
				if !bytes.Equal(p.Payload, word(byte(i))) || p.PayloadType != tc.kind || p.SSRC != all[0].SSRC || p.Marker != (i == 0 || i == 5) {
					t.Errorf("packet %d is %v", i, p)
				}
				if i > 0 && p.SequenceNumber != all[i-1].SequenceNumber+1 {
					t.Errorf("packet %d has number %d", i, p.SequenceNumber)
				}
				if step := p.Timestamp - all[max(0, i-1)].Timestamp; i > 0 && i < 5 && step != 160 || i == 5 && step < 160+1600 {
					t.Errorf("packet %d comes %d after the last", i, step)
				}
			}
			if err := talk.Say(nil); err == nil {
				t.Error("nothing was sent")
			}
			talk.Close()
			talk.Close()
			if err := talk.Say(word(9)); err == nil {
				t.Error("after the end something was sent")
			}
			if c.plain != 0 {
				t.Error("the camera was asked without saying what for")
			}
		})
	}
}

// TestNoTalk: a camera without a back channel says so in words, and cameras are not asked for one where nobody talks.
func TestNoTalk(t *testing.T) {
	t.Parallel()
	var none ErrNoTalk
	mute := ears(t, nil)
	if _, err := OpenTalk(t.Context(), mute.config()); !errors.As(err, &none) || len(none.Codecs) != 0 {
		t.Errorf("without a back channel: %v", err)
	}
	if can, err := CanTalk(t.Context(), mute.config()); can || err != nil {
		t.Errorf("CanTalk: %v, %v", can, err)
	}
	other := ears(t, nil, &format.Opus{PayloadTyp: 97, ChannelCount: 2})
	if _, err := OpenTalk(t.Context(), other.config()); !errors.As(err, &none) || len(none.Codecs) != 1 {
		t.Errorf("with Opus only: %v", err)
	}
	old := serve(t, func(c *servedCamera) { c.Handler = &refuser{c} })
	if _, err := OpenTalk(t.Context(), old.config()); !errors.As(err, &none) {
		t.Errorf("refused with 551: %v", err)
	}
	locked := ears(t, func(c *servedCamera) { c.methods = []auth.VerifyMethod{auth.VerifyMethodDigestMD5} }, g711(0, true))
	cfg := locked.config()
	cfg.Password = "wrong"
	if _, err := CanTalk(t.Context(), cfg); !isType[ErrAuth](err) {
		t.Errorf("with a wrong password: %v", err)
	}
	cert, _ := certificate(t)
	secure := ears(t, func(c *servedCamera) { c.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}} }, g711(0, true))
	cfg = secure.config()
	cfg.Pin = bytes.Repeat([]byte{1}, 32)
	if _, err := OpenTalk(t.Context(), cfg); !isType[ErrPin](err) {
		t.Errorf("with another key: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := OpenTalk(ctx, mute.config()); !errors.Is(err, context.Canceled) {
		t.Errorf("when nobody waits: %v", err)
	}
	_, frames, stop := play(t, ears(t, nil, g711(0, true)).config())
	eventually(t, "frames", func() bool { return len(frames.list()) > 2 })
	stop()
}

// refuser is a camera that knows no options.
type refuser struct{ *servedCamera }

func (c *refuser) OnDescribe(ctx *gortsplib.ServerHandlerOnDescribeCtx) (*base.Response, *gortsplib.ServerStream, error) {
	if len(ctx.Request.Header["Require"]) > 0 {
		return &base.Response{StatusCode: base.StatusOptionNotSupported}, nil, nil
	}
	return c.servedCamera.OnDescribe(ctx)
}

// TestTalkEnds: that the camera is gone is an error of the next word.
func TestTalkEnds(t *testing.T) {
	t.Parallel()
	c := ears(t, nil, g711(0, true))
	talk, err := OpenTalk(t.Context(), c.config())
	if err != nil {
		t.Fatal(err)
	}
	defer talk.Close()
	c.Server.Close()
	<-talk.Ended()
	if err := talk.Say(make([]byte, 160)); !isType[ErrEnded](err) {
		t.Errorf("after the end: %v", err)
	}
}
