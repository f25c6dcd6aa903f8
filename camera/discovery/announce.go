package discovery

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/grandcat/zeroconf"
)

// ServiceNVR is the service under which an NVR announces its web app.
const ServiceNVR = "_cardea._tcp"

// Announcement lets others find a service of this machine by mDNS.
type Announcement struct {
	// Service is its type, such as ServiceNVR; Instance its name for people, at most 63 bytes are used; Port where it listens.
	Service, Instance string
	Port              int
	// Host is the host name to announce, such as "cardea.local". It must not be that of another machine.
	Host string
	// Text gives the TXT strings, key=value. It is asked again every few seconds, and a change is announced. May be nil.
	Text func() []string
	// Interfaces gives the interfaces to use; nil means those of LANInterfaces.
	Interfaces func() ([]net.Interface, error)
	Log        *slog.Logger
}

// textEvery is how often Text is asked.
const textEvery = 2 * time.Second

// CameraText gives the TXT strings of our own camera agent. id identifies the agent, and is public; paired says whether an NVR has
// it already. Nothing secret belongs into these strings, and nobody believes them.
func CameraText(id, model string, paired bool) []string {
	state := "new"
	if paired {
		state = "paired"
	}
	return []string{"v=1", "id=" + id, "model=" + clean(model), "state=" + state}
}

// AnnounceCamera announces our camera agent until ctx ends: name is for people, id and model as in CameraText. paired may be
// called from another goroutine at any time.
func AnnounceCamera(ctx context.Context, name, id, model string, port int, paired func() bool, log *slog.Logger) error {
	a := Announcement{
		Service: serviceCardea, Instance: name, Port: port, Host: "cardea-camera-" + hostLabel(id) + ".local", Log: log,
		Text: func() []string { return CameraText(id, model, paired()) },
	}
	return a.Run(ctx)
}

// hostLabel keeps what may stand in a host name.
func hostLabel(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return -1
	}, s)
	return s[:min(len(s), 40)]
}

// Run announces until ctx ends, then says goodbye. Interfaces and addresses may change; that there is none is no error.
func (a *Announcement) Run(ctx context.Context) error {
	if a.Service == "" || a.Instance == "" || a.Host == "" || a.Port <= 0 || a.Port > 65535 {
		return fmt.Errorf("announce %s %q: service, instance, host and port are required", a.Service, a.Instance)
	}
	interfaces, log := a.Interfaces, a.Log
	if interfaces == nil {
		interfaces = LANInterfaces
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	changes := watchNetwork(ctx)
	var asked <-chan time.Time
	if a.Text != nil {
		ask := time.NewTicker(textEvery)
		defer ask.Stop()
		asked = ask.C
	}
	var server *zeroconf.Server
	stop := func() {
		if server != nil {
			server.Shutdown()
			server = nil
		}
	}
	defer stop()
	var before []*segment
	var said []string
	var now []*segment
	var retry <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-asked:
		case <-retry:
		case <-changes:
			var err error
			if now, err = lanSegments(interfaces); err != nil {
				log.WarnContext(ctx, "the network interfaces cannot be listed", "error", err)
			}
		}
		var text []string
		if a.Text != nil {
			text = a.Text()
		}
		// zeroconf can change its text, but not safely while it answers somebody. A change is rare: begin again.
		if !slices.EqualFunc(now, before, (*segment).same) || !slices.Equal(text, said) {
			stop()
			if len(now) > 0 {
				var err error
				if server, err = a.register(now, text); err != nil {
					log.WarnContext(ctx, "this machine cannot be announced", "service", a.Service, "error", err)
					before, retry = nil, time.After(claimAgain)
					continue
				}
			}
			before, said, retry = now, text, nil
		}
	}
}

func (a *Announcement) register(on []*segment, text []string) (*zeroconf.Server, error) {
	interfaces := make([]net.Interface, 0, len(on))
	for _, s := range on {
		interfaces = append(interfaces, s.iface)
	}
	// Without addresses zeroconf answers on each interface with those of that interface.
	return zeroconf.RegisterProxy(instanceLabel(a.Instance), a.Service, mdnsDomain, a.Port, strings.TrimSuffix(a.Host, ".")+".", nil, text, interfaces)
}

// instanceLabel makes a name for people one label of at most 63 bytes (RFC 6763, 4.1.1), in the presentation form that zeroconf
// passes on.
func instanceLabel(name string) string {
	name = clean(name)
	for len(name) > 63 {
		_, size := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-size]
	}
	// zeroconf compares with what package dns prints, so it is escaped the same way.
	var b strings.Builder
	for i := range len(name) {
		switch c := name[i]; {
		case strings.IndexByte(` .'@;()"\`, c) >= 0:
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, `\%03d`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
