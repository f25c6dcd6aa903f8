package rtsp

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/textproto"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"
)

// rawCamera is a camera that does exactly what a test says: an RTSP dialogue by hand, then script.
type rawCamera struct {
	t   *testing.T
	ln  net.Listener
	sdp string
	// answer, when set, may answer a request instead of the camera.
	answer func(c *rawConn, method, path string, h textproto.MIMEHeader) bool
	// script runs after PLAY, n counts connections from 0. The connection is closed when it returns.
	script func(c *rawConn, n int)
	// udp makes it agree to UDP as well.
	udp bool
	wg  sync.WaitGroup
}

type rawConn struct {
	net.Conn
	r    *bufio.Reader
	mu   sync.Mutex
	gone chan struct{} // closed when the other side has left
}

const h264SDP = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n" +
	"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:trackID=0\r\n"

func newRawCamera(t *testing.T, script func(*rawConn, int)) *rawCamera {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &rawCamera{t: t, ln: ln, sdp: h264SDP, script: script}
	c.wg.Go(c.serve)
	t.Cleanup(func() {
		ln.Close()
		c.wg.Wait()
	})
	return c
}

func (c *rawCamera) url(path string) *url.URL {
	return &url.URL{Scheme: "rtsp", Host: c.ln.Addr().String(), Path: path}
}

func (c *rawCamera) serve() {
	for n := 0; ; n++ {
		conn, err := c.ln.Accept()
		if err != nil {
			return
		}
		c.wg.Go(func() {
			defer conn.Close()
			c.dialogue(&rawConn{Conn: conn, r: bufio.NewReader(conn), gone: make(chan struct{})}, n)
		})
	}
}

func (c *rawCamera) dialogue(conn *rawConn, n int) {
	var script sync.WaitGroup
	defer script.Wait()
	defer conn.Close()
	defer close(conn.gone)
	for {
		line, err := conn.r.ReadString('\n')
		if err != nil {
			return
		}
		if line[0] == '$' {
			continue
		}
		f := strings.Fields(line)
		h, err := textproto.NewReader(conn.r).ReadMIMEHeader()
		if err != nil || len(f) < 3 {
			return
		}
		if c.answer != nil && c.answer(conn, f[0], f[1], h) {
			continue
		}
		switch f[0] {
		case "DESCRIBE":
			conn.reply(h, 200, "OK", fmt.Sprintf("Content-Base: %s/\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n", f[1], len(c.sdp)), c.sdp)
		case "SETUP":
			th := h.Get("Transport")
			if c.udp && strings.Contains(th, "client_port") {
				th += ";server_port=5000-5001"
			}
			conn.reply(h, 200, "OK", "Session: 1;timeout=60\r\nTransport: "+th+"\r\n", "")
		case "PLAY":
			conn.reply(h, 200, "OK", "Session: 1\r\n", "")
			script.Go(func() {
				defer conn.Close()
				c.script(conn, n)
			})
		case "TEARDOWN":
			return
		default:
			conn.reply(h, 200, "OK", "Public: DESCRIBE, SETUP, PLAY, GET_PARAMETER\r\n", "")
		}
	}
}

func (c *rawConn) reply(h textproto.MIMEHeader, code int, text, headers, body string) {
	c.raw([]byte(fmt.Sprintf("RTSP/1.0 %d %s\r\nCSeq: %s\r\n%s\r\n%s", code, text, h.Get("Cseq"), headers, body)))
}

func (c *rawConn) raw(b []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := c.Write(b)
	return err == nil
}

func interleave(channel byte, data []byte) []byte {
	return append([]byte{'$', channel, byte(len(data) >> 8), byte(len(data))}, data...)
}

func (c *rawConn) send(channel byte, pkts ...*rtp.Packet) bool {
	var b bytes.Buffer
	for _, p := range pkts {
		data, err := p.Marshal()
		if err != nil {
			return false
		}
		b.Write(interleave(channel, data))
	}
	return c.raw(b.Bytes())
}

// film sends n pictures, one every pause, and reports whether the connection still stands.
func (c *rawConn) film(p *packer, from, n int, pause time.Duration) bool {
	aus := units(p.t, "small.h264")
	for i := from; i < from+n; i++ {
		if !c.send(0, p.pack(aus[i%len(aus)], uint32(i)*tick25)...) {
			return false
		}
		time.Sleep(pause)
	}
	return true
}
