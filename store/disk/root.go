package disk

// Root placeholder, replaced in the next commit.
type Root struct{}

func (r *Root) Remove(names ...string) error { return nil }
