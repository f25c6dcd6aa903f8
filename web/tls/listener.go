package tls

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// recordHandshake is the first byte of every TLS connection (RFC 8446 section 5.1).
const recordHandshake = 22

// maxPlain is how much of a plain HTTP request is read to answer it.
const maxPlain = 8 << 10

// Listener wraps inner: Accept gives connections whose handshake is done, each of which is a *tls.Conn. Handshakes run
// beside each other, so a slow or silent client holds up nobody, and end after Config.Handshake. Plain HTTP is
// answered with a redirect to https and closed. Closing the listener closes inner and every handshake under way.
func (s *Server) Listener(inner net.Listener) net.Listener {
	ctx, cancel := context.WithCancel(context.Background())
	l := &listener{Listener: inner, s: s, config: s.Config(), ctx: ctx, cancel: cancel, ready: make(chan net.Conn)}
	l.running.Add(1)
	go l.accept()
	return l
}

type listener struct {
	net.Listener
	s      *Server
	config *tls.Config

	ctx     context.Context //nolint:containedctx // lives exactly as long as the listener
	cancel  context.CancelFunc
	running sync.WaitGroup
	ready   chan net.Conn
}

// accept takes connections from inner until that fails for good.
func (l *listener) accept() {
	defer l.running.Done()
	pause := time.Millisecond
	for {
		conn, err := l.Listener.Accept()
		if err == nil {
			pause = time.Millisecond
			l.running.Add(1)
			go l.shake(conn)
			continue
		}
		if errors.Is(err, net.ErrClosed) || l.ctx.Err() != nil {
			l.cancel()
			return
		}
		// Out of descriptors, most likely: the others must finish before there are new ones.
		l.s.cfg.Log.Warn("a connection could not be accepted", "error", err)
		select {
		case <-l.ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, time.Second)
	}
}

// shake brings one connection from its first byte to the end of its handshake.
func (l *listener) shake(conn net.Conn) {
	defer l.running.Done()
	stop := context.AfterFunc(l.ctx, func() { conn.Close() })
	deliver := func() net.Conn {
		if err := conn.SetDeadline(time.Now().Add(l.s.cfg.Handshake)); err != nil {
			return nil
		}
		first := make([]byte, 1)
		if _, err := io.ReadFull(conn, first); err != nil {
			return nil
		}
		whole := &replay{Conn: conn, first: first}
		if first[0] != recordHandshake {
			if first[0] >= 'A' && first[0] <= 'Z' {
				redirect(whole)
			}
			return nil
		}
		secure := tls.Server(whole, l.config)
		if err := secure.HandshakeContext(l.ctx); err != nil {
			return nil // a scanner, an old client or one that does not trust the box yet: everyday life
		}
		if err := conn.SetDeadline(time.Time{}); err != nil {
			return nil
		}
		return secure
	}
	if secure := deliver(); secure != nil && stop() {
		select {
		case l.ready <- secure:
			return
		case <-l.ctx.Done():
		}
	}
	stop()
	conn.Close() //nolint:errcheck // there is nobody to tell
}

// Accept gives the next connection whose handshake is done.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.ready:
		return c, nil
	case <-l.ctx.Done():
		return nil, net.ErrClosed
	}
}

// Close ends accept and all handshakes, and waits for them.
func (l *listener) Close() error {
	l.cancel()
	err := l.Listener.Close()
	l.running.Wait()
	return err
}

// replay gives back the byte that was read to look at.
type replay struct {
	net.Conn
	first []byte
}

func (r *replay) Read(p []byte) (int, error) {
	if len(r.first) > 0 && len(p) > 0 {
		n := copy(p, r.first)
		r.first = r.first[n:]
		return n, nil
	}
	return r.Conn.Read(p)
}

// redirect answers a plain HTTP request, so that who forgets the s in https sees what is wrong.
func redirect(conn net.Conn) {
	req, err := http.ReadRequest(bufio.NewReader(io.LimitReader(conn, maxPlain)))
	if err != nil {
		return
	}
	const sentence = "This box speaks HTTPS only. Use an address that begins with https://\n"
	status, location := "400 Bad Request", ""
	if target, ok := secureURL(req); ok && (req.Method == http.MethodGet || req.Method == http.MethodHead) {
		status, location = "308 Permanent Redirect", "Location: "+target+"\r\n"
	}
	body := sentence
	if req.Method == http.MethodHead {
		body = ""
	}
	fmt.Fprintf(conn, "HTTP/1.1 %s\r\n%sContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n%s", //nolint:errcheck // who does not read it needs no answer
		status, location, len(sentence), body)
}

// secureURL is the https URL of what a plain request asked for, at the same host and port. Whatever is not plainly a
// host and a path is refused rather than repaired.
func secureURL(req *http.Request) (string, bool) {
	if !strings.HasPrefix(req.RequestURI, "/") {
		return "", false // a request to a proxy, which this is not
	}
	host, port := req.Host, ""
	if h, p, err := net.SplitHostPort(req.Host); err == nil {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || n == 0 || strconv.FormatUint(n, 10) != p {
			return "", false
		}
		host, port = h, ":"+p
	} else if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		host = host[1 : len(host)-1]
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.Zone() == "" {
		if host = ip.String(); ip.Is6() {
			host = "[" + host + "]"
		}
	} else if host == "" || len(host) > 253 || strings.Trim(strings.ToLower(host), "abcdefghijklmnopqrstuvwxyz0123456789-.") != "" {
		return "", false
	}
	target := (&url.URL{Scheme: "https", Host: host + port, Path: req.URL.Path, RawPath: req.URL.RawPath, RawQuery: req.URL.RawQuery}).String()
	for _, c := range []byte(target) {
		if c <= ' ' || c >= 0x7f {
			return "", false
		}
	}
	return target, true
}
