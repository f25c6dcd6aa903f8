package nvr

import (
	"context"
	"errors"
	"time"

	"cardea/camera/pairing"
	"cardea/store"
)

const (
	// tellWithin bounds one attempt to tell a camera that it was revoked, tellFor the time in which that is tried: its certificate can
	// be renewed for as long.
	tellWithin = 5 * time.Second
	tellFor    = 90 * 24 * time.Hour
)

// tellRevoked tells revoked cameras so, that are reached for the first time since; told are those that know. It changes nothing on this
// side: a revoked camera is refused whatever it believes.
func (n *NVR) tellRevoked(ctx context.Context, told map[store.ID]bool) {
	devices, err := n.db.RevokedDevices(ctx, n.clock.Now().Add(-tellFor))
	if err != nil {
		n.log.WarnContext(ctx, "revoked cameras cannot be told", "error", err)
		return
	}
	for _, d := range devices {
		if d.Enrolment != nil || told[d.ID] {
			continue
		}
		attempt, cancel := context.WithTimeout(ctx, tellWithin)
		err := n.pairer.Revoke(attempt, d.Address, known(&d))
		cancel()
		var who pairing.ErrIdentity
		// Another one answers, or one that knows no such message or no such NVR: nobody is left to be told.
		if err == nil || errors.As(err, &who) || errors.Is(err, pairing.ErrUnknown) || errors.Is(err, pairing.ErrProtocol) {
			told[d.ID] = true
		}
		n.log.DebugContext(ctx, "a revoked camera is told so", "device", d.ID.String(), "error", err)
	}
}
