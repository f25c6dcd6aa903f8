package auth

import (
	"context"
	"encoding/json"
	"fmt"

	"cardea/store"
)

// EventLabel marks events about accounts, which are for owners.
const EventLabel = "account"

// alarming is how many failed sign-ins in a row owners hear of.
const alarming = 10

// alarm makes an event when somebody guesses at an account that is there.
func (p *People) alarm(ctx context.Context, user store.User, try *attempt, from Client) error {
	if user.Name == "" {
		return nil
	}
	row, err := p.limit.load(ctx, try.buckets[0])
	if err == nil && row.Fails == alarming {
		p.alert(ctx, fmt.Sprintf("%d sign-ins as %s failed in a row, the last one from %s. They are slowed down more and more.", alarming, user.Name, from.Addr))
	}
	return err
}

// alert makes an event of something that every owner should hear of although nobody did it in front of them. The access log has it
// already, so an event that cannot be stored stops nothing.
func (p *People) alert(ctx context.Context, sentence string) {
	data, err := json.Marshal(map[string]string{"detail": sentence})
	if err == nil {
		now := p.cfg.Now()
		_, err = p.cfg.DB.AddEvent(ctx, store.Event{Kind: "system", Start: now, End: now, Source: "auth", Labels: []string{EventLabel}, Data: data})
	}
	if err != nil {
		p.cfg.Log.WarnContext(ctx, "an event is lost", "error", err)
	}
}
