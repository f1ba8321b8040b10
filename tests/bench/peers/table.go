package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// A table is written in Markdown, with columns that are aligned without it, too.
type table [][]string

// add adds a row; the first one is the head.
func (t *table) add(cells ...string) { *t = append(*t, cells) }

func (t table) write(w io.Writer) {
	widths := map[int]int{}
	for _, row := range t {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for n, row := range t {
		for i, cell := range row {
			fmt.Fprintf(w, "| %s ", pad(cell, widths[i], i > 0 && n > 0))
		}
		fmt.Fprintln(w, "|")
		if n > 0 {
			continue
		}
		for i := range row {
			fmt.Fprintf(w, "| %s ", strings.Repeat("-", max(widths[i], 3)))
		}
		fmt.Fprintln(w, "|")
	}
	fmt.Fprintln(w)
}

// pad fills a cell with blanks: on the left if it is a number, as all but the first
// of a row are.
func pad(cell string, width int, number bool) string {
	blanks := strings.Repeat(" ", max(width, 3)-utf8.RuneCountInString(cell))
	if number {
		return blanks + cell
	}
	return cell + blanks
}
