package main

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A variant is one page served in one way.
type variant struct {
	way
	page *page
	work string // the folder of all variants
}

// name identifies a variant: "hello/cold".
func (v variant) name() string { return v.page.name + "/" + v.way.name }

// folder is where the variant's script lies; its path below work is that of the
// URL, too.
func (v variant) folder() string { return filepath.Join(v.work, v.page.name, v.way.name) }

// file is the variant's script.
func (v variant) file() string { return filepath.Join(v.folder(), filepath.Base(v.page.script)) }

// url is what the load generator asks for, of a server at addr. script is the name
// of the file, or of a copy of it.
func (v variant) url(addr, script string) string {
	return "http://" + addr + "/" + v.name() + "/" + script + v.page.suffix
}

// fill puts the variant's names into a text.
func (v variant) fill(text string) string {
	return strings.NewReplacer(
		"@URL@", "/"+v.name(), "@FOLDER@", v.folder(), "@FILE@", v.file(), "@SCRIPT@", filepath.Base(v.page.script),
		"@WORK@", v.work, "@OPTIONS@", options(slices.Concat(v.needs, v.wishes)),
	).Replace(text)
}

// options writes options for a Caddyfile.
func options(lines []string) string {
	var text strings.Builder
	for _, line := range lines {
		text.WriteString("\t" + line + "\n")
	}
	return text.String()
}

// variants returns those whose name or title only matches, by page.
func variants(work string, only *regexp.Regexp) []variant {
	var found []variant
	for _, p := range pages {
		for _, w := range ways() {
			v := variant{w, p, work}
			if slices.Contains(w.pages, p.name) && (only.MatchString(v.name()) || only.MatchString(v.title)) {
				found = append(found, v)
			}
		}
	}
	return found
}
