package rtsp

import (
	"bytes"
	"io"
	"net/url"
	"runtime/debug"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/conn"
	"github.com/pion/rtp"

	"cardea/camera/frame"
)

// pieces reads in pieces of changing size, as a network does.
type pieces struct {
	data []byte
	n    int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.data) == 0 {
		return 0, io.EOF
	}
	p.n = p.n*7%13 + 1
	n := copy(b, p.data[:min(p.n, len(p.data))])
	p.data = p.data[n:]
	return n, nil
}

// open is a gate for what never blocks.
type open struct{}

func (open) wait(ready func(uintptr) bool) error { ready(0); return nil }
func (open) wake()                               {}
func (open) calm()                               {}

func newTestDemux(src io.Reader, media func(byte, []byte)) *demux {
	return &demux{
		src: src, gate: open{}, buf: make([]byte, readBuffer), media: media,
		known: func(c byte) bool { return c < 4 }, arrived: func(int) {}, garbage: func() {}, failed: func(error) {},
	}
}

func TestDemuxTakesMediaOut(t *testing.T) {
	t.Parallel()
	answer := "RTSP/1.0 200 OK\r\nCSeq: 1\r\ncontent-LENGTH: 5\r\n\r\n$\x00\x00\x01x"
	big := bytes.Repeat([]byte{0x80}, 65535)
	var in bytes.Buffer
	in.WriteString(answer)
	in.Write(interleave(0, []byte("one")))
	in.Write(interleave(2, nil))
	in.WriteString("\x00\r\n$$garbage$\xff")
	in.Write(interleave(1, big))
	in.WriteString(answer)
	in.Write(interleave(3, []byte("four")))
	var got []string
	d := newTestDemux(&pieces{data: in.Bytes()}, func(c byte, b []byte) { got = append(got, string('0'+c)+string(b)) })
	text, err := io.ReadAll(d)
	if err != nil || string(text) != answer+answer {
		t.Errorf("%v: %q", err, text)
	}
	if len(got) != 4 || got[0] != "0one" || got[1] != "2" || got[2] != "1"+string(big) || got[3] != "3four" {
		t.Errorf("%d packets: %.40q", len(got), got)
	}
}

// FuzzDemux is attack case 58 of docs/attacks.md.
func FuzzDemux(f *testing.F) {
	f.Add([]byte("RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 5\r\n\r\nabcde$\x00\x00\x03abcRTSP/1.0 200 OK\r\n\r\n"))
	f.Add([]byte("$\x09\xff\xff\x80OPTIONS * RTSP/1.0\r\nContent-Length: -1\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 200 OK\r\n\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		media := 0
		d := newTestDemux(&pieces{data: data}, func(_ byte, b []byte) { media += 4 + len(b) })
		text, err := io.ReadAll(d)
		if isType[ErrInternal](err) {
			t.Fatal(err)
		}
		if media+len(text) > len(data) {
			t.Fatalf("%d bytes became %d", len(data), media+len(text))
		}
	})
}

// FuzzUnits feeds RTP payloads cut from data into the assembler of each codec.
// Attack case 58 of docs/attacks.md.
func FuzzUnits(f *testing.F) {
	f.Add([]byte("\x05\x67\x42\x00\x1e\x01\x03\x7c\x85\x10\x03\x7c\x45\x10\x07\x18\x00\x02\x41\x80\x00\x00"), false)
	f.Add([]byte("\x05\x62\x01\x93\x01\x02\x05\x62\x01\x53\x01\x02\x09\x60\x01\x00\x03\x26\x01\x80"), true)
	f.Fuzz(func(t *testing.T, data []byte, hevc bool) {
		const limit = 300
		var held int
		a := assembler{hevc: hevc, limit: limit}
		a.done = func(v verdict, unit []byte, ends []int, _ uint32) {
			last := 0
			for _, end := range ends {
				if end <= last || end > len(unit) {
					t.Fatalf("unit of %d bytes ends at %v", len(unit), ends)
				}
				last = end
			}
			if v == whole && (len(ends) == 0 || last != len(unit) || len(unit) > limit) {
				t.Fatalf("unit of %d bytes ends at %v", len(unit), ends)
			}
		}
		ts := uint32(0)
		for len(data) > 1 {
			head := data[0]
			n := min(int(head&0x1f), len(data)-1)
			if head&0x20 != 0 {
				ts++
			}
			a.push(data[1:1+n], ts, head&0x40 != 0, head&0x80 != 0)
			data = data[1+n:]
			held = max(held, cap(a.data))
		}
		if held > 4*limit {
			t.Fatalf("%d bytes held", held)
		}
	})
}

// FuzzReceiver feeds whole RTP packets, the library's parsers and the timeline included.
// Attack case 58 of docs/attacks.md.
func FuzzReceiver(f *testing.F) {
	p := newPacker(f, h264Media().Formats[0], 100)
	var seed []byte
	for i, au := range units(f, "small.h264")[:3] {
		for _, pkt := range p.pack(au, uint32(i)*tick25) {
			b, _ := pkt.Marshal()
			seed = append(seed, 0, byte(len(b)))
			seed = append(seed, b...)
		}
	}
	f.Add(seed, false)
	f.Add([]byte{1, 14, 0x80, 0xe1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0xff, 0xff}, true)
	f.Fuzz(func(t *testing.T, data []byte, hevc bool) {
		video := h264Media()
		if hevc {
			video = h265Media()
		}
		g := newRig(t, video, aacMedia())
		at := time.Duration(0)
		for len(data) > 2 {
			channel, n := data[0]&3, min(int(data[1]), len(data)-2)
			at += time.Duration(data[0]>>2) * 10 * time.Millisecond
			g.arrivedAt = at
			payload := bytes.Clone(data[2 : 2+n])
			data = data[2+n:]
			func() {
				// Faults of the libraries below are survived by demux; ours must not be among them.
				defer func() {
					if r := recover(); r != nil && ours(debug.Stack()) {
						t.Fatalf("%v\n%s", r, debug.Stack())
					}
				}()
				switch channel {
				case 0:
					g.rtp(g.video, payload)
				case 1:
					g.rtp(g.audio, payload)
				default:
					g.rtcp(g.video, payload)
				}
			}()
			if !g.mu.TryLock() {
				t.Fatal("a fault left the lock behind")
			}
			g.mu.Unlock()
		}
		growing(t, g.frames)
	})
}

// ours reports whether a panic came from this package and not from below it.
func ours(stack []byte) bool {
	_, after, _ := bytes.Cut(stack, []byte("\npanic("))
	lines := bytes.SplitN(after, []byte("\n"), 6)
	for _, l := range lines[min(2, len(lines)):] {
		if !bytes.HasPrefix(l, []byte("runtime.")) && !bytes.HasPrefix(l, []byte("\t")) {
			return bytes.HasPrefix(l, []byte("cardea/"))
		}
	}
	return false
}

// FuzzAnswer reads RTSP messages as the library does on a goroutine of its own, where a panic could not be caught.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte("RTSP/1.0 200 OK\r\nCSeq: 1\r\nSession: a;timeout=60\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=1234\r\n\r\n"))
	f.Add([]byte("RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"a\", nonce=\"b\", algorithm=SHA-256\r\n\r\n"))
	f.Add([]byte("RTSP/1.0 302 Found\r\nLocation: rtsp://a:b@c/d\r\n\r\nOPTIONS * RTSP/1.0\r\nCSeq: 5\r\n\r\n"))
	f.Add([]byte("RTSP/1.0 200 OK\r\nContent-Type: application/sdp\r\nContent-Length: 219\r\n\r\n" + h264SDP))
	f.Fuzz(func(t *testing.T, data []byte) {
		d := newTestDemux(&pieces{data: data}, func(byte, []byte) {})
		c := conn.NewConn(struct {
			io.Reader
			io.Writer
		}{d, io.Discard})
		a := &attempt{cfg: Config{URL: &url.URL{Host: "x"}}.withDefaults()}
		for {
			what, err := c.Read()
			if err != nil {
				return
			}
			if res, ok := what.(*base.Response); ok {
				a.vet(res)
				if a.redirect != nil && a.redirect.User != nil {
					t.Fatal("credentials of a redirect were taken over")
				}
			}
		}
	})
}

func BenchmarkReceive(b *testing.B) {
	// One picture of 4 Mbit/s at 25 a second: 20 kB in packets of 1400.
	r := newReceiver(Config{}.withDefaults(), func(*frame.Frame) {})
	media := h264Media()
	if _, err := r.choose(descOf(media)); err != nil {
		b.Fatal(err)
	}
	p := newPacker(b, media.Formats[0], 1400)
	au := units(b, "small.h264")[0]
	au[len(au)-1] = append(bytes.Clone(au[len(au)-1]), bytes.Repeat([]byte{0x5a}, 20000)...)
	var wire []byte
	var sizes []int
	pkts := p.pack(au, 0)
	for _, pkt := range pkts {
		data, _ := pkt.Marshal()
		wire = append(wire, interleave(0, data)...)
		sizes = append(sizes, 4+len(data))
	}
	feed := &loop{wire: wire, sizes: sizes}
	d := newTestDemux(feed, func(_ byte, data []byte) { r.rtp(r.video, data) })
	d.arrived = r.arrive
	b.SetBytes(int64(len(wire)))
	b.ReportAllocs()
	feed.left = b.N
	b.ResetTimer()
	if _, err := d.Read(make([]byte, 1)); err != io.EOF {
		b.Fatal(err)
	}
	if r.stats.Pictures != uint64(b.N) {
		b.Fatalf("%d of %d pictures", r.stats.Pictures, b.N)
	}
}

// loop repeats a picture with new numbers.
type loop struct {
	wire  []byte
	sizes []int
	left  int
	seq   uint16
	ts    uint32
}

func (l *loop) Read(b []byte) (int, error) {
	if l.left == 0 {
		return 0, io.EOF
	}
	if len(b) < len(l.wire) {
		panic("buffer too small for the benchmark")
	}
	l.left--
	var h rtp.Header
	for at, i := 0, 0; i < len(l.sizes); i++ {
		pkt := l.wire[at+4 : at+l.sizes[i]]
		_, _ = h.Unmarshal(pkt)
		h.SequenceNumber, h.Timestamp = l.seq, l.ts
		_, _ = h.MarshalTo(pkt)
		l.seq++
		at += l.sizes[i]
	}
	l.ts += tick25
	return copy(b, l.wire), nil
}
