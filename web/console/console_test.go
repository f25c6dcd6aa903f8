package console

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// serve runs a plain HTTP server on the admin socket of a new directory.
func serve(t *testing.T, dir string, h http.HandlerFunc) {
	t.Helper()
	ln, err := Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: h, ConnContext: func(ctx context.Context, c net.Conn) context.Context {
		if _, ok := c.(Conn); !ok {
			t.Errorf("a connection of type %T", c)
		}
		return ctx
	}}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ln) }()
	t.Cleanup(func() {
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
		<-done
	})
}

func TestClient(t *testing.T) {
	// A path that is longer than a socket's address may be.
	dir := filepath.Join(t.TempDir(), strings.Repeat("long/", 30))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if _, err := Dial(ctx, dir); !errors.Is(err, ErrNotRunning) {
		t.Fatalf("no socket: %v", err)
	}
	serve(t, dir, func(w http.ResponseWriter, r *http.Request) {
		switch r.Method + r.URL.String() {
		case "GET/things?a=1":
			io.WriteString(w, `{"name":"x"}`)
		case "PUT/thing":
			b, _ := io.ReadAll(r.Body)
			if string(b) != "bytes" {
				t.Errorf("body %q", b)
			}
			w.WriteHeader(http.StatusNoContent)
		case "GET/data":
			io.WriteString(w, "ciphertext")
		case "GET/plain":
			http.Error(w, "no document", http.StatusBadGateway)
		default:
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusConflict)
			io.WriteString(w, `{"status":409,"title":"Conflict","detail":"It is there.","errors":[{"message":"taken","location":"body.name"}]}`)
		}
	})
	info, err := os.Stat(filepath.Join(dir, SocketName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket %v %v", info, err)
	}
	c, err := Dial(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var out struct{ Name string }
	if err := c.Get(ctx, "/things", Query{"a": "1", "b": ""}, &out); err != nil || out.Name != "x" {
		t.Errorf("%+v %v", out, err)
	}
	if err := c.Upload(ctx, "/thing", strings.NewReader("bytes"), nil); err != nil {
		t.Error(err)
	}
	var b strings.Builder
	if n, err := c.Download(ctx, "/data", &b); n != 10 || err != nil || b.String() != "ciphertext" {
		t.Errorf("%d %v %q", n, err, b.String())
	}
	var p *Problem
	if err := c.Do(ctx, "POST", "/things", nil, nil); !errors.As(err, &p) || p.Status != 409 || p.Error() != "It is there; body.name: taken" {
		t.Errorf("problem %v", err)
	}
	if err := c.Get(ctx, "/plain", nil, nil); !errors.As(err, &p) || p.Status != 502 {
		t.Errorf("no problem document: %v", err)
	}
}

func TestListenReplacesTheRestOfADeadProgram(t *testing.T) {
	dir := t.TempDir()
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, SocketName), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	ln.SetUnlinkOnClose(false)
	ln.Close()
	if _, err := Dial(context.Background(), dir); !errors.Is(err, ErrNotRunning) {
		t.Fatalf("a dead socket: %v", err)
	}
	again, err := Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, SocketName)); !errors.Is(err, os.ErrNotExist) {
		t.Error("Close left the socket")
	}
}
