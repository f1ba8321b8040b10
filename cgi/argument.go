package cgi

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// mostArguments is how many arguments a query can make: as under Apache.
const mostArguments = 4091

// shellSigns get a backslash in arguments, as under Apache: scripts that give them to a
// shell count on it.
const shellSigns = "&;`'\"|*?~<>^()[]{}$\\\n"

var escapeSigns = strings.NewReplacer(backslashed(shellSigns)...)

// Arguments returns the arguments that a request makes of its query, RFC 3875 section
// 4.4: a GET or HEAD whose query has no "=" asks for words, which "+" separates. They are
// decoded.
//
// If one of them cannot be an argument there are none at all, as the section demands. Nor
// are there if one could be taken for an option, which lets clients tell interpreters what
// to do: CVE-2012-1823. It begins with "-", or does when a shell script has split it at its
// blanks: CVE-2012-2311.
func Arguments(method, query string) []string {
	indexed := (method == http.MethodGet || method == http.MethodHead) && query != "" && !strings.Contains(query, "=")
	if !indexed || strings.Count(query, "+") >= mostArguments {
		return nil
	}
	words := strings.Split(query, "+")
	for i, word := range words {
		decoded, err := url.PathUnescape(word)
		if err != nil || strings.IndexByte(decoded, 0) >= 0 || slices.ContainsFunc(strings.Fields(decoded), isOption) {
			return nil
		}
		words[i] = escapeSigns.Replace(decoded)
	}
	return words
}

func isOption(word string) bool { return word[0] == '-' }

// backslashed returns each sign, and what it becomes.
func backslashed(signs string) (pairs []string) {
	for _, sign := range signs {
		pairs = append(pairs, string(sign), `\`+string(sign))
	}
	return pairs
}
