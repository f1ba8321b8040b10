package pool

import (
	"math"
	"time"
)

// How useful a pool is: what its setup costs, times how often it is asked, for each byte
// that it has. The rate is that of the last minutes: each request counts half as much after
// halfLife. So the number of a pool falls all the time, but as fast as that of all others;
// compared are logarithms, and in those the fall is a term that all have in common. It is
// left out, and a pool's number only changes when it is asked for something.

// halfLife is how long it takes a request to count half.
const halfLife = 5 * time.Minute

// epoch is when time began.
var epoch = time.Now()

// A worth is how useful a pool is.
type worth struct {
	rate  float64       // logarithm of requests, as if they were to count at epoch
	asked bool          // there has been one
	cost  time.Duration // of setup
	bytes int64         // of the server
}

// hit counts a request.
func (w *worth) hit(now time.Time) {
	t := now.Sub(epoch).Seconds() / halfLife.Seconds()
	if w.asked {
		w.rate = t + math.Log2(math.Exp2(w.rate-t)+1)
	} else {
		w.rate, w.asked = t, true
	}
}

// number returns it. A setup that costs nothing, and a server that has nothing, are taken for
// small ones; who has never been asked is of no use.
func (w *worth) number() float64 {
	if !w.asked {
		return math.Inf(-1)
	}
	return w.rate + math.Log2(w.cost.Seconds()+1e-3) - math.Log2(float64(w.bytes)+1<<20)
}
