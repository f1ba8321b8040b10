package pool

import "slices"

// A queue holds leases in the order in which they came.
type queue []*Lease

func (q *queue) push(l *Lease) { *q = append(*q, l) }

// restore puts a lease that has waited before where it was.
func (q *queue) restore(l *Lease) {
	i := slices.IndexFunc(*q, func(other *Lease) bool { return l.arrived.Before(other.arrived) })
	if i < 0 {
		i = len(*q)
	}
	*q = slices.Insert(*q, i, l)
}

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
