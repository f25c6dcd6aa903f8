package auth

import (
	"context"
	"encoding/json"

	"cardea/store"
)

// EventLabel marks events about accounts, which are for owners.
const EventLabel = "account"

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
