package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"

	"cardea/camera/agent"
	"cardea/camera/pairing"
)

// comparePaired records n cameras over plain RTSP and then n paired ones over mutual TLS, and prints the ratio: what TLS and its
// certificates cost.
func comparePaired(ctx context.Context, table *tabwriter.Writer, clip string, n int, window time.Duration) error {
	var reference float64
	for _, serve := range []struct {
		name string
		open func(context.Context, string, int) (*source, error)
	}{
		{"cardea, plain RTSP", func(ctx context.Context, clip string, n int) (*source, error) {
			return serveCopies(ctx, clip, "", n, false)
		}},
		{"cardea, paired", servePaired},
	} {
		cameras, err := serve.open(ctx, clip, n)
		if err != nil {
			return err
		}
		r, err := recordCardea(ctx, cameras, window)
		cameras.close()
		if err != nil {
			return fmt.Errorf("%s: %w", serve.name, err)
		}
		r.print(table, n, serve.name, reference)
		reference = r.perGB()
	}
	return table.Flush()
}

// servePaired starts n camera agents, each with a port and a code of its own.
func servePaired(ctx context.Context, clip string, n int) (*source, error) {
	s := &source{fps: 25, stopped: make(chan error, 1)}
	dir, err := os.MkdirTemp("", "bench-paired-")
	if err != nil {
		return nil, err
	}
	var runs []func(context.Context) error
	for i := range n {
		film, err := agent.OpenSource(clip)
		if err != nil {
			return nil, err
		}
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		code := make(chan string, 16)
		camera, err := pairing.OpenCamera(pairing.CameraConfig{Dir: filepath.Join(dir, strconv.Itoa(i)), Name: fmt.Sprintf("Camera %02d", i), OnCode: func(c pairing.Code) {
			if c.Digits != "" {
				code <- c.Digits
			}
		}}, ln)
		if err != nil {
			return nil, err
		}
		server, err := agent.Open(agent.Config{Listener: camera.Media(), Streams: []agent.Stream{{
			Path: "camera", Source: &late{film, time.Duration(i) * 2 * time.Second / time.Duration(n)},
		}}})
		if err != nil {
			return nil, err
		}
		runs = append(runs, camera.Run, server.Run)
		s.urls = append(s.urls, ln.Addr().String())
		s.codes = append(s.codes, code)
	}
	ctx, s.cancel = context.WithCancel(ctx)
	go func() {
		var g errgroup.Group
		for _, run := range runs {
			g.Go(func() error { return run(ctx) })
		}
		s.stopped <- errors.Join(g.Wait(), os.RemoveAll(dir))
	}()
	return s, nil
}
