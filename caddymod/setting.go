package caddymod

import (
	"cmp"
	"math"
	"strconv"
	"time"

	"github.com/dustin/go-humanize"
)

// A setting is a limit as it is in force, in the words of the Caddyfile.
type setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// settingsInForce returns all limits of h, with what nobody has set.
func (h *Handler) settingsInForce() []setting {
	l, p := h.forPool().WithDefaults(), h.patience()
	return []setting{
		{"max_concurrent", number(l.MaxConcurrent)},
		{"parked", number(l.ParkedMin) + " " + number(l.ParkedMax)},
		{"max_requests", number(l.MaxRequests) + " " + duration(l.MaxAge) + " " + size(l.MaxGrowth)},
		{"queue", number(max(l.QueueSize, 0)) + " " + duration(l.QueueWait)},
		{"streams", number(l.Streams) + " " + duration(l.StreamAfter)},
		{"overload", number(h.Overload)},
		{"start_timeout", duration(l.StartTimeout)},
		{"first_byte_timeout", duration(p.first)},
		{"silence_timeout", duration(p.silence)},
		{"run_timeout", duration(p.run)},
		{"max_extension", duration(p.most)},
		{"body_timeout", duration(h.bodyTimeout())},
		{"idle_timeout", duration(l.IdleTimeout)},
		{"stop_signal", h.StopSignal},
		{"grace_period", duration(l.Grace)},
		{"reload", string(l.Reload)},
		{"spool_limit", spool(h.SpoolLimit)},
		{"request_body", h.RequestBody},
		{"query_args", h.QueryArgs},
		{"response_spool", spool(h.ResponseSpool)},
	}
}

// number writes a count; one that no limit stands for is off, as the two below.
func number(n int) string {
	if n == math.MaxInt {
		return off
	}
	return strconv.Itoa(n)
}

// spool writes how much is spooled; 0, too, is off where nobody has set it.
func spool(n int64) string { return size(cmp.Or(n, -1)) }

func duration(d time.Duration) string {
	if d <= 0 || d == math.MaxInt64 {
		return off
	}
	return d.String()
}

func size(n int64) string {
	if n < 0 {
		return off
	}
	return humanize.IBytes(uint64(n))
}
