package auth

import (
	"context"
	"fmt"

	"cardea/store"
)

// SessionByID gives a session that is not over by the ID that lists show, for a permission that was signed for it. It counts as no
// use of the session. Denied where it is over.
func (p *People) SessionByID(ctx context.Context, userID store.ID, id string) (User, Session, error) {
	all, err := p.Sessions(ctx, userID)
	if err != nil {
		return User{}, Session{}, err
	}
	for _, s := range all {
		if s.ID != id {
			continue
		}
		user, err := p.cfg.DB.User(ctx, userID)
		if err != nil {
			return User{}, Session{}, fmt.Errorf("read the account of a session: %w", err)
		}
		if user.Disabled {
			break
		}
		return person(user), s, nil
	}
	return User{}, Session{}, errNoSession()
}
