package auth

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"cardea/store"
)

// What has a pace (see Pace) may be done so often at once after a pause, and then once each paceEvery.
const (
	paceEvery = 5 * time.Second
	paceBurst = 100
)

// Paced names something sensitive whose pace a restart does not forgive. Routes that do the same have the same one.
type Paced string

// The acts that have a pace.
const (
	PacedSignIn     Paced = "sign-in"
	PacedStepUp     Paced = "step-up"
	PacedInvitation Paced = "invitation"
	PacedPairing    Paced = "pairing"
	PacedLink       Paced = "link"
)

// Pace counts that somebody does an act, right or wrong: by address, and by account and device where they are known (user not zero, device not
// empty). The counters are in the index. Throttled where one of them is used up; it is not counted then.
func (p *People) Pace(ctx context.Context, act Paced, from netip.Addr, user store.ID, device string) error {
	keys := []string{"address " + block(from).String()}
	if user != (store.ID{}) {
		keys = append(keys, "account "+user.String())
	}
	if device != "" {
		keys = append(keys, "device "+device)
	}
	rates := make([]store.Rate, 0, len(keys))
	for _, key := range keys {
		rates = append(rates, store.Rate{Key: string(act) + " " + key, Every: paceEvery, Burst: paceBurst})
	}
	wait, err := p.cfg.DB.TakeRates(ctx, p.cfg.Now(), rates...)
	if err != nil {
		return fmt.Errorf("count %s: %w", act, err)
	}
	if wait > 0 {
		return throttled(wait, "This was done too often.")
	}
	return nil
}
