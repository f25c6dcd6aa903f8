package auth

import (
	"slices"

	"cardea/store"
)

// Sight is which cameras somebody sees, with everything that comes from them. The zero value sees none.
type Sight struct {
	all     bool
	cameras []store.ID
}

// SeesAll is the sight of owners, of the console, and of everybody who is not restricted.
func SeesAll() Sight { return Sight{all: true} }

// SeesOnly is the sight of somebody who is restricted to some cameras.
func SeesOnly(cameras ...store.ID) Sight { return Sight{cameras: cameras} }

// All reports whether every camera is seen, also those to come.
func (s Sight) All() bool { return s.all }

// Cameras are those that are seen where All is false.
func (s Sight) Cameras() []store.ID { return s.cameras }

// Sees reports whether a camera is seen. The zero ID, which is the box itself, is seen by whoever sees all.
func (s Sight) Sees(camera store.ID) bool { return s.all || slices.Contains(s.cameras, camera) }

// sight is what an account sees. Owners see all, whatever their row says.
func sight(row store.User) Sight {
	if Role(row.Role) == Owner || !row.Restricted {
		return SeesAll()
	}
	return SeesOnly(row.Cameras...)
}
