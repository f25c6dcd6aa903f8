package hub

import "cardea/camera/frame"

// overhead is added to the payload of each frame, so that a flood of tiny frames is bounded as well: the
// Frame itself, its slice headers and what the allocator rounds up.
const overhead = 256

// cost is what a queued frame counts against a limit in bytes.
func cost(f *frame.Frame) int { return f.Size + overhead + 24*len(f.Payload) }

// ring is a queue of frames. It grows by doubling and then stays, so pushing costs nothing in the long run.
// The zero value is an empty ring.
type ring struct {
	buf   []*frame.Frame // length is zero or a power of two
	head  int
	n     int
	bytes int // sum of cost
}

func (q *ring) at(i int) *frame.Frame { return q.buf[(q.head+i)&(len(q.buf)-1)] }

func (q *ring) push(f *frame.Frame) {
	if q.n == len(q.buf) {
		grown := make([]*frame.Frame, max(64, 2*len(q.buf)))
		for i := range q.n {
			grown[i] = q.at(i)
		}
		q.buf, q.head = grown, 0
	}
	q.buf[(q.head+q.n)&(len(q.buf)-1)] = f
	q.n++
	q.bytes += cost(f)
}

func (q *ring) pop() *frame.Frame {
	f := q.buf[q.head]
	q.buf[q.head] = nil // or the payload would live until the slot is used again
	q.head = (q.head + 1) & (len(q.buf) - 1)
	q.n--
	q.bytes -= cost(f)
	return f
}

func (q *ring) clear() {
	for q.n > 0 {
		q.pop()
	}
}
