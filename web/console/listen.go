package console

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// SocketName is the file of the admin socket inside the data directory.
const SocketName = "cardea.sock"

// Conn marks a connection that came through the admin socket, whose peer runs as the same user as the NVR or as
// root. The guard of package web looks for this type and nothing else.
type Conn struct{ net.Conn }

// Listen opens the admin socket of a data directory. The caller MUST hold the lock of the directory: a socket that
// is already there is then the rest of a program that died, and is replaced. The file is only for its owner, and
// Accept asks the kernel who is at the other end (SO_PEERCRED, unix(7)) and drops everybody else. Close removes it.
func Listen(dir string) (net.Listener, error) {
	path := filepath.Join(dir, SocketName)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove old admin socket: %w", err)
	}
	ln, err := listenUnix(dir, path)
	if err != nil {
		return nil, fmt.Errorf("open admin socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	return &listener{ln, path}, nil
}

// listenUnix binds without letting the path grow beyond the 108 bytes that an address may have (unix(7)): a long
// path is reached through the directory's descriptor.
func listenUnix(dir, path string) (net.Listener, error) {
	name, done, err := shortName(dir, path)
	if err != nil {
		return nil, err
	}
	defer done()
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: name, Net: "unix"})
	if err != nil {
		return nil, err
	}
	ln.SetUnlinkOnClose(false) // the short name is gone by then
	return ln, nil
}

func shortName(dir, path string) (name string, done func(), err error) {
	if len(path) < 100 {
		return path, func() {}, nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", d.Fd(), SocketName), func() { d.Close() }, nil
}

type listener struct {
	net.Listener
	path string
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if peerAllowed(conn) {
			return Conn{conn}, nil
		}
		conn.Close()
	}
}

func (l *listener) Close() error {
	return errors.Join(l.Listener.Close(), os.Remove(l.path))
}

// peerAllowed reports whether the process at the other end has our user id, or is root.
func peerAllowed(conn net.Conn) bool {
	uc, ok := conn.(*net.UnixConn)
	if !ok {
		return false
	}
	raw, err := uc.SyscallConn()
	if err != nil {
		return false
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil || credErr != nil {
		return false
	}
	return cred.Uid == 0 || int(cred.Uid) == os.Geteuid()
}

// Mark wraps a listener that only this process can reach, so that its connections count as the admin socket.
func Mark(ln net.Listener) net.Listener { return marked{ln} }

type marked struct{ net.Listener }

func (m marked) Accept() (net.Conn, error) {
	conn, err := m.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return Conn{conn}, nil
}
