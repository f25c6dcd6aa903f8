//go:build unix

package rtsp

import "syscall"

// tryRead reads from a non-blocking socket.
func tryRead(fd uintptr, p []byte) (int, error) {
	for {
		n, err := syscall.Read(int(fd), p)
		if err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}
