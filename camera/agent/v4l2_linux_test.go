package agent

import (
	"bytes"
	"context"
	"image"
	"image/jpeg"
	"log/slog"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"cardea/camera/frame"
)

// pretend is a video device that does not exist: no machine that builds this has one, and the kernel's own pretended ones (vivid,
// v4l2loopback) are modules that it cannot load. It answers the requests of videodev2.h as the kernel does.
type pretend struct {
	mu       sync.Mutex
	caps     uint32
	formats  []uint32
	pictures [][]byte // given over and over
	busy     bool
	gone     bool // unplugged
	bad      bool // the last buffer was
	next     int
	mapped   [][]byte
	queue    []uint32
	on       bool
	opened   int
	ticks    *time.Ticker
}

func newPretend(formats []uint32, pictures [][]byte) *pretend {
	return &pretend{caps: v4l2CanCapture | v4l2CanStream, formats: formats, pictures: pictures, ticks: time.NewTicker(20 * time.Millisecond)}
}

func (p *pretend) open(string) (v4l2Kernel, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone {
		return nil, unix.ENOENT
	}
	p.opened++
	return p, nil
}

func (p *pretend) set(gone bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gone = gone
}

func (p *pretend) ioctl(number uintptr, arg unsafe.Pointer) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone {
		return unix.ENODEV
	}
	// As on amd64 and arm64; the sizes stand in the numbers.
	switch number {
	case 0x80685600: // VIDIOC_QUERYCAP
		c := (*v4l2Capability)(arg)
		copy(c.Card[:], "Pretended camera")
		c.Capabilities, c.DeviceCaps = 0xffffffff, p.caps
	case 0xc0405602: // VIDIOC_ENUM_FMT
		d := (*v4l2FmtDesc)(arg)
		if int(d.Index) >= len(p.formats) {
			return unix.EINVAL
		}
		d.PixelFormat = p.formats[d.Index]
		copy(d.Description[:], map[uint32]string{v4l2H264: "H.264", v4l2MJPEG: "Motion-JPEG", 'Y': "YUYV 4:2:2"}[d.PixelFormat])
	case 0xc0d05605: // VIDIOC_S_FMT
		if p.busy {
			return unix.EBUSY
		}
	case 0xc0cc5616: // VIDIOC_S_PARM
		(*v4l2StreamParm)(arg).Denominator = 50
	case 0xc0145608: // VIDIOC_REQBUFS
		(*v4l2RequestBuffers)(arg).Count = 2
	case 0xc0585609: // VIDIOC_QUERYBUF
		b := (*v4l2Buffer)(arg)
		b.Length, b.Offset = 1<<20, b.Index<<20
	case 0xc058560f: // VIDIOC_QBUF
		p.queue = append(p.queue, (*v4l2Buffer)(arg).Index)
	case 0xc0585611: // VIDIOC_DQBUF
		if !p.on || len(p.queue) == 0 {
			return unix.EAGAIN
		}
		b := (*v4l2Buffer)(arg)
		b.Index, p.queue = p.queue[0], p.queue[1:]
		picture := p.pictures[p.next%len(p.pictures)]
		b.BytesUsed = uint32(copy(p.mapped[b.Index], picture))
		if p.bad = !p.bad && p.next%7 == 3; p.bad {
			b.Flags, b.BytesUsed = v4l2BadBuffer, 3 // damaged on the way; the picture comes again
		} else {
			p.next++
		}
	case 0x40045612: // VIDIOC_STREAMON
		p.on = true
	case 0x40045613: // VIDIOC_STREAMOFF
		p.on, p.queue, p.mapped = false, nil, nil
	default:
		return unix.ENOTTY
	}
	return nil
}

func (p *pretend) mmap(int64, int) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mapped = append(p.mapped, make([]byte, 1<<20))
	return p.mapped[len(p.mapped)-1], nil
}

func (p *pretend) munmap([]byte) error { return nil }

func (p *pretend) poll(wait time.Duration) (bool, error) {
	select {
	case <-p.ticks.C:
		return true, nil
	case <-time.After(wait):
		return false, nil
	}
}

func (p *pretend) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.on, p.queue, p.mapped = false, nil, nil
	return nil
}

// unitsOf cuts a byte stream into what a device gives: one access unit a buffer.
func unitsOf(t *testing.T, n int) (units [][]byte) {
	t.Helper()
	data, _ := annexB(t, n)
	s := newByteStream(bytes.NewReader(data))
	for {
		unit, _, err := s.next()
		if err != nil {
			return units
		}
		var out []byte
		for _, nal := range unit {
			out = append(append(out, 0, 0, 0, 1), nal...)
		}
		units = append(units, out)
	}
}

// jpegs are pictures of a box that moves.
func jpegs(t *testing.T, n int) (pictures [][]byte) {
	t.Helper()
	for i := range n {
		m := image.NewYCbCr(image.Rect(0, 0, 160, 96), image.YCbCrSubsampleRatio420)
		for j := range m.Y {
			m.Y[j] = uint8(j%160 + 5*i)
		}
		var out bytes.Buffer
		if err := jpeg.Encode(&out, m, nil); err != nil {
			t.Fatal(err)
		}
		pictures = append(pictures, out.Bytes())
	}
	return pictures
}

// run runs a source until the test ends and gives its frames.
func runSource(t *testing.T, v *V4L2) (frames <-chan *frame.Frame) {
	t.Helper()
	out := make(chan *frame.Frame, 10_000)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- v.Run(ctx, func(f *frame.Frame) { out <- f }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return out
}

func takeFrames(t *testing.T, frames <-chan *frame.Frame, n int) (keys int) {
	t.Helper()
	last := int64(-1)
	for range n {
		select {
		case f := <-frames:
			if f.DTS <= last || f.Size == 0 {
				t.Fatalf("a picture of %d bytes at %d after %d", f.Size, f.DTS, last)
			}
			last = f.DTS
			if f.Key {
				keys++
			}
		case <-time.After(time.Minute):
			t.Fatal("nothing comes")
		}
	}
	return keys
}

// TestV4L2 passes on what a device gives in H.264, and goes on when it was unplugged and is back.
func TestV4L2(t *testing.T) {
	t.Parallel()
	p := newPretend([]uint32{'Y', v4l2MJPEG, v4l2H264}, unitsOf(t, 20))
	var text lockedBuffer
	v, err := newV4L2(t.Context(), "/dev/video7", nil, slog.New(slog.NewTextHandler(&text, nil)), p.open)
	if err != nil {
		t.Fatal(err)
	}
	if tr := v.Stream().Tracks; len(tr) != 1 || tr[0].Codec != frame.H264 || tr[0].Width != 160 {
		t.Errorf("%+v", tr)
	}
	frames := runSource(t, v)
	if keys := takeFrames(t, frames, 40); keys < 3 {
		t.Errorf("%d key frames", keys)
	}
	p.set(true)
	for deadline := time.Now().Add(time.Minute); !strings.Contains(text.String(), "unplugged"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nobody is told that the device is gone")
		}
	}
	p.set(false)
	for len(frames) > 0 {
		<-frames
	}
	if keys := takeFrames(t, frames, 30); keys < 2 || !strings.Contains(text.String(), "is back") {
		t.Errorf("%d key frames; %s", keys, text.String())
	}
}

// TestV4L2MJPEG encodes what a device gives as JPEG pictures.
func TestV4L2MJPEG(t *testing.T) {
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		t.Skip("no FFmpeg here")
	}
	p := newPretend([]uint32{'Y', v4l2MJPEG}, jpegs(t, 10))
	v, err := newV4L2(t.Context(), "/dev/video7", url.Values{"fps": {"50"}}, nil, p.open)
	if err != nil {
		t.Fatal(err)
	}
	if tr := v.Stream().Tracks; len(tr) != 1 || tr[0].Codec != frame.H264 || tr[0].Width != 160 || tr[0].Height != 96 {
		t.Errorf("%+v", tr)
	}
	if keys := takeFrames(t, runSource(t, v), 120); keys < 2 {
		t.Errorf("%d key frames", keys)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := newV4L2(t.Context(), "/dev/video7", nil, nil, p.open); err == nil || !strings.Contains(err.Error(), "apt install ffmpeg") {
		t.Errorf("without FFmpeg: %v", err)
	}
}

// TestV4L2Sentences says what to do about each device that does not work.
func TestV4L2Sentences(t *testing.T) {
	t.Parallel()
	h264 := unitsOf(t, 3)
	for want, p := range map[string]*pretend{
		"gives no pictures":                     {caps: 1 << 23, formats: []uint32{v4l2H264}},
		"another program":                       {caps: v4l2CanCapture | v4l2CanStream, formats: []uint32{v4l2H264}, pictures: h264, busy: true},
		"it offers YUYV 4:2:2; wanted is H.264": {caps: v4l2CanCapture | v4l2CanStream, formats: []uint32{'Y'}},
		"it offers no pictures at all":          {caps: v4l2CanCapture | v4l2CanStream},
		"there is no device":                    {gone: true},
	} {
		p.ticks = time.NewTicker(time.Millisecond)
		_, err := newV4L2(t.Context(), "/dev/video7", nil, nil, p.open)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "/dev/video7") {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	for path, want := range map[string]string{
		"v4l2:/dev/video99": "there is no device /dev/video99", "v4l2:/dev/null": "it is no video device", "v4l2:": "looks like v4l2:/dev/video0",
		"v4l2:/dev/video0?size=3": "not understood",
	} {
		if _, err := Connect(t.Context(), path, nil, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// lockedBuffer is a log that a test reads.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
