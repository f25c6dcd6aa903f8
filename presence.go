package main

import (
	"context"
	"net"

	"golang.org/x/sync/errgroup"

	"cardea/camera/discovery"
)

// presence makes the NVR answer for its name and announces its web app, so that a browser and our agents find it.
type presence struct {
	names []string
	port  int
	env   *env
}

// Run announces until ctx ends. The service follows once the name is the NVR's own.
func (p presence) Run(ctx context.Context) error {
	log := p.env.Log.With("part", "discovery")
	name := p.names[0]
	claimed := make(chan struct{}, 1)
	host := discovery.HostName{Name: name, Log: log, Claimed: func() {
		select {
		case claimed <- struct{}{}:
		default:
		}
	}}
	service := discovery.Announcement{Service: discovery.ServiceNVR, Instance: "Cardea (" + name + ")", Port: p.port, Host: name, Log: log}
	var g errgroup.Group
	g.Go(func() error { return host.Run(ctx) })
	g.Go(func() error {
		if !discovery.Local(name) {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-claimed:
			return service.Run(ctx)
		}
	})
	return g.Wait()
}

// portOf is the port of a TCP listener.
func portOf(ln net.Listener) int {
	if tcp, ok := ln.Addr().(*net.TCPAddr); ok {
		return tcp.Port
	}
	return 0
}
