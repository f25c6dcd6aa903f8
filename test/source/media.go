package source

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Codec is an encoding of video by the name that FFmpeg uses.
type Codec string

// The codecs that films are made in.
const (
	H264 Codec = "h264"
	H265 Codec = "hevc"
)

// FPS is the number of pictures a second in every film and pipeline here.
const FPS = 25

// Film is an MP4 file of which no two pictures are the same, with AAC sound.
type Film struct {
	Path  string
	Codec Codec
	// Pictures are the hashes of its pictures in decoding order: see Pictures.
	Pictures []string
}

// MakeFilm encodes a moving test picture with x264 or x265, as a camera would: no B frames, a key frame each second.
func MakeFilm(t testing.TB, codec Codec, seconds int) *Film {
	t.Helper()
	path := filepath.Join(openDir(t), string(codec)+".mp4")
	encoder := []string{"-c:v", "libx264", "-preset", "veryfast", "-profile:v", "high", "-bf", "0", "-sc_threshold", "0"}
	if codec == H265 {
		encoder = []string{"-c:v", "libx265", "-preset", "ultrafast", "-tag:v", "hvc1",
			"-x265-params", "log-level=error:bframes=0:keyint=25:min-keyint=25:scenecut=0"}
	}
	args := []string{"-v", "error", "-y",
		"-f", "lavfi", "-i", fmt.Sprintf("testsrc2=s=640x360:r=%d:d=%d", FPS, seconds),
		"-f", "lavfi", "-i", fmt.Sprintf("sine=f=440:r=48000:d=%d", seconds), "-pix_fmt", "yuv420p", "-g", "25"}
	args = append(args, encoder...)
	args = append(args, "-b:v", "1M", "-c:a", "aac", "-b:a", "64k", "-movflags", "+faststart", path)
	if out, err := exec.Command(tool(t, "ffmpeg"), args...).CombinedOutput(); err != nil {
		t.Fatalf("encode a film: %v\n%s", err, out)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	film := &Film{Path: path, Codec: codec, Pictures: Pictures(t, path, codec)}
	if len(film.Pictures) != seconds*FPS {
		t.Fatalf("the film has %d pictures, want %d", len(film.Pictures), seconds*FPS)
	}
	seen := make(map[string]bool)
	for _, p := range film.Pictures {
		if seen[p] {
			t.Fatal("the film has two pictures that are the same")
		}
		seen[p] = true
	}
	return film
}

// Pictures returns a hash for each picture of a file, in decoding order: the SHA-256 of its slices, one after the
// other without start codes. It does not depend on parameter sets, SEI, or how the file frames its NAL units, so a
// recording has the same ones as what was recorded.
func Pictures(t testing.TB, path string, codec Codec) []string {
	t.Helper()
	filter := "h264_mp4toannexb"
	if codec == H265 {
		filter = "hevc_mp4toannexb"
	}
	var stderr bytes.Buffer
	cmd := exec.Command(tool(t, "ffmpeg"), "-v", "error", "-i", path, "-map", "0:v:0", "-c", "copy",
		"-bsf:v", filter, "-f", string(codec), "-")
	cmd.Stderr = &stderr
	stream, err := cmd.Output()
	if err != nil {
		t.Fatalf("read pictures of %s: %v\n%s", path, err, stderr.String())
	}
	var pictures []string
	digest := sha256.New()
	open := false
	flush := func() {
		if open {
			pictures = append(pictures, hex.EncodeToString(digest.Sum(nil)))
		}
		digest.Reset()
	}
	for nal := range bytes.SplitSeq(stream, []byte{0, 0, 1}) {
		nal = bytes.TrimRight(nal, "\x00")
		if first, ok := slice(nal, codec); ok {
			if first {
				flush()
			}
			digest.Write(nal)
			open = true
		}
	}
	flush()
	return pictures
}

// slice reports whether a NAL unit is part of a picture, and the first of it.
func slice(nal []byte, codec Codec) (first, ok bool) {
	if codec == H264 {
		if len(nal) < 2 {
			return false, false
		}
		kind := nal[0] & 31
		return nal[1]&0x80 != 0, kind >= 1 && kind <= 5 // first_mb_in_slice is 0
	}
	if len(nal) < 3 {
		return false, false
	}
	return nal[2]&0x80 != 0, nal[0]>>1&63 < 32 // first_slice_segment_in_pic_flag
}

// Sent returns the pictures that have left the source so far, from its ledger.
func (s *Server) Sent(t testing.TB) []string {
	t.Helper()
	data, err := os.ReadFile(s.Ledger)
	if err != nil {
		t.Fatal(err)
	}
	// The last line may still be being written.
	return strings.Fields(string(data[:bytes.LastIndexByte(data, '\n')+1]))
}

// Missing compares what was recorded with what was sent and returns a sentence for the first picture that is not where
// it should be; "" when got is a part of sent without a hole. loop is true for a source that starts again at its end.
func Missing(got, sent []string, loop bool) string {
	if len(got) == 0 {
		return "no picture was recorded"
	}
	index := make(map[string]int, len(sent))
	for i, p := range sent {
		index[p] = i
	}
	for i, p := range got {
		at, known := index[p]
		if !known {
			return fmt.Sprintf("recorded picture %d of %d was never sent", i, len(got))
		}
		if i == 0 {
			continue
		}
		want := index[got[i-1]] + 1
		if loop {
			want %= len(sent)
		}
		if at != want {
			return fmt.Sprintf("recorded picture %d of %d is number %d of the source, expected was %d", i, len(got), at, want)
		}
	}
	return ""
}
