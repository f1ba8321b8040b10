package pool

import "slices"

// A queue holds leases in the order in which they came.
type queue []*Lease

func (q *queue) push(l *Lease) { *q = append(*q, l) }

// pushFront is for a lease that has waited before.
func (q *queue) pushFront(l *Lease) { *q = slices.Insert(*q, 0, l) }

func (q *queue) pop() *Lease {
	l := (*q)[0]
	*q = slices.Delete(*q, 0, 1)
	return l
}

func (q *queue) remove(l *Lease) {
	if i := slices.Index(*q, l); i >= 0 {
		*q = slices.Delete(*q, i, i+1)
	}
}

// take removes and returns those for which f holds, in order.
func (q *queue) take(f func(*Lease) bool) []*Lease {
	var taken []*Lease
	*q = slices.DeleteFunc(*q, func(l *Lease) bool {
		if f(l) {
			taken = append(taken, l)
			return true
		}
		return false
	})
	return taken
}
