package tls

import (
	"context"
	"fmt"
	"sync"

	"github.com/caddyserver/certmagic"
)

// storage is certmagic's directory with locks that live in this process. The data directory belongs to one process
// anyway, and lock files would outlive a kill and hold up the next start.
type storage struct {
	certmagic.Storage

	mu   sync.Mutex
	held map[string]chan struct{}
}

func newStorage(dir string) *storage {
	return &storage{Storage: &certmagic.FileStorage{Path: dir}, held: map[string]chan struct{}{}}
}

// Lock implements certmagic.Locker.
func (s *storage) Lock(ctx context.Context, name string) error {
	for {
		s.mu.Lock()
		free, taken := s.held[name]
		if !taken {
			s.held[name] = make(chan struct{})
			s.mu.Unlock()
			return nil
		}
		s.mu.Unlock()
		select {
		case <-free:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Unlock implements certmagic.Locker.
func (s *storage) Unlock(_ context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	free, taken := s.held[name]
	if !taken {
		return fmt.Errorf("%s is not locked", name)
	}
	delete(s.held, name)
	close(free)
	return nil
}
