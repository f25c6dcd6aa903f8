package command

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"cardea/camera/isolation"
	"cardea/web/api"
	"cardea/web/console"
)

// networkFlags are those of `cardea doctor network`.
type networkFlags struct {
	Write           string       `help:"network: write nftables rules for the cameras' network into FILE." placeholder:"FILE"`
	CameraInterface string       `help:"network: the interface that leads to the cameras, where it cannot be guessed." placeholder:"NAME"`
	NVR             []netip.Addr `help:"network: the rules are for a router; this is the NVR's address there." name:"nvr" placeholder:"ADDRESS"`
	Allow           []string     `help:"network: what cameras may reach besides the NVR, such as udp:192.0.2.1:123." placeholder:"DESTINATION"`
	DHCP            bool         `help:"network: cameras get their addresses from the machine that loads the rules." name:"dhcp"`
}

// network looks at how well cameras are kept apart, and writes rules where it is told to. It loads none.
func (c *Doctor) network(e *Env) ([]finding, error) {
	if len(c.NVR) > 0 { // the NVR is elsewhere, so there is nothing to look at here
		if c.Write == "" {
			return nil, UsageError("name the file for the router's rules with --write")
		}
		return c.writeRules(e.Ctx, isolation.Scene{TimePort: 123})
	}
	scene, err := c.scene(e)
	if err != nil {
		return nil, err
	}
	var found []finding
	for _, f := range isolation.Look(e.Ctx, scene) {
		found = append(found, finding{f.Level, f.Detail, f.Advice})
	}
	if c.Write == "" {
		return append(found, finding{isolation.Note, "Nothing was written.", "`cardea doctor network --write cameras.nft` writes firewall rules for the cameras' network; docs/network.md has every step."}), nil
	}
	written, err := c.writeRules(e.Ctx, scene)
	return append(found, written...), err
}

// scene asks the NVR on the data directory, if there is one, for its cameras.
func (c *Doctor) scene(e *Env) (isolation.Scene, error) {
	scene := isolation.Scene{WebPort: portNumber(c.Listen)}
	err := e.with(false, func(client *console.Client) error {
		var cameras []api.Camera
		var settings api.Settings
		if err := client.Get(e.Ctx, "/api/cameras", nil, &cameras); err != nil {
			return err
		}
		if err := client.Get(e.Ctx, "/api/settings", nil, &settings); err != nil {
			return err
		}
		scene.TimePort = uint16(settings.TimeServerPort)
		for _, camera := range cameras {
			scene.Cameras = append(scene.Cameras, isolation.Camera{Name: camera.Name, At: streamAddress(camera.URL), Trust: camera.Trust})
		}
		return nil
	})
	return scene, err
}

func portNumber(listen string) uint16 {
	_, text, err := net.SplitHostPort(listen)
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseUint(text, 10, 16) // a name of a service is no port to compare with
	return uint16(n)
}

// streamAddress is where a camera's stream comes from; invalid where its URL holds a name.
func streamAddress(text string) netip.AddrPort {
	u, err := url.Parse(text)
	if err != nil {
		return netip.AddrPort{}
	}
	addr, err := netip.ParseAddr(u.Hostname())
	if err != nil {
		return netip.AddrPort{}
	}
	port := portNumber(u.Host)
	if port == 0 {
		port = map[string]uint16{"rtsp": 554, "rtsps": 322}[u.Scheme]
	}
	return netip.AddrPortFrom(addr, port)
}

// writeRules writes the file and has nft read it, where that is possible.
func (c *Doctor) writeRules(ctx context.Context, scene isolation.Scene) ([]finding, error) {
	plan := isolation.Plan{Interface: c.CameraInterface, NVR: c.NVR, TimePort: scene.TimePort, DHCP: c.DHCP}
	if plan.Interface == "" {
		name, ok := scene.CameraInterface()
		if !ok {
			return nil, UsageError("name the interface that leads to the cameras with --camera-interface; `ip -brief address` lists them. " +
				"This machine needs one of its own for cameras: a second network port, or a VLAN (docs/network.md)")
		}
		plan.Interface = name
	}
	for _, text := range c.Allow {
		to, err := isolation.ParseEgress(text)
		if err != nil {
			return nil, UsageError(err.Error())
		}
		plan.Allow = append(plan.Allow, to)
	}
	rules, err := plan.Rules()
	if err != nil {
		return nil, UsageError(err.Error())
	}
	if err := os.WriteFile(c.Write, []byte(rules), 0o644); err != nil { //nolint:gosec // rules are no secret, and root reads them
		return nil, err
	}
	found := []finding{good("Rules for the cameras behind %s are in %s.", plan.Interface, c.Write), checked(ctx, c.Write)}
	if len(plan.Allow) == 0 {
		found = append(found, good("They let cameras reach nothing but the NVR."))
	} else {
		found = append(found, note("Every destination is a way out for a camera that was taken over.", "They let cameras reach: %s.", strings.Join(slices.Sorted(slices.Values(c.Allow)), ", ")))
	}
	steps := fmt.Sprintf("Read them, then as root: nft -f %s, and to load them at each start: cp %s /etc/nftables.d/ with `include \"/etc/nftables.d/*.nft\"` in /etc/nftables.conf. Undo: nft delete table inet %s",
		c.Write, c.Write, isolation.Table)
	return append(found, note(steps, "The rules are written, not loaded.")), nil
}

// checked asks nft whether it would load the file.
func checked(ctx context.Context, path string) finding {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "nft", "-c", "-f", path).CombinedOutput()
	switch {
	case err == nil:
		return good("nft has read the rules and would load them.")
	case errors.Is(err, exec.ErrNotFound):
		return note("apt-get install nftables, where the rules are to be loaded.", "nft is not installed here, so the rules were not checked.")
	case os.Geteuid() != 0:
		return note("As root: nft -c -f "+path, "The rules were not checked: only root may.")
	}
	return bad("This is a mistake in Cardea; please report it with the file.", "nft does not take the rules: %s", strings.TrimSpace(string(out)))
}
