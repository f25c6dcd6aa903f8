package source

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// record saves some seconds of a server with FFmpeg, the known good client.
func record(t *testing.T, s *Server, transport string, seconds string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "clip.mp4")
	out, err := exec.Command(tool(t, "ffmpeg"), "-v", "error", "-y", "-rtsp_transport", transport, "-i", s.URL, "-t", seconds,
		"-c", "copy", path).CombinedOutput()
	if err != nil {
		t.Fatalf("FFmpeg cannot record %s: %v\n%s\n%s", s.URL, err, out, s.Log())
	}
	return path
}

func TestServers(t *testing.T) {
	for _, codec := range []Codec{H264, H265} {
		film := MakeFilm(t, codec, 8)
		t.Run("gstreamer film "+string(codec), func(t *testing.T) {
			path := record(t, GStreamerFilm(t, film, Options{}), "tcp", "3")
			if problem := Missing(Pictures(t, path, codec), film.Pictures, false); problem != "" {
				t.Error(problem)
			}
		})
		t.Run("gstreamer live over TLS "+string(codec), func(t *testing.T) {
			s := GStreamerLive(t, codec, Options{TLS: true})
			path := record(t, s, "tcp", "3")
			if problem := Missing(Pictures(t, path, codec), s.Sent(t), false); problem != "" {
				t.Error(problem)
			}
		})
		t.Run("vlc "+string(codec), func(t *testing.T) {
			path := record(t, VLC(t, film), "udp", "3")
			if problem := Missing(Pictures(t, path, codec), film.Pictures, true); problem != "" {
				t.Error(problem)
			}
		})
	}
	t.Run("stunnel", func(t *testing.T) {
		s := Stunnel(t, GStreamerLive(t, H264, Options{}))
		path := record(t, s, "tcp", "2")
		if problem := Missing(Pictures(t, path, H264), s.Sent(t), false); problem != "" {
			t.Error(problem)
		}
	})
	t.Run("password", func(t *testing.T) {
		s := GStreamerLive(t, H264, Options{User: "viewer", Password: "secret"})
		open := *s
		s.URL = strings.Replace(s.URL, "rtsp://", "rtsp://viewer:secret@", 1)
		record(t, s, "tcp", "1")
		if out, err := exec.Command("ffprobe", "-v", "error", "-rtsp_transport", "tcp", open.URL).CombinedOutput(); err == nil {
			t.Errorf("no password is needed: %s", out)
		}
	})
}

func TestMissing(t *testing.T) {
	sent := strings.Fields("a b c d e")
	for got, want := range map[string]string{
		"b c d": "", "": "no picture", "a c": "number 2", "a x": "never sent", "b b": "expected was 2", "d e a": "number 0",
	} {
		if problem := Missing(strings.Fields(got), sent, false); (want == "") != (problem == "") || !strings.Contains(problem, want) {
			t.Errorf("%q: %q", got, problem)
		}
	}
	if problem := Missing(strings.Fields("d e a b"), sent, true); problem != "" {
		t.Error(problem)
	}
}
