package prefork

import (
	"debug/elf"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"
)

// interpreters remembers which programs are interpreters, by program.
var interpreters sync.Map

// A program is a file as it was when it was looked at.
type program struct {
	path     string
	size     int64
	modified time.Time
}

// hasSymbol reports whether a program defines or uses one of the names, and so is
// the interpreter whose names they are. A program that starts the interpreter,
// whatever it is called itself, has no use for them.
func hasSymbol(path string, names []string) (bool, error) {
	info, err := os.Stat(path)
	if err != nil {
		return false, err
	}
	key := program{path, info.Size(), info.ModTime()}
	if known, ok := interpreters.Load(key); ok {
		return known.(bool), nil
	}
	found, err := lookForSymbol(path, names)
	if err != nil {
		return false, err
	}
	interpreters.Store(key, found)
	return found, nil
}

func lookForSymbol(path string, names []string) (bool, error) {
	f, err := elf.Open(path)
	if err != nil {
		return false, fmt.Errorf("it is no program: %w", err)
	}
	defer func() { _ = f.Close() }()
	symbols, err := f.DynamicSymbols()
	if err != nil {
		return false, nil //nolint:nilerr // it has none
	}
	return slices.ContainsFunc(symbols, func(s elf.Symbol) bool { return slices.Contains(names, s.Name) }), nil
}
