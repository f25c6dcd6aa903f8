package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"cardea/auth"
	"cardea/auth/ca"
	"cardea/camera/discovery"
	"cardea/nvr"
	"cardea/nvr/webrtc"
	"cardea/web"
	"cardea/web/console"
	"cardea/web/tls"
)

type serveCommand struct {
	Listen       string   `help:"Address to listen on." default:":8443" env:"CARDEA_LISTEN" placeholder:"ADDR"`
	Clips        string   `help:"Directory of the clips, on another disk say (default: DATA/clips)." env:"CARDEA_CLIPS" placeholder:"DIR"`
	WebRTCListen string   `help:"UDP address for live video over WebRTC (default: the port of --listen)." name:"webrtc-listen" env:"CARDEA_WEBRTC_LISTEN" placeholder:"ADDR"`
	Name         []string `help:"Host name that the NVR answers to besides its addresses; the first is the stable one. An address may follow, which helps in a container." default:"cardea.local" env:"CARDEA_NAME" placeholder:"NAME"`
	HSTS         bool     `help:"Tell browsers to insist on HTTPS. For an own domain with a public certificate." name:"hsts" env:"CARDEA_HSTS"`
}

// Run serves until SIGTERM.
func (c *serveCommand) Run(e *env) error { return c.serve(e, e.Dir(), nil, nil) }

// runner is a part of the program that works until its context ends.
type runner interface {
	Run(context.Context) error
}

// serve builds the parts in order, runs them until the context ends or one of them breaks, and closes in reverse.
// beside, where it is not nil, makes one more part, such as the virtual cameras of the demo, and settled waits until
// there is nothing more to log, since the claim URL is to be what a person reads last.
func (c *serveCommand) serve(e *env, dir string, beside func(*box) (runner, error), settled func(context.Context, *box)) (err error) {
	nvr.Tune()
	tcp, err := listenTCP(e, dir, c.Listen)
	if err != nil {
		return err
	}
	defer tcp.Close()
	b, err := open(e.Ctx, dir, c.Clips, c.Name[0], e.Log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()

	authority, err := ca.OpenWeb(ca.Config{Dir: filepath.Join(b.dir, "keys"), Now: b.now, Log: e.Log.With("part", "ca")})
	if err != nil {
		return err
	}
	secure, err := tls.Open(e.Ctx, tls.Config{
		Issuer: authority, Dir: filepath.Join(b.dir, "keys", "certmagic"), Name: c.Name[0], Names: c.names,
		Now: b.now, Log: e.Log.With("part", "tls"),
	})
	if err != nil {
		return err
	}
	defer secure.Close()
	socket, err := console.Listen(b.dir)
	if err != nil {
		return err
	}
	defer socket.Close()

	look := discovery.New(discovery.Config{Log: e.Log.With("part", "discovery")})
	parts := []runner{b.nvr, b.people, secure, look}
	if !tcp.Addr().(*net.TCPAddr).IP.IsLoopback() { // else nobody could come, whatever is announced
		parts = append(parts, presence{c.Name, portOf(tcp), e})
	}
	if beside != nil {
		part, err := beside(b)
		if err != nil {
			return err
		}
		parts = append(parts, part)
	}

	at := addresses(tcp.Addr(), c.Name)
	media := c.webRTC(e, tcp.Addr())
	if media != nil {
		defer media.Close()
	}
	server := b.web(web.Config{Discovery: look, WebRTC: media, Names: c.Name, HSTS: c.HSTS, BaseURL: func() string { return at[0] }, CA: authority, Log: e.Log.With("part", "web")})
	g, ctx := errgroup.WithContext(e.Ctx)
	for _, part := range parts {
		g.Go(func() error { return part.Run(ctx) })
	}
	g.Go(func() error {
		return server.Run(ctx, []net.Listener{secure.Listener(web.Limit(tcp))}, []net.Listener{socket})
	})
	g.Go(func() error {
		select {
		case <-b.nvr.Ready():
			if settled != nil {
				settled(ctx, b)
			}
			return c.announce(ctx, e, b, at, authority, secure)
		case <-ctx.Done():
			return nil
		}
	})
	if err := g.Wait(); err != nil && e.Ctx.Err() == nil {
		return err
	}
	e.Log.Info("stopped")
	return nil
}

// listenTCP takes the port before anything is made: who cannot have it changes nothing.
func listenTCP(e *env, dir, address string) (net.Listener, error) {
	ln, err := net.Listen("tcp", address)
	if err == nil {
		return ln, nil
	}
	if client, running := console.Dial(e.Ctx, dir); running == nil {
		client.Close()
		return nil, fmt.Errorf("an NVR works on %s already; stop it first, or choose another directory with --data DIR", dir)
	}
	return nil, fmt.Errorf("%w; choose another address with --listen, such as --listen :8444", err)
}

// webRTC opens the UDP port. Without one the NVR works all the same: browsers take the other way.
func (c *serveCommand) webRTC(e *env, tcp net.Addr) *webrtc.Server {
	at := c.WebRTCListen
	if at == "" {
		at = tcp.String()
	}
	addr, err := net.ResolveUDPAddr("udp", at)
	if err != nil {
		e.Log.Warn("there is no live video over WebRTC; name an address with --webrtc-listen", "err", err)
		return nil
	}
	conn, err := net.ListenUDP("udp", addr)
	if err != nil {
		e.Log.Warn("there is no live video over WebRTC; name a free port with --webrtc-listen", "err", err)
		return nil
	}
	return webrtc.New(conn)
}

// announce prints what a person needs to open the NVR for the first time.
func (c *serveCommand) announce(ctx context.Context, e *env, b *box, at []string, authority *ca.Web, secure *tls.Server) error {
	token, expires, err := b.people.NewClaim(ctx)
	var refused *auth.Error
	owned := errors.As(err, &refused) && refused.Code == auth.Conflict
	if err != nil && !owned {
		return err
	}
	fmt.Fprintf(e.Stdout, "Cardea %s records into %s\n", versionText(), b.clips.Dir())
	fmt.Fprintf(e.Stdout, "Address:     %s\n", strings.Join(at, "  "))
	fmt.Fprintf(e.Stdout, "Authority:   SHA-256 %s\n", authority.Fingerprint())
	fmt.Fprintf(e.Stdout, "Certificate: SHA-256 %s\n", secure.Fingerprint())
	if owned {
		return nil
	}
	_, err = fmt.Fprintf(e.Stdout, "Claim:       %s/claim#%s (once, until %s, from this network)\n", at[0], token, expires.Local().Format(time.TimeOnly))
	return err
}

// names are what the certificate should hold now.
func (c *serveCommand) names() []string {
	host, _ := os.Hostname()         // without one there is one name less
	addrs, _ := net.InterfaceAddrs() // the loopback is always among the names
	return append(ca.Names(c.Name[0], host, addrs), c.Name[1:]...)
}

// addresses are the URLs that lead to a listener, the best one first: the one it is bound to, or those of the LAN.
func addresses(ln net.Addr, names []string) []string {
	port := "443"
	bound := netip.IPv4Unspecified()
	if tcp, ok := ln.(*net.TCPAddr); ok {
		port, bound = fmt.Sprint(tcp.Port), tcp.AddrPort().Addr().Unmap()
	}
	hosts := []string{bound.String()}
	if bound.IsUnspecified() {
		// What a person named beside the stable name comes first: a container does not know the address of its host.
		hosts = append(append(slices.Clone(names[1:]), lanAddresses()...), names[0])
	}
	urls := make([]string, len(hosts))
	for i, host := range hosts {
		urls[i] = "https://" + net.JoinHostPort(host, port)
		if port == "443" {
			urls[i] = strings.TrimSuffix(urls[i], ":443")
		}
	}
	return urls
}

// lanAddresses are up to three IPv4 addresses of this machine, the loopback where there is no other.
func lanAddresses() []string {
	var found []string
	all, _ := net.InterfaceAddrs() // without any the loopback remains
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() && len(found) < 3 {
			found = append(found, n.IP.String())
		}
	}
	if len(found) == 0 {
		return []string{"127.0.0.1"}
	}
	return found
}
