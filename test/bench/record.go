package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"cardea/test/box"
)

// settle is how long a recorder runs before it is measured: connected, first clips begun, rates known.
const settle = 8 * time.Second

// recordFFmpeg runs one ffmpeg per stream, as its users do.
func recordFFmpeg(ctx context.Context, source *source, window time.Duration) (result, error) {
	dir, err := os.MkdirTemp("", "bench-ffmpeg-")
	if err != nil {
		return result{}, err
	}
	defer os.RemoveAll(dir)
	var pids []int
	for i, url := range source.urls {
		out := filepath.Join(dir, strconv.Itoa(i))
		if err := os.Mkdir(out, 0o755); err != nil {
			return result{}, err
		}
		cmd := exec.CommandContext(ctx, "ffmpeg", "-nostdin", "-v", "error", "-rtsp_transport", "tcp", "-i", url,
			"-c", "copy", "-f", "segment", "-segment_time", "60", "-segment_format", "mp4",
			"-segment_format_options", "movflags=+frag_keyframe+empty_moov+default_base_moof", filepath.Join(out, "%d.mp4"))
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			return result{}, err
		}
		defer func() { _ = cmd.Process.Signal(os.Interrupt); _ = cmd.Wait() }()
		pids = append(pids, cmd.Process.Pid)
	}
	r, err := watch(ctx, dir, pids, window)
	r.lostNote = "–"
	return r, err
}

// recordCardea records all streams in one box and counts, from the decrypted clips, the frames that are missing.
func recordCardea(ctx context.Context, source *source, window time.Duration) (result, error) {
	dir, err := os.MkdirTemp("", "bench-cardea-")
	if err != nil {
		return result{}, err
	}
	defer os.RemoveAll(dir)
	b, err := box.New(dir)
	if err != nil {
		return result{}, err
	}
	if err := b.Serve(); err != nil {
		return result{}, err
	}
	defer b.Kill() // does nothing after Stop
	for i, url := range source.urls {
		args := []string{"cameras", "add", "--name", fmt.Sprintf("Camera %02d", i), url}
		if source.codes != nil {
			args = []string{"cameras", "pair", url, "--code", <-source.codes[i]}
		}
		if source.subs != nil {
			args = append(args, "--sub", source.subs[i])
		}
		if source.fingerprint != "" {
			args = append(args, "--fingerprint", source.fingerprint)
		}
		if _, err := b.Run(args...); err != nil {
			return result{}, err
		}
	}
	r, err := watch(ctx, filepath.Join(b.Dir, "clips"), []int{b.Pid()}, window)
	if err != nil {
		return r, err
	}
	if err := b.Stop(); err != nil {
		return r, fmt.Errorf("stop: %w", err)
	}
	r.lost, err = missing(ctx, b, source.fps)
	return r, err
}

// watch lets a recorder settle and measures it over the window.
func watch(ctx context.Context, dir string, pids []int, window time.Duration) (result, error) {
	if err := pause(ctx, settle); err != nil {
		return result{}, err
	}
	before, bytesBefore, err := snapshot(dir, pids)
	if err != nil {
		return result{}, err
	}
	started := time.Now()
	if err := pause(ctx, window); err != nil {
		return result{}, err
	}
	after, bytesAfter, err := snapshot(dir, pids)
	if err != nil {
		return result{}, err
	}
	if bytesAfter <= bytesBefore {
		return result{}, errors.New("nothing was recorded")
	}
	return result{
		bytes: bytesAfter - bytesBefore, cpu: after.cpu - before.cpu, window: time.Since(started),
		peak: after.peakRSS, pss: after.pss,
	}, nil
}

func snapshot(dir string, pids []int) (sum usage, size int64, err error) {
	for _, pid := range pids {
		u, err := measure(pid)
		if err != nil {
			return sum, 0, err
		}
		sum.cpu += u.cpu
		sum.peakRSS += u.peakRSS
		sum.pss += u.pss
	}
	size, err = grown(dir)
	return sum, size, err
}

// missing counts the video frames that are not in the clips although frames before and after them are: the distance
// of the last picture from the first tells how many there should be.
func missing(ctx context.Context, b *box.Box, fps int) (int, error) {
	clips, err := b.Recordings("")
	if err != nil {
		return 0, err
	}
	lost := 0
	for _, clip := range clips {
		plain := b.ClipFile(clip) + ".mp4"
		out, err := exec.CommandContext(ctx, "go", "tool", "age", "-d", "-i", b.IdentityFile, "-o", plain, b.ClipFile(clip)).CombinedOutput()
		if err != nil {
			return 0, fmt.Errorf("open clip %s: %w: %s", clip.ID, err, out)
		}
		// One line per packet, its presentation time in seconds.
		text, err := exec.CommandContext(ctx, "ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "packet=pts_time", "-of", "csv=p=0", plain).Output()
		if err != nil {
			return 0, fmt.Errorf("read clip %s: %w", clip.ID, err)
		}
		os.Remove(plain)
		times := strings.Fields(strings.ReplaceAll(string(text), ",", ""))
		if len(times) < 2 {
			continue
		}
		first, err1 := strconv.ParseFloat(times[0], 64)
		last, err2 := strconv.ParseFloat(times[len(times)-1], 64)
		if err := errors.Join(err1, err2); err != nil {
			return 0, fmt.Errorf("read times of clip %s: %w", clip.ID, err)
		}
		lost += int((last-first)*float64(fps)+0.5) + 1 - len(times)
	}
	return lost, nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
