package caddymod

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// limitNames are what Limits.unmarshal knows.
const limitNames = "max_concurrent, parked, max_requests, queue, streams, overload, start_timeout, timeout, first_byte_timeout, " +
	"silence_timeout, run_timeout, max_extension, body_timeout, idle_timeout, stop_signal, grace_period, reload, spool_limit, " +
	"request_body, query_args, response_spool"

// unmarshal reads a limit; known is false if the word is none.
func (l *Limits) unmarshal(d *caddyfile.Dispenser) (known bool, err error) {
	switch d.Val() {
	case "max_concurrent":
		err = value(d, &l.MaxConcurrent, parseCount)
	case "parked":
		err = l.unmarshalParked(d)
	case "max_requests":
		err = l.unmarshalRequests(d)
	case "queue":
		err = unmarshalPlaces(d, &l.QueueSize, parseQueueSize, &l.QueueWait)
	case "streams":
		err = unmarshalPlaces(d, &l.Streams, parseCount, &l.StreamAfter)
	case "overload":
		err = value(d, &l.Overload, func(word string) (int, error) { return parseNumber(word, 1) })
	case "start_timeout":
		err = value(d, &l.StartTimeout, parseDuration)
	case "timeout":
		err = value(d, &l.Timeout, parseDuration)
	case "first_byte_timeout":
		err = value(d, &l.FirstByteTimeout, parseDuration)
	case "silence_timeout":
		err = value(d, &l.SilenceTimeout, parseDuration)
	case "run_timeout":
		err = value(d, &l.RunTimeout, parseDuration)
	case "max_extension":
		err = value(d, &l.MaxExtension, parseDuration)
	case "body_timeout":
		err = value(d, &l.BodyTimeout, parseDuration)
	case "stop_signal":
		err = one(d, &l.StopSignal)
	case "idle_timeout":
		err = value(d, &l.IdleTimeout, parseDuration)
	case "grace_period":
		err = value(d, &l.GracePeriod, parseDuration)
	case "reload":
		err = one(d, &l.Reload)
	case "spool_limit":
		err = value(d, &l.SpoolLimit, parseSize)
	case "request_body":
		err = one(d, &l.RequestBody)
	case "query_args":
		err = one(d, &l.QueryArgs)
	case "response_spool":
		err = value(d, &l.ResponseSpool, parseSize)
	default:
		return false, nil
	}
	return true, err
}

// unmarshalParked reads `parked <min> <max> [v1]` or `parked off`.
func (l *Limits) unmarshalParked(d *caddyfile.Dispenser) (err error) {
	words := d.RemainingArgs()
	if l.Parked.Max != 0 {
		return d.Err("parked is given twice")
	}
	if len(words) == 1 && words[0] == off {
		l.Parked.Max = -1
		return nil
	}
	if len(words) == 3 && words[2] == "v1" {
		l.Parked.V1 = true
		words = words[:2]
	}
	if len(words) != 2 {
		return d.Err("parked wants the least and the largest number, and v1 if executors of Debian's library may be parked; or off")
	}
	if l.Parked.Min, err = parseNumber(words[0], 0); err == nil {
		l.Parked.Max, err = parseNumber(words[1], 1)
	}
	if err != nil {
		return d.Errf("parked: %v", err)
	}
	return nil
}

// unmarshalRequests reads `max_requests <number> [<age> [<growth>]]`.
func (l *Limits) unmarshalRequests(d *caddyfile.Dispenser) (err error) {
	words := d.RemainingArgs()
	if len(words) == 0 || len(words) > 3 {
		return d.ArgErr()
	}
	if l.MaxRequests != 0 {
		return d.Err("max_requests is given twice")
	}
	l.MaxRequests, err = parseNumber(words[0], 1)
	if len(words) > 1 && err == nil {
		l.MaxAge, err = parseDuration(words[1])
	}
	if len(words) > 2 && err == nil {
		l.MaxGrowth, err = parseSize(words[2])
	}
	if err != nil {
		return d.Errf("max_requests: %v", err)
	}
	return nil
}

// unmarshalPlaces reads `<name> <number> [<duration>]`: how many places there are, and a time
// that belongs to them.
func unmarshalPlaces(d *caddyfile.Dispenser, places *int, parse func(string) (int, error), long *caddy.Duration) (err error) {
	name, words := d.Val(), d.RemainingArgs()
	if len(words) == 0 || len(words) > 2 {
		return d.ArgErr()
	}
	if *places != 0 {
		return d.Errf("%s is given twice", name)
	}
	*places, err = parse(words[0])
	if len(words) > 1 && err == nil {
		*long, err = parseDuration(words[1])
	}
	if err != nil {
		return d.Errf("%s: %v", name, err)
	}
	return nil
}
