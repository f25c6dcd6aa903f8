package onvif

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"

	"cardea/camera/rtsp"
)

// maxPicture bounds a JPEG: one of 4K at the best quality takes some 4 MB.
const maxPicture = 8 << 20

// Snapshot fetches a JPEG of a profile from the camera. What comes is a JPEG by its first bytes and at most 8 MiB; nobody looked inside.
func (c *Client) Snapshot(ctx context.Context, p Profile) ([]byte, error) {
	at, err := c.snapshotURL(ctx, p)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	status, header, data, err := c.get(ctx, at, nil)
	if err == nil && status == http.StatusUnauthorized && c.cfg.User != "" {
		ask := newChallenge(header.Values("WWW-Authenticate"))
		if ask == nil {
			return nil, ErrAnswer{Reason: "it gives its snapshot for an unprotected password only"}
		}
		status, _, data, err = c.get(ctx, at, ask)
	}
	switch {
	case err != nil:
		return nil, err
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return nil, rtsp.ErrAuth{Given: c.cfg.User != ""}
	case status != http.StatusOK, !bytes.HasPrefix(data, []byte{0xff, 0xd8, 0xff}):
		return nil, ErrAnswer{Reason: "its snapshot is no JPEG"}
	case len(data) > maxPicture:
		return nil, ErrAnswer{Reason: "its snapshot is larger than 8 MiB"}
	}
	return data, nil
}

// snapshotURL asks where the snapshot is. Path and query are the camera's, the host is the one that a person named, and what was encrypted
// stays so. Its port counts where it names the same host: the port of another address is that of a router.
func (c *Client) snapshotURL(ctx context.Context, p Profile) (*url.URL, error) {
	namespace, path := nsMedia, []string{"MediaUri", "Uri"}
	if p.media2 {
		namespace, path = nsMedia2, []string{"Uri"}
	}
	n, err := c.call(ctx, namespace, "GetSnapshotUri", profileToken(p.Token))
	if err != nil {
		return nil, err
	}
	said, err := url.Parse(n.child(path...).text)
	if err != nil || said.Opaque != "" || said.Scheme != "http" && said.Scheme != "https" {
		return nil, ErrAnswer{Reason: "the address of its snapshot is none"}
	}
	at := &url.URL{Scheme: c.cfg.URL.Scheme, Host: c.cfg.URL.Host, Path: said.Path, RawPath: said.RawPath, RawQuery: said.RawQuery}
	if host := c.cfg.URL.Hostname(); said.Scheme == at.Scheme && said.Hostname() == host {
		switch port := said.Port(); {
		case port != "":
			at.Host = net.JoinHostPort(host, port)
		case strings.Contains(host, ":"):
			at.Host = "[" + host + "]"
		default:
			at.Host = host
		}
	}
	return at, nil
}

// get fetches, signed when asked to.
func (c *Client) get(ctx context.Context, at *url.URL, ask *challenge) (int, http.Header, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return 0, nil, nil, ErrAnswer{Reason: "the address of its snapshot is none"}
	}
	req.Header.Set("User-Agent", "Cardea")
	if ask != nil {
		header, err := ask.authorize(http.MethodGet, at.RequestURI(), c.cfg.User, c.cfg.Password, c.cfg.Rand)
		if err != nil {
			return 0, nil, nil, err
		}
		req.Header.Set("Authorization", header)
	}
	return c.send(req, maxPicture)
}
