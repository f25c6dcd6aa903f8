package rtsp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
)

const (
	// readBuffer holds the largest interleaved packet (4 + 65535 bytes) and, at 4 Mbit/s, what arrives in 250 ms.
	readBuffer = 128 << 10
	maxHeader  = 16 << 10
	maxBody    = 128 << 10
	// maxGarbage bytes may be skipped in a row in search of the next message.
	maxGarbage = 256 << 10
	// maxStrange bytes may come before the first RTSP message: then it is not RTSP at all.
	maxStrange = 4 << 10
)

// socket is what a demux reads from: without blocking, see lowWater.
type socket interface {
	// wait blocks until ready reports true or wake was called; calm takes a wake back.
	wait(ready func(fd uintptr) bool) error
	wake()
	calm()
}

// demux is the connection that the RTSP library reads from. It takes interleaved packets (RFC 2326 section 10.12)
// out of the byte stream and hands them to media, straight from one large buffer; the library only ever sees RTSP
// messages. Where the stream makes no sense it looks for the next place that does.
//
// Bytes are taken off the socket by whoever comes first: the library's goroutine, which waits in Read, or pull. A
// panic below media is turned into an error of this connection.
type demux struct {
	net.Conn
	// src returns errAgain when nothing is there; gate says when to try again.
	src  io.Reader
	gate socket
	// plain is true when src is the socket itself; short notes a read that brought less than there was room for.
	plain, short bool

	// media gets one packet; the slice is valid during the call only. known says whether a channel was set up.
	media func(channel byte, packet []byte)
	known func(channel byte) bool
	// arrived is told of each n bytes read before they are taken apart, garbage of each byte skipped.
	arrived func(n int)
	garbage func()
	// failed is told why Read gives up, before the library learns of it.
	failed func(error)

	mu         sync.Mutex
	buf        []byte
	start, end int
	err        error
	// message is what is left of the RTSP message that is being handed over.
	message int
	// skipped counts garbage in a row; lost is true until the next sound message.
	skipped  int
	lost     bool
	answered bool
}

// Read returns bytes of RTSP messages only. It blocks while media arrives.
func (d *demux) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	gather := d.gather // once, as it allocates
	for {
		d.gate.calm() // before looking, so that a wake in between is not missed
		n, err := d.hand(p)
		if err != nil {
			d.failed(err)
		}
		if n > 0 || err != nil {
			return n, err
		}
		if err := d.gate.wait(gather); err != nil && !errors.Is(err, errAgain) {
			d.failed(err)
			return 0, err
		}
	}
}

// hand copies RTSP text that is there, after the media before it.
func (d *demux) hand(p []byte) (n int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.parse() {
		n = copy(p, d.buf[d.start:min(d.end, d.start+d.message)])
		d.start += n
		d.message -= n
		return n, nil
	}
	return 0, d.err
}

// gather reads and takes apart until src is empty. It reports true when the library's goroutine has something to do.
func (d *demux) gather(uintptr) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.drain(false)
}

// pull does what Read does, on the caller's goroutine and without blocking: media that waits is handed over before
// it returns. RTSP text and errors are left to the goroutine that waits in Read.
func (d *demux) pull() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.drain(d.plain) {
		d.gate.wake()
	}
}

// drain does the work of gather and pull. A short read has mostly emptied the socket, and asking again would only be
// told so; but an end of file may hide behind it, which he who waits for the next change would never see.
func (d *demux) drain(untilShort bool) bool {
	for more := true; more; {
		if d.parse() || d.err != nil {
			return true
		}
		if more = d.fill(); more && untilShort && d.short {
			break
		}
	}
	return d.parse() || d.err != nil
}

// stop makes sure that media is not called any more.
func (d *demux) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err == nil {
		d.err = net.ErrClosed
	}
}

// parse hands over media until RTSP text comes first, and reports that; or until bytes are missing.
func (d *demux) parse() (text bool) {
	defer func() {
		if r := recover(); r != nil {
			d.err = ErrInternal{Detail: Short(fmt.Sprint(r))}
			d.failed(d.err) // now, while the stack still shows where it came from
			text = false
		}
	}()
	for d.err == nil {
		if d.message > 0 {
			return d.start < d.end
		}
		ok, err := d.next()
		if err != nil {
			d.err = err
		}
		if !ok {
			return false
		}
	}
	return false
}

// fill reads once. It reports whether there may be more.
func (d *demux) fill() bool {
	switch {
	case d.start == d.end:
		d.start, d.end = 0, 0
	case len(d.buf)-d.end < len(d.buf)/4 || d.start > len(d.buf)/2:
		d.end = copy(d.buf, d.buf[d.start:d.end])
		d.start = 0
	}
	space := d.buf[d.end:]
	n, err := d.src.Read(space)
	if n > 0 {
		d.short = n < len(space)
		d.end += n
		d.arrived(n)
		return true
	}
	switch {
	case errors.Is(err, errAgain):
		return false
	case err == nil:
		err = io.ErrNoProgress
	case d.skipped > 0 && !d.answered:
		err = ErrNotRTSP{Hint: "it sends something else; check the port"}
	}
	d.err = err
	return false
}

// next deals with what begins at start. It reports false when more bytes are needed.
func (d *demux) next() (bool, error) {
	for d.start < d.end {
		b := d.buf[d.start:d.end]
		switch {
		case b[0] == '$':
			if len(b) < 4 {
				return false, nil
			}
			size := int(b[2])<<8 | int(b[3])
			if d.lost && !d.plausible(b, size) {
				if len(b) < 5 {
					return false, nil
				}
				break
			}
			if len(b) < 4+size {
				return false, nil
			}
			d.lost, d.skipped = false, 0
			d.start += 4 + size
			d.media(b[1], b[4:4+size])
			continue

		case isMessage(b):
			size, err := messageSize(b)
			if err != nil {
				return false, err
			}
			if size == 0 {
				return false, nil
			}
			d.message = size
			d.lost, d.skipped, d.answered = false, 0, true
			return true, nil

		case couldBeMessage(b):
			return false, nil
		}
		if err := d.skip(b); err != nil {
			return false, err
		}
	}
	return false, nil
}

// plausible reports whether b, which begins with a dollar sign amid garbage, is a packet all the same: on a
// channel that was set up, and with RTP's or RTCP's version number (RFC 3550 section 5.1).
func (d *demux) plausible(b []byte, size int) bool {
	return d.known(b[1]) && size >= 8 && len(b) >= 5 && b[4]>>6 == 2
}

// skip drops one byte of garbage.
func (d *demux) skip(b []byte) error {
	if !d.answered {
		switch {
		case len(b) >= 2 && b[0] == 0x15 && b[1] == 3: // a TLS alert, RFC 8446 section 5.1
			return ErrNotRTSP{Hint: "it wants TLS; use rtsps:// for this port"}
		case bytes.HasPrefix(b, []byte("HTTP/")):
			return ErrNotRTSP{Hint: "it is a web server; use the camera's RTSP port, often 554 or 8554"}
		case bytes.HasPrefix(b, []byte("SSH-")):
			return ErrNotRTSP{Hint: "it is an SSH server; use the camera's RTSP port, often 554 or 8554"}
		case d.skipped >= maxStrange:
			return ErrNotRTSP{Hint: "it sends something else; check the port"}
		}
	}
	if d.skipped >= maxGarbage {
		return ErrGarbage{Detail: "no RTSP message for " + strconv.Itoa(maxGarbage>>10) + " KiB"}
	}
	d.lost = true
	d.skipped++
	d.start++
	d.garbage()
	return nil
}

// starts are how a response and a server's request begin (RFC 2326 sections 6.1 and 7.1).
var starts = [...]string{"RTSP/", "OPTIONS ", "SET_PARAMETER ", "GET_PARAMETER ", "ANNOUNCE ", "REDIRECT ", "TEARDOWN ", "PAUSE ", "PLAY ", "DESCRIBE ", "SETUP ", "RECORD "}

func isMessage(b []byte) bool {
	for _, s := range starts {
		if len(b) >= len(s) && string(b[:len(s)]) == s {
			return true
		}
	}
	return false
}

// couldBeMessage reports whether b is too short to tell.
func couldBeMessage(b []byte) bool {
	for _, s := range starts {
		if len(b) < len(s) && string(b) == s[:len(b)] {
			return true
		}
	}
	return false
}

// messageSize returns the size of the RTSP message at the start of b, header and body, or 0 when the header is
// not complete yet.
func messageSize(b []byte) (int, error) {
	end := bytes.Index(b[:min(len(b), maxHeader)], []byte("\r\n\r\n"))
	if end < 0 {
		if len(b) >= maxHeader {
			return 0, ErrGarbage{Detail: "an RTSP header without end"}
		}
		return 0, nil
	}
	body := 0
	for line := range bytes.SplitSeq(b[:end], []byte("\r\n")) {
		name, value, found := bytes.Cut(line, []byte(":"))
		if !found || !bytes.EqualFold(bytes.TrimSpace(name), []byte("Content-Length")) {
			continue
		}
		n, err := strconv.Atoi(string(bytes.TrimSpace(value)))
		if err != nil || n < 0 || n > maxBody {
			return 0, ErrGarbage{Detail: "an RTSP message of impossible length"}
		}
		body = n
	}
	return end + 4 + body, nil
}
