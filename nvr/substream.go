package nvr

import (
	"context"
	"slices"
	"sync"
	"time"

	"cardea/camera"
	"cardea/camera/frame"
	"cardea/nvr/hub"
	"cardea/store"
)

const (
	// subCacheBytes bounds what the hub of a sub-stream remembers.
	subCacheBytes = 1 << 20
	// linger is how long a sub-stream stays connected after the last viewer has gone: people change pages and come back.
	linger = 10 * time.Second
	// previewEvery is how far apart the key frames are that previews are made of, less the jitter of their arrival.
	previewEvery = 3500 * time.Millisecond
)

// substream is the smaller stream of a camera: connected while somebody watches it or previews are made of it, and only while
// the main stream comes, whose session has shown who the camera is. Account, pin and certificate are those of the main stream.
type substream struct {
	r   *runner
	hub *hub.Hub

	attending sync.Mutex // orders the calls of attend; taken before mu

	mu       sync.Mutex // never held while a camera is called, which may be waiting for publish
	feeds    map[*Feed]struct{}
	previews bool          // the recorder wants key frames
	main     bool          // the main stream comes
	changed  chan struct{} // holds one: something of this changed
	camera   *camera.Camera
	phase    camera.Phase
	showing  bool // all pictures come, from a key frame on
	known    SubStream
	restarts uint64 // how often restart was called
}

func newSubstream(r *runner) *substream {
	return &substream{
		r: r, hub: hub.New(hub.Config{CacheBytes: subCacheBytes}), feeds: map[*Feed]struct{}{}, changed: make(chan struct{}, 1),
	}
}

// change lets run look again.
func (s *substream) change() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// wantPreviews is called by the recorder.
func (s *substream) wantPreviews(want bool) {
	s.mu.Lock()
	same := s.previews == want
	s.previews = want
	s.mu.Unlock()
	if !same {
		s.attend()
		s.change()
	}
}

// mainStreams says whether the main stream comes.
func (s *substream) mainStreams(comes bool) {
	s.mu.Lock()
	s.main = comes
	s.mu.Unlock()
	s.change()
}

// join adds a feed, which is told by Feed.turn when there is something to see. ready says that there is now.
func (s *substream) join(f *Feed) (ready bool) {
	s.mu.Lock()
	s.feeds[f] = struct{}{}
	s.showing = s.showing || s.phase == camera.Streaming && s.hub.CachedBytes() > 0
	ready = s.showing // the newest key frame now, the rest from the next one on
	s.mu.Unlock()
	s.attend()
	s.change()
	return ready
}

func (s *substream) leave(f *Feed) {
	s.mu.Lock()
	delete(s.feeds, f)
	s.showing = s.showing && len(s.feeds) > 0
	s.mu.Unlock()
	s.attend()
	s.change()
}

// attend tells the connection what is wanted of it.
func (s *substream) attend() {
	s.attending.Lock()
	defer s.attending.Unlock()
	s.mu.Lock()
	cam, watched := s.camera, len(s.feeds) > 0
	s.mu.Unlock()
	switch {
	case cam == nil:
	case watched:
		cam.SetSparse(0)
		cam.SetEager(true)
	default:
		cam.SetEager(false)
		cam.SetSparse(previewEvery)
	}
}

// restart connects anew with the row as it is now.
func (s *substream) restart() {
	s.mu.Lock()
	s.restarts++
	s.known = SubStream{}
	s.mu.Unlock()
	s.change()
}

// pull is camera.Pull.
func (s *substream) pull() {
	s.mu.Lock()
	cam := s.camera
	s.mu.Unlock()
	if cam != nil {
		cam.Pull()
	}
}

// run keeps the sub-stream connected while it is wanted, until ctx is done.
func (s *substream) run(ctx context.Context) {
	defer s.mainStreams(false)
	for ctx.Err() == nil {
		s.mu.Lock()
		wanted := s.main && (s.previews || len(s.feeds) > 0)
		s.mu.Unlock()
		if wanted {
			s.connection(ctx)
			continue
		}
		select {
		case <-ctx.Done():
		case <-s.changed:
		}
	}
}

// connection is one time of being wanted.
func (s *substream) connection(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cfg, ok := s.config()
	if !ok {
		<-s.wait(ctx, cancel) // another row brings another runner
		return
	}
	cam := camera.New(cfg)
	s.mu.Lock()
	s.camera = cam
	s.mu.Unlock()
	s.attend()
	watched := s.wait(ctx, cancel)
	_ = cam.Run(ctx, s.publish) // only ever ctx.Err()
	<-watched
	s.mu.Lock()
	s.camera, s.showing, s.phase = nil, false, ""
	s.mu.Unlock()
	s.turn(Main)
	// What was the newest picture is none any more.
	s.hub.SetCache(0, -1)
	s.hub.SetCache(0, subCacheBytes)
}

// wait calls cancel when the sub-stream is not wanted any more, and closes what it returns when ctx is done.
func (s *substream) wait(ctx context.Context, cancel context.CancelFunc) <-chan struct{} {
	done := make(chan struct{})
	s.mu.Lock()
	restarts := s.restarts
	s.mu.Unlock()
	go func() {
		defer close(done)
		lingering := time.NewTimer(linger)
		defer lingering.Stop()
		for {
			s.mu.Lock()
			over, wanted := !s.main || s.restarts != restarts, s.previews || len(s.feeds) > 0
			s.mu.Unlock()
			left := lingering.C
			switch {
			case over:
				cancel()
			case wanted:
				left = nil
			default:
				lingering.Reset(linger)
			}
			select {
			case <-ctx.Done():
				return
			case <-s.changed:
			case <-left:
				cancel()
			}
		}
	}()
	return done
}

// config is that of the main stream with another address; ok is false where there is none to be used.
func (s *substream) config() (cfg camera.Config, ok bool) {
	s.r.mu.Lock()
	row := s.r.row
	s.r.mu.Unlock()
	// The index may have been written by somebody else: the account goes to the host that it was entered for, or nowhere.
	if row.SubURL == "" || row.Validate() != nil {
		return cfg, false
	}
	cfg, err := s.r.config(row, row.SubURL)
	if err != nil {
		return cfg, false
	}
	cfg.Name += " (sub-stream)"
	cfg.OnState = s.onState
	return cfg, true
}

// publish hands a frame on, and lets those who wait for it see it.
func (s *substream) publish(f *frame.Frame) {
	s.hub.Publish(f)
	if !f.Key || !f.Video() {
		return
	}
	s.mu.Lock()
	first := !s.showing && len(s.feeds) > 0
	s.showing = s.showing || first
	t := f.Stream.Tracks[f.Track]
	s.known.Codec, s.known.Width, s.known.Height = string(t.Codec), t.Width, t.Height
	s.mu.Unlock()
	if first {
		s.turn(Sub)
	}
}

// onState is called by the camera at each change.
func (s *substream) onState(state camera.State) {
	s.r.judge(state)
	s.mu.Lock()
	s.phase = state.Phase
	lost := s.showing && state.Phase != camera.Streaming
	s.showing = s.showing && !lost
	s.mu.Unlock()
	if lost {
		s.turn(Main)
	}
}

// turn moves all feeds.
func (s *substream) turn(to Quality) {
	s.mu.Lock()
	var feeds []*Feed
	for f := range s.feeds {
		feeds = append(feeds, f)
	}
	s.mu.Unlock()
	for _, f := range feeds {
		f.turn(to)
	}
}

// status is what people are shown; nil where there is no sub-stream.
func (s *substream) status(row store.Camera) *SubStream {
	if row.SubURL == "" {
		return nil
	}
	s.mu.Lock()
	st, cam := s.known, s.camera
	s.mu.Unlock()
	st.URL, st.Phase = row.SubURL, "off"
	if cam == nil {
		return &st
	}
	now := cam.State()
	st.Phase, st.Since, st.Detail = string(now.Phase), now.Since, now.Detail
	st.FPS, st.Bitrate = now.FPS, float64(now.Bitrate)
	if i := slices.IndexFunc(now.Codecs, func(c string) bool { return frame.Codec(c).Video() }); i >= 0 {
		st.Codec, st.Width, st.Height = now.Codecs[i], now.Width, now.Height
	}
	return &st
}
