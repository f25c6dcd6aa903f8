//go:build !linux

package rtsp

import (
	"errors"
	"syscall"
)

func setLowWater(syscall.RawConn, int) error { return errors.ErrUnsupported }
