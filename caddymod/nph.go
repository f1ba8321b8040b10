package caddymod

import (
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
)

// Nonparsed says which scripts write a whole HTTP response, beginning with the status
// line: RFC 3875 section 5.
type Nonparsed struct {
	// Scripts whose output is a whole HTTP response, beginning with its status line, as patterns
	// of the file's name. They add to those whose name begins with `nph-`. `on` stands for all scripts,
	// `off` for none at all. Default: none but `nph-*`.
	NPH []string `json:"nph,omitempty"`
}

// check refuses patterns that would never match.
func (n Nonparsed) check() error {
	for _, pattern := range n.NPH {
		if (pattern == on || pattern == off) && len(n.NPH) > 1 {
			return fmt.Errorf("nph %s excludes all others: it stands for every script, or none", pattern)
		}
		if _, err := path.Match(pattern, ""); err != nil || pattern == "" || strings.Contains(pattern, "/") {
			return fmt.Errorf("nph %q is not a pattern for the name of a file, such as legacy-*.cgi", pattern)
		}
	}
	return nil
}

// nonparsed reports whether a script's output is a whole HTTP response.
func (n Nonparsed) nonparsed(file string) bool {
	name := path.Base(file)
	switch {
	case slices.Contains(n.NPH, off):
		return false
	case strings.HasPrefix(name, "nph-"), slices.Contains(n.NPH, on):
		return true
	}
	return slices.ContainsFunc(n.NPH, func(pattern string) bool {
		matches, _ := path.Match(pattern, name) // it has been checked
		return matches
	})
}

// hasBody reports whether a response with a status has a body: RFC 9110 section 6.4.1.
func hasBody(status int) bool {
	return status != http.StatusNoContent && status != http.StatusNotModified
}

// errUnfinished says that a body in chunks has no last one.
var errUnfinished = errors.New("the script ended before the last chunk of its response")

// endChunks sends the trailer of a body in chunks, which must have come to its end.
func (x *exchange) endChunks() error {
	if x.chunks == nil {
		return nil
	}
	if !x.chunks.Complete() {
		return errUnfinished
	}
	if len(x.chunks.Trailer) == 0 {
		return nil
	}
	// Else net/http would announce a length, and then there can be no trailer.
	if err := http.NewResponseController(x.w).Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	for name, values := range x.chunks.Trailer {
		x.w.Header()[http.TrailerPrefix+name] = values
	}
	return nil
}
