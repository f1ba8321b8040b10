package caddymod

import (
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/dustin/go-humanize"
)

// How the words behind a subdirective become values. The dispenser stands at the
// subdirective; an error says where that is.

// one reads the only argument of a subdirective.
func one(d *caddyfile.Dispenser, to *string) error {
	if *to != "" {
		return d.Errf("%s is given twice", d.Val())
	}
	if !d.AllArgs(to) {
		return d.ArgErr()
	}
	return nil
}

// some reads one or more arguments; several lines add up.
func some(d *caddyfile.Dispenser, to *[]string) error {
	words := d.RemainingArgs()
	if len(words) == 0 {
		return d.ArgErr()
	}
	*to = append(*to, words...)
	return nil
}

// value reads the only argument of a subdirective that parse turns into a number
// of some unit, which is not zero once it is set.
func value[T ~int | ~int64](d *caddyfile.Dispenser, to *T, parse func(word string) (T, error)) error {
	name, word := d.Val(), ""
	if *to != 0 {
		return d.Errf("%s is given twice", name)
	}
	if !d.AllArgs(&word) {
		return d.ArgErr()
	}
	n, err := parse(word)
	if err != nil {
		return d.Errf("%s: %v", name, err)
	}
	*to = n
	return nil
}

// off as a value means no limit.
const off = "off"

// parseCount reads how many there may be.
func parseCount(word string) (int, error) {
	if word == off {
		return -1, nil
	}
	n, err := strconv.Atoi(word)
	if err != nil || n < 1 {
		return 0, badValue{word, "a number from 1 on, or off"}
	}
	return n, nil
}

// parseNumber reads a number that is neither too small nor off.
func parseNumber(word string, least int) (int, error) {
	n, err := strconv.ParseInt(word, 10, 32)
	if err != nil || n < int64(least) {
		return 0, badValue{word, "a number from " + strconv.Itoa(least) + " on"}
	}
	return int(n), nil
}

// parseQueueSize is parseCount where there may be none; a zero in the
// configuration is the default.
func parseQueueSize(word string) (int, error) {
	if word == "0" {
		return -1, nil
	}
	n, err := parseCount(word)
	if err != nil {
		return 0, badValue{word, "a number from 0 on, or off"}
	}
	return n, nil
}

func parseDuration(word string) (caddy.Duration, error) {
	if word == off {
		return -1, nil
	}
	d, err := caddy.ParseDuration(word)
	if err != nil || d <= 0 {
		return 0, badValue{word, "a duration greater than 0, such as 30s, or off"}
	}
	return caddy.Duration(d), nil
}

// A badValue says what was written and what could be.
type badValue struct{ word, wanted string }

func (e badValue) Error() string { return strconv.Quote(e.word) + " is not " + e.wanted }

func parseSize(word string) (int64, error) {
	if word == off {
		return -1, nil
	}
	n, err := humanize.ParseBytes(word)
	if err != nil || n == 0 || n > 1<<62 {
		return 0, badValue{word, "a size greater than 0, such as 10MB, or off"}
	}
	return int64(n), nil
}
