package prefork

import (
	"bytes"
	"errors"
	"io"
	"os"
	"unicode"
)

// forkPointName is the library's call at initialisation complete. All script
// libraries use the name, so it marks an explicit fork point in any language.
const forkPointName = "prefork_initialisation_complete"

// forkPointLimit is how much of a script is searched for the name.
const forkPointLimit = 1 << 20

// hasForkPoint reports whether a script names the library's call outside a line
// that is all comment.
//
// The question must be answered without running the script: one that does not
// know the library would ignore the handover and do its work, once, with no
// request. A script that hides the call in a module of its own is taken for
// cold; that is slower, and right.
func hasForkPoint(script string) (bool, error) {
	f, err := os.Open(script)
	if err != nil {
		// Executable but not readable: the kernel may still run a binary.
		if errors.Is(err, os.ErrPermission) {
			return false, nil
		}
		return false, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, forkPointLimit))
	if err != nil {
		return false, err
	}
	return namesForkPoint(text), nil
}

// namesForkPoint searches a script's text, but for comments, for documentation in
// the form of Perl (=head … =cut) and Ruby (=begin … =end), and for what follows
// __END__ or __DATA__ in both, unless that ends a here-document.
func namesForkPoint(text []byte) bool {
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
				return false
			}
			here[word] = false
		case word0(line) == '#':
		case bytes.Contains(line, []byte(forkPointName)):
			return true
		case bytes.Contains(line, []byte("<<")):
			for _, end := range []string{"__END__", "__DATA__"} {
				here[end] = here[end] || bytes.Contains(line, []byte(end))
			}
		}
	}
	return false
}

// word0 returns the first byte of a line that is no blank; 0 if there is none.
func word0(line []byte) byte {
	if line = bytes.TrimLeft(line, " \t"); len(line) > 0 {
		return line[0]
	}
	return 0
}
