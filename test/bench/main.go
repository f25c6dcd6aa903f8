// Command bench measures what recording costs: CPU seconds per gigabyte, memory, and frames lost, for Cardea and for
// `ffmpeg -c copy -f segment` in turn, from the same source on the loopback. Cardea encrypts and hashes what it
// writes and indexes each part of it; ffmpeg writes plaintext. Only ratios within one run mean anything.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	counts := flag.String("streams", "1,8,32", "numbers of streams, one run each")
	window := flag.Duration("window", 30*time.Second, "how long each recorder is measured, after it has settled")
	rounds := flag.Int("rounds", 1, "how often each pair is measured")
	tls := flag.Bool("tls", false, "over RTSPS (Cardea pins the camera's key; ffmpeg verifies nothing)")
	only := flag.String("only", "", "cardea or ffmpeg: measure just that one")
	paired := flag.Bool("paired", false, "Cardea with paired cameras (mutual TLS) beside Cardea with plain ones, in place of ffmpeg")
	sub := flag.Bool("sub", false, "Cardea with previews of sub-streams beside Cardea without, in place of ffmpeg")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	clip, err := material(ctx)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "streams\trecorder\tMB recorded\tCPU s\tCPU s/GB\t% core/stream\tpeak RSS MB\tPSS MB\tframes lost\tratio\t")
	for _, field := range strings.Split(*counts, ",") {
		n, err := strconv.Atoi(field)
		if err != nil || n < 1 {
			return fmt.Errorf("-streams %s: %q is not a number of streams", *counts, field)
		}
		for range *rounds {
			if *paired {
				if err := comparePaired(ctx, table, clip, n, *window); err != nil {
					return err
				}
				continue
			}
			if *sub {
				if err := comparePreviews(ctx, table, clip, n, *tls, *window); err != nil {
					return err
				}
				continue
			}
			source, err := serveCopies(ctx, clip, "", n, *tls)
			if err != nil {
				return err
			}
			err = compare(ctx, table, source, *window, *only)
			source.close()
			if err != nil {
				return err
			}
		}
	}
	return table.Flush()
}

// comparePreviews measures Cardea without and with previews of a sub-stream.
func comparePreviews(ctx context.Context, table *tabwriter.Writer, clip string, n int, tls bool, window time.Duration) error {
	small, err := smallMaterial(ctx, clip)
	if err != nil {
		return err
	}
	source, err := serveCopies(ctx, clip, small, n, tls)
	if err != nil {
		return err
	}
	defer source.close()
	subs := source.subs
	source.subs = nil
	without, err := recordCardea(ctx, source, window)
	if err != nil {
		return fmt.Errorf("without previews: %w", err)
	}
	without.print(table, n, "cardea", 0)
	source.subs = subs
	with, err := recordCardea(ctx, source, window)
	if err != nil {
		return fmt.Errorf("with previews: %w", err)
	}
	with.print(table, n, "cardea with previews", without.perGB())
	return table.Flush()
}

// smallMaterial makes the same clip as a sub-stream has it: 640 × 360 at 15 pictures a second and about 500 kbit/s, with a key frame every
// two seconds.
func smallMaterial(ctx context.Context, clip string) (string, error) {
	path := filepath.Join("build", "bench", "360p-500kbit.mp4")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	cmd := exec.CommandContext(ctx, "ffmpeg", "-v", "error", "-y", "-i", clip, "-vf", "scale=640:360,fps=15", "-pix_fmt", "yuv420p",
		"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "30", "-sc_threshold", "0", "-b:v", "500k", "-maxrate", "500k",
		"-bufsize", "500k", "-c:a", "copy", path+".part.mp4")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("make the small test video: %w: %s", err, out)
	}
	return path, os.Rename(path+".part.mp4", path)
}

// compare measures ffmpeg, then Cardea, on the same source, and prints a row for each.
func compare(ctx context.Context, table *tabwriter.Writer, source *source, window time.Duration, only string) error {
	var reference float64
	if only != "cardea" {
		r, err := recordFFmpeg(ctx, source, window)
		if err != nil {
			return fmt.Errorf("ffmpeg: %w", err)
		}
		reference = r.perGB()
		r.print(table, len(source.urls), "ffmpeg -c copy", 0)
	}
	if only != "ffmpeg" {
		r, err := recordCardea(ctx, source, window)
		if err != nil {
			return fmt.Errorf("cardea: %w", err)
		}
		r.print(table, len(source.urls), "cardea", reference)
	}
	return table.Flush()
}

// result is the cost of one recorder over one window.
type result struct {
	bytes    int64 // grown on disk
	cpu      time.Duration
	window   time.Duration
	peak     int64 // bytes, all processes
	pss      int64
	lost     int
	lostNote string
}

func (r result) perGB() float64 { return r.cpu.Seconds() / (float64(r.bytes) / 1e9) }

func (r result) print(table *tabwriter.Writer, streams int, name string, reference float64) {
	ratio := ""
	if reference > 0 {
		ratio = fmt.Sprintf("%.2f ×", r.perGB()/reference)
	}
	lost := strconv.Itoa(r.lost)
	if r.lostNote != "" {
		lost = r.lostNote
	}
	fmt.Fprintf(table, "%d\t%s\t%.1f\t%.2f\t%.2f\t%.2f\t%.0f\t%.0f\t%s\t%s\t\n", streams, name, float64(r.bytes)/1e6, r.cpu.Seconds(),
		r.perGB(), 100*r.cpu.Seconds()/r.window.Seconds()/float64(streams), float64(r.peak)/(1<<20), float64(r.pss)/(1<<20), lost, ratio)
}

// material makes the clip that every stream repeats: a minute of 1080p25 H.264 at about 4 Mbit/s with a key frame
// every two seconds, and AAC. It is kept in build/bench for the next run.
func material(ctx context.Context) (string, error) {
	path := filepath.Join("build", "bench", "1080p-4mbit.mp4")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	fmt.Fprintln(os.Stderr, "making a minute of test video …")
	cmd := exec.CommandContext(ctx, "ffmpeg", "-v", "error", "-y",
		"-f", "lavfi", "-i", "testsrc2=size=1920x1080:rate=25,noise=alls=6:allf=t", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000",
		"-t", "60", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "50", "-sc_threshold", "0",
		"-b:v", "4M", "-maxrate", "4M", "-bufsize", "4M", "-c:a", "aac", "-b:a", "64k", "-ac", "1", path+".part.mp4")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("make test video: %w: %s", err, out)
	}
	return path, os.Rename(path+".part.mp4", path)
}

// grown returns the bytes of all files below dir.
func grown(dir string) (total int64, err error) {
	err = filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	return total, err
}
