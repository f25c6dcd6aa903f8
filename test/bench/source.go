package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"math/big"
	"strconv"
	"time"

	"cardea/camera/agent"
	"cardea/camera/frame"
)

// source is a number of cameras that play the same clip, each on its own and not in step with the others.
type source struct {
	urls        []string
	subs        []string // of their sub-streams; none where there are none
	fps         int
	fingerprint string // hex SHA-256 of the server's SPKI; "" without TLS
	// codes are the activation codes of paired cameras, whose urls are host:port; nil for others.
	codes []chan string

	cancel  context.CancelFunc
	stopped chan error
}

// serveCopies starts n cameras in this process, whose own cost is not measured.
// small, when not "", is the clip of their sub-streams.
func serveCopies(ctx context.Context, clip, small string, n int, useTLS bool) (*source, error) {
	s := &source{fps: 25, stopped: make(chan error, 1)}
	config := agent.Config{}
	for i := range n {
		clip, err := agent.OpenSource(clip)
		if err != nil {
			return nil, err
		}
		config.Streams = append(config.Streams, agent.Stream{Path: strconv.Itoa(i), Source: &late{clip, time.Duration(i) * 2 * time.Second / time.Duration(n)}})
	}
	for i := range n {
		if small == "" {
			break
		}
		clip, err := agent.OpenSource(small)
		if err != nil {
			return nil, err
		}
		config.Streams = append(config.Streams, agent.Stream{Path: strconv.Itoa(i) + "-sub", Source: &late{clip, time.Duration(i) * 2 * time.Second / time.Duration(n)}})
	}
	if useTLS {
		certificate, spki, err := throwAway()
		if err != nil {
			return nil, err
		}
		config.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13}
		s.fingerprint = spki
	}
	cameras, err := agent.Open(config)
	if err != nil {
		return nil, err
	}
	for i := range n {
		s.urls = append(s.urls, cameras.URL(strconv.Itoa(i)))
		if small != "" {
			s.subs = append(s.subs, cameras.URL(strconv.Itoa(i)+"-sub"))
		}
	}
	ctx, s.cancel = context.WithCancel(ctx)
	go func() { s.stopped <- cameras.Run(ctx) }()
	return s, nil
}

func (s *source) close() {
	s.cancel()
	<-s.stopped
}

// late is a source that begins after a delay, so that cameras do not send their key frames together.
type late struct {
	agent.Source
	delay time.Duration
}

func (l *late) Run(ctx context.Context, sink func(*frame.Frame)) error {
	if pause(ctx, l.delay) != nil {
		return nil
	}
	return l.Source.Run(ctx, sink)
}

// throwAway makes a self-signed certificate and returns its pin.
func throwAway() (tls.Certificate, string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, "", err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bench"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, "", fmt.Errorf("make certificate: %w", err)
	}
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return tls.Certificate{}, "", err
	}
	pin := sha256.Sum256(spki)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, hex.EncodeToString(pin[:]), nil
}
