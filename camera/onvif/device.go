package onvif

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"cardea/camera/rtsp"
)

// Info is what a camera says of itself. Nobody vouches for it.
type Info struct {
	Manufacturer, Model, Firmware, Serial string
}

// Info asks for GetDeviceInformation (ONVIF Core, 8.3.9).
func (c *Client) Info(ctx context.Context) (Info, error) {
	n, err := c.call(ctx, nsDevice, "GetDeviceInformation", "")
	if err != nil {
		return Info{}, err
	}
	return Info{
		Manufacturer: rtsp.Short(n.child("Manufacturer").text), Model: rtsp.Short(n.child("Model").text),
		Firmware: rtsp.Short(n.child("FirmwareVersion").text), Serial: rtsp.Short(n.child("SerialNumber").text),
	}, nil
}

// measureClock asks for the time without signing in, which every device has to answer (ONVIF Core, 5.9.4.3). From one that does not, the
// Date of its HTTP header is taken, and where that is missing too its clock is held to be right.
func (c *Client) measureClock(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	anonymous := &Client{cfg: c.cfg, http: c.http}
	anonymous.cfg.User, anonymous.cfg.Password = "", ""
	const operation = "GetSystemDateAndTime"
	sent := c.cfg.Now()
	status, header, data, err := anonymous.post(ctx, request{
		path: c.services[nsDevice], action: nsDevice + "/" + operation, operation: operation, body: `<` + operation + ` xmlns="` + nsDevice + `"/>`,
	})
	if err != nil {
		return err
	}
	// Half of the way there and back.
	now := sent.Add(c.cfg.Now().Sub(sent) / 2)
	n, err := anonymous.answer(status, operation, data)
	var auth rtsp.ErrAuth
	var fault ErrFault
	if err != nil && !errors.As(err, &auth) && !errors.As(err, &fault) {
		return err
	}
	if err == nil {
		if at, ok := utc(n.child("SystemDateAndTime", "UTCDateTime")); ok {
			c.offset = at.Sub(now)
			return nil
		}
	}
	if at, err := http.ParseTime(header.Get("Date")); err == nil {
		c.offset = at.Sub(now)
	}
	return nil
}

// utc reads a tt:DateTime.
func utc(n *node) (time.Time, bool) {
	var v [6]int
	for i, path := range [][]string{{"Date", "Year"}, {"Date", "Month"}, {"Date", "Day"}, {"Time", "Hour"}, {"Time", "Minute"}, {"Time", "Second"}} {
		var err error
		if v[i], err = strconv.Atoi(n.child(path...).text); err != nil {
			return time.Time{}, false
		}
	}
	if v[0] < 1970 || v[0] > 2200 {
		return time.Time{}, false
	}
	return time.Date(v[0], time.Month(v[1]), v[2], v[3], v[4], v[5], 0, time.UTC), true
}

// findServices asks where the services are: GetServices (ONVIF Core, 8.1.2), or GetCapabilities of older cameras.
func (c *Client) findServices(ctx context.Context) error {
	n, err := c.call(ctx, nsDevice, "GetServices", "<IncludeCapability>false</IncludeCapability>")
	var fault ErrFault
	switch {
	case err == nil:
		for _, s := range n.all("Service") {
			c.addService(s.child("Namespace").text, s.child("XAddr").text)
		}
		if c.services[nsMedia] != "" || c.services[nsMedia2] != "" {
			return nil
		}
	case !errors.As(err, &fault):
		return err
	}
	if n, err = c.call(ctx, nsDevice, "GetCapabilities", "<Category>All</Category>"); err != nil {
		return err
	}
	c.addCapabilities(n.child("Capabilities"))
	return nil
}

// addCapabilities reads what GetCapabilities says.
func (c *Client) addCapabilities(n *node) {
	for element, namespace := range map[string]string{"Media": nsMedia, "Events": nsEvents, "PTZ": nsPTZ, "Imaging": nsImaging} {
		if c.services[namespace] == "" {
			c.addService(namespace, n.child(element, "XAddr").text)
		}
	}
}

func (c *Client) addService(namespace, xaddr string) {
	if path, ok := here(xaddr); ok && namespace != nsDevice && xaddr != "" {
		c.services[namespace] = path
	}
}
