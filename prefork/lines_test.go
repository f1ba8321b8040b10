package prefork

import (
	"io"
	"slices"
	"strings"
	"testing"
)

// emitted returns the lines that become of what is written.
func emitted(t *testing.T, writes ...string) []string {
	t.Helper()
	var lines []string
	w := &LineWriter{Emit: func(line string) { lines = append(lines, line) }}
	for _, text := range writes {
		if n, err := io.WriteString(w, text); n != len(text) || err != nil {
			t.Errorf("%d of %d bytes are written, %v", n, len(text), err)
		}
	}
	w.Flush()
	w.Flush() // emits nothing twice
	return lines
}

func TestLinesAreCutWhereverWritesAre(t *testing.T) {
	full := strings.Repeat("x", lineLimit)
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{"\n", ""},
		{"\n\r\n\n", ""},
		{"\r", ""},
		{"one\n", "one"},
		{"one", "one"},
		{"one\ntwo", "one|two"},
		{"one\r\ntwo\r\n", "one|two"},
		{"one\n\n\ntwo\n", "one|two"},
		{" one \n\ttwo\n", " one |\ttwo"},
		{"a\rb\r\r\n", "a\rb"},
		{"a\x00\xff\n", "a\x00\xff"},
		{full + "\none\n", full + "|one"},
		{full + "y\none\n", full + truncatedMark + "|one"},
		{full + full + "\n\none", full + truncatedMark + "|one"},
		{full + full, full + truncatedMark},
		{full + "\r\n", full},
		{full[1:] + "\r\r\r\n", full[1:] + truncatedMark},
		{full[1:] + "\u00e9\n", full[1:] + truncatedMark}, // not half a character
	} {
		cuts := [][]string{{c.text}}
		for _, at := range []int{1, 2, 3, lineLimit - 1, lineLimit, lineLimit + 1} {
			if at < len(c.text) {
				cuts = append(cuts, []string{c.text[:at], "", c.text[at:]})
			}
		}
		for _, writes := range append(cuts, strings.Split(c.text, "")) {
			if got := strings.Join(emitted(t, writes...), "|"); got != c.want {
				t.Errorf("%.20q of %d bytes in %d writes: got %.40q of %d bytes", c.text, len(c.text), len(writes), got, len(got))
			}
		}
	}
}

func TestLineIsEmittedAtItsEndAndNotBefore(t *testing.T) {
	var lines []string
	w := &LineWriter{Emit: func(line string) { lines = append(lines, line) }}
	for _, step := range []struct {
		write string
		want  []string
	}{
		{"on", nil},
		{"e\r", nil},
		{"\ntw", []string{"one"}},
		{"o\nthree\n", []string{"one", "two", "three"}},
	} {
		io.WriteString(w, step.write)
		if !slices.Equal(lines, step.want) {
			t.Errorf("after %q: got %q, want %q", step.write, lines, step.want)
		}
	}
}

func FuzzLines(f *testing.F) {
	f.Add("one\r\ntwo\n\nthree", 3)
	f.Add(strings.Repeat("x", lineLimit)+"\r\r\r\n", 10)
	f.Fuzz(func(t *testing.T, text string, cut int) {
		// Most of what goes wrong does so at the limit, where few inputs get.
		text = strings.Repeat("y", lineLimit-min(len(text), lineLimit)/2) + text
		cut = max(0, min(cut, len(text)))
		lines := emitted(t, text[:cut], text[cut:])
		if whole := emitted(t, text); !slices.Equal(lines, whole) {
			t.Errorf("%q in two writes, %q in one", lines, whole)
		}
		for _, line := range lines {
			if line == "" || strings.Contains(line, "\n") || len(line) > lineLimit+len(truncatedMark) {
				t.Errorf("a line of %d bytes: %q", len(line), line)
			}
		}
	})
}
