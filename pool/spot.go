package pool

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// A spot is a path to watch, and the names there that matter: itself, every, or
// those of entries in the folder that it is.
type spot struct {
	path   string
	names  []string
	folder bool // it leads to a source, or is one
	file   bool // it is a source, and no folder
}

// spots returns what must be watched so that nothing happens to the sources
// unnoticed: each of them, and each folder on the way from the root, of which
// only the entries matter that lead to a source. A folder comes before what is in it. What does
// not exist needs no watch of its own: that it comes into being is an event of its folder.
func (s *sources) spots() []*spot {
	all := map[string]*spot{}
	at := func(path string) *spot {
		if all[path] == nil {
			all[path] = &spot{path: path, names: []string{itself}}
		}
		return all[path]
	}
	entered := map[string]bool{"/": true} // in the folder above
	for _, file := range s.files {
		switch {
		case file.sig.folder:
			here := at(file.path)
			here.folder, here.names = true, append(here.names, every)
		case file.sig.exists:
			at(file.path).file = true
		}
		for path := file.path; !entered[path]; path = filepath.Dir(path) {
			entered[path] = true
			above := at(filepath.Dir(path))
			above.folder, above.names = true, append(above.names, filepath.Base(path))
		}
	}
	return slices.SortedFunc(maps.Values(all), func(a, b *spot) int { return strings.Compare(a.path, b.path) })
}
