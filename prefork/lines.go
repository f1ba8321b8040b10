package prefork

import (
	"bytes"
	"unicode/utf8"
)

// lineLimit is the longest line that is passed on whole; the rest of a longer
// one is dropped, and the line says so.
const lineLimit = 8 << 10

// truncatedMark ends a line that was longer than lineLimit.
const truncatedMark = " [line truncated]"

// A LineWriter cuts what is written to it into lines and calls Emit with each,
// without its line end. It never fails and holds at most one line.
type LineWriter struct {
	Emit func(line string)

	line []byte
	over bool // the current line has passed the limit
}

// Write implements io.Writer.
func (w *LineWriter) Write(p []byte) (int, error) {
	n := len(p)
	for {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			w.keep(p)
			return n, nil
		}
		w.keep(p[:i])
		w.Flush()
		p = p[i+1:]
	}
}

// Flush emits a last line that has no line end.
func (w *LineWriter) Flush() {
	if len(w.line) == 0 {
		return
	}
	line := string(bytes.TrimRight(w.line, "\r"))
	if w.over || len(line) > lineLimit {
		line = wholeRunes(line[:min(len(line), lineLimit)]) + truncatedMark
	}
	w.line, w.over = w.line[:0], false
	if line != "" {
		w.Emit(line)
	}
}

// keep adds to the current line what still fits, and one byte more: it may be the
// line end's.
func (w *LineWriter) keep(p []byte) {
	if room := lineLimit + 1 - len(w.line); len(p) > room {
		p, w.over = p[:room], true
	}
	w.line = append(w.line, p...)
}

// wholeRunes takes from the end of a line that was cut what is left of a
// character.
func wholeRunes(line string) string {
	for i := len(line) - 1; i >= 0 && i >= len(line)-utf8.UTFMax; i-- {
		if utf8.RuneStart(line[i]) {
			if !utf8.FullRuneInString(line[i:]) {
				return line[:i]
			}
			break
		}
	}
	return line
}
