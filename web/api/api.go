// Package api is the JSON part of the HTTP API: each method decodes a request, makes one call to nvr or auth, and
// encodes what comes back under the field names of the contract. Rules are not here: package web checks the role
// before a method runs, and nvr and auth decide the rest. Errors go out as they come in; package web explains them.
//
// Times are RFC 3339 in UTC with microseconds; identifiers are ULIDs as text; a missing thing is null or left out.
package api

import (
	"context"
	"time"

	"cardea/auth"
	"cardea/auth/link"
	"cardea/camera/discovery"
	"cardea/nvr"
	"cardea/store"
	"cardea/web/caller"
)

// Config is what an API is made of.
type Config struct {
	NVR  *nvr.NVR
	Auth *auth.People
	// CA is the certificate authority that signed the web certificate; nil where the owner brings one.
	CA Authority
	// Discovery finds cameras; nil where nobody looks for any.
	Discovery *discovery.Discovery
	// Name is the stable host name, Version the program's, Started when it began.
	Name, Version string
	Started       time.Time
	// ClipsPrefix stands in front of the paths of clips: "clips/" where these are in the data directory.
	ClipsPrefix string
	// Links signs what leaves a session.
	Links *link.Signer
	// Now is the clock.
	Now func() time.Time
	// ClaimURL is the address at which a token claims the NVR.
	ClaimURL func(token string) string
	// InviteURL is the address at which a token makes an account.
	InviteURL func(token string) string
}

// API has one method for each JSON route. It has no state of its own.
type API struct {
	cfg  Config
	nvr  *nvr.NVR
	auth *auth.People
}

// New only allocates.
func New(cfg Config) *API { return &API{cfg: cfg, nvr: cfg.NVR, auth: cfg.Auth} }

// Body is an answer in JSON.
type Body[T any] struct{ Body T }

func answer[T any](v T) *Body[T] { return &Body[T]{v} }

// None is an answer without content, or a request without parameters.
type None struct{}

// ByID is a request for one thing.
type ByID struct {
	ID string `path:"id" doc:"ULID" maxLength:"26"`
}

func actor(ctx context.Context) store.Actor { return caller.From(ctx).Actor() }

// see refuses a camera that the caller does not see, in the words for one that is not there.
func see(ctx context.Context, camera store.ID) error {
	if !caller.From(ctx).Sees(camera) {
		return store.Errorf(store.NotFound, "there is no camera %s", camera)
	}
	return nil
}

// each calls list for the camera asked for, or, where none is and the caller does not see all, for each that they see.
func each[T any](ctx context.Context, camera store.ID, list func(store.ID) ([]T, error)) ([]T, error) {
	sight := caller.From(ctx).Sight
	if camera != (store.ID{}) {
		if err := see(ctx, camera); err != nil {
			return nil, err
		}
		return list(camera)
	}
	if sight.All() {
		return list(camera)
	}
	var all []T
	for _, id := range sight.Cameras() {
		some, err := list(id)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// optionalID reads an identifier that may be missing.
func optionalID(text string) (store.ID, error) {
	if text == "" {
		return store.ID{}, nil
	}
	return store.ParseID(text)
}

// orNull leaves a zero value out as null.
func orNull[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

func idOrNull(id store.ID) *string {
	if id == (store.ID{}) {
		return nil
	}
	s := id.String()
	return &s
}

// list makes a JSON array of whatever there is, never null.
func list[From, To any](from []From, to func(From) To) []To {
	all := make([]To, 0, len(from))
	for _, v := range from {
		all = append(all, to(v))
	}
	return all
}

// words is a list of strings that is never null.
func words(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
