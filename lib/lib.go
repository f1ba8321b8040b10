// Package lib holds the script-side libraries, one folder for each language, laid
// out as that language publishes them, and unpacks them for interpreters to load.
//
//	perl/lib      ──▶ FOLDER/perl      perl -IFOLDER/perl
//	python/src    ──▶ FOLDER/python    python3 FOLDER/python/prefork_interp/__main__.py
//	ruby/lib      ──▶ FOLDER/ruby      ruby -rFOLDER/ruby/prefork_interp/launch.rb
//
// What they do is in docs/protocol.md, and how to write one more in
// docs/writing-a-library.md.
package lib

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// The names of Python's files begin with an underscore, hence all.
//
//go:embed all:perl/lib all:python/src all:ruby/lib
var files embed.FS

// sources says what is unpacked under which name.
var sources = []struct{ from, to string }{
	{"perl/lib", "perl"},
	{"python/src", "python"},
	{"ruby/lib", "ruby"},
}

// Unpack writes the libraries into a folder below parent and returns its path,
// which is absolute. The folder is named after its contents, so that versions do
// not meet, and stays: the next start finds it. What is there already is compared,
// not trusted. Everybody may read it, since scripts may run as other users.
func Unpack(parent string) (folder string, err error) {
	contents, name, err := contents()
	if err != nil {
		return "", err
	}
	if parent, err = filepath.Abs(parent); err != nil {
		return "", fmt.Errorf("cannot unpack the script libraries: %w", err)
	}
	folder = filepath.Join(parent, name)
	for path, text := range contents {
		if err = place(filepath.Join(folder, path), text); err != nil {
			return "", fmt.Errorf("cannot unpack the script libraries: %w", err)
		}
	}
	return folder, nil
}

// contents returns the files by the path that they get, and a name for them all.
func contents() (map[string][]byte, string, error) {
	found := map[string][]byte{}
	hash := sha256.New()
	for _, source := range sources {
		err := fs.WalkDir(files, source.from, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				if err == nil && entry.Name() == "__pycache__" {
					return fs.SkipDir
				}
				return err
			}
			text, err := files.ReadFile(path)
			target := source.to + strings.TrimPrefix(path, source.from)
			found[target] = text
			_, _ = fmt.Fprintf(hash, "%s %d\n%s", target, len(text), text)
			return err
		})
		if err != nil {
			return nil, "", err
		}
	}
	return found, hex.EncodeToString(hash.Sum(nil)[:8]), nil
}

// place writes a file unless it is there. Other processes see all of it or nothing.
func place(path string, text []byte) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, text) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // for all to read
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
