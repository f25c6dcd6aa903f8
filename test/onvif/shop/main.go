// Command shop is a camera from a shop, simulated, as a process of its own for the browser journeys: an ONVIF service with the Security
// service, and its two streams in the clear and over its own TLS. It says on its output where it is, and ends by SIGTERM.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"cardea/camera/agent"
	"cardea/camera/agent/pattern"
	"cardea/camera/onvif/sim"
)

// config is how the camera is.
type config struct {
	user, password string
	// https has it answer there from the start, and plain name no encrypted streams.
	https, plain bool
}

func main() {
	var c config
	flag.StringVar(&c.user, "user", "operator", "its account")
	flag.StringVar(&c.password, "password", "", "and the password of that")
	flag.BoolVar(&c.https, "https", false, "answer over HTTPS from the start")
	flag.BoolVar(&c.plain, "plain", false, "name no encrypted streams")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, c); err != nil {
		log.Print(err)
		os.Exit(1)
	}
}

func run(ctx context.Context, c config) error {
	keys, err := sim.NewKeystore(nil)
	if err != nil {
		return err
	}
	clear, err := open(c, agent.Config{})
	if err != nil {
		return err
	}
	secure, err := open(c, agent.Config{TLS: keys.TLS()})
	if err != nil {
		return err
	}
	streams := []sim.Stream{
		{Token: "p_sub", Name: "sub", Codec: "H264", Width: 320, Height: 180, URL: clear.URL("sub"), Secure: secure.URL("sub")},
		{Token: "p_main", Name: "main", Codec: "H264", Width: 960, Height: 540, URL: clear.URL("main"), Secure: secure.URL("main")},
	}
	if c.plain {
		for i := range streams {
			streams[i].Secure = ""
		}
	}
	// Its clock is an hour off, as after a change to summer time.
	d, err := sim.Open(sim.Config{User: c.user, Password: c.password, Clock: time.Hour, Keystore: keys, HTTPS: c.https, Streams: streams})
	if err != nil {
		return err
	}
	fmt.Printf("Service: %s\nEncrypted: %s\nMain: %s\nSub: %s\n", d.URL(), d.SecureURL(), clear.URL("main"), clear.URL("sub"))
	errs := make([]error, 2)
	var both sync.WaitGroup
	for i, a := range []*agent.Agent{clear, secure} {
		both.Go(func() { errs[i] = a.Run(ctx) })
	}
	both.Wait()
	return errors.Join(append(errs, d.Close())...)
}

// open makes the server of both streams.
func open(c config, cfg agent.Config) (*agent.Agent, error) {
	cfg.User, cfg.Password = c.user, c.password
	for _, s := range []struct {
		path          string
		width, height int
	}{{"main", 960, 540}, {"sub", 320, 180}} {
		source, err := agent.NewPattern(agent.PatternConfig{Config: pattern.Config{Name: s.path, Width: s.width, Height: s.height, FPS: 10, GOP: time.Second}})
		if err != nil {
			return nil, err
		}
		cfg.Streams = append(cfg.Streams, agent.Stream{Path: s.path, Source: source})
	}
	return agent.Open(cfg)
}
