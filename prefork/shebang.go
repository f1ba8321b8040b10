package prefork

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
)

// wrapperName is the program that scripts written for the reference name in
// their #! line. Under us such a line means the interpreter behind it.
const wrapperName = "prefork-interp"

// shebangLimit is how much of a first line is read; the kernel reads 256 bytes.
const shebangLimit = 4096

// A Shebang is the #! line of a script.
type Shebang struct {
	// Program is the absolute path after #!; empty without such a line.
	Program string
	// Arg is what follows it, one argument as the kernel passes it.
	Arg string
	// Wrapper is true when Program is prefork-interp; then Interpreter is what
	// it would run, program and arguments.
	Wrapper     bool
	Interpreter []string
	// Ignored are options of the wrapper that have no effect here.
	Ignored []string
}

// ReadShebang reads the #! line of the script at path. A file without one is no
// error; one whose prefork-interp line cannot be understood is.
func ReadShebang(script string) (Shebang, error) {
	f, err := os.Open(script)
	if err != nil {
		return Shebang{}, err
	}
	defer f.Close()
	line, err := bufio.NewReader(io.LimitReader(f, shebangLimit)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return Shebang{}, fmt.Errorf("cannot read %s: %w", script, err)
	}
	s, err := parseShebang(line)
	if err != nil {
		return s, fmt.Errorf("cannot use the #! line of %s: %w", script, err)
	}
	return s, nil
}

// command returns the words that the kernel puts before the script's path.
func (s Shebang) command() []string {
	if s.Arg == "" {
		return []string{s.Program}
	}
	return []string{s.Program, s.Arg}
}

// parseShebang splits a line as the kernel does: one program, at most one
// argument, blanks around both taken off.
func parseShebang(line string) (Shebang, error) {
	line, found := strings.CutPrefix(line, "#!")
	if !found {
		return Shebang{}, nil
	}
	line, _, _ = strings.Cut(line, "\n")
	line = strings.Trim(line, " \t")
	program, arg := line, ""
	if i := strings.IndexAny(line, " \t"); i >= 0 {
		program, arg = line[:i], strings.TrimLeft(line[i:], " \t")
	}
	s := Shebang{Program: program, Arg: arg}
	if path.Base(program) != wrapperName {
		return s, nil
	}
	s.Wrapper = true
	var err error
	s.Interpreter, s.Ignored, err = parseWrapper(arg)
	return s, err
}

// parseWrapper reads the wrapper's argument in both forms that a #! line can
// have: `-U,perl,-w` and `-U perl -w`. -U is the only way to mediate arguments
// and environment, and ours; what else is set there is ours to configure.
func parseWrapper(arg string) (interpreter, ignored []string, err error) {
	words := strings.Fields(arg)
	if len(words) == 1 {
		words = strings.FieldsFunc(words[0], func(r rune) bool { return r == ',' })
	}
	for len(words) > 0 && strings.HasPrefix(words[0], "-") {
		option := words[0]
		words = words[1:]
		switch option {
		case "-U":
			continue
		case "-E", "-G", "-g":
			if len(words) == 0 {
				return nil, nil, fmt.Errorf("option %s of %s has no value", option, wrapperName)
			}
			ignored = append(ignored, option+" "+words[0])
			words = words[1:]
		case "-f":
			ignored = append(ignored, option)
		default:
			if attached := option[:min(2, len(option))]; attached == "-E" || attached == "-G" || attached == "-g" {
				ignored = append(ignored, option)
				continue
			}
			return nil, nil, fmt.Errorf("option %q of %s is not known", option, wrapperName)
		}
	}
	if len(words) == 0 {
		return nil, nil, fmt.Errorf("%s names no interpreter", wrapperName)
	}
	return words, ignored, nil
}
