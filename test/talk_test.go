package test

import (
	"bytes"
	"net/url"
	"os"
	"testing"
	"time"

	"cardea/camera/frame"
	"cardea/camera/rtsp"
	"cardea/test/source"
)

// TestTalkGStreamer talks to the back channel of GStreamer's ONVIF server, and to cameras without one.
func TestTalkGStreamer(t *testing.T) {
	ear, heard := source.GStreamerEar(t, source.Options{User: "ann", Password: "loud"})
	at, err := url.Parse(ear.URL)
	if err != nil {
		t.Fatal(err)
	}
	cfg := rtsp.Config{URL: at, User: "ann", Password: "loud", ConnectTimeout: 30 * time.Second}
	if can, err := rtsp.CanTalk(t.Context(), cfg); err != nil || !can {
		t.Fatalf("CanTalk: %v, %v", can, err)
	}
	talk, err := rtsp.OpenTalk(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer talk.Close()
	if talk.Codec() != frame.PCMU {
		t.Errorf("codec %s", talk.Codec())
	}
	word := make([]byte, 160)
	for i := range word {
		word[i] = byte(i)
	}
	// The server may not play what came before it was ready.
	waitFor(t, "what was said is played", func() bool {
		if err := talk.Say(word); err != nil {
			t.Fatal(err)
		}
		played, _ := os.ReadFile(heard)
		return bytes.Contains(played, bytes.Repeat(word, 10))
	})

	mute := source.GStreamerLive(t, source.H264, source.Options{})
	if at, err = url.Parse(mute.URL); err != nil {
		t.Fatal(err)
	}
	if can, err := rtsp.CanTalk(t.Context(), rtsp.Config{URL: at, ConnectTimeout: 30 * time.Second}); err != nil || can {
		t.Errorf("a camera without a back channel: %v, %v", can, err)
	}
}
