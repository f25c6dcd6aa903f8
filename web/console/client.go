// Package console is the command line's way to the NVR: the admin socket DATA/cardea.sock, its client, and the
// same client over a pipe in memory when no NVR runs. Both ends speak the HTTP API of package web, where a caller
// on the socket counts as the role `console`; so a command and the browser do a thing by the same code.
//
// The package never opens a data directory: main does, and hands in the listener.
package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"syscall"
)

// ErrNotRunning says that nothing listens on the admin socket of a directory. The caller opens the directory itself.
var ErrNotRunning = errors.New("no NVR is running on this data directory")

// Problem is an answer of the API that is not a success (RFC 9457).
type Problem struct {
	Status int    `json:"status"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Errors []struct {
		Message  string `json:"message"`
		Location string `json:"location"`
	} `json:"errors"`
}

// Error is the sentence for the person at the keyboard.
func (p *Problem) Error() string {
	s := p.Detail
	if s == "" {
		s = p.Title
	}
	for _, e := range p.Errors {
		if !strings.Contains(s, e.Message) { // else it is there for programs, such as a fingerprint to confirm
			s = fmt.Sprintf("%s; %s: %s", strings.TrimSuffix(s, "."), e.Location, e.Message)
		}
	}
	return s
}

// Client calls the API as `console`. It is safe for concurrent use.
type Client struct {
	http http.Client
	tr   *http.Transport
}

// Dial connects to the NVR that runs on dir. It returns ErrNotRunning when there is none.
func Dial(ctx context.Context, dir string) (*Client, error) {
	path := filepath.Join(dir, SocketName)
	dial := func(ctx context.Context) (net.Conn, error) {
		name, done, err := shortName(dir, path)
		if err != nil {
			return nil, err
		}
		defer done()
		var d net.Dialer
		return d.DialContext(ctx, "unix", name)
	}
	conn, err := dial(ctx)
	switch {
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ECONNREFUSED):
		return nil, ErrNotRunning
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("the NVR on %s runs as another user: run this command as that user or as root", dir)
	case err != nil:
		return nil, fmt.Errorf("talk to the NVR on %s: %w", dir, err)
	}
	conn.Close()
	return NewClient(dial), nil
}

// NewClient returns a client whose connections come from dial.
func NewClient(dial func(context.Context) (net.Conn, error)) *Client {
	tr := &http.Transport{
		DialContext:        func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
		DisableCompression: true,
	}
	return &Client{http: http.Client{Transport: tr}, tr: tr}
}

// Close drops idle connections.
func (c *Client) Close() { c.tr.CloseIdleConnections() }

// Query is a set of parameters; empty values are left out.
type Query map[string]string

// Get reads path into out.
func (c *Client) Get(ctx context.Context, path string, q Query, out any) error {
	values := url.Values{}
	for k, v := range q {
		if v != "" {
			values.Set(k, v)
		}
	}
	if len(values) > 0 {
		path += "?" + values.Encode()
	}
	return c.Do(ctx, http.MethodGet, path, nil, out)
}

// Do sends in as JSON (nothing when nil) and decodes the answer into out (dropped when nil). An answer other than
// 2xx is a *Problem.
func (c *Client) Do(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	resp, err := c.send(ctx, method, path, "application/json", body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil || resp.StatusCode == http.StatusNoContent {
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("read answer of %s: %w", path, err)
	}
	return nil
}

// Download copies the body of path to w and returns its length in bytes.
func (c *Client) Download(ctx context.Context, path string, w io.Writer) (int64, error) {
	resp, err := c.send(ctx, http.MethodGet, path, "", nil)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	return io.Copy(w, resp.Body)
}

// Upload sends r as the body of a PUT to path and decodes the answer into out (dropped when nil).
func (c *Client) Upload(ctx context.Context, path string, r io.Reader, out any) error {
	resp, err := c.send(ctx, http.MethodPut, path, "application/octet-stream", r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil || resp.StatusCode == http.StatusNoContent {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(out)
}

func (c *Client) send(ctx context.Context, method, path, contentType string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://localhost"+path, body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("talk to the NVR: %w", err)
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close()
	p := &Problem{Status: resp.StatusCode, Title: resp.Status}
	if b, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10)); err == nil {
		_ = json.Unmarshal(b, p) // an answer that is no problem document keeps the status line as its title
	}
	return nil, p
}
