package test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"cardea/camera/agent"
	"cardea/camera/agent/pattern"
	"cardea/test/box"
)

// TestKill pulls the plug of a box that records four cameras, again and again at random moments, and holds it to its
// promise: everything listed is there and sound, and at most one second and 64 KiB of each camera are gone.
// CARDEA_KILLS says how often; 200 without it.
// Attack case 67 of docs/attacks.md.
func TestKill(t *testing.T) {
	kills := 200
	if text := os.Getenv("CARDEA_KILLS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("CARDEA_KILLS=%s: %v", text, err)
		}
		kills = n
	}
	const boxes, fps, bitRate = 2, 15, 1_500_000
	cameras := virtualCameras(t, 4, fps, bitRate)
	// One second of pictures, and as many as fit into 64 KiB. The last picture sent may still be on its way.
	allowed := uint64(fps + 64<<10*8*fps/bitRate + 1)

	var mu sync.Mutex
	var losses []uint64
	var group sync.WaitGroup
	for i := range boxes {
		b, err := box.New(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		group.Go(func() {
			seed := uint64(time.Now().UnixNano()) + uint64(i)
			random := rand.New(rand.NewPCG(seed, 0))
			lost, err := killRepeatedly(b, cameras, kills/boxes, random)
			mu.Lock()
			defer mu.Unlock()
			losses = append(losses, lost...)
			if err != nil {
				t.Errorf("seed %d: %v\n%s", seed, err, b.LogTail())
			}
		})
	}
	group.Wait()
	if len(losses) < kills {
		t.Errorf("only %d cameras were cut off in mid-clip by %d kills: too few to say anything", len(losses), kills)
	}
	var most uint64
	for _, lost := range losses {
		most = max(most, lost)
		if lost > allowed {
			t.Errorf("%d pictures lost, at most %d may be", lost, allowed)
		}
	}
	t.Logf("%d kills, %d clips cut off, at most %d of %d allowed pictures lost", kills, len(losses), most, allowed)
}

// virtualCameras starts n cameras with a test picture.
func virtualCameras(t *testing.T, n, fps, bitRate int) *agent.Agent {
	t.Helper()
	config := agent.Config{}
	for i := range n {
		source, err := agent.NewPattern(agent.PatternConfig{Config: pattern.Config{
			Width: 320, Height: 180, FPS: fps, GOP: time.Second, Name: fmt.Sprint("Camera ", i), BitRate: bitRate,
		}})
		if err != nil {
			t.Fatal(err)
		}
		config.Streams = append(config.Streams, agent.Stream{Path: strconv.Itoa(i), Source: source})
	}
	return serveAgent(t, config)
}

// serveAgent starts virtual cameras that live as long as the test.
func serveAgent(t *testing.T, config agent.Config) *agent.Agent {
	t.Helper()
	cameras, err := agent.Open(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- cameras.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return cameras
}

// killRepeatedly returns the number of pictures that each kill cost each camera that was being recorded.
func killRepeatedly(b *box.Box, cameras *agent.Agent, kills int, random *rand.Rand) (losses []uint64, err error) {
	if err := b.Serve(); err != nil {
		return nil, err
	}
	paths := map[string]string{} // camera ID → path at the agent
	for i := range 4 {
		if err := b.AddCamera(fmt.Sprint("Camera ", i), cameras.URL(strconv.Itoa(i))); err != nil {
			return nil, err
		}
	}
	list, err := b.Cameras()
	if err != nil {
		return nil, err
	}
	for _, camera := range list {
		paths[camera.ID] = strings.TrimPrefix(camera.Name, "Camera ")
	}
	settled := map[string]bool{}
	for i := range kills {
		time.Sleep(time.Duration(300+random.IntN(2200)) * time.Millisecond)
		sent := map[string]uint64{}
		for id, path := range paths {
			sent[id] = cameras.Count(path)
		}
		if err := b.Kill(); err != nil {
			return losses, err
		}
		if err := b.Serve(); err != nil {
			return losses, fmt.Errorf("after kill %d: %w", i, err)
		}
		clips, err := b.Recordings("")
		if err != nil {
			return losses, err
		}
		for _, clip := range clips {
			if clip.Open || settled[clip.ID] {
				continue
			}
			settled[clip.ID] = true
			if !clip.Torn {
				return losses, fmt.Errorf("clip %s was cut off and is not listed as torn", clip.ID)
			}
			last, err := lastPicture(b, clip)
			if err != nil {
				return losses, fmt.Errorf("clip %s after kill %d: %w", clip.ID, i, err)
			}
			if now := sent[clip.Camera]; now > last+1 {
				losses = append(losses, now-last-1)
			} else {
				losses = append(losses, 0)
			}
		}
		if i%20 == 19 || i == kills-1 {
			if out, err := b.Run("verify"); err != nil {
				return losses, fmt.Errorf("after kill %d: %w\n%s", i, err, out)
			}
		}
	}
	return losses, b.Stop()
}

// lastPicture opens what is there of a clip with stock age and returns the number of the last picture in it.
func lastPicture(b *box.Box, clip box.Clip) (uint64, error) {
	// age gives out every whole chunk, then says that the end is missing.
	plain, _ := exec.Command(stockAge, "-d", "-i", b.IdentityFile, b.ClipFile(clip)).Output()
	if len(plain) == 0 {
		return 0, fmt.Errorf("age opens nothing of %d bytes", clip.Bytes)
	}
	command := exec.Command("ffmpeg", "-v", "quiet", "-i", "-", "-c", "copy", "-bsf:v", "h264_mp4toannexb", "-f", "h264", "-")
	command.Stdin = bytes.NewReader(plain)
	stream, err := command.Output()
	if err != nil {
		return 0, fmt.Errorf("read the part of %d bytes that age opens: %w", len(plain), err)
	}
	found := false
	var last uint64
	for nal := range bytes.SplitSeq(stream, []byte{0, 0, 1}) {
		if number, _, ok := pattern.ParseSEI(nal); ok {
			last, found = number, true
		}
	}
	if !found {
		return 0, fmt.Errorf("no picture in %d bytes of video", len(stream))
	}
	return last, nil
}
