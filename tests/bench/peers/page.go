package main

import (
	"embed"
	"os"
	"path/filepath"
	"strings"
)

// A page is one script, and what it is asked.
type page struct {
	name   string
	script string // name of the file, in testdata; or the path of a packaged one
	suffix string // of its URL: PATH_INFO and query
	want   string // part of the right answer

	prepare func(folder string) error // makes what else the script needs in its folder
}

// pages are all, in the order of the tables.
var pages = []*page{
	{name: "hello", script: "hello.pl", want: "hello world\n"},
	{name: "mason", script: "mason.pl", suffix: "/squares.html", want: "<td>2500\n</table>", prepare: makeComponents},
	{name: "python", script: "python.py", want: "hello world\n"},
	{name: "gitweb", script: "/usr/share/gitweb/gitweb.cgi", suffix: "?p=pages.git;a=summary", want: "All pages"},
	{name: "php", script: "hello.php", want: "hello world\n"},
	{name: "nothing", want: "hello world\n"},
}

//go:embed testdata
var testdata embed.FS

// text returns the script as it is.
func (p *page) text() (string, error) {
	if filepath.IsAbs(p.script) {
		text, err := os.ReadFile(p.script)
		return string(text), err
	}
	text, err := testdata.ReadFile("testdata/" + p.script)
	return string(text), err
}

// plant writes the script of a page into a folder of its own, in which servers of
// any user may write data.
func (p *page) plant(folder string, f form, interpreter string) error {
	if p.script == "" {
		return nil
	}
	text, err := p.text()
	if err != nil {
		return err
	}
	if text, err = f.write(text); err != nil {
		return err
	}
	if interpreter != "" {
		_, rest, _ := strings.Cut(text, "\n")
		text = "#!" + interpreter + "\n" + rest
	}
	if err = makeWritable(filepath.Join(folder, "data")); err != nil {
		return err
	}
	if p.prepare != nil {
		if err = p.prepare(folder); err != nil {
			return err
		}
	}
	text = strings.ReplaceAll(text, "@FOLDER@", folder)
	return os.WriteFile(filepath.Join(folder, filepath.Base(p.script)), []byte(text), 0o755)
}
