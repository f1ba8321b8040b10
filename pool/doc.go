// Package pool decides which process serves a request, and how long processes
// live. It knows many scripts and no HTTP.
//
//	request ──▶ Registry.Acquire ──▶ Pool ──▶ Lease ──▶ Lease.Call ──▶ prefork.Process
//	             one per program      one per   one per    hands over,     the seam: tests
//	                                  ident     request    retries         put a fake here
//
// A [Registry] holds all pools of the program. Each loaded configuration is a
// [Generation]: it enters when it starts and leaves when it is cleaned up, and
// what two generations both want stays as it is. A [Pool] belongs to one
// [Ident]; one message at a time has its state, and everybody sends it messages. A [Lease] is one request's right to make one call.
//
// # States of a server
//
// The table in state.go is the law; a test compares it with this picture.
//
//	spawning -> ready exiting gone
//	ready    -> draining exiting gone
//	draining -> exiting gone
//	exiting  -> gone
//
//	spawning  setup runs; at most one per pool
//	ready     takes new leases, if it is the pool's current server
//	draining  finishes its leases, takes no new ones
//	exiting   asked to end; killed when the grace period is over
//	gone      its end has been seen
//
// # A request's way through a pool
//
//	arrives ──▶ queued ──▶ starved ──▶ granted ──▶ returned
//	            no slot    has a slot, has an      the executor is reaped,
//	                       no executor executor    or parked again
//
// Executors are made ahead of need, and wait; see parked.go. At most MaxConcurrent requests are starved or granted; at most QueueSize are
// queued, first come first served, each for at most QueueWait.
//
// # Budget
//
// All pools together have so many processes, and so much memory: see budget.go. Each setup and each
// executor takes a share first, and gives it back when it has been reaped.
//
//	there is room ──────────────────────────────────────▶ made
//	there is none, nobody waits for it ─────────────────▶ not made
//	there is none ──▶ waits; the least useful pool yields what it does not need ──▶ made
//
// # Freshness
//
// Every request finds out whether the script's sources are as they were before the
// current setup began.
//
//	           nothing has happened since they were compared
//	arrives ──▶ ask the kernel ─────────────────────────────────────▶ fresh
//	                │ something has, or it cannot tell      the same    ▲
//	                └──▶ compare each with its signature ───────────────┘
//	                        │ another
//	                        └──▶ a new version, a new setup
//
// The kernel queues an event before a change is complete, so who has read the
// queue knows of all changes before. No answer depends on when an event comes; but
// it makes the pool look before somebody asks, so that nothing stale is kept. See
// docs/adr/0002-freshness-is-decided-at-the-door.md and 0007-the-door-asks-the-kernel.md.
//
// # Promises
//
// Acquire returns when a server is there, the context is done, or a limit is
// reached. No more executors run than the limit says, because a lease returns
// when its executor has been reaped and not before. One setup runs at a time for
// a pool, whoever waits for it, and where sources change all the time so many a second; see pace.go. An idle pool ends altogether: its processes, its
// watches and its timer. The only timer of a pool is the one deadline that
// it waits for.
//
// The API carries no promise of stability before v1.0.0.
package pool
