package api

import (
	"context"
	"slices"

	"cardea/nvr"
	"cardea/store"
	"cardea/web/caller"
)

// Group is some of the cameras under a name.
type Group struct {
	ID      string   `json:"id" maxLength:"26" doc:"Empty for a new one"`
	Name    string   `json:"name" maxLength:"240"`
	Cameras []string `json:"cameras" nullable:"false" maxItems:"256"`
}

func group(g nvr.Group) Group {
	return Group{g.ID.String(), g.Name, list(g.Cameras, store.ID.String)}
}

// Groups answers GET /api/groups. A caller gets the cameras that they see, and no group of none.
func (a *API) Groups(ctx context.Context, _ *None) (*Body[[]Group], error) {
	all, err := a.nvr.Groups(ctx)
	if err != nil {
		return nil, err
	}
	who := caller.From(ctx)
	for i := range all {
		all[i].Cameras = slices.DeleteFunc(all[i].Cameras, func(id store.ID) bool { return !who.Sees(id) })
	}
	all = slices.DeleteFunc(all, func(g nvr.Group) bool { return len(g.Cameras) == 0 })
	return answer(list(all, group)), nil
}

// PutGroupsRequest holds all groups.
type PutGroupsRequest struct {
	Body []Group `maxItems:"40"`
}

// PutGroups answers PUT /api/groups.
func (a *API) PutGroups(ctx context.Context, in *PutGroupsRequest) (*Body[[]Group], error) {
	groups := make([]nvr.Group, len(in.Body))
	for i, g := range in.Body {
		groups[i].Name = g.Name
		if g.ID != "" {
			id, err := store.ParseID(g.ID)
			if err != nil {
				return nil, err
			}
			groups[i].ID = id
		}
		for _, text := range g.Cameras {
			id, err := store.ParseID(text)
			if err != nil {
				return nil, err
			}
			if err := see(ctx, id); err != nil {
				return nil, err
			}
			groups[i].Cameras = append(groups[i].Cameras, id)
		}
	}
	all, err := a.nvr.PutGroups(ctx, actor(ctx), groups)
	if err != nil {
		return nil, err
	}
	return answer(list(all, group)), nil
}
