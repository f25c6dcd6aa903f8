package web

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestSmuggling is attack case 43: a request whose end two parsers could see in different places is refused or ends the connection; what
// hides in its body is never answered as a request of its own.
func TestSmuggling(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	host := strings.TrimPrefix(f.base, "http://")
	const hidden = "GET /api/setup HTTP/1.1\r\nHost: HOST\r\n\r\n"
	for name, text := range map[string]string{
		"length and chunks":     "POST /api/session HTTP/1.1\r\nHost: HOST\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
		"two lengths":           "POST /api/session HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0\r\nContent-Length: 60\r\n\r\n" + hidden,
		"length with a sign":    "POST /api/session HTTP/1.1\r\nHost: HOST\r\nContent-Length: +0\r\n\r\n" + hidden,
		"odd coding":            "POST /api/session HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + hidden,
		"blank before colon":    "POST /api/session HTTP/1.1\r\nHost: HOST\r\nContent-Length : 60\r\n\r\n" + hidden,
		"folded line":           "POST /api/session HTTP/1.1\r\nHost: HOST\r\nX: a\r\n Content-Length: 60\r\n\r\n" + hidden,
		"chunk size with blank": "POST /api/session HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n" + hidden,
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", host)
			check(t, err)
			defer conn.Close()
			_, err = io.WriteString(conn, strings.ReplaceAll(text, "HOST", host))
			check(t, err)
			check(t, conn.SetReadDeadline(time.Now().Add(3*time.Second)))
			in := bufio.NewReader(conn)
			for i := 0; ; i++ {
				resp, err := http.ReadResponse(in, nil)
				if err != nil {
					return
				}
				body, _ := io.ReadAll(resp.Body)
				t.Logf("answer %d: %d %.80s close=%v", i, resp.StatusCode, body, resp.Close)
				if resp.StatusCode == 200 {
					t.Errorf("the hidden request was answered: %s", body)
				}
			}
		})
	}
}

func FuzzOddFraming(f *testing.F) {
	f.Add("Host: a\r\nTransfer-Encoding: chunked\r\n\r\n")
	f.Add("Host: a\r\n b\r\n")
	f.Fuzz(func(t *testing.T, block string) {
		odd := oddFraming([]byte(block))
		for line := range strings.Lines(strings.ToLower(block)) {
			if strings.HasPrefix(line, "transfer-encoding:") && !odd {
				t.Errorf("%q passes", block)
			}
		}
	})
}
