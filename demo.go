package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"cardea/camera/agent"
	"cardea/camera/agent/pattern"
	"cardea/nvr"
	"cardea/store"
)

type demoCommand struct{ serveCommand }

// demoCameras are the two virtual cameras. key is the setting that remembers which camera of the index is which, so that
// one that a person removed does not come back.
var demoCameras = []struct{ name, path, key string }{
	{"Front door", "front-door", "demo.front-door"},
	{"Garden", "garden", "demo.garden"},
}

// Run serves an NVR in ./demo-data with two virtual cameras on the loopback.
func (c *demoCommand) Run(e *env) error {
	dir := e.Data
	if dir == "" {
		dir = "demo-data"
	}
	return c.serve(e, dir, func(b *box) (runner, error) { return openDemo(e, b) }, demoSettled)
}

// demoSettled waits until both cameras are seen, or for a while.
func demoSettled(ctx context.Context, b *box) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for {
		cameras, err := b.nvr.Cameras(ctx)
		if err != nil || !slices.ContainsFunc(cameras, func(c nvr.CameraStatus) bool {
			return c.Camera.Mode != store.ModeOff && c.Connection.Phase != "streaming"
		}) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// openDemo binds the virtual cameras and enters them into the index. They run when the NVR does.
func openDemo(e *env, b *box) (_ runner, err error) {
	streams := make([]agent.Stream, 0, 2*len(demoCameras))
	for i, d := range demoCameras {
		for _, small := range []bool{false, true} {
			look, path := pattern.Config{Name: d.name, Theme: i}, d.path
			if small {
				look, path = agent.Small(look), path+agent.SmallSuffix
			}
			source, err := agent.NewPattern(agent.PatternConfig{Config: look, Beep: true})
			if err != nil {
				return nil, err
			}
			streams = append(streams, agent.Stream{Path: path, Source: source})
		}
	}
	cameras, err := agent.Open(agent.Config{
		Streams: streams, Log: e.Log.With("part", "demo"),
		OnTalk: func(string, []byte) {}, // what is said goes nowhere, but it can be said
	})
	if err != nil {
		return nil, err
	}
	for _, d := range demoCameras {
		if err := enterDemo(e.Ctx, b, d.name, d.key, cameras.URL(d.path), cameras.URL(d.path+agent.SmallSuffix)); err != nil {
			cameras.Close() //nolint:errcheck // the first error counts
			return nil, fmt.Errorf("add the virtual camera %s: %w", d.name, err)
		}
	}
	return cameras, nil
}

// enterDemo adds a virtual camera at the first start and corrects its address, which has another port each time, later.
func enterDemo(ctx context.Context, b *box, name, key, address, small string) error {
	as := store.Actor{Name: "cardea"}
	known, err := b.db.Setting(ctx, key)
	if store.ErrorCode(err) == store.NotFound {
		added, err := b.nvr.AddCamera(ctx, as, nvr.NewCamera{Name: name, URL: address, SubURL: small})
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
	_, err = b.nvr.ChangeCamera(ctx, as, id, nvr.CameraChange{URL: &address, SubURL: &small})
	if store.ErrorCode(err) == store.NotFound {
		return nil // a person removed it
	}
	return err
}
