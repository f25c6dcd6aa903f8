// Package agent is the virtual camera: an RTSP server that gives out sources under paths, over TCP, UDP or TLS.
//
// Its nouns are Agent, the server; Stream, a path and what is behind it; and Source, which makes frames in real
// time: a test picture (NewPattern) or a media file played in a loop (NewFile). A source runs as long as the agent
// does and is encoded once, however many are watching. The package never connects to anything by itself and never
// writes a file.
package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/auth"
	"golang.org/x/sync/errgroup"

	"cardea/camera/frame"
	"cardea/camera/rtsp"
)

// Config says what an agent serves and how.
type Config struct {
	// Listen is the TCP address; port 0 takes a free one. Empty means 127.0.0.1:0.
	Listen string
	// Listener, when not nil, is served in place of Listen and TLS: its connections are protected already, as those of
	// pairing.Camera are. Run closes it.
	Listener net.Listener
	// TLS, when not nil, makes it RTSPS. Media then travels as plain RTP inside the TLS connection, so that it
	// is encrypted once, and UDP is not offered.
	TLS *tls.Config
	// UDP offers UDP transport on a free pair of ports.
	UDP bool
	// User and Password are asked for (Digest with MD5 or SHA-256, or Basic) when User is not empty.
	User, Password string
	// Memory is how many bytes of the newest coded media the first stream keeps, up to ten minutes of it, for a reader that was away; 0 for
	// none. It is played over TCP only.
	Memory int64
	// Streams are what is served; at least one.
	Streams []Stream
	// Subs says, by path, which path is a smaller stream of the same pictures; readers are told.
	Subs map[string]string
	// OnTalk, when not nil, makes the streams that are no smaller ones have a loudspeaker: it is called with the sound that somebody sends
	// to a path, G.711 µ-law, and MUST NOT keep it.
	OnTalk func(path string, payload []byte)
	// Log is where connections are noted, at debug level. nil means nowhere.
	Log *slog.Logger
}

// Stream is a source and the path it is reached by.
type Stream struct {
	// Path has no leading slash; it may be empty, and must be unique.
	Path string
	// Source makes the frames. It is run by the agent and MUST NOT be shared with another one.
	Source Source
}

// Agent is an RTSP server. All methods may be called from any goroutine.
type Agent struct {
	config  Config
	log     *slog.Logger
	ln      net.Listener
	udp     [2]net.PacketConn // RTP and RTCP; nil without UDP
	server  *gortsplib.Server
	streams map[string]*stream
	ready   chan struct{}   // closed when the streams can be asked for
	ctx     context.Context //nolint:containedctx // of playbacks, while Run runs
	playing sync.WaitGroup  // goroutines of playbacks
}

// Open binds the addresses, so that Addr and URL work, and serves nobody yet: that is Run. Connections made in
// between wait. The caller MUST call Run or Close.
func Open(config Config) (*Agent, error) {
	if config.Listen == "" {
		config.Listen = "127.0.0.1:0"
	}
	if len(config.Streams) == 0 {
		return nil, errors.New("a camera agent without a stream has nothing to serve")
	}
	a := &Agent{
		config:  config,
		log:     config.Log,
		streams: make(map[string]*stream, len(config.Streams)),
		ready:   make(chan struct{}),
	}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	for i, s := range config.Streams {
		if _, twice := a.streams[s.Path]; twice {
			return nil, fmt.Errorf("path %q is served twice", s.Path)
		}
		st, err := newStream(s)
		if err != nil {
			return nil, fmt.Errorf("serve %q: %w", s.Path, err)
		}
		st.begin = time.Now()
		if config.OnTalk != nil && !slices.Contains(slices.Collect(maps.Values(config.Subs)), s.Path) {
			st.hear = func(payload []byte) { config.OnTalk(s.Path, payload) }
		}
		a.streams[s.Path] = st
		if i == 0 && config.Memory > 0 && s.Source.Stream().Video() >= 0 {
			if st.memory, err = newMemory(config.Memory); err != nil {
				return nil, errors.Join(err, a.forget())
			}
		}
	}

	if config.Listener != nil {
		a.ln = config.Listener
		return a, nil
	}
	var err error
	if a.ln, err = net.Listen("tcp", config.Listen); err != nil {
		return nil, errors.Join(err, a.forget())
	}
	if config.UDP && config.TLS == nil {
		host, _, _ := net.SplitHostPort(a.ln.Addr().String())
		if a.udp, err = listenPair(host); err != nil {
			return nil, errors.Join(err, a.ln.Close(), a.forget())
		}
	}
	return a, nil
}

// forget gives the memories back.
func (a *Agent) forget() (err error) {
	for _, s := range a.streams {
		if s.memory != nil {
			err = errors.Join(err, s.memory.close())
		}
	}
	return err
}

// Addr is the TCP address that is listened on.
func (a *Agent) Addr() net.Addr { return a.ln.Addr() }

// URL is the address of a path, without user and password.
func (a *Agent) URL(path string) string {
	u := url.URL{Scheme: "rtsp", Host: a.ln.Addr().String(), Path: "/" + path}
	if a.config.TLS != nil || a.config.Listener != nil {
		u.Scheme = "rtsps"
	}
	return u.String()
}

// Count is the number of pictures sent on a path so far, whether or not anybody watched; 0 for a path that does
// not exist.
func (a *Agent) Count(path string) uint64 {
	if s := a.streams[path]; s != nil {
		return s.pictures.Load()
	}
	return 0
}

// Readers is the number of sessions that play a path now.
func (a *Agent) Readers(path string) int {
	if s := a.streams[path]; s != nil {
		return int(s.readers.Load())
	}
	return 0
}

// Close gives the addresses back without running. After Run it does nothing.
func (a *Agent) Close() error {
	err := a.ln.Close()
	if forgot := a.forget(); forgot != nil {
		return errors.Join(err, forgot)
	}
	for _, pc := range a.udp {
		if pc != nil {
			err = errors.Join(err, pc.Close())
		}
	}
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Run serves until ctx is done, then ends all sessions, waits for every goroutine it started and returns nil. It
// returns earlier, with an error, when a source or the listener breaks. It can be called once.
func (a *Agent) Run(ctx context.Context) error {
	defer func() { _ = a.Close() }()
	var end context.CancelFunc
	a.ctx, end = context.WithCancel(ctx)
	defer a.playing.Wait()
	defer end()
	a.server = &gortsplib.Server{
		RTSPAddress: a.ln.Addr().String(),
		// A key frame of a large picture must fit into a reader's queue as a whole.
		WriteQueueSize: 2048,
		AuthMethods: []auth.VerifyMethod{
			auth.VerifyMethodDigestSHA256, auth.VerifyMethodDigestMD5, auth.VerifyMethodBasic,
		},
		Handler: (*handler)(a),
		Listen: func(string, string) (net.Listener, error) {
			if a.config.TLS != nil && a.config.Listener == nil {
				return listener{tls.NewListener(a.ln, a.config.TLS)}, nil
			}
			return listener{a.ln}, nil
		},
	}
	if a.udp[0] != nil {
		a.server.UDPRTPAddress = a.udp[0].LocalAddr().String()
		a.server.UDPRTCPAddress = a.udp[1].LocalAddr().String()
		a.server.ListenPacket = func(_, address string) (net.PacketConn, error) {
			if address == a.server.UDPRTPAddress {
				return a.udp[0], nil
			}
			return a.udp[1], nil
		}
	}
	if err := a.server.Start(); err != nil {
		return fmt.Errorf("start RTSP server: %w", err)
	}
	for _, s := range a.streams {
		if err := s.serve(a.server); err != nil {
			close(a.ready)
			a.server.Close()
			return fmt.Errorf("serve %q: %w", s.path, err)
		}
	}
	close(a.ready)

	asked := ctx // is done a moment before the group's own, in which somebody else may close the listener
	group, ctx := errgroup.WithContext(ctx)
	for _, s := range a.streams {
		group.Go(func() error {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			s.stop = cancel
			err := s.source.Run(ctx, s.write)
			if err == nil {
				err = s.broken
			}
			if err != nil {
				return fmt.Errorf("source of %q: %w", s.path, err)
			}
			return nil
		})
	}
	group.Go(func() error {
		<-ctx.Done()
		a.server.Close()
		return nil
	})
	group.Go(func() error {
		err := a.server.Wait()
		if ctx.Err() != nil || asked.Err() != nil {
			return nil
		}
		return fmt.Errorf("RTSP server: %w", err)
	})
	err := group.Wait()
	for _, s := range a.streams {
		s.out.Close()
		if c, ok := s.source.(io.Closer); ok {
			err = errors.Join(err, c.Close())
		}
	}
	return err
}

// listenPair binds an even UDP port and the odd one above it, as RTP wants (RFC 3550, section 11).
func listenPair(host string) (pair [2]net.PacketConn, err error) {
	// The kernel chooses the first; half of its choices are odd and some have a neighbour in use.
	for range 64 {
		rtp, err := net.ListenPacket("udp", net.JoinHostPort(host, "0"))
		if err != nil {
			return pair, err
		}
		port := rtp.LocalAddr().(*net.UDPAddr).Port
		if port%2 == 0 {
			rtcp, err := net.ListenPacket("udp", net.JoinHostPort(host, fmt.Sprint(port+1)))
			if err == nil {
				return [2]net.PacketConn{rtp, rtcp}, nil
			}
		}
		_ = rtp.Close()
	}
	return pair, errors.New("no pair of free UDP ports")
}

// pathOf brings what clients write into the form of Stream.Path.
func pathOf(path string) string { return strings.Trim(path, "/") }

// stream is one path at work.
type stream struct {
	path      string
	source    Source
	server    *gortsplib.Server
	pictures  atomic.Uint64
	readers   atomic.Int64
	memory    *memory // nil for none
	begin     time.Time
	stampers  []stamper // by track; the source's goroutine has them
	broken    error     // why nothing more can be served, and what ends the source then; its goroutine has them
	stop      context.CancelFunc
	playbacks atomic.Int32
	hear      func(payload []byte) // nil for no loudspeaker

	mu sync.Mutex
	mediaSet
	now *frame.Stream // what is described
	out *gortsplib.ServerStream
}

func newStream(s Stream) (*stream, error) {
	now := s.Source.Stream()
	medias, err := newMediaSet(now)
	if err != nil {
		return nil, err
	}
	return &stream{mediaSet: medias, path: s.Path, source: s.Source, now: now, stampers: make([]stamper, len(now.Tracks))}, nil
}

// serve makes the stream known to the server.
func (s *stream) serve(server *gortsplib.Server) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := &gortsplib.ServerStream{Server: server, Desc: s.described()}
	if err := out.Initialize(); err != nil {
		return err
	}
	s.server, s.out = server, out
	return nil
}

// isVideo reports whether a track is the one for pictures.
func (s *stream) isVideo(track int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return track < len(s.now.Tracks) && s.now.Tracks[track].Codec.Video()
}

// renew describes the stream anew: its source has other tracks. Whoever is connected is let go; what was kept is of no use any more.
func (s *stream) renew(now *frame.Stream) error {
	medias, err := newMediaSet(now)
	if err != nil {
		return err
	}
	s.mu.Lock()
	old := s.out
	s.mediaSet, s.now = medias, now
	s.stampers = make([]stamper, len(now.Tracks))
	s.mu.Unlock()
	if s.memory != nil {
		s.memory.forget()
	}
	if err := s.serve(s.server); err != nil {
		return err
	}
	old.Close()
	return nil
}

// sameTracks says whether what was described still holds. Parameter sets may differ: they travel with the pictures.
func sameTracks(a, b *frame.Stream) bool {
	return slices.EqualFunc(a.Tracks, b.Tracks, func(t, o frame.Track) bool {
		return t.Codec == o.Codec && t.ClockRate == o.ClockRate && t.Channels == o.Channels
	})
}

// write sends a frame to everybody who plays the stream. It is called by the goroutine of the source alone.
func (s *stream) write(f *frame.Frame) {
	if s.broken != nil {
		return
	}
	if f.Stream != nil && f.Stream != s.now && !sameTracks(f.Stream, s.now) {
		if s.broken = s.renew(f.Stream); s.broken != nil {
			s.stop()
			return
		}
	}
	packets, err := s.packets(f)
	if err != nil || len(packets) == 0 {
		return // a frame that RTP cannot carry, such as an empty one: there is nothing to send
	}
	if s.memory != nil {
		track := &s.now.Tracks[f.Track]
		stamp := s.stampers[f.Track].next(captured(s.begin, f), f.DTS, track.ClockRate)
		if err := rtsp.PutStamp(packets[0], stamp, f.Key); err == nil {
			s.memory.add(f, stamp)
		}
	}
	if f.Video() {
		s.pictures.Add(1) // before a reader can have it
	}
	media := s.desc.Medias[f.Track]
	for _, p := range packets {
		// The error says that the stream is closed, which the source learns from its context.
		_ = s.out.WritePacketRTPWithNTP(media, p, f.Wall)
	}
}
