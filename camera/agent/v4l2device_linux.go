package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The structures and numbers of linux/videodev2.h, as they are on 64-bit machines.
type (
	v4l2Capability struct {
		Driver                            [16]byte
		Card, BusInfo                     [32]byte
		Version, Capabilities, DeviceCaps uint32
		_                                 [3]uint32
	}
	v4l2FmtDesc struct {
		Index, Type, Flags    uint32
		Description           [32]byte
		PixelFormat, MbusCode uint32
		_                     [3]uint32
	}
	v4l2Format struct {
		Type, _                                                        uint32
		Width, Height, PixelFormat, Field, BytesPerLine, SizeImage     uint32
		Colorspace, Priv, Flags, YCbCrEncoding, Quantization, Transfer uint32
		_                                                              [152]byte
	}
	v4l2RequestBuffers struct {
		Count, Type, Memory, Capabilities, Flags uint32
	}
	v4l2Buffer struct {
		Index, Type, BytesUsed, Flags, Field, _ uint32
		Timestamp                               unix.Timeval
		Timecode                                [16]byte
		Sequence, Memory, Offset, _             uint32
		Length, _, RequestFD, _                 uint32
	}
	v4l2StreamParm struct {
		Type, Capability, Mode, Numerator, Denominator uint32
		_                                              [184]byte
	}
)

const (
	v4l2Capture    = 1 // V4L2_BUF_TYPE_VIDEO_CAPTURE
	v4l2Mapped     = 1 // V4L2_MEMORY_MMAP
	v4l2CanCapture = 1 << 0
	v4l2CanStream  = 1 << 26
	v4l2DeviceCaps = 1 << 31
	v4l2BadBuffer  = 1 << 6 // V4L2_BUF_FLAG_ERROR

	v4l2H264  = 'H' | '2'<<8 | '6'<<16 | '4'<<24
	v4l2MJPEG = 'M' | 'J'<<8 | 'P'<<16 | 'G'<<24
	v4l2JPEG  = 'J' | 'P'<<8 | 'E'<<16 | 'G'<<24

	v4l2Buffers = 4
	// v4l2Quiet is how long a device may bring nothing before it counts as gone.
	v4l2Quiet = 10 * time.Second
	v4l2Poll  = 200 * time.Millisecond
)

// request makes the number of an ioctl (asm-generic/ioctl.h): 1 writes to the kernel, 2 reads, 3 both.
func request[T any](direction, number uintptr) uintptr {
	var t T
	return direction<<30 | unsafe.Sizeof(t)<<16 | 'V'<<8 | number
}

// v4l2Kernel is what a video device needs of the system. It is a true edge: tests have one that plays a device, since machines that
// build and test have none.
type v4l2Kernel interface {
	// ioctl does one request on the device; what arg points to is as videodev2.h says.
	ioctl(request uintptr, arg unsafe.Pointer) error
	mmap(offset int64, length int) ([]byte, error)
	munmap(b []byte) error
	// poll waits for a filled buffer, or for wait.
	poll(wait time.Duration) (ready bool, err error)
	close() error
}

// kernelDevice is the real one.
type kernelDevice int

func openKernel(path string) (v4l2Kernel, error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	return kernelDevice(fd), err
}

func (k kernelDevice) ioctl(request uintptr, arg unsafe.Pointer) error {
	for {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(k), request, uintptr(arg))
		if errno == 0 {
			return nil
		}
		if errno != unix.EINTR {
			return errno
		}
	}
}

func (k kernelDevice) mmap(offset int64, length int) ([]byte, error) {
	return unix.Mmap(int(k), offset, length, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
}

func (k kernelDevice) munmap(b []byte) error { return unix.Munmap(b) }

func (k kernelDevice) poll(wait time.Duration) (bool, error) {
	fds := []unix.PollFd{{Fd: int32(k), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, int(wait.Milliseconds()))
	if errors.Is(err, unix.EINTR) {
		return false, nil
	}
	return n > 0, err
}

func (k kernelDevice) close() error { return unix.Close(int(k)) }

// capture is a device that streams.
type capture struct {
	k       v4l2Kernel
	path    string
	card    string
	mjpeg   bool
	fps     int
	buffers [][]byte
}

// openCapture opens a device, chooses H.264 where it has that and MJPEG else, and starts it. Errors are sentences for people.
func openCapture(path string, open func(string) (v4l2Kernel, error), width, height, fps int) (*capture, error) {
	k, err := open(path)
	if err != nil {
		return nil, v4l2Sentence(path, err)
	}
	c := &capture{k: k, path: path, fps: fps}
	if err := c.begin(uint32(width), uint32(height)); err != nil {
		return nil, errors.Join(v4l2Sentence(path, err), c.close())
	}
	return c, nil
}

// begin sets the device up and starts it.
func (c *capture) begin(width, height uint32) error {
	if err := c.isCamera(); err != nil {
		return err
	}
	pixels, err := c.choose()
	if err != nil {
		return err
	}
	c.mjpeg = pixels != v4l2H264
	format := v4l2Format{Type: v4l2Capture, Width: width, Height: height, PixelFormat: pixels}
	if err := c.k.ioctl(request[v4l2Format](3, 5), unsafe.Pointer(&format)); err != nil {
		return fmt.Errorf("set its format: %w", err)
	}
	if format.PixelFormat != pixels {
		return errors.New("it does not do what it offers; try another size with ?width=&height=")
	}
	rate := v4l2StreamParm{Type: v4l2Capture, Numerator: 1, Denominator: uint32(c.fps)}
	// A device without a choice of rates says so, and has one all the same.
	if c.k.ioctl(request[v4l2StreamParm](3, 22), unsafe.Pointer(&rate)) == nil && rate.Numerator > 0 {
		c.fps = max(1, int(rate.Denominator/rate.Numerator))
	}
	return c.start()
}

// isCamera asks the device what it is.
func (c *capture) isCamera() error {
	var is v4l2Capability
	if err := c.k.ioctl(request[v4l2Capability](2, 0), unsafe.Pointer(&is)); err != nil {
		if errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.EINVAL) {
			return errors.New("it is no video device")
		}
		return err
	}
	c.card = string(bytes.TrimRight(is.Card[:], "\x00"))
	does := is.Capabilities
	if does&v4l2DeviceCaps != 0 {
		does = is.DeviceCaps // of this node; the others are of the same hardware
	}
	if does&v4l2CanCapture == 0 || does&v4l2CanStream == 0 {
		return fmt.Errorf("it belongs to %s, and gives no pictures; most cameras have several such devices, and the first one is right. %s", c.card, videoDevices())
	}
	return nil
}

// choose takes H.264 before MJPEG.
func (c *capture) choose() (uint32, error) {
	var offers []string
	best := uint32(0)
	for i := range uint32(64) {
		d := v4l2FmtDesc{Index: i, Type: v4l2Capture}
		if err := c.k.ioctl(request[v4l2FmtDesc](3, 2), unsafe.Pointer(&d)); err != nil {
			break // EINVAL: that was all
		}
		offers = append(offers, string(bytes.TrimRight(d.Description[:], "\x00")))
		switch {
		case d.PixelFormat == v4l2H264:
			best = v4l2H264
		case best == 0 && (d.PixelFormat == v4l2MJPEG || d.PixelFormat == v4l2JPEG):
			best = d.PixelFormat
		}
	}
	switch {
	case best != 0:
		return best, nil
	case len(offers) == 0:
		return 0, errors.New("it offers no pictures at all")
	}
	return 0, fmt.Errorf("it offers %s; wanted is H.264 or Motion-JPEG", strings.Join(offers, ", "))
}

// start maps the buffers, hands them to the driver and switches the device on.
func (c *capture) start() error {
	ask := v4l2RequestBuffers{Count: v4l2Buffers, Type: v4l2Capture, Memory: v4l2Mapped}
	if err := c.k.ioctl(request[v4l2RequestBuffers](3, 8), unsafe.Pointer(&ask)); err != nil {
		return fmt.Errorf("ask for buffers: %w", err)
	}
	if ask.Count == 0 {
		return errors.New("it gives no buffers")
	}
	for i := range ask.Count {
		b := v4l2Buffer{Index: i, Type: v4l2Capture, Memory: v4l2Mapped}
		if err := c.k.ioctl(request[v4l2Buffer](3, 9), unsafe.Pointer(&b)); err != nil {
			return fmt.Errorf("ask for a buffer: %w", err)
		}
		mapped, err := c.k.mmap(int64(b.Offset), int(b.Length))
		if err != nil {
			return fmt.Errorf("map a buffer: %w", err)
		}
		c.buffers = append(c.buffers, mapped)
		if err := c.k.ioctl(request[v4l2Buffer](3, 15), unsafe.Pointer(&b)); err != nil {
			return fmt.Errorf("hand over a buffer: %w", err)
		}
	}
	kind := int32(v4l2Capture)
	if err := c.k.ioctl(request[int32](1, 18), unsafe.Pointer(&kind)); err != nil {
		return fmt.Errorf("switch it on: %w", err)
	}
	return nil
}

// next waits for a picture and gives a copy. After an error the device is of no use any more.
func (c *capture) next(ctx context.Context) ([]byte, error) {
	for quiet := time.Duration(0); ; quiet += v4l2Poll {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if quiet > v4l2Quiet {
			return nil, fmt.Errorf("%s (%s) brings no pictures", c.path, c.card)
		}
		if ready, err := c.k.poll(v4l2Poll); err != nil {
			return nil, v4l2Sentence(c.path, err)
		} else if !ready {
			continue
		}
		b := v4l2Buffer{Type: v4l2Capture, Memory: v4l2Mapped}
		if err := c.k.ioctl(request[v4l2Buffer](3, 17), unsafe.Pointer(&b)); err != nil {
			if errors.Is(err, unix.EAGAIN) {
				continue
			}
			return nil, v4l2Sentence(c.path, err)
		}
		if int(b.Index) >= len(c.buffers) || int(b.BytesUsed) > len(c.buffers[b.Index]) {
			return nil, fmt.Errorf("%s: the driver gives a buffer that is none", c.path)
		}
		data := bytes.Clone(c.buffers[b.Index][:b.BytesUsed])
		bad := b.Flags&v4l2BadBuffer != 0
		if err := c.k.ioctl(request[v4l2Buffer](3, 15), unsafe.Pointer(&b)); err != nil {
			return nil, v4l2Sentence(c.path, err)
		}
		if bad || len(data) == 0 {
			continue // damaged on its way over the bus
		}
		return data, nil
	}
}

// close switches the device off and gives everything back.
func (c *capture) close() (err error) {
	kind := int32(v4l2Capture)
	_ = c.k.ioctl(request[int32](1, 19), unsafe.Pointer(&kind)) // a device that is gone is off
	for _, b := range c.buffers {
		err = errors.Join(err, c.k.munmap(b))
	}
	c.buffers = nil
	return errors.Join(err, c.k.close())
}

// v4l2Sentence says what a person can do about an error of a device.
func v4l2Sentence(path string, err error) error {
	switch {
	case errors.Is(err, unix.ENOENT):
		return fmt.Errorf("there is no device %s. %s", path, videoDevices())
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return fmt.Errorf("%s may not be opened by this user; add it to the group video: usermod -aG video USER", path)
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("%s is used by another program; close that first (fuser %s says which)", path, path)
	case errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO), errors.Is(err, unix.EIO):
		return fmt.Errorf("%s is gone: it was unplugged, or has no power", path)
	}
	return fmt.Errorf("%s: %w", path, err)
}

// videoDevices says which devices there are.
func videoDevices() string {
	found, err := filepath.Glob("/dev/video*")
	if err != nil || len(found) == 0 {
		return "This machine has no video device at all: plug the camera in, or look whether its driver is loaded."
	}
	return "There are " + strings.Join(found, ", ") + "."
}
