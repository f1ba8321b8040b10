package prefork

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A language is one for whose scripts there is a library of ours, in lib/.
type language struct {
	name string

	// program is what the file of its interpreter is called.
	program *regexp.Regexp

	// symbols are names in its interpreter's program, of which one is there.
	symbols []string

	// other are the letters of those options with which the interpreter does
	// something other than running a script once.
	other string

	// valued are the letters of options whose value may be a word of its own.
	valued string

	// tunes are variables of setup that make forks of this interpreter cheaper, as
	// docs/performance.md shows. The library hides them from the script.
	tunes []string
	// arguments has the interpreter load the library, which is in folder.
	arguments func(folder string, mode Mode) []string
}

var languages = []language{
	{
		name:    "perl",
		program: regexp.MustCompile(`^perl[0-9.]*(-[a-z0-9_-]+)?$`),
		symbols: []string{"perl_parse"},
		other:   "eEnpidcvVSx",
		tunes:   []string{"GLIBC_TUNABLES=glibc.malloc.hugetlb=1", "LD_BIND_NOW=1"},
		arguments: func(folder string, mode Mode) []string {
			args := []string{"-I" + filepath.Join(folder, "perl")}
			if mode == Automatic {
				return append(args, "-MProc::Prefork::Interp::Automatic")
			}
			// Loaded first, so that its END block runs last.
			return append(args, "-mProc::Prefork::Interp")
		},
	},
	{
		name:    "python",
		program: regexp.MustCompile(`^python3?([.][0-9]+)*$`),
		symbols: []string{"Py_BytesMain", "Py_Main"},
		other:   "cmihV?",
		valued:  "WX",
		arguments: func(folder string, _ Mode) []string {
			return []string{filepath.Join(folder, "python", "prefork_interp", "__main__.py")}
		},
	},
	{
		name:    "ruby",
		program: regexp.MustCompile(`^ruby[0-9.]*$`),
		symbols: []string{"ruby_init", "ruby_run_node"},
		other:   "enpixcSvhy",
		valued:  "IrEW",
		arguments: func(folder string, _ Mode) []string {
			return []string{"-r" + filepath.Join(folder, "ruby", "prefork_interp", "launch.rb")}
		},
	},
}

// A reason is why a script cannot be warm. It is no failure.
type reason string

// noLine is that of a program in the machine's own language, and of what is none.
const noLine reason = "it has no #! line"

// Error implements error.
func (r reason) Error() string { return string(r) }

// interpreter returns the words before the script's name: those configured, or
// those of the #! line.
func (c Command) interpreter() ([]string, error) {
	if len(c.Interpreter) > 0 {
		return c.Interpreter, nil
	}
	s, err := ReadShebang(c.Script)
	switch {
	case errors.Is(err, os.ErrPermission):
		return nil, reason("it cannot be read")
	case err != nil:
		return nil, &StartError{Script: c.Script, Err: err}
	case s.Program == "":
		return nil, noLine
	case strings.HasSuffix(s.Program+s.Arg, "\r"):
		return nil, reason("its #! line ends in a carriage return")
	}
	return s.command(), nil
}

// language returns the language of a script and the words that run it. The
// error is a [reason] if there is no library for it.
//
// The program must be the interpreter itself. A shell script or a C program that is
// called perl may do anything with its arguments and its environment, and run the
// script without the library: for nobody.
func (c Command) language() (*language, []string, error) {
	words, err := c.interpreter()
	if err != nil {
		return nil, nil, err
	}
	program, args, err := behindEnv(words)
	if err != nil {
		return nil, nil, err
	}
	file, err := lookPath(program, c.Env)
	if err != nil {
		return nil, nil, reason(err.Error())
	}
	if file, err = filepath.EvalSymlinks(file); err != nil {
		return nil, nil, reason(err.Error())
	}
	i := slices.IndexFunc(languages, func(l language) bool { return l.program.MatchString(filepath.Base(file)) })
	if i < 0 {
		return nil, nil, reason(fmt.Sprintf("there is no library for programs of %s", filepath.Base(file)))
	}
	if s, err := ReadShebang(file); err != nil || s.Program != "" {
		return nil, nil, reason(fmt.Sprintf("%s is not the interpreter but a script around it", file))
	}
	l := &languages[i]
	if found, err := hasSymbol(file, l.symbols); err != nil || !found {
		return nil, nil, reason(fmt.Sprintf("%s is not the interpreter but a program around it", file))
	}
	return l, words, l.check(args)
}

// behindEnv returns the program that /usr/bin/env would run, and its arguments,
// if that is what the words begin with.
func behindEnv(words []string) (program string, args []string, err error) {
	if filepath.Base(words[0]) != "env" {
		return words[0], words[1:], nil
	}
	rest := words[1:]
	if len(rest) > 0 {
		if split, ok := strings.CutPrefix(rest[0], "-S"); ok {
			rest = append(strings.Fields(split), rest[1:]...)
		}
	}
	if len(rest) == 0 || strings.HasPrefix(rest[0], "-") || strings.ContainsAny(strings.Join(rest, ""), `='"\$`) {
		return "", nil, reason("its #! line has env do more than find a program")
	}
	return rest[0], rest[1:], nil
}

// check refuses arguments with which the interpreter does not just run a script.
func (l *language) check(args []string) error {
	value := false
	for _, arg := range args {
		switch {
		case value:
			value = false
		case len(arg) > 1 && arg[0] == '-' && arg[1] != '-' && !strings.ContainsRune(l.other, rune(arg[1])):
			value = len(arg) == 2 && strings.ContainsRune(l.valued, rune(arg[1]))
		default:
			return reason(fmt.Sprintf("its interpreter has the argument %q", arg))
		}
	}
	return nil
}
