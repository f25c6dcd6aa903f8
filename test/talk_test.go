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
	word := make([]byte, 160)
	for i := range word {
		word[i] = byte(i)
	}
	// speak talks at the pace of speech until all of it is played, for ten seconds.
	speak := func() bool {
		talk, err := rtsp.OpenTalk(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer talk.Close()
		if talk.Codec() != frame.PCMU {
			t.Errorf("codec %s", talk.Codec())
		}
		said := time.NewTicker(20 * time.Millisecond)
		defer said.Stop()
		for range 500 {
			<-said.C
			if err := talk.Say(word); err != nil {
				t.Fatal(err)
			}
			if played, _ := os.ReadFile(heard); bytes.Contains(played, bytes.Repeat(word, 10)) {
				return true
			}
		}
		return false
	}
	// One session in some, this server plays nothing of, however long it lasts; the next one it does.
	for try := 1; !speak(); try++ {
		t.Logf("nothing was played in session %d", try)
		if try == 6 {
			t.Fatal("nothing of what was said is played")
		}
	}

	mute := source.GStreamerLive(t, source.H264, source.Options{})
	if at, err = url.Parse(mute.URL); err != nil {
		t.Fatal(err)
	}
	if can, err := rtsp.CanTalk(t.Context(), rtsp.Config{URL: at, ConnectTimeout: 30 * time.Second}); err != nil || can {
		t.Errorf("a camera without a back channel: %v, %v", can, err)
	}
}
