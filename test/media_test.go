package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"cardea/test/box"
	"cardea/test/source"
)

// foreign is a camera that is not ours, and what it is known to have sent.
type foreign struct {
	name   string
	server *source.Server
	codec  source.Codec
	trust  string
	film   *source.Film // nil for a live picture, which has a ledger
	loop   bool
}

// sent lists the pictures that left the camera, or may have.
func (c *foreign) sent(t *testing.T) []string {
	if c.film != nil {
		return c.film.Pictures
	}
	return c.server.Sent(t)
}

// recordFor is how much of each camera is recorded at least.
const recordFor = 12 * time.Second

// TestForeignCameras records what other people's servers send, opens the clips with stock age, and compares them
// picture by picture with what was sent.
func TestForeignCameras(t *testing.T) {
	h264 := source.MakeFilm(t, source.H264, 60)
	h265 := source.MakeFilm(t, source.H265, 60)
	const plain, pinned = "plain", "pinned"

	t.Run("hybrid vault", func(t *testing.T) {
		journey(t, stockAge, []foreign{
			{name: "GStreamer film H264", server: source.GStreamerFilm(t, h264, source.Options{}), codec: source.H264, trust: plain, film: h264},
			{name: "GStreamer film H265 TLS", server: source.GStreamerFilm(t, h265, source.Options{TLS: true}), codec: source.H265, trust: pinned, film: h265},
			{name: "GStreamer live H264 TLS", server: source.GStreamerLive(t, source.H264, source.Options{TLS: true}), codec: source.H264, trust: pinned},
			{name: "GStreamer live H265", server: source.GStreamerLive(t, source.H265, source.Options{}), codec: source.H265, trust: plain},
			{name: "GStreamer live behind stunnel", server: source.Stunnel(t, source.GStreamerLive(t, source.H264, source.Options{})), codec: source.H264, trust: pinned},
			{name: "VLC H264", server: source.VLC(t, h264), codec: source.H264, trust: plain, film: h264, loop: true},
			{name: "VLC H265", server: source.VLC(t, h265), codec: source.H265, trust: plain, film: h265, loop: true},
		})
	})
	t.Run("x25519 vault", func(t *testing.T) {
		// Debian's age is older than hybrid recipients.
		debianAge, err := exec.LookPath("age")
		if err != nil {
			t.Fatal("Debian's age is not installed; `make test` installs what the journeys need")
		}
		journey(t, debianAge, []foreign{
			{name: "GStreamer film H264 TLS", server: source.GStreamerFilm(t, h264, source.Options{TLS: true}), codec: source.H264, trust: pinned, film: h264},
			{name: "GStreamer film H265", server: source.GStreamerFilm(t, h265, source.Options{}), codec: source.H265, trust: plain, film: h265},
		}, "--vault-type", "x25519")
	})
}

// journey records the cameras in a box of their own and looks at the clips.
func journey(t *testing.T, age string, cameras []foreign, setup ...string) {
	b, err := box.New(t.TempDir(), setup...)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Serve(); err != nil {
		t.Fatal(err)
	}
	for _, c := range cameras {
		args := []string{"cameras", "add", "--name", c.name}
		if c.server.Fingerprint != "" {
			// Without the fingerprint nothing is trusted, and the sentence says what the key is.
			if _, err := b.Run(append(args, c.server.URL)...); err == nil || !strings.Contains(err.Error(), c.server.Fingerprint) {
				t.Errorf("%s: an unknown key is answered with: %v", c.name, err)
			}
			args = append(args, "--fingerprint", c.server.Fingerprint)
		}
		if _, err := b.Run(append(args, c.server.URL)...); err != nil {
			t.Fatalf("%v\n%s\n%s", err, c.server.Log(), b.LogTail())
		}
	}
	ids := map[string]string{}
	list, err := b.Cameras()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		ids[c.Name] = c.ID
		for _, want := range cameras {
			if want.name == c.Name && want.trust != c.Trust {
				t.Errorf("%s is %s, want %s", c.Name, c.Trust, want.trust)
			}
		}
	}
	waitFor(t, "clips of every camera", func() bool {
		for _, c := range cameras {
			clips, err := b.Recordings(ids[c.name])
			if err != nil || len(clips) == 0 || clips[0].End.Sub(clips[0].Start) < recordFor {
				return false
			}
		}
		return true
	})
	if err := b.Stop(); err != nil {
		t.Fatal(err)
	}
	if out, err := b.Run("verify"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	for _, c := range cameras {
		t.Run(c.name, func(t *testing.T) { checkClips(t, b, age, c, ids[c.name]) })
	}
	if t.Failed() {
		t.Log(b.LogTail())
	}
}

// checkClips opens the clips of a camera, which are one unless a film was sent for longer than a clip lasts.
func checkClips(t *testing.T, b *box.Box, age string, c foreign, id string) {
	clips, err := b.Recordings(id)
	if err != nil {
		t.Fatal(err)
	}
	var pictures []string
	for _, clip := range clips {
		if clip.Open || clip.Torn || clip.SHA256 == nil {
			t.Errorf("clip %s is not whole after an orderly stop", clip.ID)
		}
		plain := filepath.Join(t.TempDir(), clip.ID+".mp4")
		if out, err := exec.Command(age, "-d", "-i", b.IdentityFile, "-o", plain, b.ClipFile(clip)).CombinedOutput(); err != nil {
			t.Fatalf("age: %v\n%s", err, out)
		}
		sameAsExport(t, b, clip, plain)
		checkStreams(t, plain, clip, c)
		pictures = append(pictures, source.Pictures(t, plain, c.codec)...)
	}
	sent := c.sent(t)
	if problem := source.Missing(pictures, sent, c.loop); problem != "" {
		t.Error(problem)
	}
	if len(pictures) > 0 && c.film != nil && !c.loop && pictures[0] != sent[0] {
		t.Error("the recording does not start with the first picture of the film")
	}
	if len(pictures) > 0 && c.film == nil {
		// What was on its way when the box was stopped is not recorded; it is less than what was recorded before.
		late := len(sent) - 1 - slices.Index(sent, pictures[len(pictures)-1])
		if late > 2*source.FPS {
			t.Errorf("the last %d pictures are missing", late)
		}
		t.Logf("%d pictures were on their way at the end", late)
	}
	if least := int(recordFor.Seconds()-2) * source.FPS; len(pictures) < least {
		t.Errorf("%d pictures, want at least %d", len(pictures), least)
	}
	t.Logf("%d pictures in %d clips, none missing", len(pictures), len(clips))
}

// sameAsExport compares with what `cardea clips export` writes.
func sameAsExport(t *testing.T, b *box.Box, clip box.Clip, plain string) {
	t.Helper()
	exported := plain + ".exported"
	if _, err := b.Run("clips", "export", clip.ID, "--identity", b.IdentityFile, "-o", exported); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(plain)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(exported)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("clips export gives something else than age")
	}
}

// probed is what ffprobe says about a file.
type probed struct {
	Streams []struct {
		Index     int
		CodecType string `json:"codec_type"`
		CodecName string `json:"codec_name"`
	}
	Format  struct{ Duration string }
	Packets []struct {
		Stream int    `json:"stream_index"`
		PTS    string `json:"pts_time"`
		DTS    string `json:"dts_time"`
		Flags  string
	}
}

// checkStreams holds a clip to what the index says of it.
func checkStreams(t *testing.T, path string, clip box.Clip, c foreign) {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command("ffprobe", "-v", "error", "-show_streams", "-show_format", "-show_packets", "-of", "json", path)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || stderr.Len() > 0 {
		t.Errorf("ffprobe: %v\n%s", err, stderr.String())
	}
	var p probed
	if err := json.Unmarshal(out, &p); err != nil {
		t.Fatal(err)
	}
	codecs := map[string]string{}
	video := -1
	for _, s := range p.Streams {
		codecs[s.CodecType] = s.CodecName
		if s.CodecType == "video" {
			video = s.Index
		}
	}
	if want := map[string]string{"video": string(c.codec), "audio": "aac"}; fmt.Sprint(codecs) != fmt.Sprint(want) {
		t.Errorf("codecs %v, want %v", codecs, want)
	}
	duration, err := strconv.ParseFloat(p.Format.Duration, 64)
	if err != nil {
		t.Fatal(err)
	}
	const part = 1.0 // second
	if listed := clip.End.Sub(clip.Start).Seconds(); math.Abs(duration-listed) > part {
		t.Errorf("clip %s lasts %.3f s and is listed with %.3f s", clip.ID, duration, listed)
	}

	last := map[int]float64{}
	previous := math.NaN()
	for _, packet := range p.Packets {
		dts, err1 := strconv.ParseFloat(packet.DTS, 64)
		pts, err2 := strconv.ParseFloat(packet.PTS, 64)
		if err1 != nil || err2 != nil {
			t.Fatalf("a packet without time: %+v", packet)
		}
		before, seen := last[packet.Stream]
		if seen && dts <= before {
			t.Fatalf("stream %d: time %f follows %f", packet.Stream, dts, before)
		}
		last[packet.Stream] = dts
		if packet.Stream != video {
			continue
		}
		if !seen && !strings.HasPrefix(packet.Flags, "K") {
			t.Error("the clip does not start at a key frame")
		}
		// Half a frame is what a live source may be off its own clock.
		if step := pts - previous; c.film != nil && math.Abs(step-1.0/source.FPS) > .5/source.FPS {
			t.Errorf("a picture comes %.3f s after the one before, at %.3f s", step, pts)
		}
		previous = pts
	}
	for _, s := range p.Streams {
		if _, ok := last[s.Index]; !ok {
			t.Errorf("no packets of %s", s.CodecType)
		}
	}
}
