package nvr

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"syscall"
	"time"

	"cardea/camera/isolation"
	"cardea/store"
)

// keyTimePort is the setting of the time server's port; 0 or missing is off.
const keyTimePort = "time.port"

// timeRetry is how long to wait before a port that cannot be had is tried again.
const timeRetry = 30 * time.Second

func (n *NVR) timePort(ctx context.Context) (int, error) {
	text, err := n.db.Setting(ctx, keyTimePort)
	if store.ErrorCode(err) == store.NotFound {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("read setting %s: %w", keyTimePort, err)
	}
	return port, nil
}

func (n *NVR) setTimePort(ctx context.Context, port int) error {
	if port < 0 || port > 65535 {
		return store.Errorf(store.Invalid, "the port of the time server is 123, another one up to 65535, or 0 for off")
	}
	if err := n.db.PutSettings(ctx, map[string]string{keyTimePort: strconv.Itoa(port)}); err != nil {
		return err
	}
	select {
	case n.timeChanged <- struct{}{}:
	default: // it will look anyway
	}
	return nil
}

// serveTime runs the time server while the setting asks for it. That it cannot is an alarm, and tried again.
func (n *NVR) serveTime(ctx context.Context) error {
	for ctx.Err() == nil {
		port, err := n.timePort(ctx)
		if err != nil && ctx.Err() == nil {
			n.log.WarnContext(ctx, "the setting of the time server cannot be read", "error", err)
		}
		var again <-chan time.Time
		if port == 0 {
			n.alarm("time-server", "", false)
		} else if conn, err := net.ListenPacket("udp", net.JoinHostPort("", strconv.Itoa(port))); err != nil {
			n.alarm("time-server", timeTrouble(port, err), true)
			again = time.After(timeRetry)
		} else {
			n.alarm("time-server", "", false)
			n.serveTimeOn(ctx, conn, port)
			continue
		}
		select {
		case <-ctx.Done():
		case <-n.timeChanged:
		case <-again:
		}
	}
	return nil
}

// serveTimeOn returns when the setting has changed, when the server breaks, or when ctx ends. It closes conn.
func (n *NVR) serveTimeOn(ctx context.Context, conn net.PacketConn, port int) {
	n.log.InfoContext(ctx, "cameras are given the time", "port", port)
	ctx, stop := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case <-ctx.Done():
		case <-n.timeChanged:
			stop()
		}
	})
	server := isolation.TimeServer{Now: n.clock.Now, Wrong: n.clock.Behind, Log: n.log}
	if err := server.Serve(ctx, conn); err != nil {
		n.log.WarnContext(ctx, "the time server ended and is started again", "error", err)
	}
	stop()
	watching.Wait()
}

// timeTrouble is a sentence with what to do.
func timeTrouble(port int, err error) string {
	switch {
	case errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM):
		return fmt.Sprintf("The time server may not use port %d: ports below 1024 need rights that this NVR rightly does not have. Choose one above 1023, such as 11123; "+
			"the rules of `cardea doctor network` lead cameras there.", port)
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Sprintf("The time server cannot use port %d: another program has it, such as chrony or ntpd. Let that one serve the cameras, or choose another port.", port)
	}
	return fmt.Sprintf("The time server cannot listen on port %d: %v.", port, err)
}
