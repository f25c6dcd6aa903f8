package agent

import (
	"crypto/tls"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4"
)

// TestAttack63 is attack case 63: who speaks plain RTSP, HTTP or nothing sensible to the port for TLS is not answered in RTSP, is hung up on, and
// disturbs nobody.
func TestAttack63(t *testing.T) {
	a := serve(t, Config{
		TLS:     &tls.Config{Certificates: []tls.Certificate{certificate(t)}, MinVersion: tls.VersionTLS13},
		Streams: []Stream{{"front", small(t, "Front")}},
	})
	u, err := url.Parse(a.URL("front"))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"OPTIONS rtsp://" + u.Host + "/front RTSP/1.0\r\nCSeq: 1\r\n\r\n",
		"DESCRIBE rtsp://" + u.Host + "/front RTSP/1.0\r\nCSeq: 1\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "$\x00\xff\xff" + strings.Repeat("x", 70_000), strings.Repeat("\x00", 1000), "\x16\x03\x01\xff\xff",
	} {
		conn, err := net.Dial("tcp", u.Host)
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, text) // may be hung up on before the end
		_ = conn.(*net.TCPConn).CloseWrite()
		answer, err := io.ReadAll(conn)
		if e, ok := err.(net.Error); ok && e.Timeout() {
			t.Errorf("%.20q: not hung up on", text)
		}
		if strings.Contains(string(answer), "RTSP/1.0") {
			t.Errorf("%.20q: answered by %.60q", text, answer)
		}
		conn.Close()
	}
	w := watch(t, a.URL("front"), gortsplib.TransportTCP, func(c *gortsplib.Client) {
		c.TLSConfig = &tls.Config{InsecureSkipVerify: true}
	})
	consecutive(t, w.pictures(t, 12))
}
