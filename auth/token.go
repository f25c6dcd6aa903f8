package auth

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"cardea/store"
)

// Scope is a part of what a person may do, for programs that act in their name.
type Scope string

// The scopes. Admin includes the others; each of the others stands alone.
const (
	ScopeRead    Scope = "read"    // states, lists, settings
	ScopeMedia   Scope = "media"   // live video and clips, which are sealed
	ScopeControl Scope = "control" // what a member may do beyond looking
	ScopeAdmin   Scope = "admin"   // all that the person may do, sensitive acts included
)

var scopes = []Scope{ScopeRead, ScopeMedia, ScopeControl, ScopeAdmin}

// tokenPrefix makes a token that leaked into a file easy to find and to recognise.
const tokenPrefix = "cardea_"

// maxTokenDays bounds the life of a token.
const maxTokenDays = 365

// Token is a key for programs; it does what its person may, within its scopes.
type Token struct {
	ID       store.ID
	User     store.ID
	UserName string
	Name     string
	Scopes   []Scope
	Created  time.Time
	Expires  time.Time
	// LastUsed is coarse; zero means never.
	LastUsed time.Time
}

// Allows reports whether a scope is among those of the token.
func (t Token) Allows(s Scope) bool {
	return slices.Contains(t.Scopes, ScopeAdmin) || slices.Contains(t.Scopes, s)
}

// NewToken makes a token for actor that is good for so many days. Its text is shown once.
func (p *People) NewToken(ctx context.Context, actor store.Actor, name string, want []Scope, days int) (Token, string, error) {
	name, err := checkLabel(name)
	if err != nil {
		return Token{}, "", err
	}
	if len(want) == 0 || days < 1 || days > maxTokenDays {
		return Token{}, "", refuse(Invalid, "A token needs at least one scope and a life of 1 to %d days.", maxTokenDays)
	}
	row := store.Token{User: actor.User, Name: name, Created: p.cfg.Now()}
	row.Expires = row.Created.AddDate(0, 0, days)
	for _, s := range scopes {
		if slices.Contains(want, s) {
			row.Scopes = append(row.Scopes, string(s))
		}
	}
	if len(row.Scopes) != len(want) {
		return Token{}, "", refuse(Invalid, "The scopes of a token are read, media, control and admin.")
	}
	b, err := p.random(sessionBytes)
	if err != nil {
		return Token{}, "", err
	}
	row.Hash = hashToken("token", b)
	err = p.note(ctx, store.Access{Action: "token.add", Actor: actor, Object: name, Detail: strings.Join(row.Scopes, " ")})
	if err != nil {
		return Token{}, "", err
	}
	if row, err = p.cfg.DB.AddToken(ctx, row); err != nil {
		return Token{}, "", fmt.Errorf("store the token: %w", err)
	}
	if actor.Role == console().Role {
		p.alert(ctx, "The token "+name+" was made on the console.")
	}
	row.UserName = actor.Name
	return token(row), tokenPrefix + base64.RawURLEncoding.EncodeToString(b), nil
}

// ByToken says whose token a text is. Denied where it is none, has run out, was revoked, or its account is disabled.
// The first use in an hour is in the access log.
func (p *People) ByToken(ctx context.Context, text string, from netip.Addr) (User, Token, error) {
	hash, ok := parseToken(text)
	if !ok {
		return User{}, Token{}, errNoToken()
	}
	row, user, err := p.cfg.DB.TokenByHash(ctx, hash)
	now := p.cfg.Now()
	switch {
	case hasCode(err, store.NotFound), err == nil && (user.Disabled || !now.Before(row.Expires)):
		return User{}, Token{}, errNoToken()
	case err != nil:
		return User{}, Token{}, fmt.Errorf("read the token: %w", err)
	}
	if now.Sub(row.LastUsed) >= time.Hour {
		if err := p.note(ctx, store.Access{Action: "token.use", Actor: p.actor(user, Client{Addr: from}), Object: row.Name}); err != nil {
			return User{}, Token{}, err
		}
		if err := p.cfg.DB.TouchToken(ctx, row.ID, now); err != nil {
			return User{}, Token{}, fmt.Errorf("note the use of a token: %w", err)
		}
	}
	return person(user), token(row), nil
}

// Tokens lists those of a user, or of everybody for the zero ID.
func (p *People) Tokens(ctx context.Context, user store.ID) ([]Token, error) {
	rows, err := p.cfg.DB.Tokens(ctx, user)
	if err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}
	all := make([]Token, 0, len(rows))
	for _, row := range rows {
		all = append(all, token(row))
	}
	return all, nil
}

// RevokeToken ends a token at once. Owners and the console may revoke everybody's, others their own.
func (p *People) RevokeToken(ctx context.Context, actor store.Actor, id store.ID) error {
	mine := actor.User
	if actor.Role == string(Owner) || actor.Role == console().Role {
		mine = store.ID{}
	}
	all, err := p.Tokens(ctx, mine)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(t Token) bool { return t.ID == id })
	if i < 0 {
		return refuse(NotFound, "There is no such token; it may have been revoked already.")
	}
	err = p.note(ctx, store.Access{Action: "token.remove", Actor: actor, Object: all[i].Name, Detail: "of " + all[i].UserName})
	if err != nil {
		return err
	}
	if err := p.cfg.DB.DeleteToken(ctx, id); err != nil && !hasCode(err, store.NotFound) {
		return fmt.Errorf("revoke the token: %w", err)
	}
	return nil
}

// parseToken returns the hash of a token as a program sends it.
func parseToken(text string) ([]byte, bool) {
	secret, ok := strings.CutPrefix(text, tokenPrefix)
	if !ok || len(secret) != base64.RawURLEncoding.EncodedLen(sessionBytes) {
		return nil, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(secret)
	if err != nil || len(b) != sessionBytes {
		return nil, false
	}
	return hashToken("token", b), true
}

func errNoToken() error {
	return refuse(Denied, "This token is not valid: it has run out, was revoked, or was never one.")
}

func token(row store.Token) Token {
	t := Token{ID: row.ID, User: row.User, UserName: row.UserName, Name: row.Name, Created: row.Created, Expires: row.Expires, LastUsed: row.LastUsed}
	for _, s := range row.Scopes {
		t.Scopes = append(t.Scopes, Scope(s))
	}
	return t
}

// checkLabel is checkName for things that people name for themselves.
func checkLabel(name string) (string, error) {
	name = clean(strings.TrimSpace(name))
	if name == "" || len([]rune(name)) > 64 {
		return "", refuse(Invalid, "Give it a name of up to 64 characters, so that you know it again.")
	}
	return name, nil
}
