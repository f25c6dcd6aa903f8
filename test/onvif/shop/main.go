// Command shop is a camera from a shop, simulated, as a process of its own for the browser journeys: an ONVIF service with the Security
// service, and its two streams in the clear and over its own TLS. It says on its output where it is and then what its motor and its encoders
// are told, and ends by SIGTERM.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
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
	// films is a folder with main.mp4 and sub.mp4 in H.265, which the streams are until they are told to be H.264; "" for H.264 from the start.
	films string
}

func main() {
	var c config
	flag.StringVar(&c.user, "user", "operator", "its account")
	flag.StringVar(&c.password, "password", "", "and the password of that")
	flag.BoolVar(&c.https, "https", false, "answer over HTTPS from the start")
	flag.BoolVar(&c.plain, "plain", false, "name no encrypted streams")
	flag.StringVar(&c.films, "h265", "", "a folder with main.mp4 and sub.mp4 in H.265, which its streams are until they are told to be H.264")
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
	codec := "H264"
	if c.films != "" {
		codec = "H265"
	}
	streams := []sim.Stream{
		{Token: "p_sub", Name: "sub", Codec: codec, Width: 320, Height: 180},
		{Token: "p_main", Name: "main", Codec: codec, Width: 960, Height: 540},
	}
	clear, err := open(c, agent.Config{}, streams)
	if err != nil {
		return err
	}
	secure, err := open(c, agent.Config{TLS: keys.TLS()}, streams)
	if err != nil {
		return err
	}
	for i, s := range streams {
		streams[i].URL = clear.agent.URL(s.Name)
		if !c.plain {
			streams[i].Secure = secure.agent.URL(s.Name)
		}
	}
	// Its clock is an hour off, as after a change to summer time.
	d, err := sim.Open(sim.Config{
		User: c.user, Password: c.password, Clock: time.Hour, Keystore: keys, HTTPS: c.https, Streams: streams,
		Moved: func(act string) { fmt.Println("Moved:", act) },
		Encoded: func(s sim.Stream) {
			fmt.Println("Encoded:", s.Name, s.Codec)
			clear.encode <- s
			secure.encode <- s
		},
	})
	if err != nil {
		return err
	}
	fmt.Printf("Service: %s\nEncrypted: %s\nMain: %s\nSub: %s\n", d.URL(), d.SecureURL(), clear.agent.URL("main"), clear.agent.URL("sub"))
	errs := make([]error, 2)
	var both sync.WaitGroup
	for i, s := range []*server{clear, secure} {
		both.Go(func() { errs[i] = s.run(ctx) })
	}
	both.Wait()
	return errors.Join(append(errs, d.Close())...)
}

// server gives out both streams. Another encoding ends the sessions of all, as in many cameras.
type server struct {
	c       config
	agent   *agent.Agent
	cfg     agent.Config
	streams []sim.Stream
	encode  chan sim.Stream
}

func open(c config, cfg agent.Config, streams []sim.Stream) (*server, error) {
	cfg.User, cfg.Password = c.user, c.password
	s := &server{c: c, cfg: cfg, streams: append([]sim.Stream(nil), streams...), encode: make(chan sim.Stream, 8)}
	return s, s.open()
}

// open begins to listen, where it did before if it did.
func (s *server) open() error {
	cfg := s.cfg
	for _, stream := range s.streams {
		source, err := s.c.source(stream)
		if err != nil {
			return err
		}
		cfg.Streams = append(cfg.Streams, agent.Stream{Path: stream.Name, Source: source})
	}
	var err error
	if s.agent, err = agent.Open(cfg); err != nil {
		return err
	}
	at, err := url.Parse(s.agent.URL("main"))
	if err != nil {
		return err
	}
	s.cfg.Listen = at.Host
	return nil
}

// source is what a stream shows.
func (c config) source(s sim.Stream) (agent.Source, error) {
	if s.Codec == "H265" {
		return agent.NewFile(filepath.Join(c.films, s.Name+".mp4"))
	}
	return agent.NewPattern(agent.PatternConfig{Config: pattern.Config{Name: s.Name, Width: s.Width, Height: s.Height, FPS: 10, GOP: time.Second}})
}

func (s *server) run(ctx context.Context) error {
	for {
		serving, stop := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() { ended <- s.agent.Run(serving) }()
		select {
		case err := <-ended:
			stop()
			return err
		case told := <-s.encode:
			stop()
			if err := <-ended; err != nil {
				return err
			}
			for i := range s.streams {
				if s.streams[i].Token == told.Token {
					s.streams[i] = told
				}
			}
			if err := s.open(); err != nil {
				return err
			}
		}
	}
}
