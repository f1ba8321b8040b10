package prefork

import "errors"

// A Prospect is what can be said of a command without running anything. It is the
// caller's.
type Prospect struct {
	Mode Mode
	Why  string // this mode
	Note string // what an administrator should look at; empty if all is as it should be

	Words    []string // before the script's name: those of its interpreter; none if it is a program itself
	Programs []string // the files that these name, in the order in which they are executed
	Missing  error    // why one cannot be told
}

// programs returns the words before the script's name and the files that are executed for
// them: the interpreter, or env and the interpreter that it finds.
func (c Command) programs() (words, files []string, err error) {
	words, err = c.interpreter()
	if errors.Is(err, noLine) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	file, err := lookPath(words[0], c.Env)
	if err != nil {
		return words, nil, err
	}
	files = []string{file}
	behind, _, err := behindEnv(words)
	if err != nil || behind == words[0] {
		return words, files, nil //nolint:nilerr // env does more than can be told
	}
	if file, err = lookPath(behind, c.Env); err != nil {
		return words, files, err
	}
	return words, append(files, file), nil
}
