package prefork

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// HandoverVariable is the environment variable through which a launcher gives a
// script its descriptors. A script that finds it unset runs standalone.
const HandoverVariable = "PREFORK_INTERP"

// A handover is the value of [HandoverVariable]; see docs/protocol.md. A v1
// library ignores all but the first two words, and further fields of these.
//
//	v1,1795242621.579386987 5,9,7,8 n1,automatic preload=CGI,JSON
//	│  │                    │ │ │ │ │  │         └ settings
//	│  │                    │ │ │ │ │  └ mode
//	│  │                    │ │ │ │ └ the native dialect is offered
//	│  │                    │ │ │ └ WATCHE
//	│  │                    │ │ └── WATCHI
//	│  │                    │ └──── CALL
//	│  │                    └────── LISTEN
//	│  └ start, seconds and nine digits of nanoseconds
//	└ version
type handover struct {
	start                        time.Time // just before the script is started
	listen, call, watchi, watche int
	mode                         Mode   // empty: v1 only
	preload                      string // modules, with commas
	reuse                        bool   // an automatic script may be run again
	hidden                       string // variables that are not the script's, with commas
	bell                         string // where executors ask for more time; see bell
}

// reuseWord says that an automatic script may be run again in the same process.
const reuseWord = "reuse=on"

// farFuture is a start after which no file is changed.
var farFuture = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// String returns the words as the library reads them.
func (h handover) String() string {
	words := fmt.Sprintf("v1,%d.%09d %d,%d,%d,%d",
		h.start.Unix(), h.start.Nanosecond(), h.listen, h.call, h.watchi, h.watche)
	if h.mode == "" {
		return words
	}
	words += " n1," + string(h.mode)
	if h.preload != "" {
		words += " preload=" + h.preload
	}
	if h.reuse && h.mode == Automatic {
		words += " " + reuseWord
	}
	if h.hidden != "" {
		words += " hide=" + h.hidden
	}
	if h.bell != "" {
		words += " extend=" + h.bell
	}
	return words
}

// parseHandover is the library's side.
func parseHandover(value string) (handover, error) {
	words := strings.Split(value, " ")
	if len(words) < 2 {
		return handover{}, errors.New("handover has fewer than two words")
	}
	start, err := parseStart(words[0])
	if err != nil {
		return handover{}, err
	}
	h := handover{start: start}
	fields := strings.Split(words[1], ",")
	targets := []*int{&h.listen, &h.call, &h.watchi, &h.watche}
	if len(fields) < len(targets) {
		return handover{}, fmt.Errorf("handover names %d descriptors, not %d", len(fields), len(targets))
	}
	for i, target := range targets {
		if *target, err = parseDigits(fields[i], 31); err != nil {
			return handover{}, fmt.Errorf("handover descriptor %d: %w", i, err)
		}
	}
	for _, word := range words[2:] {
		if mode, ok := strings.CutPrefix(word, "n1,"); ok {
			mode, _, _ = strings.Cut(mode, ",")
			h.mode = Mode(mode)
		}
		if list, ok := strings.CutPrefix(word, "preload="); ok && h.mode != "" {
			h.preload = list
		}
		if list, ok := strings.CutPrefix(word, "hide="); ok {
			h.hidden = list
		}
		if name, ok := strings.CutPrefix(word, "extend="); ok && h.mode != "" {
			h.bell = name
		}
		h.reuse = h.reuse || h.mode == Automatic && word == reuseWord
	}
	return h, nil
}

// parseStart reads the first word.
func parseStart(word string) (time.Time, error) {
	fields := strings.Split(word, ",")
	if fields[0] != "v1" || len(fields) < 2 {
		return time.Time{}, fmt.Errorf("handover %q is not version v1 with a time", word)
	}
	secs, nanos, ok := strings.Cut(fields[1], ".")
	if !ok || len(nanos) != 9 {
		return time.Time{}, fmt.Errorf("handover time %q has not nine digits after the point", fields[1])
	}
	s, err := parseDigits(secs, 63)
	if err != nil {
		return time.Time{}, fmt.Errorf("handover time: %w", err)
	}
	n, err := parseDigits(nanos, 63)
	if err != nil {
		return time.Time{}, fmt.Errorf("handover time: %w", err)
	}
	return time.Unix(int64(s), int64(n)), nil
}

// parseDigits is ParseUint without signs and underscores.
func parseDigits(s string, bits int) (int, error) {
	n, err := strconv.ParseUint(s, 10, bits)
	return int(n), err //nolint:gosec // bits is at most 63
}
