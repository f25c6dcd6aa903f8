package isolation

// Shared names the cameras that are on a network that leads to the internet too: whoever is there reaches them, and they reach it. It
// connects to nothing.
func (s Scene) Shared() (names []string) {
	for _, p := range s.places() {
		if p.gateway {
			names = append(names, p.cameras...)
		}
	}
	return names
}
