package syslog

import (
	"net"

	"golang.org/x/sys/unix"
)

// unacknowledged is the number of bytes that the other host has not confirmed to have (tcp(7), SIOCOUTQ).
func unacknowledged(conn *net.TCPConn) (n int, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { n, failed = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) }); err != nil {
		return 0, err
	}
	return n, failed
}
