package command

import (
	"fmt"
	"io"
	"strings"

	"cardea/web/api"
	"cardea/web/console"
)

type camerasPair struct {
	Address string `arg:"" help:"Where the camera agent is, such as 192.168.1.20 or 192.168.1.20:8322, or the text of its QR code." placeholder:"ADDR"`
	Code    string `help:"The eight digits that the camera shows; not needed with a QR code's text." placeholder:"C"`
	Name    string `help:"What people call it (default: what it calls itself)." placeholder:"NAME"`
	Camera  string `help:"Pair this camera again, after a reset or with another device in its place. What it was paired with is revoked." placeholder:"ID"`
	listing
}

func (c *camerasPair) Run(e *Env) error {
	return e.with(false, func(client *console.Client) error {
		id, err := cameraID(e, client, c.Camera)
		if err != nil {
			return err
		}
		var added api.Camera
		if err := client.Do(e.Ctx, "POST", "/api/pairings", map[string]any{"address": c.Address, "code": c.Code, "name": c.Name, "camera": id}, &added); err != nil {
			return err
		}
		return c.printAdded(e, added)
	})
}

type camerasEnrol struct {
	ID string `arg:"" help:"ID or name of a camera that was added by its ONVIF address."`
}

func (c *camerasEnrol) Run(e *Env) error {
	return e.withCamera(c.ID, func(client *console.Client, path string) error {
		return client.Do(e.Ctx, "POST", path+"/enrol", nil, nil)
	})
}

type camerasRevoke struct {
	ID string `arg:"" help:"ID or name of a paired camera."`
}

func (c *camerasRevoke) Run(e *Env) error {
	return e.withCamera(c.ID, func(client *console.Client, path string) error {
		return client.Do(e.Ctx, "POST", path+"/revoke", nil, nil)
	})
}

type camerasAccept struct {
	ID          string `arg:"" help:"ID or name of an isolated camera."`
	Fingerprint string `help:"Trust this key, the one that the camera shows now, from here on. Without it the camera has to prove itself as before." placeholder:"F"`
}

func (c *camerasAccept) Run(e *Env) error {
	return e.withCamera(c.ID, func(client *console.Client, path string) error {
		return client.Do(e.Ctx, "POST", path+"/accept", map[string]any{"fingerprint": c.Fingerprint}, nil)
	})
}

// CA is the certificate authority of paired cameras.
type CA struct {
	Roll   caRoll   `cmd:"" help:"Replace the certificate authority of paired cameras; they follow by themselves as they are reached."`
	Export caExport `cmd:"" help:"Print the certificates that paired cameras trust, in PEM."`
}

type caRoll struct {
	Force bool `help:"Take the next step although cameras were not reached; those have to be paired again."`
}

func (c *caRoll) Run(e *Env) error {
	return e.with(false, func(client *console.Client) error {
		var now api.DeviceAuthority
		if err := client.Do(e.Ctx, "POST", "/api/ca/devices", map[string]any{"force": c.Force}, &now); err != nil {
			return err
		}
		if len(now.Waiting) > 0 {
			fmt.Fprintf(e.Stderr, "Waiting for: %s\n", strings.Join(now.Waiting, ", "))
		}
		_, err := fmt.Fprintln(e.Stdout, now.Stage)
		return err
	})
}

type caExport struct{}

func (caExport) Run(e *Env) error {
	return e.with(false, func(client *console.Client) error {
		var now api.DeviceAuthority
		if err := client.Get(e.Ctx, "/api/ca/devices", nil, &now); err != nil {
			return err
		}
		_, err := io.WriteString(e.Stdout, now.Roots)
		return err
	})
}
