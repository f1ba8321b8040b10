// Package programs runs programs that Debian ships, as they are, warm and cold in
// turn: the answers are the same bytes. The table of them is in perl_test.go,
// python_test.go and ruby_test.go.
//
//	go test -run TestPrograms -v ./tests/programs                    # ends with a table of times
//	go test -run '^$' -bench . -benchtime 50x ./tests/programs
//
// The programs are those of Debian 12; `make test` installs them.
package programs

import (
	"testing"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

func TestMain(m *testing.M) { site.Main(m) }
