package rtsp

import (
	"syscall"

	"golang.org/x/sys/unix"
)

func setLowWater(raw syscall.RawConn, bytes int) error {
	var err error
	if cerr := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVLOWAT, bytes)
	}); cerr != nil {
		return cerr
	}
	return err
}
