package agent

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4"

	"cardea/camera/frame"
)

// packet is what ffprobe says about a packet.
type packet struct {
	pts, size int
	key       bool
}

// probe asks ffprobe for the packets of the first stream of a kind, in file order.
func probe(t *testing.T, path, kind string) []packet {
	t.Helper()
	out, err := exec.Command("ffprobe", "-v", "error", "-select_streams", kind+":0", "-show_entries",
		"packet=pts,size,flags", "-of", "csv=p=0", path).Output()
	if err != nil {
		t.Fatalf("ffprobe, which `make test` installs: %v", err)
	}
	r := csv.NewReader(bytes.NewReader(out))
	r.FieldsPerRecord = -1
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var packets []packet
	for _, row := range rows {
		pts, _ := strconv.Atoi(row[0])
		size, _ := strconv.Atoi(row[1])
		packets = append(packets, packet{pts, size, strings.HasPrefix(row[2], "K")})
	}
	return packets
}

// The index must hold what a foreign reader finds.
func TestMovieIndex(t *testing.T) {
	for _, name := range []string{"progressive-h264-aac.mp4", "fragmented-h264-aac.mp4", "h265.mp4"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join("testdata", name)
			f, err := NewFile(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if want := len(probe(t, path, "v")); f.Frames() != want {
				t.Errorf("%d pictures, want %d", f.Frames(), want)
			}
			for _, track := range f.tracks {
				kind := "a"
				if track.Codec.Video() {
					kind = "v"
					if track.Width != 96 || track.Height != 64 {
						t.Errorf("size %d × %d", track.Width, track.Height)
					}
				}
				want := probe(t, path, kind)
				if len(track.samples) != len(want) {
					t.Fatalf("%d samples of %s, want %d", len(track.samples), track.Codec, len(want))
				}
				for i, s := range track.samples {
					got := packet{int(s.pts), s.size, s.key || kind == "a"}
					if got.pts-int(track.samples[0].pts) != want[i].pts-want[0].pts || got.size != want[i].size ||
						got.key != want[i].key {
						t.Errorf("%s sample %d is %+v, want %+v", track.Codec, i, got, want[i])
					}
				}
			}
		})
	}
}

// Over several rounds, pictures keep their distance to the tick, and nothing goes back.
func TestFileLoops(t *testing.T) {
	for _, name := range []string{"progressive-h264-aac.mp4", "fragmented-h264-aac.mp4", "h265.mp4"} {
		t.Run(name, func(t *testing.T) {
			f, err := NewFile(filepath.Join("testdata", name))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			perTrack := map[int][]*frame.Frame{}
			for round := range int64(50) {
				for _, r := range f.order {
					fr, err := f.frame(r, round)
					if err != nil {
						t.Fatal(err)
					}
					perTrack[r.track] = append(perTrack[r.track], fr)
				}
			}
			for i, frames := range perTrack {
				video := f.tracks[i].Codec.Video()
				for j := 1; j < len(frames); j++ {
					if frames[j].DTS <= frames[j-1].DTS {
						t.Fatalf("track %d: DTS %d follows %d", i, frames[j].DTS, frames[j-1].DTS)
					}
					if d := frames[j].DTS - frames[j-1].DTS; video && d != 3600 {
						t.Fatalf("picture %d comes %d ticks after the one before", j, d)
					}
				}
				var pts []int64
				for _, fr := range frames {
					pts = append(pts, fr.PTS)
				}
				slices.Sort(pts)
				for j := 1; video && j < len(pts); j++ {
					if pts[j]-pts[j-1] != 3600 {
						t.Fatalf("picture %d is shown %d ticks after the one before", j, pts[j]-pts[j-1])
					}
				}
				if pts[0] < 0 {
					t.Errorf("track %d starts at %d", i, pts[0])
				}
				if first := frames[0]; video && (!first.Key || len(first.Payload) < 3) {
					t.Error("no parameter sets before the first key frame")
				}
			}
		})
	}
}

func TestFileIsServed(t *testing.T) {
	f, err := OpenSource(filepath.Join("testdata", "progressive-h264-aac.mp4"))
	if err != nil {
		t.Fatal(err)
	}
	a := serve(t, Config{Streams: []Stream{{"film", f}}})
	w := watch(t, a.URL("film"), gortsplib.TransportTCP, nil)
	deadline := time.After(time.Minute)
	for {
		w.mu.Lock()
		video, audio := len(w.video), w.audio
		w.mu.Unlock()
		if video > 30 && audio > 20 { // more than one round
			break
		}
		select {
		case <-w.changed:
		case <-deadline:
			t.Fatalf("%d pictures and %d packets of sound in a minute", video, audio)
		}
	}
}

// A file that ends early is played as far as it goes; one that shrinks while it is played ends with a sentence.
func TestTornFile(t *testing.T) {
	whole, err := os.ReadFile(filepath.Join("testdata", "fragmented-h264-aac.mp4"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "torn.mp4")
	if err := os.WriteFile(path, whole[:len(whole)*2/3], 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := NewFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if n := f.Frames(); n == 0 || n >= 20 {
		t.Errorf("%d pictures of 20", n)
	}
	if err := os.Truncate(path, 1000); err != nil {
		t.Fatal(err)
	}
	if err := f.Run(context.Background(), func(*frame.Frame) {}); err == nil || !strings.Contains(err.Error(), "shorter") {
		t.Errorf("a file that shrinks: %v", err)
	}
}

func TestNotAFilm(t *testing.T) {
	if _, err := NewFile(filepath.Join(t.TempDir(), "missing.mp4")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	path := filepath.Join(t.TempDir(), "text.mp4")
	if err := os.WriteFile(path, []byte("this is not a film at all"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := NewFile(path); err == nil {
		t.Error("text is taken for a film")
	}
}

func FuzzMovie(f *testing.F) {
	names, err := filepath.Glob("testdata/*.mp4")
	if err != nil || len(names) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		tracks, skipped, err := readMovie(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		file := &File{tracks: tracks}
		if err := file.plan(skipped); err != nil {
			return
		}
		for _, track := range tracks {
			for _, s := range track.samples {
				if s.offset < 0 || s.size <= 0 || s.offset+int64(s.size) > int64(len(data)) {
					t.Fatalf("sample %+v is outside of %d bytes", s, len(data))
				}
				if track.Codec.Video() {
					track.split(data[s.offset:][:s.size], s.key)
				}
			}
		}
	})
}
