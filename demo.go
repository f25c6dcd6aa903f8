package main

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"cardea/camera/agent"
	"cardea/camera/agent/pattern"
	"cardea/nvr"
	"cardea/store"
)

type demoCommand struct{ serveCommand }

// demoCameras are the two virtual cameras. key is the setting that remembers which camera of the index is which, so that one
// that a person removed does not come back.
var demoCameras = []struct{ name, path, key string }{
	{"Front door", "front-door", "demo.front-door"},
	{"Garden", "garden", "demo.garden"},
}

// Run serves an NVR in ./demo-data with two virtual cameras on the loopback.
func (c *demoCommand) Run(e *env) error {
	dir := e.data
	if dir == "" {
		dir = "demo-data"
	}
	return c.serve(e, dir, func(ctx context.Context, b *box, ready func() error) error {
		streams := make([]agent.Stream, 0, len(demoCameras))
		for i, d := range demoCameras {
			source, err := agent.NewPattern(agent.PatternConfig{Config: pattern.Config{Name: d.name, Theme: i}, Beep: true})
			if err != nil {
				return err
			}
			streams = append(streams, agent.Stream{Path: d.path, Source: source})
		}
		cameras, err := agent.Open(agent.Config{Streams: streams, Log: e.log.With("part", "demo")})
		if err != nil {
			return err
		}
		g, ctx := errgroup.WithContext(ctx)
		g.Go(func() error { return cameras.Run(ctx) })
		g.Go(func() error {
			for _, d := range demoCameras {
				if err := addDemoCamera(ctx, b, d.name, d.key, cameras.URL(d.path)); err != nil && ctx.Err() == nil {
					return fmt.Errorf("add the virtual camera %s: %w", d.name, err)
				}
			}
			return ready()
		})
		return g.Wait()
	})
}

// addDemoCamera adds a virtual camera at the first start and corrects its address, which has another port each time, later.
func addDemoCamera(ctx context.Context, b *box, name, key, address string) error {
	as := store.Actor{Name: "cardea"}
	known, err := b.db.Setting(ctx, key)
	if store.ErrorCode(err) == store.NotFound {
		added, err := b.nvr.AddCamera(ctx, as, nvr.NewCamera{Name: name, URL: address})
		if err != nil {
			return err
		}
		return b.db.PutSettings(ctx, map[string]string{key: added.Camera.ID.String()})
	}
	if err != nil {
		return err
	}
	id, err := store.ParseID(known)
	if err != nil {
		return err
	}
	_, err = b.nvr.ChangeCamera(ctx, as, id, nvr.CameraChange{URL: &address})
	var coded *store.Error
	if errors.As(err, &coded) && coded.Code == store.NotFound {
		return nil // a person removed it
	}
	return err
}
