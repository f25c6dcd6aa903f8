package nvr

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"cardea/store"
)

// keyGroups is the setting that holds the groups as JSON: there are few, they are read and written as a whole, and nothing refers to
// them.
const keyGroups = "groups"

const (
	maxGroups     = 40
	maxGroupName  = 60 // characters
	maxGroupCount = 256
)

// Group is some of the cameras under a name, for a screen that shows just those. The house has them, not a person.
type Group struct {
	ID      store.ID   `json:"id"`
	Name    string     `json:"name"`
	Cameras []store.ID `json:"cameras"`
}

// Groups gives the groups in the order in which they were put, without cameras that are gone.
func (n *NVR) Groups(ctx context.Context) ([]Group, error) {
	all, err := n.db.Settings(ctx)
	if err != nil || all[keyGroups] == "" {
		return nil, err
	}
	var groups []Group
	if err := json.Unmarshal([]byte(all[keyGroups]), &groups); err != nil {
		return nil, fmt.Errorf("read groups: %w", err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := range groups {
		groups[i].Cameras = slices.DeleteFunc(groups[i].Cameras, func(id store.ID) bool { return n.runners[id] == nil })
	}
	return groups, nil
}

// PutGroups replaces all groups. One without an ID is new. Invalid for names and cameras that cannot be.
func (n *NVR) PutGroups(ctx context.Context, actor store.Actor, groups []Group) ([]Group, error) {
	if len(groups) > maxGroups {
		return nil, store.Errorf(store.Invalid, "there may be %d groups", maxGroups)
	}
	groups = slices.Clone(groups)
	for i := range groups {
		g := &groups[i]
		g.Name = strings.TrimSpace(g.Name)
		switch {
		case g.Name == "" || utf8.RuneCountInString(g.Name) > maxGroupName:
			return nil, store.Errorf(store.Invalid, "the name of a group has 1 to %d characters", maxGroupName)
		case len(g.Cameras) == 0 || len(g.Cameras) > maxGroupCount:
			return nil, store.Errorf(store.Invalid, "the group %s has no camera, or too many", g.Name)
		}
		for _, id := range g.Cameras {
			if _, err := n.runner(id); err != nil {
				return nil, store.Errorf(store.Invalid, "the group %s names a camera that does not exist; reload the page", g.Name)
			}
		}
		if g.ID == (store.ID{}) {
			id, err := n.db.NewID(n.clock.Now())
			if err != nil {
				return nil, err
			}
			g.ID = id
		}
	}
	text, err := json.Marshal(groups)
	if err != nil {
		return nil, fmt.Errorf("write groups: %w", err)
	}
	n.change.Lock()
	defer n.change.Unlock()
	if err := n.note(ctx, actor, "settings.change", store.Access{Detail: fmt.Sprintf("groups %d", len(groups))}); err != nil {
		return nil, err
	}
	return groups, n.db.PutSettings(ctx, map[string]string{keyGroups: string(text)})
}
