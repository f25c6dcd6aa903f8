package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"cardea/camera/frame"
)

// V4L2 is a source that takes the pictures of a video device of this machine, such as a USB camera. H.264 is passed on as it comes;
// Motion-JPEG, which nobody records, is encoded by FFmpeg. When the device is unplugged, that is said once and it is tried again until
// it is back.
type V4L2 struct {
	path               string
	width, height, fps int
	log                *slog.Logger
	open               func(string) (v4l2Kernel, error)
	stream             *frame.Stream
	now                *v4l2Run // opened by NewV4L2, for Run
}

const (
	v4l2First = time.Second
	v4l2Last  = 15 * time.Second
	// v4l2Start bounds the wait for the first key frame after it was plugged in again.
	v4l2Start = 30 * time.Second
)

// NewV4L2 opens the device and waits for the first key frame, until ctx is done. options are width, height and fps; defaults are 1280, 720
// and 25, and the device takes what is nearest. The caller MUST call Run or Close. Errors are sentences for people.
func NewV4L2(ctx context.Context, path string, options url.Values, log *slog.Logger) (*V4L2, error) {
	return newV4L2(ctx, path, options, log, openKernel)
}

func newV4L2(ctx context.Context, path string, options url.Values, log *slog.Logger, open func(string) (v4l2Kernel, error)) (*V4L2, error) {
	v := &V4L2{path: path, width: 1280, height: 720, fps: 25, log: log, open: open}
	if v.log == nil {
		v.log = slog.New(slog.DiscardHandler)
	}
	numbers := map[string]*int{"width": &v.width, "height": &v.height, "fps": &v.fps}
	for name, values := range options {
		n, err := strconv.Atoi(values[0])
		if numbers[name] == nil || err != nil || n < 1 || n > 8192 {
			return nil, fmt.Errorf("v4l2: %s=%q is not understood; width, height and fps are numbers", name, values[0])
		}
		*numbers[name] = n
	}
	run, err := v.begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("v4l2: %w", err)
	}
	v.now, v.stream = run, run.stream
	return v, nil
}

// Stream implements Source.
func (v *V4L2) Stream() *frame.Stream { return v.stream }

// Close gives the device back where Run was not called.
func (v *V4L2) Close() error {
	if v.now == nil {
		return nil
	}
	return v.now.close()
}

// Run implements Source.
func (v *V4L2) Run(ctx context.Context, sink func(*frame.Frame)) error {
	began, last := time.Now(), int64(-1)
	for wait := v4l2First; ctx.Err() == nil; wait = min(2*wait, v4l2Last) {
		if v.now == nil {
			starting, done := context.WithTimeout(ctx, v4l2Start)
			run, err := v.begin(starting)
			done()
			if err != nil {
				v.log.DebugContext(ctx, "the video device is not back", "reason", err.Error())
				select {
				case <-ctx.Done():
				case <-time.After(wait):
				}
				continue
			}
			v.log.InfoContext(ctx, "the video device is back", "device", v.path)
			v.now, wait = run, v4l2First
			if !sameTracks(run.stream, v.stream) {
				v.stream = run.stream
			}
		}
		stop := context.AfterFunc(ctx, func() { _ = v.now.close() })
		err := v.now.play(func(unit [][]byte, key bool) {
			now := time.Now()
			last = max(last+1, now.Sub(began).Microseconds()*9/100)
			size := 0
			for _, nal := range unit {
				size += len(nal)
			}
			sink(&frame.Frame{Stream: v.stream, PTS: last, DTS: last, Wall: now, Key: key, Payload: unit, Size: size})
		})
		stop()
		_ = v.now.close() // it has failed already
		v.now = nil
		if ctx.Err() == nil {
			v.log.WarnContext(ctx, "the video device brings no more pictures; it is tried again until it does", "reason", err.Error())
		}
	}
	return nil
}

// v4l2Run is a device from when it was opened until it fails.
type v4l2Run struct {
	bytes  *byteStream
	stream *frame.Stream
	first  [][]byte
	close  func() error
	// encoder is FFmpeg, where there has to be one.
	encoder *exec.Cmd

	mu     sync.Mutex
	failed error // of the device, which is the reason for all that follows
}

// begin opens the device and waits for the first key frame.
func (v *V4L2) begin(ctx context.Context) (*v4l2Run, error) {
	c, err := openCapture(v.path, v.open, v.width, v.height, v.fps)
	if err != nil {
		return nil, err
	}
	r := &v4l2Run{}
	running, cancel := context.WithCancel(context.Background())
	out, in := io.Pipe()
	var group sync.WaitGroup
	pictures, end := io.Writer(in), in.CloseWithError
	coded := io.Reader(out)
	if c.mjpeg {
		if r.encoder, pictures, coded, err = encodeMJPEG(v.path, c.fps); err != nil {
			cancel()
			return nil, errors.Join(err, c.close())
		}
		end = func(error) error { return pictures.(io.Closer).Close() }
	}
	group.Go(func() {
		for {
			data, err := c.next(running)
			if err == nil {
				_, err = pictures.Write(data)
			}
			if err != nil {
				r.fail(err)
				_ = end(err) // the reader learns of it
				return
			}
		}
	})
	r.close = sync.OnceValue(func() error {
		cancel()
		_ = out.Close()
		if r.encoder != nil {
			_ = r.encoder.Process.Kill() // it may have ended by itself
		}
		group.Wait()
		if r.encoder != nil {
			_ = r.encoder.Wait() // how a killed process ends is no news
		}
		return c.close()
	})
	stop := context.AfterFunc(ctx, func() { _ = r.close() })
	defer stop()
	r.bytes = newByteStream(coded)
	for {
		unit, key, err := r.bytes.next()
		if err != nil {
			err = r.explain(err)
			return nil, errors.Join(err, r.close())
		}
		if !key {
			continue
		}
		if r.stream, err = r.bytes.stream(); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", v.path, err), r.close())
		}
		r.first = unit
		return r, nil
	}
}

func (r *v4l2Run) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed == nil {
		r.failed = err
	}
}

// explain gives the reason for the end of the pictures: what the device said, else what the encoder did.
func (r *v4l2Run) explain(err error) error {
	if r.encoder != nil {
		if text := r.encoder.Stderr.(*tail).last(); text != "" {
			return fmt.Errorf("FFmpeg says: %s", text)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed != nil {
		return r.failed
	}
	return err
}

// play hands over access units until there are no more.
func (r *v4l2Run) play(sink func(unit [][]byte, key bool)) error {
	unit, key := r.first, true
	for {
		sink(unit, key)
		var err error
		if unit, key, err = r.bytes.next(); err != nil {
			return r.explain(err)
		}
	}
}

// encodeMJPEG starts FFmpeg, which takes JPEG pictures as they come and gives H.264.
func encodeMJPEG(path string, fps int) (cmd *exec.Cmd, in io.Writer, out io.Reader, err error) {
	program, err := exec.LookPath("ffmpeg")
	if err != nil {
		return nil, nil, nil, fmt.Errorf("%s gives Motion-JPEG only, which has to be encoded: install FFmpeg (apt install ffmpeg)", path)
	}
	cmd = exec.Command(program, "-hide_banner", "-loglevel", "error", "-f", "mjpeg", "-framerate", strconv.Itoa(fps), "-i", "pipe:0",
		"-an", "-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-bf", "0",
		"-g", strconv.Itoa(2*fps), "-f", "h264", "pipe:1")
	cmd.Stderr, cmd.WaitDelay = &tail{}, time.Second
	if in, err = cmd.StdinPipe(); err == nil {
		out, err = cmd.StdoutPipe()
	}
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, nil, nil, fmt.Errorf("FFmpeg: %w", err)
	}
	return cmd, in, out, nil
}
