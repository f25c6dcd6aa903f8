package faulty

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// Cut says what survives of the changes that were not synced when the power went.
type Cut int

// The ways in which disks and file systems lose what was not synced. Each keeps the data that was synced, and names whose directory was.
const (
	// Synced keeps nothing else.
	Synced Cut = iota
	// Ordered keeps names as a journal does: up to the last sync of anything. Data that was not synced is lost.
	Ordered
	// Written keeps everything, as a kill does.
	Written
	// Torn keeps names up to some moment, and data in part: writes in any selection, one of them cut off in a sector.
	Torn
	// Cuts is how many there are.
	Cuts
)

// String names a cut in messages.
func (c Cut) String() string { return [...]string{"synced", "ordered", "written", "torn"}[c] }

// sector is what a disk writes in one piece.
const sector = 512

// Restore writes into dir, which must be empty, what a disk that lost its power after the first n changes may hold. random decides what
// Torn keeps.
func (d *Disk) Restore(dir string, n int, cut Cut, random *rand.Rand) error {
	d.mu.Lock()
	ops := d.ops[:n:n]
	d.mu.Unlock()
	s := state{names: map[int]map[string]int{0: {}}, data: map[int][]byte{}, pending: map[int][]Op{}}
	for _, op := range ops {
		s.apply(op, cut == Ordered)
	}
	keep := 0
	switch cut {
	case Written:
		keep = len(s.pendingNames)
	case Torn:
		keep = random.IntN(len(s.pendingNames) + 1)
	}
	for _, op := range s.pendingNames[:keep] {
		s.name(op)
	}
	for node, writes := range s.pending {
		for i, op := range writes {
			switch {
			case cut == Written:
			case cut != Torn || random.IntN(2) == 0:
				continue
			case i == len(writes)-1 && op.Kind == Write && random.IntN(2) == 0:
				op.Data = op.Data[:min(len(op.Data), random.IntN(len(op.Data)/sector+1)*sector)]
			}
			s.write(node, op)
		}
	}
	return s.save(dir, 0)
}

// state is a disk: what is durable, and what is on its way.
type state struct {
	names        map[int]map[string]int
	data         map[int][]byte
	pending      map[int][]Op
	pendingNames []Op
}

// apply takes the next change. Where ordered, a sync of anything makes all names before it durable.
func (s *state) apply(op Op, ordered bool) {
	switch op.Kind {
	case Write, Truncate:
		s.pending[op.node] = append(s.pending[op.node], op)
		return
	case Create, Mkdir, Remove, Rename:
		s.pendingNames = append(s.pendingNames, op)
		return
	case dropped:
		delete(s.pending, op.node)
		return
	case Sync:
		for _, w := range s.pending[op.node] {
			s.write(op.node, w)
		}
		delete(s.pending, op.node)
	}
	var rest []Op
	for _, p := range s.pendingNames {
		if ordered || op.Kind == SyncDir && (p.parent == op.node || p.Kind == Rename && p.from == op.node) {
			s.name(p)
		} else {
			rest = append(rest, p)
		}
	}
	s.pendingNames = rest
}

// name makes a change of names durable.
func (s *state) name(op Op) {
	in := s.names[op.parent]
	if in == nil {
		in = map[string]int{}
		s.names[op.parent] = in
	}
	switch op.Kind {
	case Mkdir:
		if s.names[op.node] == nil {
			s.names[op.node] = map[string]int{}
		}
		in[op.name] = op.node
	case Create:
		in[op.name] = op.node
	case Remove:
		delete(in, op.name)
	case Rename:
		delete(s.names[op.from], op.fromName)
		in[op.name] = op.node
	}
}

func (s *state) write(node int, op Op) {
	data := s.data[node]
	end := op.At + int64(len(op.Data))
	if int64(len(data)) < end {
		data = append(data, make([]byte, end-int64(len(data)))...)
	}
	if op.Kind == Truncate {
		data = data[:op.At:op.At]
	}
	copy(data[op.At:], op.Data)
	s.data[node] = data
}

func (s *state) save(dir string, of int) error {
	for name, node := range s.names[of] {
		path := filepath.Join(dir, name)
		if s.names[node] != nil {
			if err := os.Mkdir(path, 0o700); err != nil {
				return fmt.Errorf("restore a directory: %w", err)
			}
			if err := s.save(path, node); err != nil {
				return err
			}
		} else if err := os.WriteFile(path, s.data[node], 0o600); err != nil {
			return fmt.Errorf("restore a file: %w", err)
		}
	}
	return nil
}
