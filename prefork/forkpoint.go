package prefork

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"unicode"
)

// forkPointName is the library's call at initialisation complete. All script
// libraries use the name, so it marks an explicit fork point in any language.
const forkPointName = "prefork_initialisation_complete"

// forkPoints are the calls that mark an explicit fork point, and the words of a line
// that makes one: the call above, and those that ask for the next request.
var forkPoints = []struct {
	call  string
	words []string
}{
	{forkPointName, []string{forkPointName}},
	{"prefork_accept", []string{"prefork_accept"}},
	{"prefork_interp.accept", []string{"prefork_interp", "accept"}},
	{"PreforkInterp.accept", []string{"PreforkInterp", "accept"}},
}

// forkPointLimit is how much of a script is searched for the name.
const forkPointLimit = 1 << 20

// findForkPoint returns the library's call that a script makes outside a line that is
// all comment; empty if there is none.
//
// The question must be answered without running the script: one that does not
// know the library would ignore the handover and do its work, once, with no
// request. A script that hides the call in a module of its own is taken for
// cold; that is slower, and right.
func findForkPoint(script string) (call string, err error) {
	f, err := os.Open(script)
	if err != nil {
		// Executable but not readable: the kernel may still run a binary.
		if errors.Is(err, os.ErrPermission) {
			return "", nil
		}
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, forkPointLimit))
	if err != nil {
		return "", err
	}
	return namedForkPoint(text), nil
}

// namedForkPoint searches a script's text, but for comments, for documentation in
// the form of Perl (=head … =cut) and Ruby (=begin … =end), and for what follows
// __END__ or __DATA__ in both, unless that ends a here-document.
func namedForkPoint(text []byte) string {
	until := "" // what ends the documentation that a line is in
	here := map[string]bool{}
	for line := range bytes.Lines(text) {
		line = bytes.TrimRight(line, "\r\n")
		first, _, _ := bytes.Cut(line, []byte(" "))
		switch word := string(first); {
		case until != "":
			if word == "=cut" || word == until {
				until = ""
			}
		case string(line) == "=begin":
			until = "=end"
		case len(word) > 1 && word[0] == '=' && unicode.IsLetter(rune(word[1])):
			until = "=cut"
		case word == "__END__", word == "__DATA__":
			if !here[word] {
				return ""
			}
			here[word] = false
		case word0(line) == '#':
		default:
			if call := forkPointOf(line); call != "" {
				return call
			}
			for _, end := range []string{"__END__", "__DATA__"} {
				here[end] = here[end] || bytes.Contains(line, []byte("<<")) && bytes.Contains(line, []byte(end))
			}
		}
	}
	return ""
}

// forkPointOf returns the call that a line makes; empty if it makes none.
func forkPointOf(line []byte) string {
	for _, point := range forkPoints {
		if !slices.ContainsFunc(point.words, func(word string) bool { return !bytes.Contains(line, []byte(word)) }) {
			return point.call
		}
	}
	return ""
}

// word0 returns the first byte of a line that is no blank; 0 if there is none.
func word0(line []byte) byte {
	if line = bytes.TrimLeft(line, " \t"); len(line) > 0 {
		return line[0]
	}
	return 0
}
