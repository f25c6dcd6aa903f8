package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/valyala/fasthttp/fasthttputil"

	"cardea/assets"
	"cardea/auth"
	"cardea/auth/ca"
	"cardea/nvr"
	"cardea/store"
	"cardea/store/disk"
	"cardea/store/vault"
	"cardea/web"
	"cardea/web/console"
)

// What an NVR is called and listens on where nobody says so.
const (
	defaultName = "cardea.local"
	defaultPort = "8443"
)

// box is an open data directory with everything that works on it, not running yet.
type box struct {
	dir    string
	db     *store.DB
	key    *vault.BoxKey
	clips  *disk.Root
	nvr    *nvr.NVR
	people *auth.People
	prefix string // of the paths of clips in listings
}

// open builds the parts in order; Close undoes it in reverse. clips may be empty: then it is DATA/clips. name is the stable host name.
func open(ctx context.Context, dir, clips, name string, log *slog.Logger) (_ *box, err error) {
	b := &box{dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.Close())
		}
	}()
	if b.db, err = store.Open(ctx, store.Config{Dir: dir, Now: b.now, Log: log.With("part", "store")}); err != nil {
		return nil, err
	}
	b.dir = b.db.Dir()
	if b.key, err = vault.LoadBoxKey(filepath.Join(b.dir, "keys", "box.key")); err != nil {
		return nil, err
	}
	if clips == lastUsed {
		if clips, err = b.lastClips(ctx); err != nil {
			return nil, err
		}
	}
	if b.clips, err = b.db.OpenRoot(ctx, clips); err != nil {
		return nil, err
	}
	if b.clips.Dir() == filepath.Join(b.dir, store.ClipsDir) {
		b.prefix = store.ClipsDir + "/"
	}
	devices, err := ca.OpenDevice(ca.Config{Dir: filepath.Join(b.dir, "keys"), Now: b.now, Log: log.With("part", "ca")})
	if err != nil {
		return nil, err
	}
	if b.nvr, err = nvr.Open(ctx, nvr.Config{Devices: devices, DB: b.db, Clips: b.clips, Dir: b.dir, BoxKey: b.key, Log: log.With("part", "nvr")}); err != nil {
		return nil, err
	}
	b.people, err = auth.New(auth.Config{DB: b.db, Seal: b.key, Name: name, Now: b.now, Log: log.With("part", "auth")})
	return b, err
}

// lastUsed asks open for the clips directory that the NVR used last, for commands that are not told.
const lastUsed = "\x00"

// lastClips is that directory. Clips in the data directory come first: they may have been moved together with it.
func (b *box) lastClips(ctx context.Context) (string, error) {
	if _, err := os.Stat(filepath.Join(b.dir, store.ClipsDir, disk.Marker)); err == nil {
		return "", nil
	}
	last, err := b.db.Setting(ctx, store.KeyClipsDir)
	if store.ErrorCode(err) == store.NotFound {
		return "", nil
	}
	return last, err
}

// now is the clock of the box, which never runs behind what it has seen; that of the machine until the recorder, which
// knows, is open.
func (b *box) now() time.Time {
	if b.nvr == nil {
		return time.Now()
	}
	return b.nvr.Now()
}

// Close gives the directory back.
func (b *box) Close() error {
	var err error
	if b.clips != nil {
		err = b.clips.Close()
	}
	if b.db != nil {
		err = errors.Join(err, b.db.Close())
	}
	return err
}

// web is the server of this box; cfg says how it is reached.
func (b *box) web(cfg web.Config) *web.Server {
	cfg.NVR, cfg.Auth, cfg.App, cfg.ClipsPrefix, cfg.Version = b.nvr, b.people, assets.Files(), b.prefix, versionText()
	cfg.Now = b.now
	return web.New(cfg)
}

// here serves the API of a data directory to one command over a pipe; close ends that and gives the directory back.
func here(e *env, dir string) (*console.Client, func() error, error) {
	quiet := slog.New(slog.NewTextHandler(e.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	b, err := open(e.Ctx, dir, lastUsed, defaultName, quiet)
	if err != nil {
		return nil, nil, err
	}
	pipe := fasthttputil.NewInmemoryListener()
	ctx, stop := context.WithCancel(context.WithoutCancel(e.Ctx))
	done := make(chan error, 1)
	server := b.web(web.Config{
		Names: []string{defaultName}, BaseURL: func() string { return "https://" + net.JoinHostPort(defaultName, defaultPort) }, Log: quiet,
	})
	go func() { done <- server.Run(ctx, nil, []net.Listener{console.Mark(pipe)}) }()
	client := console.NewClient(func(context.Context) (net.Conn, error) { return pipe.Dial() })
	return client, func() error {
		client.Close()
		stop()
		return errors.Join(<-done, b.Close())
	}, nil
}
