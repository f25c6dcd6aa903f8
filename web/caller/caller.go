// Package caller says who asks: the noun that the guard of package web puts into each request's context and that
// every handler below web reads from it. It holds no permission logic but the order of the roles; which cameras
// a person sees is auth's to say, and every handler asks for the object it has loaded.
package caller

import (
	"context"
	"net/netip"
	"time"

	"cardea/auth"
	"cardea/store"
)

// Role is the least a caller must be to use a route. Roles are ordered: each may do what the lower ones may.
type Role int

// The roles. Console is not a person: it is a command of the same user on the same machine, over the admin socket.
const (
	Anyone Role = iota
	Viewer
	Member
	Owner
	Console
)

// ParseRole reads a role as the index stores it. An unknown word is Anyone, which may do least.
func ParseRole(word string) Role {
	switch word {
	case "viewer":
		return Viewer
	case "member":
		return Member
	case "owner":
		return Owner
	}
	return Anyone
}

// String is the word of the role as the index and the API spell it.
func (r Role) String() string {
	switch r {
	case Viewer:
		return "viewer"
	case Member:
		return "member"
	case Owner:
		return "owner"
	case Console:
		return "console"
	}
	return "anyone"
}

// Caller is who sent a request. The zero value is an anonymous stranger.
type Caller struct {
	// Role is what the caller may do.
	Role Role
	// UserID is the account, zero for a stranger and the console. Name is its name, "console" for the admin socket.
	UserID store.ID
	Name   string
	// Addr is the address of the peer of the connection, never one that a header claims. Invalid on the admin socket.
	Addr netip.Addr
	// Remote is true where Addr is what the relay said of who came through the tunnel: good for counting, not for permission.
	Remote bool
	// Agent is the User-Agent header, for the list of sessions.
	Agent string
	// Token is the session's secret as the cookie carries it; empty for a stranger and for the console. It MUST NOT
	// be logged.
	Token string
	// Expires is when the session ends by itself.
	Expires time.Time
	// Session is the session of a person; zero for a token, a stranger and the console.
	Session auth.Session
	// Key is the API token that speaks for the person; zero where they are here themselves.
	Key auth.Token
	// Device names the session or token in tables of this process; empty for a stranger and the console.
	Device string
	// Sight is which cameras the caller sees; nothing for a stranger.
	Sight auth.Sight
	// Host is the Host header, which was checked to be one of ours.
	Host string
	// Alive reports whether the caller may still do what the guard allowed, for what goes on after the request; nil for a stranger and
	// the console.
	Alive func(context.Context) (bool, error)
}

// Sees reports whether the caller sees a camera, with everything that comes from it. What a caller does not see is not there: 404.
func (c Caller) Sees(camera store.ID) bool { return c.Sight.Sees(camera) }

// Home is the address for whatever asks where somebody is: invalid, so outside of every list and network, for who came through the tunnel.
func (c Caller) Home() netip.Addr {
	if c.Remote {
		return netip.Addr{}
	}
	return c.Addr
}

// Be makes the caller the person of an account.
func (c *Caller) Be(u auth.User) {
	c.Role, c.UserID, c.Name, c.Sight = ParseRole(string(u.Role)), u.ID, u.Name, u.Sight
}

type key struct{}

// With returns a context that carries c.
func With(ctx context.Context, c Caller) context.Context { return context.WithValue(ctx, key{}, c) }

// From returns the caller that With put in; a stranger where there is none.
func From(ctx context.Context) Caller {
	c, _ := ctx.Value(key{}).(Caller)
	return c
}

// Actor is the caller as the use cases of nvr know it.
func (c Caller) Actor() store.Actor {
	a := store.Actor{User: c.UserID, Name: c.Name, Role: c.Role.String()}
	if c.Addr.IsValid() {
		a.Addr = c.Addr.String()
	}
	return a
}
