package web

import (
	"bytes"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// contentPolicy lets the app load from its own host and nothing else: no inline script or style, no frame, no
// plug-in, and blob: only for pictures and for what Media Source Extensions play.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; " +
	"media-src 'self' blob:; connect-src 'self'; worker-src 'self'; font-src 'self'; manifest-src 'self'; " +
	"frame-ancestors 'none'; base-uri 'none'; form-action 'self'; require-trusted-types-for 'script'; " +
	"trusted-types svelte-trusted-html cardea"

// secure puts the headers that every answer carries, errors included.
func (s *Server) secure(c *fiber.Ctx) error {
	h := &c.Response().Header
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "accelerometer=(), camera=(self), geolocation=(), gyroscope=(), magnetometer=(), microphone=(self), payment=(), usb=()")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cache-Control", "no-store")
	if s.cfg.HSTS {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
	return c.Next()
}

// checkFraming refuses requests whose end two parsers could see in different places (RFC 9112, 11.2), and ends their connection. One way
// to say how long a body is suffices: no browser sends chunks over HTTP/1.1.
func (s *Server) checkFraming(c *fiber.Ctx) error {
	if consoleConn(c) {
		return c.Next()
	}
	if oddFraming(c.Request().Header.RawHeaders()) {
		c.Response().SetConnectionClose()
		return problem(fiber.StatusBadRequest, "This request can be read in two ways. Send the length of the body in one Content-Length, and no transfer encoding.")
	}
	return c.Next()
}

// oddFraming looks at the lines of a header block: a transfer encoding, a line folded into the next, a blank in or behind a name.
func oddFraming(block []byte) bool {
	for line := range bytes.Lines(block) {
		name, _, found := bytes.Cut(line, []byte(":"))
		switch {
		case len(bytes.TrimRight(line, "\r\n")) == 0:
		case !found, bytes.ContainsAny(name, " \t\r\x00"), bytes.EqualFold(name, []byte(fiber.HeaderTransferEncoding)):
			return true
		}
	}
	return false
}

// checkHost refuses a request for a name that is not ours, so that a page of another site whose name suddenly
// resolves to this box (DNS rebinding) cannot read anything. Addresses cannot be rebound and always pass.
func (s *Server) checkHost(c *fiber.Ctx) error {
	if consoleConn(c) {
		return c.Next()
	}
	host := string(c.Request().Header.Host())
	// In absolute form the request target names a host too (RFC 9112, 3.2.2); two different ones are a trick.
	if target := string(c.Request().URI().Host()); !strings.EqualFold(target, host) || !s.ownHost(host) {
		return problem(fiber.StatusMisdirectedRequest,
			"This NVR does not answer to that name. Open it by its address or as "+s.cfg.Names[0]+".")
	}
	return c.Next()
}

func (s *Server) ownHost(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"), ".")
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Zone() == "" // no browser sends one
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	for _, name := range s.cfg.Names {
		if strings.EqualFold(host, name) {
			return true
		}
	}
	return false
}

// checkOrigin refuses what another site's page sends: each method that changes something, and the WebSocket, must
// come with an Origin equal to the host it is sent to. Browsers always send one there and no script can forge it.
func (s *Server) checkOrigin(c *fiber.Ctx) error {
	if consoleConn(c) || safe(c) {
		return c.Next()
	}
	if _, ok := bearer(c); ok {
		return c.Next() // no page can make a browser send that header here, and the cookie does not count beside it
	}
	if !sameOrigin(c) {
		return problem(fiber.StatusForbidden, "The request came from another site (its Origin is not this NVR), so nothing was done.")
	}
	return c.Next()
}

func safe(c *fiber.Ctx) bool {
	switch c.Method() {
	case fiber.MethodGet, fiber.MethodHead, fiber.MethodOptions:
		return !strings.EqualFold(c.Get(fiber.HeaderUpgrade), "websocket")
	}
	return false
}

func sameOrigin(c *fiber.Ctx) bool {
	u, err := url.Parse(c.Get(fiber.HeaderOrigin))
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return false
	}
	if site := c.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" {
		return false
	}
	return strings.EqualFold(withPort(u.Host), withPort(string(c.Request().Header.Host())))
}

// withPort adds the port that https implies, so that `host` and `host:443` compare equal.
func withPort(host string) string {
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), "443")
}
