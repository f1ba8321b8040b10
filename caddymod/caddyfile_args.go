package caddymod

import (
	"strconv"
	"time"

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

func number(d *caddyfile.Dispenser, to *int) error {
	name, word := d.Val(), ""
	if !d.AllArgs(&word) {
		return d.ArgErr()
	}
	n, err := parseNumber(word, 1)
	if err != nil {
		return d.Errf("%s: %v", name, err)
	}
	*to = n
	return nil
}

func duration(d *caddyfile.Dispenser, to *caddy.Duration) error {
	name, word := d.Val(), ""
	if !d.AllArgs(&word) {
		return d.ArgErr()
	}
	value, err := parseDuration(word)
	if err != nil {
		return d.Errf("%s: %v", name, err)
	}
	*to = value
	return nil
}

func size(d *caddyfile.Dispenser, to *int64) error {
	name, word := d.Val(), ""
	if !d.AllArgs(&word) {
		return d.ArgErr()
	}
	if word == off {
		*to = -1
		return nil
	}
	n, err := humanize.ParseBytes(word)
	if err != nil || n == 0 || n > 1<<62 {
		return d.Errf("%s: %q is no size; write it as 10MB, or off", name, word)
	}
	*to = int64(n)
	return nil
}

// off as a value means no limit.
const off = "off"

func parseNumber(word string, least int) (int, error) {
	if word == off {
		return -1, nil
	}
	n, err := strconv.Atoi(word)
	if err != nil || n < least {
		return 0, badValue{word, "a number from " + strconv.Itoa(least) + " on, or off"}
	}
	return n, nil
}

func parseDuration(word string) (caddy.Duration, error) {
	if word == off {
		return -1, nil
	}
	d, err := caddy.ParseDuration(word)
	if err != nil || d <= 0 {
		return 0, badValue{word, "a duration such as " + (30 * time.Second).String() + ", or off"}
	}
	return caddy.Duration(d), nil
}

// A badValue says what was written and what could be.
type badValue struct{ word, wanted string }

func (e badValue) Error() string { return strconv.Quote(e.word) + " is not " + e.wanted }
