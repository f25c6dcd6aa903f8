package pairing

import (
	"context"
	"fmt"
)

// Revoke tells a camera that its certificate was taken back, so that whoever stands beside it learns what to do. Nothing depends on it: the
// NVR does not speak to a revoked camera otherwise. A camera of an older version, or one that was reset since, gives an error.
func (n *NVR) Revoke(ctx context.Context, address string, d Device) error {
	conn, err := dial(ctx, address, n.TLS(d, true))
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // what there was to say is said
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	w := newWire(conn)
	if _, err := w.write(message{Type: "revoke"}); err != nil {
		return refusal(err)
	}
	if _, _, err := w.read("stored"); err != nil {
		return fmt.Errorf("the camera does not say that it has understood: %w", refusal(err))
	}
	return nil
}

// Revoked says whether the NVR took the certificate back. The camera serves nobody then, until a person resets it.
func (c *Camera) Revoked() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.id != nil && c.id.Revoked
}

// revoked is the camera's side of Revoke: it remembers that, and lets nobody watch any more. The caller holds c.mu.
func (c *Camera) revoked(next identity) (message, error) {
	if !next.Revoked {
		next.Revoked = true
		if err := c.keep(&next); err != nil {
			return message{}, err
		}
		c.cfg.OnRevoked()
	}
	return message{Type: "stored"}, nil
}
