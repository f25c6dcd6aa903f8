package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"cardea/camera/frame"
)

// Libcamera is a source that runs rpicam-vid (or libcamera-vid, as it was called) and serves the H.264 that it writes. Each run of a
// few minutes or years is one process; when that ends, so does the source, with an error.
type Libcamera struct {
	cmd    *exec.Cmd
	errors *tail
	bytes  *byteStream
	stream *frame.Stream
	first  [][]byte
	began  time.Time
	close  func() error
}

// libcameraPrograms are the names that the program has had, the newest first.
var libcameraPrograms = [...]string{"rpicam-vid", "libcamera-vid"}

// NewLibcamera starts the program and waits for the first key frame, until ctx is done. options are width, height and fps; defaults are
// 1920, 1080 and 30. The caller MUST call Run or Close.
func NewLibcamera(ctx context.Context, options url.Values) (*Libcamera, error) {
	numbers := map[string]int{"width": 1920, "height": 1080, "fps": 30}
	for name, values := range options {
		n, err := strconv.Atoi(values[0])
		if _, known := numbers[name]; !known || err != nil || n < 1 || n > 8192 {
			return nil, fmt.Errorf("libcamera: %s=%q is not understood; width, height and fps are numbers", name, values[0])
		}
		numbers[name] = n
	}
	program := ""
	for _, name := range libcameraPrograms {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		return nil, errors.New("libcamera: neither rpicam-vid nor libcamera-vid is installed; on Raspberry Pi OS: apt install rpicam-apps")
	}
	l := &Libcamera{errors: &tail{}}
	l.cmd = exec.Command(program, "--timeout", "0", "--nopreview", "--codec", "h264", "--profile", "high", "--inline", "--flush",
		"--width", strconv.Itoa(numbers["width"]), "--height", strconv.Itoa(numbers["height"]),
		"--framerate", strconv.Itoa(numbers["fps"]), "--intra", strconv.Itoa(2*numbers["fps"]), "--output", "-")
	l.cmd.Stderr = l.errors
	l.cmd.WaitDelay = time.Second // for children of it that hold on to its output
	out, err := l.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := l.cmd.Start(); err != nil {
		return nil, fmt.Errorf("libcamera: %w", err)
	}
	l.close = sync.OnceValue(func() error {
		_ = l.cmd.Process.Kill() // it may have ended by itself
		_ = l.cmd.Wait()         // how a killed process ends is no news
		return nil
	})
	stop := context.AfterFunc(ctx, func() { _ = l.close() })
	defer stop()
	l.bytes = newByteStream(out)
	for {
		unit, key, err := l.bytes.next()
		if err != nil {
			return nil, errors.Join(l.explain(err), ctx.Err())
		}
		if !key {
			continue
		}
		l.first, l.began = unit, time.Now()
		if l.stream, err = l.bytes.stream(); err != nil {
			_ = l.close()
			return nil, fmt.Errorf("libcamera: %w", err)
		}
		return l, nil
	}
}

// Stream implements Source.
func (l *Libcamera) Stream() *frame.Stream { return l.stream }

// Close ends the program.
func (l *Libcamera) Close() error { return l.close() }

// Run implements Source.
func (l *Libcamera) Run(ctx context.Context, sink func(*frame.Frame)) error {
	defer l.close()                                          //nolint:errcheck // it never fails
	stop := context.AfterFunc(ctx, func() { _ = l.close() }) // so does the reading below
	defer stop()
	last := int64(-1)
	unit, key := l.first, true
	for {
		now := time.Now()
		// The program gives no times; that of arrival is within a picture of the truth.
		last = max(last+1, now.Sub(l.began).Microseconds()*9/100)
		size := 0
		for _, nal := range unit {
			size += len(nal)
		}
		sink(&frame.Frame{Stream: l.stream, PTS: last, DTS: last, Wall: now, Key: key, Payload: unit, Size: size})
		var err error
		if unit, key, err = l.bytes.next(); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return l.explain(err)
		}
	}
}

// explain says why there is no more.
func (l *Libcamera) explain(err error) error {
	_ = l.close()
	if text := l.errors.last(); errors.Is(err, io.EOF) && text != "" {
		return fmt.Errorf("libcamera: %s", text)
	}
	return fmt.Errorf("libcamera: the program ended: %w", err)
}

// tail keeps the end of what a program writes.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if n := len(t.buf); n > 4096 {
		t.buf = append([]byte(nil), t.buf[n-4096:]...)
	}
	return len(p), nil
}

// last is the last line.
func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := bytes.Split(bytes.TrimSpace(t.buf), []byte("\n"))
	return string(bytes.TrimSpace(lines[len(lines)-1]))
}
