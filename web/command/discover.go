package command

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"cardea/camera/discovery"
	"cardea/web/api"
	"cardea/web/console"
)

// discoverWait is how long `cameras discover` listens.
const discoverWait = 3 * time.Second

type camerasDiscover struct {
	Scan string `help:"Also ask each address of a private network that this machine is on, at most a /22; all of them for \"all\"." placeholder:"NETWORK"`
	listing
}

// foundRow is a candidate in a listing.
type foundRow struct {
	Name    string   `json:"name"`
	Model   string   `json:"model"`
	Address string   `json:"address"`
	Via     []string `json:"via"`
	Trust   string   `json:"trust"`
}

// Run asks the NVR that runs on the data directory, which knows what is added already, or else looks for itself.
func (c *camerasDiscover) Run(e *Env) error {
	found, err := c.find(e)
	if err != nil {
		return err
	}
	rows, lines := []foundRow{}, [][]string{}
	for _, f := range found {
		rows = append(rows, foundRow{f.Name, f.Model, f.Address, f.Via, f.Trust})
		lines = append(lines, []string{f.Name, f.Model, f.Address, strings.Join(f.Via, ","), f.Trust})
		if f.Doubt != nil {
			fmt.Fprintf(e.Stderr, "%s: %s\n", f.Address, *f.Doubt)
		}
	}
	return c.print(e, rows, "NAME MODEL ADDRESS VIA TRUST", lines)
}

func (c *camerasDiscover) find(e *Env) (found []api.Candidate, err error) {
	client, err := console.Dial(e.Ctx, e.Dir())
	if errors.Is(err, console.ErrNotRunning) {
		return c.look(e)
	}
	if err != nil {
		return nil, err
	}
	defer client.Close()
	if c.Scan != "" {
		if err := client.Do(e.Ctx, "POST", "/api/discovery/scan", map[string]string{"prefix": strings.TrimPrefix(c.Scan, "all")}, &found); err != nil {
			return nil, err
		}
	}
	found = nil
	err = client.Get(e.Ctx, "/api/discovery", console.Query{"wait": fmt.Sprint(int(discoverWait.Seconds()))}, &found)
	return found, err
}

// look finds cameras without an NVR.
func (c *camerasDiscover) look(e *Env) ([]api.Candidate, error) {
	var network netip.Prefix
	if c.Scan != "" && c.Scan != "all" {
		var err error
		if network, err = netip.ParsePrefix(c.Scan); err != nil {
			return nil, UsageError("a network looks like 192.168.1.0/24")
		}
	}
	ctx, stop := context.WithCancel(e.Ctx)
	defer stop()
	look := discovery.New(discovery.Config{Log: e.Log.With("part", "discovery")})
	var g errgroup.Group
	g.Go(func() error { return look.Run(ctx) })
	select {
	case <-ctx.Done():
	case <-time.After(discoverWait):
	}
	var err error
	if c.Scan != "" {
		err = look.Scan(ctx, network)
	}
	found := look.Candidates()
	stop()
	return api.Found(found), errors.Join(err, g.Wait())
}
