package auth

import (
	"context"
	"fmt"

	"cardea/store"
)

// console is who gives back access: whoever may run it has the box already.
func console() store.Actor { return store.Actor{Name: "console", Role: "console"} }

// note records an act in the access log. Call it before the act, which MUST not happen when it gives an error.
func (p *People) note(ctx context.Context, a store.Access) error {
	if err := p.cfg.DB.LogAccess(ctx, a); err != nil {
		return fmt.Errorf("record %s: %w", a.Action, err)
	}
	return nil
}

// noteSignIn records a sign-in that worked or did not. The name of an account is only written where there is one: people type their
// password into the wrong field.
func (p *People) noteSignIn(ctx context.Context, user store.User, from Client, refused bool, detail string) error {
	a := store.Access{Action: "sign-in", Actor: store.Actor{User: user.ID, Name: user.Name, Role: user.Role}, Agent: clean(from.Agent), Refused: refused, Detail: detail}
	if from.Addr.IsValid() {
		a.Actor.Addr = from.Addr.Unmap().String()
	}
	if user.Name == "" && detail == "" {
		a.Detail = "no such account"
	}
	return p.note(ctx, a)
}

// noteEnd records that somebody ends sessions, their own or another person's.
func (p *People) noteEnd(ctx context.Context, actor store.Actor, of store.ID) error {
	row, err := p.byID(ctx, of)
	if err != nil {
		return err
	}
	return p.note(ctx, store.Access{Action: "session.end", Actor: actor, Object: row.Name})
}

// noteSignOut records the end of a session that somebody asks for. One that is over already is none.
func (p *People) noteSignOut(ctx context.Context, hash []byte) error {
	row, user, err := p.cfg.DB.Session(ctx, hash)
	if hasCode(err, store.NotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the session: %w", err)
	}
	return p.note(ctx, store.Access{Action: "sign-out", Actor: store.Actor{User: user.ID, Name: user.Name, Role: user.Role, Addr: row.Addr}})
}
