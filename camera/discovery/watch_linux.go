package discovery

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// settle is how long to wait after a change for the next one: an interface that comes up changes several times.
	settle = 300 * time.Millisecond
	// pollEvery is how often interfaces are looked at where the kernel does not tell of changes.
	pollEvery = 5 * time.Second
)

// watchNetwork signals when interfaces or addresses have changed, until ctx ends. The kernel tells by rtnetlink(7), so a quiet network
// costs nothing. The first signal comes at once.
func watchNetwork(ctx context.Context) <-chan struct{} {
	changed := make(chan struct{}, 1)
	signal := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	signal()
	file, err := openRoute()
	if err != nil {
		go poll(ctx, signal)
		return changed
	}
	stop := context.AfterFunc(ctx, func() { file.Close() })
	go func() {
		defer file.Close()
		defer stop()
		buf := make([]byte, 16<<10)
		for {
			// What has changed does not matter, so neither does a message that was too long or lost (ENOBUFS).
			_, err := file.Read(buf)
			if errors.Is(err, os.ErrClosed) || ctx.Err() != nil {
				return
			}
			if err != nil && !errors.Is(err, unix.ENOBUFS) {
				poll(ctx, signal)
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(settle):
			}
			signal()
		}
	}()
	return changed
}

func openRoute() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR}); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "rtnetlink"), nil
}

func poll(ctx context.Context, signal func()) {
	t := time.NewTicker(pollEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			signal()
		}
	}
}
